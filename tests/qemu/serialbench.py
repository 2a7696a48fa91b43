# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures of the dump over a serial line: "make bench PARTS=serial".

A real guest with 1 GiB crashes; its memory, as the dead kernel's elfcorehdr describes it, is then what the stub's sending side
reads in the line simulator (tests/line/sim.c), where time is simulated and lines can be bad. The receiving side is that of
capstub recv. What had arrived after a minute and after five is opened with crash.
"""
import os
import re
import shutil
import subprocess

from harness import GIB, Guest, check, debug_vmlinux, host_programs, private, run, workdir

BAUDS = (115200, 921600, 3000000)
SEED = "7"
BAD_LINES = (("one bit in 10^4 bytes", ["-f", "10000"]), ("1 % of frames lost", ["-d", "10"]),
             ("4 KiB lost once in 10^6 bytes", ["-B", "1000000"]), ("cut for 30 s", ["-C", "200:30"]))


def crashed_guest(arch, before):
    """The core of a 1-GiB guest. The stub finds no disk to write to: its memory is as the panic left it."""
    path = workdir.current.path("core")
    with Guest(arch=arch, mem=GIB, before=before, level=None, compress=None) as guest:
        guest.boot(timeout=600)
        guest.wait_end(300)
        check(guest.stop_code() == "no-target", "stop code " + guest.stop_code())
        return guest.vmcore(path)


def simulate(program, core, *options):
    """One transfer; returns the simulator's figures and the capture's folder."""
    out = workdir.current.path("out")
    shutil.rmtree(out, ignore_errors=True)
    text = run(program, "-q", "-S", SEED, *options, core, out, timeout=1800)
    figures = dict(re.findall(r"(\w+)=([0-9.]+%?|yes|no)", text))
    check(figures.get("wrong") == "0", "pages are wrong: " + text)
    return figures


def crash_opens(arch, vmlinux, dump, minimal, commands):
    """Output of crash, which must have come to the end of its commands."""
    argv = private("crash", arch, "trixie") + ["-s"] + ["--minimal"] * minimal + [vmlinux, dump]
    p = subprocess.run(argv, input="\n".join(commands + ["p 40 + 2" if not minimal else "eval 42", "exit"]) + "\n",
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1800, check=False, encoding="utf-8",
                       errors="replace", env=dict(os.environ, TERM="dumb", HOME=workdir.current.path("")))
    check(re.search(r"= 42$|decimal: 42\b", p.stdout, re.M), "crash did not open %s:\n%s" % (dump, p.stdout[-2000:]))
    return p.stdout


def judge_prefixes(arch, vmlinux, shots):
    """crash --minimal after a minute, the panicking task's stack after five."""
    log = crash_opens(arch, vmlinux, shots[60], True, ["log"])
    check("sysrq triggered crash" in log, "crash --minimal, log:\n" + log[-2000:])
    text = crash_opens(arch, vmlinux, shots[300], False, ["bt"])
    frames = re.findall(r"^ *#\d+ \[[0-9a-f]+\] (\S+) at", text, re.M)
    check("sysrq_handle_crash" in frames, "crash, bt:\n" + text[-3000:])
    return len(frames)


def bench_serial(arch, table, before):
    vmlinux = debug_vmlinux(arch=arch)
    programs = host_programs()
    sim = os.path.join(programs, "sim-" + arch)
    core = crashed_guest(arch, before)
    sizes = {}
    for option in ("-l", "-c"):
        flat = workdir.current.path("flat")
        with open(flat, "wb") as f:
            program = ["makedumpfile"] if arch == "x86_64" else private("makedumpfile", arch)
            subprocess.run(program + [option, "-F", "-d", "31", core], stdout=f, stderr=subprocess.DEVNULL, check=True, timeout=3600)
        sizes[option] = os.path.getsize(flat)
        os.unlink(flat)

    ways = (("two ways", []), ("one way, 8 bit", ["-1", "-m", "8bit"]), ("one way, text", ["-1"]))
    rows, first = [], []
    for way, options in ways:
        shots = {t: workdir.current.path("after-%d" % t) for t in (60, 300)}
        f = simulate(sim, core, "-c", "1", *options, *["-s%d=%s" % (t, path) for t, path in shots.items()])
        check(f["missing"] == "0" and f["whole"] == "yes", "%s: %s" % (way, f))
        depth = judge_prefixes(arch, vmlinux, shots)
        line = int(f["line"])
        rows.append((way, line, f["payload"], "%.3f" % (line / sizes["-l"]), "%.3f" % (line / sizes["-c"]),
                     "%.0f" % (float(f["seconds"]) / 60)))
        first.append((way, f["t_dmesg"], f["b_dmesg"], 60 * BAUDS[0] // 10, "opens", 300 * BAUDS[0] // 10,
                      "opens, bt of %d frames" % depth))
        for path in shots.values():
            os.unlink(path)
    table("A whole level-31 dump of 1 GiB at 115200 baud (makedumpfile -F: %d bytes with -l, %d with -c)" %
          (sizes["-l"], sizes["-c"]),
          ("", "bytes on the line", "payload", "of -l", "of -c", "minutes"), rows)
    table("What comes first, at 115200 baud",
          ("", "dmesg whole after s", "bytes", "after 60 s, bytes", "crash --minimal", "after 5 min, bytes", "crash"), first)

    rows, contents = [], 0
    for line in run(os.path.join(programs, "compress-" + arch), core, timeout=1800).split("\n"):
        words = line.split("|")
        if words[0] == "contents":
            contents = int(words[1])
        elif len(words) == 5:
            rows.append(words)
    table("Compressors over the %d bytes that are not zero pages" % contents,
          ("", "pages together", "of the contents", "KiB of memory", "MB/s"), rows)

    rows = []
    for baud in BAUDS:
        rows.append((baud,) + tuple(simulate(sim, core, "-c", "1", "-b", str(baud), *options)["busy"] for _, options in ways))
    table("Line busy, with the stub's work at this CPU's speed", ("baud",) + tuple(way for way, _ in ways), rows)

    rows = []
    for what, options in BAD_LINES:
        for way, more in ways:
            f = simulate(sim, core, "-c", "0", *options, *more)
            captures = [d for d in os.listdir(workdir.current.path("out")) if os.path.isdir(workdir.current.path("out/" + d))]
            vmcore = workdir.current.path("out/%s/vmcore" % captures[0])
            if way == "two ways":
                check(f["missing"] == "0" and f["whole"] == "yes", "%s, %s: %s" % (what, way, f))
            text = crash_opens(arch, vmlinux, vmcore, False, ["bt"])
            check("sysrq_handle_crash" in text, "%s, %s: bt:\n%s" % (what, way, text[-2000:]))
            rows.append((what, way, f["frames"], f["lost"], f["again"], f["missing"], f["stored"], "bt"))
    table("Bad lines at 115200 baud", ("", "", "frames", "lost", "sent again", "pages missing", "pages right", "crash"), rows)
    os.unlink(core)
