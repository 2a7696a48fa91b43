#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""capstub report on real kernels: the functions of its call traces are those of crash's bt, which has the debug symbols that it
does without; of the task that panicked, and of one that waits for a slow disk. The page that it makes is looked at in a browser.
"""
import json
import os
import re
import struct
import subprocess
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import (CACHE, TOP, Disk, Guest, capstub, case, check, crash, debug_vmlinux, done, makedumpfile, note,  # noqa: E402
                     run, wanted)
from harness.broken import SLOWED  # noqa: E402
from tap import skip  # noqa: E402

# Some sectors for each of those who look for a label, and hours for the guest's dd
THROTTLE = ["-object", "throttle-group,id=slow,x-bps-read=40000"]
BEFORE = "dd if=/dev/vdb of=/dev/null bs=8M count=4 & sleep 2"


def functions(text):
    return re.findall(r"^ *#\d+ \[\w+\] (\S+) at ", text, re.M)


def compare(ours, theirs, what):
    """crash begins with machine_kexec(), which ran when the registers had been saved, and steps over panic() where that only
    calls vpanic(): to crash it is a part of its caller's frame."""
    if "__crash_kexec" in theirs:
        theirs = theirs[theirs.index("__crash_kexec"):]
    if "panic" not in theirs:
        ours = [f for f in ours if f != "panic"]
    note("%s: %s" % (what, " ".join(ours)))
    check(ours == theirs, "%s\nours:   %s\ncrash's: %s" % (what, " ".join(map(str, ours)), " ".join(theirs)))


def trace(frames):
    return [f["function"] for f in frames["trace"]]


def story(path):
    return json.loads(capstub("report", "--json", path))


# Debian's arm64 kernels before 6.12 have code alone in kallsyms: there is no list of modules to be found
for suite, arch, kexec, modules in (("bullseye", "x86_64", "-p", True), ("bookworm", "x86_64", "-p", True),
                                    ("trixie", "x86_64", "-c -p", True), ("bookworm", "arm64", "-p", False)):
    name = "%s, %s: the functions of crash's bt" % (suite, arch)
    if not wanted(name):
        continue
    with case(name) as c:
        vmlinux = debug_vmlinux(suite, arch)
        disk, slow = Disk("1G", name="target").format("target"), Disk("64M", name="slow", blockdev=SLOWED)
        with Guest(disks=[disk, slow], arch=arch, suite=suite, smp=2, panic_cpu=1, level=31, compress="lzo", kexec=kexec, extra=THROTTLE,
                   before=BEFORE, dump="LABEL=target") as guest:
            guest.capture()
        disk.expect("ok", "complete")
        j = story(disk.path)
        first = j["cpus"][0]
        check(j["reason"] == "Kernel panic - not syncing: sysrq triggered crash", j["reason"])
        check((j["release"], j["taint"], j["panic_cpu"], first["cpu"], first["comm"]) == (guest.release, "", 1, 1, "sh"), str(j)[:2000])
        check(0 < j["uptime_us"] < 10**9 and len(j["cpus"]) == 2, str(j)[:2000])
        check(("virtio_blk" in [m["name"] for m in j["modules"]]) == modules, "modules: %s" % j["modules"])
        blocked = [t for t in j["blocked"] if t["comm"] == "dd"]
        check(len(blocked) == 1, "blocked: %s" % [t["comm"] for t in j["blocked"]])
        with open(c.path("report.txt"), "w", encoding="utf-8") as f:
            f.write(capstub("report", disk.path))

        text = crash(vmlinux, disk.path, ["bt", "bt %d" % blocked[0]["pid"]], arch=arch)
        with open(c.path("crash"), "w", encoding="utf-8") as f:
            f.write(text)
        tasks = re.split(r"^PID: ", text, flags=re.M)[1:]
        check(len(tasks) == 2, text[:3000])
        compare(trace(first), functions(tasks[0]), "panicked")
        compare(trace(blocked[0]), functions(tasks[1]), "blocked")

        # The same, whoever wrote the dump
        again, saved = c.path("again"), c.path("saved")
        makedumpfile("-l", "-d", "31", disk.path, again, arch=arch, suite="trixie" if suite == "trixie" else None)
        capstub("save", "-k", "-F", "elf", "-o", saved, disk.path)
        for path in (again, os.path.join(saved, "vmcore")):
            other = story(path)
            same = ("reason", "release", "taint", "panic_cpu", "tasks", "modules")
            check({k: other[k] for k in same} == {k: j[k] for k in same}, "%s: %s" % (path, str(other)[:2000]))
            check(sorted(map(trace, other["cpus"])) == sorted(map(trace, j["cpus"])), path)
            check(other["dmesg_tail"] == j["dmesg_tail"], "%s: %s" % (path, other["dmesg_tail"]))


def chromium():
    """The browser, unpacked privately; None if it cannot be had or does not run here."""
    root = os.path.join(CACHE, "tools-bookworm-chromium")
    program, debs = os.path.join(root, "usr/lib/chromium/chromium"), os.path.join(TOP, "tools/build/debs.sh")
    try:
        if not os.path.exists(program):
            libs = run(debs, CACHE, "bookworm", "amd64", "libraries", "chromium", timeout=300).split()
            run(debs, CACHE, "bookworm", "amd64", "unpack", root, *libs, "chromium", "chromium-common", timeout=1200)
        libs = [os.path.join(root, lib) for lib in ("usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/pulseaudio", "lib/x86_64-linux-gnu")]
        env = dict(os.environ, LD_LIBRARY_PATH=":".join(libs), HOME=root)
        subprocess.run([program, "--version"], env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
    except Exception as e:  # pylint: disable=broad-except
        note("no chromium: %s" % str(e)[-500:])
        return None
    return [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--user-data-dir=" + os.path.join(root, "profile")], env


def pixels(path):
    """Rows of (r, g, b) of a PNG with 8 bits for each colour, not interlaced (ISO/IEC 15948)."""
    with open(path, "rb") as f:
        data = f.read()
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack_from(">IIBB", data, at + 8)
        elif kind == b"IDAT":
            packed += data[at + 8:at + 8 + length]
        at += 12 + length
    check(depth == 8 and colour in (2, 6), "PNG of kind %d, %d" % (depth, colour))
    step, raw, above = {2: 3, 6: 4}[colour], zlib.decompress(packed), bytes(width * {2: 3, 6: 4}[colour])
    for y in range(height):
        start = y * (len(above) + 1)
        how, line = raw[start], bytearray(raw[start + 1:start + 1 + len(above)])
        for x, value in enumerate(line):
            a, b, c = (line[x - step] if x >= step else 0), above[x], (above[x - step] if x >= step else 0)
            p = a + b - c
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            line[x] = value + (0, a, b, (a + b) // 2, paeth)[how] & 255
        above = bytes(line)
        yield [tuple(line[x:x + 3]) for x in range(0, len(line), step)]


if wanted("HTML"):
    browser = chromium()
    if not browser:
        skip("HTML in a browser", "no chromium")
    else:
        with case("HTML in a browser") as c:
            disk = Disk("1G").format("target")
            with Guest(disks=[disk], smp=2, level=31, compress="lzo") as guest:
                guest.capture()
            page = c.path("report.html")
            with open(page, "w", encoding="utf-8") as f:
                f.write(capstub("report", "--html", disk.path))
            argv, env = browser
            dom = run(*argv, "--dump-dom", "file://" + page, env=env, timeout=120)
            check("<h1>Kernel panic - not syncing: sysrq triggered crash</h1>" in dom, dom[:3000])
            check(dom.count("<details") >= 4 and "sysrq_handle_crash" in dom, dom[:3000])
            picture = c.path("report.png")
            run(*argv, "--window-size=1000,1400", "--screenshot=" + picture, "file://" + page, env=env, timeout=120)
            count = {}
            for row in pixels(picture):
                for pixel in row:
                    count[pixel] = count.get(pixel, 0) + 1
            # The bar's largest pieces, and its keys: kernel, free
            label = disk.label()
            total = sum(label.by_class)
            kernel, free = count.get((0x35, 0x61, 0x8f), 0), count.get((0xe6, 0xe0, 0xd0), 0)
            note("pixels of kernel and free: %d, %d; pages: %d, %d of %d" % (kernel, free, label.by_class[0], label.by_class[5], total))
            check(kernel > 200 and free > 200 and abs(free / (kernel + free) - label.by_class[5] / (label.by_class[0] + label.by_class[5])) < .1,
                  "the bar does not show what the label says")

done()
