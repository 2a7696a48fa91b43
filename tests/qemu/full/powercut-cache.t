#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The power fails, and the disk's write cache goes with it: whatever was not flushed is lost, in part and in no order.

As tests/qemu/check/40-powercut.t, with the disk behind a server that keeps what it was not told to flush. SEED=n repeats the
moments of an earlier run.
"""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import CachedDisk, Disk, Guest, MIB, case, check, done, judge, note, put_back, slowed  # noqa: E402

CUTS = 6
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 30))
MEM = 256 * MIB
# driver, level, compression, about what is written, in some eight seconds
ROWS = [("virtio", 31, "lzo", 24 * MIB), ("nvme", 1, "none", 80 * MIB)]

note("SEED=%d" % SEED)
rng = random.Random(SEED)
with_pages = lost = 0
for i in range(CUTS):
    driver, level, compress, total = ROWS[i % 2]
    share = (i + rng.random()) / CUTS
    unit, keep = rng.choice((512, 4096)), rng.choice((0, 2, 4))
    with case("cut %d: %s, level %d, at %d KiB, one in %d units of %d bytes kept" %
              (i + 1, driver, level, total * share / 1024, keep, unit)) as c:
        disk = Disk("512M", driver=driver)
        disk.format("target")
        server = CachedDisk(disk.path, unit, keep, rng.randrange(1 << 30))
        disk.blockdev, slow = slowed(server.node(), total // 8)
        memory = c.path("ram")
        extra = ["-object", "memory-backend-file,id=ram,size=%d,mem-path=%s,share=on" % (MEM, memory)] + slow
        with Guest(disks=[disk], mem=MEM, machine="q35,memory-backend=ram", level=level, compress=compress, extra=extra) as guest:
            guest.boot()
            guest.wait("stub", 60, r"^capstub: dumping to")
            while guest.written() < total * share and not guest.qmp.seen("SHUTDOWN"):
                guest.qmp.poll(0.01)
            guest.process.kill()
            guest.process.wait()
        server.wait()
        note("%d flushes, %d units lost" % (server.flushes, server.lost))
        lost += server.lost
        put_back(guest, memory, 0)
        with_pages += judge(disk, guest, memory + "@0") > 0
with case("cuts in the middle of the dump"):
    check(with_pages * 3 >= CUTS, "only %d of %d images hold pages" % (with_pages, CUTS))
    check(lost, "no cut lost anything")
done()
