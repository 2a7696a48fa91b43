#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""capstub report: targets, saved dumps of both formats, what is no dump, and damaged ones. What it reads out of a kernel is
tests/unit/tools/test_report.c's, and with real ones tests/qemu/full/report.t's."""
import json
import os
import random
import sys
from html.parser import HTMLParser

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *

whole = g.Dump()
t = g.image(path("target.img"), whole)


def report(target):
    return json.loads(capstub("report", "--json", target).out)


r = capstub("report", t)
equal(r.rc, 0, "status 0")
for words in ("Reason:     Kernel panic - not syncing: sysrq triggered crash\n", "Host:       testhost\n",
              "Kernel:     6.1.0-test-amd64\n", "Crashed:    2025-06-15 15:06:40 UTC\n", "Uptime:     0 d 00:00:10\n",
              "Taint:      none\n", "Task:       pid 345 (sh) on CPU 1\n", "The CPU that panicked, CPU 1, pid 345 (sh):\n",
              f"rip {g.RIP:016x}", "CPU 0, pid 0 (swapper/0):\n", "Memory: 2048 pages (8.0 MiB)\n", g.DMESG.splitlines()[-1]):
    ok(words in r.out, f"shows '{words.strip()}'", r)

j = report(t)
equal({k: j[k] for k in ("reason", "host", "release", "version", "machine", "crash_time", "uptime_us", "taint", "panic_cpu", "tasks",
                         "tasks_blocked", "blocked", "modules", "page_size")},
      {"reason": "Kernel panic - not syncing: sysrq triggered crash", "host": "testhost", "release": "6.1.0-test-amd64", "version": None,
       "machine": "x86_64", "crash_time": 1750000000, "uptime_us": 10000001, "taint": "", "panic_cpu": 1, "tasks": 0,
       "tasks_blocked": 0, "blocked": [], "modules": [], "page_size": 4096}, "JSON")
equal([(c["cpu"], c["panicked"], c["pid"], c["comm"], c["user"]) for c in j["cpus"]],
      [(1, True, 345, "sh", False), (0, False, 0, "swapper/0", False)], "JSON: CPUs, the one that panicked first")
equal((j["cpus"][0]["registers"]["rip"], j["cpus"][0]["trace"][0]["address"]), (hex(g.RIP), hex(g.RIP)), "JSON: registers, trace")
equal(j["dmesg_tail"], g.DMESG.splitlines()[-20:], "JSON: the end of the log")


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.bad = [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.bad += [f"{k}={v}" for k, v in attrs if k in ("src", "href") or k.startswith("on")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.bad.append("/" + tag)


hostile = g.image(path("hostile.img"), whole, dmesg="[    1.000000] Kernel panic - not syncing: <script>alert(1)</script> \x1b[2J\n")
page = Page(capstub("report", "--html", hostile).out)
equal((page.bad, page.open, "script" in page.tags, "details" in page.tags), ([], [], False, True), "HTML: well-formed, nothing to fetch or to run")
ok("\x1b" not in capstub("report", hostile).out, "no control characters")

# Saved dumps say the same but for what the label knows; the log is not beside them, and this memory has none
for form in ("kdump", "elf"):
    d = path(form)
    capstub("save", "-k", "-F", form, "-o", d, t)
    saved = report(os.path.join(d, "vmcore"))
    same = ("release", "crash_time", "modules") + (("host", "machine") if form == "kdump" else ())
    equal({k: saved[k] for k in same}, {k: j[k] for k in same}, f"{form}: as of the target")
    equal(sorted(c["registers"]["rip"] for c in saved["cpus"]), sorted(c["registers"]["rip"] for c in j["cpus"]), f"{form}: registers")
    equal((saved["reason"], saved["panic_cpu"], saved["dmesg_tail"]), (None, -1, []), f"{form}: no log, and so no reason")

expect(1, "holds no dump", "report", g.image(path("empty.img")))
expect(1, "makedumpfile -R", "report", g.foreign(path("flat"), "flat"))
expect(1, "another architecture", "report", g.foreign(path("elf32"), "elf32"))
expect(1, "No such file", "report", path("nowhere"))
expect(2, "exclude each other", "report", "--json", "--html", t)
expect(2, "which DUMP?", "report")

# Damage anywhere: it may say less, but it ends in good order
rand = random.Random(1)
broken = 0
for form in ("kdump", "elf"):
    with open(os.path.join(path(form), "vmcore"), "rb") as f:
        data = f.read()
    for _ in range(40):
        b = bytearray(data[:rand.choice((len(data), len(data), rand.randrange(len(data))))])
        for _ in range(rand.randrange(1, 30)):
            # Headers more often than pages
            b[rand.randrange(min(len(b), rand.choice((200, 9000, 40000, len(b)))))] = rand.choice((0, 1, 0x7f, 0xff, rand.randrange(256)))
        with open(path("broken"), "wb") as f:
            f.write(b)
        broken += capstub("report", path("broken")).rc not in (0, 1)
equal(broken, 0, "80 damaged dumps: status 0 or 1")
done()
