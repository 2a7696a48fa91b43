# SPDX-License-Identifier: GPL-2.0-or-later
"""Harness of the QEMU tests: crash a real Debian kernel, let the stub run, judge what it left.

A test is a small program run by prove (TAP on standard output, tests/tap.py):

    from harness import Disk, Guest, case, done

    with case("virtio-blk, modern"):
        disk = Disk("1G", driver="virtio").format()
        with Guest(disks=[disk]) as guest:
            guest.capture()             # boot, kexec -p, crash, stub, reset
            disk.expect(stop="ok", state="complete")
            guest.compare_pages(disk)
    done()

What is waited for is an event: a line on the console, QEMU's word that the machine was reset. Every
wait has a deadline, against what hangs and far above what is slow, and leaving the "with" block kills
QEMU. Nothing needs root or KVM. Environment: BUILD, CAPSTUB_CACHE (the Makefile sets both), SLOW, a
factor for the deadlines.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))

from tap import BUILD, KEEP, TOP, Failure, case, check, done, failed, note, wanted, workdir

from .common import CACHE, GIB, IMAGE, KIB, MIB, QEMU, TOOL, UART, capstub, host_programs, run, size_of
from .debian import RESERVED_LINUX, capture_linux, debug_vmlinux, private
from .disk import Disk
from .elfcore import elfcorehdr_in, kernel_image, program_headers
from .guest import Guest
from .label import END_AREAS, LABEL_SIZE, STATES, VOUCH, Label, crc32c, stop_codes
from .nbd import CachedDisk
from .powercut import judge, put_back, slowed
from .readers import bitmap2, crash, makedumpfile, makedumpfile_argv, range_bits
