# SPDX-License-Identifier: GPL-2.0-or-later
"""The ELF core header that kexec leaves for the stub."""
import struct

from tap import check


def elfcorehdr_in(data):
    """Offset and bytes of the ELF core header in a copy of the reserved region."""
    at = -1
    while True:
        at = data.find(b"\x7fELF", at + 1)
        check(at >= 0, "no elfcorehdr in the reserved region")
        # e_type ET_CORE, e_phentsize 56
        if data[at + 16] == 4 and data[at + 54] == 56:
            return at, data[at:at + 64 * 1024]


def program_headers(raw):
    """[type, flags, offset, vaddr, paddr, filesz, memsz, align] of each; ELF-64 Object File Format 1.5, table 14."""
    phoff, count = struct.unpack_from("<Q", raw, 0x20)[0], struct.unpack_from("<H", raw, 0x38)[0]
    return [list(struct.unpack_from("<IIQQQQQQ", raw, phoff + 56 * i)) for i in range(count) if phoff + 56 * (i + 1) <= len(raw)]


def kernel_image(raw):
    """Physical ranges of the kernel's own mapping (x86_64: __START_KERNEL_map) in an elfcorehdr."""
    return [(p[4], p[4] + p[6]) for p in program_headers(raw) if p[0] == 1 and p[3] >= 0xffffffff80000000]
