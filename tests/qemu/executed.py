# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the stub's instructions go: "make bench PARTS=profile".

Counted by QEMU, block by block, so that a busy machine changes nothing but what is spent on waiting. Which function a
block belongs to, and so which stage, is found by the linker's map; where the image lies, by the most entries of
functions that were entered.
"""
import bisect
import os
import re

from harness import BUILD, GIB, QEMU, Disk, check, run, workdir

# Object files, the first that matches counts
STAGES = (("classify", r"stub/dead/|stub/format/"), ("compress", r"liblzo2"),
          ("copy", r"lib_a-mem|stub/libc|stub/overlay|arch/.*/(mm|mem|read|fault|zero)"),
          ("batches, table", r"stub/send/"), ("disk, waiting", r"drivers/|stub/disk/|stub/idle|arch/.*/(time|clock)"), ("the rest", r""))


def functions(path):
    """(address, length, object file) of each section of code, in order."""
    with open(path, encoding="utf-8", errors="replace") as f:
        text = f.read()
    found = re.findall(r"^ \.text\S*\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+(\S+)$", text[text.index("memory map"):], re.M)
    return sorted((int(a, 16), int(n, 16), o) for a, n, o in found if int(n, 16))


def stage_of(name):
    return next(stage for stage, pattern in STAGES if re.search(pattern, name))


def measure(guest_class, level, compress, arch, before, stub=None, elf_map=None):
    """Instructions for each stage, and the number of pages that were looked at."""
    plugin, executed = os.path.join(BUILD, "executed.so"), workdir.current.path("executed")
    run("gcc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", plugin, os.path.join(QEMU, "executed.c"))
    os.environ["EXECUTED"] = executed
    disk = Disk(2 * GIB, name="bench").format("bench")
    args = {"stub": stub} if stub else {}
    with guest_class([disk], arch=arch, mem=GIB, level=level, compress=compress, extra=["-plugin", plugin],
                     before=before + "\ngrep 'Crash kernel' /proc/iomem | sed 's/^ */@@ /'\n", **args) as guest:
        guest.time_crash("capstub: stop code", 3600)
        low, high = (int(v, 16) for v in re.search(r"@@ ([0-9a-f]+)-([0-9a-f]+) : Crash", guest.console()).groups())
        guest.qmp.command("quit")
        guest.process.wait(60)
    pages = disk.expect("ok", "complete").pages_total
    with open(executed, encoding="ascii") as f:
        blocks = [(int(a, 16), int(n) * int(c)) for a, n, c in (line.split() for line in f)]
    blocks = [b for b in blocks if low <= b[0] <= high]
    code = functions(elf_map or os.path.join(BUILD, arch, "capstub.elf.map"))
    starts = {a for a, _, _ in code}
    entered = {offset: sum(1 for a, _ in blocks if a - low - offset in starts) for offset in range(-0x10000, high - low, 512)}
    best = max(entered, key=entered.get)
    check(entered[best] > 100, "the image was not found in memory")
    counts = dict.fromkeys((stage for stage, _ in STAGES), 0)
    for a, n in blocks:
        i = bisect.bisect_right(code, (a - low - best, 1 << 64, "")) - 1
        if i >= 0 and a - low - best < code[i][0] + code[i][1]:
            counts[stage_of(code[i][2])] += n
    return counts, pages
