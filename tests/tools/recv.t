#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""capstub recv on recorded logs and on pseudo-terminals, fed by an independent implementation of the protocol."""
import json
import os
import pty
import random
import re
import select
import signal
import struct
import subprocess
import sys
import time
import tty

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import serialgen as g
from dumpgen import crc32c
from tool import *

INCOMPLETE = 8
n = 0


def outdir():
    global n
    n += 1
    return path(f"recv{n}")


def captures(d):
    return sorted(f for f in os.listdir(d) if os.path.isdir(os.path.join(d, f))) if os.path.isdir(d) else []


def receive(data, *options, name="log"):
    """recv of a file: exit status, folders of captures, messages."""
    file, d = path(name), outdir()
    with open(file, "wb") as f:
        f.write(data)
    r = capstub("recv", *options, "-o", d, file)
    return r, [os.path.join(d, c) for c in captures(d)]


def right(folder, capture):
    """Every page in the vmcore is this capture's page of that number."""
    pages, promised, status = read_vmcore(os.path.join(folder, "vmcore"))
    wrong = [p for p in pages if capture.stored.get(p) != pages[p]]
    return not wrong, pages, promised, status


def whole(name, r, folder, capture):
    good, pages, promised, status = right(folder, capture)
    ok(good and set(pages) == set(capture.stored), name + ": every page is there and in its place",
       f"{len(pages)} of {len(capture.stored)}, right: {good}\n{r}")
    ok(not status & INCOMPLETE and set(promised) == set(capture.stored) | capture.unreadable,
       name + ": complete, and promises nothing else but what could not be read", (status, set(promised) ^ set(capture.stored)))
    with open(os.path.join(folder, "dmesg.txt"), "rb") as f:
        equal(f.read(), capture.dmesg, name + ": dmesg.txt")
    with open(os.path.join(folder, "receive.json"), encoding="utf-8") as f:
        report = json.load(f)
    ok(report["complete"] and report["pages_missing"] == 0 and report["pages_unreadable"] == len(capture.unreadable) and report["pages_stored"] == len(pages), name + ": report", report)


one = g.Capture(1, dmesg="Linux version 6.1\n" + "x" * 3000 + "\nsysrq triggered crash\n")
two = g.Capture(2, ranges=((0, 16), (32, 30)), release="6.12.0")
BOOT = b"Booting...\r\n[    0.000000] Linux version 6.1 (~nobody@host)\r\n[    1.0] tilde ~home | pipe\r\n"

# Whole logs
for mode, how in ((g.TEXT, "text"), (g.EIGHT, "8 bit")):
    r, got = receive(BOOT + one.wire(mode) + b"\r\ncapstub: stop code 0\r\n" + BOOT)
    if ok(r.rc == 0 and len(got) == 1, f"{how}: one capture", r):
        whole(how, r, got[0], one)
        ok("6.1.0" in r.out + r.err and "tilde ~home | pipe\n" in r.out and "12 % of 3 MiB\n" in r.out,
           f"{how}: console text is shown, the crash is named", r)
        ok(len(r.out.splitlines()) < 30 and not re.search(r"[^\x20-\x7e\n]", r.out), f"{how}: and nothing of the frames is", r)
        equal(sorted(os.listdir(got[0])), ["capstub.log", "dmesg.txt", "receive.json", "vmcore"], f"{how}: files")
        equal(oct(os.stat(got[0]).st_mode & 0o777) + oct(os.stat(got[0] + "/vmcore").st_mode & 0o777), "0o7000o600", f"{how}: only for the owner")

# The machine had more memory than the stub was told of
r, got = receive(g.Capture(3, ram_missing=1 << 27).wire(g.TEXT), "-q")
with open(os.path.join(got[0], "receive.json"), encoding="utf-8") as f:
    report = json.load(f)
ok(r.rc == 1 and not report["complete"] and report["pages_missing"] == 0 and report["ram_missing_bytes"] == 1 << 27, "memory that is missing", f"{report} {r}")

# Loggers
text = one.wire(g.TEXT, console=True)
# the probe is 256 raw bytes: a logger may do anything to it
at = text.index(bytes(range(1, 9)))
stamped = b"".join(b"[Sun Nov 22 03:04:05 2026] " + line + b"\n" for line in text.replace(b"\r", b"").split(b"\n"))
r, got = receive(stamped, "-q")
ok(r.rc == 0 and len(got) == 1 and right(got[0], one)[0], "time stamps before each line", r)
unix = text.replace(b"\r\n", b"\n")
r, got = receive(unix, "-q")
ok(r.rc == 0 and len(got) == 1 and right(got[0], one)[0], "line ends of another kind", r)
seven = bytes(c & 127 for c in text)
r, got = receive(seven, "-q")
ok(r.rc == 0 and len(got) == 1 and right(got[0], one)[0], "a 7-bit line", r)
wrapped = b"".join(line[:64] + b"\n" + line[64:] + b"\n" if len(line) > 64 and line[:1] in b"~|" else line + b"\n"
                   for line in unix.split(b"\n"))
r, got = receive(wrapped, "-q")
ok(r.rc == 0 and len(got) == 1 and right(got[0], one)[0], "lines wrapped at 64 columns", r)

# Not a dump at all
for what, data in (("nothing", b""), ("a console log", BOOT * 50), ("noise", random.Random(5).randbytes(100000)),
                   ("marks", b"~\x01\x03\x10|;~~~\x01\x01" * 2000), ("a log of somebody else's frames", g.encode(0, 4, 1, 1, b"\0" * 30))):
    r, got = receive(data, "-q")
    ok(r.rc == 1 and not got and "no capture" in r.err, f"{what}: status 1, nothing written", f"{got} {r}")

for what, data in (("a vmcore", b"KDUMP   " + random.Random(6).randbytes(1 << 20)), ("a console log", BOOT * 5000)):
    r, got = receive(data)
    ok(r.rc == 1 and len(r.out + r.err) < 200 and "no capture in it" in r.err, f"{what}: is not printed", r.out[:300] + r.err[:300])
    ok(not os.path.exists(path(f"recv{n}")), f"{what}: no empty folder stays")
expect(1, "No such file", "recv", "-o", path("recvx"), path("nosuch"))
ok(not os.path.exists(path("recvx")), "... and none of a line that is not there")
expect(1, "No such file", "recv", "-o", path("recvx/a/b"), path("nosuch"))
ok(not os.path.exists(path("recvx")), "... nor what is above it")

# Cut anywhere: what is there is right, and it says that it is not all
wire = one.wire(g.EIGHT)
rnd = random.Random(3)
bad, opened, most = [], 0, 0
for cut in sorted(rnd.randrange(len(wire)) for _ in range(50)):
    r, got = receive(wire[:cut], "-q")
    if r.rc != 1 or len(got) > 1:
        bad.append((cut, str(r)))
    elif got:
        good, pages, promised, status = right(got[0], one)
        opened += 1
        most = max(most, len(pages))
        if not good or not status & INCOMPLETE or not set(pages) <= set(promised):
            bad.append((cut, status, len(pages)))
ok(not bad and opened > 30 and most > 60, f"a log cut at 50 places: {opened} dumps, all right, none called complete", bad)

# Damage: lost frames cost their pages and no others
lines = one.lines(g.EIGHT)
lost = [i for i, (kind, _) in enumerate(one.frames) if kind == g.PAGES and i % 6 == 0]
r, got = receive(b"".join(l for i, l in enumerate(lines) if i not in lost), "-q")
good, pages, _, status = right(got[0], one)
ok(r.rc == 1 and good and status & INCOMPLETE and len(one.stored) - len(pages) <= 24 * len(lost) and len(pages) > 60,
   f"{len(lost)} frames lost: {len(one.stored) - len(pages)} of {len(one.stored)} pages missing", r)
bad = []
for seed in range(20):
    rnd = random.Random(seed)
    data = bytearray(one.wire(seed & 1))
    for _ in range(len(data) // 1500):
        kind, at = rnd.randrange(3), rnd.randrange(len(data))
        if kind == 0:
            data[at] ^= 1 << rnd.randrange(8)
        elif kind == 1:
            del data[at:at + rnd.randrange(40)]
        else:
            data[at:at] = rnd.randbytes(rnd.randrange(20))
    r, got = receive(bytes(data), "-q")
    if r.rc not in (0, 1) or not all(right(x, one)[0] for x in got):
        bad.append((seed, str(r)))
ok(not bad, "20 logs with flipped, lost and inserted bytes: no wrong page", bad)

# Order does not matter, repetition neither
shuffled = one.lines(g.EIGHT)
random.Random(9).shuffle(shuffled)
r, got = receive(b"".join(shuffled + shuffled[:40]), "-q")
if ok(r.rc == 0 and len(got) == 1, "frames in any order, some twice", r):
    whole("any order", r, got[0], one)

# Two crashes in one log, and the first one's frames again after the second
r, got = receive(one.wire() + BOOT + two.wire(g.EIGHT) + b"".join(one.lines()[20:30]), "-q")
if ok(r.rc == 0 and len(got) == 2, "two crashes in one log: two folders", f"{got} {r}"):
    first, second = sorted(got)
    whole("first crash", r, first, one)
    whole("second crash", r, second, two)
# A frame of another session in between is not taken for this one
mixed = []
for i, l in enumerate(one.lines(g.EIGHT)):
    mixed.append(l)
    if 10 < i < 30:
        mixed.append(two.lines(g.EIGHT)[12])
r, got = receive(b"".join(mixed), "-q")
ok(len(got) >= 1 and all(right(x, one if "1" else two)[0] for x in got[:1]), "another session's frames between: no wrong page", f"{got} {r}")

# Numbers that lie: each frame has a good CRC
liars = [
    (g.BLOB, struct.pack("<BIIH", g.META, 0xffffffff, 0, 100) + g.deflate(b"x" * 100)),
    (g.BLOB, struct.pack("<BIIH", g.NOTES, len(one.notes), 0xfffffff0, 8) + g.deflate(b"x" * 8)),
    (g.BLOB, struct.pack("<BIIH", g.DMESG, 100, 90, 20) + g.deflate(b"x" * 20)),
    (g.BLOB, struct.pack("<BIIH", 77, 100, 0, 20) + g.deflate(b"x" * 20)),
    (g.PAGES, bytes([200]) + g.varint(0) + g.varint(1) + g.varint(1) + g.varint(9) + g.deflate(b"x" * 4096)),
    (g.PAGES, bytes([1]) + g.varint(1 << 60) + g.varint(1) + g.varint(1) + g.varint(9) + g.deflate(b"x" * 4096)),
    (g.PAGES, bytes([1]) + g.varint(50) + g.varint(1) + g.varint(1) + g.varint(9) + g.deflate(b"x" * 4096)),      # a hole in RAM
    (g.PAGES, bytes([1]) + g.varint(0) + g.varint(4) + g.varint(1) + g.varint(4 << 3 | 1) + g.deflate(b"x" * 5000)),  # too little
    (g.PAGES, bytes([1]) + g.varint(0) + g.varint(4) + g.varint(1) + g.varint(1 << 3 | 1) + g.deflate(b"x" * 8192)),  # too much
    (g.PAGES, bytes([1]) + g.varint(0) + g.varint(1) + g.varint(1) + g.varint((1 << 61) | 2)),
    (g.PAGES, bytes([1]) + b"\xff" * 30),
    (g.PAGES, b""), (g.BLOB, b""), (g.HELLO, b"\1"), (99, b"?"), (g.CTRL, b"\1" * 40),
]
lines = one.lines(g.EIGHT)
for i, (kind, payload) in enumerate(liars):
    lines.insert(8 + i, g.encode(g.EIGHT, kind, one.session, i, payload, g.AGAIN))
r, got = receive(b"".join(lines), "-q")
if ok(r.rc == 0 and len(got) == 1, f"{len(liars)} frames that lie: thrown away", r):
    whole("liars", r, got[0], one)
    with open(got[0] + "/receive.json", encoding="utf-8") as f:
        rejected = json.load(f)["frames_rejected"]
    ok(rejected >= 10, f"{rejected} of them were counted as rejected", rejected)
for what, change in (("ranges out of order", (0x1e0, struct.pack("<QQ", 90, 10))), ("a range of everything", (0x1e8, b"\xff" * 8)),
                     ("a page size of 3", (4, struct.pack("<I", 3))), ("too many passes", (0x48, struct.pack("<I", 200))),
                     ("VMCOREINFO outside", (0x28, b"\xff" * 8)), ("another version", (0, b"\2"))):
    meta = bytearray(one.meta)
    meta[change[0]:change[0] + len(change[1])] = change[1]
    r, got = receive(g.encode(g.EIGHT, g.BLOB, one.session, 0, struct.pack("<BIIH", g.META, len(meta), 0, len(meta)) + g.deflate(bytes(meta))), "-q")
    ok(r.rc == 1 and not got, f"a header with {what} is refused", f"{got} {r}")

# One frame that calls all of a large memory zero: 256 Mi pages are 6 GiB of descriptors, which nobody writes
huge = g.Capture(3, ranges=((0, 1 << 28),), build=False)
frames = [(g.HELLO, struct.pack("<BBQI", 1, g.TEXT, huge.session, 115200)), huge._blob(g.META, huge.meta),
          (g.PAGES, bytes([0]) + g.varint(0) + g.varint(1 << 28) + g.varint(1) + g.varint(1 << 28 << 3 | g.ZERO))]


def used(d):
    return sum(os.stat(os.path.join(top, f)).st_blocks * 512 for top, _, files in os.walk(d) for f in files)


start = time.monotonic()
r, got = receive(b"".join(g.encode(g.EIGHT, kind, huge.session, i, payload) for i, (kind, payload) in enumerate(frames)), "-q")
# two bitmaps of RAM are 64 MiB
ok(r.rc == 1 and len(got) == 1 and "are not believed" in r.err and used(got[0]) < 80 << 20 and time.monotonic() - start < 60,
   "a frame that calls 1 TiB zero costs next to nothing", f"{[used(d) for d in got]} {time.monotonic() - start} {r}")
# What is plausible comes out: nothing but zeros, then a page with contents, then what was left out
some = g.Capture(4, ranges=((0, 200000),), build=False)
frames = [(g.HELLO, struct.pack("<BBQI", 1, g.TEXT, some.session, 115200)), some._blob(g.META, some.meta),
          some._pages(0, 0, 200000, lambda u: g.DATA if u in (3, 150000) else g.EXCLUDED if u > 190000 else g.ZERO),
          (g.PAGES, bytes([0]) + g.varint(40000) + g.varint(1) + g.varint(1) + g.varint(1 << 3 | g.DATA) + g.deflate(g.content(4, 40000)))]
some.stored[40000] = g.content(4, 40000)
r, got = receive(b"".join(g.encode(g.EIGHT, kind, some.session, i, payload) for i, (kind, payload) in enumerate(frames)), "-q")
good, pages, promised, _ = right(got[0], some)
ok(good and len(pages) == len(promised) == 190001, "200000 pages, nearly all zero: each in its place", (len(pages), r))
ok(used(got[0]) < 8 << 20, "... and not much of a file", used(got[0]))

# Links that somebody has put where files are to be: none is followed
d = outdir()
log = path("log")
with open(log, "wb") as f:
    f.write(b"".join(one.lines(g.EIGHT)[:40]))
capstub("recv", "-q", "-o", d, log)
folder = os.path.join(d, captures(d)[0])
victim = path("victim")
with open(victim, "wb") as f:
    f.write(b"precious")
for how in (os.symlink, os.link):
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    for name in (".meta", ".part", ".zero", ".excluded", ".state", ".meta.part", "dmesg.txt", "capstub.log", "vmcore.part", "receive.json.part"):
        how(victim, os.path.join(folder, name))
    r, got = capstub("recv", "-q", "-o", d, path("log")), captures(d)
    with open(victim, "rb") as f:
        ok(f.read() == b"precious" and os.path.getsize(folder + "/vmcore") > 10000, f"{how.__name__}: not written through", r)
    with open(folder + "/dmesg.txt", "rb") as f:
        equal(f.read(), one.dmesg, f"{how.__name__}: the file is there in its place")
for name in os.listdir(folder):
    os.unlink(os.path.join(folder, name))
os.rmdir(folder)
os.mkdir(path("elsewhere"))
os.symlink(path("elsewhere"), folder)
r = capstub("recv", "-q", "-o", d, log)
ok(r.rc == 1 and not os.listdir(path("elsewhere")), "a link in place of the capture's folder: refused", r)
if os.geteuid() == 0:
    os.unlink(folder)
    os.mkdir(folder)
    os.chown(folder, 65534, 65534)
    r = capstub("recv", "-q", "-o", d, log)
    ok(r.rc == 1 and not os.listdir(folder), "somebody else's folder in its place: refused", r)

# Standard input
d = outdir()
r = subprocess.run([TOOL, "recv", "-q", "-o", d, "-"], input=one.wire(), capture_output=True, timeout=60, check=False)
ok(r.returncode == 0 and len(captures(d)) == 1 and right(os.path.join(d, captures(d)[0]), one)[0], "from standard input", r)


class Line:
    """The stub's end of a pseudo-terminal; recv has the other."""

    def __init__(self, d, *options):
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.name, self.dir = os.ttyname(self.slave), d
        os.set_blocking(self.master, False)
        self.back, self.options = b"", options
        self.start()

    def start(self):
        self.p = subprocess.Popen([TOOL, "recv", "-q", "-1", "-o", self.dir, *self.options, self.name], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        time.sleep(0.5)

    def send(self, data, until=20):
        end = time.monotonic() + until
        while data and time.monotonic() < end:
            self.read(0.01)
            try:
                data = data[os.write(self.master, data[:2048]):]
            except BlockingIOError:
                pass
        assert not data, "the receiver does not read"

    def read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            try:
                self.back += os.read(self.master, 65536)
            except (OSError, BlockingIOError):
                pass

    def controls(self):
        """CTRL frames that came back: (flags, mode, units, request, wants)."""
        out = []
        for text in re.findall(rb"~([^;~]*);", self.back):
            raw = g.unbase85(re.sub(rb"[\r\n|]", b"", text))
            if len(raw) < 14 or struct.unpack("<I", raw[-4:])[0] != crc32c(raw[:-4]) or raw[0] != g.CTRL:
                continue
            p = raw[8:-6]
            wants, at = [], 39
            for _ in range(p[38]):
                what, at = p[at], at + 1
                numbers = []
                for _ in range(2):
                    value = shift = 0
                    while True:
                        value |= (p[at] & 127) << shift
                        shift, at = shift + 7, at + 1
                        if not p[at - 1] & 128:
                            break
                    numbers.append(value)
                wants.append((what, *numbers))
            out.append((p[1], p[2], p[3], struct.unpack_from("<H", p, 36)[0], wants))
        return out

    def wait_for(self, test, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(0.05)
            for c in self.controls():
                if test(c):
                    return c
        return None

    def close(self):
        try:
            status = self.p.wait(20)
        except subprocess.TimeoutExpired:
            self.p.kill()
            status = None
        self.text = self.p.communicate()[0].decode(errors="replace")
        os.close(self.master)
        os.close(self.slave)
        return status


# Two ways: what did not arrive is asked for, and the end is said
line = Line(outdir())
lines = one.lines(g.EIGHT)
gone = [i for i, (kind, _) in enumerate(one.frames) if kind == g.PAGES][3]
line.send(b"".join(lines[:gone] + lines[gone + 1:]))
c = line.wait_for(lambda c: c[4])
ok(c is not None and c[1] == g.EIGHT, "over a pty: a gap is asked for, in 8-bit encoding as the probe allows", line.controls())
start = int.from_bytes(one.frames[gone][1][1:2], "little")
ok(c is not None and any(what == 16 and at <= start < at + many for what, at, many in c[4]), "the request names the gap", (c, start))
line.send(g.encode(g.EIGHT, g.PAGES, one.session, 1000, one.frames[gone][1], g.AGAIN) +
          g.encode(g.EIGHT, g.SERVED, one.session, 1001, struct.pack("<H", c[3] if c else 0)))
bye = line.wait_for(lambda c: c[0] & 1)
ok(bye is not None, "good-bye when nothing is missing", line.controls()[-3:])
status = line.close()
if ok(status == 0 and len(captures(line.dir)) == 1, "recv -1 ends by itself", line.text):
    whole("two ways", line.text, os.path.join(line.dir, captures(line.dir)[0]), one)

# Killed and started again in the middle: what was here is not asked for again
line = Line(outdir())
half = len(lines) // 2
line.send(b"".join(lines[:half]))
line.wait_for(lambda c: True)
time.sleep(2)
line.p.send_signal(signal.SIGKILL)
line.p.wait()
line.back = b""
line.start()
line.send(b"".join(lines[half:]))
bye = line.wait_for(lambda c: c[0] & 1)
asked = [w for c in line.controls() for w in c[4]]
ok(bye is not None and not any(what == 16 for what, _, _ in asked), "killed and started again: goes on, the vital pages are not asked for again", asked)
status = line.close()
if ok(status == 0 and len(captures(line.dir)) == 1, "... in the same folder", line.text):
    whole("after a restart", line.text, os.path.join(line.dir, captures(line.dir)[0]), one)

# Listening only
line = Line(outdir(), "--listen")
line.send(one.wire())
time.sleep(1)
line.read(0.1)
equal(line.back, b"", "--listen sends nothing")
line.p.send_signal(signal.SIGTERM)
line.close()
ok(len(captures(line.dir)) == 1 and right(os.path.join(line.dir, captures(line.dir)[0]), one)[0], "... and receives", line.text)

# Several lines at once, a lock on each
masters, names, d = [], [], outdir()
os.mkdir(d)
for _ in range(3):
    m, s = pty.openpty()
    tty.setraw(s)
    masters.append((m, s))
    names.append(os.ttyname(s))
os.symlink(victim, os.path.join(d, os.path.basename(names[0]) + ".console.log"))
p = subprocess.Popen([TOOL, "recv", "-q", "-1", "-o", d, *names], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
time.sleep(1)
expect(1, "in use", "recv", "-o", outdir(), names[1])
sent = [one.wire(g.EIGHT), two.wire(g.TEXT), one.wire(g.TEXT)]
for m, _ in masters:
    os.set_blocking(m, False)
end = time.monotonic() + 60
while p.poll() is None and time.monotonic() < end:
    for i, (m, _) in enumerate(masters):
        try:
            if sent[i]:
                sent[i] = sent[i][os.write(m, sent[i][:1024]):]
            os.read(m, 65536)
        except BlockingIOError:
            pass
    time.sleep(0.002)
ok(p.poll() == 0, "three lines at once: ends when each is whole", p.poll())
p.kill()
p.wait()
got = captures(d)
ok(len(got) == 3 and all(right(os.path.join(d, c), two if c.startswith(os.path.basename(names[1]) + "-") else one)[0] for c in got),
   "a folder each, every page right", got)
with open(victim, "rb") as f:
    equal(f.read(), b"precious", "console text is not written through a link")
for m, s in masters:
    os.close(m)
    os.close(s)

expect(1, "No such file", "recv", "-o", outdir(), path("nosuch"))
expect(2, "no speed", "recv", "-b", "12", path("log"))
expect(2, "which TTY", "recv")

done()
