#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""capstub collect: every unsaved dump once, programs that are told, old ones removed, and nothing lost on the way."""
import os
import shutil
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *

root, crash, hooks, conf = path("root"), path("crash"), path("hooks"), path("capstub.conf")
dump = g.Dump()
os.makedirs(root + "/dev")
os.makedirs(hooks)
told = path("told")


def configure(text=""):
    with open(conf, "w") as f:
        f.write(f"[Save]\nDirectory={crash}\nMinFree=0\n{text}")


def hook(name, script, mode=0o755):
    with open(os.path.join(hooks, name), "w") as f:
        f.write("#!/bin/sh\n" + script + "\n")
    os.chmod(os.path.join(hooks, name), mode)


def target(name, nr=0, **fields):
    return g.image(os.path.join(root, "dev", name), dump, uuid=bytes([nr] * 16), crash_time=1750000000 + nr, **fields)


def collect(rc, *words):
    return expect(rc, words[0] if words else "", "collect", "-c", conf, "--root", root, "--hooks", hooks)


def saved():
    return sorted(d for d in os.listdir(crash) if os.path.isdir(os.path.join(crash, d)))


configure()
hook("10-tell", f'echo "$1" >>{told}; ls "$1" >>{told}')
hook("20-not-executable", "touch /nowhere/x", 0o644)
hook("30-backup~", "exit 1")
collect(0)
equal(saved(), [], "nothing there, nothing saved")
a, b = target("sda4", 1), target("sdb1", 2)
g.image(os.path.join(root, "dev", "sdc"), uuid=bytes([3] * 16))
collect(0)
equal(len(saved()), 2, "two dumps, two folders")
for d in saved():
    equal(sorted(os.listdir(os.path.join(crash, d))), ["capstub.log", "dmesg.txt", "info.json", "report.json", "report.txt", "vmcore"], "... each whole, with a report")
    with open(os.path.join(crash, d, "report.txt")) as f:
        ok(f.read().startswith("Reason:     Kernel panic - not syncing: sysrq"), "... that says why")
equal([info(t)["label"]["state"] for t in (a, b)], [g.SAVED] * 2, "... and marked")
with open(told) as f:
    lines = f.read().split()
equal(sorted(x for x in lines if "/" in x), [os.path.join(crash, d) for d in saved()], "the program was told of both")
equal(lines.count("vmcore"), 2, "... when they were whole")
collect(0)
equal(len(saved()), 2, "once")

# The journal is told, if there is one
os.makedirs(root + "/run/systemd/journal")
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
    journal.bind(root + "/run/systemd/journal/socket")
    journal.settimeout(10)
    target("sda4", 3)
    collect(0)
    entry = dict(line.split("=", 1) for line in journal.recv(65536).decode().splitlines())
os.unlink(root + "/run/systemd/journal/socket")
ok(len(entry["MESSAGE_ID"]) == 32 and entry["CAPSTUB_TARGET"].endswith("sda4") and entry["CAPSTUB_CRASH_TIME"] == "1750000003" and
   os.path.exists(entry["CAPSTUB_DIRECTORY"] + "/vmcore"), "the journal's entry", entry)
shutil.rmtree(entry["CAPSTUB_DIRECTORY"])

# A program that fails
hook("05-fail", "exit 3")
os.unlink(told)
target("sda4", 4)
collect(1, "05-fail failed with status 3; the dump stays in")
equal((len(saved()), os.path.exists(told)), (3, True), "the dump is there, and the others were told")
os.unlink(os.path.join(hooks, "05-fail"))

# One that hangs, or takes hours, keeps no other dump from being saved
target("sda4", 20)
target("sdb1", 21)
hook("05-late", f'ls {crash} | wc -l >>{path("late")}')
before = len(saved())
collect(0, "05-late: done for")
with open(path("late")) as f:
    equal([int(x) for x in f.read().split()], [before + 2] * 2, "programs run when all dumps are saved")
os.unlink(os.path.join(hooks, "05-late"))
hook("05-killed", "kill -9 $$")
target("sda4", 22)
collect(1, "05-killed was ended by signal 9; the dump stays in")
os.unlink(os.path.join(hooks, "05-killed"))

# Old ones go, the newest stay; what others put there is theirs
first = min(saved(), key=lambda d: os.stat(os.path.join(crash, d, 'info.json')).st_mtime_ns)
shutil.rmtree(os.path.join(crash, first))
os.makedirs(crash + "/mine")
open(crash + "/mine/file", "w").close()
oldest = min((d for d in saved() if d != "mine"), key=lambda d: os.stat(os.path.join(crash, d, 'info.json')).st_mtime_ns)
open(os.path.join(crash, oldest, "notes"), "w").close()
configure("Keep=2\n")
for nr in range(5, 9):
    time.sleep(0.02)
    target("sda4", nr)
    r = collect(0, "removed" if nr > 5 else "something else is in it")
left = [d for d in saved() if os.path.exists(os.path.join(crash, d, "vmcore"))]
equal(len(left), 2, "two are kept")
ok(os.path.exists(crash + "/mine/file"), "a folder that is no dump stays")
equal(os.listdir(os.path.join(crash, oldest)), ["notes"], "a file that is not ours stays")

# All together no more than a limit, but for the newest
configure("MaxSize=1\n")
target("sda4", 40)
collect(0, "more than MaxSize=")
left = [d for d in saved() if os.path.exists(os.path.join(crash, d, "vmcore"))]
equal(len(left), 1, "the newest is kept")
configure("MaxSize=100M\n")
target("sda4", 41)
collect(0)
target("sda4", 42)
collect(0)
equal(len([d for d in saved() if os.path.exists(os.path.join(crash, d, "vmcore"))]), 3, "within the limit all are")

# A disk on which there is room for two
if os.geteuid() == 0 and run("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", crash).rc == 0:
    try:
        configure("MinFree=\n")     # the default, which must not be all of a small one
        names = []
        for nr in (50, 51):
            time.sleep(0.02)
            target("sda4", nr)
            collect(0)
            names += [d for d in saved() if d not in names]
        t = target("sda4", 52)
        configure("Keep=0\n")
        collect(1, "it stays on the target")
        equal(saved(), sorted(names), "Keep=0: nothing is removed for a new one")
        configure("MinFree=3M\n")
        collect(1, "it stays on the target")
        equal(saved(), sorted(names), "nothing is removed where that would not do")
        configure()
        collect(0, names[0] + ": removed, to make room for a newer one")
        equal((len(saved()), names[1] in saved(), info(t)["label"]["state"]), (2, True, g.SAVED), "the oldest makes room")
    finally:
        run("umount", crash)
else:
    skip("room for two", "needs root and mount")

# No pages, only texts
g.image(os.path.join(root, "dev", "sda4"), None, uuid=bytes([30] * 16), state=g.INCOMPLETE, stop=40)
r = collect(0, "no report could be made")
ok(not [x for d in saved() for x in os.listdir(os.path.join(crash, d)) if x.endswith(".part")], "nothing half is left", r)

# No room
configure("MinFree=1000000T\n")
t = target("sda4", 9)
collect(1, "it stays on the target")
equal(info(t)["label"]["state"], g.COMPLETE, "... unsaved")
# A target that is somebody else's by now is left alone
with open(t, "r+b") as f:
    f.write(b"XFSB" + bytes(508))
configure()
collect(0, "something else was written there")
configure("Directory=/proc/nowhere\n")
collect(1, "/proc/nowhere")
done()
