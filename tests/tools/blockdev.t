#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Block devices, by loop: sizes, exclusive use, mounts, swap, device mapper, partitions. Needs root."""
import os
import shutil
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *

os.environ["PATH"] += ":/usr/sbin:/sbin"
loops = []


def losetup(file, *options):
    r = run("losetup", "-f", "--show", *options, file)
    if r.rc == 0:
        loops.append(r.out.strip())
        return r.out.strip()
    return None


def detach_all():
    for dev in reversed(loops):
        run("losetup", "-d", dev)


probe = path("probe.img")
open(probe, "wb").truncate(g.MIB)
if os.geteuid() or not losetup(probe):
    print("1..0 # SKIP needs root and loop devices")
    sys.exit(0)
try:
    # A target on a block device: format, then a dump is put there, then save
    backing = path("disk.img")
    open(backing, "wb").truncate(32 * g.MIB)
    dev = losetup(backing)
    expect(0, "ready to take a dump", "format", "--name", "loop", dev)
    equal(info(dev)["label"]["target_bytes"], 32 * g.MIB, "the device's size is in the label")
    expect(1, f"is attached to {dev}", "format", "--force", backing)
    whole = g.Dump()
    g.image(path("made.img"), whole, size=32 * g.MIB)
    run("dd", f"if={path('made.img')}", f"of={dev}", "bs=1M", "conv=fsync")
    expect(0, "complete: the dump is whole", "info", dev)
    expect(1, "holds a dump that was not saved", "format", dev)
    expect(0, "complete", "save", "-o", path("out"), dev)
    ok(open(path("out/vmcore"), "rb").read() == whole.bytes, "saved from the device, to the byte")
    equal(info(dev)["label"]["state_name"], "saved", "marked saved on the device")
    run("blockdev", "--flushbufs", dev)
    equal(info(backing)["label"]["state_name"], "saved", "... and on what is behind it")
    r = capstub("save", "--force", "--format", "elf", "-o", path("elf"), dev)
    ok(r.rc == 0 and os.path.getsize(path("elf/vmcore")) > 1000 * g.PAGE, "ELF from a block device, where a file has no size", r)

    # Exclusive use: the kernel's word counts
    with open(dev, "rb") as f:
        held = os.open(dev, os.O_RDWR | os.O_EXCL)
        expect(1, "in use", "format", "--force", dev)
        expect(1, "in use", "save", "--force", "-o", path("out2"), dev)
        expect(0, "saved", "info", dev)
        os.close(held)

    # Mounted
    if shutil.which("mkfs.ext4"):
        run("mkfs.ext4", "-q", "-F", dev)
        expect(1, "found ext4 filesystem", "format", dev)
        os.mkdir(path("mnt"))
        if run("mount", dev, path("mnt")).rc == 0:
            expect(1, f"is mounted on {path('mnt')}", "format", "--force", dev)
            open(path("mnt/inner.img"), "wb").truncate(4 * g.MIB)
            expect(0, "ready", "format", path("mnt/inner.img"))
            run("umount", path("mnt"))
        else:
            skip("mounted", "mount is not allowed here")
        # A mounted image file: refused by the loop device in front of it
        expect(1, "is attached to", "format", "--force", backing)
    else:
        skip("mounted", "mkfs.ext4 is not installed")

    # Device mapper on top
    if shutil.which("dmsetup") and run("dmsetup", "create", "capstub-test", "--table", f"0 2048 linear {dev} 0").rc == 0:
        expect(1, "part of the device-mapper device capstub-test", "format", "--force", dev)
        ok(any("capstub" not in e for e in os.listdir(f"/sys/block/{os.path.basename(dev)}/holders")), "the kernel lists the holder")
        for _ in range(20):
            if run("dmsetup", "remove", "capstub-test").rc == 0:
                break
            time.sleep(0.2)
    else:
        skip("device mapper", "not available here")

    # A whole disk with partitions; then one partition as target
    expect(0, "ready", "format", "--force", dev)
    disk = path("parts.img")
    open(disk, "wb").truncate(32 * g.MIB)
    subprocess.run(["sfdisk", "-q", disk], input="label: gpt\nsize=8M, name=one\nsize=8M, name=two\n", text=True, check=True,
                   capture_output=True)
    whole_disk = losetup(disk, "-P")
    part = whole_disk + "p2"
    for _ in range(20):
        if os.path.exists(part):
            break
        time.sleep(0.1)
    # Without udev the kernel knows the partition but nobody makes its node
    known = f"/sys/class/block/{os.path.basename(part)}/dev"
    if not os.path.exists(part) and os.path.exists(known):
        part = path("part2")
        major, minor = map(int, open(known).read().split(":"))
        os.mknod(part, 0o600 | stat.S_IFBLK, os.makedev(major, minor))
    expect(1, "gpt partition table", "format", whole_disk)
    before = open(disk, "rb").read()
    start = (2048 + 8 * 2048) * 512    # sfdisk puts the first at 1 MiB, the second behind it
    if not os.path.exists(part):
        # A kernel without partition scanning: a window of the same place and size
        part = losetup(disk, "-o", str(start), "--sizelimit", str(8 * g.MIB))
    expect(0, "8.0 MiB, ready", "format", part)
    run("blockdev", "--flushbufs", part)
    run("blockdev", "--flushbufs", whole_disk)
    after = open(disk, "rb").read()
    changed = [i for i in range(0, len(before), 4096) if before[i:i + 4096] != after[i:i + 4096]]
    equal(changed, [start + 8 * g.MIB - 4096], "formatting a partition changed its last 4 KiB and nothing else")
    if part in loops:
        run("losetup", "-d", loops.pop())
    scanned = os.path.exists(known)
    expect(0, "ready", "format", "--force", whole_disk)
    if scanned:
        ok(not os.path.exists(known), "the kernel has forgotten the partitions")
    else:
        skip("the kernel forgets the partitions", "this one does not scan loop devices for any")
    expect(0, "ready", "format", whole_disk)

    # 4-KiB sectors
    big = losetup(path("made.img"), "--sector-size", "4096")
    if big:
        expect(0, "complete", "save", "-o", path("out4k"), big)
        ok(open(path("out4k/vmcore"), "rb").read() == whole.bytes, "4-KiB sectors: saved to the byte")

    # Read-only device
    ro = losetup(probe, "-r")
    r = capstub("format", ro)
    ok(r.rc == 1 and ("read-only" in r.err.lower() or "not permitted" in r.err), "read-only device: refused", r)
finally:
    detach_all()
done()
