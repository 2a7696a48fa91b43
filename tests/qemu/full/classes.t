#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which pages a dump holds, against that suite's makedumpfile on the same memory. x86_64.

A guest full of page cache, tmpfs, anonymous memory, huge pages of every kind and fragments is captured at level 31. Its
memory, which outlives the stub, is written as the ELF vmcore that a second Linux would have seen, and makedumpfile filters
that. Then the stub's classifier runs on the host over the same vmcore: all 32 levels, and damaged in 3000 ways.
And a small guest has poisoned pages, which are left out at level 0 too.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import (QEMU, TOP, Disk, Guest, bitmap2, case, check, done, host_programs, makedumpfile,  # noqa: E402
                     note, private, run, wanted)

# hugetlb pages are the kernel's to give at boot; what is written to a disk has buffers, hence
# "private" cache, and stays as long as the disk is open
WORDS = "hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=16"
BEFORE = """
echo always >/sys/kernel/mm/transparent_hugepage/enabled
mkdir -p /t /thp; mount -t tmpfs -o size=300m none /t; mount -t tmpfs -o huge=always,size=100m none /thp
head -c 40000000 /dev/urandom >/t/a; cat /modules/*.ko >/thp/b; i=0; while [ $i -lt 2000 ]; do cp /case /t/$i; i=$((i + 1)); done
rm /t/*[13579]; sleep 100000 </dev/vda & sleep 100000 </dev/vdb &
dd if=/dev/vda of=/dev/null bs=1M count=64; dd if=/t/a of=/dev/vdb bs=1M
/load & while ! grep -q AnonHugePages /proc/meminfo; do sleep 1; done; wait_for=120
while [ $wait_for -gt 0 ] && [ "$(ps | grep -c '[/]load')" -lt 6 ]; do sleep 1; wait_for=$((wait_for - 1)); done
grep -E 'AnonPages|AnonHuge|ShmemHuge|Shmem:|^Cached|HugePages_Free|MemFree' /proc/meminfo | sed 's/^/@@ /'
"""

BIN = host_programs()
for number, (suite, kexec) in enumerate((("bullseye", "-p"), ("bookworm", "-p"), ("trixie", "-c -p"))):
    if not wanted(suite):
        continue
    vmcore = None
    with case(suite + ": bitmap2 of the stub's dump is makedumpfile's") as c:
        load = c.path("load")
        run("gcc", "-static", "-O2", "-o", load, os.path.join(QEMU, "load.c"))
        disk = Disk("1G", name="target").format("target")
        with Guest(disks=[disk, Disk("64M")], suite=suite, cpu="max", mem="2560M", smp=2, level=31, compress="lzo", kexec=kexec, words=WORDS,
                   files=["load=" + load], before=BEFORE) as guest:
            guest.boot(600)
            check("@@ memory is filled" in guest.console(), "the guest's memory was not filled")
            guest.wait_end(300)
            vmcore = guest.vmcore(os.path.join(os.path.dirname(c.dir), suite + ".vmcore"))
        label = disk.expect("ok", "complete")
        note("pages by class: %r" % (label.by_class,))
        check(all(label.by_class[i] for i in range(6)), "not every class has pages")
        theirs = c.path("theirs")
        makedumpfile("-l", "-d", "31", vmcore, theirs, suite=suite)
        ours, other = bitmap2(disk.path), bitmap2(theirs)
        here, there = ours & ~other, other & ~ours
        note("%d pages stored, %d here only, %d there only; bytes %d to %d: %.3f" % (
            bin(ours).count("1"), bin(here).count("1"), bin(there).count("1"), label.dump_bytes, os.path.getsize(theirs),
            label.dump_bytes / os.path.getsize(theirs)))
        # makedumpfile 1.7.6 finds no free pages in 6.12, so it keeps exactly those
        missed = label.by_class[5] if suite == "trixie" else 0
        check(not here, "pages that makedumpfile leaves out are here")
        check(bin(there).count("1") == missed, "%d pages of makedumpfile's are not here, expected %d" % (bin(there).count("1"), missed))
        if not missed:
            check(label.dump_bytes <= 1.02 * os.path.getsize(theirs), "larger than makedumpfile's by more than 2 %")
        # The log as the stub saved it beside the dump
        log = c.path("dmesg")
        makedumpfile("--dump-dmesg", vmcore, log, suite=suite)
        with open(log, encoding="utf-8", errors="replace") as f:
            text = f.read()
        # makedumpfile 1.7.6 also prints the caller, which Debian's kernel (no CONFIG_PRINTK_CALLER) does not
        # and sets the further lines of a record in by that much more
        text = re.sub(r"^(\[ *\d+\.\d+\] )\[ *[TC]\d+\] ", r"\1", text, flags=re.M)
        ours, text = (re.sub(r"^ +", " ", t, flags=re.M) for t in (disk.dmesg(), text))
        check("sysrq triggered crash" in text and text == ours, "dmesg differs from makedumpfile's: " + log)

    if not vmcore:
        continue
    with case(suite + ": the classifier equals makedumpfile at all 32 levels"):
        out = run(os.path.join(TOP, "tests/host/levels.sh"), BIN, "x86_64", vmcore, *private("makedumpfile", "x86_64", suite),
                  timeout=1200, ok=(0, 1))
        note(out)
        lines = [line for line in out.splitlines() if line.startswith("level ")]
        check(len(lines) == 32, "%d levels compared" % len(lines))
        for line in lines:
            level = int(line.split(":")[0][6:])
            same = line.endswith("kept here only 0, left out here only 0")
            if suite == "trixie" and level & 16:
                check(line.endswith("kept here only 0, left out here only %d" % label.by_class[5]), "not the free pages: " + line)
            else:
                check(same, line)

    with case(suite + ": damaged in 1000 ways, and without each line of VMCOREINFO"):
        note(run(os.path.join(BIN, "corrupt-x86_64"), "-n", "1000", "-s", str(1000 * number), vmcore, timeout=3600))
    os.unlink(vmcore)

# Pages that the kernel has given up as it does after a machine check: their contents must not be read, whatever the level
POISON = (0x6000000, 0x9123000, 0xb000000)
if wanted("poisoned pages at level 0"):
    with case("poisoned pages at level 0"):
        disk = Disk("1G").format("target")
        poison = "".join("echo %#x >/sys/devices/system/memory/hard_offline_page\n" % a for a in POISON)
        with Guest(disks=[disk], mem="256M", level=0, before=poison + "sed -n 's/^HardwareCorrupted/@@ &/p' /proc/meminfo\n") as guest:
            guest.capture()
            corrupted = re.search(r"^@@ HardwareCorrupted: +(\d+) kB", guest.console(), re.M)
            check(corrupted and int(corrupted[1]) == 4 * len(POISON), "the kernel has not given up these pages")
            seen = guest.compare_pages(disk, want_all=False)
        label, held = disk.expect("ok", "complete"), bitmap2(disk.path)
        check(label.by_class[7] == len(POISON), "%d poisoned pages were found" % label.by_class[7])
        check(not [a for a in POISON if held >> a // 4096 & 1], "a poisoned page is in the dump")
        check(bin(held).count("1") == seen["compared"] == label.pages_total - len(POISON), "other pages are missing: %r" % seen)

done()
