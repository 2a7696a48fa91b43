#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hardware watchdogs that the dead kernel's own driver armed, and nobody feeds but the stub.

Each device three times: the dump takes more than twice the watchdog's time, which watchdog=keep leaves as it is (a
throttled disk cannot be faster), and is complete; the stub hangs, and the watchdog resets the machine; its time is
lengthened. ONLY=text runs the cases whose name holds it.
"""
import os
import re
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import MIB, Disk, Guest, case, check, done, wanted, workdir  # noqa: E402
from harness.broken import SLOWED  # noqa: E402
from harness.debian import kernel  # noqa: E402
from mkinitramfs import find_modules, load_order  # noqa: E402

MEM = "256M"
RATE = 8 * MIB          # bytes per second: 256 MiB take 30 s; the watchdogs have 12
THROTTLE = ["-object", "throttle-group,id=slow,x-bps-write=%d" % RATE]


def armed(arch, suite, module, options, with_modules):
    """Guest arguments: the driver is loaded, and its watchdog fed until the crash."""
    folder = kernel(suite, arch)
    with open(os.path.join(folder, "release"), encoding="utf-8") as f:
        release = f.read().strip()
    available = find_modules(os.path.join(folder, "root"), release)
    files, before = [], []
    for name, data in load_order(available, with_modules + [module]):
        path = workdir.current.path(name + ".ko")
        with open(path, "wb") as f:
            f.write(data)
        files.append("wd/%s.ko=%s" % (name, path))
        before.append("insmod /wd/%s.ko %s" % (name, options if name == module else ""))
    before.append("i=0; while [ ! -c /dev/watchdog ] && [ $i -lt 200 ]; do usleep 100000; i=$((i+1)); done")
    before.append('[ -c /dev/watchdog ] || mark "error: no watchdog"')
    before.append("while :; do echo; usleep 300000; done >/dev/watchdog &")
    return dict(arch=arch, suite=suite, files=files, before="; ".join(before[:-1]) + "; " + before[-1])


def wdat():
    """What firmware would say of the q35's TCO timer: ports, and the bit in memory without which it does not reset."""
    def entry(action, instruction, space, size, address, bit, value, mask):
        return struct.pack("<BBHBBBBQII", action, instruction, 0, space, 8 << size - 1, bit, size, address, value, mask)

    entries = [
        entry(1, 2, 1, 2, 0x660, 0, 1, 0xffff),             # reset
        entry(4, 1, 1, 2, 0x660, 0, 0, 0x3ff),              # current countdown
        entry(5, 1, 1, 2, 0x672, 0, 0, 0x3ff),              # countdown
        entry(6, 0x83, 1, 2, 0x672, 0, 0, 0x3ff),
        entry(8, 0, 1, 2, 0x668, 11, 0, 1),                 # running
        entry(9, 0x82, 1, 2, 0x668, 11, 0, 1),
        entry(10, 0, 1, 2, 0x668, 11, 1, 1),                # stopped
        entry(11, 0x82, 1, 2, 0x668, 11, 1, 1),
        entry(0x11, 0x82, 0, 3, 0xfed1f410, 5, 0, 1),       # reboot
    ]
    path = workdir.current.path("wdat")
    with open(path, "wb") as f:
        f.write(struct.pack("<IHBBB3xIIIB3xI", 32, 0xff, 0xff, 0xff, 0xff, 600, 0x3ff, 4, 1, len(entries)))
        f.write(b"".join(entries))
    return ["-acpitable", "sig=WDAT,data=" + path]


TCO = ["-global", "ICH9-LPC.noreboot=false"]
ROWS = [
    # what the console calls it, and how; architecture; module, its options, what else it takes; QEMU's options; the time as it was
    ("i6300esb", "i6300esb", "x86_64", "i6300esb", "heartbeat=12", [], lambda: ["-device", "i6300esb"], None),
    ("i6300esb, arm64", "i6300esb", "arm64", "i6300esb", "heartbeat=12", [], lambda: ["-device", "i6300esb"], None),
    # Counts its 6 s twice
    ("iTCO", "iTCO", "x86_64", "iTCO_wdt", "heartbeat=6", ["lpc_ich"], lambda: TCO, 12),
    ("WDAT", "WDAT", "x86_64", "wdat_wdt", "timeout=6", [], lambda: TCO + wdat(), 6),
    ("IPMI", "IPMI", "x86_64", "ipmi_watchdog", "timeout=12", ["ipmi_si"],
     lambda: ["-device", "ipmi-bmc-sim,id=bmc", "-device", "isa-ipmi-kcs,bmc=bmc"], 12),
]

for title, name, arch, module, options, others, extra, seconds in ROWS:
    at_event = name != "IPMI"       # QEMU's management controller resets without saying why

    if wanted(title + ": fed"):
        with case(title + ": fed while the dump takes more than twice its time"):
            disk = Disk("512M", blockdev=SLOWED).format()
            with Guest(disks=[disk], mem=MEM, extra=THROTTLE + extra(), append="console=ttyS0 watchdog=keep",
                       **armed(arch, "bookworm", module, options, others)) as guest:
                guest.capture()
                says = "%d s$" % seconds if seconds else "its time is not known"
                check(re.search(r"watchdog: %s runs, %s" % (name, says), guest.console(), re.M), "the watchdog is named")
                check(not guest.qmp.seen("WATCHDOG"), "the watchdog reset the machine")
                check(guest.written() > 2.5 * 12 * RATE, "%d bytes written" % guest.written())
                disk.expect("ok", "complete")
                guest.compare_pages(disk)

    if wanted(title + ": hangs"):
        with case(title + ": resets a stub that hangs"):
            disk = Disk("512M").format()
            with Guest(disks=[disk], mem=MEM, extra=extra(), append="console=ttyS0 watchdog=keep test=hang",
                       **armed(arch, "bookworm", module, options, others)) as guest:
                guest.boot()
                guest.wait("the stub", 60, r"watchdog: %s runs" % name)
                guest.wait_end(90)
                check("stop code" not in guest.console(), "the stub went on")
                check(guest.qmp.seen("WATCHDOG") or not at_event, "QEMU says nothing of a watchdog")
            disk.untouched()

    if wanted(title + ": lengthened"):
        with case(title + ": lengthened"):
            disk = Disk("512M").format()
            with Guest(disks=[disk], mem=MEM, level=31, extra=extra(),
                       **armed(arch, "bookworm", module, options, others)) as guest:
                guest.capture()
                says = r"watchdog: %s runs, 300 s \(it had %d\)$" % (name, seconds or 0)
                check(re.search(says, guest.console(), re.M), "no word of 300 s")
                disk.expect("ok", "complete")

if wanted("left alone"):
    with case("watchdog=leave: not fed, and the dump is cut"):
        disk = Disk("512M", blockdev=SLOWED).format()
        with Guest(disks=[disk], mem=MEM, extra=THROTTLE + ["-device", "i6300esb"], append="console=ttyS0 watchdog=leave",
                   **armed("x86_64", "bookworm", "i6300esb", "heartbeat=12", [])) as guest:
            guest.boot()
            guest.wait_end(90)
            check("stop code" not in guest.console() and "watchdog:" not in guest.console(), "the stub came to its end")
            check(guest.qmp.seen("WATCHDOG"), "QEMU says nothing of a watchdog")
            check(disk.label().stop_code == 1, "the label does not say interrupted")

if wanted("not running"):
    with case("watchdogs that do not run are left alone"):
        disk = Disk("512M").format()
        with Guest(disks=[disk], mem=MEM, level=31, extra=TCO + [
                "-device", "i6300esb", "-device", "ipmi-bmc-sim,id=bmc", "-device", "isa-ipmi-kcs,bmc=bmc"]) as guest:
            guest.capture()
            check("watchdog:" not in guest.console(), "one is said to run")
            disk.expect("ok", "complete")

done()
