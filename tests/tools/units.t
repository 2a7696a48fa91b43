#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Units and rules as they are installed: what they run exists, and systemd finds nothing wrong with them."""
import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tool import *

root, build = path("root"), path("build")
os.makedirs(build)
shutil.copy(TOOL, build)
subprocess.run(["tools/build/install.sh", build, "/usr", root], cwd=TOP, check=True)
units = sorted(glob.glob(root + "/usr/lib/systemd/system/*"))
equal([os.path.basename(u) for u in units], ["capstub-load.service", "capstub-recv@.service", "capstub-reload.path", "capstub-reload.service",
                                                "capstub-save.service"], "units")
for unit in units:
    with open(unit) as f:
        text = f.read()
    for program, command in re.findall(r"^Exec\w+=(?!/bin/)(\S+) (\S+)", text, re.M):
        equal(program, "/usr/sbin/capstub", f"{os.path.basename(unit)}: the program")
        equal(capstub(command, "--help").rc, 0, f"... knows {command}")
    ok("/usr/local" not in text, "... and no other prefix")
if shutil.which("systemd-analyze"):
    os.makedirs(root + "/bin")
    for program in ("sleep", "systemctl"):
        shutil.copy(TOOL, os.path.join(root, "bin", program))
    r = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", "--root=" + root, *[u for u in units if "@" not in u])
    said = "\n".join(line for line in r.err.splitlines() if "capstub" in line)
    equal(said, "", "systemd-analyze has nothing to say")
else:
    skip("systemd-analyze", "is not here")
with open(root + "/usr/lib/systemd/catalog/capstub.catalog") as f, open(os.path.join(TOP, "tools/cmd/collect.c")) as source:
    equal(re.findall("^-- ([0-9a-f]{32})$", f.read(), re.M), re.findall('SAVED_ID\t"([0-9a-f]{32})"', source.read()), "the catalogue has the journal's entry")
with open(root + "/usr/lib/udev/rules.d/60-capstub.rules") as f:
    rules = [line for line in f if not line.startswith("#")]
ok(rules and not any("kexec" in r or "capstub load" in r for r in rules), "rules start a unit, never kexec")
done()
