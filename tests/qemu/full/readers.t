#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What users read dumps with: crash and Debian's debug vmlinux, makedumpfile, gdb. x86_64; full/readers-arm64.t has arm64.

For each kernel the same guest is also captured by a second Linux and makedumpfile, and crash may complain about our dump
of nothing that it does not complain about there. Fetches 2.7 GB of debug symbols. Needs root, for a loop device.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import (BUILD, Disk, Guest, capstub, capture_linux, case, check, crash, debug_vmlinux, done,  # noqa: E402
                     makedumpfile, note, run, wanted)

COMMANDS = ["sys", "bt -a", "ps", "log", "mod", "kmem -i"]
# What crash says when it cannot read something or finds it wrong
COMPLAINT = re.compile(r"(?i)^.*\b(?:warning|error|invalid|cannot|corrupt\w*|excluded|unavailable|failed|duplicate|zero)\b.*$", re.M)
# One user process, its memory, a file in memory
BEFORE = ("mkdir -p /fill && mount -t tmpfs none /fill && cat /bin/busybox >/fill/file && mkfifo /fill/fifo; "
          "sleep 1000 </fill/fifo & head -c 8000000 /dev/urandom >/fill/fifo &")


def complaints(text):
    """The kinds of complaint in crash's output: addresses and numbers do not count. The dead kernel's own log is not crash's."""
    log = re.search(r"^\[ +0\.0+\] Linux version.*?(?=^ +MODULE)", text, re.M | re.S)
    check(log, "no log: " + text[-1000:])
    return {re.sub(r"\b(0x)?[0-9a-f]*[0-9][0-9a-f]*\b", "N", line.strip()) for line in COMPLAINT.findall(text.replace(log.group(0), ""))}


def judge(text, release, cpus):
    """Everything that the six commands are to show."""
    for what, pattern in (
            ("sys: release", r"^ +RELEASE: %s$" % re.escape(release)),
            ("sys: CPUs", r"^ +CPUS: %d\b" % cpus),
            ("sys: panic", r"PANIC: .*sysrq"),
            ("bt: panicking task", r"^ ?#\d+ \[\w+\] sysrq_handle_crash at"),
            ("bt: from user space", r"^ ?#\d+ \[\w+\] entry_SYSCALL_64"),
            ("ps: init", r"^ +1 +0 +\d+ +\w+ +\w+ +\S+ +\d+ +\d+ +(init|busybox)$"),
            ("ps: kernel threads", r"\[kthreadd\]$"),
            ("ps: the panicking task is active", r"^> +\d+ .*\bsh$"),
            ("log: panic", r"Kernel panic - not syncing: sysrq triggered crash"),
            ("mod", r"^\w+ +virtio_blk "),
            ("kmem -i", r"^ +TOTAL MEM +\d+ .*[MG]B"),
            ("kmem -i: slab", r"^ +SLAB +\d+ ")):
        check(re.search(pattern, text, re.M), "crash does not show " + what)
    panics = re.findall(r"^PID: .* CPU: (\d+) ", text, re.M)
    check(sorted(panics) == [str(i) for i in range(cpus)], "bt -a shows CPUs " + " ".join(panics))


# suite, guest: 6.12's kexec_file_load wants more than 1 MiB
for suite, kexec in (("bullseye", "-p"), ("bookworm", "-p"), ("trixie", "-c -p")):
    if not wanted(suite + ": crash"):
        continue
    with case(suite + ": crash shows as much as of makedumpfile's dump") as c:
        vmlinux = debug_vmlinux(suite)
        common = dict(suite=suite, mem="1G", smp=2, panic_cpu=1, before=BEFORE)
        ours, theirs = Disk("1G", name="ours").format("target"), Disk("1G", name="theirs")
        with Guest(disks=[ours], level=31, compress="lzo", kexec=kexec, **common) as guest:
            guest.capture()
        label = ours.expect("ok", "complete")
        check(label.dump_level == 31, "level %d" % label.dump_level)
        text = crash(vmlinux, ours.path, COMMANDS)
        with open(c.path("crash"), "w", encoding="utf-8") as f:
            f.write(text)
        judge(text, guest.release, 2)
        with Guest(disks=[theirs], level=None, compress=None,
                   **dict(common, **capture_linux("x86_64", suite, 31, "-l", theirs.guest_name(0)))) as guest:
            guest.boot()
            guest.wait_end(600)
            check("@@ dumped" in guest.console(), "the capture Linux did not dump")
        other = crash(vmlinux, theirs.path, COMMANDS)
        new = complaints(text) - complaints(other)
        note("complaints about both: %s" % (sorted(complaints(text) & complaints(other)) or "none"))
        check(not new, "crash complains about ours only: %s" % sorted(new))
        mine, yours = (len(re.findall(r"^[> ] +\d+ +\d+ +\d+ +\w{16} +\w\w ", t, re.M)) for t in (text, other))
        note("tasks: %d, makedumpfile's %d" % (mine, yours))
        check(mine > 40 and abs(mine - yours) < 15, "ps shows %d tasks, of makedumpfile's dump %d" % (mine, yours))

if wanted("other readers"):
    with case("other readers: block device, makedumpfile, gdb") as c:
        vmlinux = debug_vmlinux("bookworm")
        disk = Disk("1G", table="gpt").format("target")
        with Guest(disks=[disk], mem="512M", level=1, compress="lzo", smp=2, panic_cpu=1) as guest:
            guest.capture()
            disk.expect("ok", "complete")
            guest.compare_pages(disk)
        # The partition as the kernel shows it, not a copy of it
        loop = run("losetup", "--find", "--show", "--offset", str(disk.start), "--sizelimit",
                   str(disk.end - disk.start), disk.path).strip()
        try:
            text = crash(vmlinux, loop, ["bt", "ps", "log"], suite="bookworm")
            check(re.search(r"^ ?#\d+ \[\w+\] sysrq_handle_crash at", text, re.M), text[:3000])
            check(re.search(r"^> .*\bsh$", text, re.M) and "Kernel panic - not syncing: sysrq" in text, text[:3000])
            dmesg, again, saved = c.path("dmesg"), c.path("again"), c.path("saved")
            makedumpfile("--dump-dmesg", loop, dmesg)
            with open(dmesg, encoding="utf-8", errors="replace") as f:
                check("sysrq triggered crash" in f.read(), "no panic in makedumpfile's dmesg")
            makedumpfile("-l", "-d", "31", loop, again)
            check(os.path.getsize(again) < disk.label().dump_bytes, "filtering again made it no smaller")
            text = crash(vmlinux, again, ["bt"])
            check("sysrq_handle_crash" in text, text[:3000])
            # libkdumpfile, on the refiltered one too; the memory is gone with the guest: present pages are counted
            out = run(os.path.join(BUILD, "pages"), again)
            check(re.search(r"unreadable=0\b", out) and int(re.search(r"present=(\d+)", out).group(1)) > 5000, out)
            capstub("save", "--format", "elf", "-o", saved, loop)
        finally:
            run("losetup", "-d", loop)
        elf = os.path.join(saved, "vmcore")
        with open(elf, "rb") as f:
            offset = re.search(rb"KERNELOFFSET=([0-9a-f]+)", f.read(1 << 20)).group(1).decode()
        out = run("gdb", "-batch", "-nx", "-ex", "core-file " + elf, "-ex", "symbol-file -o 0x%s %s" % (offset, vmlinux),
                  "-ex", "info threads", "-ex", "info registers rip", "-ex", "bt 8",
                  "-ex", "print panic_cpu.counter", "-ex", "print (char *)init_uts_ns.name.release", timeout=600)
        note(out[-1500:])
        check(re.search(r"^rip +0x\w+ +0x\w+ <__crash_kexec\+", out, re.M), "registers: " + out)
        check(re.search(r"^#\d+ .*\bsysrq_handle_crash\b", out, re.M), "stack: " + out)
        check(re.search(r"^\$1 = 1$", out, re.M), "panic_cpu: " + out)
        check(guest.release in out, "init_uts_ns: " + out)

done()
