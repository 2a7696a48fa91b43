# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that read dumps."""
import os
import shutil
import struct

from tap import check, workdir

from .common import run
from .debian import private


def indexed(vmlinux):
    """A copy of the debug vmlinux with .gdb_index, made by the native gdb and kept beside it. An emulated crash takes two
    minutes of CPU with it, and many more to read DWARF without."""
    out = os.path.join(os.path.dirname(vmlinux), "indexed-" + os.path.basename(vmlinux))
    if not os.path.exists(out):
        work = "%s.%d" % (out, os.getpid())
        os.makedirs(work)
        index = os.path.join(work, os.path.basename(vmlinux) + ".gdb-index")
        run("gdb-multiarch", "-nx", "-batch", "-ex", "save gdb-index " + work, vmlinux, timeout=600)
        run("aarch64-linux-gnu-objcopy", "--add-section", ".gdb_index=" + index, vmlinux, os.path.join(work, "out"), timeout=600)
        os.rename(os.path.join(work, "out"), out)
        shutil.rmtree(work)
    return out


def crash(vmlinux, dump, commands, arch="x86_64", suite="trixie", options=(), timeout=900):
    """Run crash's commands on a dump; returns the output.

    crash of Debian 13 (8.0.6): the one of Debian 12 (8.0.2) finds only the active tasks of its own
    suite's current kernel, whoever wrote the dump. But 8.0.6 and later refuse block devices: they
    compare the bitmap's end with st_size, which is 0 there.
    """
    if arch != "x86_64":
        vmlinux, timeout = indexed(vmlinux), 2 * timeout
    r, w = os.pipe()
    os.write(w, ("\n".join(commands) + "\nexit\n").encode())
    os.close(w)
    with os.fdopen(r) as stdin:
        return run(*private("crash", arch, suite), "-s", *options, vmlinux, dump, stdin=stdin, timeout=timeout,
                   ok=None, env=dict(os.environ, TERM="dumb", HOME=workdir.current.dir))


def makedumpfile_argv(arch="x86_64", suite=None):
    """This machine's, or that of a suite."""
    return ["makedumpfile"] if arch == "x86_64" and not suite else private("makedumpfile", arch, suite or "bookworm")


def makedumpfile(*argv, arch="x86_64", suite=None, timeout=600, ok=(0,)):
    return run(*makedumpfile_argv(arch, suite), *argv, timeout=timeout, ok=ok)


def bitmap2(path, filled=False):
    """Which pages a kdump-compressed dump holds, as one large number: bit N is pfn N. filled: an incomplete one may promise
    pages that it has no data for; without those."""
    with open(path, "rb") as f:
        head = f.read(464)
        check(head[:8] == b"KDUMP   ", "no dump in " + path)
        # struct disk_dump_header: block size, blocks of sub-header, blocks of both bitmaps
        block, sub, bitmaps = struct.unpack_from("<iiI", head, 428)
        f.seek((1 + sub + bitmaps // 2) * block)
        bits = int.from_bytes(f.read(bitmaps // 2 * block), "little")
        if not filled:
            return bits
        # struct page_desc, 24 bytes: offset first; size 1: was only begun (stub/send/out.c)
        descs = f.read(24 * bin(bits).count("1"))
    out, nr = bytearray(bits.bit_length() // 8 + 1), 0
    for pfn in range(bits.bit_length()):
        if bits >> pfn & 1:
            offset, size = struct.unpack_from("<QI", descs, 24 * nr)
            if offset and size > 1:
                out[pfn // 8] |= 1 << pfn % 8
            nr += 1
    return int.from_bytes(out, "little")


def range_bits(pieces):
    """Physical ranges as a bitmap like bitmap2()'s."""
    bits = 0
    for start, end in pieces:
        bits |= (1 << (end + 4095) // 4096) - (1 << start // 4096)
    return bits
