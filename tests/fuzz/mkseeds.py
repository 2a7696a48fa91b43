#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""First inputs of the fuzzers in this folder: small, well-formed, one feature each.

mkseeds.py            write them to seeds/<fuzzer>/ beside this file
"""
import pathlib
import struct
import zlib

SEEDS = pathlib.Path(__file__).parent / "seeds"


def put(fuzzer, name, data):
    folder = SEEDS / fuzzer
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def cmdline():
    lines = {
        "kexec": "console=ttyS0 foo=bar acpi_rsdp=0xf59e0 elfcorehdr=508276K",
        "kernel": "elfcorehdr=0x1f000000 dmcryptkeys=0x1e000000 console=ttyS0,115200n8r",
        "targets": "dump=UUID=6f1d2c3b-4a59-4e8f-90a1-b2c3d4e5f607 dump=PARTUUID=deadbeef-01 "
                   'dump=PARTLABEL="my dump" dump=SERIAL=S4EVNX dump=LABEL=lab dump=ttyAMA0,9600 dump=any',
        "uarts": "console=uart8250,mmio32,0xfe001000,115200n8,48000000 dump=uart8250,io,0x3f8 "
                 "console=pl011,0x9000000,115200",
        "words": "level=31 compress=none after=halt overwrite=no deadline=3600 reset=kbd memmap=exactmap",
        "serve": "dump=any serve=gdb:ttyS1,115200n8r serve-timeout=60 serve=gdb:pl011,0x9000000 after=gdb",
        "virtio": "virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=4K@1M:5:1 elfcorehdr=4K@1G",
        "linux": "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet irqpoll nr_cpus=1 reset_devices",
        "load": "dump=any elfcorehdr=0x000000000280@0x00001f0bf000 verify=0x00001f0bf000-0x00001f0bf280:0x1234abcd "
                "verify=0x1f0bd000-0x1f0be040:0xe3069283",
        "bad": 'level=99 after= console=tty0 dump=sda1 compress=zip "unclosed',
    }
    for name, text in lines.items():
        put("cmdline", name, text.encode())


def iommu():
    config = bytes((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16))
    scope = struct.pack("<BBHBB", 1, 10, 0, 0, 0) + bytes((2, 0, 0, 0))
    units = struct.pack("<HHBBHQ", 0, 16 + len(scope), 0, 0, 0, 0xfed90000) + scope
    units += struct.pack("<HHBBHQ", 0, 16, 1, 0, 0, 0xfed91000)
    put("iommu", "dmar", bytes((0, 0, 0, 8)) + config + b"DMAR" + bytes(44) + units)
    entries = bytes((2, 8, 0, 0, 66, 0x10, 2, 0, 0, 0, 2, 0, 3, 0, 3, 0, 4, 0xff, 3, 0))
    entries += bytes((240,)) + bytes(20) + bytes((2, 65, 66))
    block = struct.pack("<BBHHHQHHI", 0x11, 0, 40 + len(entries), 2, 0x40, 0xfed80000, 0, 0, 0) + bytes(16) + entries
    put("iommu", "ivrs", bytes((1, 0, 0, 8)) + config + b"IVRS" + bytes(44) + block)
    smmu = struct.pack("<BHBIII", 4, 68, 0, 0, 0, 0) + struct.pack("<Q", 0x9050000) + bytes(44)
    root = struct.pack("<BHBIII", 2, 56, 0, 0, 1, 36) + bytes(20) + struct.pack("<IIIII", 0, 0xffff, 0, 48, 0)
    put("iommu", "iort", bytes((2, 0, 0, 8)) + config + b"IORT" + bytes(32) + struct.pack("<III", 2, 48, 0) + smmu + root)
    ranges = struct.pack("<BBHIHHHHH6x", 1, 0, 24, 0x4000, 0, 0, 0x100, 0x10f, 72) + struct.pack("<BBHHH8x", 3, 0, 16, 0, 0x18)
    put("iommu", "viot", bytes((3, 0, 1, 8)) + config + b"VIOT" + bytes(32) + struct.pack("<HH8x", 2, 48) + ranges)


def watchdog():
    def make(name, kind, answers, tables):
        put("watchdog", name, bytes([kind, len(answers)]) + answers + tables)

    def entry(action, instruction, space, size, address, bit, value, mask):
        return struct.pack("<BBHBBBBQII", action, instruction, 0, space, 0, bit, size, address, value, mask)

    entries = [entry(1, 2, 1, 2, 0x660, 0, 1, 0xffff), entry(1, 0x82, 0, 3, 0xfed1f410, 5, 0, 1),
               entry(5, 1, 1, 2, 0x672, 0, 0, 0x3ff), entry(6, 0x83, 1, 2, 0x672, 0, 0, 0x3ff),
               entry(8, 0, 1, 2, 0x668, 11, 0, 1)]
    table = b"WDAT" + bytes(32) + struct.pack("<IHBBB3xIIIB3xI", 32, 0xff, 255, 255, 255, 600, 0x3ff, 4, 1, len(entries))
    make("wdat", 0, b"\0\x10\0\x10", table + b"".join(entries))
    make("wdat_keep", 0x81, b"\0\x10\0\x10", table + b"".join(entries))
    spmi = b"SPMI" + bytes(32) + struct.pack("<BBH8xBBBBQ4x", 1, 1, 0x200, 1, 8, 0, 1, 0xca2)
    # What a controller's status and data read as: idle, each byte written, each byte of the answer, idle
    def command(length, *answer):
        return bytes(2) + b"\x80\0" * (length + 1) + b"".join(bytes((0x41, b)) for b in answer) + b"\1\0"

    get = command(2, 0x1c, 0x25, 0, 0x44, 1, 0, 0, 100, 0, 77, 0)
    reset = command(2, 0x1c, 0x22, 0)
    answers = get + command(8, 0x1c, 0x24, 0) + reset
    make("spmi_keep", 0x82, get + reset, spmi)
    make("spmi", 1, answers, spmi)
    ipmi = bytes((38, 18, 0, 0, 1, 0x20, 0x20, 0xff)) + struct.pack("<QBB", 0xca3, 0, 5) + bytes(2)
    other = bytes((0, 6, 0, 0, 1, 2)) + b"maker\0\0"
    structures = other + ipmi + bytes((127, 4, 1, 0, 0, 0))
    entry_point = b"_SM_\0\x1f\2\x08" + bytes(8) + b"_DMI_\0" + struct.pack("<HIHB", len(structures), 0x7d000000 + 95, 3, 0)
    entry_point = entry_point[:4] + bytes([-sum(entry_point) & 0xff]) + entry_point[5:]
    make("smbios", 1, answers, bytes(64) + entry_point + structures)
    make("registers", 2, bytes((0, 1, 0, 5, 0x18, 3)), struct.pack("<IQQQ", 5, 0x2a440000, 0x2a450000, 0x2a460000))
    timers = struct.pack("<BHB16x", 0, 20, 0) + struct.pack("<BHBQQII", 1, 28, 0, 0x2a450000, 0x2a440000, 91, 0)
    make("gtdt", 2, bytes((0, 0, 0, 1)), b"\5" + bytes(87) + struct.pack("<II", 2, 96) + timers)


def ehdr64(nr, machine=62, shoff=0):
    return struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 4, machine, 1, 0, 64, shoff, 0, 64, 56, nr, 0, 0, 0)


def phdr64(kind, paddr, size, offset=None, vaddr=0):
    offset = paddr if offset is None else offset
    return struct.pack("<IIQQQQQQ", kind, 7, offset, vaddr & (1 << 64) - 1, paddr, size, size, 0)


def note(name, kind, desc):
    name = name.encode() + b"\0"
    return (struct.pack("<III", len(name), len(desc), kind) + name + b"\0" * (-len(name) % 4) +
            desc + b"\0" * (-len(desc) % 4))


def elfcorehdr():
    def ctl(flags=0, limit=0, own=0, own_len=0, fail=0):
        return struct.pack("<BBHIHH", flags, 0, limit, own, own_len, fail)

    linear = 0xffff888000000000
    x86 = [phdr64(4, 0x1000 * i + 0x200000, 512) for i in range(2)] + [
        phdr64(1, 0x1000000, 0x2800000, vaddr=0xffffffff81000000),
        phdr64(1, 0x1000, 0x9ec00, 0x3f000000, linear + 0x1000),
        phdr64(1, 0x100000, 0x3ef00000, vaddr=linear + 0x100000),
        phdr64(0, 0, 0),
        phdr64(1, 1 << 32, 1 << 33, vaddr=linear + (1 << 32))]
    put("elfcorehdr", "x86_64", ctl() + ehdr64(len(x86)) + b"".join(x86))
    put("elfcorehdr", "limit", ctl(4, 64 + 56 * 5) + ehdr64(len(x86)) + b"".join(x86))
    put("elfcorehdr", "own", ctl(1, 0, 0x800, 0x400) + ehdr64(len(x86)) + b"".join(x86))
    put("elfcorehdr", "fail", ctl(8, fail=64 + 56 * 4) + ehdr64(len(x86)) + b"".join(x86))
    arm = [phdr64(1, 0x40210000, 0x1e00000, vaddr=0xffffa00008010000),
           phdr64(1, 0x40000000, 0x1b400000, vaddr=0xffff000000000000),
           phdr64(1, 0x5b500000, 0x24b00000, vaddr=0xffff00001b500000)]
    put("elfcorehdr", "arm64", ctl() + ehdr64(len(arm), 183) + b"".join(arm))
    overlap = [phdr64(1, s, e - s) for s, e in ((0x1000, 0x5000), (0x3000, 0x8000), (0x2000, 0x2000), (0, 0x10000))]
    put("elfcorehdr", "overlap", ctl(1) + ehdr64(len(overlap)) + b"".join(overlap))
    head = ehdr64(0xffff, shoff=64 + 56 * 3) + b"".join(arm) + b"\0" * 44 + struct.pack("<I", 3) + b"\0" * 16
    put("elfcorehdr", "extended", ctl() + head)
    e32 = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\1\1\1", 4, 62, 1, 0, 52, 0, 0, 52, 32, 2, 0, 0, 0)
    p32 = [struct.pack("<8I", 1, s, (s + 0x80000000) & 0xffffffff, s, n, n, 7, 0)
           for s, n in ((0x1000000, 0x100000), (0x100000, 0x8000000))]
    put("elfcorehdr", "elf32", ctl() + e32 + b"".join(p32))


def notes():
    text = b"OSRELEASE=6.1.0\nPAGESIZE=4096\nSIZE(page)=64\nSYMBOL(x)=ffffffff82415a40\nNUMBER(x)=-129\n"

    def make(blob, segs, change=(0, 0, 0, 0)):
        segs = segs + [(0, 0)] * (6 - len(segs))
        return b"".join(struct.pack("<HH", *s) for s in segs) + struct.pack("<HHBB", *change) + blob

    cpu = note("CORE", 1, b"r" * 64)
    info = note("VMCOREINFO", 0, text)
    usual = cpu + b"\0" * 12 + cpu + b"\0" * 12 + info
    segs = [(0, len(cpu) + 12), (len(cpu) + 12, len(cpu) + 12), (2 * len(cpu) + 24, len(info))]
    put("notes", "usual", make(usual, segs))
    put("notes", "changed", make(usual, segs, (0, 40, 0x55, 0)))
    put("notes", "gone", make(usual, segs, (0, 400, 0, 1)))
    put("notes", "several", make(cpu + note("LINUX", 0x406, b"p" * 16) + cpu, [(0, 300), (0, 300), (20, 200)]))
    put("notes", "twice", make(info + note("VMCOREINFO", 0, b"X=1\n"), [(0, len(info)), (len(info), 28), (0, 500)]))
    put("notes", "huge", make(struct.pack("<III", 5, 0xffffffff, 1) + cpu, [(0, 200), (12, 200)]))


def gpt_header(lba, other, blocks, entries_lba, entries, size, nr):
    def pack(crc):
        return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, crc, 0, lba, other, 3, blocks - 3,
                           bytes(range(16)), entries_lba, nr, size, zlib.crc32(entries))

    return pack(zlib.crc32(pack(0)))


def gpt_entry(first, last, name, kind=b"T" * 16):
    return struct.pack("<16s16sQQQ", kind, b"U" * 16, first, last, 0) + name.encode("utf-16le").ljust(72, b"\0")


def mbr(entries, signature=0xdeadbeef):
    table = b"".join(struct.pack("<B3sB3sII", boot, b"", kind, b"", start, size)
                     for boot, kind, start, size in entries).ljust(64, b"\0")
    return b"\0" * 440 + struct.pack("<IH", signature, 0) + table + b"\x55\xaa"


def part():
    def make(blocks, content, flags=0, shift=0, fail=0, stop=0):
        return struct.pack("<IBBBB", blocks, shift, flags, fail, stop) + content

    def pad(data, size=512):
        return data.ljust(-(-len(data) // size) * size, b"\0")

    entries = (gpt_entry(3, 10, "crash") + gpt_entry(20, 20, "\u6f22\u5b57 \U0001f600") + gpt_entry(0, 0, "", b"\0" * 16) +
               gpt_entry(90, 200, "outside"))
    protective = mbr([(0, 0xee, 1, 99)])
    first = protective + pad(gpt_header(1, 99, 100, 2, entries, 128, 4)) + entries
    last = entries + pad(gpt_header(99, 1, 100, 98, entries, 128, 4))
    put("part", "gpt", make(100, first, 7))
    put("part", "gpt_as_is", make(100, first))
    put("part", "gpt_stop", make(100, first, 39, stop=1))
    put("part", "backup", make(100, protective + b"\0" * 512 + last, 4))
    put("part", "unreadable", make(100, protective + b"\0" * 512 + last, 12, fail=1))
    wide = b"".join(e.ljust(136, b"\0") for e in (gpt_entry(4, 5, "a"), gpt_entry(6, 7, "b"), gpt_entry(8, 9, "c")))
    put("part", "gpt_136", make(100, protective + pad(gpt_header(1, 99, 100, 2, wide, 136, 3)) + pad(wide), 3))
    put("part", "mbr", make(1000, mbr([(0x80, 0x83, 1, 10), (0, 0, 0, 0), (0, 0x82, 20, 10)])))
    chain = (mbr([(0, 0x83, 50, 10), (0, 5, 1, 49)]) + mbr([(0, 0x83, 10, 5), (0, 5, 1, 20)]) +
             mbr([(0, 0x83, 20, 5), (0, 5, 2, 20)]) + mbr([(0, 0x83, 25, 5)]))
    put("part", "logical", make(1000, chain))
    put("part", "loop", make(1000, mbr([(0, 0xf, 1, 900)]) + mbr([(0, 0x83, 1, 5), (0, 5, 0, 20)])))
    put("part", "endless", make(1 << 31, mbr([(0, 5, 1, 900), (0, 5, 2, 1 << 30)]) * 2, 16))
    put("part", "fat", make(1000, b"\xeb\x3c\x90MSDOS5.0".ljust(446, b"x") + b"NTLDR is missing".ljust(64) + b"\x55\xaa"))


def acpi_table(signature, body, revision=1):
    data = struct.pack("<4sIBB6s8sIII", signature, 36 + len(body), revision, 0, b"CAPSTB", b"TEST    ", 1, 0, 1) + body
    return data[:9] + bytes([-sum(data) & 0xff]) + data[10:]


def gas(space, width, access, address):
    return struct.pack("<BBBBQ", space, width, 0, access, address)


def acpi():
    base = 0xe0000

    def make(tables, flags=3, revision=2, use_xsdt=True):
        at, addresses, blob = 36, [], b""
        for t in tables:
            addresses.append(base + at)
            blob += t
            at += len(t)
        xsdt = acpi_table(b"XSDT", b"".join(struct.pack("<Q", a) for a in addresses))
        rsdt = acpi_table(b"RSDT", b"".join(struct.pack("<I", a) for a in addresses))
        head = b"RSD PTR \0CAPSTB" + struct.pack("<BI", revision, base + at + len(xsdt))
        head = head[:8] + bytes([-sum(head) & 0xff]) + head[9:]
        full = head + struct.pack("<IQI", 36, base + at if use_xsdt else 0, 0)
        full = full[:32] + bytes([-sum(full) & 0xff]) + full[33:]
        return bytes([flags]) + full + blob + xsdt + rsdt

    mcfg = acpi_table(b"MCFG", b"\0" * 8 + struct.pack("<QHBBI", 0xb0000000, 0, 0, 255, 0) +
                      struct.pack("<QHBBI", 0x4010000000, 1, 16, 31, 0))

    def spcr(interface, address, revision=2, clock=0):
        return acpi_table(b"SPCR", struct.pack("<B3s", interface, b"") + address + b"\0" * 6 + b"\7\0\1\0\3\0" +
                          b"\xff\xff\xff\xff" + b"\0" * 8 + struct.pack("<I", clock), revision)

    def fadt(flags, reset, value, arm=0, revision=6):
        return acpi_table(b"FACP", b"\0" * 76 + struct.pack("<I", flags) + reset + struct.pack("<BH", value, arm), revision)

    uart = spcr(0, gas(1, 8, 0, 0x3f8))
    reset = fadt(1 << 10, gas(1, 8, 1, 0xcf9), 0x0f)
    put("acpi", "pc", make([mcfg, uart, reset]))
    put("acpi", "as_is", make([mcfg, uart, reset], 0))
    put("acpi", "arm", make([mcfg, spcr(3, gas(0, 32, 3, 0x9000000), 4, 24000000), fadt(0, gas(0, 0, 0, 0), 0, 3)], 7))
    put("acpi", "sbsa", make([spcr(0xe, gas(0, 32, 3, 0x9000000)), fadt(0, gas(0, 0, 0, 0), 0, 1)], 7))
    put("acpi", "mmio", make([spcr(0x12, gas(0, 32, 1, 0xfe001000)), fadt(1 << 10, gas(0, 8, 1, 0xfed00000), 1)]))
    put("acpi", "mmio32", make([spcr(0, gas(0, 8, 3, 0xfe001000)), fadt(1 << 10, gas(2, 8, 1, 0x1f000044), 1)]))
    put("acpi", "rsdt", make([mcfg, uart, reset], 3, 0))
    put("acpi", "no_xsdt", make([mcfg, uart, reset], 3, 2, False))
    put("acpi", "sparse", make([mcfg], 11))
    put("acpi", "find", make([uart], 19))


def label():
    def make(places, crc, rest, kind, who, sizes=0x08, faults=0, writes=((0, 4096), (1 << 20, 512), (0, 1 << 40))):
        head = struct.pack("<8sII16s64sQII", b"CAPSTUB\0", 1, 0, bytes([who]) * 16, b"lab", 0, 0, 3)
        return (struct.pack("<BBBBBBBB", places, crc, rest, kind, who, sizes, faults, 0) +
                b"".join(struct.pack("<QQ", *w) for w in writes) + head)

    put("label", "any", make(0x01, 0x3f, 0x3f, 6, 0))
    put("label", "uuid", make(0x10, 0x3f, 0x3f, 0, 5))
    put("label", "name_twice", make(0x12, 0x3f, 0x3f, 1, 0))
    put("label", "partuuid", make(0x04, 0x3f, 0x3f, 2, 2))
    put("label", "serial", make(0x08, 0x3f, 0x3f, 4, 1))
    put("label", "same_end", make(0x05, 0x3f, 0x3f, 6, 0, 0))
    put("label", "small", make(0x02, 0x3f, 0x3f, 6, 0, 0x07))
    put("label", "crc", make(0x01, 0x00, 0x3f, 6, 0))
    put("label", "faults", make(0x09, 0x3f, 0x3f, 6, 0, 8, 7))


def extents():
    at, end = 2 << 20, 1280 << 10

    def make(pieces, fix=0x1f, nr=None, end=end, big=0):
        """Pieces: blocks of the file, and where on the disk; the last has the map and ends at END"""
        head = struct.pack("<8sII16sQQII", b"CAPSTUBF", 1, 0, bytes([7]) * 16, end, at, len(pieces) if nr is None else nr, 0)[:0x34]
        body, offset = b"", 0
        for blocks, disk in pieces:
            body += struct.pack("<QQII", offset, disk, blocks, 0)
            offset += blocks * 4096
        return struct.pack("<BB3H3H", fix, big, 0, 100, 310, 40, 60, 60) + head + body

    def last(blocks):
        return blocks, at + (132 << 10) - blocks * 4096

    put("extents", "one", make([last(320)]))
    put("extents", "three", make([(80, 0), (120, 1 << 20), last(120)]))
    put("extents", "backwards", make([(100, 600 << 10), (50, 300 << 10), (50, 0), last(120)]))
    put("extents", "large_blocks", make([(200, 0), last(120)], big=1))
    put("extents", "overlap", make([(150, 512), (50, 512), last(120)]))
    put("extents", "outside", make([(200, (3 << 20) - 4096), last(120)]))
    put("extents", "no_crc", make([(200, 0), last(120)], fix=0x13))
    put("extents", "stale", make([(200, 0), last(120)], fix=0x17))
    put("extents", "too_many", make([last(320)], nr=8193))


def reason():
    put("reason", "oops", b"[    1.000000] BUG: kernel NULL pointer dereference, address: 0\n[    1.000000] Oops: 0002 [#1] SMP\n"
        b"[    1.000000] CPU: 0 PID: 1 Comm: a\n[    1.000000] RIP: 0010:f+0x1/0x2\n[    1.000000] Call Trace:\n[    1.000000]  <TASK>\n"
        b"[    1.000000]  </TASK>\n[    1.000000] Kernel panic - not syncing: Fatal exception\n")
    put("reason", "soft", b"[1.0] [  T345] INFO: task x blocked\n[1.0] [  T345] Call trace:\n[1.0] [  T345] WARNING: CPU: 0\n"
        b"[1.0] [  T345] Kernel panic - not syncing: panic_on_warn set\n[1.0] [  T345] pc : f\n[1.0] [  T345] Code: 00\n")


def report():
    """A kernel as it is, one whose symbols are code alone, a changed link, a token beyond the table, and types by themselves."""
    strings = b"\0task_struct\0pid\0int\0.data..percpu\0of_each_cpu\0"
    at = strings.index
    types = struct.pack("<4I", at(b"int\0"), 1 << 24, 4, 32)
    types += struct.pack("<3I", 0, 5 << 24 | 1, 4) + struct.pack("<3I", at(b"pid"), 1, 0)                       # a union
    types += struct.pack("<3I", at(b"task"), 4 << 24 | 1, 4) + struct.pack("<3I", 0, 2, 0)
    types += struct.pack("<4I", at(b"of_each"), 14 << 24, 1, 1)
    types += struct.pack("<3I", at(b".data"), 15 << 24 | 1, 4) + struct.pack("<3I", 4, 0, 4)
    put("report", "as_is", b"\0")
    put("report", "code_alone", b"\1")
    put("report", "link", b"\0\1\6" + (0x1040).to_bytes(3, "little") + struct.pack("<Q", 0xffff888001841040))
    put("report", "index_beyond", b"\1\1\0" + (0x3000 + 2 * ord("n")).to_bytes(3, "little") + b"\xff" * 8)
    put("report", "btf", b"\3" + struct.pack("<HBBIIIII", 0xeb9f, 1, 0, 24, 0, len(types), len(types), len(strings)) + types + strings)


def recv():
    """Programs of fuzz_recv.c: frames of two sessions (how: 1 8-bit, 2 again, 4 session 1)."""
    def meta(how, seed):
        return bytes([1, seed, 20, 10, 4, 0, 16, 3, 16, how])

    def blob(how, what, total, offset, length):
        return struct.pack("<BBHHHB", 2, what, total, offset, length, how)

    def pages(how, kind, where, start, *runs):
        return struct.pack("<BBBH", kind, len(runs), where, start) + b"".join(
            struct.pack("<H", length << 3 | t) for t, length in runs) + bytes([how, 0])

    def hello(how):
        return bytes([8, how, 0, how >> 2 & 1])

    tick = b"\x07\xe8\x03"
    data, zero, out, bad = (1, 2), (2, 3), (3, 5), (4, 1)
    put("recv", "capture", hello(4) + meta(4, 0x0a) + blob(4, 2, 100, 0, 100) + blob(4, 1, 160, 0, 160) + tick +
        pages(4, 3, 0, 0, data, zero, data, out, bad) + pages(5, 4, 1, 19, data, data) + tick)
    put("recv", "again", meta(5, 0x0a) + pages(7, 3, 0, 4, data) + pages(5, 3, 0, 0, data) + pages(5, 3, 0, 0, data) + tick)
    put("recv", "two", meta(4, 0x0a) + pages(4, 3, 0, 0, data) + meta(0, 0x08) + pages(4, 3, 0, 2, data) +
        pages(0, 3, 0, 4, data) + tick)
    put("recv", "large_pages", meta(4, 0x0b) + b"".join(pages(4, 3, 0, at, (1, 2), (2, 2)) for at in range(0, 64, 4)) + tick)
    put("recv", "restart", meta(4, 0x0a) + pages(4, 3, 0, 0, data) + tick + b"\x09" + pages(4, 3, 0, 2, data) + tick)
    put("recv", "noise", b"\x00\x10console text\r\n~ab" + meta(4, 0x0a) + b"\x00\x06\x01\x03\x10\x1b~|" + pages(5, 3, 0, 0, data))


def serial():
    """Scripts of fuzz_serial.c: first the options, then ops, each with the number of reads to wait before it."""
    def op(wait, kind, data=b""):
        return struct.pack("<HB", wait, kind) + data

    def ctrl(wait, units, request, *wants, flags=0, mode=0, escape=b""):
        return op(wait, 1, bytes([flags, mode, units, len(escape)]) + escape + struct.pack("<HB", request, len(wants)) +
                  b"".join(bytes([what]) + number(a) + number(n) for what, a, n in wants))

    def number(n):
        if n == everything:
            return b"\x87"
        return bytes([n]) if n < 0x80 else b"\xff" + struct.pack("<Q", n)

    everything = (1 << 64) - 1
    bye = ctrl(9, 4, 0, flags=1)
    text, eight = b"\0", b"\1"
    put("serial", "one_way", text)
    put("serial", "one_way_8bit", eight)
    put("serial", "large_pages", b"\x08")
    put("serial", "two_way", text + op(20, 8, b"\x0f\x0f") + ctrl(1000, 4, 0, mode=1) + bye)
    put("serial", "wants", eight + ctrl(3000, 2, 1, (16, 0, 72), (24, 0, 72), (4, 4096, 100), (0, 0, 1)) +
        ctrl(30, 2, 1, (1, 0, 9)) + ctrl(30, 2, 2, (17, 20, 5), (21, 16, 4), (99, 0, 1)) + op(9, 3, bytes([16, 0, 3, 0]) + b"abc") + bye)
    put("serial", "escapes", eight + ctrl(99, 3, 0, mode=1, escape=b"\x11\x13\xff") + ctrl(99, 3, 0, mode=1, escape=b"\x31") + bye)
    put("serial", "probe", text + ctrl(2000, 1, 0, flags=2) + ctrl(2000, 1, 0, flags=2, mode=1) + bye)
    put("serial", "flow", b"\x02" + op(99, 0, b"\x01\x13") + op(99, 5, b"\x10\0") + op(9, 0, b"\x01\x11"))
    put("serial", "xoff_forever", text + op(500, 8, b"\x0f\0") + op(0, 4, b"\x13\xff\xff"))
    put("serial", "talks_forever", text + ctrl(9, 4, 0) + op(4000, 8, b"\x0f\x0f") + b"".join(
        op(9, 5, b"\xb0\x04") + ctrl(9, 4, n, (99, 0, 1)) for n in range(200)))
    put("serial", "stall", text + op(50, 6, b"\x90\x01") + op(900, 6, b"\x50\x00"))
    put("serial", "deadline", b"\x11")
    put("serial", "deadline_two_way", b"\x20" + ctrl(1000, 4, 0, mode=1))
    put("serial", "deadline_held", b"\x20" + op(1500, 6, b"\xff\x00"))
    put("serial", "memory", text + op(1500, 7, b"\x05\x02") + op(500, 7, b"\x09\x01") + op(500, 7, b"\x0a\x02"))
    put("serial", "memory_comes_and_goes", text + b"".join(op(0, 7, bytes([i, 2])) for i in range(6, 24)))
    # The number of units in a frame falls while one is being filled: at some read of the UART it hits that moment
    for wait in range(1, 5):
        put("serial", f"fewer_units_{wait}", text + b"".join(
            op(2, 8, b"\xff\x0f") + ctrl(13 + wait, 4, 0) + ctrl(13 + wait, 1, 0) for _ in range(60)))
    # Positions beyond a blob's end
    put("serial", "far_blob", text + ctrl(9, 4, 1, (4, 1 << 63, 1)) + bye)
    put("serial", "past_blob", text + ctrl(9, 4, 1, (4, 1 << 20, 1), (0, 4096, 1), (3, 100, 0)) + bye)
    put("serial", "far_pages", text + ctrl(9, 4, 1, (16, 1 << 63, 1 << 62), (20, 73, 1 << 40), (24, 72, 1)) + bye)
    # Everything, again and again
    put("serial", "greedy", text + ctrl(50, 4, 0) + b"".join(
        ctrl(5000, 4, n, *[(what, 0, everything) for what in (4, 16, 20, 21, 22, 23, 24)]) for n in range(1, 80)))
    put("serial", "asks_forever", text + ctrl(9, 4, 0) + op(4000, 8, b"\x0f\x0f") + b"".join(
        ctrl(3000, 4, n, (0, 0, 1)) for n in range(99)))


def pe():
    def image(certs=b"", size=0x800, sections=((0x400, 0x200), (0x600, 0x200))):
        data = bytearray(size)
        data[:2], data[0x3c:0x40], data[0x40:0x44] = b"MZ", struct.pack("<I", 0x40), b"PE\0\0"
        struct.pack_into("<HH12xHH", data, 0x44, 0x8664, len(sections), 160, 0x206)
        struct.pack_into("<H", data, 0x58, 0x20b)
        struct.pack_into("<I", data, 0x58 + 60, 0x400)
        struct.pack_into("<I", data, 0x58 + 108, 6)
        for i, (at, length) in enumerate(sections):
            struct.pack_into("<8sIIII", data, 0xf8 + 40 * i, b".text", length, 0x1000 * (i + 1), length, at)
        if certs:
            struct.pack_into("<II", data, 0x58 + 144, size, len(certs) + 8)
            data += struct.pack("<IHH", len(certs) + 8, 0x200, 2) + certs
        return bytes(data)

    digest = bytes.fromhex("0609608648016503040201050004") + b"\x20" + bytes(32)
    ids = bytes.fromhex("0603551d0e04160414") + bytes(range(20)) + bytes.fromhex("0603551d23041830168014") + bytes(range(20))
    put("pe", "bare", image())
    put("pe", "odd", image(size=0x803))
    put("pe", "no_sections", image(sections=()))
    put("pe", "signed", image(b"\x30\x82" + digest + ids + bytes(-(2 + len(digest) + len(ids)) % 8)))


def gdb():
    """Scripts of fuzz_gdb.c: how, then a line for each packet."""
    def monitor(text):
        return "qRcmd," + text.encode().hex()

    hello = ["qSupported:x", "QStartNoAckMode", "Hg0", "?", "qC", "qAttached", "qOffsets", "qfThreadInfo", "qsThreadInfo",
             "qThreadExtraInfo,2", "qXfer:features:read:target.xml:0,ffb", "qXfer:memory-map:read::10,20"]
    put("gdb", "hello", b"\xc1" + "\n".join(hello + ["g", "Hg1", "p10", "D"]).encode())
    put("gdb", "acks", b"\xc0" + "\n".join(hello[:1] + hello[2:] + ["g", "k"]).encode())
    put("gdb", "again", b"\xc2" + "\n".join(["g", "T1", "T9", "Hc-1", "vCont?", "c", "s", "vCont;c"]).encode())
    put("gdb", "memory", b"\xd0" + "\n".join(
        ["mffffffff9a000000,1000", "mffffc90000000ff8,10", "mffffc90000003000,8", "mffff888000010000,40", "mffffffffffffffff,ff",
         monitor("phys"), "m10000,18000", "m27ff8,10", "m48000,1", monitor("phys off"), "m0,1"]).encode())
    put("gdb", "writes", b"\xc0" + b"Mffffffff9a000000,1:00\nXffffffff9a000000,1:\x7d\x03\nG00\nP0=1\nZ0,0,1\nz0,0,1")
    put("gdb", "log", b"\xc8" + "\n".join([monitor("dmesg"), "!\3", monitor("dmesg 9"), monitor("help"), monitor("kaslr")]).encode())
    put("gdb", "no_log", b"\x20" + "\n".join(["qC", "g", monitor("dmesg"), monitor("nonsense"), monitor("halt")]).encode())
    put("gdb", "noise", b"\xc0!+$qC#00$qC#b4-\x03--$\n!#b4\nqC")
    put("gdb", "stuck", b"\xcc" + "\n".join([monitor("dmesg"), "g", "qC"]).encode())


def main():
    for make in (cmdline, iommu, watchdog, elfcorehdr, notes, part, acpi, label, extents, reason, report, recv, serial, pe, gdb):
        make()


if __name__ == "__main__":
    main()
