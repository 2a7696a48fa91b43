#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual, --help and shell completion agree: every command, every option, every key of the configuration, every stop code."""
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tool import *


def manual(name):
    with open(os.path.join(TOP, "docs", name), encoding="utf-8") as f:
        return f.read().replace("\\-", "-").replace("\\&", "")


def complete_bash(*words):
    """What bash offers for the last of these"""
    script = f"""source {TOP}/tools/completion/capstub.bash
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_capstub "$1" "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD - 1]}}"
printf '%s\\n' "${{COMPREPLY[@]}}" """
    return run("bash", "-c", script, "bash", TOOL, *words).out.split()


def complete_zsh(*words):
    """What zsh's own functions are asked to offer"""
    script = f"""fpath=({TOP}/tools/completion) program=$1 CURRENT=$#; words=("$@")
_describe() {{ print -rl -- ${{list%%:*}} }}
_arguments() {{ print -rl -- $@ }}
autoload -Uz _capstub && _capstub"""
    return run("zsh", "-fc", script, "zsh", TOOL, *words).out.splitlines()


man = manual("capstub.8")
commands = re.findall(r"^  (\w+) +\S", capstub("--help").out.split("Commands:")[1], re.M)
ok(len(commands) > 5, "commands", commands)
equal(sorted(set(re.findall(r"^\.Ss capstub (\w+)$", man, re.M))), sorted(commands), "the manual has a section for each command")
has_zsh = shutil.which("zsh")
equal(sorted(complete_bash("")), sorted(commands), "bash offers the commands")
equal(complete_bash("st"), ["status"], "... those that begin so")
equal(complete_bash("load", "--syscall", "=", "l"), ["load"], "... values")
equal(complete_bash("load", "--syscall", "="), ["auto", "load", "file"], "... all of them")
equal(complete_bash("save", "-F", ""), ["kdump", "elf", "flat"], "... also of a letter")
equal(complete_bash("load", "--config", "=", "/e"), [], "... and leaves files to the shell")
if has_zsh:
    equal(sorted(complete_zsh("")), sorted(commands), "zsh offers the commands")
    ok(any(s.startswith("(-F --format)--format=[") and s.endswith(":kdump elf flat:(kdump elf flat)") for s in complete_zsh("save", "")), "... values",
       complete_zsh("save", ""))
else:
    skip("zsh", "is not here")
for command in commands:
    text = capstub(command, "--help").out
    options = set(re.findall(r"^ +(?:-\w, +|-\w \w+, +)?--([a-z0-9][a-z0-9-]*)", text, re.M)) - {"help", "usage", "version"}
    section = re.search(r"^\.Ss capstub %s$(.*?)(?=^\.S[sh] )" % command, man, re.M | re.S).group(1)
    if command == "status":     # described with check, which has the same
        section += man[man.index(".Ss capstub check"):man.index(".Ss capstub test")]
    documented = set(re.findall(r"-([a-z0-9][a-z0-9-]+)\b", " ".join(re.findall(r"^\.It Fl (.*)$", section, re.M))))
    equal(sorted(documented), sorted(options), f"options of {command}")
    want = sorted("--" + o for o in options | {"help", "usage", "version"})
    equal(sorted(o.rstrip("=") for o in complete_bash(command, "--")), want, "... in bash")
    if has_zsh:
        specs = complete_zsh(command, "--")
        equal(sorted(set(re.findall(r"^\([^)]*\)(--[a-z-]+)", "\n".join(specs), re.M))), want, "... in zsh")
        short = {m for m in re.findall(r"^ +-(\w), ", text, re.M)}
        ok(short <= set(re.findall(r"^\([^)]*\)-(\w)\b", "\n".join(specs), re.M)), "... and its letters", specs)

with open(os.path.join(TOP, "tools/load/config.c"), encoding="utf-8") as f:
    keys = re.findall(r'\{ "\w+", "([A-Z]\w+)",', f.read())
equal(sorted(set(re.findall(r"^\.It Cm (\w+)=", manual("capstub.conf.5"), re.M))), sorted(keys), "keys of capstub.conf")
with open(os.path.join(TOP, "stub/boot/cmdline.c"), encoding="utf-8") as f:
    words = set(re.findall(r'\{"([\w.]+)=", word_', f.read())) - {"BOOT_IMAGE", "dmcryptkeys", "memmap", "test"}
have = set(re.findall(r"(?:^\.It|,) Cm ([\w.]+)=", manual("capstub-stub.7"), re.M))
equal(sorted(words - have), [], "words of the stub")
with open(os.path.join(TOP, "include/capstub/stopcode.h"), encoding="utf-8") as f:
    codes = re.findall(r'X\((\d+), \w+, "([\w-]+)",', f.read())
section = re.search(r"^\.Sh STOP CODES$(.*?)(?=^\.Sh )", manual("capstub-stub.7"), re.M | re.S).group(1)
have = [i.split() for line in re.findall(r"^\.It (.*)$", section, re.M) for i in line.split(" , ")]
equal(have, [list(c) for c in codes], "stop codes, their names and order")
images = {"capstub.bzImage", "capstub.Image"}
for page in "capstub.8", "capstub.conf.5", "capstub-stub.7":
    equal(sorted(set(re.findall(r"[\w-]+\.(?:bzImage|Image)\b", manual(page))) - images), [], f"{page}: no image that there is not")
done()
