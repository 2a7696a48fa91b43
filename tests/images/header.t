#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The images as firmware, shim, the kernel and signing programs see them: header, sections, signatures of a throw-away key."""
import os
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from pe import EXECUTE, READ, WRITE, Pe, seal_fits
from tap import BUILD, done, equal, ok, workdir

IMAGES = {"x86_64": ("capstub.bzImage", "x86_64-linux-gnu-"), "arm64": ("capstub.Image", "aarch64-linux-gnu-")}
work = workdir("cases/header")
key, cert = work.path("key.pem"), work.path("cert.pem")


def run(*argv):
    p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return p.returncode, p.stdout.decode(errors="replace")


def works(name, *argv):
    rc, out = run(*argv)
    ok(rc == 0, name, out)
    return out


def write(name, data):
    with open(work.path(name), "wb") as f:
        f.write(data)
    return work.path(name)


def relocated(elf, cross):
    """Addresses of the words that the stub's first code moves, as readelf lists them (RELA, RELR)"""
    out = run(cross + "readelf", "-rW", elf)[1]
    return [int(m, 16) for m in re.findall(r"^([0-9a-f]{16})\b", out, re.M)] + \
           [int(m, 16) for m in re.findall(r"^\d+: +([0-9a-f]{16}) ", out, re.M)]


def symbol(elf, cross, name):
    return int(re.search(r"^([0-9a-f]+) \w %s$" % name, run(cross + "nm", elf)[1], re.M).group(1), 16)


def check_header(arch, data):
    pe, elf, cross = Pe(data), os.path.join(BUILD, arch, "capstub.elf"), IMAGES[arch][1]
    text, rest, sbat = (pe.section(n) for n in (".text", ".data", ".sbat"))
    equal(pe.machine, arch, arch + ": machine")
    ok(pe.at % 8 == 0, arch + ": the PE header is aligned", pe.at)
    equal((pe.opt_size, pe.nr_dirs), (160, 6), arch + ": size of the optional header")
    equal((pe.align, pe.file_align), (4096, 512), arch + ": alignment")
    equal((pe.subsystem, pe.dll), (10, 0x100), arch + ": EFI application, NX_COMPAT and nothing else")
    equal((pe.time, pe.checksum, pe.base, pe.flags & 1), (0, 0, 0, 0), arch + ": no time, no checksum, no base, relocations not stripped")
    ok(all(d == (0, 0) for d in pe.dirs), arch + ": no directory is filled", pe.dirs)
    ok(pe.end_of_header <= pe.header_size, arch + ": the header holds its tables")
    equal([s.name for s in pe.sections], [".text", ".data", ".sbat"], arch + ": sections")
    ok(all(s.clean for s in pe.sections), arch + ": sections without relocations and line numbers")
    ok(text.flags & EXECUTE and not text.flags & WRITE and text.flags & READ, arch + ": .text is read and executed", hex(text.flags))
    ok(rest.flags & WRITE and not rest.flags & EXECUTE, arch + ": .data is written, never executed", hex(rest.flags))
    ok(not sbat.flags & (WRITE | EXECUTE), arch + ": .sbat is read", hex(sbat.flags))
    at, rva = pe.header_size, 0
    for s in pe.sections:
        ok(s.raw == at and s.raw_size % 512 == 0 and s.rva % 4096 == 0 and s.rva >= rva and s.raw >= pe.header_size,
           f"{arch}: {s.name} follows what is before it", vars(s))
        at, rva = s.raw + s.raw_size, s.rva + s.size
    equal(at, len(data), arch + ": the file ends with the last section")
    equal(pe.image_size, rva + -rva % 4096, arch + ": size of the image")
    ok(text.rva <= pe.entry < text.rva + text.size, arch + ": entered in .text")
    equal(pe.entry, symbol(elf, cross, "efi_main"), arch + ": entered in efi_main()")
    # what firmware makes of the sections is what kexec loads
    equal(rest.raw - text.raw, rest.rva - text.rva, arch + ": sections keep their distance")
    loaded = 0x400 if arch == "x86_64" else 0
    equal(text.raw - loaded, text.rva - symbol(elf, cross, "__image_start"), arch + ": .text lies where it is linked")
    equal(rest.rva + rest.size, symbol(elf, cross, "__image_end"), arch + ": .data ends with the image")
    words = relocated(elf, cross)
    ok(len(words) > 100 and all(rest.rva <= w < rest.rva + rest.size for w in words), f"{arch}: {len(words)} words are relocated, in .data",
       [hex(w) for w in words if w < rest.rva])
    lines = data[sbat.raw:sbat.raw + sbat.raw_size].rstrip(b"\0").decode().splitlines()
    equal(lines[0], "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md", arch + ": .sbat")
    ok(len(lines) == 2 and re.fullmatch(r"capstub,[1-9]\d*(,[^,]+){4}", lines[1]), arch + ": .sbat has a generation", lines)
    equal(pe.linux(), "ENODATA", arch + ": the kernel finds no signature")
    return pe


def check_signed(arch, image, data, how, signed):
    sign = {"sbsign": ("sbsign", "--key", key, "--cert", cert, "--output", signed, image),
            "osslsigncode": ("osslsigncode", "sign", "-key", key, "-certs", cert, "-h", "sha256", "-in", image, "-out", signed)}
    works(f"{arch}: {how} signs", *sign[how])
    with open(signed, "rb") as f:
        after = f.read()
    pe = Pe(after)
    equal(pe.linux(), None, f"{arch}, {how}: the kernel finds a signature of what is there")
    ok(len(after) - len(data) <= 2048, f"{arch}, {how}: a signature costs {len(after) - len(data)} bytes")
    works(f"{arch}, {how}: sbverify accepts it", "sbverify", "--cert", cert, signed)
    works(f"{arch}, {how}: osslsigncode accepts it", "osslsigncode", "verify", "-CAfile", cert, signed)
    equal(pe.digest(), Pe(data).digest(), f"{arch}, {how}: the digest of the unsigned file")
    ok(seal_fits(after), f"{arch}, {how}: the image's own checksum still fits")
    return after


def check_changes(arch, signed):
    pe = Pe(signed)
    text, rest, sbat = pe.sections
    for where, at in (("the boot header", 0x30), ("code", text.raw + 0x2000), ("data", rest.raw + 100), (".sbat", sbat.raw + 90),
                      ("the section table", pe.opt + pe.opt_size + 36), ("padding", sbat.raw - 1)):
        bad = bytearray(signed)
        bad[at] ^= 1
        try:
            refused = Pe(bytes(bad)).linux()
        except ValueError:
            refused = "no PE"
        ok(refused, f"{arch}: a byte of {where} is changed: {refused}")
        ok(run("sbverify", "--cert", cert, write("bad", bad))[0] != 0, f"{arch}: sbverify refuses it too")
    for where, at in (("code", text.raw + 0x2000), ("data", rest.raw + 100)):
        bad = bytearray(signed)
        bad[at] ^= 1
        ok(not seal_fits(bytes(bad)), f"{arch}: the image's own checksum sees a changed byte of {where}")


works("a key", "openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=capstub test", "-days", "2",
      "-addext", "extendedKeyUsage=codeSigning", "-keyout", key, "-out", cert)
for arch, (name, cross) in IMAGES.items():
    image = os.path.join(BUILD, arch, name)
    if not os.path.exists(image):
        continue
    with open(image, "rb") as f:
        data = f.read()
    check_header(arch, data)
    ok(seal_fits(data), arch + ": the image's own checksum")
    out = works(arch + ": objdump reads it", cross + "objdump", "-p", "-h", image)
    ok("NX_COMPAT" in out and ".sbat" in out, arch + ": and sees the same", out)
    for how in ("osslsigncode", "sbsign"):
        signed = check_signed(arch, image, data, how, work.path(name))
    check_changes(arch, signed)
done()
