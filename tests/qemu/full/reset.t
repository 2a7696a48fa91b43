#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every way to reset the machine, named first: it is the one that does it."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import Guest, case, check, done, wanted  # noqa: E402

# kbd on arm64: a way that this machine does not have, and no ACPI table names another
for arch, word, ways in (
        ("x86_64", "", ["acpi"]), ("x86_64", "reset=acpi", ["acpi"]), ("x86_64", "reset=cf9", ["cf9"]), ("x86_64", "reset=kbd", ["kbd"]),
        ("x86_64", "reset=triple", ["triple"]), ("arm64", "reset=psci", ["psci"]), ("arm64", "reset=kbd", ["acpi", "psci"])):
    if wanted("%s, %s" % (arch, word or "no word")):
        with case("%s, %s" % (arch, word or "no word")):
            with Guest(arch=arch, mem="256M", dump=None, append="console=ttyS0 " + word) as guest:
                guest.capture(stop="no-dump-word")
                tried = re.findall(r"^capstub: reset by (\w+)$", guest.console(), re.M)
                check(tried == ways, "reset by %s, expected %s" % (tried, ways))

done()
