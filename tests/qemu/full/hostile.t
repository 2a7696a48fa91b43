#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An elfcorehdr that lies: changed in the reserved region before the crash. Always a reset, with a stop code or a good dump.

"kexec -p -i" leaves out purgatory's checksums, which would find the change and never start the stub.
"""
import os
import re
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import MIB, Disk, Guest, case, check, done, wanted  # noqa: E402

PT_NULL, PT_LOAD, PT_NOTE = 0, 1, 4
PHDR = "<IIQQQQQQ"      # type, flags, offset, vaddr, paddr, filesz, memsz, align
PAGE = 4096
KERNEL_MAP = 0xffffffff80000000


class Header:
    """The elfcorehdr, taken apart; ELF-64 Object File Format 1.5, tables 4 and 14."""

    def __init__(self, guest):
        self.address, self.raw = guest.find_elfcorehdr()
        self.phoff = struct.unpack_from("<Q", self.raw, 0x20)[0]
        count = struct.unpack_from("<H", self.raw, 0x38)[0]
        self.phdrs = [list(struct.unpack_from(PHDR, self.raw, self.phoff + 56 * i)) for i in range(count)]
        self.count = None       # what e_phnum is to say, if not the truth
        self.ehdr = bytearray(self.raw[:64])

    def write(self, guest):
        count = len(self.phdrs) if self.count is None else self.count
        struct.pack_into("<H", self.ehdr, 0x38, count)
        guest.write_memory(self.address, bytes(self.ehdr))
        guest.write_memory(self.address + self.phoff, b"".join(struct.pack(PHDR, *p) for p in self.phdrs))

    def of_type(self, kind):
        return [p for p in self.phdrs if p[0] == kind]

    @staticmethod
    def load(start, size, offset=None, virt=0):
        return [PT_LOAD, 7, start if offset is None else offset, virt, start, size, size, 0]


# What is done to the header. The machine has 256 MiB of RAM.

def bad_magic(h):
    h.ehdr[0] = 0


def wrong_type(h):
    struct.pack_into("<H", h.ehdr, 16, 2)


def table_far_away(h):
    struct.pack_into("<Q", h.ehdr, 0x20, (1 << 64) - 64)


def no_phdrs(h):
    h.count = 0


def too_many(h):
    h.count = 2000      # reads on into whatever lies behind the header


def empty_ranges(h):
    for p in h.of_type(PT_LOAD):
        p[5] = p[6] = 0


def absurd(h):
    return [h.load((1 << 64) - PAGE, 2 * PAGE), h.load(MIB, (1 << 64) - PAGE), h.load(1 << 60, PAGE),
            h.load(MIB, PAGE, offset=(1 << 64) - 1), h.load(0, 0), h.load(MIB, 1 << 60),
            [PT_LOAD, 7, 0, 0, MIB, 1 << 60, 0, 0], [0xdeadbeef, 7, 1, 2, 3, 4, 5, 6]]


def absurd_behind(h):
    h.phdrs += absurd(h)


def absurd_in_front(h):
    h.phdrs[:0] = absurd(h)


def overlapping(h):
    h.phdrs += [h.load(2 * MIB + PAGE, 64 * MIB), h.load(MIB, 2 * MIB), h.load(3 * MIB, 99 * PAGE),
                h.load(128 * MIB + 123, 77)]


def own_memory(h):
    # As if the reserved region were old memory: the stub must not store itself
    h.phdrs += [h.load(h.address & ~(MIB - 1), MIB)]


def cut(h):
    # The largest range is lost, the rest is dumped
    h.phdrs.remove(max((p for p in h.of_type(PT_LOAD) if p[3] < KERNEL_MAP), key=lambda p: p[6]))


def not_ram(h):
    h.phdrs += [h.load(1 << 30, MIB)]


def far_range(h):
    h.phdrs += [h.load(1 << 51, PAGE)]


def no_vmcoreinfo(h):
    h.of_type(PT_NOTE)[-1][0] = PT_NULL


def wrong_vmcoreinfo(h):
    # Kernel text instead: whatever it says is not a note
    h.of_type(PT_NOTE)[-1][2] = next(p for p in h.of_type(PT_LOAD) if p[3] >= KERNEL_MAP)[2]


def notes_elsewhere(h):
    # A local APIC, the end of the address space, and a note of a TiB
    notes = h.of_type(PT_NOTE)
    notes[0][2] = notes[0][4] = 0xfee00000
    h.phdrs += [[PT_NOTE, 0, (1 << 64) - 16, 0, 0, 64, 64, 0], [PT_NOTE, 0, MIB, 0, 0, 1 << 40, 1 << 40, 0]]


# name, change, stop code, are all pages wanted, guest arguments. Nobody knows what an absurd range stands for, or RAM
# that notes are in and no range has: all that is known to be RAM is in the dump, which is not called complete
ROWS = [
    ("no ELF magic", bad_magic, "bad-elfcorehdr", False, {}),
    ("not a core", wrong_type, "bad-elfcorehdr", False, {}),
    ("program headers far away", table_far_away, "bad-elfcorehdr", False, {}),
    ("no program headers", no_phdrs, "bad-elfcorehdr", False, {}),
    ("empty ranges", empty_ranges, "no-memory-ranges", False, {}),
    ("absurd ranges behind the real ones", absurd_behind, "ram-missing", True, {}),
    ("absurd ranges in front of the real ones", absurd_in_front, "ram-missing", True, {}),
    ("overlapping ranges", overlapping, "ok", True, {}),
    ("the stub's own memory as a range", own_memory, "ok", True, {}),
    ("more program headers than there are", too_many, "ram-missing", True, dict(level=31, compress="lzo")),
    ("the largest range cut off", cut, "ram-missing", False, {}),
    ("a range without memory behind it", not_ram, "ok", True, dict(compress="lzo")),
    ("a range so far away that bitmaps do not fit", far_range, "target-too-small", False, {}),
    ("no VMCOREINFO", no_vmcoreinfo, "ok", True, dict(level=31)),
    ("a VMCOREINFO that is none", wrong_vmcoreinfo, "ok", True, dict(level=31)),
    ("notes outside of memory", notes_elsewhere, "ram-missing", True, {}),
]


def run_row(name, change, stop, want_all, guest_args):
    with case(name):
        disk = Disk("512M", driver="virtio").format("target")
        args = dict(dict(level=0), **guest_args)
        with Guest(disks=[disk], mem="256M", kexec="-p -i", pause=True, **args) as guest:
            guest.tamper(change)
            guest.wait_end(120)
            check(guest.stop_code() == stop, "stop code %s, expected %s" % (guest.stop_code(), stop))
            if stop in ("bad-elfcorehdr", "no-memory-ranges", "no-elfcorehdr"):
                disk.untouched()
                return
            disk.expect(stop, "complete" if stop == "ok" else "incomplete")
            if stop in ("ok", "ram-missing"):
                filtered = args["level"] == 31 and "VMCOREINFO" not in name
                guest.compare_pages(disk, want_all=want_all and not filtered)


def change_header(change):
    def do(guest):
        header = Header(guest)
        check(header.of_type(PT_LOAD) and header.of_type(PT_NOTE), "no program headers were found")
        change(header)
        header.write(guest)
    return do


def hide_word(guest):
    """The command line without its elfcorehdr=: as if loaded by something that is not kexec."""
    start, end = guest.reserved[0]
    data = guest.read_memory(start, end - start)
    found = list(re.finditer(rb" elfcorehdr=(?=(0x)?[0-9a-f]+)", data))
    check(found, "no elfcorehdr= on the stub's command line")
    for match in found:
        guest.write_memory(start + match.end() - 2, b"_")


if wanted("no elfcorehdr= on the command line"):
    run_row("no elfcorehdr= on the command line", hide_word, "no-elfcorehdr", False, {})
for name, change, stop, want_all, guest_args in ROWS:
    if wanted(name):
        run_row(name, change_header(change), stop, want_all, guest_args)

done()
