#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The power fails at random moments: the target is untouched, or what is in it can be read and is right.

QEMU is killed, not stopped: stopping would let requests in flight finish. The guest's memory is a
file, which outlives it. The disk is slowed down so that a capture takes seconds. FULL=1 cuts more
often and lets crash open what should be whole enough (fetches debug symbols); SEED=n repeats the
moments of an earlier run; ARCH=x86_64|arm64 is for one of them alone.
"""
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import (GIB, KIB, MIB, Disk, Guest, bitmap2, case, check, crash, debug_vmlinux, done, elfcorehdr_in,  # noqa: E402
                     judge, kernel_image, note, put_back, range_bits, slowed)

FULL = bool(os.environ.get("FULL"))
CUTS = 20 if FULL else 3
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 30))
MEM = 256 * MIB
RAW = {"driver": "raw", "file": {"driver": "file", "filename": "@PATH@"}}
# driver, level, compression, about what is written, in some six seconds
ROWS = [("virtio", 31, "lzo", 24 * MIB), ("nvme", 1, "none", 80 * MIB)]
# machine, start of its RAM
MACHINES = {"x86_64": ("q35", 0), "arm64": ("virt,gic-version=3", GIB)}

note("SEED=%d" % SEED)
rng = random.Random(SEED)


def moment(i):
    """(line after which to cut, seconds, share of what is written). The first cuts fall before the dump begins, the others
    are spread over it by bytes, so that few cuts meet every stage on a machine of any speed."""
    if i * 4 < CUTS:
        return r"^capstub: version", rng.uniform(0, 0.6), 0
    step = 1.0 / (CUTS - CUTS // 4)
    return r"^capstub: dumping to", rng.uniform(0, 0.1), step * (i - CUTS // 4 + rng.random())


def open_with_crash(disk, guest, memory):
    """crash opens what holds all that the level keeps of the kernel image. --minimal needs no more than that; memory: file,
    from address 0."""
    start, end = guest.reserved[0]
    with open(memory, "rb") as f:
        f.seek(start)
        _, raw = elfcorehdr_in(f.read(end - start))
    want = range_bits(kernel_image(raw))
    if disk.read(0, 8) != b"KDUMP   ":
        return False
    lacking = want & bitmap2(disk.path) & ~bitmap2(disk.path, filled=True)
    if lacking:
        note("%d pages of the kernel image are not there" % bin(lacking).count("1"))
        return False
    text = crash(debug_vmlinux(), disk.path, ["log"], options=["--minimal"])
    check("sysrq triggered crash" in text, "crash --minimal: " + text[-2000:])
    # The rest may be missing: full crash opens it or says why not
    text = crash(debug_vmlinux(), disk.path, ["bt"])
    note("crash --minimal: log; crash: " + ("bt" if "sysrq_handle_crash" in text else text.strip().split("\n")[-1]))
    return True


def cut(arch, i):
    driver, level, compress, total = ROWS[i % 2]
    machine, base = MACHINES[arch]
    crashable = FULL and arch == "x86_64"
    pattern, delay, share = moment(i)
    with case("%s, cut %d: %s, level %d, %.2f s after '%s' and %d KiB" %
              (arch, i + 1, driver, level, delay, pattern.split(": ")[1], total * share / KIB)) as c:
        node, slow = slowed(RAW, total // 6)
        disk = Disk("512M", driver=driver, blockdev=node).format("target")
        memory = c.path("ram")
        extra = ["-object", "memory-backend-file,id=ram,size=%d,mem-path=%s,share=on" % (MEM, memory)] + slow
        # nokaslr: the kernel image is among the first pages, so that crash has something to open. On arm64 kexec-tools
        # 2.0.25 does not load beside it ("setup_2nd_dtb failed")
        with Guest(disks=[disk], arch=arch, mem=MEM, machine=machine + ",memory-backend=ram", level=level,
                   compress=compress, extra=extra, words="nokaslr" if crashable else "") as guest:
            guest.boot()
            guest.wait("stub", 60, pattern)
            while guest.written() < total * share and not guest.qmp.seen("SHUTDOWN"):
                guest.qmp.poll(0.01)
            time.sleep(delay)
            guest.process.kill()
            guest.process.wait()
        put_back(guest, memory, base)
        pages = judge(disk, guest, "%s@%#x" % (memory, base)) > 0
        return pages, crashable and open_with_crash(disk, guest, memory)
    return False, False


for arch in [os.environ["ARCH"]] if os.environ.get("ARCH") else MACHINES:
    with_pages, with_crash = (sum(x) for x in zip(*[cut(arch, i) for i in range(CUTS)]))
    with case(arch + ", cuts in the middle of the dump"):
        check(with_pages * 3 >= CUTS, "only %d of %d images hold pages" % (with_pages, CUTS))
        check(with_crash * 5 >= CUTS or not FULL or arch != "x86_64", "crash opened %d of %d images" % (with_crash, CUTS))

done()
