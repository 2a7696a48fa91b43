#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The images are started as firmware starts them, by a program of the same architecture that loads them by their header."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from tap import BUILD, TOP, done, ok, workdir

work = workdir("cases/start")
for arch, name, cross, run in (("x86_64", "capstub.bzImage", "x86_64-linux-gnu-", []), ("arm64", "capstub.Image", "aarch64-linux-gnu-", ["qemu-aarch64-static"])):
    image = os.path.join(BUILD, arch, name)
    if not os.path.exists(image):
        continue
    efi = os.path.join(BUILD, arch, "include/efi")
    program = work.path("start-" + arch)
    p = subprocess.run([cross + "gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-static", "-fshort-wchar", "-DGNU_EFI_USE_MS_ABI", "-isystem", efi, "-isystem",
                        os.path.join(efi, {"arm64": "aarch64"}.get(arch, arch)), "-o", program, os.path.join(TOP, "tests/images/start.c")],
                       capture_output=True, text=True, check=False)
    ok(p.returncode == 0, arch + ": a firmware", p.stderr)
    p = subprocess.run(run + [program, image], capture_output=True, text=True, timeout=60, check=False)
    ok(p.returncode == 0, arch + ": the image returns an error to it", f"status {p.returncode}\n{p.stdout}{p.stderr}")
    ok(p.stdout.startswith("capstub ") and "capstub load" in p.stdout and "stall" in p.stdout, arch + ": and says what it is", p.stdout)
done()
