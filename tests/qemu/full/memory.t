#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that comes after the stub was loaded: the dump is without it, and says so."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import KIB, MIB, Disk, Guest, case, check, done, wanted  # noqa: E402

# Tells when the new memory is online. 6.1 does not bring the elfcorehdr up to date then
GROWN = "(while set -- $(grep MemTotal /proc/meminfo) && [ $2 -lt %d ]; do usleep 100000; done; mark grown) &"


def add_dimm(guest, name, size):
    guest.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": name, "size": size})
    guest.qmp.command("device_add", driver="pc-dimm", id="dimm-" + name, memdev=name)


def run(title, dimms=0, mem="512M", **args):
    if not wanted(title):
        return
    with case(title):
        disk = Disk("1G").format()
        with Guest(disks=[disk], mem=mem, level=31, compress="lzo", words=" memhp_default_state=online", pause=True,
                   extra=["-m", "slots=2,maxmem=4G"], before=GROWN % (dimms * 512 * KIB + 300 * KIB), **args) as guest:
            guest.wait("boot", 300, r"^@@ pause")
            for n in range(dimms):
                add_dimm(guest, "m%d" % n, 512 * MIB)
            guest.wait("memory", 120, r"^@@ grown")
            guest.tamper(lambda g: None)
            guest.capture(stop="ram-missing" if dimms else "ok")
            label = disk.expect("ram-missing", "incomplete") if dimms else disk.expect("ok", "complete")
            check(label.ram_missing == dimms * 512 * MIB, "%d MiB are missing" % (label.ram_missing // MIB))
            guest.compare_pages(disk, want_all=False)


run("2 DIMMs added after the stub was loaded", dimms=2)
# Memory sections that are ours as a whole are online too
run("a reservation of several sections is not missed", mem="1536M", crashkernel="512M")
done()
