# SPDX-License-Identifier: GPL-2.0-or-later
"""Test helpers: TAP output for prove, a scratch folder, and running the tool that was built."""
import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "capstub")
SCRATCH = tempfile.mkdtemp(prefix="capstub-tools-")
atexit.register(shutil.rmtree, SCRATCH, ignore_errors=True)

count = failures = 0


def ok(cond, name, detail=""):
    global count, failures
    count += 1
    print(f"{'ok' if cond else 'not ok'} {count} - {name}")
    if not cond:
        failures += 1
        for line in str(detail).splitlines():
            print(f"# {line}")
    sys.stdout.flush()
    return cond


def equal(got, want, name):
    return ok(got == want, name, f"got:  {got!r}\nwant: {want!r}")


def skip(name, why):
    """Counted apart: prove shows it as skipped, with the reason."""
    global count
    count += 1
    print(f"ok {count} - {name} # SKIP {why}")


def done():
    print(f"1..{count}")
    sys.exit(1 if failures else 0)


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


def sha(file):
    import hashlib
    with open(file, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def need_tool():
    if not os.access(TOOL, os.X_OK):
        print(f"Bail out! {TOOL} is not built")
        sys.exit(1)


need_tool()
