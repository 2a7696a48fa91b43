#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Behind an IOMMU that the dead kernel left at work, without a kernel parameter but where QEMU's AMD unit needs one.

Each page of the dump is compared, and with it the table entries that the stub had to change: the dump has them as they
were, and so has the machine's memory afterwards. ONLY=text runs the cases whose name holds it.
"""
import glob
import lzma
import os
import re
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import Disk, Guest, case, check, done, wanted, workdir  # noqa: E402
from harness.debian import kernel  # noqa: E402

UEFI = ["-bios", "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"]
PLATFORM = "iommu_platform=on"
AMD = dict(cpu="EPYC", words="iommu.passthrough=0")


def intel(*options):
    return ["-device", ",".join(("intel-iommu",) + options)]


ROWS = [
    # name, what the console says of the unit, disk, guest
    ("VT-d, 6.1, kexec_load", "VT-d", dict(driver="nvme"), dict(extra=intel(), smp=4, panic_cpu=2)),
    ("VT-d, 6.1, kexec_file_load", "VT-d", dict(driver="nvme", table="gpt"), dict(extra=intel(), kexec="-s -p")),
    ("VT-d, 6.12", "VT-d", dict(driver="nvme"), dict(extra=intel(), suite="trixie", kexec="-c -p")),
    ("VT-d, caching mode, 48 bits", "VT-d", dict(driver="nvme"), dict(extra=intel("caching-mode=on", "aw-bits=48"))),
    ("VT-d, scalable, 6.1", "VT-d", dict(driver="nvme"), dict(extra=intel("x-scalable-mode=on"))),
    ("VT-d, scalable, 6.12", "VT-d", dict(driver="nvme"),
     dict(extra=intel("x-scalable-mode=on"), suite="trixie", kexec="-c -p", smp=4)),
    ("VT-d without pass-through", "VT-d", dict(driver="nvme"), dict(extra=intel("pt=off"))),
    ("VT-d, behind a root port", "VT-d", dict(driver="nvme", props="bus=rp"),
     dict(extra=intel() + ["-device", "pcie-root-port,id=rp,slot=1,chassis=1"])),
    ("VT-d, behind a bridge to conventional PCI", "VT-d", dict(driver="virtio", props="bus=br,addr=2,disable-legacy=on," + PLATFORM),
     dict(extra=intel() + ["-device", "pcie-pci-bridge,id=br"])),
    ("VT-d, virtio-blk", "VT-d", dict(driver="virtio", props=PLATFORM), dict(extra=intel())),
    ("AMD-Vi, 6.1", "AMD-Vi", dict(driver="nvme"), dict(extra=["-device", "amd-iommu"], **AMD)),
    ("AMD-Vi, 6.12, virtio-blk", "AMD-Vi", dict(driver="virtio", props=PLATFORM),
     dict(extra=["-device", "amd-iommu"], suite="trixie", kexec="-c -p", smp=4, **AMD)),
    ("SMMUv3, device tree, 6.1", "SMMUv3", dict(driver="nvme"), dict(arch="arm64", machine="virt,gic-version=3,iommu=smmuv3")),
    ("SMMUv3, UEFI, 6.12", "SMMUv3", dict(driver="nvme"),
     dict(arch="arm64", machine="virt,gic-version=3,iommu=smmuv3", suite="trixie", extra=UEFI, smp=4)),
    ("SMMUv3, virtio-blk", "SMMUv3", dict(driver="virtio", props=PLATFORM),
     dict(arch="arm64", machine="virt,gic-version=3,iommu=smmuv3")),
]

for name, kind, disk_args, guest_args in ROWS:
    if not wanted(name):
        continue
    with case(name):
        disk = Disk("512M", **disk_args).format("target")
        with Guest(disks=[disk], mem="256M", io=True, level=0, **guest_args) as guest:
            guest.capture()
            label = disk.expect("ok", "complete")
            check(label.pages_missing == 0, "%d pages missing" % label.pages_missing)
            check(re.search(r"iommu: %s at .* passes through" % kind, guest.console()), "the unit is named")
            guest.compare_pages(disk)


# --- virtio-iommu: a module of Debian's kernels from 6.12 on, without which the disk's driver waits ---------

VIRTIO = ["-device", "virtio-iommu-pci"]
BEHIND_MODULE = """insmod /viommu.ko
i=0; while [ ! -b /dev/nvme0n1 ] && [ $i -lt 600 ]; do usleep 50000; i=$((i + 1)); done
dd if=/dev/nvme0n1 of=/dev/null bs=64k count=100 iflag=direct || mark 'error: no disk'"""


def module():
    """Uncompressed, as busybox loads it."""
    found = glob.glob(kernel("trixie", "x86_64") + "/root/**/virtio-iommu.ko.xz", recursive=True)
    check(found, "no virtio-iommu among the kernel's modules")
    path = workdir.current.path("viommu.ko")
    with lzma.open(found[0]) as f, open(path, "wb") as out:
        out.write(f.read())
    return path


for name, module_loaded in (("virtio-iommu, 6.12", True), ("virtio-iommu without a driver, 6.1", False)):
    if not wanted(name):
        continue
    with case(name):
        disk = Disk("512M", driver="nvme").format("target")
        args = dict(suite="trixie", kexec="-c -p", hidden=True, files=["viommu.ko=" + module()],
                    before=BEHIND_MODULE) if module_loaded else dict(io=True)
        with Guest(disks=[disk], mem="256M", level=0, extra=VIRTIO, **args) as guest:
            guest.capture()
            disk.expect("ok", "complete")
            check(re.search("iommu: virtio-iommu at .* " + ("passes through, others are blocked" if module_loaded else
                                                            "is not translated"), guest.console()), "the unit is named")
            guest.compare_pages(disk)


# --- everybody else stays translated ------------------------------------------------------------------

EDU_FROM, EDU_TO = 0x10000000, 0x10001000     # RAM of the guest: what the device is told to read and to write
EDU_BUFFER = 0x40000


class Edu:
    """QEMU's educational device, driven from outside by writes to its registers."""

    def __init__(self, guest, ecam=0xb0000000):
        self.guest = guest
        for bus in guest.qmp.command("query-pci"):
            for dev in bus["devices"]:
                if (dev["id"]["vendor"], dev["id"]["device"]) == (0x1234, 0x11e8):
                    self.base = dev["regions"][0]["address"]
                    self.config = ecam + (dev["slot"] << 15)
                    return
        check(False, "no edu device")

    def dma(self, source, target, to_ram):
        self.guest.write_memory(self.config + 4, b"\x06\x00")     # memory decoding, bus master
        for reg, value in ((0x80, source), (0x88, target), (0x90, 8), (0x98, 1 | (2 if to_ram else 0))):
            self.guest.write_memory(self.base + reg, struct.pack("<Q", value))


def others(name, through, **guest_args):
    """Does a device that is not the target reach memory at an address that nobody mapped for it?"""
    if not wanted(name):
        return
    with case(name):
        disk = Disk("512M", driver="nvme").format("target")
        with Guest(disks=[disk], mem="320M", level=0, **guest_args) as guest:
            guest.boot()
            before = guest.written()
            guest.crash()
            guest.wait("the dump", 120, r"capstub: dumping to")
            guest.qmp.command("block_set_io_throttle", id="/machine/peripheral/dev-" + disk.name, bps=2000000, bps_rd=0,
                              bps_wr=0, iops=0, iops_rd=0, iops_wr=0)
            check(guest.written() >= before, "the capture runs")
            guest.qmp.command("stop")
            edu = Edu(guest)
            guest.write_memory(EDU_FROM, b"SECRET!!")
            guest.write_memory(EDU_TO, b"as it was")
            edu.dma(EDU_FROM, EDU_BUFFER, False)
            guest.qmp.command("cont")
            guest.qmp.poll(1.0)
            guest.qmp.command("stop")
            edu.dma(EDU_BUFFER, EDU_TO, True)
            guest.qmp.command("cont")
            guest.qmp.poll(1.0)
            got = guest.read_memory(EDU_TO, 9)
            check((got == b"as it was") != through, "memory at the target of the DMA: %r" % got)


others("another device stays translated, VT-d", False, extra=intel() + ["-device", "edu,dma_mask=0xffffffffffffffff"])
others("another device stays translated, scalable", False,
       extra=intel("x-scalable-mode=on") + ["-device", "edu,dma_mask=0xffffffffffffffff"])
others("another device stays translated, AMD-Vi", False,
       extra=["-device", "amd-iommu", "-device", "edu,dma_mask=0xffffffffffffffff"], **AMD)
# The same without translation, to know that the test can see it
others("another device of a machine without translation", True,
       extra=["-device", "edu,dma_mask=0xffffffffffffffff"])

done()
