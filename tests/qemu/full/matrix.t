#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels, disks, loaders, CPUs, sizes, panics on x86_64: rows that between them meet every value and the pairs that matter.

Each row captures under I/O of the dead kernel, compares every page with QEMU's memory and checks the bytes around the target.
ONLY=text runs the rows whose title contains it.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import Disk, Guest, case, check, done  # noqa: E402

# Debian 13's kernel sets 900 KiB aside for the elfcorehdr in kexec_file_load (CONFIG_CRASH_HOTPLUG), so there 1 MiB
# is enough for kexec_load only, which its kexec tries second: -c.
ROWS = [
    # suite, disk, guest
    ("bullseye", dict(driver="virtio"), dict(cpu="qemu64", kexec="-p", panic="sysrq")),
    ("bullseye", dict(driver="nvme", block=4096, table="gpt"), dict(cpu="max", kexec="-s -p", smp=4, panic="oops", panic_cpu=2)),
    ("bullseye", dict(driver="virtio-legacy", table="mbr"), dict(machine="pc", kexec="-p", panic="nmi", words="unknown_nmi_panic")),
    ("bookworm", dict(driver="virtio-trans", table="gpt"), dict(cpu="max", kexec="-p", smp=4, panic="nmi", panic_cpu=1,
                                                                words="unknown_nmi_panic")),
    ("bookworm", dict(driver="nvme"), dict(cpu="qemu64", kexec="-s -p", panic="sysrq")),
    ("bookworm", dict(driver="virtio", block=4096), dict(cpu="max", kexec="-s -p", smp=4, panic="sysrq", panic_cpu=3)),
    ("bookworm", dict(driver="nvme", table="mbr"), dict(kexec="-p --elf32-core-headers", smp=2, panic_cpu=1)),
    ("bookworm", dict(driver="virtio", size="10G"), dict(cpu="max", kexec="-p", mem="8G", level=1, panic="sysrq")),
    ("bookworm", dict(driver="nvme", size="10G"), dict(cpu="qemu64", kexec="-s -p", mem="8G", level=1, panic="oops")),
    ("trixie", dict(driver="virtio", table="mbr"), dict(cpu="max", kexec="-c -p", smp=4, panic="oops", panic_cpu=3)),
    ("trixie", dict(driver="nvme", block=4096), dict(cpu="qemu64", kexec="-c -p", panic="sysrq")),
    ("trixie", dict(driver="virtio-legacy"), dict(machine="pc", kexec="-s -p", crashkernel="2M", panic="sysrq")),
]


def title(suite, disk, guest):
    return " ".join([suite] + ["%s=%s" % kv for kv in list(disk.items()) + list(guest.items()) if kv[0] != "words"])


for suite, disk_args, guest_args in ROWS:
    if os.environ.get("ONLY", "") not in title(suite, disk_args, guest_args):
        continue
    with case(title(suite, disk_args, guest_args)):
        disk = Disk(**dict({"size": "1G"}, **disk_args)).format("target")
        with Guest(disks=[disk], suite=suite, io=True, **dict({"mem": "512M", "level": 0}, **guest_args)) as guest:
            guest.capture()
            label = disk.expect("ok", "complete")
            check(label.release == guest.release, "release %s" % label.release)
            check(label.captures == 1 and label.pages_missing == 0, "counts in the label")
            found = guest.compare_pages(disk)
            check(found["differing"] == 0 and found["unreadable"] == 0 and found["missing"] == 0, "pages: %r" % found)

done()
