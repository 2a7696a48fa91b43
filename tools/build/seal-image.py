#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the CRC-32C of an arm64 image into it, for the stub to check itself by.

    seal-image.py IMAGE

The seal lies at 0x40, behind the Image header: magic, length of the file, CRC-32C of the whole file
with its own four bytes taken as 0 (struct seal, arch/arm64/start.c).
"""
import struct
import sys

SEAL = 0x40
MAGIC = b"\0CAPSEAL"
CRC_AT = SEAL + 16


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
        data = bytearray(f.read())
        magic, size = struct.unpack_from("<8sQ", data, SEAL)
        if magic != MAGIC:
            sys.exit(f"{path}: no seal at {SEAL:#x}")
        if size != len(data):
            sys.exit(f"{path}: {len(data)} bytes, but the seal covers {size}")
        data[CRC_AT:CRC_AT + 4] = bytes(4)
        f.seek(CRC_AT)
        f.write(struct.pack("<I", crc32c(data)))


if __name__ == "__main__":
    main()
