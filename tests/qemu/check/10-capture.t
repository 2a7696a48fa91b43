#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The true path on x86_64: each row boots, loads, crashes, dumps, and every page is compared.

Few rows that between them meet every value of every column; full/matrix.t has the rest.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import Disk, Guest, case, check, done  # noqa: E402

ROWS = [
    # disk, guest
    (dict(driver="virtio"),
     dict(cpu="qemu64", kexec="-p", panic="sysrq")),
    (dict(driver="nvme", table="gpt"),
     dict(cpu="max", kexec="-s -p", smp=4, panic="oops", panic_cpu=3)),
    (dict(driver="virtio-legacy", table="mbr"),
     dict(machine="pc", kexec="-s -p", panic="nmi", words="unknown_nmi_panic")),
    (dict(driver="nvme", block=4096),
     dict(kexec="-p", smp=4, panic="sysrq", panic_cpu=2)),
]

# The first line that the stub shows of the dead kernel's log: what it died of, not what came last
WHY = dict(sysrq="Kernel panic - not syncing: sysrq triggered crash", oops="invalid opcode: 0000 [#1]",
           nmi="Kernel panic - not syncing: NMI: Not continuing")


def title(disk, guest):
    return " ".join("%s=%s" % kv for kv in list(disk.items()) + list(guest.items()) if kv[0] != "words")


for disk_args, guest_args in ROWS:
    with case(title(disk_args, guest_args)):
        disk = Disk("1G", **disk_args).format("target")
        with Guest(disks=[disk], mem="512M", io=True, level=0, **guest_args) as guest:
            guest.capture()
            shown = re.findall(r"^capstub: \| (.*)$", guest.console(), re.M)
            check(shown and WHY[guest_args["panic"]] in shown[0], "the console begins with %s" % shown[:1])
            label = disk.expect("ok", "complete")
            check(label.release == guest.release, "release %s" % label.release)
            check(label.captures == 1 and label.pages_missing == 0, "counts in the label")
            guest.compare_pages(disk)

done()
