# SPDX-License-Identifier: GPL-2.0-or-later
"""PE files read a second way, for the tests: Microsoft's "PE Format" and "Windows Authenticode Portable Executable
Signature Format", and what Linux asks of a file before it looks at its signature (crypto/asymmetric_keys/verify_pefile.c).
"""
import hashlib
import struct

from crc import crc32c

MACHINES = {0x8664: "x86_64", 0xaa64: "arm64"}
EXECUTE, READ, WRITE = 0x20000000, 0x40000000, 0x80000000
SHA256_OID = bytes.fromhex("0609608648016503040201")


class Section:
    def __init__(self, data, at):
        name, self.size, self.rva, self.raw_size, self.raw, relocs, lines, n1, n2, self.flags = struct.unpack_from("<8sIIIIIIHHI", data, at)
        self.name = name.rstrip(b"\0").decode()
        self.clean = not (relocs or lines or n1 or n2)


class Pe:
    """A 64-bit image. ValueError: it is none."""

    def __init__(self, data):
        self.data = data
        if data[:2] != b"MZ" or len(data) < 512:
            raise ValueError("no MZ")
        self.at, = struct.unpack_from("<I", data, 0x3c)
        if self.at < 64 or self.at > len(data) - 256 or data[self.at:self.at + 4] != b"PE\0\0":
            raise ValueError("no PE header")
        machine, nr, self.time, _, _, self.opt_size, self.flags = struct.unpack_from("<HHIIIHH", data, self.at + 4)
        self.machine = MACHINES.get(machine)
        self.opt = self.at + 24
        (magic, self.code_size, self.data_size, self.bss_size, self.entry, self.code, self.base, self.align, self.file_align, self.image_size,
         self.header_size, self.checksum, self.subsystem, self.dll, self.nr_dirs) = struct.unpack_from("<H2xIIIIIQII16xIIIHH36xI", data, self.opt)
        if magic != 0x20b:
            raise ValueError("not PE32+")
        self.dirs = [struct.unpack_from("<II", data, self.opt + 112 + 8 * i) for i in range(self.nr_dirs)]
        self.end_of_header = self.opt + self.opt_size + 40 * nr
        self.sections = [Section(data, self.opt + self.opt_size + 40 * i) for i in range(nr)]
        self.certs_at, self.certs_size = self.dirs[4] if self.nr_dirs > 4 else (0, 0)

    def section(self, name):
        found = [s for s in self.sections if s.name == name]
        return found[0] if len(found) == 1 else None

    def digest(self):
        """Authenticode: headers less what signing fills in, the sections in the file's order, what follows, less the certificates."""
        d, sha = self.data, hashlib.sha256()
        sha.update(d[:self.opt + 64] + d[self.opt + 68:self.opt + 144] + d[self.opt + 152:self.header_size])
        done = self.header_size
        for s in sorted((s for s in self.sections if s.raw_size), key=lambda s: s.raw):
            sha.update(d[s.raw:s.raw + s.raw_size])
            done += s.raw_size
        tail = d[done:len(d) - self.certs_size]
        sha.update(tail + bytes(-len(d) % 8 if not self.certs_size else 0))
        return sha.digest()

    def signature(self):
        """The first certificate: PKCS #7 in DER, or None"""
        if not self.certs_size:
            return None
        length, revision, kind = struct.unpack_from("<IHH", self.data, self.certs_at)
        if not 8 < length <= self.certs_size or self.certs_at + self.certs_size != len(self.data) or self.certs_at % 8:
            raise ValueError("certificate table")
        if (revision, kind) != (0x200, 2):
            raise ValueError("certificate")
        return self.data[self.certs_at + 8:self.certs_at + length]

    def linux(self):
        """What verify_pefile_signature() says before it looks for the key: an errno's name or None"""
        d, size = self.data, len(self.data)
        if self.opt + 112 >= self.header_size or self.header_size >= size:
            return "ELIBBAD"
        # sections are where the directories end, whatever the header's size says
        if self.opt_size != 112 + 8 * self.nr_dirs or self.end_of_header > self.header_size:
            return "ELIBBAD"
        if not self.certs_at or not self.certs_size:
            return "ENODATA"
        if self.certs_at < self.header_size or self.certs_size > size - self.certs_at:
            return "ELIBBAD"
        length, revision, kind = struct.unpack_from("<IHH", d, self.certs_at)
        if -length % 8 + length != self.certs_size:
            return "ELIBBAD"
        if (revision, kind) != (0x200, 2):
            return "ENOTSUPP"
        if self.certs_at + self.certs_size > size or any(s.raw + s.raw_size > size for s in self.sections):
            return "ELIBBAD"
        # SpcIndirectDataContent ends in DigestInfo
        if SHA256_OID + b"\x05\0\x04\x20" + self.digest() not in self.signature():
            return "EKEYREJECTED"
        return None


def seal_fits(data):
    """stub/boot/seal.h, as the stub does it with what was loaded"""
    loaded = data[0x400:] if data[0x202:0x206] == b"HdrS" else data
    magic, size, crc, left_out = struct.unpack_from("<8sQII", loaded, 0x40)
    return magic == b"\0CAPSEAL" and size <= len(loaded) and crc == crc32c(loaded[:0x50] + loaded[0x50 + left_out:size])
