#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""capstub load on made-up machines: what is loaded where, and a sentence for whatever is in the way. Real kernels are for
the QEMU tests; the segments' contents for tests/unit/tools/test_load.c."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *

IOMEM = """00001000-0009fbff : System RAM
00100000-1ffdefff : System RAM
  01000000-01dfffff : Kernel code
  02000000-02bfffff : Kernel bss
  1f000000-%s : Crash kernel
"""
n = 0


def machine(iomem=IOMEM % "1f0fffff", **files):
    """A tree of /proc and /sys; files: the path with _ for /, and its text"""
    global n
    n += 1
    root = path(f"root{n}")
    tree = {"proc/iomem": iomem, "sys/devices/system/cpu/cpu0/crash_notes": "1fd8a600\n",
            "sys/devices/system/cpu/cpu0/crash_notes_size": "368\n", "sys/kernel/vmcoreinfo": "1de2a000 1024\n",
            "proc/cpuinfo": "flags : lm pdpe1gb\n"}
    tree.update({k.replace("__", "/"): v for k, v in files.items()})
    for name, text in tree.items():
        if text is None:
            continue
        os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
        with open(os.path.join(root, name), "wb" if isinstance(text, bytes) else "w") as f:
            f.write(text)
    return root


stub = g.stub_image(path("stub"))
root = machine()


def load(*args, image=stub, root=root, words="dump=any"):
    return "load", "--root", root, "--image", image, "--words", words, *args


r = expect(0, "dump=any elfcorehdr=0x", *load())
pieces = {m[0]: (int(m[1], 16), int(m[2], 16)) for m in re.findall(r"^(\w+) +0x([0-9a-f]+)-0x([0-9a-f]+)", r.out, re.M)}
equal(sorted(pieces), ["elfcorehdr", "image", "parameters", "reservation"], "the pieces are shown")
equal(pieces["reservation"], (0x1f000000, 0x1f100000), "the reservation")
equal(pieces["image"][1] - pieces["image"][0], 0x3f000, "memory of the image")
ok(all(0x1f000000 <= a and b <= 0x1f100000 for a, b in pieces.values()), "all inside", pieces)
entry = int(re.search(r"entry +(0x\w+)", r.out).group(1), 16)
ok(pieces["parameters"][0] < entry < pieces["parameters"][1], "entered behind the parameters")

expect(0, "level=99: not 0 to 31", *load(words="dump=any level=99"))
expect(0, "ignored: levle", *load(words="dump=any levle=1"))
expect(1, "no good dump= word", *load(words="level=1"))
expect(1, "no good dump= word", *load(words="dump=crash"))
expect(1, "control character", *load(words="dump=any\n"))
expect(1, "bytes too long", *load(words="dump=any " + "x " * 1020))
expect(1, "Target=", "load", "--dry-run")
expect(2, "auto, load or file", *load("--syscall", "kexec"))
expect(0, "words        dump=any\n", *load("--syscall", "file"))

expect(1, "crashkernel=1M", *load(root=machine("00100000-1ffdefff : System RAM\n")))
expect(1, "run capstub as root", *load(root=machine("00000000-00000000 : System RAM\n")))
expect(1, "boot with crashkernel=512K", *load(root=machine(IOMEM % "1f03ffff")))
expect(0, "words", *load(root=machine(IOMEM % "1f07ffff")))
expect(1, "/proc/iomem", *load(root=path("nowhere")))
expect(1, "crash_notes", *load(root=machine(sys__devices__system__cpu__cpu0__crash_notes=None)))
expect(0, "vmcoreinfo: nothing there", *load(root=machine(sys__kernel__vmcoreinfo=None)))
expect(0, "the kernel follows by itself", *load(root=machine(sys__kernel__crash_elfcorehdr_size="921600\n")))

expect(1, "checksum does not fit", *load(image=g.stub_image(path("changed"), 5000)))
expect(1, "makes no sense", *load(image=g.stub_image(path("small"), memsz=4096)))
expect(1, "--image names the stub", *load(image=path("missing")))
with open(path("cut"), "wb") as f:
    f.write(open(stub, "rb").read()[:8192])
expect(1, "checksum does not fit", *load(image=path("cut")))
for size in (0, 1, 511, 1023, 1100):
    with open(path("cut"), "wb") as f:
        f.write(open(stub, "rb").read()[:size])
    expect(1, "is no image of the stub", *load(image=path("cut")))

# Somebody else's reservation
with open(path("kdump.conf"), "w") as f:
    f.write("[Stub]\nTarget=any\n[Load]\nOwner=kdump\n")
expect(1, "write Owner=capstub there", "load", "-c", path("kdump.conf"), "--image", stub)
expect(0, "words        dump=any", "load", "-c", path("kdump.conf"), "--image", stub, "-n", "--syscall", "file")

# A kernel without crashkernel= and without root, whichever this is: a sentence, not a number
r = capstub("load", "--words", "dump=any", "--image", stub)
ok(r.rc == 1 and r.err.startswith("capstub: ") and "errno" not in r.err, "load on this machine", r)
done()
