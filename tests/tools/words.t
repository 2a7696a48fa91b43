#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""capstub words: the checksum that the stub on arm64 compares. What the hints of capstub format say on each machine."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *

# RFC 3720 B.4 and every other list of CRC-32C check values: "123456789" gives e3069283
equal(capstub("words", "123456789").out, "123456789 check=e3069283\n", "the check value of the CRC")
line = "dump=UUID=01234567-89ab-cdef-0123-456789abcdef console=ttyAMA0,115200 level=17"
want = f"{line} check={g.crc32c(line.encode()):08x}\n"
equal(capstub("words", *line.split()).out, want, "words as arguments of their own")
equal(capstub("words", line).out, want, "... or as one")
equal(capstub("words", line + "  ").out, want, "blanks at the end do not count")
equal(capstub("words", "a  b", "c").out, f"a  b c check={g.crc32c(b'a  b c'):08x}\n", "blanks inside do")
equal(capstub("words", "uncheck=1").rc, 0, "a word that only ends like it")
longest = "x" * (2047 - len(" check=00000000"))
equal(len(capstub("words", longest).out), 2048, "as long as the stub can take, and a newline")
for args, words in ((["words"], "which WORDS"), (["words", line, "check=00000000"], "check= is there already"),
                    (["words", line + " check=1 more"], "check= is there already"), (["words", "a\nb"], "control character"),
                    (["words", " "], "which WORDS")):
    expect(2, words, *args)
for args in ((longest + "x",), (longest, "x"), ("x" * 5000,)):
    r = capstub("words", *args)
    ok(r.rc == 2 and "more than 2047 bytes" in r.err, f"{len(' '.join(args))} bytes are too many", r)

# The line that format prints is for the machine that it runs on
shim = path("machine.so")
with open(path("machine.c"), "w") as f:
    f.write("""#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
int uname(struct utsname *u)
{
	memset(u, 0, sizeof(*u));
	strcpy(u->machine, getenv("MACHINE"));
	return 0;
}
""")
subprocess.run([os.environ.get("HOSTCC", "gcc"), "-shared", "-fPIC", "-o", shim, path("machine.c")], check=True)
for machine, image, hint in (("x86_64", "/capstub.bzImage ", "crashkernel=2M"), ("aarch64", "/capstub.Image ", "crashkernel=3M")):
    asan = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    r = capstub("format", "--size", "2M", path(machine + ".img"),
                env=dict(os.environ, LD_PRELOAD=shim, MACHINE=machine, ASAN_OPTIONS=asan))
    ok(r.rc == 0 and image in r.out and hint in r.out, f"hint on {machine}", r)
    equal("capstub words dump=UUID=" in r.out, machine == "aarch64", f"... checksum, on {machine}")
    equal(r.out.count("/capstub."), 1, f"... and of no other machine's image, on {machine}")
done()
