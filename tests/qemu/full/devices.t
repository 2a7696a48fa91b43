#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks in unusual places and shapes, and disks that fail in the middle of a capture, on x86_64."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import Disk, Guest, case, check, done, run, wanted  # noqa: E402
from harness.broken import LONG, NATIVE, SLOWED, STUCK, WRITE_ERROR, capture_broken, pull_out  # noqa: E402


class PortDisk(Disk):
    """Behind a PCI Express root port of its own."""

    chassis = 0

    def options(self):
        PortDisk.chassis += 1
        self.props = "bus=port-%s" % self.name
        return ["-device", "pcie-root-port,id=port-%s,chassis=%d,slot=%d" %
                (self.name, PortDisk.chassis, PortDisk.chassis)] + super().options()


class NamespaceDisk(Disk):
    """The last of three namespaces; the first cannot be used (metadata), the second has no label."""

    def options(self):
        blockdev = super().options()[:2]
        argv = ["-device", "nvme,id=ctrl,serial=three"]
        for nsid, props in ((1, "ms=8"), (4, "shared=on")):
            argv += ["-blockdev", "driver=null-co,size=67108864,read-zeroes=on,node-name=null%d" % nsid,
                     "-device", "nvme-ns,drive=null%d,bus=ctrl,nsid=%d,%s" % (nsid, nsid, props)]
        return argv + blockdev + ["-device", "nvme-ns,drive=%s,bus=ctrl,nsid=9" % self.name]

    def guest_name(self, index):
        return "/dev/nvme%dn3" % index


class DualPortDisk(Disk):
    """One namespace that two controllers of a subsystem have."""

    def options(self):
        argv = ["-device", "nvme-subsys,id=sub-" + self.name]
        for port in "ab":
            argv += ["-device", "nvme,id=%s-%s,serial=%s,subsys=sub-%s" % (port, self.name, self.name, self.name)]
        return argv + super().options()[:2] + ["-device", "nvme-ns,drive=%s,bus=a-%s,nsid=1" % (self.name, self.name)]


class CrowdedDisk(Disk):
    """The last of many NVMe disks."""

    def options(self):
        argv = []
        for i in range(20):
            argv += ["-blockdev", "driver=null-co,size=67108864,read-zeroes=on,node-name=null%d" % i,
                     "-device", "nvme,drive=null%d,serial=null%d" % (i, i)]
        return argv + super().options()


class FormattedDisk(Disk):
    """A namespace with metadata, or zones: props of QEMU's nvme-ns. Metadata lies behind the blocks in the image."""

    def __init__(self, size, ns, metadata=0, **kw):
        super().__init__(size, driver="nvme", **kw)
        self.ns = ns
        self.metadata = metadata
        self.end = self.size // (self.block + metadata) * self.block

    def tuples(self):
        """Protection information of the first block of the header and of the label; in type 3 nobody looks at the tag."""
        if "pi=3" in self.ns:
            return
        with open(self.path, "rb") as f:
            for lba in (0, (self.target_bytes - 4096) // self.block):
                f.seek(self.end + self.metadata * lba)
                yield lba, f.read(8)

    def options(self):
        return ["-device", "nvme,id=ctrl-%s,serial=%s" % (self.name, self.name)] + super().options()[:2] + [
            "-device", "nvme-ns,drive=%s,bus=ctrl-%s,nsid=1,logical_block_size=%d,physical_block_size=%d,%s" %
            (self.name, self.name, self.block, self.block, self.ns)]


def good(name, disks, io=True, **guest_args):
    """The last disk is the target; with io, it is read by the first kernel at the moment of the crash."""
    if not wanted(name):
        return
    with case(name):
        made = disks()
        target = made[-1].format("target")
        with Guest(disks=made, mem="256M", io=io, level=0, **guest_args) as guest:
            guest.capture()
            target.expect("ok", "complete")
            guest.compare_pages(target)
        for lba, info in target.tuples() if isinstance(target, FormattedDisk) else ():
            # Guard, application tag, reference tag, all big-endian; Linux compares the last with the block's number
            check(struct.unpack(">HHI", info)[2] == lba, "block %d: protection information %s" % (lba, info.hex()))
        for other in made[:-1]:
            with open(other.path, "rb") as f:
                check(not any(f.read(1 << 20)), "%s was written" % other.name)


def broken(name, stop, disk, **args):
    if wanted(name):
        with case(name):
            capture_broken(Guest, stop, disk(), **args)


# --- places and shapes ---

good("behind root ports, the third disk", lambda: [
    PortDisk("64M", driver="nvme", name="a"), PortDisk("64M", driver="virtio", name="b"),
    PortDisk("1G", driver="nvme", block=4096, name="c")])
good("third namespace", lambda: [NamespaceDisk("1G", driver="nvme", name="n")])
good("two ports", lambda: [DualPortDisk("1G", driver="nvme", name="dual")], hidden=True, io=False,
     append="console=ttyS0 dump=LABEL=target")
good("the last of 21 controllers", lambda: [CrowdedDisk("1G", driver="nvme", name="last")], hidden=True, io=False)
good("NVMe, protection information of type 1", lambda: [FormattedDisk("1G", "ms=8,pi=1", 8)])
good("NVMe, protection information of type 2 in the blocks", lambda: [FormattedDisk("1G", "ms=8,pi=2,mset=1", 8)])
good("NVMe, protection information of type 3, blocks of 4 KiB", lambda: [
    FormattedDisk("1G", "ms=8,pi=3", 8, block=4096)])
good("NVMe, transfers of 8 KiB", lambda: [Disk("1G", driver="nvme", props="mdts=1")])
good("virtio, queue of 16", lambda: [Disk("1G", props="queue-size=16")])
good("virtio, queue of 1024", lambda: [Disk("1G", props="queue-size=1024")])
good("virtio legacy, queue of 512", lambda: [Disk("1G", driver="virtio-legacy", props="queue-size=512")],
     machine="pc")
good("virtio, seg_max 126", lambda: [Disk("1G", props="seg-max-adjust=off")], machine="pc")
good("virtio, blocks of 4 KiB", lambda: [Disk("1G", block=4096)])
good("virtio, write-through", lambda: [Disk("1G", props="write-cache=off")])

# microvm: no PCI, no ACPI. Debian's kernel has no driver for a disk that only a word names; the stub does.
for kind in ("true", "false"):
    title = "microvm, virtio-mmio named by a word, legacy " + kind
    if wanted(title):
        with case(title):
            disk = Disk("512M", driver="virtio-mmio").format("target")
            with Guest(disks=[disk], mem="256M", level=0, machine="microvm,rtc=on,acpi=off", hidden=True,
                       extra=["-global", "virtio-mmio.force-legacy=" + kind],
                       append="console=ttyS0 virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=512@0xfeb00e00:12") as guest:
                guest.capture()
                disk.expect("ok", "complete")
                guest.compare_pages(disk)

# --- formats that cannot be written to ---

for name, ns in (("64 bytes of metadata", "ms=64"), ("metadata in the blocks", "ms=8,mset=1"), ("zoned", "zoned=true,zoned.zone_size=16M")):
    if wanted("NVMe refused: " + name):
        with case("NVMe refused: " + name):
            disk = FormattedDisk("256M", ns, name="odd").format()
            before = run("sha256sum", disk.path)
            with Guest(disks=[disk], mem="256M", hidden=True, append="console=ttyS0 dump=SERIAL=odd") as guest:
                guest.capture(stop="unsupported-format")
            check(before == run("sha256sum", disk.path), "the disk has changed")

if wanted("two disks of two ports"):
    with case("two disks of two ports, one a copy of the other"):
        disks = [DualPortDisk("256M", driver="nvme", name="one").format("target")]
        disks.append(DualPortDisk("256M", driver="nvme", name="two").format(label=disks[0].label().raw))
        before = [run("sha256sum", d.path) for d in disks]
        with Guest(disks=disks, mem="256M", hidden=True, append="console=ttyS0 dump=LABEL=target") as guest:
            guest.capture(stop="ambiguous-target")
        check(before == [run("sha256sum", d.path) for d in disks], "a disk has changed")

# --- failures ---

for driver in ("nvme", "virtio", "virtio-legacy"):
    broken("%s: a block that cannot be written" % driver, "write-error",
           lambda: Disk("1G", driver=driver, blockdev=WRITE_ERROR), states=("incomplete",))
    broken("%s: a request that does not complete" % driver, "device-timeout",
           lambda: Disk("1G", driver=driver, blockdev=SLOWED), extra=STUCK, append="console=ttyS0 timeout=10")
    broken("%s: pulled out" % driver, "device-gone",
           lambda: PortDisk("1G", driver=driver, name="out", blockdev=SLOWED), during=pull_out, extra=NATIVE + LONG)

done()
