#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A file as target, on real file systems on loop devices: in many pieces, written below the file system as the stub does it,
saved, kept in place, and refused when it is not where its map says. Needs root."""
import os
import shutil
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *

os.environ["PATH"] += ":/usr/sbin:/sbin"
SIZE = 48 * g.MIB
HEAD_AT = 132 << 10
loops, mounts = [], []


def losetup(file):
    r = run("losetup", "-f", "--show", file)
    if r.rc == 0:
        loops.append(r.out.strip())
        return r.out.strip()
    return None


def mount(dev, where, *options):
    os.makedirs(where, exist_ok=True)
    r = run("mount", *options, dev, where)
    if r.rc == 0:
        mounts.append(where)
    return r.rc == 0


def umount(where):
    r = run("umount", where)
    if r.rc == 0:
        mounts.remove(where)
    return r


def clean_up():
    for where in reversed(mounts):
        run("chattr", "-i", *[os.path.join(where, n) for n in os.listdir(where)])
        run("umount", where)
    for dev in reversed(loops):
        run("losetup", "-d", dev)


def fill(where):
    """Leave free space in pieces of 512 KiB"""
    number = 0
    try:
        while True:
            with open(f"{where}/fill{number}", "wb") as f:
                f.write(b"\x5a" * (512 << 10))
                f.flush()
                os.fsync(f.fileno())
            number += 1
    except OSError:
        pass
    for i in range(0, number, 2):
        os.unlink(f"{where}/fill{i}")
    run("sync", "-f", where)


def read_map(disk, at, uuid):
    """The map as the stub finds it: from the disk alone. [(offset, disk, bytes, crc)], END"""
    with open(disk, "rb") as f:
        f.seek(at)
        head = f.read(4096)
        magic, version, crc, own, end, where, nr = struct.unpack_from("<8sII16sQQI", head)
        assert magic == b"CAPSTUBF" and version == 1 and where == at and own.hex() == uuid.replace("-", ""), head[:64]
        size = -(-nr * 24 // 4096) * 4096
        f.seek(at - size)
        entries = f.read(size)
    equal(crc, g.crc32c(entries, g.crc32c(head[:12] + bytes(4) + head[16:])), "the map's CRC")
    pieces = [struct.unpack_from("<QQII", entries, 24 * i) for i in range(nr)]
    return [(offset, where, blocks * 4096, crc) for offset, where, blocks, crc in pieces], end


def read_file(disk, pieces):
    data = b""
    with open(disk, "rb") as f:
        for offset, where, size, _ in pieces:
            assert offset == len(data)
            f.seek(where)
            data += f.read(size)
    return data


def write_file(disk, pieces, data, sure=lambda first, crc: g.crc32c(first) == crc):
    """As the stub: every first block is looked at, then all is written. Returns what could not be proven."""
    with open(disk, "r+b") as f:
        wrong = []
        for offset, where, size, crc in pieces:
            f.seek(where)
            if offset + size < len(data) and not sure(f.read(4096), crc):
                wrong.append(offset)
        if wrong:
            return wrong
        for offset, where, size, _ in pieces:
            f.seek(where)
            f.write(data[offset:offset + size])
        f.flush()
        os.fsync(f.fileno())
    return []


def drop_caches(dev):
    run("blockdev", "--flushbufs", dev)


def word_of(t):
    j = info(t)["label"]
    word = j["file"]["word"]
    return j["uuid"], int(word.split("@")[1], 16), j["file"]


probe = path("probe.img")
open(probe, "wb").truncate(g.MIB)
if os.geteuid() or not losetup(probe):
    print("1..0 # SKIP needs root and loop devices")
    sys.exit(0)


def on(fs, mkfs, *options):
    if not shutil.which(mkfs[0]):
        skip(fs, f"{mkfs[0]} is not installed")
        return
    backing, where = path(fs + ".img"), path("mnt-" + fs)
    open(backing, "wb").truncate(400 * g.MIB)
    dev = losetup(backing)
    run(*mkfs, dev)
    if not mount(dev, where, *options):
        skip(fs, "mount is not allowed here")
        return
    fill(where)
    t = f"{where}/capstub.img"
    r = expect(0, "ready to take a dump", "format", "--force", "--size", str(SIZE), t)
    ok("is on a loop device" in r.err and "immutable" in r.out, "says where it is good for, and what keeps it in place", r)
    uuid, at, j = word_of(t)
    ok(f"Target=UUID={uuid}@{at:#x}" in r.out and f"setup --target={t}" in r.out, "the next step has the address", r)
    ok(j["pieces"] >= 50 and j["in_place"], f"{fs}: the file is in {j['pieces']} pieces", j)
    end = os.path.getsize(t)
    ok(SIZE - 2 * g.MIB < end <= SIZE and end % 4096 == 0, f"has the size that was asked for, or a little less: {end}")
    expect(0, "in %d pieces" % j["pieces"], "info", t)
    equal(int(run("stat", "-c", "%b", t).out) * 512 >= end, True, "no holes")
    ok("d" in run("lsattr", t).out.split()[0], "dump(8) leaves it out")

    # From the disk alone
    drop_caches(dev)
    pieces, map_end = read_map(dev, at, uuid)
    equal((map_end, len(pieces)), (end, j["pieces"]), "the map says the same")
    fresh = open(t, "rb").read()
    ok(read_file(dev, pieces) == fresh, "its pieces on the disk are the file")
    room = end - HEAD_AT - -(-len(pieces) * 24 // 4096) * 4096
    for offset, where_, size, crc in pieces:
        if offset < room and g.crc32c(fresh[offset:offset + 4096]) != crc:
            ok(False, f"CRC of the piece at {offset}")
    labels = [p for p in pieces if fresh[p[0]:p[0] + 8] == b"CAPSTUBX"]
    equal(len(labels), len([p for p in pieces if g.HEAD <= p[0] < room]), "each piece behind the head has a label of its own")

    # Pinned, as capstub load does it
    run("chattr", "+i", t)
    ok(run("rm", "-f", t).rc != 0 and run("fallocate", "-p", "-o", "8M", "-l", "1M", t).rc != 0 and
       run("mv", t, t + "2").rc != 0, "an immutable file can be neither deleted nor punched nor renamed")

    # A crash: the file system is not told, and what is written lies below it
    run("sync", "-f", where)
    run("sync")
    umount(where)
    drop_caches(dev)
    before = open(backing, "rb").read()
    dump = g.Dump()
    made = path("made.img")
    g.image(made, dump, size=end, uuid=bytes.fromhex(uuid.replace("-", "")), vouch=(g.HEAD, g.TAIL))
    data = bytearray(open(made, "rb").read())
    data[room:end - 131072] = fresh[room:end - 131072]      # the map stays
    equal(write_file(dev, pieces, bytes(data)), [], "every piece is proven")
    drop_caches(dev)
    after = bytearray(open(backing, "rb").read())
    mine = set()
    for _, where_, size, _ in pieces:
        mine.update(range(where_, where_ + size, 512))
    changed = [i for i in range(0, len(before), 512) if before[i:i + 512] != after[i:i + 512]]
    ok(changed and not [i for i in changed if i not in mine], "no sector but the file's has changed", [i for i in changed if i not in mine][:20])
    check = ["e2fsck", "-fn", dev] if fs == "ext4" else ["xfs_repair", "-n", dev]
    r = run(*check)
    ok(r.rc == 0, "the file system is clean", r)
    mount(dev, where, *options)

    # In place it is the vmcore
    expect(0, "complete: the dump is whole", "info", t)
    ok(open(t, "rb").read()[:len(dump.bytes)] == dump.bytes, "the file is the vmcore, header first")
    equal(word_of(t)[2]["in_place"], False, "what a capture that was cut leaves is no proof of its pieces")
    expect(0, "since its map was", "info", t)
    # By the configuration, which knows it by its path
    conf, out = path(fs + ".conf"), path("out-" + fs)
    with open(conf, "w") as f:
        f.write(f"[Stub]\nTarget={t}\n[Save]\nDirectory={out}\nMinFree=1M\n")
    r = capstub("status", "-j", "-c", conf)
    j = json.loads(r.out)
    ok(f"dump=UUID={uuid}@{at:#x}" in j["words"] and j["targets"][0]["device"] == t and not j["targets"][0]["good"] and
       "since its map was" in j["targets"][0]["text"], "status finds it by its address on the disk, and says what is wrong", r)
    r = capstub("check", "-j", "-c", conf)
    equal([f["what"] for f in json.loads(r.out)["findings"] if f["what"] in ("pinned", "target")], ["target"], "check: it is immutable")
    run("chattr", "-i", t)
    r = capstub("check", "-j", "-c", conf)
    ok("pinned" in [f["what"] for f in json.loads(r.out)["findings"]], "... and now it is not", r)
    r = capstub("collect", "-c", conf)
    saved = [d for d in os.listdir(out) if os.path.exists(f"{out}/{d}/vmcore")]
    ok(r.rc == 0 and len(saved) == 1 and open(f"{out}/{saved[0]}/vmcore", "rb").read() == dump.bytes, "collected, to the byte", r)
    r = capstub("status", "-j", "-c", conf)
    ok("loop device" in json.loads(r.out)["targets"][0]["text"], "... and status has nothing against it but the loop device", r)
    uuid2, at2, j = word_of(t)
    equal((uuid2, at2, j["in_place"]), (uuid, at, True), "saved, it is proven again, at the same place")
    ok("i" in run("lsattr", t).out.split()[0], "and immutable, as before")
    ok(open(t, "rb").read()[:len(dump.bytes)] == dump.bytes, "and the dump is still there")
    drop_caches(dev)
    equal(write_file(dev, read_map(dev, at, uuid)[0], open(t, "rb").read()), [], "the next capture may have it")
    expect(0, "", "save", "--if-needed", "-o", path("none"), t)

    # Formatted again it keeps its names and its place
    expect(0, f"UUID={uuid}@{at:#x}", "format", t)
    equal(word_of(t)[2]["in_place"], True, "formatted again")
    run("chattr", "-i", t)

    # Restored from a backup, it is another file: the map in it is of the old place
    shutil.copyfile(t, t + ".copy")
    run("sync", "-f", where)
    expect(0, "is no longer where its map says", "info", t + ".copy")
    os.unlink(t + ".copy")
    # Cloned, both have its blocks
    if fs == "xfs" and run("cp", "--reflink=always", t, t + ".clone").rc == 0:
        expect(0, "that another file has too", "info", t)
        os.unlink(t + ".clone")
        run("sync", "-f", where)
    equal(word_of(t)[2]["in_place"], True, "in place")
    # Punched: a hole
    run("fallocate", "-p", "-o", str(20 * g.MIB), "-l", str(g.MIB), t)
    expect(0, "has a hole at byte", "info", t)
    # ... and filled by the file system: allocated, and zeros whatever is written there
    run("fallocate", "-o", str(20 * g.MIB), "-l", str(g.MIB), t)
    expect(0, "read as zeros", "info", t)
    r = capstub("format", t)
    ok(r.rc == 1 and "delete it" in r.err, "format refuses it", r)
    # The place of what was punched is somebody else's: the stub sees another first block
    expect(0, "removed", "wipe", t)
    drop_caches(dev)
    try:
        read_map(dev, at, uuid)
        ok(False, "wiped: the map is gone")
    except AssertionError:
        ok(True, "wiped: the map is gone")
    os.unlink(t)
    # Deleted, and other files have its blocks
    expect(0, "ready", "format", "--force", "--size", str(SIZE), t)
    uuid, at, j = word_of(t)
    run("sync", "-f", where)
    drop_caches(dev)
    pieces, _ = read_map(dev, at, uuid)
    os.unlink(t)
    try:
        for i in range(400):
            with open(f"{where}/other{i}", "wb") as f:
                f.write(os.urandom(g.MIB))
                f.flush()
                os.fsync(f.fileno())
    except OSError:
        pass
    drop_caches(dev)
    wrong = write_file(dev, pieces, bytes(end))
    ok(wrong, f"deleted, its blocks used by others: {len(wrong)} pieces are not proven, nothing is written")
    umount(where)


def refused(fs, mkfs, words, *options):
    """File systems where it cannot be done, by name; an image for a virtual machine can be made everywhere"""
    if not shutil.which(mkfs[0]):
        skip(fs, f"{mkfs[0]} is not installed")
        return
    backing, where = path(f"no-{fs}.img"), path("no-" + fs)
    open(backing, "wb").truncate(300 * g.MIB)
    dev = losetup(backing)
    run(*mkfs, dev)
    if not mount(dev, where, *options):
        skip(fs, "mount is not allowed here")
        return
    expect(1, words, "format", "--size", "900G", f"{where}/a.img")
    ok(not os.path.exists(f"{where}/a.img"), "nothing is left of it")
    r = expect(0, "ready", "format", "--image", "--size", "8M", f"{where}/a.img")
    ok("@" not in r.out and os.stat(f"{where}/a.img").st_blocks * 512 < 4 * g.MIB, "as an image it is sparse, and has no address", r)
    umount(where)


def volumes():
    """Device mapper: linear is looked through, anything else is named"""
    if not shutil.which("dmsetup") or not shutil.which("mkfs.ext4"):
        skip("volumes", "no dmsetup or mkfs.ext4")
        return
    backing, where = path("volume.img"), path("mnt-volume")
    open(backing, "wb").truncate(200 * g.MIB)
    dev = losetup(backing)
    half = 90 * g.MIB // 512
    # Two pieces in the wrong order, as of a volume that was extended
    table = f"0 {half} linear {dev} {half + 2048}\n{half} {half} linear {dev} 2048\n"
    name = f"capstub-volume-{os.getpid()}"
    r = run("sh", "-c", f"printf '{table}' | dmsetup create {name}")
    if r.rc:
        skip("volumes", "device mapper is not available here")
        return
    node = f"/dev/mapper/{name}"
    try:
        if not os.path.exists(node):
            run("dmsetup", "mknodes", name)
        run("mkfs.ext4", "-q", "-b", "4096", node)
        if mount(node, where):
            t = f"{where}/v.img"
            expect(0, "ready", "format", "--force", "--size", "120M", t)
            uuid, at, j = word_of(t)
            run("sync", "-f", where)
            drop_caches(dev)
            pieces, end = read_map(dev, at, uuid)
            ok(read_file(dev, pieces) == open(t, "rb").read(), f"a volume in two pieces: the file's {len(pieces)} are where the map says")
            umount(where)
    finally:
        run("dmsetup", "remove", "--retry", name)
    r = run("dmsetup", "create", name, "--table", f"0 {2 * half} striped 1 128 {dev} 0")
    if r.rc == 0:
        try:
            if not os.path.exists(node):
                run("dmsetup", "mknodes", name)
            run("mkfs.ext4", "-q", "-b", "4096", node)
            if mount(node, where):
                expect(1, "'striped'", "format", "--size", "900G", f"{where}/v.img")
                umount(where)
        finally:
            run("dmsetup", "remove", "--retry", name)
    else:
        skip("striped", "not available here")


try:
    on("ext4", ["mkfs.ext4", "-q", "-F", "-b", "4096"])
    on("xfs", ["mkfs.xfs", "-q", "-f"])
    refused("btrfs", ["mkfs.btrfs", "-q", "-f"], "is on btrfs, which writes each block to a new place")
    refused("ext4-journal", ["mkfs.ext4", "-q", "-F", "-b", "4096"], "data=journal", "-o", "data=journal")
    volumes()
    if mount("none", path("tmpfs"), "-t", "tmpfs"):
        r = expect(0, "is on tmpfs", "format", "--force", "--size", "8M", path("tmpfs/a.img"))
        ok("Target=UUID=" in r.out and "@" not in r.out, "what is on no disk is an image", r)
    else:
        skip("tmpfs", "mount is not allowed here")
finally:
    clean_up()
done()
