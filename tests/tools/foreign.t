#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Targets that somebody else wrote to: every program that leaves the label alone, after every way in which a capture
can have ended. `capstub info` asks the very function by which the stub decides (stub/format/vouch.c).
"""
import json
import os
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *

os.environ["PATH"] += ":/usr/sbin:/sbin"
# No multiple of 64 or 256 KiB: superblocks that stand on such a border are not in the label's way. On less than 64 MiB
# libblkid looks for no ZFS
SIZE = 96 * g.MIB + 72 * 1024
whole, cut = g.Dump(), g.Dump(stored=700)
# State of the label: what is in it. A label of an earlier version vouches for nothing
BUSY = 56 << 10
STATES = {
    "formatted": dict(captures=0, vouch=(g.HEAD, g.TAIL)),
    "begun": dict(captures=1, stop=1, dmesg_bytes=0, log_bytes=0, vouch=(0, BUSY)),
    "dumping": dict(dump=cut, state=g.DUMPING, stop=1, vouch=(cut.descs_at // 4096 * 4096, BUSY)),
    "complete": dict(dump=whole, vouch=(g.HEAD, g.TAIL)),
    "saved": dict(dump=whole, state=g.SAVED, vouch=(g.HEAD, g.TAIL)),
    "formatted, earlier version": dict(captures=0),
    "complete, earlier version": dict(dump=whole),
}
key = path("key")
open(key, "w").write("secret")


def poke(*pieces):
    """Writes (offset, bytes); an offset below 0 counts from the end."""
    def make(file):
        with open(file, "r+b") as f:
            for offset, data in pieces:
                f.seek(offset if offset >= 0 else SIZE + offset)
                f.write(data)
    return make


def program(*args):
    def make(file):
        subprocess.run([*args, file], check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return make


def luks(version):
    return lambda file: program("cryptsetup", "luksFormat", "-q", "--type", version, "--pbkdf-force-iterations", "1000",
                                *(["--pbkdf", "pbkdf2"] if version == "luks2" else []), "--key-file", key)(file)


def on_loop(*args):
    """For programs that take block devices only"""
    def make(file):
        dev = run("losetup", "-f", "--show", file).out.strip()
        try:
            program(*args)(dev)
            run("blockdev", "--flushbufs", dev)
        finally:
            run("losetup", "-d", dev)
    return make


def md1(offset, minor):
    """Superblock of version 1.x (include/uapi/linux/raid/md_p.h); mdadm itself writes none without the md driver"""
    def make(file):
        b = bytearray(4096)
        struct.pack_into("<IIII16s32sQIIQIII", b, 0, 0xa92b4efc, 1, 0, 0, b"u" * 16, b"host:0", 0, 1, 0, 8192, 0, 2, 0)
        struct.pack_into("<Q", b, 136, 8192)
        struct.pack_into("<Q", b, 144, (offset if offset >= 0 else SIZE + offset) // 512)
        total = sum(struct.unpack("<64I", bytes(b[:256])))
        struct.pack_into("<I", b, 216, ((total & 0xffffffff) + (total >> 32)) & 0xffffffff)
        poke((offset, bytes(b)))(file)
        examine(file, minor)
    return make


def md0(file):
    """Version 0.90, on a border of 64 KiB"""
    words = [0] * 1024
    words[0:12] = [0xa92b4efc, 0, 90, 0, 0, 0x75757575, 1750000000, 1, 65536, 2, 2, 0]
    words[13:16] = [0x75757575] * 3
    total = sum(words)
    words[38] = ((total & 0xffffffff) + (total >> 32)) & 0xffffffff
    poke((SIZE // 65536 * 65536 - 65536, struct.pack("<1024I", *words)))(file)
    examine(file, "0.90")


def examine(file, version):
    """mdadm reads what was made up here"""
    r = run("mdadm", "--examine", "--metadata", version, file)
    if "a92b4efc" not in r.out:
        raise RuntimeError(f"mdadm does not take it for md {version}: {r}")


def zpool(file):
    """The four labels of a vdev as `zpool create` leaves them: a list in front of each ring of uberblocks"""
    one = bytearray(os.urandom(248 << 10))
    struct.pack_into("<Q", one, (120 << 10) - 40, 0x210da7ab10c7a11)
    for at in range(120 << 10, 248 << 10, 1024):
        struct.pack_into("<5Q", one, at, 0xbab10c, 5000, 4, 1, 1750000000)
    end = SIZE // 262144 * 262144
    poke(*[(at + 8192, bytes(one)) for at in (0, 262144, end - 524288, end - 262144)])(file)


# Program, what makes it, how libblkid calls it
PROGRAMS = [
    ("mkswap", program("mkswap"), "swap"),
    ("mkfs.ext4", program("mkfs.ext4", "-q", "-F", "-E", "nodiscard"), "ext4"),
    ("mkfs.vfat", program("mkfs.vfat"), "vfat"),
    ("cryptsetup luks1", luks("luks1"), "crypto_LUKS"),
    ("cryptsetup luks2", luks("luks2"), "crypto_LUKS"),
    ("md 0.90", md0, "linux_raid_member"),
    ("md 1.0", md1(-8192, "1.0"), "linux_raid_member"),
    ("md 1.1", md1(0, "1.1"), "linux_raid_member"),
    ("md 1.2", md1(4096, "1.2"), "linux_raid_member"),
    ("zpool", zpool, "zfs_member"),
    ("MBR", poke((446, struct.pack("<B3sB3sII", 0x80, b"\0\2\0", 0x83, b"\0\3\0", 2048, 8192) + bytes(48) + b"\x55\xaa")), "dos"),
    ("something without a name", poke((2048, b"anything")), "unknown"),
]
# These wipe the end as well: with the label the permission is gone
GONE = [("mkfs.xfs", program("mkfs.xfs", "-q", "-f", "-K")), ("mkfs.btrfs", program("mkfs.btrfs", "-q", "-f", "-K"))]

probe = path("probe.img")
open(probe, "wb").truncate(g.MIB)
dev = run("losetup", "-f", "--show", probe).out.strip()
if dev:
    run("losetup", "-d", dev)
    PROGRAMS.append(("pvcreate", on_loop("pvcreate", "-ff", "-y"), "LVM2_member"))
else:
    skip("pvcreate", "needs root and loop devices; the bytes are in tests/unit/send/test_dump.c")


def copy(state):
    """A fresh copy of the target in that state"""
    name = path(state.replace(" ", "-") + ".img")
    if not os.path.exists(name):
        g.image(name, size=SIZE, **STATES[state])
    run("cp", "--sparse=always", name, path("t.img"))
    return path("t.img")


def label_of(file):
    with open(file, "rb") as f:
        f.seek(SIZE - g.LABEL)
        return f.read()


for state in STATES:
    t = copy(state)
    r = capstub("info", t)
    ok(r.rc == 0 and info(t)["foreign"] is None, f"{state}: ours", r)
    bad = []
    for name, make, owner in PROGRAMS:
        t = copy(state)
        before = label_of(t)
        make(t)
        if label_of(t) != before:
            bad.append(f"{name} has changed the label: no test of anything")
        r = capstub("info", "--json", t)
        j = json.loads(r.out)
        if r.rc != 1 or "something else was written there" not in r.err or j["label"]["status"] != "foreign" or \
                j["foreign"] != owner:
            bad.append(f"{name}: {j['label']['status']}, {j['foreign']}: {r.err}")
        if state not in ("formatted", "complete"):
            continue
        digest = sha(t)
        for args in (["format", t], ["save", "-o", path("out"), t]):
            r = capstub(*args)
            if r.rc != 1:
                bad.append(f"{name}: {args[0]}: {r}")
        if digest != sha(t):
            bad.append(f"{name}: a refusal wrote")
    ok(not bad, f"{state}: refused after each of " + ", ".join(p[0] for p in PROGRAMS), "\n".join(bad))
ok(not os.path.exists(path("out")), "nothing was saved")
for name, make in GONE:
    t = path("large.img")
    capstub("format", "--size", "320M", t)
    make(t)
    expect(1, "carries no capstub label", "info", t)
    os.unlink(t)

# What is left can still be had, and then the target back
t = copy("complete")
md1(-8192, "1.0")(t)
before = sha(t)
r = expect(1, "found linux_raid_member raid", "info", t)
ok("complete: the dump is whole" in r.out, "what was captured is still shown", r)
expect(1, "something else was written", "save", "-o", path("out"), t)
expect(0, "verified", "save", "--force", "-o", path("out"), t)
ok(open(path("out/vmcore"), "rb").read() == whole.bytes, "md at the end: --force saves the dump")
equal(open(path("out/dmesg.txt")).read(), g.DMESG, "... and the log")
equal(sha(t), before, "... and marks nothing")
expect(1, "holds a dump that was not saved", "format", t)
expect(0, "ready", "format", "--force", t)
equal((capstub("info", t).rc, info(t)["label"]["status"], info(t)["foreign"]), (0, "ok", None), "formatted again: ours")

# An end that cannot be read is not foreign
if dev and run("dmsetup", "version").rc == 0:
    loop = run("losetup", "-f", "--show", copy("complete")).out.strip()
    blocks = SIZE // 512
    table = f"0 200 linear {loop} 0\n200 8 error\n208 {blocks - 208} linear {loop} 208\n"
    if subprocess.run(["dmsetup", "create", "capstub-ends"], input=table, text=True, capture_output=True).returncode == 0:
        expect(1, "cannot be read", "info", "/dev/mapper/capstub-ends")
        equal(info("/dev/mapper/capstub-ends")["label"]["status"], "unreadable", "JSON: unreadable")
        run("dmsetup", "remove", "capstub-ends")
    else:
        skip("an unreadable end", "device mapper makes no device here")
    run("losetup", "-d", loop)
else:
    skip("an unreadable end", "no device mapper here")

# wipe: the label, and nothing else
for state in ("formatted", "saved"):
    t = copy(state)
    before = open(t, "rb").read()
    r = expect(0, "removed", "wipe", t)
    ok("00010203-0405-0607-0809-0a0b0c0d0e0f" in r.out, "says which", r)
    after = open(t, "rb").read()
    ok(after == before[:-g.LABEL] + bytes(g.LABEL), f"{state}: the label is zeros, all else is as it was")
    expect(1, "carries no capstub label", "wipe", t)
for state in ("complete", "dumping"):
    t = copy(state)
    before = sha(t)
    expect(1, "holds a dump that was not saved", "wipe", t)
    equal(sha(t), before, f"{state}: a refusal writes nothing")
    expect(0, "removed", "wipe", "--force", t)
    expect(0, "kdump-compressed dump", "info", t)
t = copy("formatted")
luks("luks2")(t)
before = open(t, "rb").read()
expect(0, "removed", "wipe", t)
ok(open(t, "rb").read() == before[:-g.LABEL] + bytes(g.LABEL), "LUKS: only the label went")
equal(run("cryptsetup", "isLuks", t).rc, 0, "... and cryptsetup knows its volume")
t = g.image(path("small.img"), whole, bad_crc=True)
expect(0, "removed", "wipe", t)
for args, words in ((["wipe"], "which TARGET"), (["wipe", "a", "b"], "one TARGET")):
    expect(2, words, *args)
expect(1, "No such file", "wipe", path("nothing"))
if dev:
    loop = run("losetup", "-f", "--show", copy("formatted")).out.strip()
    expect(1, f"is attached to {loop}", "wipe", "--force", path("t.img"))
    held = os.open(loop, os.O_RDWR | os.O_EXCL)
    expect(1, "in use", "wipe", "--force", loop)
    os.close(held)
    expect(0, "removed", "wipe", loop)
    run("losetup", "-d", loop)
else:
    skip("wipe of what is in use", "needs root and loop devices")
done()
