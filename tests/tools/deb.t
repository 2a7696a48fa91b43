#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The packages: what is in them, and that one comes, is replaced and goes again without a trace. In a folder, as whoever runs
this; "make deb" has lintian look at the real one."""
import glob
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *

if not shutil.which("dpkg-shlibdeps"):
    skip("packages", "dpkg-dev is not here")
    done()
arch = subprocess.check_output(["dpkg", "--print-architecture"], text=True).strip()
stub = {"amd64": "capstub.bzImage", "arm64": "capstub.Image"}[arch]
build, root = path("build"), path("root")
for folder in ("x86_64", "arm64"):
    os.makedirs(os.path.join(build, folder))
shutil.copy(TOOL, build)
g.stub_image(os.path.join(build, "x86_64/capstub.bzImage"))
g.stub_image(os.path.join(build, "arm64/capstub.Image"))
env = dict(os.environ, SOURCE_DATE_EPOCH="1700000000", PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")


def package(version, folder, script="deb"):
    os.makedirs(path(folder), exist_ok=True)
    r = run(f"tools/package/{script}.sh", build, version, path(folder), cwd=TOP, env=env)
    ok(r.rc == 0, f"{script} {version}", r)
    return r.out.strip()


def dpkg(*args):
    r = run("dpkg", "--root=" + root, "--log=/dev/null", "--force-not-root,script-chrootless,depends,bad-path", *args, env=env)
    ok(r.rc == 0, "dpkg " + " ".join(os.path.basename(a) for a in args), r)
    return r


def tree():
    """Every file of the system, but for dpkg's own"""
    found = []
    for folder, folders, files in os.walk(root):
        found += [os.path.relpath(os.path.join(folder, f), root) for f in files + folders]
    return sorted(f for f in found if not f.startswith("var/lib/dpkg"))


deb = package("0.1", "one")
with open(deb, "rb") as a, open(package("0.1", "two"), "rb") as b:
    ok(a.read() == b.read(), "the same package again, byte for byte")
for folder in ("info", "updates", "triggers"):
    os.makedirs(os.path.join(root, "var/lib/dpkg", folder))
for folder in ("etc/systemd/system", "run", "usr/sbin", "var/crash/host-20261130"):
    os.makedirs(os.path.join(root, folder))
for file in ("var/lib/dpkg/status", "usr/sbin/other"):
    open(os.path.join(root, file), "w").close()
before = tree()

r = dpkg("-i", deb)
ok("capstub setup" in r.out, "it says the next step", r)
have = tree()
files = {f for f in have if f not in before and os.path.isfile(os.path.join(root, f))}
for file in ("usr/sbin/capstub", "usr/lib/capstub/" + stub, "usr/share/man/man8/capstub.8.gz", "usr/share/man/man5/capstub.conf.5.gz",
             "usr/lib/systemd/system/capstub-load.service", "usr/lib/udev/rules.d/60-capstub.rules", "etc/capstub/save.d",
             "usr/share/bash-completion/completions/capstub", "usr/share/zsh/vendor-completions/_capstub"):
    ok(file in have, file)
equal(len(os.listdir(root + "/usr/lib/capstub")), 1, "one stub, this machine's")
equal([f for f in have if f.endswith(".service") and "wants" in f], [], "nothing is enabled")
r = run("grep", "-r", "/usr/local", root + "/usr/lib", root + "/usr/share")
equal(r.out, "", "nothing names /usr/local")
r = run("man", "-l", "--warnings", root + "/usr/share/man/man8/capstub.8.gz") if shutil.which("man") else None
ok(not r or "capstub" in r.out, "the manual can be read", r)
equal(run(root + "/usr/sbin/capstub", "--version").out[:7], "capstub", "the program runs")

if shutil.which("systemctl", path=env["PATH"]):
    run("systemctl", "--root=" + root, "enable", "capstub-load.service", "capstub-recv@ttyS0.service", env=env)
    equal(len([f for f in tree() if "wants/" in f]), 4, "units are enabled by hand")
# What setup did is undone when the package goes: on a system with a boot loader, and without kernels
os.makedirs(root + "/usr/bin")
os.makedirs(root + "/dev")
for file, text in (("etc/kernel/cmdline", "quiet\n"), ("usr/bin/kernel-install", "")):
    os.makedirs(os.path.dirname(os.path.join(root, file)), exist_ok=True)
    with open(os.path.join(root, file), "w") as f:
        f.write(text)
theirs = [f for f in tree() if f not in before + have and "wants" not in f]
if shutil.which("systemctl", path=env["PATH"]):
    expect(0, "ready", "format", "--size", "8M", root + "/dev/sda4")
    theirs.append("dev/sda4")
    r = run(root + "/usr/sbin/capstub", "setup", "--root", root, env=env)
    ok(r.rc == 0 and "reboot" in r.out, "capstub setup", r)
    with open(root + "/etc/kernel/cmdline") as f:
        equal(f.read(), "quiet crashkernel=1M\n", "... reserves memory")
with open(root + "/etc/capstub.conf", "w") as f:
    f.write("[Stub]\n")
r = dpkg("-i", package("0.2", "two"))
ok("capstub setup" not in r.out and os.path.exists(root + "/etc/capstub.conf"), "an upgrade changes nothing else", r)
dpkg("-r", "capstub")
equal([f for f in tree() if "capstub" in f and not f.startswith("etc/capstub")], [], "removed; the configuration stays")
equal([f for f in tree() if "wants/" in f], [], "... and no unit is left enabled")
with open(root + "/etc/kernel/cmdline") as f:
    equal(f.read(), "quiet\n", "... nor memory reserved")
os.makedirs(root + "/etc/capstub/save.d", exist_ok=True)
with open(root + "/etc/capstub/save.d/mine", "w") as f:
    f.write("#!/bin/sh\n")
dpkg("--purge", "capstub")
equal([f for f in tree() if f not in before + theirs and not f.endswith(".wants")], [], "purged, nothing is left")
equal([f for f in before if f not in tree()], [], "... and nothing else is gone, dumps least of all")

dpkg("-i", deb)
dpkg("--purge", "capstub")
equal([f for f in tree() if f not in before + theirs and not f.endswith(".wants")], [], "installed and purged at once")

if shutil.which("rpmbuild"):
    rpm = package("0.1", "one", "rpm")
    listed = [f.removesuffix(".gz") for f in run("rpm", "-qlp", rpm).out.split()]
    want = {"/" + f.removesuffix(".gz").replace("vendor-completions", "site-functions") for f in files if "/doc/" not in f and "lintian" not in f}
    equal(sorted(want - set(listed)), [], "the RPM package has the same files")
    ok("/etc/capstub/save.d" in listed, "... and the folder for programs", listed)
    scripts = run("rpm", "-qp", "--scripts", rpm).out
    ok("capstub setup" in scripts and "preuninstall" in scripts, "... and its scripts", scripts)
else:
    skip("RPM", "rpmbuild is not here")
done()
