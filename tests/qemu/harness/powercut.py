# SPDX-License-Identifier: GPL-2.0-or-later
"""What a capture left behind when the machine was gone from one moment to the next."""
import os
import re

from tap import BUILD, check, note

from .common import capstub, run
from .elfcore import elfcorehdr_in, program_headers
from .label import STATES

STATUS_OFFSET, INCOMPLETE = 424, 8      # of struct disk_dump_header on 64-bit machines, DUMP_DH_COMPRESSED_INCOMPLETE


def slowed(node, bytes_per_second):
    """(-blockdev, further words for QEMU): a disk that takes seconds for a capture."""
    return ({"driver": "throttle", "throttle-group": "slow", "file": node},
            ["-object", "throttle-group,id=slow,x-bps-write=%d" % bytes_per_second])


def judge(disk, guest, ram):
    """The target is untouched, or what is in it can be read and is right. ram: FILE@START. Returns the number of pages compared."""
    label = disk.label()
    if disk.read(0, 8) != b"KDUMP   ":
        check(STATES[label.state] == "empty", "no dump header, but the label says " + STATES[label.state])
        check(disk.read(0, 4096) == b"\0" * 4096, "block 0 is neither a header nor empty")
        return 0
    check(label.captures == 1, "%d captures" % label.captures)
    argv = [os.path.join(BUILD, "pages"), "-m"]
    for start, end in guest.reserved:
        argv += ["-x", "%#x-%#x" % (start, end)]
    out = run(*argv, disk.path, ram, ok=(0, 1))    # 1: no page yet
    note("%s: %s" % (STATES[label.state], out.strip().replace("\n", ", ")))
    counts = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", out)}
    check(counts["differing"] == 0 and counts["unreadable"] == 0, out)
    check(counts["compared"] + counts["skipped"] == counts["present"], out)
    # Whoever says that the dump is whole, the label or the dump's own header, must not lie
    whole = STATES[label.state] == "complete" or not disk.read(STATUS_OFFSET, 4)[0] & INCOMPLETE
    check(not whole or counts["empty"] == 0, "said to be complete, but %d pages are missing" % counts["empty"])
    # The host's tool must agree: whoever looks after the reboot looks with it.
    info = capstub("info", disk.path)
    check(STATES[label.state] in info, info)
    saved = disk.path + ".saved"
    capstub("save", "-o", saved, disk.path)
    check(os.path.exists(os.path.join(saved, "vmcore")), "no vmcore: %s" % os.listdir(saved))
    return counts["compared"]


def put_back(guest, memory, base):
    """What kexec's purgatory moved away (low memory, which the stub uses) is put back in the file of the guest's RAM."""
    start, end = guest.reserved[0]
    with open(memory, "r+b") as f:
        f.seek(start - base)
        for p in program_headers(elfcorehdr_in(f.read(end - start))[1]):
            if p[0] == 1 and p[2] != p[4]:
                f.seek(p[2] - base)
                data = f.read(p[5])
                f.seek(p[4] - base)
                f.write(data)
