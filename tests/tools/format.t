#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""capstub format: what it writes, and everything that it must refuse."""
import fcntl
import os
import re
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *

# A fresh image: the bytes on the media against an independent reading of the layout
t = path("new.img")
r = expect(0, "ready to take a dump", "format", "--size", "16M", "--name", "rack 7 ä", t)
blob = open(t, "rb").read()
equal(len(blob), 16 * g.MIB, "--size makes a file of that size")
label = blob[-g.LABEL:]
equal(label[:8], b"CAPSTUB\0", "magic")
stored = struct.unpack_from("<I", label, 12)[0]
equal(stored, g.crc32c(label[:12] + bytes(4) + label[16:]), "CRC-32C over the label with the field as 0")
equal(struct.unpack_from("<I", label, 8)[0], 1, "version")
equal(struct.unpack_from("<QII", label, 0x60), (16 * g.MIB, g.EMPTY, 0), "size, state and captures")
equal(label[0x20:0x60].rstrip(b"\0"), "rack 7 ä".encode(), "name")
ok(not any(label[0x70:0x188]), "the result is all zero")
equal(struct.unpack_from("<4I", label, 0x188), (g.HEAD, g.crc32c(bytes(g.HEAD)), g.TAIL, g.crc32c(bytes(g.TAIL))),
      "vouches for zeros at both ends")
ok(not any(label[0x198:]), "the rest is zero")
uuid = label[16:32].hex()
ok(uuid[12] == "4" and uuid[16] in "89ab", "random UUID is version 4, variant 1", uuid)
text = "-".join([uuid[:8], uuid[8:12], uuid[12:16], uuid[16:20], uuid[20:]])
ok(f"capstub setup --target=UUID={text}" in r.out and "'capstub load'" in r.out, "says the next step with that UUID", r)
ok(oct(os.stat(t).st_mode & 0o777) == "0o600", "a new image is private")

fixed = "01234567-89ab-cdef-0123-456789abcdef"
expect(0, f"UUID {fixed}", "format", "--uuid", fixed, t)
equal(open(t, "rb").read()[-g.LABEL + 16:-g.LABEL + 32].hex(), fixed.replace("-", ""), "--uuid is written")
# Formatted again, a target is known by the same names
expect(0, f"UUID {fixed}", "format", t)
equal(info(t)["label"]["name"], "rack 7 ä", "formatted again: UUID and name stay")
expect(0, "ready", "format", "--name", "other", t)
equal((info(t)["label"]["uuid"], info(t)["label"]["name"]), (fixed, "other"), "--name changes the name alone")
expect(0, "ready", "format", "--new-uuid", "--name", "", t)
second = info(t)["label"]
expect(0, "ready", "format", "--new-uuid", t)
ok(len({fixed, second["uuid"], info(t)["label"]["uuid"]}) == 3 and second["name"] == "", "--new-uuid: another one each time", second)
expect(2, "exclude each other", "format", "--new-uuid", "--uuid", fixed, t)
expect(0, "ready", "format", g.image(path("damaged.img"), uuid=bytes.fromhex(fixed.replace("-", "")), name=b"x", bad_crc=True))
j = info(path("damaged.img"))["label"]
ok(j["uuid"] != fixed and j["name"] == "", "of a damaged label nothing is kept", j)

# Whatever was in the areas is gone; the rest is not touched
with open(path("old.img"), "wb") as f:
    f.write(b"\xa5" * (4 * g.MIB + 1000))
expect(0, "ready", "format", path("old.img"))
blob = open(path("old.img"), "rb").read()
equal(len(blob), 4 * g.MIB + 1000, "odd size: the file keeps it")
ok(blob[:g.MIB] == bytes(g.MIB), "first MiB cleared")
tail = 4 * g.MIB - g.LABEL - g.TAIL
ok(blob[g.MIB:tail] == b"\xa5" * (tail - g.MIB), "the middle is not touched")
ok(blob[tail:4 * g.MIB - g.LABEL] == bytes(g.TAIL), "tail and log area cleared")
ok(blob[4 * g.MIB:] == b"\xa5" * 1000, "what is behind END is not touched")
equal(info(path("old.img"))["label"]["target_bytes"], 4 * g.MIB, "END is rounded down to 4 KiB")

# Bad usage is 2, failure is 1
for args, words in ((["format"], "which TARGET"), (["format", "a", "b"], "one TARGET"),
                    (["format", "--uuid", "xyz", t], "not a UUID"), (["format", "--uuid", fixed + "0", t], "not a"),
                    (["format", "--size", "0", t], "not a size"), (["format", "--size", "4X", t], "not a size"),
                    (["format", "--size", "-1", t], "not a size"),
                    (["format", "--size", "99999999999999999999", t], "not a size"),
                    (["format", "--name", "x" * 64, t], "longer than 63"),
                    (["format", "--name", "a\nb", t], "control character"),
                    (["format", "--bogus", t], "unrecognized option"), ([], "which command"),
                    (["bogus"], "no command 'bogus'")):
    expect(2, words, *args)
    ok("Usage" in (u := capstub(*args)).err or "--help" in u.err, "... and points at the usage", u)
for args in (["--help"], ["--version"], ["--usage"], ["format", "--help"], ["info", "--help"], ["save", "--help"], ["wipe", "--help"]):
    ok(capstub(*args).rc == 0, f"capstub {' '.join(args)} succeeds")
for size, want in (("1.5M", 3 << 19), ("1.25MiB", 5 << 18), ("1073.741824k", 1099511), ("1.0000000009M", g.MIB),
                   ("1.999999M", 2097150)):
    f = path(f"size-{size}.img")
    capstub("format", "--size", size, f)
    equal(os.path.exists(f) and os.path.getsize(f), want, f"--size {size}: {want} bytes")
for size in ("1.5", "1.", "1.M", ".5G", "1.5.5G", "1,5G", "16.1E", "15.999999E"):
    f = path("size.img")
    r = capstub("format", "--size", size, f)
    ok(r.rc in (1, 2) and not os.path.exists(f), f"--size {size}: refused, nothing is made", r)
for size in ("1", "4096", "1023K"):
    expect(1, "needs at least 1.0 MiB", "format", "--size", size, path("size.img"))
    ok(not os.path.exists(path("size.img")), f"--size {size}: no image of it stays")
for args in (["format", "--size", "2M", path("full.img")], ["words", "dump=any"], ["info", t]):
    with open("/dev/full", "w") as full:
        r = subprocess.run([TOOL, *args], stdout=full, stderr=subprocess.PIPE, text=True)
    ok(r.returncode == 1 and "standard output cannot be written" in r.stderr, f"{args[0]} >/dev/full: status 1", r)
expect(1, "does not exist", "format", path("nothing.img"))
expect(1, "exists", "format", "--size", "8M", t)
expect(1, "neither a block device nor a file", "format", SCRATCH)
expect(1, "neither a block device nor a file", "format", "/dev/null")
with open(path("small.img"), "wb") as f:
    f.truncate(g.MIB - 1)
expect(1, "needs at least 1.0 MiB", "format", path("small.img"))
expect(1, "needs at least", "format", "--force", path("small.img"))
with open(path("min.img"), "wb") as f:
    f.truncate(g.MIB)
expect(0, "ready", "format", path("min.img"))


# Foreign signatures: made by the real programs where they are there, else by the bytes libblkid knows
def foreign(name, make, words):
    file = path(name)
    with open(file, "wb") as f:
        f.truncate(16 * g.MIB)
    make(file)
    before = sha(file)
    expect(1, words, "format", file)
    equal(sha(file), before, f"{name}: a refusal writes nothing")
    expect(0, "ready", "format", "--force", file)
    expect(0, "ready", "format", file)


def poke(offset, data):
    def make(file):
        with open(file, "r+b") as f:
            f.seek(offset)
            f.write(data)
    return make


def program(*args):
    def make(file):
        env = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
        subprocess.run([*args, file], check=True, capture_output=True, env=env)
    return make


def have(prog):
    return shutil.which(prog, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def lvm2(file):
    head = bytearray(512)
    head[:8] = b"LABELONE"
    struct.pack_into("<Q", head, 8, 1)
    struct.pack_into("<I", head, 20, 32)
    head[24:32] = b"LVM2 001"
    head[32:64] = b"0123456789abcdefghijklmnopqrstuv"
    crc = 0xf597a6cf
    for b in head[20:]:
        crc ^= b
        for _ in range(8):
            crc = crc >> 1 ^ (0xedb88320 if crc & 1 else 0)
    struct.pack_into("<I", head, 16, crc)
    poke(512, bytes(head))(file)


for prog, args, words in (("mkfs.ext4", ["mkfs.ext4", "-q", "-F"], "ext4 filesystem"),
                          ("mkswap", ["mkswap"], "swap other")):
    if have(prog):
        foreign(prog + ".img", program(*args), words)
    else:
        skip(prog, "not installed")
if have("sfdisk"):
    def gpt(file):
        subprocess.run([have("sfdisk"), "-q", file], input="label: gpt\n,4M\n,4M\n", text=True, check=True,
                       capture_output=True)
    foreign("gpt.img", gpt, "gpt partition table")
else:
    skip("gpt", "sfdisk is not installed")
foreign("dos.img", poke(446, struct.pack("<B3sB3sII", 0x80, b"\0\2\0", 0x83, b"\0\3\0", 2048, 8192) + bytes(48) +
                        b"\x55\xaa"), "dos partition table")
foreign("luks.img", poke(0, b"LUKS\xba\xbe\0\1aes".ljust(4096, b"\0")), "crypto_LUKS crypto")
foreign("lvm.img", lvm2, "LVM2_member raid")
md = bytearray(4096)
struct.pack_into("<IIII16s32sQIIQIII", md, 0, 0xa92b4efc, 1, 0, 0, b"u" * 16, b"host:0", 0, 1, 0, 8192, 0, 2, 0)
struct.pack_into("<Q", md, 128, 0)
struct.pack_into("<Q", md, 144, 16 * g.MIB // 512 - 16)
total = sum(struct.unpack("<64I", bytes(md[:256])))
struct.pack_into("<I", md, 216, ((total & 0xffffffff) + (total >> 32)) & 0xffffffff)
foreign("md.img", poke(16 * g.MIB - 8192, bytes(md)), "linux_raid_member raid")

# A dump in the wrong place
for name, words in (("kdump", "a kdump-compressed dump"), ("kdump32", "a kdump-compressed dump"), ("elf", "an ELF core dump"),
                    ("elf-be", "an ELF core dump"), ("flat", "a flattened makedumpfile stream")):
    foreign(name, lambda file, name=name: g.foreign(file, name), words)
# ... also where a label outlived what was put there
f = path("copied.img")
capstub("format", "--size", "2M", f)
poke(0, b"KDUMP   ")(f)
expect(1, "a kdump-compressed dump", "format", f)

# An unsaved dump is as precious as a filesystem
for state, name in ((g.COMPLETE, "complete"), (g.INCOMPLETE, "incomplete"), (g.DUMPING, "dumping")):
    f = g.image(path(f"{name}.img"), g.Dump(), state=state)
    before = sha(f)
    expect(1, f"holds a dump that was not saved ({name}", "format", f)
    equal(sha(f), before, f"{name}: a refusal writes nothing")
    expect(0, "ready", "format", "--force", f)
    equal(info(f)["label"]["state_name"], "empty", f"{name}: empty after --force")
    equal(info(f)["dump"], None, f"{name}: no dump to be seen after --force")
f = g.image(path("saved.img"), g.Dump(), state=g.SAVED)
expect(0, "ready", "format", f)

# An image that another program (a virtual machine) has locked
f = path("locked.img")
capstub("format", "--size", "2M", f)
with open(f, "r+b") as held:
    fcntl.lockf(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    expect(1, "in use by another program", "format", "--force", f)

# Permissions: root has all of them, so somebody else asks
os.chmod(f, 0o400)
if os.geteuid() == 0:
    os.chmod(SCRATCH, 0o755)
    mine = shutil.copy(TOOL, path("capstub"))
    r = run(mine, "format", f, user="nobody", group="nogroup", extra_groups=[])
else:
    r = capstub("format", f)
ok(r.rc == 1 and "cannot be opened for writing" in r.err, "a file of somebody else", r)
done()
