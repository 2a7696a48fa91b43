#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
capstub save --format elf on made-up dumps: an independent ELF reader and gdb look at the result. Real kernels are
for the QEMU tests.
"""
import os
import re
import shutil
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *

PT_LOAD, PT_NOTE = 1, 4
n = 0


def elf_of(dump, rc=0, **fields):
    """Save a target's dump as ELF; the file's name"""
    global n
    n += 1
    t = g.image(path(f"t{n}.img"), dump, **fields)
    d = path(f"out{n}")
    r = capstub("save", "--format", "elf", "-o", d, t)
    equal(r.rc, rc, f"dump {n} to ELF: status {rc}")
    if r.rc != rc:
        print("# " + str(r))
    return os.path.join(d, "vmcore"), t, r


class Elf:
    def __init__(self, file):
        self.b = open(file, "rb").read()
        head = struct.unpack_from("<16sHHIQQQIHHHHHH", self.b, 0)
        self.type, self.machine, phoff, shoff, phnum = head[1], head[2], head[5], head[6], head[10]
        if phnum == 0xffff:
            phnum = struct.unpack_from("<I", self.b, shoff + 44)[0]
        self.ph = [struct.unpack_from("<IIQQQQQQ", self.b, phoff + 56 * i) for i in range(phnum)]
        self.loads = [(va, off, size, pa) for kind, _, off, va, pa, size, mem, align in self.ph if kind == PT_LOAD]

    def read(self, va, length):
        for at, off, size, _ in self.loads:
            if at <= va and va + length <= at + size:
                return self.b[off + va - at:off + va - at + length]
        return None

    def physical(self, pa):
        return {self.b[off + pa - at:off + pa - at + g.PAGE] for _, off, size, at in self.loads if at <= pa < at + size}

    def notes(self):
        off, size = next((p[2], p[5]) for p in self.ph if p[0] == PT_NOTE)
        at = off
        while at < off + size:
            name, desc, kind = struct.unpack_from("<III", self.b, at)
            at += 12
            text = self.b[at:at + name]
            at += (name + 3) // 4 * 4
            yield text.rstrip(b"\0"), kind, self.b[at:at + desc]
            at += (desc + 3) // 4 * 4


whole = g.Dump()
file, target, r = elf_of(whole)
e = Elf(file)
equal((e.type, e.machine), (4, 62), "ET_CORE for x86_64")
ok(f"symbol-file -o {hex(g.KERNEL_OFFSET)} vmlinux" in r.out, "prints the gdb line with the KASLR offset", r)
equal(info(target)["label"]["state_name"], "saved", "marked saved")
ok(all(off % g.PAGE == va % g.PAGE == 0 and off + size <= len(e.b) for va, off, size, _ in e.loads), "segments are aligned and inside")
wrong = [p for p in whole.pfns if e.read(g.DIRECT_VA + p * g.PAGE, g.PAGE) != g.contents(p, whole.tables)]
equal(wrong, [], "every stored page at its direct-map address")
equal([p for p in whole.pfns if e.physical(p * g.PAGE) != {g.contents(p, whole.tables)}], [],
      "every stored page at its physical address, the same in each segment")
equal([p for p in g.EXCLUDED_PFNS if e.physical(p * g.PAGE)], [], "pages that are not in the dump are in no segment")
equal([e.read(g.VMALLOC_VA + i * g.PAGE, g.PAGE) for i in range(4)], [g.pattern(p) for p in g.VMALLOC_PFNS],
      "vmalloc area: scattered pages in a row")
equal(e.read(g.IMAGE_VA, g.PAGE), g.contents(g.IMAGE_PA // g.PAGE, whole.tables), "kernel image by its own mapping")
ok(os.stat(file).st_blocks * 512 < len(whole.pfns) * g.PAGE, "zero pages are holes in the file")
notes = list(e.notes())
equal([(name, kind) for name, kind, _ in notes], [(b"CORE", 1), (b"CORE", 1), (b"VMCOREINFO", 0)], "notes")
equal([struct.unpack_from("<I", d, 32)[0] for _, _, d in notes[:2]], [g.PANIC_PID, 1 << 22], "the panicking CPU first, idle numbered")
equal(notes[2][2], g.vmcoreinfo(), "VMCOREINFO as it was")

# Nobody names the panicking task: the order of the CPUs stays
file2, _, _ = elf_of(whole, dmesg="[ 1.0] no report here\n[ 2.0] CPU: x PID: y\n")
equal([struct.unpack_from("<I", d, 32)[0] for _, _, d in list(Elf(file2).notes())[:2]], [1 << 22, g.PANIC_PID], "no report: order kept")
# The panicking task is the idle task of CPU 0
file2, _, _ = elf_of(whole, dmesg="[ 1.0] CPU: 1 PID: 345 Comm: sh\n[ 2.0] CPU: 0 UID: 0 PID: 0 Comm: swapper/0\n")
equal([struct.unpack_from("<I", d, 32)[0] for _, _, d in list(Elf(file2).notes())[:2]], [1 << 22, g.PANIC_PID], "idle task: by CPU number")

# From a saved vmcore
plain = path("vmcore")
open(plain, "wb").write(whole.bytes)
expect(0, "complete", "save", "--format", "elf", "-o", path("again"), plain)
before = os.stat(plain).st_ino
expect(1, "another directory", "save", "--format", "elf", "--force", "-o", path("."), plain)
equal(os.stat(plain).st_ino, before, "from a saved vmcore: never in place of it")
equal(sorted(os.listdir(path("again"))), ["vmcore"], "from a saved vmcore: the ELF file alone")
equal(sorted(Elf(path("again/vmcore")).loads), sorted(e.loads), "... and the same segments")



class Large(g.Dump):
    """Notes of thousands of CPUs, as the stub stores them up to 32 MiB"""

    def notes(self):
        blob, at, size = super().notes()
        return blob + g.note(b"LARGE", 1, bytes(20 << 20)), at, size


open(plain, "wb").write(Large().bytes)
expect(0, "complete", "save", "--format", "elf", "-o", path("large"), plain)
equal([len(d) for name, _, d in Elf(path("large/vmcore")).notes() if name == b"LARGE"], [20 << 20], "20 MiB of notes")

# No page tables in the dump: the image is known, the rest by physical address
bare = g.Dump(tables=False)
file2, _, r = elf_of(bare)
f = Elf(file2)
ok("page tables are not in the dump" in r.err, "no page tables: said so", r)
equal(f.read(g.IMAGE_VA, g.PAGE), g.pattern(g.IMAGE_PA // g.PAGE), "no page tables: kernel image")
equal(f.read(100 * g.PAGE, g.PAGE), g.pattern(100), "no page tables: other memory by physical address")
equal([p for p in bare.pfns if f.physical(p * g.PAGE) != {g.contents(p, {})}], [], "no page tables: every page is there")

# Cut, damaged, hostile
cut = g.Dump(stored=800)
file2, t, _ = elf_of(cut, state=g.DUMPING, stop=1)
f = Elf(file2)
equal([bool(f.physical(p * g.PAGE)) for p in cut.pfns], [i < 800 for i in range(len(cut.pfns))], "cut: the stored pages and no others")
index = next(i for i, p in enumerate(whole.pfns) if p == 1301)
o = whole.descs_at + 24 * index
off, size, flags = struct.unpack_from("<qII", whole.bytes, o)
t = g.image(path("broken.img"), whole)
with open(t, "r+b") as h:
    h.seek(off)
    h.write(b"\xff" * size)
r = capstub("save", "--format", "elf", "-o", path("broken"), t)
f = Elf(path("broken/vmcore"))
ok(r.rc == 1 and "1 pages are damaged" in r.err, "a page that does not decompress: reported", r)
equal((f.physical(1301 * g.PAGE), f.physical(1300 * g.PAGE)), (set(), {g.pattern(1300)}), "... left out, its neighbours kept")
equal(info(t)["label"]["state_name"], "complete", "... and the target not marked saved")


class Loop(g.Dump):
    """Page tables whose every entry leads back to the root"""
    def build(self):
        self.tables = {g.TABLES_PFN: b"".join(struct.pack("<Q", (g.TABLES_PFN + i % 2) * g.PAGE | 0x63) for i in range(512)),
                       g.TABLES_PFN + 1: b"".join(struct.pack("<Q", (g.TABLES_PFN + i % 2) * g.PAGE | 0x63) for i in range(512))}
        super().build()


file2, _, r = elf_of(Loop())
ok("page tables are damaged" in r.err, "page tables in a circle: bounded, said so", r)
f = Elf(file2)
equal([p for p in whole.pfns if not f.physical(p * g.PAGE)], [], "... and every page is there")


class Fragments(g.Dump):
    """Every second frame of 547 MiB: more segments than e_phnum holds. 251 different pages, to be quick."""
    def build(self):
        self.pfns = [p for p in range(0, self.max_pfn, 2)]
        self.tables, self.stored = {}, 0
        super().build()
        descs = b"".join(struct.pack("<qIIQ", self.data_at + p % 251 * g.PAGE, g.PAGE, 0, 0) for p in self.pfns)
        pages = b"".join(struct.pack("<Q", i).ljust(g.PAGE, b"\xee") for i in range(251))
        self.bytes = self.bytes[:self.descs_at] + descs + pages


many = Fragments(max_pfn=140000, incomplete=False)
file2, _, r = elf_of(many)
f = Elf(file2)
ok(len(f.ph) > 65535 and struct.unpack_from("<H", f.b, 56)[0] == 0xffff, "more than 65534 segments: e_phnum extension", len(f.ph))
equal([pa for va, o, s, pa in f.loads if struct.unpack_from("<Q", f.b, o)[0] != pa // g.PAGE % 251], [],
      "... each with the right page")

# gdb, the program this is for
if not shutil.which("gdb"):
    skip("gdb", "not installed")
else:
    r = run("gdb", "-nx", "-batch", "-ex", f"core-file {file}", "-ex", "info registers rip rsp", "-ex", "info threads",
            "-ex", f"x/2wx {hex(g.DIRECT_VA + 700 * g.PAGE + 8)}", "-ex", f"x/2wx {hex(g.VMALLOC_VA + 8)}",
            "-ex", f"x/2wx {hex(g.DIRECT_VA + 1500 * g.PAGE)}", "-ex", "x/1wx $rsp")
    ok(re.search(rf"rip\s+{hex(g.RIP)}", r.out), "gdb: registers of the panicking CPU", r)
    equal(len(re.findall(r"LWP (345|4194304)", r.out)) >= 2, True, "gdb: both CPUs are threads")
    equal(len(re.findall(r":\s+0x00000001\s+0x000002bc", r.out)), 2, "gdb: a page by direct map and by vmalloc address")
    ok("Cannot access memory" in r.err, "gdb: a page that is not there is an error, not zero", r)
    ok(re.search(r"0xffffc90000000100:\s+0x00000020", r.out), "gdb: the stack of the panicking task", r)
    r = run("gdb", "-nx", "-batch", "-ex", f"core-file {file2}", "-ex", "x/1gx 0x22000")
    ok(re.search(r"0x22000:\s+0x0000000000000022", r.out), "gdb: opens a core with 70000 segments", r)
done()
