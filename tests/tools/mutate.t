#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Targets damaged at random, from a fixed seed (SEED=n MUTATIONS=n for more): the tool may fail, but only in its own
words. Built with sanitizers by `make tool-check`, so that a wrong read is a failure too.
"""
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *

random.seed(int(os.environ.get("SEED", 1)))
whole = g.Dump()
target, out = path("t.img"), path("out")
areas = [(0, 464), (g.PAGE, 104), (g.PAGE + 104, 1200), (whole.bitmap2_at, 256),
         (whole.descs_at, 24 * len(whole.pfns)), (whole.data_at, len(whole.bytes) - whole.data_at)]
bad = []
for i in range(int(os.environ.get("MUTATIONS", 40))):
    g.image(target, whole, state=random.choice([g.DUMPING, g.COMPLETE, g.INCOMPLETE, g.SAVED]),
            stop=random.choice([0, 1, 40]))
    with open(target, "r+b") as f:
        for _ in range(random.randint(1, 12)):
            start, length = random.choice(areas)
            f.seek(start + random.randrange(length))
            f.write(bytes(random.choice([0, 0xff, 0x7f, 0x80, random.randrange(256)])
                          for _ in range(random.choice([1, 1, 2, 4, 8]))))
    for args in (["info", "--json"], ["save", "--keep", "--force", "-o", out],
                 ["save", "--keep", "--force", "--format", "elf", "-o", out],
                 ["save", "--keep", "--force", "--compress", random.choice(["none", "lzo", "zlib", "zstd"]), "-o", out]):
        r = capstub(*args, target)
        if r.rc not in (0, 1) or (r.rc == 1 and "capstub: " not in r.err):
            bad.append(f"mutation {i}: {args[0]} {args[-2]}: {r}")
ok(not bad, "damaged at random: never worse than a clear failure", "\n".join(bad[:3]))
equal([f for f in os.listdir(out) if f.endswith(".part")], [], "nothing half-written stays")
done()
