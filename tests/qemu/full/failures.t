#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks that fail, vanish, hang or are too small: always a reset, the stop code that fits, and what was stored is right."""
import os
import re
import sys
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import MIB, Disk, Guest, Label, case, check, done, makedumpfile, run, wanted  # noqa: E402

MEM = "256M"
FILE = {"driver": "raw", "file": {"driver": "file", "filename": "@PATH@"}}
SLOWED = {"driver": "throttle", "throttle-group": "slow", "file": FILE}
SLOW = ["-object", "throttle-group,id=slow,x-bps-write=%d" % (16 * MIB)]


def failing(rules):
    """A disk whose writes fail by QEMU's blkdebug; sectors are always of 512 bytes."""
    return {"driver": "blkdebug", "image": FILE,
            "inject-error": [dict({"event": "none", "iotype": "write", "errno": 5}, **r) for r in rules]}


def serial(*names):
    return "console=ttyS0 " + " ".join("dump=SERIAL=" + n for n in names)


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
        # The bitmap has them, so a reader that asks for them is told; nothing else may be lost.
        check(label.pages_stored + 64 + label.pages_unreadable == label.pages_total, "the counts do not add up")
        check(counts["compared"] > 60000, "%d pages compared" % counts["compared"])

if wanted("every write fails"):
    with case("every write fails: the next dump= is taken"):
        first = Disk("512M", name="first", blockdev=failing([{}])).format()
        second = Disk("512M", name="second", driver="nvme").format()
        with Guest(disks=[first, second], mem=MEM, level=31, compress="lzo", append=serial("first", "second")) as guest:
            guest.capture()
            first.untouched()
            second.expect("ok", "complete")
            guest.compare_pages(second, want_all=False)

if wanted("the first dump= names a disk"):
    with case("the first dump= names a disk that is not there, the second has no label, the third works"):
        disks = [Disk("64M", name="blank"), Disk("512M", name="good").format()]
        with Guest(disks=disks, mem=MEM, level=31, compress="lzo", append=serial("absent", "blank", "good")) as guest:
            guest.capture()
            disks[1].expect("ok", "complete")
            check(disks[0].read(0, 64 * MIB) == b"\0" * (64 * MIB), "the disk without a label was written")

for driver in ("virtio", "nvme"):
    if wanted("a request is never answered, " + driver):
        with case("a request is never answered, " + driver):
            disk = Disk("512M", driver=driver, blockdev=SLOWED).format()
            with Guest(disks=[disk], mem=MEM, extra=SLOW, append="console=ttyS0 timeout=10") as guest:
                guest.boot()
                guest.wait("data", 120, r"^capstub: dumping: ")
                # One byte per second: as good as never
                guest.qmp.command("qom-set", path="/objects/slow", property="limits", value={"bps-write": 1})
                guest.wait_end(60)
                check(guest.stop_code() == "device-timeout", "stop code " + guest.stop_code())
                guest.compare_pages(disk, want_all=False, incomplete=True)
            check(disk.label().stop_code == 1, "the label was written behind the failure")

for driver, backend in (("virtio", "/virtio-backend"), ("nvme", "")):
    if wanted("a disk stalls for 15 s, " + driver):
        with case("a disk stalls for 15 s, %s: waited for, nothing is lost" % driver):
            disk = Disk("512M", driver=driver, blockdev=SLOWED).format()
            with Guest(disks=[disk], mem=MEM, extra=SLOW) as guest:
                guest.boot()
                guest.wait("data", 120, r"^capstub: dumping: ")
                for rate, seconds in ((1, 15), (0, 0)):
                    guest.qmp.command("block_set_io_throttle", id="/machine/peripheral/dev-%s%s" % (disk.name, backend), bps=0,
                                      bps_rd=0, bps_wr=rate, iops=0, iops_rd=0, iops_wr=0)
                    time.sleep(seconds)
                guest.wait_end(120)
                check(guest.stop_code() == "ok", "stop code " + guest.stop_code())
                disk.expect("ok", "complete")
                guest.compare_pages(disk)

# 24 bytes of table for each page that is kept: 256 MiB at level 0 need 1.5 MiB before the first page
for size, level, stop in (("1536K", 0, "target-too-small"), ("2M", 31, "space"), ("3M", 31, "space")):
    name = "%s at level %d: %s" % (size, level, stop)
    if wanted(name):
        with case(name) as c:
            disk = Disk(size).format()
            with Guest(disks=[disk], mem=MEM, level=level, compress="lzo") as guest:
                guest.capture(stop=stop)
                label = disk.expect(stop, "incomplete")
                check("sysrq triggered crash" in disk.dmesg(), "no dmesg beside the dump")
                if stop == "space":
                    check(label.pages_missing > 0, "nothing is missing")
                    guest.compare_pages(disk, want_all=False, incomplete=True)
                    if guest.arch != "x86_64":
                        continue    # not yet enough for makedumpfile there: it does not find the kernel's version
                    # Page tables, variables and the log's buffer are among the few pages that fit: enough to open it
                    log = c.path("log")
                    makedumpfile("--dump-dmesg", disk.path, log)
                    with open(log, encoding="utf-8", errors="replace") as f:
                        check("sysrq triggered crash" in f.read(), "no panic in makedumpfile's dmesg")

IDENT = uuid.UUID("6f6e1f0a-9d3c-4c51-8f0e-0123456789ab")


def twins(tables):
    disks = []
    for table, driver in tables:
        d = Disk("64M", driver=driver, table=table)
        disks.append(d.format(label=Label.make(d.target_bytes, "crash", ident=IDENT)))
    return disks


for name, word, tables in (
        ("two partitions of one PARTLABEL", "PARTLABEL=capstub", [("gpt", "virtio"), ("gpt", "nvme")]),
        ("two disks of one label name", "LABEL=crash", [(None, "virtio"), (None, "nvme")]),
        ("a disk and a partition of one UUID", "UUID=%s" % IDENT, [(None, "virtio"), ("mbr", "virtio")])):
    if wanted(name):
        with case(name):
            disks = twins(tables)
            before = [run("sha256sum", d.path) for d in disks]
            with Guest(disks=disks, mem=MEM, append="console=ttyS0 dump=" + word) as guest:
                guest.capture(stop="ambiguous-target")
            check(before == [run("sha256sum", d.path) for d in disks], "a disk has changed")

for driver, block in (("virtio", 512), ("nvme", 4096)):
    name = "a target that has grown since format, " + driver
    if wanted(name):
        with case(name):
            disk = Disk("64M", driver=driver, block=block).format("target")
            os.truncate(disk.path, 1000 * MIB)
            before = run("sha256sum", disk.path)
            with Guest(disks=[disk], mem=MEM, append="console=ttyS0 dump=LABEL=target") as guest:
                guest.capture(stop="target-resized")
            check(before == run("sha256sum", disk.path), "the disk has changed")

if wanted("unknown and malformed words"):
    with case("unknown and malformed words are named, and the rest counts"):
        disk = Disk("512M", name="good").format()
        words = ["frobnicate", "level=99", "compress=bzip2", "deadline=soon", "after=never", "dump=FOO=bar", "overwrite=perhaps"]
        with Guest(disks=[disk], mem=MEM, level=None, compress=None,
                   append="console=ttyS0 %s dump=SERIAL=good" % " ".join(words)) as guest:
            guest.capture()
            for word in words:
                check(re.search("^capstub: .*" + re.escape(word), guest.console(), re.M), "nothing is said of " + word)
        label = disk.expect("ok", "complete")
        check(label.dump_level == 31 and label.dump_level_asked == 31, "level %d" % label.dump_level)

done()
