#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual and --help agree: every command, every option, every key of the configuration."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tool import *


def manual(name):
    with open(os.path.join(TOP, "docs", name), encoding="utf-8") as f:
        return f.read().replace("\\-", "-").replace("\\&", "")


man = manual("capstub.8")
commands = re.findall(r"^  (\w+) +\S", capstub("--help").out.split("Commands:")[1], re.M)
ok(len(commands) > 5, "commands", commands)
equal(sorted(set(re.findall(r"^\.Ss capstub (\w+)$", man, re.M))), sorted(commands), "the manual has a section for each command")
for command in commands:
    text = capstub(command, "--help").out
    options = set(re.findall(r"^ +(?:-\w, +|-\w \w+, +)?--([a-z0-9][a-z0-9-]*)", text, re.M)) - {"help", "usage", "version"}
    section = re.search(r"^\.Ss capstub %s$(.*?)(?=^\.S[sh] )" % command, man, re.M | re.S).group(1)
    if command == "status":     # described with check, which has the same
        section += man[man.index(".Ss capstub check"):man.index(".Ss capstub words")]
    documented = set(re.findall(r"-([a-z0-9][a-z0-9-]+)\b", " ".join(re.findall(r"^\.It Fl (.*)$", section, re.M))))
    equal(sorted(documented), sorted(options), f"options of {command}")

with open(os.path.join(TOP, "tools/load/config.c"), encoding="utf-8") as f:
    keys = re.findall(r'\{ "\w+", "([A-Z]\w+)",', f.read())
equal(sorted(set(re.findall(r"^\.It Cm (\w+)=", manual("capstub.conf.5"), re.M))), sorted(keys), "keys of capstub.conf")
with open(os.path.join(TOP, "stub/boot/cmdline.c"), encoding="utf-8") as f:
    words = set(re.findall(r'\{"([\w.]+)=", word_', f.read())) - {"BOOT_IMAGE", "dmcryptkeys", "memmap", "test"}
have = set(re.findall(r"(?:^\.It|,) Cm ([\w.]+)=", manual("capstub-stub.7"), re.M))
equal(sorted(words - have), [], "words of the stub")
done()
