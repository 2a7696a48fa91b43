#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Filtered and compressed dumps: what is there is right, and the standard tools read it."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import Disk, Guest, capstub, case, check, done, makedumpfile  # noqa: E402

with case("defaults: level 31, LZO") as c:
    disk = Disk("512M", driver="virtio").format("target")
    with Guest(disks=[disk], level=None, compress=None, io=True) as guest:
        guest.capture()
        label = disk.expect("ok", "complete")
        counts = guest.compare_pages(disk, want_all=False)
    check(label.dump_level == 31 and label.dump_level_asked == 31, "level %d" % label.dump_level)
    check(counts["present"] * 4 < label.pages_total, "hardly anything was left out")
    check(label.by_class[5] > 0, "no free pages were found")
    out = c.path("dmesg")
    makedumpfile("--dump-dmesg", disk.path, out)
    with open(out, encoding="utf-8", errors="replace") as f:
        text = f.read()
    check("sysrq triggered crash" in text and "Linux version " + guest.release in text, "dmesg by makedumpfile")
    check("sysrq triggered crash" in disk.dmesg(), "dmesg beside the dump")
    makedumpfile("-l", "-d", "31", disk.path, c.path("refiltered"))
    info = capstub("info", disk.path)
    check("complete" in info and guest.release in info, "capstub info: " + info)

with case("level 1, uncompressed: zero pages are shared") as c:
    disk = Disk("1G", driver="nvme").format("target")
    with Guest(disks=[disk], level=1) as guest:
        guest.capture()
        label = disk.expect("ok", "complete")
        guest.compare_pages(disk)
    check(label.by_class[1] > 0, "no zero pages were found")
    check(label.dump_bytes < label.pages_total * 4096 // 2, "zero pages were stored")
    makedumpfile("-l", "-d", "31", disk.path, c.path("refiltered"))

done()
