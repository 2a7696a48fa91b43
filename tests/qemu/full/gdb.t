#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A real gdb with Debian's debug vmlinux, on the dead machine itself. Fetches its debug symbols."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import (Disk, Guest, capstub, case, check, debug_vmlinux, done, host_programs, note, run,  # noqa: E402
                     wanted)


def gdb(vmlinux, remote, *commands, program="gdb"):
    """What gdb says to them, with the machine at the other end of a socket or pipe."""
    argv = [program, "-batch", "-nx", "-ex", "set remotetimeout 60", "-ex", "target remote " + remote, vmlinux]
    for command in commands:
        argv += ["-ex", command]
    out = run(*argv, timeout=300)
    note(out[-3000:])
    return out


def contents(path):
    with open(path, "rb") as f:
        return f.read()


def frames(out):
    """The functions of a backtrace."""
    return re.findall(r"^#\d+ +(?:0x\w+ in )?(\w+) \(", out, re.M)


def see(out, what, pattern):
    check(re.search(pattern, out, re.M), "%s: %s" % (what, out[-4000:]))


if wanted("serve=gdb"):
    # Sockets have short names
    with case("serve=gdb: the panicking task, CPUs, memory, no write, reset") as c, tempfile.TemporaryDirectory() as folder:
        socket = os.path.join(folder, "line")
        vmlinux = debug_vmlinux("bookworm")
        disk = Disk("512M").format("target")
        piece = ("&init_uts_ns", "(char*)&init_uts_ns+4096")      # no blanks
        with Guest(disks=[disk], mem="512M", smp=2, panic_cpu=1, level=1, compress="lzo",
                   append="console=ttyS0 serve=gdb:ttyS1 serve-timeout=1200",
                   extra=["-chardev", "socket,id=gdb,server=on,wait=off,path=" + socket, "-serial", "chardev:gdb"]) as guest:
            guest.boot()
            guest.wait("gdb", 300, r"now gdb may look")
            disk.expect("ok", "complete")
            out = gdb(vmlinux, socket, "bt 12", "info threads", "info registers rip", "print panic_cpu.counter",
                      "print (char *)init_uts_ns.name.release", "print linux_banner", "print/x (long)&init_uts_ns",
                      "dump binary memory %s %s %s" % ((c.path("live"),) + piece), "set var panic_cpu.counter = 5",
                      "maintenance packet M0,1:00", "stepi", "monitor kaslr", "monitor dmesg 5", "monitor phys on",
                      "x/4xw 0x1000000", "monitor phys off", "x/xw 0", "print panic_cpu.counter", "thread 1", "bt 3",
                      "monitor reset", "disconnect")
            guest.wait_end(300)
            check(guest.stop_code() == "ok", "stop code " + guest.stop_code())
        # From the panicking task's last frame to its system call
        see(out, "bt", r"^#\d+ .*\bsysrq_handle_crash\b")
        see(out, "bt", r"^#\d+ .*\bpanic \(")
        see(out, "bt", r"^#\d+ .*\bvfs_write\b")
        see(out, "threads", r"^\* 2 +Thread 2 \(CPU 1, pid \d+, panicked\) ")
        see(out, "threads", r"^ +1 +Thread 1 \(CPU 0, pid \d+\) ")
        see(out, "registers", r"^rip +0x\w+ +0x\w+ <__crash_kexec\+")
        see(out, "panic_cpu", r"^\$1 = 1$")
        see(out, "release", r'^\$2 = 0x\w+ <init_uts_ns\S*> "%s"' % re.escape(guest.release))
        see(out, ".rodata", r'^\$3 = (?:0x\w+ <linux_banner> )?"Linux version ' + re.escape(guest.release))
        see(out, "write", r"Cannot access memory at address 0xf\w+$")
        see(out, "write", r'^received: "E01"$')
        see(out, "step", r"The machine is dead: it cannot go on")
        see(out, "KASLR", r"^symbol-file -o 0x\w+ vmlinux$")
        see(out, "dmesg", r"^\[ .*\] .*\w")
        see(out, "physical", r"^0x1000000:\s+0x\w+\s+0x\w+")
        see(out, "user space", r"Cannot access memory at address 0x0$")
        see(out, "nothing was written", r"^\$5 = 1$")
        # The same bytes are in the dump
        saved = c.path("saved")
        capstub("save", "--format", "elf", "-o", saved, disk.path)
        offset = re.search(r"^symbol-file -o (0x\w+) vmlinux$", out, re.M).group(1)
        run("gdb", "-batch", "-nx", "-ex", "core-file " + os.path.join(saved, "vmcore"), "-ex", "symbol-file -o %s %s" % (offset, vmlinux),
            "-ex", "dump binary memory %s %s %s" % ((c.path("saved-piece"),) + piece), timeout=600)
        check(contents(c.path("live")) == contents(c.path("saved-piece")), "other bytes than in the dump")
        check(guest.release.encode() in contents(c.path("live")), "no release in the piece")
        # What serves a dump to gdb shows the same
        again = gdb(vmlinux, "| %s/gdb-x86_64 %s" % (host_programs(), disk.path), "bt 12")
        check(frames(again) == frames(out)[:12], "%s, and of the dump %s" % (frames(out), frames(again)))

if wanted("after=gdb"):
    with case("after=gdb: on the console, when no target took the dump; times out into the reset") as c:
        vmlinux = debug_vmlinux("bookworm")
        with Guest(mem="256M", append="console=ttyS0 dump=LABEL=none after=gdb serve-timeout=60") as guest:
            guest.boot()
            guest.wait("gdb", 300, r"now gdb may look")
            out = gdb(vmlinux, guest.sockets + "/con", "bt 12", "disconnect")
            see(out, "bt", r"^#\d+ .*\bsysrq_handle_crash\b")
            guest.wait_end(300)
            check(guest.stop_code() == "no-target", "stop code " + guest.stop_code())

if wanted("arm64"):
    with case("arm64, the console: CPUs, halt") as c:
        vmlinux = debug_vmlinux("bookworm", "arm64")
        with Guest(arch="arm64", mem="512M", smp=2, panic_cpu=1, dump=None, append="console=ttyS0 serve=gdb:ttyS0") as guest:
            guest.boot(600)
            guest.wait("gdb", 600, r"now gdb may look")
            out = gdb(vmlinux, guest.sockets + "/con", "bt 12", "info threads", "print (char *)init_uts_ns.name.release",
                      "monitor halt", "disconnect", program="gdb-multiarch")
            guest.wait("halt", 300, r"^capstub: halted")
            check(guest.stop_code() == "no-dump-word", "stop code " + guest.stop_code())
        see(out, "bt", r"^#\d+ .*\bsysrq_handle_crash\b")
        see(out, "threads", r"^\* 2 +Thread 2 \(CPU 1, pid \d+, panicked\) ")
        see(out, "release", r'<init_uts_ns\S*> "%s"' % re.escape(guest.release))

done()
