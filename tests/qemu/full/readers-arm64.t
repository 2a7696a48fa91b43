#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that nobody here wrote read what the arm64 stub left on the disk, as it is.

crash and makedumpfile are Debian's arm64 builds, run by qemu-user; libkdumpfile and gdb read every architecture. The first capture
is of 4 CPUs with the panic on another than the boot CPU, at level 31 with LZO; the second, at level 0, holds all pages, and so can
be filtered again at each level by makedumpfile and by the stub's own classifier, of which the bitmaps must be equal.
"""
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import (BUILD, KEEP, TOP, Disk, Guest, capstub, case, check, crash, debug_vmlinux, done, failed,  # noqa: E402
                     host_programs, makedumpfile, note, private, run, wanted, workdir)

SUITE, CPU = "bookworm", 2

# Page cache, and a process with memory of its own
FILL = """
mkdir /fill && mount -t tmpfs none /fill && cat /bin/busybox /modules/*.ko /modules/*.ko >/fill/data
mkfifo /fill/fifo; sleep 100000 </fill/fifo &
cat /fill/data /fill/data | tail -c 10000000 >/fill/fifo &
sleep 3
"""

work = workdir("qemu/readers-arm64-dumps")      # outlives the cases
disk = Disk("1G", driver="nvme", name="filtered").format("target")
full = Disk("1G", driver="virtio", name="full").format("target")
vmlinux = debug_vmlinux(SUITE, "arm64")
pages = os.path.join(BUILD, "pages")


def stored(path):
    """Number of pages in a dump that libkdumpfile reads without an error."""
    counts = dict(re.findall(r"(\w+)=(\d+)", run(pages, path, timeout=900)))
    check(counts["unreadable"] == counts["empty"] == "0", "pages that cannot be read: %r" % counts)
    return int(counts["present"])


with case("capture: level 31, LZO, 4 CPUs; libkdumpfile reads every page and each is right"):
    with Guest(disks=[disk], arch="arm64", suite=SUITE, smp=4, panic_cpu=CPU, level=31, compress="lzo", io=True) as guest:
        guest.capture()
        label = disk.expect("ok", "complete")
        counts = guest.compare_pages(disk, want_all=False)
        check(counts["compared"] > 5000, "%d pages" % counts["compared"])
        check(counts["present"] == label.pages_stored, "%d pages, the label says %d" % (counts["present"], label.pages_stored))

if wanted("crash"):
    with case("crash"):
        out = crash(vmlinux, disk.path, ["sys", "bt", "ps", "mod", "kmem -i", "log"], arch="arm64")
        for what, pattern in (
                ("sys: release", r"^ +RELEASE: %s$" % re.escape(guest.release)),
                ("sys: CPUs", r"^ +CPUS: 4\b"),
                ("sys: panic", r'PANIC: ".*sysrq triggered crash'),
                ("bt: the task that panicked", r'^PID: \d+ .*CPU: %d +COMMAND: "sh"' % CPU),
                ("bt: sysrq_handle_crash", r"^ *#\d+ \[\w+\] sysrq_handle_crash at"),
                ("bt: from user space", r"^ *#\d+ \[\w+\] el0t_64_sync at"),
                ("ps: the task that panicked is active", r"^> +\d+ +\d+ +%d +\w+ +\w+ .*\bsh$" % CPU),
                ("ps: kernel threads", r"\[kthreadd\]$"),
                ("mod", r"^\w+ +virtio_blk "),
                ("kmem -i", r"^ +TOTAL MEM +\d+ .*[MG]B"),
                ("log: first line", r"Booting Linux on physical CPU"),
                ("log: panic", r"Kernel panic - not syncing: sysrq triggered crash")):
            check(re.search(pattern, out, re.M), "crash does not show " + what + "\n" + out[:6000])

if wanted("makedumpfile"):
    with case("makedumpfile: dmesg, and filtered again") as c:
        out, again = c.path("dmesg"), c.path("again")
        makedumpfile("--dump-dmesg", disk.path, out, arch="arm64")
        with open(out, encoding="utf-8", errors="replace") as f:
            text = f.read()
        check("sysrq triggered crash" in text and "Linux version " + guest.release in text, text[-2000:])
        makedumpfile("-l", "-d", "31", disk.path, again, arch="arm64")
        ours, theirs = stored(disk.path), stored(again)
        note("%d pages, %d after makedumpfile -d 31" % (ours, theirs))
        # The kernel's own image is kept here whatever its pages look like; there it is not
        check(ours >= theirs > ours * 9 // 10, "%d pages, of which makedumpfile keeps %d" % (ours, theirs))

if wanted("gdb"):
    with case("gdb: registers of the CPU that panicked, and variables") as c:
        where = c.path("saved")
        out = capstub("save", "--format", "elf", "-o", where, disk.path)
        told = re.search(r"'symbol-file -o (0x[0-9a-f]+) vmlinux' -ex '(core-file \S+)'", out)
        check(told, "no command line for gdb: " + out)
        out = run("gdb-multiarch", "-nx", "-batch", "-ex", "symbol-file -o %s %s" % (told.group(1), vmlinux), "-ex", told.group(2),
                  "-ex", "info registers", "-ex", "bt", "-ex", "info threads", "-ex", "p linux_banner",
                  "-ex", "p init_uts_ns.name.release", "-ex", "p panic_cpu.counter", timeout=600)
        note(out[:3000])
        check(re.search(r"^pc +0x[0-9a-f]{16}", out, re.M), "no registers\n" + out)
        check(re.search(r"^#\d+ .*\b(crash_setup_regs|__crash_kexec|crash_kexec|panic)\b", out, re.M), "no panic in bt\n" + out)
        check(re.search(r"^#\d+ .*\bsysrq_handle_crash\b", out, re.M), "no sysrq_handle_crash in bt\n" + out)
        check("Linux version " + guest.release in out, "linux_banner\n" + out)
        check('"%s' % guest.release in out, "init_uts_ns\n" + out)
        check(re.search(r"^\$\d+ = %d$" % CPU, out, re.M), "panic_cpu\n" + out)

if wanted("bitmap2"):
    with case("bitmap2 equals makedumpfile's at all 32 levels, over a dump of the stub's own"):
        with Guest(disks=[full], arch="arm64", suite=SUITE, smp=2, level=0, io=True, words="hugepages=8", before=FILL) as guest:
            guest.capture()
            full.expect("ok", "complete")
            guest.compare_pages(full)
        out = run(os.path.join(TOP, "tests/host/levels.sh"), host_programs(), "arm64", full.path,
                  *private("makedumpfile", "arm64"), timeout=1200)
        lines = re.findall(r"^level (\d+): stored (\d+), kept here only (\d+), left out here only (\d+)$", out, re.M)
        count = {int(line[0]): int(line[1]) for line in lines}
        note("pages stored, by level: %r" % count)
        check(len(lines) == 32 and all(line[2:] == ("0", "0") for line in lines), "levels differ\n" + out)
        # Each class was met, or equality would say nothing. Zero pages are not left out of a bitmap
        check(all(count[0] - count[bit] > 500 for bit in (2, 4, 8, 16)), "a class without pages: %r" % count)

if not KEEP and not failed():
    shutil.rmtree(work.dir)
done()
