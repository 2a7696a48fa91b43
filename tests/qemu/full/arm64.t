#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""arm64, the long list: kernels, CPUs, GICs, exception levels, firmware, transports, memory sizes, page sizes.

ONLY=text runs the cases whose name holds it. full/arm64-bad.t has what must be refused, full/readers-arm64.t who reads the dumps.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import Disk, Guest, capstub, case, check, done, run, wanted  # noqa: E402

UEFI = ["-bios", "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"]
MODERN = ["-global", "virtio-mmio.force-legacy=false"]


def virt(gic=3, el2=False):
    return "virt,gic-version=%d%s" % (gic, ",virtualization=on" if el2 else "")


ROWS = [
    ("5.10, GICv2, EL2", dict(driver="virtio"),
     dict(suite="bullseye", cpu="cortex-a57", machine=virt(2, True), smp=4, panic_cpu=2)),
    ("5.10, oops, virtio-mmio 1.x", dict(driver="virtio-mmio"),
     dict(suite="bullseye", cpu="cortex-a72", machine=virt(), extra=MODERN, panic="oops")),
    ("6.1, max at EL1", dict(driver="nvme"), dict(cpu="max", machine=virt())),
    ("6.1, virtio transitional, MBR", dict(driver="virtio-trans", table="mbr"),
     dict(cpu="cortex-a57", machine=virt(2))),
    ("5.10, virtio legacy, by the ports of the host bridge's window", dict(driver="virtio-legacy"),
     dict(suite="bullseye", cpu="cortex-a57", machine=virt())),
    ("6.12, VHE, GPT", dict(driver="virtio", table="gpt"),
     dict(suite="trixie", cpu="max", machine=virt(3, True), smp=4, panic_cpu=1)),
    ("6.12, pages of 16 KiB, 52-bit addresses", dict(driver="nvme"),
     dict(suite="trixie-16k", cpu="max", machine=virt())),
    ("6.12, UEFI, VHE, 4 CPUs", dict(driver="nvme", block=4096),
     dict(suite="trixie", cpu="max", machine=virt(3, True), smp=4, panic_cpu=3, extra=UEFI)),
    ("6.1, UEFI, EL2 without VHE", dict(driver="virtio"),
     dict(cpu="cortex-a72", machine=virt(3, True), extra=UEFI)),
    ("6.1, kexec_load without checks", dict(driver="virtio"),
     dict(suite="bookworm", machine=virt(), kexec="-p -i")),
]

for title, disk_args, guest_args in ROWS:
    if not wanted(title):
        continue
    with case(title):
        disk = Disk("1G", **disk_args).format("target")
        with Guest(disks=[disk], arch="arm64", mem="512M", io=True, level=0, **guest_args) as guest:
            guest.capture()
            label = disk.expect("ok", "complete")
            check(label.release == guest.release and label.machine == "aarch64", "kernel in the label")
            guest.compare_pages(disk)

# A legacy-only function has nothing but I/O ports. Of ACPI's tables MCFG does not say where they are in memory, and the rest
# is AML: said plainly, and a reset
if wanted("UEFI, virtio legacy is refused"):
    with case("UEFI, virtio legacy is refused"):
        disk = Disk("64M", driver="virtio-legacy").format()
        with Guest(disks=[disk], arch="arm64", suite="bullseye", mem="256M", machine=virt(), extra=UEFI) as guest:
            guest.capture(stop="device-init")
        disk.untouched()

# Memory above 4 GiB, and the same 1 MiB of reservation as for 512 MiB
if wanted("8 GiB, zero pages shared"):
    with case("8 GiB, zero pages shared"):
        disk = Disk("10G", driver="nvme").format("target")
        with Guest(disks=[disk], arch="arm64", suite="bullseye", mem="8G", machine=virt(), level=1) as guest:
            guest.capture()
            label = disk.expect("ok", "complete")
            check(label.pages_total > 2000000, "%d pages" % label.pages_total)
            guest.compare_pages(disk)


def incoherent_tree(c):
    """Path of QEMU's device tree without "dma-coherent"."""
    tree, text = c.path("virt.dtb"), c.path("virt.dts")
    run("qemu-system-aarch64", "-machine", virt() + ",dumpdtb=" + tree, "-cpu", "cortex-a72", "-m", "512M",
        "-nodefaults", "-display", "none", timeout=30)
    run("dtc", "-q", "-I", "dtb", "-O", "dts", "-o", text, tree)
    with open(text, encoding="utf-8") as f:
        lines = [line for line in f if "dma-coherent" not in line]
    with open(text, "w", encoding="utf-8") as f:
        f.writelines(lines)
    run("dtc", "-q", "-I", "dts", "-O", "dtb", "-p", "65536", "-o", tree, text)
    return tree


for driver in ("virtio", "nvme", "virtio-mmio"):
    if not wanted("cache maintenance for DMA, " + driver):
        continue
    with case("cache maintenance for DMA, " + driver) as c:
        disk = Disk("1G", driver=driver).format("target")
        with Guest(disks=[disk], arch="arm64", suite="bullseye", mem="512M", machine=virt(), cpu="cortex-a72",
                   io=True, level=0, extra=["-dtb", incoherent_tree(c)]) as guest:
            guest.capture()
            disk.expect("ok", "complete")
            guest.compare_pages(disk)

for good in (True, False):
    name = "check= that is %s" % ("right" if good else "wrong")
    if not wanted(name):
        continue
    with case(name):
        disk = Disk("64M").format()
        words = capstub("words", "console=ttyAMA0", "dump=any", "level=31").strip()
        if not good:
            words = words.replace("level=31", "level=30")
        with Guest(disks=[disk], arch="arm64", suite="bullseye", mem="256M", machine=virt(), level=None, compress=None,
                   append=words) as guest:
            guest.capture(stop="ok" if good else "image-checksum")
        if not good:
            disk.untouched()

done()
