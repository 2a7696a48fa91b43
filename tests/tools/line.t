#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Both ends of the serial protocol, with sanitizers, over simulated lines that do what lines do (tests/line/sim.c)."""
import os
import re
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *

SIM = os.path.join(os.path.dirname(TOOL), "line-sim")
HEADER = 65536
UTS_PFN = 0x220
LOG_PFN = 1200
PHDR = "<IIQQQQQQ"


def core(file, log=b""):
    """dumpgen's machine as the ELF core of /proc/vmcore, with the utsname that the stub looks for and a log_buf."""
    tables = g.page_tables()
    variables = g.IMAGE_VA + UTS_PFN * g.PAGE - g.IMAGE_PA
    uts = bytes(4) + b"".join(s.ljust(65, b"\0") for s in (b"Linux", b"testhost", b"6.1.0-test-amd64", b"#1 SMP", b"x86_64", b""))
    uts = uts.ljust(2048, b"\0") + struct.pack("<QIII", g.DIRECT_VA + LOG_PFN * g.PAGE, len(log) + 16, 0, len(log))
    info = g.vmcoreinfo() + b"SYMBOL(init_uts_ns)=%x\n" % variables
    if log:
        info += b"SYMBOL(log_buf)=%x\nSYMBOL(log_buf_len)=%x\nSYMBOL(log_first_idx)=%x\nSYMBOL(log_next_idx)=%x\n" % tuple(
            variables + 2048 + i for i in (0, 8, 12, 16))
        info += b"SIZE(printk_log)=16\nOFFSET(printk_log.ts_nsec)=0\nOFFSET(printk_log.len)=8\nOFFSET(printk_log.text_len)=10\n"
    notes = g.note(b"CORE", 1, g.prstatus(g.PANIC_PID, g.RIP, g.VMALLOC_VA + 0x100)) + g.note(b"VMCOREINFO", 0, info)
    bytes_ram, image = g.MAX_PFN * g.PAGE, 2 * g.MIB
    phdrs = [(4, 0, 64 + 3 * 56, 0, 0, len(notes), len(notes), 0),
             (1, 7, HEADER + g.IMAGE_PA, g.IMAGE_VA, g.IMAGE_PA, image, image, 0),
             (1, 7, HEADER, g.DIRECT_VA, 0, bytes_ram, bytes_ram, 0)]
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 4, 62, 1, 0, 64, 0, 0, 64, 56, len(phdrs), 0, 0, 0)
    head += b"".join(struct.pack(PHDR, *p) for p in phdrs) + notes
    with open(file, "wb") as f:
        f.write(head.ljust(HEADER, b"\0"))
        for pfn in range(g.MAX_PFN):
            at = (pfn - LOG_PFN) * g.PAGE
            f.write(uts.ljust(g.PAGE, b"\0") if pfn == UTS_PFN else
                    log[at:at + g.PAGE].ljust(g.PAGE, b"\0") if 0 <= at < len(log) else g.contents(pfn, tables))


n = 0
core(path("core"))


def sim(name, *options, missing=False, dump="core"):
    """One transfer. No page may be wrong; missing ones only where nobody can ask for them."""
    global n
    n += 1
    r = run(SIM, "-q", "-c", "0", "-S", str(n), *options, path(dump), path("out%d" % n))
    figures = dict(re.findall(r"(\w+)=([0-9.]+%?|yes|no)", r.out))
    ok(r.rc == 0 and figures.get("wrong") == "0" and int(figures["stored"]) + int(figures["missing"]) == g.MAX_PFN and
       (missing or figures["missing"] == "0" and figures["whole"] == "yes"), f"{name}: {figures.get('missing')} pages missing", r)
    return figures


BAD = [("good line", []), ("one bit in 2000 bytes", ["-f", "2000"]), ("5 % of frames lost", ["-d", "50"]), ("bursts", ["-B", "40000"]),
       ("bytes put in", ["-i", "3000"]), ("cut for 20 s", ["-C", "5:20"]), ("7 bits", ["-7"]), ("XON and XOFF eaten", ["-F"]),
       ("all of it", ["-f", "20000", "-d", "10", "-B", "200000", "-i", "20000", "-C", "8:5"])]

for name, options in BAD:
    sim("two ways, " + name, *options)
sim("two ways, the receiver killed and started again", "-R", "6")
sim("two ways, killed on a bad line", "-R", "6", "-f", "5000")
sim("two ways, XON/XOFF", "-x")
sim("two ways, level 1", "-l", "1")
for mode, name in (("text", "good line"), ("text", "bursts"), ("text", "7 bits"), ("8bit", "good line"), ("8bit", "5 % of frames lost"),
                   ("8bit", "all of it")):
    options = dict(BAD)[name]
    sim(f"one way, {mode}, {name}", "-1", "-m", mode, *options, missing=name not in ("good line", "7 bits"))
sim("one way, 8 bit with XON and XOFF escaped, both eaten", "-1", "-m", "8bit", "-x", "-F")

# The other side takes nothing for a while, or for good; and a line that is too slow for the deadline
for way in ([], ["-1"]):
    name = "one way" if way else "two ways"
    f = sim(name + ", held for 8 s", "-H", "3:8", *way)
    equal(f["stop"], "0", "it ends well")
    f = sim(name + ", XOFF for 8 s", "-X", "3:8", *way)
    equal((f["stop"], f["lost"]), ("0", "0"), "nothing of it is lost")
    f = sim(name + ", held for 50 s", "-H", "3:50", *way)
    equal(f["stop"], "0", "it goes on")
    f = sim(name + ", held for 70 s", "-H", "3:70", *way, missing=True)
    ok(f["stop"] == "60" and 62 < float(f["seconds"]) < 66, "line-error a minute later", f)
    # In each phase: greeting, blobs, vital pages, the rest, and what comes when everything was sent once
    for seconds in 1, 3, 8, 60, 200:
        f = sim(f"{name}, a deadline of {seconds} s", "-D", str(seconds), *way, missing=True)
        late = float(f["seconds"]) > seconds - 1
        ok(float(f["seconds"]) < seconds + 8 and f["stop"] == ("41" if f["missing"] != "0" else "0") and
           (f["result"] == f["stop"] if late else f["missing"] == "0"), "it ends then, and says so", f)
    f = sim(name + ", a deadline of 30 s", "-D", "30", "-b", "9600", "-l", "1", *way, missing=True)
    ok(f["stop"] == "41" and 29 < float(f["seconds"]) < 40 and f["result"] == "41" and int(f["stored"]) > 10,
       "deadline: what came first is there, and the result", f)
    f = sim(name + ", a deadline of 30 s, held", "-D", "30", "-b", "9600", "-l", "1", "-H", "20:300", *way, missing=True)
    ok(f["stop"] == "41" and 29 < float(f["seconds"]) < 37, "deadline, in spite of that", f)
f = sim("one way, XON/XOFF, XOFF for 50 s", "-x", "-1", "-X", "3:50")
equal((f["stop"], f["lost"]), ("0", "0"), "nothing of it is lost")

# What a recorder saw of a transfer nobody answered, into the tool
r = run(SIM, "-q", "-c", "0", "-1", "-w", path("wire"), path("core"), path("recorded"))
d = path("carved")
r = capstub("recv", "-q", "-o", d, path("wire"))
ok(r.rc == 0 and "complete" in r.err and len(os.listdir(d)) == 1, "a recorded transfer is carved out of the log", r)
with open(path("wire"), "rb") as file:
    wire = file.read()
ok(not set(wire[1000:]) - set(range(32, 127)) - {10, 13}, "in text encoding, all behind the probe is printable", set(wire[1000:]))

# Of a transfer nobody answered, a recorder has kept only the end: why the machine died is there to be read, and the tool
# makes what it can of the rest
OOPS = """BUG: kernel NULL pointer dereference, address: 0000000000000000
#PF: supervisor write access in kernel mode
Oops: 0002 [#1] PREEMPT SMP PTI
CPU: 1 PID: 345 Comm: sh Not tainted 6.1.0-test-amd64 #1
RIP: 0010:sysrq_handle_crash+0x12/0x20
RAX: 0000000000000063 RBX: 0000000000000063 RCX: 0000000000000000
CR2: 0000000000000000 CR3: 0000000104e5e000 CR4: 00000000000006e0
Call Trace:
 <TASK>
 __handle_sysrq+0xa0/0x170
 </TASK>
---[ end trace 0000000000000000 ]---
Kernel panic - not syncing: Fatal exception"""


def records(texts):
    """Of a log_buf: struct printk_log and its text, padded to 4."""
    out = b""
    for i, text in enumerate(texts):
        size = 16 + len(text) + 3 & ~3
        out += (struct.pack("<QHHHBB", i * 1000000, size, len(text), 0, 0, 0) + text).ljust(size, b"\0")
        out = out.ljust(len(out) + 3 & ~3, b"\0")
    return out


core(path("oops"), records([b"nothing to see, line %d" % i for i in range(2000)] + OOPS.encode().splitlines()))
TABLES = g.page_tables()
for mode in "text", "8bit":
    r = run(SIM, "-q", "-c", "0", "-1", "-m", mode, "-w", path("wire"), path("oops"), path("oops-" + mode))
    ok(r.rc == 0, mode + ": it was sent", r)
    with open(path("wire"), "rb") as file:
        wire = file.read()
    text = wire[-4096:].decode("latin1")
    at = text.find("capstub: | [")
    ok(at >= 0 and "BUG: kernel NULL" in text[at:].split("\r\n")[0] and set(text[at:]) <= set(map(chr, range(32, 127))) | set("\r\n"),
       mode + ": the last of it is text, the reason first", text)
    ok(all(word in text[at:] for word in ("RIP: 0010:sysrq", "RAX: 0000", "__handle_sysrq", " 0 missing, 0 unreadable", "stop code 0 (ok)")),
       mode + ": registers, trace and result", text)
    before = -1
    for kib in 16, 64, 256:
        with open(path("tail"), "wb") as file:
            file.write(wire[-kib << 10:])
        d = path("tail-%s-%d" % (mode, kib))
        r = capstub("recv", "-q", "-o", d, path("tail"))
        if not ok(r.rc == 1 and os.path.isdir(d) and len(os.listdir(d)) == 1, f"{mode}: a capture in its last {kib} KiB", r):
            continue
        folder = os.path.join(d, os.listdir(d)[0])
        with open(os.path.join(folder, "dmesg.txt"), "rb") as file:
            log = file.read()
        ok(log.endswith(b"Fatal exception\n") and b"\0" not in log and len(log) > 8000, "... with the end of dmesg", log[-200:])
        pages, _, status = read_vmcore(os.path.join(folder, "vmcore"))
        wrong = [p for p in pages if p < UTS_PFN and pages[p] != g.contents(p, TABLES)]
        ok(not wrong and status & 8 and len(pages) > before, f"... and {len(pages)} pages, all right, INCOMPLETE", (wrong, status, before))
        before = len(pages)

# Of a log that is longer than all else, the end is sent
texts = [b"record %05d " % i + b"x" * 51 for i in range(25000)]
core(path("long"), b"".join(struct.pack("<QHHHBB", i * 1000000, 80, len(t), 0, 0, 0) + t for i, t in enumerate(texts)))
sim("a log of 2 MB", dump="long")
folder = os.listdir(path("out%d" % n))
with open(os.path.join(path("out%d" % n), folder[0], "dmesg.txt"), "rb") as file:
    text = file.read().splitlines()
ok(text[-1].endswith(texts[-1]) and 512 * 1024 < 80 * len(text) <= g.MIB and
   all(line.endswith(want) for line, want in zip(text, texts[-len(text):])), "its last part is sent, of whole records",
   (len(text), text[:1], text[-1:]))

done()
