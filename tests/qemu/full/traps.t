#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hardware errors and other interruptions in mid-capture: gone on from, or the dump is closed as it is."""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import BUILD, MIB, Disk, Guest, case, check, done, run, wanted  # noqa: E402
from harness.qmp import Gdb  # noqa: E402

MEM = "256M"
FILE = {"driver": "raw", "file": {"driver": "file", "filename": "@PATH@"}}
SLOWED = {"driver": "throttle", "throttle-group": "slow", "file": FILE}
SLOW = ["-object", "throttle-group,id=slow,x-bps-write=%d" % (8 * MIB)]

# IA32_MCi_STATUS: VAL, UC, EN, MISCV and ADDRV, and the error code; S, AR and PCC
UCNA = 0xbc00000000000134
S, AR, PCC = 1 << 56, 1 << 55, 1 << 57
RIPV, EIPV, MCIP = 1, 2, 4
PHYSICAL = 2 << 6 | 12          # IA32_MCi_MISC: a physical address, of a page
OLD = 0x4000000                 # RAM of the dead kernel
DEFERRED = 1 << 44              # AMD
INTEL = "max,la57=off,vendor=GenuineIntel"


def machine_check(guest, status, mcg=RIPV | MCIP, addr=OLD, bank=9):
    said = guest.qmp.human("mce 0 %d %#x %#x %#x %#x" % (bank, status, mcg, addr, PHYSICAL))
    check(not said, "mce: " + said)
    # Another one before the handler has ended is a reset
    time.sleep(1)


def mid_capture(guest, pattern=r"^capstub: dumping: "):
    guest.boot()
    guest.wait("data", 120, pattern)


def end(guest, stop):
    guest.wait_end(120)
    check(guest.stop_code() == stop, "stop code %s on the console, expected %s" % (guest.stop_code(), stop))


def symbol(name):
    """Distance of a symbol of the stub from the start of its image."""
    found = {n: int(a, 16) for a, _, n in re.findall(r"^(\w+) (\w) (\w+)$",
             run("nm", os.path.join(BUILD, "x86_64/capstub.elf")), re.M)}
    return found[name] - found["__image_start"]


def find_image(guest):
    """Where the stub is: a page whose beginning is that of the image."""
    with open(os.path.join(BUILD, "x86_64/capstub.bzImage"), "rb") as f:
        text = f.read()[0x400 + 0x200:][:256]
    start, stop = guest.reserved[0]
    at = guest.read_memory(start, stop - start).find(text)
    check(at >= 0x200, "the stub is not in the reserved memory")
    return start + at - 0x200


if wanted("machine checks of data that nobody used"):
    with case("machine checks of data that nobody used, corrected, and again: counted, the dump is whole"):
        disk = Disk("512M", blockdev=SLOWED).format()
        with Guest(disks=[disk], mem=MEM, extra=SLOW, level=1, cpu=INTEL) as guest:
            mid_capture(guest)
            machine_check(guest, UCNA)
            machine_check(guest, UCNA | S)
            machine_check(guest, UCNA | S, addr=OLD + 4096)
            # Not an exception: found when the banks are looked at
            machine_check(guest, 0x9c00000000000134, bank=8)
            end(guest, "ok")
            label = disk.expect("ok", "complete")
            check(label.pages_missing == 0, "%d pages missing" % label.pages_missing)
            guest.compare_pages(disk)
            check(re.search(r"^capstub: x86: so far 3 machine check\(s\) survived, 0 page", disk.log(), re.M),
                  "the log does not count them")
            check(re.search(r"^capstub: x86: machine check bank 8: ", guest.console(), re.M), "the corrected one is not named")

if wanted("a machine check for the page that is being read"):
    with case("a machine check for the page that is being read: that page is missing"):
        disk = Disk("512M", blockdev=SLOWED).format()
        with Guest(disks=[disk], mem=MEM, extra=SLOW, level=1, cpu=INTEL) as guest:
            guest.boot()
            image = find_image(guest)
            guest.wait("data", 120, r"^capstub: dumping: ")
            gdb = Gdb(guest.qmp, guest.sockets + "/gdb")
            at = image + symbol("scan_start")
            gdb._packet("Z1,%x,1" % at)
            gdb._packet("c")
            regs = guest.qmp.human("info registers")
            rip, rdi = (int(re.search(r"\b%s=([0-9a-f]+)" % r, regs).group(1), 16) for r in ("RIP", "RDI"))
            check(rip == at, "stopped at %#x, not %#x" % (rip, at))
            page = int(re.search(r"gpa: (0x[0-9a-f]+)", guest.qmp.human("gva2gpa %#x" % rdi)).group(1), 16)
            gdb._packet("z1,%x,1" % at)
            machine_check(guest, UCNA | S | AR, RIPV | EIPV | MCIP, page)
            gdb.close()
            end(guest, "ok")
            label = disk.expect("ok", "complete")
            check(label.pages_unreadable == 1, "%d pages unreadable" % label.pages_unreadable)
            check(label.pages_missing == 0, "%d pages missing" % label.pages_missing)
            guest.compare_pages(disk, want_all=False, incomplete=True)
            check(", 1 page(s) lost to them" in disk.log(), "the log does not count it")

for name, status in (("context corrupt", UCNA | PCC), ("data of the stub's own", UCNA | S | AR)):
    if wanted("a machine check, " + name):
        with case("a machine check, %s: the dump is closed as it is" % name):
            disk = Disk("512M", blockdev=SLOWED).format()
            with Guest(disks=[disk], mem=MEM, extra=SLOW, cpu=INTEL) as guest:
                # Descriptors follow their data some seconds later
                mid_capture(guest, r"^capstub: dumping: [3-9]. %")
                machine_check(guest, status, RIPV | EIPV | MCIP, 0x100000)
                end(guest, "machine-check")
                label = disk.expect("machine-check", "incomplete")
                check(label.pages_stored > 1000, "%d pages stored" % label.pages_stored)
                check(label.pages_missing > 0, "nothing is missing")
                counts = guest.compare_pages(disk, want_all=False, incomplete=True)
            check(counts["compared"] > 1000, "%d pages compared" % counts["compared"])
            check("exception #MC" in disk.log(), "the log does not say why")

if wanted("NMIs and a deferred error"):
    # Without a local APIC, else the dead kernel masks the pin that this NMI comes by
    with case("NMIs and a deferred error of an AMD CPU: counted, the dump is whole"):
        disk = Disk("512M", blockdev=SLOWED).format()
        with Guest(disks=[disk], mem=MEM, extra=SLOW, level=1, cpu="max,la57=off,apic=off") as guest:
            mid_capture(guest)
            for _ in range(3):
                guest.qmp.command("inject-nmi")
            machine_check(guest, UCNA | DEFERRED)
            end(guest, "ok")
            disk.expect("ok", "complete")
            guest.compare_pages(disk)
            check(re.search(r"[1-9] NMI\(s\)$", disk.log(), re.M), "the log does not count them")

done()
