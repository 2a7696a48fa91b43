# SPDX-License-Identifier: GPL-2.0-or-later
"""The label (include/capstub/label.h), an implementation of its own."""
import os
import re
import struct
import uuid

from crc import crc32c
from tap import TOP, check

STATES = ["empty", "dumping", "complete", "incomplete", "saved"]
LABEL_SIZE = 4096
END_AREAS = 65536
VOUCH = (128 << 10, 124 << 10)      # of head and tail, at most

def stop_codes():
    """Short name -> number, from the one list there is."""
    with open(os.path.join(TOP, "include/capstub/stopcode.h"), encoding="utf-8") as f:
        return {name: int(nr) for nr, name in re.findall(r'X\((\d+), \w+, "([^"]+)"', f.read())}


class Label:
    """A decoded label; attributes are named as in label.h."""

    U32 = {"version": 8, "crc32c": 12, "state": 0x68, "captures": 0x6c, "stop_code": 0x70,
           "dump_level": 0x74, "dump_level_asked": 0x78, "compress": 0x7c}
    U64 = {"target_bytes": 0x60, "crash_time": 0x80, "dump_bytes": 0xd8, "dmesg_offset": 0xe0,
           "dmesg_bytes": 0xe8, "log_bytes": 0xf0, "elapsed_us": 0xf8, "page_size": 0x100,
           "pages_total": 0x108, "pages_stored": 0x110, "pages_unreadable": 0x118,
           "pages_missing": 0x120, "data_bytes_raw": 0x128, "data_bytes_stored": 0x130,
           "first_block_us": 0x178, "data_us": 0x180, "ram_missing": 0x198}

    def __init__(self, raw):
        self.raw = raw
        check(raw[:8] == b"CAPSTUB\0", "no label magic: %r" % raw[:8])
        for name, off in self.U32.items():
            setattr(self, name, struct.unpack_from("<I", raw, off)[0])
        for name, off in self.U64.items():
            setattr(self, name, struct.unpack_from("<Q", raw, off)[0])
        self.uuid = str(uuid.UUID(bytes=raw[0x10:0x20]))
        self.name = raw[0x20:0x60].split(b"\0")[0].decode()
        self.release = raw[0x88:0xc9].split(b"\0")[0].decode()
        self.machine = raw[0xc9:0xd8].split(b"\0")[0].decode()
        self.by_class = struct.unpack_from("<8Q", raw, 0x138)
        self.vouch = struct.unpack_from("<4I", raw, 0x188)
        crc = crc32c(raw[:12] + b"\0\0\0\0" + raw[16:])
        check(crc == self.crc32c, "label CRC is %#x, should be %#x" % (self.crc32c, crc))

    @staticmethod
    def make(target_bytes, name="", ident=None, vouch=(0, 0, 0, 0), **fields):
        """Bytes of a fresh label. vouch: bytes and CRC of head and tail."""
        raw = bytearray(LABEL_SIZE)
        struct.pack_into("<4I", raw, 0x188, *vouch)
        raw[:8] = b"CAPSTUB\0"
        raw[0x10:0x20] = (ident or uuid.uuid4()).bytes
        raw[0x20:0x20 + len(name)] = name.encode()
        for key, value in dict({"version": 1, "target_bytes": target_bytes}, **fields).items():
            if key in Label.U32:
                struct.pack_into("<I", raw, Label.U32[key], value)
            else:
                struct.pack_into("<Q", raw, Label.U64[key], value)
        struct.pack_into("<I", raw, 12, crc32c(raw))
        return bytes(raw)
