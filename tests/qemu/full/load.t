#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""capstub load: its own segments, no purgatory, nothing moved. Every page of RAM is in the dump, low memory too.

ONLY=text runs the cases whose title contains it.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import BUILD, Disk, Guest, case, check, done, wanted  # noqa: E402

ROWS = [
    dict(crashkernel="1M"),
    dict(crashkernel="512K", cpu="max", smp=4, panic="oops", panic_cpu=2),
    dict(suite="bullseye", cpu="qemu64", smp=2),
    dict(suite="trixie", cpu="max", smp=4),
    dict(suite="trixie", cpu="qemu64", kexec="load --syscall=load"),
    dict(kexec="load --syscall=file"),
    dict(arch="arm64"),
    dict(arch="arm64", suite="bullseye", smp=2, panic_cpu=1),
    dict(arch="arm64", suite="trixie", machine="virt,gic-version=3,virtualization=on"),
]


for row in ROWS:
    title = " ".join("%s=%s" % kv for kv in row.items())
    if not wanted(title):
        continue
    with case(title):
        row = dict(dict(kexec="load", suite="bookworm", mem="512M"), **row)
        disk = Disk("1G").format("target")
        with Guest(disks=[disk], io=True, level=0, before="capstub %s -n --words=dump=any --image=/stub" % row["kexec"], **row) as guest:
            guest.capture()
            label = disk.expect("ok", "complete")
            check(label.release == guest.release, "release %s" % label.release)
            found = guest.compare_pages(disk)
            check(found["differing"] == 0 and found["unreadable"] == 0 and found["missing"] == 0, "pages: %r" % found)
            if "file" not in row["kexec"] and row.get("arch") != "arm64":
                # The first MiB has 159 pages of RAM: kexec_file_load leaves them out
                check(found["absent"] < 400, "low memory is missing: %r" % found)


def tampered(title, change, **args):
    """What is loaded changes before the crash: nothing is written."""
    if not wanted(title):
        return
    with case(title):
        disk = Disk("64M").format()
        with Guest(disks=[disk], kexec="load", mem="256M", pause=True, level=None, compress=None, **args) as guest:
            guest.tamper(change)
            guest.capture(stop="image-checksum")
        disk.untouched()


def elfcorehdr(guest):
    at, _ = guest.find_elfcorehdr()
    guest.write_memory(at + 64 + 48, b"\x01")      # p_align of the first program header: nobody would look at it


def image(guest):
    start, end = guest.reserved[0]
    memory = guest.read_memory(start, end - start)
    at = memory.index(b"\0CAPSEAL")
    guest.write_memory(start + at + 100000, bytes([memory[at + 100000] ^ 1]))


def parameters(guest):
    start, end = guest.reserved[0]
    memory = guest.read_memory(start, end - start)
    at = max(memory.rindex(b" level=") if b" level=" in memory else 0, memory.rindex(b"dump=any"))
    guest.write_memory(start + at, b"D")


for arch in ("x86_64", "arm64"):
    for change in (elfcorehdr, image, parameters):
        tampered("%s: the %s changes before the crash" % (arch, change.__name__), change, arch=arch)

SAYS = r"""
say() {
	echo "@@ $1: $(capstub load $2 --image=/stub 2>&1 | tr '\n' ' ') loaded $(cat /sys/kernel/kexec_crash_loaded)"
}
mkdir -p /run
mount -t securityfs securityfs /sys/kernel/security
say good --words=dump=any
say words --words=level=1
echo x >/not-a-stub
echo "@@ image: $(capstub load --words=dump=any --image=/not-a-stub 2>&1) loaded $(cat /sys/kernel/kexec_crash_loaded)"
say restored "--words=dump=any --syscall=file"
capstub unload && echo "@@ unloaded $(cat /sys/kernel/kexec_crash_loaded)"
say again --words=dump=any
echo integrity >/sys/kernel/security/lockdown
say lockdown --words=dump=any
echo 1 >/proc/sys/kernel/kexec_load_disabled
say disabled --words=dump=any
capstub unload 2>&1 | sed 's/^/@@ unload: /'
"""

if wanted("sentences"):
    with case("sentences, and what was loaded stays"):
        stub = os.path.join(BUILD, "x86_64/capstub.bzImage")
        # 6.12's kexec_file_load has no room for its own elfcorehdr in 1 MiB, and finds out when the old image is gone
        with Guest(suite="trixie", kexec="", mem="256M", panic="wait", before=SAYS,
                   files=["stub=" + stub, "bin/capstub=" + os.path.join(BUILD, "x86_64/loader")]) as guest:
            guest.boot()
            said = guest.console()
            for want in (r"good: /stub is loaded: dump=any +loaded 1", r"words: capstub: no good dump= word.* loaded 1",
                         r"image: capstub: /not-a-stub is no image of the stub loaded 1", r"restored: .*larger crashkernel.* is loaded: dump=any +loaded 1", r"unloaded 0",
                         r"again: /stub is loaded", r"lockdown: .*signed images only.* loaded 1",
                         r"disabled: .*kexec_load_disabled is 1.* loaded 1", r"unload: .*kexec_load_disabled is 1"):
                check(re.search("^@@ " + want, said, re.M), "no " + want)

done()
