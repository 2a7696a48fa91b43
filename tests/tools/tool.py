# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the host tool share: TAP, a scratch folder, and running the tool that was built."""
import atexit
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from tap import BUILD, TOP, done, equal, note, ok, skip

TOOL = os.path.join(BUILD, "capstub")
SCRATCH = tempfile.mkdtemp(prefix="capstub-tools-")
atexit.register(shutil.rmtree, SCRATCH, ignore_errors=True)


def path(name):
    return os.path.join(SCRATCH, name)


class Result:
    def __init__(self, proc):
        self.rc, self.out, self.err = proc.returncode, proc.stdout, proc.stderr

    def __str__(self):
        return f"rc {self.rc}\n{self.out}{self.err}"


def run(*args, **kw):
    """Any program; text is decoded leniently because dumps hold anything"""
    return Result(subprocess.run([str(a) for a in args], capture_output=True, text=True, errors="replace",
                                 stdin=subprocess.DEVNULL, timeout=120, **kw))


def capstub(*args, **kw):
    return run(TOOL, *args, **kw)


def expect(rc, words, *args, **kw):
    """Run the tool, check exit status and that a phrase stands in its messages"""
    r = capstub(*args, **kw)
    name = "capstub " + " ".join(str(a).replace(SCRATCH, "").encode("unicode_escape").decode() for a in args)
    ok(r.rc == rc and words in r.out + r.err, f"{name}: status {rc}, says '{words}'", r)
    return r


def info(target):
    return json.loads(capstub("info", "--json", target).out)


def read_vmcore(file):
    """Pages that are there, pages that are promised, status word: by the format's description, not by our own reader."""
    with open(file, "rb") as f:
        data = f.read()
    assert data[:8] == b"KDUMP   ", data[:8]
    status, block, sub, bitmaps = struct.unpack_from("<iiiI", data, 424)
    at = (1 + sub) * block
    bits = int.from_bytes(data[at + bitmaps // 2 * block:at + bitmaps * block], "little")
    table, pages, promised, index = at + bitmaps * block, {}, [], 0
    for pfn in range(bits.bit_length()):
        if not bits >> pfn & 1:
            continue
        promised.append(pfn)
        offset, size, flags, _ = struct.unpack_from("<qIIQ", data, table + 24 * index)
        index += 1
        if offset:
            page = data[offset:offset + size]
            pages[pfn] = zlib.decompress(page) if flags & 1 else page
    return pages, promised, status


def sha(file):
    with open(file, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def need_tool():
    if not os.access(TOOL, os.X_OK):
        print(f"Bail out! {TOOL} is not built")
        sys.exit(1)


need_tool()
