#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""capstub info: labels of every state, damaged ones, other files; JSON that parses whatever is inside."""
import json
import os
import re
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *

whole = g.Dump()

# A finished capture, for people
t = g.image(path("complete.img"), whole, name=b"rack 7")
r = capstub("info", t)
equal(r.rc, 0, "complete: status 0")
for words in ("complete: the dump is whole", "rack 7", "stop code 0 (ok)", "2025-06-15 15:06:40 UTC",
              "6.1.0-test-amd64 x86_64", "level 31", "ratio 4.00", "first block after 31 ms",
              "Kernel panic - not syncing: sysrq triggered crash", "00010203-0405-0607-0809-0a0b0c0d0e0f"):
    ok(words in r.out, f"complete: shows '{words}'", r)
ok(r.out.startswith("Reason:     Kernel panic - not syncing: sysrq triggered crash\n"), "the reason comes first of all", r)
equal(re.findall(r"^\[.*", r.out, re.M), g.DMESG.splitlines()[-2:], "then the crash in the words of the log")
equal(capstub("info", "--dmesg", t).out, g.DMESG, "--dmesg is the whole text and nothing else")
equal(capstub("info", "--log", t).out, g.STUB_LOG, "--log is the stub's log")

# ... and for scripts
j = info(t)
equal(j["kind"], "target", "JSON: kind")
equal({k: j["label"][k] for k in ("status", "state", "state_name", "stop_code", "stop_name", "crash_time",
                                  "crash_time_utc", "release", "machine", "compress", "compress_name",
                                  "dump_bytes", "page_size", "elapsed_us", "first_block_us",
                                  "compression_ratio", "captures", "dump_level")},
      {"status": "ok", "state": 2, "state_name": "complete", "stop_code": 0, "stop_name": "ok",
       "crash_time": 1750000000, "crash_time_utc": "2025-06-15T15:06:40Z", "release": "6.1.0-test-amd64",
       "machine": "x86_64", "compress": 2, "compress_name": "lzo", "dump_bytes": len(whole.bytes),
       "page_size": 4096, "elapsed_us": 2345678, "first_block_us": 31000, "compression_ratio": 4,
       "captures": 1, "dump_level": 31}, "JSON: label")
equal(list(j["label"]["pages_by_class"]), ["kernel", "zero", "cache", "cache_private", "user", "free", "offline",
                                           "hwpoison"], "JSON: classes")
equal(j["dump"]["max_pfn"], g.MAX_PFN, "JSON: dump header")
equal(j["dmesg_tail"], g.DMESG.splitlines()[-20:], "JSON: dmesg tail")
equal((j["reason"], j["call_trace"]), ("Kernel panic - not syncing: sysrq triggered crash",
                                       ["CPU: 1 PID: 345 Comm: sh Not tainted 6.1.0-test-amd64"]), "JSON: reason and call trace")

# An oops is the reason of the panic that it ends in; lines between are not shown; no newline at the end
OOPS = [" before", "BUG: kernel NULL pointer dereference, address: 0000000000000000", "#PF: supervisor write access",
        "Oops: 0002 [#1] PREEMPT SMP", "CPU: 0 PID: 12 Comm: insmod", "RIP: 0010:evil+0x12/0x20 [bad]", "Code: 00", "Call Trace:",
        " <TASK>", " do_one_initcall+0x12/0x34", " </TASK>", "Modules linked in: bad(O)",
        "Kernel panic - not syncing: Fatal exception", "Kernel Offset: disabled"]
o = g.image(path("oops.img"), whole, dmesg="\n".join(f"[{i:5}.000000] {line}" for i, line in enumerate(OOPS)))
r, j = capstub("info", o), info(o)
ok(r.out.startswith("Reason:     BUG: kernel NULL pointer dereference"), "oops: the reason is what led to the panic", r)
equal([l[15:] for l in re.findall(r"^\[.*", r.out, re.M)], [OOPS[i] for i in (1, 4, 5, 7, 8, 9)], "oops: where it was, and its call trace")
equal((j["reason"], j["call_trace"]), (OOPS[1], [OOPS[i].strip() for i in (4, 5, 7, 8, 9)]), "oops: JSON")
# Nothing said
o = g.image(path("quiet.img"), whole, dmesg="".join(f"[{i:5}.000000] line {i}\n" for i in range(50)))
r, j = capstub("info", o), info(o)
ok("Reason:" not in r.out and len(re.findall(r"^\[ ", r.out, re.M)) == 20 and "line 49" in r.out, "no reason: the last 20 lines", r)
equal((j["reason"], j["call_trace"]), (None, []), "no reason: JSON")

# Memory that the stub was not told of
o = g.image(path("memory.img"), whole, state=g.INCOMPLETE, stop=42, ram_missing=512 * g.MIB)
r, j = capstub("info", o), info(o)
ok("stop code 42 (ram-missing)" in r.out and "MISSING:    at least 512.0 MiB of RAM" in r.out, "memory that is missing", r)
equal(j["label"]["ram_missing_bytes"], 512 * g.MIB, "memory that is missing: JSON")

# Every key is documented
manual = open(os.path.join(TOP, "docs", "capstub.8")).read().replace("\\-", "-").replace("\\_", "_")


def keys(o):
    for k, v in o.items():
        yield k
        if isinstance(v, dict):
            yield from keys(v)


missing = [k for k in keys(info(g.image(path("cut.img"), g.Dump(stored=500), state=g.DUMPING, stop=1)))
           if not re.search(rf"\b{k}\b", manual)]
equal(missing, [], "the manual names every JSON key")

# A capture that was cut: counted from the descriptors
r = capstub("info", path("cut.img"))
ok(r.rc == 0 and "dumping: the capture was cut" in r.out and "(interrupted)" in r.out, "cut: said so", r)
j = info(path("cut.img"))
equal((j["dump"]["pages_stored"], j["dump"]["pages_missing"], j["dump"]["incomplete"]),
      (500, len(whole.pfns) - 500, True), "cut: pages counted")

# Labels that are not to be trusted
end = 16 * g.MIB
cases = (("bad-crc", dict(bad_crc=True), "damaged (CRC)"),
         ("bad-version", dict(version=2), "of another version"),
         ("bad-size", dict(target_bytes=end + 4096), "was resized"),
         ("bad-fields", dict(dump_bytes=end), "impossible values"),
         ("bad-fields", dict(dmesg_bytes=1 << 40), "impossible values"),
         ("bad-fields", dict(log_bytes=61441), "impossible values"),
         ("bad-fields", dict(state=77), "impossible values"),
         ("bad-fields", dict(release=b"x" * 65), "impossible values"))
for status, fields, words in cases:
    f = g.image(path("bad.img"), whole, **fields)
    expect(1, words, "info", f)
    j = info(f)
    equal((j["label"]["status"], j["damaged"]), (status, True), f"JSON: {status}")
    ok(capstub("info", "--dmesg", f).rc == 1, f"{status}: no dmesg by a label that is not trusted")

f = g.image(path("grown.img"), whole)
with open(f, "r+b") as h:
    h.truncate(end + 8192)
r = expect(1, "the target has grown since format: run capstub format again (it keeps its UUID)", "info", f)
j = info(f)
equal((j["label"]["status"], j["label"]["target_bytes"], j["damaged"], j["dump"]["pages_missing"]), ("bad-size", end, True, 0),
      "grown: the label is found where it was, and the dump is shown")
expect(1, "the target has grown since format: run capstub format again (it keeps its UUID)", "save", f)
expect(0, "", "save", "--force", "-o", path("grown"), f)
expect(0, "", "format", "--force", f)
equal((info(f)["label"]["status"], info(f)["label"]["uuid"]), ("ok", j["label"]["uuid"]), "grown: formatted again, under the same UUID")

# A dump header that is not to be trusted
for what, offset, data in (("block size 0", 428, struct.pack("<i", 0)), ("block size -1", 428, struct.pack("<i", -1)),
                           ("block size 5000", 428, struct.pack("<i", 5000)),
                           ("sub-header size", 432, struct.pack("<i", 0x7fffffff)),
                           ("sub-header size", 432, struct.pack("<i", 0)),
                           ("bitmap blocks", 436, struct.pack("<I", 0xfffffffe)),
                           ("bitmap blocks odd", 436, struct.pack("<I", 3)),
                           ("max_mapnr", g.PAGE + 96, struct.pack("<Q", 1 << 63)),
                           ("max_mapnr", g.PAGE + 96, struct.pack("<Q", (1 << 64) - 1)),
                           ("old version", 8, struct.pack("<i", 5)), ("split", g.PAGE + 12, struct.pack("<i", 1))):
    f = g.image(path("header.img"), whole)
    with open(f, "r+b") as h:
        h.seek(offset)
        h.write(data)
    r = capstub("info", f)
    ok(r.rc == 1 and "capstub: " in r.err and "State:" in r.out, f"header: {what}: reported, label still shown", r)
    equal(info(f)["dump"], None, f"header: {what}: JSON without a dump")

# Hostile text: nothing reaches the terminal, and JSON stays JSON
evil = "".join(chr(c) for c in range(1, 256)) + "\x1b]0;title\x07 \xc3\x28 \"quote\\ \n"
f = g.image(path("evil.img"), whole, dmesg=evil, release=b"\x1b[31m\xff\"\\", name=b"\x1b[0m\xe2\x82")
r = run(TOOL, "info", f)
raw = __import__("subprocess").run([TOOL, "info", f], capture_output=True).stdout
ok(not any(b < 32 and b not in (9, 10) or b == 127 for b in raw), "no control characters on the terminal")
raw.decode("utf-8")
ok(True, "output is UTF-8")
j = info(f)
ok("\ufffd" in j["label"]["name"] and j["label"]["name"].startswith("\x1b[0m"), "JSON carries the text, broken UTF-8 replaced", j["label"])

# Other files
plain = path("vmcore")
open(plain, "wb").write(whole.bytes)
vmcore = r = expect(0, "kdump-compressed dump", "info", plain)
ok("2 selected" not in r.out and f"{len(whole.pfns)} selected" in r.out and "6.1.0-test-amd64" in r.out, "vmcore: described", r)
equal(info(plain)["dump"]["pages_stored"], len(whole.pfns), "vmcore: JSON")
expect(1, "makedumpfile --dump-dmesg", "info", "--dmesg", plain)
cut = path("vmcore-cut")
open(cut, "wb").write(whole.bytes[:whole.data_at - 100])
expect(1, "cut short", "info", cut)
open(cut, "wb").write(whole.bytes[:-5000])
j = info(cut)
ok(j["dump"]["pages_damaged"] > 0 and j["dump"]["pages_stored"] > 0, "vmcore cut in the data: pages behind the end are damaged", j)
ok("needs no 'save'" in vmcore.out, "vmcore: says that it needs no save", r)
for name, words in (("elf", "an ELF core dump"), ("elf32", "an ELF core dump"), ("elf-be", "an ELF core dump"),
                    ("flat", "a flattened makedumpfile stream")):
    r = expect(0, words, "info", g.foreign(path(name), name))
    ok("needs no 'save'" in r.out, f"{name}: says that it needs no save", r)
    equal((info(path(name))["kind"], info(path(name))["damaged"]), ("flattened" if name == "flat" else "elf", False), f"{name}: JSON")
for name, words in (("kdump32", "another architecture (32 bits)"), ("kdump-be", "another architecture (big-endian)")):
    r = expect(0, words, "info", g.foreign(path(name), name))
    ok("damaged" not in r.err and "a kdump-compressed dump" in r.out, f"{name}: not called damaged", r)
    j = info(path(name))
    equal((j["kind"], j["damaged"], j["dump"]), ("kdump", False, None), f"{name}: JSON")
open(path("zeros"), "wb").truncate(16 * g.MIB)
expect(1, "carries no capstub label", "info", path("zeros"))
equal(info(path("zeros"))["kind"], "unknown", "JSON: unknown")
open(path("empty"), "wb").close()
expect(1, "carries no capstub label", "info", path("empty"))
expect(1, "No such file", "info", path("nothing"))
expect(2, "which TARGET", "info")
expect(2, "exclude each other", "info", "--json", "--log", t)
done()
