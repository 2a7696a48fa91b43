#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""arm64: few rows that between them meet every exception level, firmware, GIC, transport and load call.

full/arm64.t has the rest.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import BUILD, QEMU, MIB, Disk, Guest, case, check, done, run  # noqa: E402

UEFI = ["-bios", "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"]
EL2 = "virtualization=on"

ROWS = [
    # title, disk, guest
    ("EL1, device tree, virtio-mmio", dict(driver="virtio-mmio"),
     dict(suite="bullseye", cpu="cortex-a57", machine="virt,gic-version=2")),
    ("EL2 without VHE, 4 CPUs, NVMe", dict(driver="nvme", table="gpt"),
     dict(cpu="cortex-a72", machine="virt,gic-version=3," + EL2, smp=4, panic_cpu=3, panic="oops")),
    ("EL2 with VHE, virtio-blk", dict(driver="virtio"),
     dict(cpu="max", machine="virt,gic-version=3," + EL2)),
    ("UEFI and ACPI, NVMe 4 KiB", dict(driver="nvme", block=4096),
     dict(cpu="cortex-a72", machine="virt,gic-version=3", extra=UEFI)),
]

for title, disk_args, guest_args in ROWS:
    with case(title):
        disk = Disk("1G", **disk_args).format("target")
        with Guest(disks=[disk], arch="arm64", mem="512M", io=True, level=0, **guest_args) as guest:
            guest.capture()
            label = disk.expect("ok", "complete")
            check(label.release == guest.release and label.machine == "aarch64", "kernel in the label")
            check(label.captures == 1 and label.pages_missing == 0, "counts in the label")
            guest.compare_pages(disk)

with case("a changed byte in the image") as c:
    image = c.path("image")
    with open(os.path.join(BUILD, "arm64/capstub.Image"), "rb") as f:
        data = bytearray(f.read())
    data[len(data) // 2] ^= 4
    with open(image, "wb") as f:
        f.write(data)
    disk = Disk("64M").format()
    with Guest(disks=[disk], arch="arm64", suite="bullseye", mem="256M", stub=image) as guest:
        guest.capture(stop="image-checksum")
    disk.untouched()

with case("memory that answers with external aborts and SErrors") as c:
    hole, pages = 0x48100000, 16
    elf, shim = c.path("hole.elf"), c.path("hole")
    run("aarch64-linux-gnu-gcc", "-nostdlib", "-static", "-Wl,-Ttext=0", "-Wl,--build-id=none",
        "-DHOLE=%#x" % hole, "-DHOLE_PAGES=%d" % pages, "-o", elf, os.path.join(QEMU, "hole.S"))
    run("aarch64-linux-gnu-objcopy", "-O", "binary", elf, shim)
    with open(shim, "r+b") as out, open(os.path.join(BUILD, "arm64/capstub.Image"), "rb") as f:
        out.truncate(2 * MIB)
        out.seek(2 * MIB)
        out.write(f.read())
    disk = Disk("1G").format()
    # highmem=off: all registers below the 512 GiB that hole.S maps
    # compress=lzo: the CPU reads every page, none is left to the device
    with Guest(disks=[disk], arch="arm64", suite="bullseye", mem="512M", stub=shim, crashkernel="8M",
               machine="virt,gic-version=3,highmem=off," + EL2, level=0, compress="lzo") as guest:
        guest.capture()
        label = disk.expect("ok", "complete")
        check(label.pages_unreadable == pages, "%d unreadable pages, expected %d" % (label.pages_unreadable, pages))
        # One more SError than pages: that which was pending at entry hit none
        seen, lost = re.findall(r"so far (\d+) SError\(s\), (\d+) page", guest.console())[-1]
        check(int(seen) == int(lost) + 1 > 1, "%s SErrors for %s pages" % (seen, lost))
        # The pages that could not be read are in the dump as such; all others are there and right.
        start, end = guest.reserved[0]
        out = run(os.path.join(BUILD, "pages"), "-x", "%#x-%#x" % (start, end), "-r", "0x40000000-0x60000000",
                  disk.dump(), *guest.save_memory(), ok=(1,), timeout=900)
        counts = dict(re.findall(r"(\w+)=(\d+)", out))
        check(counts["empty"] == str(pages) and counts["differing"] == counts["missing"] == counts["unreadable"] == "0", out)
        check(int(counts["compared"]) == (512 - 8) * 256 - pages, out)
        bad = [int(a, 16) for a in re.findall(r"(0x[0-9a-f]+): empty", out)]
        check(bad and all(hole <= a < hole + pages * 4096 for a in bad), out)

done()
