# SPDX-License-Identifier: GPL-2.0-or-later
"""The stub's side of the serial protocol, written from docs/serial-protocol.md and include/capstub/serial.h alone."""
import random
import struct
import zlib

from dumpgen import crc32c

ALPHABET = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
HELLO, PROBE, PROBE_END, BLOB, PAGES, SERVED, CTRL = 1, 2, 3, 4, 5, 6, 16
META, NOTES, DMESG, PLAN, LOG, RESULT = range(6)
OTHER, DATA, ZERO, EXCLUDED, UNREADABLE = range(5)
AGAIN = 1
TEXT, EIGHT = 0, 1
UNIT = 4096


def base85(data):
    out = b""
    for i in range(0, len(data), 4):
        group = data[i:i + 4]
        value = int.from_bytes(group.ljust(4, b"\0"), "big")
        chars = b""
        for _ in range(5):
            value, digit = divmod(value, 85)
            chars = ALPHABET[digit:digit + 1] + chars
        out += chars[:len(group) + 1]
    return out


def unbase85(text):
    out = b""
    for i in range(0, len(text), 5):
        group = text[i:i + 5]
        value = 0
        for c in group.ljust(5, b"#"):
            value = value * 85 + ALPHABET.index(c)
        out += value.to_bytes(5, "big")[1:][:len(group) - 1]
    return out


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def deflate(data):
    z = zlib.compressobj(6, zlib.DEFLATED, -13, 5)
    return z.compress(data) + z.flush()


def encode(mode, kind, session, sequence, payload, flags=0):
    raw = struct.pack("<BBHI", kind, flags, session & 0xffff, sequence) + payload + struct.pack("<H", len(payload))
    raw += struct.pack("<I", crc32c(raw))
    if mode == EIGHT:
        out = b"".join(bytes([0x10, c ^ 0x20]) if c in (1, 3, 0x10, 0x1b) else bytes([c]) for c in raw)
        return b"\x01" + out + b"\x03"
    text = base85(raw)
    lines = [text[i:i + 75] for i in range(0, len(text), 75)]
    return b"~" + b"\r\n|".join(lines) + b";\r\n"


def content(salt, unit):
    """4 KiB that shrink to about a quarter and say where they belong."""
    rnd = random.Random(salt * 1000003 + unit)
    return (struct.pack("<QQ", salt, unit) + rnd.randbytes(800) + b"kernel memory " * 300)[:UNIT]


class Capture:
    """One crash as the stub would send it: frames, in order, each with what it is about."""

    def __init__(self, salt=1, ranges=((0, 40), (64, 100)), dmesg="Linux version 6.1\nsysrq triggered crash\n", release="6.1.0",
                 build=True, ram_missing=0):
        self.salt, self.ranges, self.dmesg = salt, ranges, dmesg.encode()
        self.ram_missing = ram_missing
        self.session = salt * 0x123456789abcdef & (1 << 64) - 1
        self.sequence = 0
        self.max = max(a + n for a, n in ranges)
        self.notes = struct.pack("<III", 5, 4, 0) + b"CORE\0\0\0\0" + b"abcd"
        self.stored, self.excluded, self.unreadable = {}, set(), set()
        uts = b"".join(s.encode().ljust(65, b"\0") for s in ("Linux", "host", release, "#1", "x86_64", "(none)"))
        self.meta = struct.pack("<IIQqQQQQQIIIIII", 1, 4096, self.session, 1700000000 + salt, 0, len(self.notes), 0, 0,
                                self.max, 31, 1, 2, len(ranges), 1, 0) + uts + b"\0\0"
        self.meta += b"".join(struct.pack("<QQ", *r) for r in ranges)
        self.frames = self._build() if build else []

    def ram(self):
        return [p for a, n in self.ranges for p in range(a, a + n)]

    def _blob(self, blob, data, at=0, length=None):
        piece = data[at:] if length is None else data[at:at + length]
        return BLOB, struct.pack("<BIIH", blob, len(data), at, len(piece)) + (deflate(piece) if piece else b"")

    def _pages(self, number, start, end, kind_of):
        runs, data = [], b""
        for unit in range(start, end):
            kind = kind_of(unit)
            if runs and runs[-1][0] == kind:
                runs[-1][1] += 1
            else:
                runs.append([kind, 1])
            if kind == DATA:
                data += content(self.salt, unit)
                self.stored[unit] = content(self.salt, unit)
            elif kind == ZERO:
                self.stored[unit] = bytes(UNIT)
            elif kind == EXCLUDED:
                self.excluded.add(unit)
            elif kind == UNREADABLE:
                self.unreadable.add(unit)
        head = bytes([number]) + varint(start) + varint(end - start) + varint(len(runs))
        return PAGES, head + b"".join(varint(n << 3 | k) for k, n in runs) + (deflate(data) if data else b"")

    def _kind(self, number, unit, ram):
        if unit not in ram:
            return OTHER
        mine = 0 if unit % 5 == 0 else 1        # every fifth page is vital
        if unit % 7 == 3 and mine == 1:
            return EXCLUDED if number == 1 else OTHER
        if mine != number:
            return OTHER
        return ZERO if unit % 11 == 0 else UNREADABLE if unit == 71 else DATA

    def _passes(self, number):
        ram, start, out = set(self.ram()), 0, []
        while start < self.max:
            end, data = start, 0
            while end < self.max and (data < 2 or self._kind(number, end, ram) != DATA):
                data += self._kind(number, end, ram) == DATA
                end += 1
            out.append(self._pages(number, start, end, lambda u: self._kind(number, u, ram)))
            start = end
        return out

    def _build(self):
        hello = HELLO, struct.pack("<BBQI", 1, TEXT, self.session, 115200)
        out = [hello, (PROBE, b""), (PROBE_END, b""), self._blob(META, self.meta), self._blob(DMESG, self.dmesg), self._blob(NOTES, self.notes)]
        out += self._passes(0)
        out += [self._blob(PLAN, struct.pack("<QQ", 40, 200))]
        out += self._passes(1)
        label = bytearray(4096)         # include/capstub/label.h: pages_unreadable, ram_missing
        struct.pack_into("<Q", label, 0x118, len(self.unreadable))
        struct.pack_into("<Q", label, 0x198, self.ram_missing)
        return out + [self._blob(LOG, b"capstub: log\n"), self._blob(RESULT, bytes(label))]

    def lines(self, mode=TEXT, console=False):
        """Each frame as the line carries it."""
        out = []
        for number, (kind, payload) in enumerate(self.frames):
            how = TEXT if kind in (HELLO, PROBE, PROBE_END) else mode
            line = encode(how, kind, self.session, self.sequence + number, payload)
            if kind == PROBE:
                line += bytes(range(256)) + b"\x11"
            if console and number % 9 == 4:
                line += b"\x0f\r\ncapstub: serial: 12 % of 3 MiB\r\n"
            out.append(line)
        return out

    def wire(self, mode=TEXT, console=True):
        return b"".join(self.lines(mode, console))
