#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold the rules of the house about who may know whom: folders, not lists of files. Run from the top.

    stub/           its own top level (arch.h, bits, idle, log, timeout, uart) is what everything may use
    stub/format/    pure and shared with tools/: only contracts and bits
    stub/boot/      what we were told
    stub/dead/      the dead machine, read only; never a disk or a way out
    stub/disk/      which disks exist; devices.* is the one place that names drivers
    stub/watchdog.c which watchdogs exist; it too names drivers
    stub/send/      the ways out: they know the dead machine and the disks
    stub/serve/     gdb looks at the dead machine: never a disk or a way out
    drivers/        their own buses, and the contracts blk.h, devices.h, boot_info.h, acpi.h; never the dump.
                    Memory is handed to devices by dma.h alone (iommu/ stands behind it)
    arch/           what we were told and how dead memory is mapped; never drivers/
    include/        nothing of ours, and no logic
    tools/          what is pure: contracts, format/; the loader also the words of the command line and the image's seal,
                    the report what reads the dead kernel's log and symbols
    all             no #if on an architecture outside arch/ and linker/, no weak symbols, no include
                    cycle, no "../" include, volatile in arch/*/io.h only (and in its test double),
                    no loop that waits without idle()
"""
import glob
import os
import re
import sys

BASE = ("include/", "stub/arch.h", "stub/bits.h", "stub/idle.h", "stub/log.h", "stub/mem.h", "stub/overlay.h", "stub/reset.h", "stub/timeout.h", "stub/uart.h", "stub/format/", "stub/boot/")

# folder -> prefixes of what it may include; the longest folder that fits a file counts
ALLOWED = {
    "stub/": ("stub/", "include/"),
    "stub/format/": ("include/", "stub/bits.h", "stub/format/"),
    "stub/boot/": BASE,
    "stub/dead/": BASE + ("stub/dead/",),
    "stub/disk/": BASE + ("stub/disk/",),
    "stub/disk/devices.c": BASE + ("stub/disk/", "drivers/"),
    "stub/watchdog.c": BASE + ("stub/watchdog.h", "drivers/watchdog/"),
    "stub/send/": BASE + ("stub/send/", "stub/dead/", "stub/disk/"),
    "stub/serve/": BASE + ("stub/serve/", "stub/dead/"),
    "drivers/": BASE + ("drivers/", "stub/disk/blk.h", "stub/disk/devices.h"),
    "arch/": BASE + ("arch/",),
    "include/": ("include/",),
    "tools/": ("tools/", "include/", "stub/bits.h", "stub/format/"),
    "tools/report/": ("tools/", "include/", "stub/bits.h", "stub/format/", "stub/log.h", "stub/idle.h", "stub/dead/kallsyms.h", "stub/dead/dmesg.h"),
    "tools/load/": ("tools/", "include/", "stub/bits.h", "stub/format/", "stub/boot/seal.h", "stub/boot/cmdline.h"),
}
ARCH_MACROS = re.compile(r"__x86_64__|__aarch64__|__i386__|__arm__|CONFIG_X86|CONFIG_ARM")
# What a driver gets from drivers/dma.h and does not do by itself
BY_HAND = re.compile(r"\bvirt_to_phys\b|\bpci_set_master\b|\bdma_clean\b|\bdma_invalidate\b")
WEAK = re.compile(r"__attribute__\s*\(\(.*\bweak\b|#pragma\s+weak|^\s*\.weak\b")

# newlib is built without long long and C99 conversions: h, l and one letter after that. Another would print rubbish
# and shift the arguments behind it. Both architectures are LP64, so %lu takes uint64_t and size_t as they are
BAD_PRINTF = re.compile(r'%[-+ #0-9.*]*(?:ll|hh|z|j|t)[diouxX]')

problems = []


def problem(path, line, text):
    problems.append("%s:%d: %s" % (path, line, text))


def sources():
    for top in ("stub", "drivers", "arch", "include", "tools"):
        for path in sorted(glob.glob(top + "/**/*", recursive=True)):
            if path.endswith((".c", ".h", ".S")):
                yield max((f for f in ALLOWED if path.startswith(f)), key=len), path


def resolve(name, path):
    """Path in the tree that an include of ours names; None for a system header."""
    arch = re.match(r"arch/[^/]+/", path)
    for folder in ("", "include/") + ((arch.group(0),) if arch else ()):
        if os.path.exists(folder + name):
            return folder + name
    return None


def strip_comments(text):
    """Blank out comments and string literals, keeping the lines."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"'
    return re.sub(pattern, lambda m: "\n" * m.group(0).count("\n"), text, flags=re.S)


def check_file(layer, path, graph):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    if "SPDX-License-Identifier: GPL-2.0-or-later" not in text.split("\n", 1)[0]:
        problem(path, 1, "no SPDX line")
    for nr, line in enumerate(text.split("\n"), 1):
        if layer.startswith(("stub/", "drivers/", "arch/")) and BAD_PRINTF.search(line):
            problem(path, nr, "newlib's small printf does not know this length: %lu takes uint64_t and size_t")
        found = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if not found:
            continue
        quote, name = found.groups()
        if ".." in name:
            problem(path, nr, "include by a relative path")
        target = resolve(name, path)
        if quote == "<":
            if target and not target.startswith("include/"):
                if os.path.basename(target) not in ("io.h", "cpu.h"):
                    problem(path, nr, "only <io.h> and <cpu.h> are included bare")
            continue
        if not target:
            problem(path, nr, '"%s" is not in the tree' % name)
            continue
        graph.setdefault(path, []).append(target)
        if not target.startswith(ALLOWED[layer]):
            problem(path, nr, "%s may not include %s" % (layer, target))
    for nr, line in enumerate(strip_comments(text).split("\n"), 1):
        if layer != "arch/" and re.match(r"\s*#\s*(if|elif)", line) and ARCH_MACROS.search(line):
            problem(path, nr, "#if on an architecture outside arch/")
        if "cpu_relax" in line and path != "stub/idle.c" and not re.match(r"arch/[^/]+/io.h$", path):
            problem(path, nr, "waits by itself: idle() or stub/timeout.h")
        if path.startswith("drivers/") and not re.match(r"drivers/(dma\.|pci\.|iommu/)", path) and BY_HAND.search(line):
            problem(path, nr, "memory and bus mastering are drivers/dma.h's")
        if WEAK.search(line):
            problem(path, nr, "weak symbol")
        if re.search(r"\bvolatile\b", line) and not re.search(r"\basm__? volatile\b|\basm volatile\b", line):
            if layer.startswith(("stub/", "drivers/")):
                problem(path, nr, "volatile outside arch/*/io.h")


def check_cycles(graph):
    done, stack = set(), []

    def visit(node):
        if node in stack:
            problem(node, 1, "include cycle: " + " -> ".join(stack[stack.index(node):] + [node]))
            return
        if node in done:
            return
        stack.append(node)
        for n in graph.get(node, []):
            visit(n)
        stack.pop()
        done.add(node)

    for node in list(graph):
        visit(node)


def main():
    graph, count = {}, 0
    for layer, path in sources():
        check_file(layer, path, graph)
        count += 1
    check_cycles(graph)
    for p in problems:
        print(p, file=sys.stderr)
    if not count:
        sys.exit("check-rules: no sources; run from the top of the tree")
    print("  RULES   %d files, %d problems" % (count, len(problems)))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
