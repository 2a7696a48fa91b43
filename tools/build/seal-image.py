#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the CRC-32C of an image into it, for the stub to check itself by.

    seal-image.py IMAGE

The seal lies at 0x40 of what is loaded, which on x86_64 is all but the first 1 KiB: magic, length, CRC-32C of
so many bytes, less those that it leaves out (struct seal, stub/boot/seal.h). What follows in the file is padding, .sbat
and, later, signatures.
"""
import struct
import sys

SEAL = 0x40
MAGIC = b"\0CAPSEAL"
CRC_AT = SEAL + 16
TAIL = 512              # .sbat
HEADER = 0x400          # setup_sects + 1 sectors, if there is a boot sector


def crc32c(data):
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
        table.append(i)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    path = sys.argv[1]
    with open(path, "r+b") as f:
        start = HEADER if f.read(HEADER)[0x202:0x206] == b"HdrS" else 0
        f.seek(start)
        data = bytearray(f.read())
        magic, size, _, left_out = struct.unpack_from("<8sQII", data, SEAL)
        if magic != MAGIC:
            sys.exit(f"{path}: no seal at {start + SEAL:#x}")
        if not 0 <= len(data) - size - TAIL < 512:
            sys.exit(f"{path}: {len(data)} bytes, but the seal covers {size}")
        f.seek(start + CRC_AT)
        f.write(struct.pack("<I", crc32c(data[:CRC_AT] + data[CRC_AT + left_out:size])))


if __name__ == "__main__":
    main()
