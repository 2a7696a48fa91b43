#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A serial line as the way out when the disk fails."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import Disk, Guest, capstub, case, check, done, wanted  # noqa: E402

FILE = {"driver": "raw", "file": {"driver": "file", "filename": "@PATH@"}}
NO_WRITES = {"driver": "blkdebug", "image": FILE, "inject-error": [{"event": "none", "iotype": "write", "errno": 5}]}

# At crashkernel=1M, by both system calls
ROWS = [("x86_64", "-s -p"), ("x86_64", "-c -p"), ("arm64", "-p")]

for arch, kexec in ROWS:
    name = "%s, kexec %s: no write to the disk works, then the line" % (arch, kexec)
    if not wanted(name):
        continue
    with case(name) as c:
        disk = Disk("512M", blockdev=NO_WRITES).format("broken")
        with Guest([disk], arch=arch, mem="256M", level=31, compress=None, kexec=kexec,
                   append="dump=LABEL=broken dump=ttyS0 console=ttyS0 line=8bit") as guest:
            guest.capture(timeout=600)
            check("write-error" in guest.console(), "the disk did not fail")
            capstub("recv", "-q", "-o", c.path("out"), guest.console_path)
            capture = guest.received(c.path("out"))
            with open(os.path.join(capture, "receive.json"), encoding="utf-8") as f:
                report = json.load(f)
            check(report["complete"] and report["frames_lost"] == 0, "report: %s" % report)
            counts = guest.compare_pages(None, want_all=False, dump=os.path.join(capture, "vmcore"))
            check(counts["compared"] == report["pages_stored"] > 1000, "%s, %s" % (counts, report))
        disk.untouched()

done()
