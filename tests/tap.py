# SPDX-License-Identifier: GPL-2.0-or-later
"""TAP for prove: every test program in Python says "ok" and "not ok" through this file.

    ok(condition, name), equal(got, want, name)     one test each
    with case(name) as c:                           one test, which any exception inside fails:
        check(condition, text)
    done()                                          at the end: the plan, the exit status

A case has a folder of its own, c.dir, which is kept when it fails (KEEP=1: always). ONLY=text is for
the cases whose name holds it: if wanted(name).
"""
import os
import re
import shutil
import sys
import time
import traceback

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, os.environ.get("BUILD") or "build")
KEEP = bool(os.environ.get("KEEP"))

count = failures = 0


class Failure(Exception):
    """A case failed: the text says what was expected and what was seen."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def note(text):
    for line in str(text).splitlines():
        print("#", line, flush=True)


def ok(condition, name, detail=""):
    global count, failures
    count += 1
    print(f"{'ok' if condition else 'not ok'} {count} - {name}", flush=True)
    if not condition:
        failures += 1
        note(detail)
    return condition


def equal(got, want, name):
    return ok(got == want, name, f"got:  {got!r}\nwant: {want!r}")


def skip(name, why):
    """Counted apart: prove shows it as skipped, with the reason."""
    global count
    count += 1
    print(f"ok {count} - {name} # SKIP {why}", flush=True)


def failed():
    return failures


def done():
    print(f"1..{count}", flush=True)
    sys.exit(1 if failures or not count else 0)


class workdir:
    """An empty folder under $BUILD for whatever is made from now on."""

    current = None

    def __init__(self, name):
        self.dir = os.path.join(BUILD, name)
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        workdir.current = self

    def path(self, name):
        return os.path.join(self.dir, name)


class case(workdir):
    """One test: passes when its block ends, fails with any exception."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        script = os.path.basename(sys.argv[0]).replace(".t", "")
        super().__init__(os.path.join("cases", script, re.sub(r"[^A-Za-z0-9]+", "-", self.name).strip("-").lower()))
        self.start = time.monotonic()
        return self

    def __exit__(self, kind, value, trace):
        workdir.current = None
        if kind and not issubclass(kind, Exception):
            return False
        note(f"{self.name}: {time.monotonic() - self.start:.1f} s")
        if kind is Failure:
            detail = str(value)
        else:
            detail = "".join(traceback.format_exception(kind, value, trace)) if kind else ""
        if not ok(kind is None, self.name, detail):
            note("files: " + self.dir)
        elif not KEEP:
            shutil.rmtree(self.dir, ignore_errors=True)
        return True


def wanted(name):
    return os.environ.get("ONLY", "") in name
