#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The dump over the UART that is the console as well: nobody answers, and somebody does."""
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import TOOL, Guest, capstub, case, check, done, makedumpfile, wanted  # noqa: E402


def line_guest(arch, **args):
    """A guest whose stub sends its dump over the console's UART."""
    append = "console=ttyS0 dump=ttyS0 " + args.pop("append", "")
    return Guest(arch=arch, mem="256M", level=args.pop("level", 31), compress=None, append=append.strip(), **args)


def judge(guest, folder, arch):
    """What was received is this guest's memory; nothing is missing."""
    capture = guest.received(folder)
    with open(os.path.join(capture, "dmesg.txt"), encoding="utf-8", errors="replace") as f:
        text = f.read()
    check("sysrq triggered crash" in text and "Linux version " + guest.release in text, "dmesg.txt")
    with open(os.path.join(capture, "receive.json"), encoding="utf-8") as f:
        report = json.load(f)
    check(report["complete"] and report["pages_missing"] == 0 and report["stop_code"] == 0, "report: %s" % report)
    check(report["release"] == guest.release, "release: %s" % report)
    vmcore = os.path.join(capture, "vmcore")
    counts = guest.compare_pages(None, want_all=False, dump=vmcore)
    check(counts["compared"] == report["pages_stored"] > 1000, "%s pages compared, %s" % (counts, report))
    out = os.path.join(folder, "dmesg")
    makedumpfile("--dump-dmesg", vmcore, out, arch=arch)
    with open(out, encoding="utf-8", errors="replace") as f:
        check("sysrq triggered crash" in f.read(), "dmesg by makedumpfile")
    return report


class Receiver:
    """capstub recv on a terminal, in the background."""

    def __init__(self, tty, folder):
        self.log = open(folder + ".log", "wb")
        self.path = folder + ".log"
        self.process = subprocess.Popen([TOOL, "recv", "-1", "-q", "-o", folder, tty], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)

    def __enter__(self):
        return self

    def wait(self, timeout):
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            status = None
        with open(self.path, encoding="utf-8", errors="replace") as f:
            check(status == 0, "recv: exit status %s\n%s" % (status, f.read()))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()


for arch in ("x86_64", "arm64"):
    name = "%s: one way, text, out of the console's log" % arch
    if wanted(name):
        with case(name) as c:
            with line_guest(arch) as guest:
                guest.capture(timeout=600)
                capstub("recv", "-q", "-o", c.path("out"), guest.console_path)
                report = judge(guest, c.path("out"), arch)
            check(report["frames_lost"] == 0 and report["frames_rejected"] == 0, "%s" % report)

    name = "%s: two ways over a pty" % arch
    if wanted(name):
        with case(name) as c:
            with line_guest(arch, pty=True) as guest, Receiver(guest.tty(), c.path("out")) as receiver:
                guest.capture(timeout=600)
                receiver.wait(60)
                report = judge(guest, c.path("out"), arch)
            check(report["frames_rejected"] == 0, "%s" % report)

done()
