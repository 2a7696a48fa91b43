# SPDX-License-Identifier: GPL-2.0-or-later
"""
Small dump targets for the tests of the host tool, made from nothing: a kdump-compressed file of 2048 page
frames with notes, VMCOREINFO and x86_64 page tables that a reader can walk, and the label behind it. Written
from the format's description, not with the tool's own code, so that the two can be held against each other.

As a program:   dumpgen.py IMAGE [key=value...]   with the keys of Dump and Label, for use by hand.
"""
import struct
import sys
import zlib

PAGE = 4096
MIB = 1 << 20
LABEL, LOG = 4096, 65536
HEAD, TAIL = 128 << 10, (128 << 10) - LABEL     # what a label vouches for at most
EMPTY, DUMPING, COMPLETE, INCOMPLETE, SAVED = range(5)
ZLIB, LZO, INCOMPLETE_FLAG = 1, 2, 8

# The dead kernel: 8 MiB of RAM, image at 2 MiB, KASLR moved by 0x1a000000
MAX_PFN = 2048
KERNEL_OFFSET = 0x1a000000
IMAGE_VA = 0xffffffff81000000 + KERNEL_OFFSET
IMAGE_PA = 0x200000
PHYS_BASE = (IMAGE_PA - (IMAGE_VA - 0xffffffff80000000)) & (1 << 64) - 1
DIRECT_VA = 0xffff888000000000
VMALLOC_VA = 0xffffc90000000000
VMALLOC_PFNS = [700, 300, 301, 1999]
TABLES_PFN = 0x210          # PGD, then the lower tables, inside the image
ZERO_PFNS = range(1024, 1100)
EXCLUDED_PFNS = range(1500, 1800)
RIP = 0xffffffff9b123456
PANIC_PID = 345


def crc32c(data, crc=0):
    """Bit by bit over RFC 3720's polynomial: slow, and nothing like the code under test."""
    crc ^= 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def pattern(pfn):
    """Contents of a page: every 8 bytes tell the frame and the place in it"""
    return b"".join(struct.pack("<II", i, pfn) for i in range(PAGE // 8))


def page_tables():
    """4-level tables: direct map and image by 2-MiB leaves, vmalloc area by 4-KiB ones. {pfn: bytes}"""
    tables = {}

    def table(pfn, entries):
        words = [0] * 512
        for index, value in entries.items():
            words[index] = value
        tables[pfn] = struct.pack("<512Q", *words)
        return pfn * PAGE | 0x63

    def at(va, shift):
        return va >> shift & 511

    t = TABLES_PFN
    direct = table(t + 2, {i: i * 2 * MIB | 0xe3 for i in range(4)})
    image = table(t + 4, {at(IMAGE_VA, 21): IMAGE_PA | 0x1e3})
    small = table(t + 7, {i: pfn * PAGE | 0x63 for i, pfn in enumerate(VMALLOC_PFNS)})
    vmalloc = table(t + 6, {at(VMALLOC_VA, 21): small})
    table(t, {
        at(DIRECT_VA, 39): table(t + 1, {at(DIRECT_VA, 30): direct}),
        at(IMAGE_VA, 39): table(t + 3, {at(IMAGE_VA, 30): image}),
        at(VMALLOC_VA, 39): table(t + 5, {at(VMALLOC_VA, 30): vmalloc}),
    })
    return tables


def contents(pfn, tables):
    if pfn in tables:
        return tables[pfn]
    return bytes(PAGE) if pfn in ZERO_PFNS else pattern(pfn)


def note(name, kind, desc):
    name += b"\0"
    pad = lambda b: b + bytes(-len(b) % 4)
    return struct.pack("<III", len(name), len(desc), kind) + pad(name) + pad(desc)


def prstatus(pid, rip, rsp):
    """struct elf_prstatus of x86_64: pr_pid at 32, registers from 112, rip is the 17th, rsp the 20th"""
    regs = [0x1000 + i for i in range(27)]
    regs[16], regs[19] = rip, rsp
    return (bytes(32) + struct.pack("<I", pid)).ljust(112, b"\0") + struct.pack("<27Q", *regs) + bytes(8)


def vmcoreinfo():
    root = IMAGE_VA - IMAGE_PA + TABLES_PFN * PAGE
    return ("OSRELEASE=6.1.0-test-amd64\nPAGESIZE=4096\n"
            f"SYMBOL(init_top_pgt)={root:x}\nSYMBOL(swapper_pg_dir)={root:x}\nSYMBOL(_stext)={IMAGE_VA:x}\n"
            f"NUMBER(pgtable_l5_enabled)=0\nNUMBER(sme_mask)=0\n"
            f"NUMBER(phys_base)={PHYS_BASE - (1 << 64)}\nKERNELOFFSET={KERNEL_OFFSET:x}\n"
            "CRASHTIME=1750000000\n").encode()


class Dump:
    """
    The dump proper. stored: how many descriptors are filled in (None: all), as after a power cut;
    patch: {index: (offset, size, flags)}: descriptors to damage.
    """

    def __init__(self, stored=None, patch=None, incomplete=None, compress=True, tables=True,
                 max_pfn=MAX_PFN):
        self.compress = compress
        self.tables = page_tables() if tables else {}
        self.pfns = [p for p in range(max_pfn) if p not in EXCLUDED_PFNS]
        self.max_pfn = max_pfn
        self.stored = len(self.pfns) if stored is None else stored
        self.incomplete = self.stored < len(self.pfns) if incomplete is None else incomplete
        self.patch = patch or {}
        self.build()

    def notes(self):
        info = vmcoreinfo()
        cpus = note(b"CORE", 1, prstatus(0, 0xffffffff9b000100, DIRECT_VA + 0x8000))
        cpus += note(b"CORE", 1, prstatus(PANIC_PID, RIP, VMALLOC_VA + 0x100))
        blob = cpus + note(b"VMCOREINFO", 0, info)
        return blob, blob.index(info), len(info)

    def headers(self, notes, info_at, info_len, bitmap_blocks, sub_blocks):
        uts = [b"Linux", b"testhost", b"6.1.0-test-amd64", b"#1 SMP", b"x86_64", b""]
        status = (ZLIB if self.compress else 0) | (INCOMPLETE_FLAG if self.incomplete else 0)
        head = b"KDUMP   " + struct.pack("<i", 6) + b"".join(u.ljust(65, b"\0") for u in uts)
        head = head.ljust(408, b"\0") + struct.pack("<qqIiiIIIIIIi", 1750000000, 0, status, PAGE,
                                                    sub_blocks, bitmap_blocks, self.max_pfn, 0, 0, 0, 1, 2)
        at = PAGE + 104
        sub = struct.pack("<QiiQQqQqQqQQQQ", PHYS_BASE, 31, 0, 0, 0, at + info_at, info_len, at, len(notes),
                          0, 0, 0, 0, self.max_pfn)
        return head.ljust(PAGE, b"\0") + (sub + notes).ljust(sub_blocks * PAGE, b"\0")

    def build(self):
        notes, info_at, info_len = self.notes()
        sub_blocks = -(-(104 + len(notes)) // PAGE)
        one = -(-self.max_pfn // 8 // PAGE) * PAGE
        self.bitmap2_at = (1 + sub_blocks) * PAGE + one
        self.descs_at = self.bitmap2_at + one
        self.data_at = self.descs_at + 24 * len(self.pfns)
        bitmaps = bytearray(2 * one)
        for p in range(self.max_pfn):
            bitmaps[p // 8] |= 1 << p % 8
        for p in self.pfns:
            bitmaps[one + p // 8] |= 1 << p % 8
        descs, data = bytearray(), bytearray(bytes(PAGE))    # one zero page for all
        for index, pfn in enumerate(self.pfns):
            page = contents(pfn, self.tables)
            if index >= self.stored:
                desc = (0, 0, 0)
            elif page == bytes(PAGE):
                desc = (self.data_at, PAGE, 0)
            else:
                packed = zlib.compress(page, 1) if self.compress and pfn % 3 else page
                desc = (self.data_at + len(data), len(packed), ZLIB if packed is not page else 0)
                data += packed
            descs += struct.pack("<qIIQ", *self.patch.get(index, desc), 0)
        self.bytes = self.headers(notes, info_at, info_len, 2 * one // PAGE, sub_blocks) + \
            bytes(bitmaps) + bytes(descs) + bytes(data)


def foreign(path, kind):
    """The beginning of a dump that others have made, padded to the size of a target"""
    uts = b"".join(u.ljust(65, b"\0") for u in (b"Linux", b"host", b"5.14.0", b"#1", b"other", b""))
    times = {"kdump": "<6xqq", "kdump32": "<2xii", "kdump-be": ">6xqq"}
    if kind in times:
        order = times[kind][0]
        head = b"KDUMP   " + struct.pack(order + "i", 6) + uts + struct.pack(times[kind], 1750000000, 0)
        head += struct.pack(order + "IiiIIIIIIi", 1, PAGE, 1, 2, 2000, 0, 0, 0, 0, 2)
    elif kind == "flat":
        head = b"makedumpfile\0\0\0\0" + struct.pack(">qq", 1, 1)
    else:
        bits, order = (1 if kind == "elf32" else 2), (2 if kind == "elf-be" else 1)
        head = b"\x7fELF" + bytes([bits, order, 1]) + bytes(9) + struct.pack("<>"[order - 1] + "H", 4)
    with open(path, "wb") as f:
        f.write(head)
        f.truncate(2 * MIB)
    return path


def label(target_bytes, state=EMPTY, uuid=bytes(range(16)), name=b"", version=1, stop=0, dump_bytes=0,
          dmesg_at=0, dmesg_bytes=0, log_bytes=0, captures=1, release=b"6.1.0-test-amd64", pages=None,
          magic=b"CAPSTUB\0", bad_crc=False, crash_time=1750000000, vouch=(0, 0, 0, 0),
          ram_missing=0):
    """The label as include/capstub/label.h lays it out. vouch: bytes and CRC of head and tail; zeros: as labels had it
    before there were such fields"""
    pages = pages or {}
    b = bytearray(LABEL)
    struct.pack_into("<8sII16s64sQII", b, 0, magic, version, 0, uuid, name, target_bytes, state, captures)
    if state != EMPTY or stop:
        struct.pack_into("<IIIIq65s15s", b, 0x70, stop, 31, 31, LZO, crash_time, release, b"x86_64")
        struct.pack_into("<13Q", b, 0xd8, dump_bytes, dmesg_at, dmesg_bytes, log_bytes, 2345678, PAGE,
                         MAX_PFN, pages.get("stored", 0), pages.get("unreadable", 0), pages.get("missing", 0), 4 * MIB, MIB, 1500)
        struct.pack_into("<2Q", b, 0x178, 31000, 1500000)
    struct.pack_into("<4IQ", b, 0x188, *vouch, ram_missing)
    struct.pack_into("<I", b, 12, crc32c(b) ^ (0xdeadbeef if bad_crc else 0))
    return bytes(b)


DMESG = "".join(f"[    {i / 10:8.6f}] line {i}\n" for i in range(40)) + """\
[   10.000000] sysrq: Trigger a crash
[   10.000001] Kernel panic - not syncing: sysrq triggered crash
[   10.000002] CPU: 1 PID: 345 Comm: sh Not tainted 6.1.0-test-amd64
"""
STUB_LOG = "capstub: this is the stub's log\ncapstub: stop code 0 (ok)\n"


def ends(path, end, head=HEAD, tail=TAIL):
    """What a label says of both ends as they are; INCOMPLETE in the header's status counts as 0"""
    with open(path, "rb") as f:
        first = bytearray(f.read(head))
        f.seek(end - LABEL - tail)
        last = f.read(tail)
    if head:
        first[424] &= ~INCOMPLETE_FLAG & 0xff
    return head, crc32c(first) if head else 0, tail, crc32c(last) if tail else 0


def image(path, dump=None, size=16 * MIB, dmesg=DMESG, log=STUB_LOG, vouch=None, **fields):
    """A whole target in a file. vouch: (bytes of head, of tail) that the label vouches for; fields: as of label()"""
    dmesg, log = dmesg.encode("latin-1"), log.encode()
    end = size // 4096 * 4096
    dmesg_at = end - LOG - 65536
    fields.setdefault("target_bytes", end)
    if dump:
        fields.setdefault("state", COMPLETE)
        fields.setdefault("dump_bytes", 0 if fields["state"] == DUMPING else len(dump.bytes))
        fields.setdefault("pages", {"stored": dump.stored})
    captured = fields.get("state", EMPTY) != EMPTY or fields.get("stop")
    if captured:
        fields.setdefault("dmesg_bytes", len(dmesg))
        fields.setdefault("log_bytes", len(log))
    with open(path, "wb") as f:
        f.truncate(size)
        if dump:
            f.write(dump.bytes)
        if captured:
            f.seek(dmesg_at)
            f.write(dmesg)
            f.seek(end - LOG)
            f.write(log)
        f.flush()
        if vouch:
            fields["vouch"] = ends(path, end, *vouch)
        f.seek(end - LABEL)
        f.write(label(dmesg_at=dmesg_at, **fields))
    return path


if __name__ == "__main__":
    args = dict(a.split("=", 1) for a in sys.argv[2:])
    args = {k: int(v, 0) for k, v in args.items()}
    image(sys.argv[1], Dump(**{k: args.pop(k) for k in ("stored",) if k in args}), **args)


def stub_image(path, change=None, memsz=0x3f000, size=160000):
    """A file with the headers of build/x86_64/capstub.bzImage and nothing in it; change: a byte that is wrong"""
    data = bytearray(size)
    struct.pack_into("<B", data, 0x1f1, 1)
    struct.pack_into("<H", data, 0x1fe, 0xaa55)
    data[0x202:0x206] = b"HdrS"
    struct.pack_into("<I", data, 0x230, 4096)
    struct.pack_into("<I", data, 0x260, memsz)
    # linker/pe.ld, with one section instead of three
    data[:2], data[0x3c:0x40], data[0x40:0x44] = b"MZ", struct.pack("<I", 0x40), b"PE\0\0"
    struct.pack_into("<HH12xHH", data, 0x44, 0x8664, 1, 160, 0x206)
    struct.pack_into("<H18xI8xII", data, 0x58, 0x20b, 0x1000, 0, 4096)
    struct.pack_into("<I", data, 0x58 + 36, 512)
    struct.pack_into("<II4xHH", data, 0x58 + 56, memsz + 0x1000, 0x400, 10, 0x100)
    struct.pack_into("<I", data, 0x58 + 108, 6)
    struct.pack_into("<8sIIII12xI", data, 0xf8, b".text", size - 0x400, 0x1000, size - 0x400, 0x400, 0x60000020)
    struct.pack_into("<8sQII", data, 0x440, b"\0CAPSEAL", size - 0x400, 0, 8)
    struct.pack_into("<I", data, 0x450, crc32c(bytes(data[0x400:0x450] + data[0x458:])))
    if change is not None:
        data[change] ^= 1
    with open(path, "wb") as f:
        f.write(data)
    return path
