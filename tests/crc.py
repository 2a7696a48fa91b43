# SPDX-License-Identifier: GPL-2.0-or-later
"""CRC-32C for the tests: RFC 3720's polynomial, by table."""

_TABLE = []
for _i in range(256):
    for _ in range(8):
        _i = _i >> 1 ^ (0x82f63b78 if _i & 1 else 0)
    _TABLE.append(_i)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff
