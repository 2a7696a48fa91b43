#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""virtio-scsi and AHCI: the dead kernel reads from the very disk when it dies; what is beside the target stays as it is.

The kernels have these drivers as modules, which this test alone takes along. ONLY=text runs the cases whose name holds it.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import Disk, Guest, case, check, done, run, wanted, workdir  # noqa: E402
from harness.broken import LONG, NATIVE, SLOWED, STUCK, WRITE_ERROR, capture_broken, pull_out  # noqa: E402
from harness.debian import kernel  # noqa: E402
from mkinitramfs import find_modules, load_order  # noqa: E402


class ScsiDisk(Disk):
    """A disk of the host adapter @bus; @hba says how QEMU makes that, where this disk is the first on it."""

    def __init__(self, size="1G", device="scsi-hd", bus="hba.0", place="", hba=(), **kw):
        super().__init__(size, **kw)
        self.device, self.bus, self.place, self.hba = device, bus, place, list(hba)

    def options(self):
        blocks = ",logical_block_size=%d,physical_block_size=%d" % (self.block, self.block)
        argv = super().options()[:2]
        return self.hba + argv + ["-device", "%s,bus=%s%s,drive=%s,id=dev-%s,serial=%s%s%s" %
                                  (self.device, self.bus, self.place, self.name, self.name, self.name, blocks, self.props)]


def port(device):
    """An adapter behind a root port of its own, which it can be pulled out of."""
    return ["-device", "pcie-root-port,id=root,chassis=1,slot=1", "-device", device + ",id=hba,bus=root"]


def cd(bus, place=""):
    return ["-device", ("scsi-cd" if "hba" in bus else "ide-cd") + ",bus=" + bus + place]


def busy(arch, suite, nr_disks):
    """Guest arguments: the drivers are loaded, and all disks read until the crash."""
    folder = kernel(suite, arch)
    with open(os.path.join(folder, "release"), encoding="utf-8") as f:
        release = f.read().strip()
    available = find_modules(os.path.join(folder, "root"), release)
    files, before = [], []
    for name, data in load_order(available, ["virtio_scsi", "ahci", "sd_mod"]):
        path = workdir.current.path(name + ".ko")
        with open(path, "wb") as f:
            f.write(data)
        files.append("disks/%s.ko=%s" % (name, path))
        before.append("insmod /disks/%s.ko" % name)
    for letter in "abcdefgh"[:nr_disks]:
        disk = "/dev/sd" + letter
        before.append("i=0; while [ ! -b %s ] && [ $i -lt 600 ]; do usleep 100000; i=$((i+1)); done" % disk)
        before.append('[ -b %s ] || mark "error: no %s"' % (disk, disk))
        for size in ("256k", "4k"):
            before.append("(while :; do dd if=%s of=/dev/null bs=%s iflag=direct; done >/dev/null 2>&1 &)" % (disk, size))
    before.append("sleep 1")
    return dict(arch=arch, suite=suite, files=files, before="; ".join(before), hidden=True)


def good(name, disks, arch="x86_64", suite="bookworm", extra=(), **guest_args):
    """The last disk is the target."""
    if not wanted(name):
        return
    with case(name):
        made = disks()
        target = made[-1].format("target")
        others = [run("sha256sum", d.path) for d in made[:-1]]
        with Guest(disks=made, mem="256M", level=0, extra=list(extra), **busy(arch, suite, len(made)), **guest_args) as guest:
            guest.capture()
            target.expect("ok", "complete")
            guest.compare_pages(target)
        check(others == [run("sha256sum", d.path) for d in made[:-1]], "another disk has changed")


def broken(name, stop, disk, **args):
    if wanted(name):
        with case(name):
            capture_broken(Guest, stop, disk(), **busy("x86_64", "bookworm", 1), **args)


SCSI = ["-device", "virtio-scsi-pci,id=hba"]
MMIO = ["-device", "virtio-scsi-device,id=hba"]
AHCI = ["-device", "ich9-ahci,id=hba"]
MODERN = ["-global", "virtio-mmio.force-legacy=false"]

good("virtio-scsi: a partition, among disks and a CD drive", lambda: [
    ScsiDisk("64M", hba=SCSI + cd("hba.0", ",scsi-id=0"), place=",scsi-id=1,lun=0"),
    ScsiDisk("64M", place=",scsi-id=3,lun=2"),
    ScsiDisk("1G", place=",scsi-id=3,lun=300", table="gpt")])
good("virtio-scsi: blocks of 4 KiB, few segments, small transfers", lambda: [
    ScsiDisk("1G", hba=["-device", "virtio-scsi-pci,id=hba,virtqueue_size=16,max_sectors=64"], block=4096)])
good("virtio-scsi: transitional, write-through", lambda: [
    ScsiDisk("1G", hba=["-device", "virtio-scsi-pci-transitional,id=hba"], props=",write-cache=off")])
good("virtio-scsi: behind VT-d", lambda: [
    ScsiDisk("1G", hba=["-device", "virtio-scsi-pci-non-transitional,id=hba,iommu_platform=on,ats=on"], table="mbr")],
     extra=["-device", "intel-iommu,device-iotlb=on"], words="intel_iommu=on")
good("virtio-scsi: MMIO", lambda: [ScsiDisk("1G", hba=MMIO, table="gpt")], arch="arm64", extra=MODERN)
good("virtio-scsi: MMIO, legacy, 6.12", lambda: [ScsiDisk("1G", hba=MMIO, block=4096)], arch="arm64", suite="trixie")
good("AHCI: a partition, among disks and a CD drive", lambda: [
    ScsiDisk("64M", device="ide-hd", bus="ide.0"),
    ScsiDisk("64M", device="ide-hd", bus="ide.2", hba=cd("ide.1")),
    ScsiDisk("1G", device="ide-hd", bus="ide.5", table="gpt")])
good("AHCI: write-through, 5.10", lambda: [
    ScsiDisk("1G", device="ide-hd", bus="ide.3", props=",write-cache=off")], suite="bullseye")
good("AHCI: arm64, 6.12", lambda: [ScsiDisk("1G", device="ide-hd", hba=AHCI, table="mbr")], arch="arm64", suite="trixie")

if wanted("virtio-scsi: write protected"):
    with case("virtio-scsi: write protected"):
        disk = ScsiDisk("256M", hba=SCSI, blockdev={"driver": "raw", "read-only": True, "file": {
            "driver": "file", "filename": "@PATH@"}}).format("target")
        before = run("sha256sum", disk.path)
        with Guest(disks=[disk], mem="256M", hidden=True) as guest:
            guest.capture(stop="target-read-only")
        check(before == run("sha256sum", disk.path), "the disk has changed")

for driver, device, adapter in (("virtio-scsi", "scsi-hd", "virtio-scsi-pci"), ("AHCI", "ide-hd", "ich9-ahci")):
    broken("%s: a block that cannot be written" % driver, "write-error",
           lambda: ScsiDisk("1G", device=device, hba=["-device", adapter + ",id=hba"], blockdev=WRITE_ERROR), states=("incomplete",))
    broken("%s: a request that does not complete" % driver, "device-timeout",
           lambda: ScsiDisk("1G", device=device, hba=["-device", adapter + ",id=hba"], blockdev=SLOWED), extra=STUCK,
           append="console=ttyS0 timeout=10")

# QEMU does not survive it when its AHCI is pulled out and the machine then reset
broken("virtio-scsi: pulled out", "device-gone", lambda: ScsiDisk("1G", hba=port("virtio-scsi-pci"), blockdev=SLOWED),
       during=pull_out, extra=NATIVE + LONG)

done()
