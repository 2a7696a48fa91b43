#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The judge is judged: QEMU's own kdump-compressed dump passes, a changed byte does not."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import BUILD, Disk, Failure, Guest, Label, LABEL_SIZE, MIB, case, check, done, run  # noqa: E402

with case("pages: QEMU's own dump is right, a changed one is not") as c:
    with Guest(kexec="", panic="wait", mem="256M") as guest:
        guest.boot()
        guest.qmp.command("stop")
        # QEMU writes makedumpfile's flattened form; -R puts it in order.
        flat, dump = c.path("flat"), c.path("dump")
        guest.qmp.command("dump-guest-memory", timeout=300, paging=False, protocol="file:" + flat,
                          format="kdump-zlib")
        with open(flat, "rb") as f:
            run("makedumpfile", "-R", dump, stdin=f)
        memory = guest.save_memory()
        pages = os.path.join(BUILD, "pages")
        out = run(pages, "-r", "0x100000-0xf000000", dump, *memory)
        check("differing=0\n" in out and "unreadable=0\n" in out and "missing=0\n" in out, out)
        with open(memory[0].split("@")[0], "r+b") as f:
            f.seek(32 * MIB + 5)
            byte = f.read(1)[0]
            f.seek(32 * MIB + 5)
            f.write(bytes([byte ^ 1]))
        out = run(pages, dump, *memory, ok=(1,))
        check("differing=1\n" in out and "0x2000000: differs" in out, out)
        out = run(pages, "-r", "0x100000-0x20000000", dump, ok=(1,))
        check("missing=65536\n" in out, out)

with case("label: a changed byte is seen"):
    disk = Disk("4M").format("x")
    disk.untouched()
    with open(disk.path, "r+b") as f:
        f.seek(disk.size - LABEL_SIZE + 0x21)
        f.write(b"y")
    try:
        disk.label()
    except Failure:
        pass
    else:
        raise Failure("a damaged label was accepted")
    check(Label.make(4 * MIB)[12:16] != b"\0\0\0\0", "no CRC")

done()
