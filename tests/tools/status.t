#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""capstub status and check on made-up machines: what is loaded, what would be in the way."""
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *

UUID = "01234567-89ab-cdef-0123-456789abcdef"
stub = g.stub_image(path("stub"))
with open(stub, "rb") as f:
    stub_crc = g.crc32c(f.read())
n = 0


def machine(words=f"dump=UUID={UUID} console=ttyS0", loaded="1\n", conf=None, label=True, elfcore_crc="0", **files):
    """A protected machine, but for what the caller changes"""
    global n
    n += 1
    root = path(f"m{n}")
    if conf is None:
        conf = f"[Stub]\nTarget=UUID={UUID}\nConsole=ttyS0\n"
    tree = {
        "proc/iomem": "00001000-0009fbff : System RAM\n00100000-1ffdefff : System RAM\n  1f000000-1f0fffff : Crash kernel\n",
        "proc/cmdline": "root=/dev/sda1 crashkernel=1M\n", "proc/sys/kernel/panic": "10\n",
        "proc/meminfo": "MemTotal: 500000 kB\nMemFree: 498000 kB\n", "proc/cpuinfo": "flags : pdpe1gb lm\n",
        "sys/devices/system/cpu/cpu0/crash_notes": "1fd8a600\n", "sys/kernel/vmcoreinfo": "1de2a000 1024\n",
        "sys/kernel/kexec_crash_loaded": loaded, "sys/kernel/kexec_crash_size": "1048576\n",
        "capstub.conf": conf + f"[Load]\nImage={stub}\n",
    }
    if loaded == "1\n" and words is not None:
        tree["run/capstub/loaded"] = f"1700000000 {stub_crc:08x} {elfcore_crc}\n{stub}\n{words}\n"
    tree.update({k.replace("__", "/"): v for k, v in files.items()})
    os.makedirs(os.path.join(root, "dev"))
    for unit, wants in (("load", "sysinit"), ("save", "multi-user")):
        link = os.path.join(root, f"etc/systemd/system/{wants}.target.wants/capstub-{unit}.service")
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.symlink(f"/usr/lib/systemd/system/capstub-{unit}.service", link)
    for name, text in tree.items():
        if text is None:
            continue
        os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
        with open(os.path.join(root, name), "w") as f:
            f.write(text)
    if label:
        target(root, "sda4")
    return root


def target(root, name, uuid=UUID, label="crash", size="8M"):
    expect(0, "ready", "format", "--size", size, "-U", uuid, "-n", label, os.path.join(root, "dev", name))


def status(root, rc, *words):
    r = capstub("status", "--root", root, "-c", os.path.join(root, "capstub.conf"))
    ok(r.rc == rc and all(w in r.out for w in words), f"status {rc}: {', '.join(words)}", r)
    j = json.loads(capstub("status", "--json", "--root", root, "-c", os.path.join(root, "capstub.conf")).out)
    equal(j["protected"], rc == 0, "... in JSON")
    return j


def check(root, rc, *findings):
    """findings: (severity, what, words of the text)"""
    r = capstub("check", "--json", "--root", root, "-c", os.path.join(root, "capstub.conf"))
    got = [(f["severity"], f["what"], f["text"]) for f in json.loads(r.out)["findings"]]
    bad = [f for f in findings if not any(f[:2] == x[:2] and f[2] in x[2] for x in got)]
    ok(r.rc == rc and not bad, f"check {rc}: {findings}", f"{bad}\n{got}\n{r.err}")
    r = capstub("check", "--root", root, "-c", os.path.join(root, "capstub.conf"))
    ok(r.rc == rc and all(text in r.out for _, _, text in findings), "... for people", r)
    return got


m = machine()
j = status(m, 0, "loaded, 2023-11-14", "target    ok ", "sda4", "1.0 MiB")
equal((j["targets"][0]["state"], j["image_crc32c"], j["by_capstub"]), ("empty", stub_crc, True), "what JSON has")
got = check(m, 0, ("ok", "reservation", "1.0 MiB"), ("ok", "plan", "fits"), ("ok", "loaded", "since"), ("ok", "target", "sda4"))
equal([x for x in got if x[0] != "ok"], [], "nothing else is found on a good machine")

m = machine(loaded="0\n")
status(m, 1, "not loaded: run 'capstub load'", "(not loaded)")
check(m, 1, ("error", "loaded", "capstub load"))
m = machine(words=None)
status(m, 1, "not by 'capstub load'")
check(m, 0, ("warning", "loaded", "not by 'capstub load'"))
m = machine(loaded="0\n", sys__kernel__kexec_crash_size="0\n", proc__iomem="00100000-1ffdefff : System RAM\n")
status(m, 1, "boot with crashkernel=1M")
check(m, 1, ("error", "reservation", "crashkernel=1M"))
check(machine(proc__cmdline="crashkernel=128M crashkernel=1M\n"), 0, ("warning", "crashkernel", "2 times, and crashkernel=1M"))
got = check(machine(proc__cmdline="crashkernel=1M,high crashkernel=64M,low\n"), 0)
equal([x for x in got if x[1] == "crashkernel"], [], "high and low belong together")
check(machine(sys__kernel__kexec_crash_size="134217728\n"), 0, ("note", "reservation", "crashkernel=1M is enough"))
check(machine(proc__iomem="00100000-1ffdefff : System RAM\n  1f000000-1f00ffff : Crash kernel\n"), 1, ("error", "plan", "does not fit"))
check(machine(loaded="0\n", sys__kernel__security__lockdown="none [integrity] confidentiality\n"), 1,
      ("error", "signature", "signed images only"))
locked = dict(sys__kernel__security__lockdown="none [integrity] confidentiality\n")
check(machine(sys__kernel__crash_elfcorehdr_size="917680\n", **locked), 1, ("error", "plan", "crashkernel=1216K"))
check(machine(sys__kernel__crash_elfcorehdr_size="917680\n", sys__kernel__kexec_crash_size="1245184\n", **locked), 0, ("ok", "plan", "fits"))
check(machine(sys__kernel__crash_elfcorehdr_size="917680\n", conf=f"[Stub]\nTarget=UUID={UUID}\n[Load]\nSyscall=file\n"), 1,
      ("error", "plan", "kexec_file_load"))
check(machine(**locked), 0, ("ok", "plan", "fits"), ("warning", "signature", "signed images only"))
check(machine(proc__sys__kernel__kexec_load_disabled="1\n"), 0, ("note", "refused", "kexec_load_disabled"))
check(machine(proc__sys__kernel__panic="0\n"), 0, ("note", "panic", "Panic=10"))
check(machine(sys__module__kernel__parameters__crash_kexec_post_notifiers="Y\n"), 0, ("note", "notifiers", "before the stub"))

for overwrite, severity in (("yes", "note"), ("no", "warning")):
    m = machine(words=f"dump=UUID={UUID} console=ttyS0 overwrite={overwrite}")
    shutil.rmtree(os.path.join(m, "etc/systemd"))
    check(m, 0, ("warning", "units", "capstub-load.service is not enabled"), (severity, "units", "capstub-save.service is not enabled"))

check(machine(elfcore_crc="1234abcd"), 0, ("warning", "memory", "came or went"))

# Words and configuration
m = machine(words="dump=any")
check(m, 0, ("warning", "loaded", "other words"))
m = machine(words=f"dump=UUID={UUID} levle=1", conf=f"[Stub]\nTarget=UUID={UUID}\nLevle=1\n")
check(m, 0, ("warning", "config", "1 line(s)"), ("warning", "words", "ignored: levle"), ("note", "console", "Console="))
m = machine(loaded="0\n", conf="[Stub]\n")
status(m, 1, "write Target=")
check(m, 1, ("error", "target", "Target=UUID="))

# Targets
m = machine(label=False)
status(m, 1, "BAD UUID=", "carries that label")
check(m, 1, ("error", "target", "capstub format"))
m = machine(words=f"dump=UUID={UUID} dump=ttyS0 console=ttyS0", label=False)
status(m, 0, "BAD UUID=", "ok  ttyS0")
check(m, 0, ("warning", "target", "carries that label"), ("ok", "target", "the serial line ttyS0"))
m = machine(words="dump=LABEL=crash")
status(m, 0, "LABEL=crash: ")
target(m, "sdb1", "11234567-89ab-cdef-0123-456789abcdef")
status(m, 1, "2 targets match")
check(m, 1, ("error", "target", "name one by UUID="))
m = machine(words="dump=any")
status(m, 0, "ok  any: ")
m = machine(words="dump=LABEL=crsh")
status(m, 1, "BAD LABEL=crsh")
m = machine()
with open(os.path.join(m, "dev/sda4"), "r+b") as f:
    f.write(b"LUKS\xba\xbe" + bytes(500))
status(m, 1, "something else was written there")
m = machine()
with open(os.path.join(m, "dev/sda4"), "ab") as f:
    f.write(bytes(1 << 20))
status(m, 1, "has grown since format")
m = machine(proc__meminfo="MemTotal: 5000000 kB\nMemFree: 2000000 kB\n")
check(m, 0, ("warning", "size", "would need about"))
m = machine(label=False)
g.image(os.path.join(m, "dev/sda4"), g.Dump(), uuid=bytes.fromhex(UUID.replace("-", "")))
j = status(m, 0, "not saved", "which the next crash replaces", "capstub save")
equal(j["targets"][0]["unsaved"], True, "... in JSON")
check(m, 0, ("warning", "target", "was not saved"))
m = machine(words=f"dump=UUID={UUID} overwrite=no", label=False)
g.image(os.path.join(m, "dev/sda4"), g.Dump(), uuid=bytes.fromhex(UUID.replace("-", "")))
status(m, 1, "not saved")

# Another service wants the reservation too
def enabled(unit, target="basic", **kw):
    root = machine(**kw)
    wants = os.path.join(root, f"etc/systemd/system/{target}.target.wants")
    os.makedirs(wants, exist_ok=True)
    os.symlink(f"/lib/systemd/system/{unit}.service", os.path.join(wants, unit + ".service"))
    return root


def stub_conf(owner):
    return f"[Stub]\nTarget=UUID={UUID}\nConsole=ttyS0\n[Load]\nOwner={owner}\n"


m = enabled("kdump-tools", words=None)
equal(status(m, 1, "1.0 MiB, for kdump-tools")["owner"], "kdump-tools", "... in JSON")
check(m, 0, ("warning", "owner", "which is enabled, so 'capstub load' refuses"))
m = enabled("kdump-tools", conf=stub_conf("capstub"))
equal(status(m, 0, "1.0 MiB\n")["owner"], "capstub", "... in JSON")
check(m, 0, ("warning", "others", "systemctl disable --now kdump-tools"))
check(machine(conf=stub_conf("kdump")), 0, ("warning", "owner", "by Owner=kdump"))
m = enabled("kdump-tools", etc__default__kdump_tools="x")
with open(os.path.join(m, "etc/default/kdump-tools"), "w") as f:
    f.write("# USE_KDUMP=1\nUSE_KDUMP=0\n")
equal([x for x in check(m, 0) if x[0] != "ok"], [], "... which is switched off in a file of its own")
check(enabled("kdump", "multi-user"), 0, ("warning", "owner", "kdump's"))

# A panic on purpose, into a file: the machine goes on, or another boot has another number
def trial(root, rc, words, *args):
    return expect(rc, words, "test", "--root", root, "-c", os.path.join(root, "capstub.conf"), "--delay", "0", *args)


def boot(root, name):
    with open(os.path.join(root, "proc/sys/kernel/random/boot_id"), "w") as f:
        f.write(name + "\n")


def captured(root, **fields):
    g.image(os.path.join(root, "dev/sda4"), g.Dump(), uuid=bytes.fromhex(UUID.replace("-", "")), **fields)


def tested(**kw):
    """A machine that was tested and has rebooted"""
    root = machine(proc__sysrq_trigger="x", proc__sys__kernel__random__boot_id="1\n", var__lib__capstub__x="", **kw)
    # The file stands for the kernel, whose name has a - in it
    os.rename(os.path.join(root, "proc/sysrq_trigger"), os.path.join(root, "proc/sysrq-trigger"))
    trial(root, 1, "did not panic", "--yes")
    with open(os.path.join(root, "proc/sysrq-trigger")) as f:
        equal(f.read(), "c", "... was asked to")
    ok(not os.path.exists(os.path.join(root, "var/lib/capstub/test")), "... and nothing is remembered of that")
    with open(os.path.join(root, "var/lib/capstub/test"), "w") as f:
        f.write("1764500000 1\n" + ("line\n" if kw.get("words") else f"{UUID} 0\n"))
    return root


m = tested()
equal(status(m, 0, "2025-11-30", "pending: begun, but the machine has not rebooted")["test"]["result"], "pending", "... in JSON")
boot(m, "2")
equal(status(m, 0, "bad: the machine has rebooted, and nothing was captured")["test"]["result"], "bad", "... in JSON")
check(m, 0, ("warning", "test", "the last 'capstub test' failed"))
captured(m)
j = status(m, 0, "good: ", "in 2.3 s on ", "complete")
equal((j["test"]["result"], j["test"]["time"]), ("good", 1764500000), "... in JSON")
equal([f for f in check(m, 0) if f[1] == "test"], [], "... nothing to warn of")
captured(m, state=g.SAVED)
status(m, 0, "good: ")
captured(m, state=g.INCOMPLETE, stop=40)
status(m, 0, "partly: ", "but not all of it: ")
captured(m, state=g.DUMPING, stop=1)
status(m, 0, "partly: ", "the capture was cut")
captured(m, captures=3)
status(m, 0, "good: ", "2 more since")
with open(os.path.join(m, "var/lib/capstub/test"), "w") as f:
    f.write(f"1764500000 1\n{UUID} 7\n")
status(m, 0, "unknown: ", "formatted since")
for rubbish in ("", "1764500000\n", "x\n\n\n", "1764500000 1"):
    with open(os.path.join(m, "var/lib/capstub/test"), "w") as f:
        f.write(rubbish)
    equal(status(m, 0)["test"]["result"], "none", "a record that makes no sense")
m = tested(words="dump=ttyS0 console=ttyS0")
boot(m, "2")
status(m, 0, "unknown: it went over a serial line")
status(machine(), 0)
m = machine(var__lib__capstub__x="")
trial(m, 1, "nobody is there to ask")
trial(m, 1, "sysrq-trigger", "--yes")
trial(m, 2, "at most 3600", "-d", "soon")
trial(machine(loaded="0\n"), 1, "the stub is not loaded", "-y")
trial(machine(label=False), 1, "no target would be found", "-y")
m = machine(label=False)
captured(m)
trial(m, 1, "run 'capstub collect' first", "-y")
m = tested()
p = subprocess.Popen([TOOL, "test", "--root", m, "-c", os.path.join(m, "capstub.conf"), "-y", "-d", "60"], stdout=subprocess.PIPE,
                     stderr=subprocess.PIPE, text=True)
p.stdout.readline()
p.send_signal(2)
err = p.communicate(timeout=60)[1]
ok(p.returncode == 1 and "called off: nothing was done" in err, "Ctrl-C calls it off", err)

with open(stub, "ab") as f:
    f.write(b"new")
check(m, 0, ("warning", "image", "replaced since"))
expect(1, "No such file", "status", "-c", path("missing"))
done()
