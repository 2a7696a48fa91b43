#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""capstub words: the checksum that the stub on arm64 compares."""
import os
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

done()
