# SPDX-License-Identifier: GPL-2.0-or-later
"""Paths, names of the two architectures, sizes, and running a program with a deadline."""
import os
import subprocess

from tap import BUILD, TOP, Failure, check

QEMU = os.path.join(TOP, "tests/qemu")
CACHE = os.path.abspath(os.environ.get("CAPSTUB_CACHE") or os.path.join(BUILD, "cache"))
TOOL = os.path.join(BUILD, "capstub")
# Deadlines are for what hangs, not for what is slow; none of them is a measurement.
SLOW = float(os.environ.get("SLOW") or 3)

IMAGE = {"x86_64": "capstub.bzImage", "arm64": "capstub.Image"}
UART = {"x86_64": "ttyS0", "arm64": "ttyAMA0"}
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def size_of(text):
    """'512M' -> bytes"""
    if isinstance(text, int):
        return text
    return int(text[:-1]) << {"K": 10, "M": 20, "G": 30}[text[-1]] if text[-1] in "KMG" else int(text)


def run(*argv, timeout=300, ok=(0,), **kw):
    """Run a program to its end; returns its output. Any other exit status fails the case."""
    try:
        p = subprocess.run(argv, stdin=kw.pop("stdin", subprocess.DEVNULL), stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=timeout * SLOW, check=False, **kw)
    except subprocess.TimeoutExpired:
        raise Failure("%s: no end after %d s" % (argv[0], timeout * SLOW)) from None
    out = p.stdout.decode(errors="replace")
    check(ok is None or p.returncode in ok,
          "%s: exit status %d\n%s" % (" ".join(argv), p.returncode, out[-3000:]))
    return out


def capstub(*argv, ok=(0,), timeout=300):
    """The host tool."""
    return run(TOOL, *argv, ok=ok, timeout=timeout)


def host_programs():
    """The folder of the programs of tests/host and tests/line, which are built now."""
    out = os.path.join(BUILD, "tests-host")
    run(os.path.join(TOP, "tests/host/build.sh"), out)
    return out
