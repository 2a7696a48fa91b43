# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks that fail in the middle of a capture."""
import time

from tap import check

from .label import STATES

WRITE_ERROR = {"driver": "raw", "file": {
    "driver": "blkdebug", "image": {"driver": "file", "filename": "@PATH@"},
    "inject-error": [{"event": "none", "iotype": "write", "errno": 5, "sector": 200000, "once": False}]}}
SLOWED = {"driver": "throttle", "throttle-group": "slow", "file": {
    "driver": "raw", "file": {"driver": "file", "filename": "@PATH@"}}}
# 512 KiB take 26 s: longer than the stub is told to wait for a request
STUCK = ["-object", "throttle-group,id=slow,x-bps-write=20000"]
# Half a minute for the whole dump: it is under way when the disk is pulled out
LONG = ["-object", "throttle-group,id=slow,x-bps-write=16000000"]
# The root port's slots belong to PCI Express, not to ACPI
NATIVE = ["-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"]


def pull_out(guest):
    """Slot power and indicator off: Slot Control of the root port at 00:01.0, PCI Express capability at 0x54."""
    for command in ("o/4 0xcf8 0x8000086c", "o/2 0xcfc 0x0700"):
        guest.qmp.human(command)


def capture_broken(guest_class, stop, disk, states=("empty", "dumping", "incomplete"), during=None, **guest_args):
    """The target fails; what the label says then depends on whether it could still be written."""
    disk.format("target")
    with guest_class(disks=[disk], mem="512M", level=0, **guest_args) as guest:
        guest.boot()
        guest.crash()
        if during:
            guest.wait("the capture", 60, "dumping to")
            # The first write is the label
            end = time.monotonic() + 30
            while not disk.label().captures and time.monotonic() < end:
                time.sleep(0.1)
            during(guest)
        guest.wait_end(120)
        check(guest.stop_code() == stop, "stop code %s, expected %s" % (guest.stop_code(), stop))
        label = disk.label()
        check(label.captures == 1, "%d captures" % label.captures)
        check(STATES[label.state] in states, "state " + STATES[label.state])
        if STATES[label.state] == "incomplete":
            check(label.pages_missing > 0, "no page missing")
            counts = guest.compare_pages(disk, want_all=False, incomplete=True)
            check(counts["empty"] == label.pages_missing, "%d pages missing, the label says %d" %
                  (counts["empty"], label.pages_missing))
