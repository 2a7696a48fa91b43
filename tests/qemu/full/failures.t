#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks with bad spots, that hang, or are too small: a reset, the stop code that fits, and what was stored is right."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from capstubtest import MIB, Disk, Guest, case, check, done, wanted  # noqa: E402

MEM = "256M"
FILE = {"driver": "raw", "file": {"driver": "file", "filename": "@PATH@"}}
SLOWED = {"driver": "throttle", "throttle-group": "slow", "file": FILE}
SLOW = ["-object", "throttle-group,id=slow,x-bps-write=%d" % (16 * MIB)]


def failing(rules):
    """A disk whose writes fail by QEMU's blkdebug; sectors are always of 512 bytes."""
    return {"driver": "blkdebug", "image": FILE,
            "inject-error": [dict({"event": "none", "iotype": "write", "errno": 5}, **r) for r in rules]}


def bad_spot(once, pages):
    """Raw pages of 4 KiB from 100 MiB on: data, whatever the headers take."""
    first = 100 * MIB // 512
    return failing([{"sector": first + 8 * i, "once": once} for i in range(pages)])


if wanted("a write fails once"):
    with case("a write fails once: tried again, nothing is lost"):
        disk = Disk("512M", blockdev=bad_spot(True, 1)).format()
        with Guest(disks=[disk], mem=MEM) as guest:
            guest.capture()
            label = disk.expect("ok", "complete")
            check(label.pages_missing == 0, "%d pages missing" % label.pages_missing)
            guest.compare_pages(disk)

if wanted("a bad spot"):
    with case("a bad spot of 64 pages: those are missing, the others are right"):
        disk = Disk("512M", driver="nvme", blockdev=bad_spot(False, 64)).format()
        with Guest(disks=[disk], mem=MEM) as guest:
            guest.capture(stop="write-error")
            label = disk.expect("write-error", "incomplete")
            check(label.pages_missing == 64, "%d pages missing, expected 64" % label.pages_missing)
            counts = guest.compare_pages(disk, want_all=False, incomplete=True)
        # Readers are told that they are missing; nothing else may be lost.
        check(label.pages_stored + 64 + label.pages_unreadable == label.pages_total, "the counts do not add up")
        check(counts["empty"] == 64, "%d pages without a descriptor" % counts["empty"])

if wanted("a request is never answered"):
    with case("a request is never answered"):
        disk = Disk("512M", driver="nvme", blockdev=SLOWED).format()
        with Guest(disks=[disk], mem=MEM, extra=SLOW) as guest:
            guest.boot()
            guest.wait("data", 120, r"^capstub: dumping: ")
            # One byte per second: as good as never
            guest.qmp.command("qom-set", path="/objects/slow", property="limits", value={"bps-write": 1})
            guest.wait_end(60)
            check(guest.stop_code() == "device-timeout", "stop code " + guest.stop_code())
            guest.compare_pages(disk, want_all=False, incomplete=True)
        check(disk.label().stop_code == 1, "the label was written behind the failure")

if wanted("3M at level 31: space"):
    with case("3M at level 31: space"):
        disk = Disk("3M").format()
        with Guest(disks=[disk], mem=MEM, level=31, compress="lzo") as guest:
            guest.capture(stop="space")
            label = disk.expect("space", "incomplete")
            check("sysrq triggered crash" in disk.dmesg(), "no dmesg beside the dump")
            check(label.pages_missing > 0, "nothing is missing")
            guest.compare_pages(disk, want_all=False, incomplete=True)

done()
