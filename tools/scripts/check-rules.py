#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold the rules of the house about who may know whom. Run from the top of the tree.

    stub/     never drivers/ or an architecture; stub/devices.* is the one place that names drivers
    drivers/  blk, uart, log, timeout, bits, boot_info and their own bus; never the dump
    arch/     the contract in stub/; never drivers/
    include/  nothing of ours, and no logic
    tools/    what is pure: contracts and parsers; never arch.h or drivers
    all       no #if on an architecture outside arch/ and linker/, no weak symbols, no include
              cycle, no "../" include, volatile in arch/*/io.h only (and in its test double)
"""
import glob
import os
import re
import sys

# layer -> layers it may include (by path prefix), and files that are exceptions
ALLOWED = {
    "stub/": ("stub/", "include/"),
    "drivers/": ("drivers/", "stub/acpi.h", "stub/bits.h", "stub/blk.h", "stub/boot_info.h",
                 "stub/crc.h", "stub/log.h", "stub/timeout.h", "stub/uart.h", "stub/arch.h",
                 "stub/devices.h"),
    "arch/": ("arch/", "stub/acpi.h", "stub/arch.h", "stub/bits.h", "stub/boot_info.h",
              "stub/cmdline.h", "stub/crc.h", "stub/log.h", "stub/timeout.h", "stub/uart.h",
              "stub/vmcore.h", "stub/vmcoreinfo.h", "stub/vtop.h", "include/"),
    "include/": ("include/",),
    "tools/": ("tools/", "include/", "stub/bits.h", "stub/crc.h", "stub/frame.h"),
}
EXCEPTIONS = {"stub/devices.c": ("drivers/",)}
ARCH_MACROS = re.compile(r"__x86_64__|__aarch64__|__i386__|__arm__|CONFIG_X86|CONFIG_ARM")
WEAK = re.compile(r"__attribute__\s*\(\(.*\bweak\b|#pragma\s+weak|^\s*\.weak\b")

# newlib is built without long long and C99 conversions: h, l and one letter after that. Another would print rubbish
# and shift the arguments behind it. Both architectures are LP64, so a cast and %lu always do
BAD_PRINTF = re.compile(r'%[-+ #0-9.*]*(?:ll|hh|z|j|t)[diouxX]')

problems = []


def problem(path, line, text):
    problems.append("%s:%d: %s" % (path, line, text))


def sources():
    for layer in ALLOWED:
        for path in sorted(glob.glob(layer + "**/*", recursive=True)):
            if path.endswith((".c", ".h", ".S")):
                yield layer, path


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
        if layer in ("stub/", "drivers/", "arch/") and BAD_PRINTF.search(line):
            problem(path, nr, "newlib's small printf does not know this length: cast, use %lu")
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
        if not target.startswith(ALLOWED[layer] + EXCEPTIONS.get(path, ())):
            problem(path, nr, "%s may not include %s" % (layer, target))
    for nr, line in enumerate(strip_comments(text).split("\n"), 1):
        if layer != "arch/" and re.match(r"\s*#\s*(if|elif)", line) and ARCH_MACROS.search(line):
            problem(path, nr, "#if on an architecture outside arch/")
        if WEAK.search(line):
            problem(path, nr, "weak symbol")
        if re.search(r"\bvolatile\b", line) and not re.search(r"\basm__? volatile\b|\basm volatile\b", line):
            if layer in ("stub/", "drivers/"):
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
