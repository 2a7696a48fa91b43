#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""capstub save: what is copied, under which name, and when the target is marked saved."""
import ctypes
import fcntl
import json
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *

whole = g.Dump()
n = 0


def outdir():
    global n
    n += 1
    return path(f"out{n}")


def read(d, name):
    with open(os.path.join(d, name), "rb") as f:
        return f.read()


def state(t):
    return info(t)["label"]["state_name"]


# The plain case
t, d = g.image(path("t.img"), whole, name=b"rack"), outdir()
before = open(t, "rb").read()
r = expect(0, "complete", "save", "-o", d, t)
equal(sorted(os.listdir(d)), ["capstub.log", "dmesg.txt", "info.json", "vmcore"], "four files")
ok(read(d, "vmcore") == whole.bytes, "vmcore is the dump, to the byte")
equal(read(d, "dmesg.txt").decode(), g.DMESG, "dmesg.txt")
equal(read(d, "capstub.log").decode(), g.STUB_LOG, "capstub.log")
j = json.loads(read(d, "info.json"))
equal(j["saved"], {"file": "vmcore", "bytes": len(whole.bytes), "crc32c": g.crc32c(whole.bytes), "complete": True},
      "info.json: what was saved, with its CRC-32C")
equal(j["label"]["state_name"], "complete", "info.json: the state as it was found")
equal(oct(os.stat(d).st_mode & 0o777) + oct(os.stat(d + "/vmcore").st_mode & 0o777), "0o7000o600", "only for the owner")
after = open(t, "rb").read()
equal(state(t), "saved", "the target is marked saved")
ok(before[:-g.LABEL] == after[:-g.LABEL], "nothing but the label changed on the target")
equal([i for i in range(g.LABEL) if before[-g.LABEL + i] != after[-g.LABEL + i] and i not in range(12, 16)], [0x68],
      "in the label, the state alone (and its CRC)")

ok("is that of Linux 6.1.0-test-amd64" in r.err and "crash vmlinux " in r.out, "which vmlinux, where it is not installed", r)
t = g.image(t, whole, release=b"6.1.0; reboot")
r = expect(0, "Open it with: crash vmlinux ", "save", "-o", outdir(), t)
ok("reboot" not in r.out + r.err, "a release that is none is in no command", r)
t = g.image(t, whole, state=g.SAVED)

# Never twice, never over something
d = outdir()
expect(1, "was saved already", "save", "-o", d, t)
ok(not os.path.exists(d), "... and no folder is made")
expect(0, "", "save", "--if-needed", "-o", d, t)
ok(not os.path.exists(d), "--if-needed: nothing to do is well")
expect(0, "complete", "save", "--force", "-o", d, t)
ok(read(d, "vmcore") == whole.bytes, "--force saves again")
t = g.image(t, whole)
for name in ("vmcore", "dmesg.txt", "capstub.log", "info.json"):
    d = outdir()
    os.mkdir(d)
    open(os.path.join(d, name), "w").write("mine")
    expect(1, "exists: give another directory", "save", "-o", d, t)
    equal((os.listdir(d), read(d, name)), ([name], b"mine"), f"{name} of somebody else is left alone")
equal(state(t), "complete", "and the target is not marked")
expect(0, "complete", "save", "--force", "-o", d, t)
ok(read(d, "info.json") != b"mine" and read(d, "vmcore") == whole.bytes, "--force overwrites")
t, d = g.image(t, whole), outdir()
expect(0, "complete", "save", "--keep", "-o", d, t)
equal(state(t), "complete", "--keep leaves the target alone")

# Compressed anew: the same pages for readers that know another method
def pages(data):
    """Contents of each descriptor, for methods that Python knows; what the status says; the rest before the table"""
    status = struct.unpack_from("<I", data, 424)[0]
    got, flags = [], set()
    for i in range(len(whole.pfns)):
        offset, size, flag, _ = struct.unpack_from("<qIIQ", data, whole.descs_at + 24 * i)
        page = data[offset:offset + size]
        flags.add(flag)
        got.append(zlib.decompress(page) if flag == g.ZLIB else page if offset and not flag else None)
    return got, flags, status, data[:424] + data[428:whole.descs_at]


want, _, _, front = pages(whole.bytes)
t = g.image(t, whole)
open(path("plain"), "wb").write(whole.bytes)
expect(0, "complete", "save", "--format", "elf", "-o", path("elf-of-it"), path("plain"))
# An independent reader, where it is installed
try:
    lib = ctypes.CDLL("libkdumpfile.so.10")
    lib.kdump_new.restype = ctypes.c_void_p
except (OSError, AttributeError):
    lib = None


def memory(file):
    """Contents of each page, by libkdumpfile"""
    ctx, got = ctypes.c_void_p(lib.kdump_new()), []
    with open(file, "rb") as f:
        assert lib.kdump_open_fdset(ctx, 1, ctypes.byref(ctypes.c_int(f.fileno()))) == 0
        for pfn in whole.pfns:
            buf, n = ctypes.create_string_buffer(g.PAGE), ctypes.c_size_t(g.PAGE)
            rc = lib.kdump_read(ctx, 1, ctypes.c_uint64(pfn * g.PAGE), buf, ctypes.byref(n))
            got.append(buf.raw if rc == 0 and n.value == g.PAGE else None)
        lib.kdump_free(ctx)
    return got


for method, flag in (("none", 0), ("lzo", g.LZO), ("zlib", g.ZLIB), ("zstd", 0x20)):
    d = outdir()
    expect(0, "complete", "save", "--keep", "--compress", method, "-o", d, t)
    got, flags, status, head = pages(read(d, "vmcore"))
    ok(flags == {0, flag} and status == flag and head == front, f"{method}: flags, all else of the headers as it was", (flags, status))
    if flag in (0, g.ZLIB):
        ok(got == want, f"{method}: every page")
    j = info(d + "/vmcore")["dump"]
    equal((j["pages_stored"], j["pages_missing"], j["pages_damaged"]), (len(want), 0, 0), f"{method}: and no page is missed")
    expect(0, "complete", "save", "--format", "elf", "-o", d + "-elf", d + "/vmcore")
    ok(read(d + "-elf", "vmcore") == read(path("elf-of-it"), "vmcore"), f"{method}: the same ELF core comes of it")
    if lib:
        ok(memory(d + "/vmcore") == want, f"{method}: libkdumpfile reads every page")
    else:
        skip(f"{method}: libkdumpfile reads every page", "not installed")
    # ... and of a dump that was saved before
    expect(0, "complete", "save", "--compress", "zlib", "-o", d + "-again", d + "/vmcore")
    ok(pages(read(d + "-again", "vmcore"))[0] == want, f"{method}: from a saved vmcore")
equal(state(t), "complete", "--keep leaves the target alone here, too")
expect(0, "complete", "save", "--compress", "zstd", "-o", outdir(), t)
equal(state(t), "saved", "without it, it is marked")
expect(2, "takes none, lzo, zlib or zstd", "save", "--compress", "bz2", t)
expect(2, "is not compressed", "save", "--compress", "zlib", "--format", "elf", t)
# A page that cannot be decompressed, a descriptor that points nowhere
for what, desc in (("page", (whole.data_at + g.PAGE, 77, g.ZLIB)), ("descriptor", (1 << 60, 77, g.ZLIB))):
    t, d = g.image(path("bad.img"), g.Dump(patch={5: desc})), outdir()
    expect(1, "1 pages are damaged and were left out", "save", "--compress", "zstd", "-o", d, t)
    data = read(d, "vmcore")
    ok(struct.unpack_from("<qIIQ", data, whole.descs_at + 24 * 5) == (0, 0, 0, 0) and pages(data)[2] == 0x20 | g.INCOMPLETE_FLAG,
       f"{what}: missing in the copy, which says INCOMPLETE", pages(data)[2])
    equal(state(t), "complete", f"{what}: the target is not marked")

# The default folder
t = g.image(t, whole)
expect(0, "testhost-6.1.0-test-amd64-20250615T150640Z/vmcore", "save", t, cwd=SCRATCH)
ok(os.path.exists(path("testhost-6.1.0-test-amd64-20250615T150640Z/vmcore")), "default: ./HOST-RELEASE-TIME")
t = g.image(t, whole, release=b"../../../tmp/x y\n")
r = capstub("save", t, cwd=SCRATCH)
ok(r.rc == 0 and os.path.isdir(path("testhost-.._.._.._tmp_x_y_-20250615T150640Z")),
   "a hostile release string makes one harmless name", os.listdir(SCRATCH))
d = path("deep/er/still")
t = g.image(t, whole)
expect(0, "complete", "save", "-o", d, t)

# Incomplete dumps are called that
t, d = g.image(path("cut.img"), g.Dump(stored=700), state=g.DUMPING, stop=1), outdir()
r = expect(0, "INCOMPLETE", "save", "-o", d, t)
cut = g.Dump(stored=700)
names = sorted(os.listdir(d))
equal(names, ["capstub.log", "dmesg.txt", "info.json", "vmcore"], "cut: its files")
copy = read(d, "vmcore")
ends = [o + s for o, s in ((int.from_bytes(cut.bytes[a:a + 8], "little"), int.from_bytes(cut.bytes[a + 8:a + 12], "little"))
                           for a in range(cut.descs_at, cut.data_at, 24)) if o]
equal(len(copy), max(ends), "cut: the length is where the last descriptor ends")
ok(copy == cut.bytes[:len(copy)], "cut: bytes as on the target")
ok(f"{len(cut.pfns) - 700} of {len(cut.pfns)} pages are missing" in r.err, "cut: tells how many", r)
equal((state(t), info(t)["label"]["dump_bytes"]), ("saved", len(copy)), "cut: marked saved, with the length found")
expect(0, "INCOMPLETE", "save", "--force", "-o", outdir(), t)
t, d = g.image(path("inc.img"), g.Dump(stored=900), state=g.INCOMPLETE, stop=40), outdir()
expect(0, "the target was full", "save", "-o", d, t)
ok(os.path.exists(d + "/vmcore"), "incomplete: vmcore")
# Unreadable memory does not make a capture incomplete, although the header says so
patch = {i: (0, 0, 0) for i in range(40, 43)}
t, d = g.image(path("hw.img"), g.Dump(patch=patch, incomplete=True), pages={"stored": 1745, "unreadable": 3}), outdir()
expect(0, "3 pages could not be read when the machine crashed", "save", "-o", d, t)
ok(os.path.exists(d + "/vmcore"), "unreadable pages: vmcore")
t, d = g.image(path("hw.img"), g.Dump(patch=patch, incomplete=True), pages={"stored": 1745, "unreadable": 2}), outdir()
expect(0, "INCOMPLETE", "save", "-o", d, t)
ok(os.path.exists(d + "/vmcore"), "one more missing than unreadable: vmcore")
# Nor is a dump with all its pages complete when the machine had more memory
t, d = g.image(path("more.img"), whole, state=g.INCOMPLETE, stop=42, ram_missing=1 << 27), outdir()
r = expect(0, "INCOMPLETE", "save", "-o", d, t)
ok("memory is missing that the stub was not told of or could not list" in r.err and read(d, "vmcore") == whole.bytes, "memory that is missing", r)
expect(0, "INCOMPLETE", "save", "--force", "-o", outdir(), t)
# Cut between the last write of the dump and the label: all of it is there
t, d = g.image(path("late.img"), whole, state=g.DUMPING, stop=1), outdir()
expect(0, "complete", "save", "-o", d, t)
ok(read(d, "vmcore") == whole.bytes[:len(read(d, "vmcore"))] and len(read(d, "vmcore")) == len(whole.bytes), "late: whole")
# Only texts, as after a target that was too small
t, d = g.image(path("texts.img"), None, state=g.INCOMPLETE, stop=24, dump_bytes=0), outdir()
expect(0, "holds no pages (stop code 24, target-too-small)", "save", "-o", d, t)
equal(sorted(os.listdir(d)), ["capstub.log", "dmesg.txt", "info.json"], "texts only")
equal(state(t), "saved", "texts only: marked saved")

# Cut in the first step: the log may be there already
t, d = g.image(path("early.img"), None, state=g.EMPTY, stop=1, dmesg_bytes=len(g.DMESG), log_bytes=0), outdir()
ok("before it wrote a page" in capstub("info", t).out, "cut in the first step: info says so")
expect(1, "holds a dump that was not saved", "format", t)
expect(0, "holds no pages (stop code 1, interrupted)", "save", "-o", d, t)
equal((sorted(os.listdir(d)), read(d, "dmesg.txt").decode(), state(t)), (["dmesg.txt", "info.json"], g.DMESG, "saved"),
      "cut in the first step: the log is saved")
t = g.image(path("early.img"), None, state=g.EMPTY, stop=1, dmesg_bytes=0, log_bytes=0)
expect(1, "is empty: a capture began", "save", t)

# Nothing there
t = path("fresh.img")
capstub("format", "--size", "4M", t)
expect(1, "is empty: nothing was captured", "save", t)
expect(0, "", "save", "--if-needed", t)
open(path("zeros"), "wb").truncate(2 * g.MIB)
expect(1, "carries no capstub label", "save", path("zeros"))
expect(1, "No such file", "save", path("nothing"))
open(path("plain"), "wb").write(whole.bytes)
expect(1, "a plain 'cp' copies it", "save", path("plain"))
for name in ("elf", "elf32", "elf-be", "flat"):
    for options in ([], ["--force"], ["--format", "elf"]):
        d = outdir()
        expect(1, "needs no 'save'", "save", *options, "-o", d, g.foreign(path(name), name))
        ok(not os.path.exists(d), "... and no folder is made")
for name in ("kdump32", "kdump-be"):
    d = outdir()
    expect(1, "another architecture", "save", "--format", "elf", "-o", d, g.foreign(path(name), name))
    ok(not os.path.exists(d), "... and no folder is made")
for args, words in ((["save"], "which TARGET"), (["save", "--format", "tar", t], "kdump, elf or flat")):
    expect(2, words, *args)

# Damaged labels: refused, unless forced; never marked
for fields in (dict(bad_crc=True), dict(target_bytes=16 * g.MIB + 4096), dict(dump_bytes=1 << 50)):
    t, d = g.image(path("bad.img"), whole, **fields), outdir()
    sum_before = sha(t)
    r = capstub("save", "-o", d, t)
    ok(r.rc == 1 and not os.path.exists(d), f"damaged label {fields}: refused", r)
    r = capstub("save", "--force", "-o", d, t)
    ok(r.rc == 0 and read(d, "vmcore") == whole.bytes, f"damaged label {fields}: --force saves by the descriptors", r)
    equal(sha(t), sum_before, "... and writes nothing to the target")

# Hostile descriptors: neutralised in the copy, counted, not marked saved
size = len(whole.bytes)
evil = {5: (size + 4096, 4096, 0), 6: (1 << 62, 4096, 0), 7: (-4096, 4096, 0), 8: (whole.data_at, 0xffffffff, 0),
        9: (whole.data_at, 100, 0), 10: (4096, 4096, 0), 11: (whole.data_at, 4096, 0x80), 12: (size - 10, 100, 1),
        13: (whole.data_at, 0, 1), 14: (0, 4096, 0), 15: ((1 << 63) - 1, 4096, 0)}
bad = g.Dump(patch=evil)
t, d = g.image(path("evil.img"), bad), outdir()
r = expect(1, f"{len(evil)} pages are damaged and were left out", "save", "-o", d, t)
copy = read(d, "vmcore")
want = bytearray(whole.bytes)
for index in evil:
    want[whole.descs_at + 24 * index:whole.descs_at + 24 * index + 24] = bytes(24)
want[424] |= g.INCOMPLETE_FLAG
ok(copy == bytes(want), "the copy has them as missing pages, and is else the same")
equal(state(t), "complete", "the target is not marked saved")
equal(json.loads(read(d, "info.json"))["saved"]["complete"], False, "info.json: not complete")

# Descriptors that were begun when the power failed: an LZO stream of one byte, with and without an offset (earlier, an offset
# alone). They are missing pages and no damage, and look like them in the copy
begun = {700: (whole.data_at, 0, 0), 701: (0, 1, 2), 702: (whole.data_at, 1, 2)}
t, d = g.image(path("half.img"), g.Dump(stored=700, patch=begun), state=g.DUMPING, stop=1), outdir()
r = expect(0, "INCOMPLETE", "save", "-o", d, t)
ok(f"{len(whole.pfns) - 700} of {len(whole.pfns)} pages are missing" in r.err, "a descriptor that was begun is a missing page", r)
equal(state(t), "saved", "begun descriptors: marked saved")
equal(read(d, "vmcore")[whole.descs_at + 24 * 700:whole.descs_at + 24 * 703], bytes(72), "the copy has them as missing pages")

# A damaged dump header: texts are saved, the target is not marked
t, d = g.image(path("head.img"), whole), outdir()
with open(t, "r+b") as f:
    f.seek(428)
    f.write(b"\xff\xff\xff\xff")
r = capstub("save", "-o", d, t)
ok(r.rc == 1 and os.path.exists(d + "/dmesg.txt") and not os.path.exists(d + "/vmcore"), "damaged header: texts only", r)
equal(state(t), "complete", "damaged header: not marked saved")

# Interrupted at any moment, by any means: the next run succeeds, and what is there is never half a dump
def repeat(name, d, *options):
    """The run that the next boot makes; then everything is there and nothing else"""
    r = capstub("save", "--if-needed", *options, t)
    good = r.rc == 0 and state(t) == "saved" and read(d, "vmcore") == whole.bytes and \
        sorted(os.listdir(d)) == ["capstub.log", "dmesg.txt", "info.json", "vmcore"] and not os.path.exists(d + ".part") and \
        json.loads(read(d, "info.json"))["saved"]["crc32c"] == crc
    return good or print(f"# {name}: {sorted(os.listdir(d))} {state(t)} {r}")


crc = g.crc32c(whole.bytes)
rnd, bad, early, seen = random.Random(7), 0, 0, set()
start = time.monotonic()
capstub("save", "--keep", "-o", outdir(), g.image(path("kill.img"), whole))
took = time.monotonic() - start
# A busy machine may be late with each signal: more rounds, until enough came early
for i in range(200):
    if i >= 24 and early > 20 and "dmesg.txt" in seen:
        break
    t, d = g.image(path("kill.img"), whole), outdir()
    there = i % 3 == 2
    if there:
        os.mkdir(d)
    for k in range(rnd.randrange(1, 4)):
        p = subprocess.Popen([TOOL, "save", "-o", d, t], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rnd.random() * took * 1.1)
        p.send_signal(signal.SIGINT if i % 2 else signal.SIGKILL)
        early += p.wait() < 0
        left = os.listdir(d if there else d + ".part") if os.path.exists(d + ("" if there else ".part")) else []
        seen.update(left)
        if not there and os.path.exists(d) and read(d, "vmcore") != whole.bytes:
            bad += 1
    bad += not repeat(f"round {i}", d, "-o", d)
ok(not bad and early > 20 and "dmesg.txt" in seen, f"killed {early} times: the next run saves all", (bad, early, seen))
# ... with the default name as well
t = g.image(t, whole)
d = path("testhost-6.1.0-test-amd64-20250615T150640Z")
for name in os.listdir(d):
    os.unlink(os.path.join(d, name))
os.rmdir(d)
os.mkdir(d + ".part")
open(d + ".part/dmesg.txt", "w").write("half a l")
open(d + ".part/vmcore.part", "w").write("KDUMP")
r = capstub("save", "--if-needed", t, cwd=SCRATCH)
ok(r.rc == 0 and state(t) == "saved" and read(d, "dmesg.txt").decode() == g.DMESG and not os.path.exists(d + ".part"),
   "default name: what an interrupted run left is replaced", r)
# Cut between the last file and the mark: the files are compared, not written again, and the target is marked
before = {f: os.stat(os.path.join(d, f)).st_mtime_ns for f in os.listdir(d)}
t = g.image(t, whole)
expect(0, "complete", "save", "--if-needed", t, cwd=SCRATCH)
equal(({f: os.stat(os.path.join(d, f)).st_mtime_ns for f in os.listdir(d)}, state(t), os.path.exists(d + "-2")), (before, "saved", False),
      "all files are there: the target is marked, they are not touched")
# Another dump with the same name gets a number
t = g.image(t, whole, dmesg="another crash\n")
expect(0, "20250615T150640Z-2/vmcore", "save", "--if-needed", t, cwd=SCRATCH)
equal((read(d + "-2", "dmesg.txt"), state(t)), (b"another crash\n", "saved"), "another dump of that name: saved beside it")
t = g.image(t, whole, dmesg="another crash\n")
expect(1, "dmesg.txt exists", "save", "--if-needed", "-o", d, t)
# One byte of the dump is different
t, d = g.image(t, whole), outdir()
capstub("save", "-o", d, t)
with open(d + "/vmcore", "r+b") as f:
    f.seek(len(whole.bytes) - 1)
    f.write(b"?")
t = g.image(t, whole)
expect(1, "vmcore exists", "save", "--if-needed", "-o", d, t)
equal(state(t), "complete", "files that are not this dump's: not marked")
# What is not ours is not removed
d = outdir()
os.mkdir(d + ".part")
open(d + ".part/thesis.tex", "w").close()
open(d + ".part/dmesg.txt", "w").close()
expect(1, "thesis.tex in it is not of an interrupted run", "save", "-o", d, t)
equal((sorted(os.listdir(d + ".part")), os.path.exists(d)), (["dmesg.txt", "thesis.tex"], False), "NAME.part of somebody else stays")
d = outdir()
os.symlink(SCRATCH, d + ".part")
expect(1, "Not a directory", "save", "-o", d, t)
# Two at a time
d = outdir()
os.mkdir(d + ".part")
held = os.open(d + ".part", os.O_RDONLY)
fcntl.flock(held, fcntl.LOCK_EX)
expect(1, "is being written by another run", "save", "-o", d, t)
os.close(held)
expect(0, "complete", "save", "-o", d + "///", t)
ok(read(d, "vmcore") == whole.bytes, "slashes at the end of the name")
# Nothing stays of a run that could not begin
t = g.image(t, whole)
expect(1, "too long", "save", "-o", path("new/er/" + "x" * 252), t)
ok(not os.path.exists(path("new")), "directories that were made for nothing are removed")

# No room: found out before, and in the middle
t, d = g.image(path("room.img"), g.Dump(compress=False)), outdir()


def limit():
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


r = capstub("save", "-o", d, t, preexec_fn=limit)
ok(r.rc == 1 and "no room" in r.err and "-o" in r.err, "file size limit: said so", r)
equal((os.path.exists(d), sorted(os.listdir(d + ".part"))), (False, ["capstub.log", "dmesg.txt"]), "file size limit: the texts stay in NAME.part")
ok(d + ".part has what was written" in r.err, "file size limit: that is said", r)
equal(state(t), "complete", "file size limit: not marked saved")
tiny = path("tiny")
os.mkdir(tiny)
if os.geteuid() == 0 and run("mount", "-t", "tmpfs", "-o", "size=2M", "tmpfs", tiny).rc == 0:
    try:
        expect(1, "free, the dump needs", "save", "-o", tiny + "/d", t)
        r = capstub("save", "--force", "-o", tiny + "/d", t)
        ok(r.rc == 1 and "no room" in r.err and os.listdir(tiny) == ["d.part"], "full filesystem: said so", r)
        equal(sorted(os.listdir(tiny + "/d.part")), ["capstub.log", "dmesg.txt"], "full filesystem: cleaned up, the texts stay")
        equal(state(t), "complete", "full filesystem: not marked saved")
        run("mount", "-o", "remount,size=64M", tiny)
        expect(0, "complete", "save", "--if-needed", "-o", tiny + "/d", t)
        equal((os.listdir(tiny), state(t)), (["d"], "saved"), "full filesystem: with room again the next run saves it")
    finally:
        run("umount", tiny)
else:
    skip("full filesystem", "needs root to mount a small one")

# Through a pipe, flattened
def piped(*args, stdout=subprocess.PIPE):
    return subprocess.run([TOOL, "save", "--format", "flat", "-o", "-", *args], stdout=stdout, stderr=subprocess.PIPE, timeout=120)


def rearrange(flat):
    """The file that it stands for, by the format's description"""
    assert flat[:4096] == b"makedumpfile\0\0\0\0" + struct.pack(">qq", 1, 1) + bytes(4064), flat[:64]
    at, file = 4096, bytearray()
    while True:
        offset, n = struct.unpack_from(">qq", flat, at)
        at += 16
        if (offset, n) == (-1, -1):
            return bytes(file) if at == len(flat) else None
        if offset < len(file) or n <= 0 or len(flat) < at + n:      # none twice: readers differ in which of them counts
            return None
        file += bytes(offset - len(file)) + flat[at:at + n]
        at += n


R = shutil.which("makedumpfile")
zeros = g.Dump(stored=0)
for what, rc, dump, fields, options in (
        ("whole", 0, whole, {}, []), ("lzo", 0, whole, {}, ["--compress", "lzo"]), ("zlib", 0, whole, {}, ["--compress", "zlib"]),
        ("zstd", 0, whole, {}, ["-c", "zstd"]), ("none", 0, whole, {}, ["-c", "none"]),
        ("cut", 0, g.Dump(stored=700, patch=begun), dict(state=g.DUMPING, stop=1), []),
        ("cut, zlib", 0, g.Dump(stored=700, patch=begun), dict(state=g.DUMPING, stop=1), ["-c", "zlib"]),
        ("pages missing", 0, g.Dump(stored=900), dict(state=g.INCOMPLETE, stop=40), []),
        ("damaged", 1, g.Dump(patch=evil), {}, []),
        ("damaged, zlib", 1, g.Dump(patch=evil, incomplete=True), {}, ["-c", "zlib"]),
        ("zeros at the end", 0, zeros, dict(state=g.COMPLETE, dump_bytes=15 * g.MIB), [])):
    t, d = g.image(path("flat.img"), dump, **fields), outdir()
    before = sha(t)
    r = piped(*options, t)
    ok(r.returncode == rc and sha(t) == before, f"flat, {what}: status {rc}, nothing is written to the target", r.stderr)
    capstub("save", "--keep", *options, "-o", d, t)
    ok(rearrange(r.stdout) == read(d, "vmcore"), f"flat, {what}: it is the vmcore that goes to a directory")
    if R:
        run("sh", "-c", 'makedumpfile -R "$1" <"$2"', "sh", d + "/again", open(path("flat"), "wb").write(r.stdout) and path("flat"))
        ok(read(d, "again") == read(d, "vmcore"), f"flat, {what}: and so says makedumpfile -R")
    else:
        skip(f"flat, {what}: and so says makedumpfile -R", "not installed")
ok(len(r.stdout) < 2 * g.MIB, "runs of zeros take no room there, too", len(r.stdout))
# A page that cannot be decompressed shows behind a header that says all is there
t = g.image(path("flat.img"), g.Dump(patch={5: (whole.data_at + g.PAGE, 77, g.ZLIB)}))
r = piped("-c", "zlib", t)
ok(r.returncode == 1 and b"not through a pipe" in r.stderr and r.stdout[-16:] != b"\xff" * 16, "flat: a header that cannot be taken back", r.stderr)
equal(state(t), "complete", "... not marked")
# Marked when the other end of the pipe is content, by a command of its own
t = g.image(path("flat.img"), whole)
r = piped(t)
ok(f"when it has arrived: capstub save --mark {t}" in r.stderr.decode(), "flat: says how to mark the target", r.stderr)
expect(0, "marked saved", "save", "--mark", t)
equal(state(t), "saved", "--mark: it is marked")
expect(1, "was saved already", "save", "--mark", t)
expect(0, "", "save", "--mark", "--if-needed", t)
r = piped(t)
ok(r.returncode == 1 and not r.stdout and b"--force saves it again" in r.stderr, "flat: not twice", r.stderr)
ok(rearrange(piped("--force", t).stdout) == whole.bytes, "flat: --force")
t = g.image(path("flat.img"), g.Dump(stored=700), state=g.DUMPING, stop=1)
expect(0, "marked saved", "save", "--mark", t)
equal((state(t), info(t)["label"]["dump_bytes"]), ("saved", max(ends)), "--mark: a cut one has the length found")
t = g.image(path("flat.img"), g.Dump(patch=evil))
expect(1, "is damaged, and is not marked", "save", "--mark", t)
equal(state(t), "complete", "--mark: not one that is damaged")
t = g.image(path("flat.img"), None, state=g.INCOMPLETE, stop=24, dump_bytes=0)
r = piped(t)
ok(r.returncode == 1 and not r.stdout and b"holds no pages" in r.stderr, "flat: texts only", r.stderr)
open(path("plain"), "wb").write(whole.bytes)
r = piped(path("plain"))
ok(r.returncode == 0 and rearrange(r.stdout) == whole.bytes and b"--mark" not in r.stderr, "flat: of a vmcore", r.stderr)
# The reader goes away, the disk behind it is full
t = g.image(path("flat.img"), g.Dump(compress=False))
for n in (0, 5000, 1 << 20, 3 << 20):
    p = subprocess.Popen([TOOL, "save", "-F", "flat", "-o", "-", t], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdout.read(n)
    p.stdout.close()
    err = p.stderr.read()
    ok(p.wait() == 1 and b"went away after" in err and err.count(b"\n") == 1, f"flat: the pipe is closed after {n} bytes", (p.returncode, err))
with open("/dev/full", "wb") as f:
    r = piped(t, stdout=f)
ok(r.returncode == 1 and b"No space left" in r.stderr, "flat: no room", r.stderr)
equal(state(t), "complete", "... not marked")
for args, words in ((["--format", "flat"], "belong together"), (["-o", "-"], "belong together"), (["-F", "flat", "-o", outdir()], "belong together"),
                    (["--mark", "--keep"], "goes with none"), (["--mark", "-o", outdir()], "goes with none")):
    expect(2, words, "save", *args, t)
master, terminal = os.openpty()
r = piped(t, stdout=terminal)
ok(r.returncode == 2 and b"is a terminal" in r.stderr, "flat: not to a terminal", r.stderr)
os.close(master)
os.close(terminal)

# Zeros do not take room
big = g.Dump(stored=0)
t, d = g.image(path("holes.img"), big, state=g.COMPLETE, dump_bytes=15 * g.MIB), outdir()
r = capstub("save", "-o", d, t)
st = os.stat(d + "/vmcore")
ok(st.st_size == 15 * g.MIB and st.st_blocks * 512 < 2 * g.MIB, "runs of zeros become holes", st)

# Locked by a running virtual machine
t = g.image(path("vm.img"), whole)
with open(t, "r+b") as held:
    fcntl.lockf(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    expect(1, "in use by another program", "save", "-o", outdir(), t)
    expect(0, "complete", "save", "--keep", "-o", outdir(), t)

# A read-only target can be read
os.chmod(t, 0o444)
os.chmod(SCRATCH, 0o755)
d = path("ro")
os.mkdir(d)
os.chmod(d, 0o777)
if os.geteuid() == 0:
    mine = shutil.copy(TOOL, path("capstub"))
    as_nobody = dict(user="nobody", group="nogroup", extra_groups=[])
else:
    mine, as_nobody = TOOL, {}
r = run(mine, "save", "-o", d + "/a", t, **as_nobody)
ok(r.rc == 1 and "cannot be opened for writing" in r.err, "read-only target: cannot be marked, so not saved", r)
r = run(mine, "save", "--keep", "-o", d + "/a", t, **as_nobody)
ok(r.rc == 0 and read(d + "/a", "vmcore") == whole.bytes, "read-only target: --keep saves it", r)
done()
