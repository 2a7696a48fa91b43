#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole Debian machine with systemd looks after itself: the package is installed, "capstub setup" run once, and from
then on each panic ends as a folder in /var/crash. What its boot loader would give the kernel is read from the file that
setup wrote; QEMU loads the kernel. ONLY=text runs the cases whose name holds it.
"""
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import BUILD, CACHE, QEMU, TOP, Disk, case, check, done, note, run, wanted, workdir  # noqa: E402
from harness.common import SLOW  # noqa: E402

SUITES = ("bookworm", "trixie")

# The hook also tells what it was given; kernel.sysrq is what Debian sets
INSTALL = """
dpkg -i /run/step/capstub.deb && echo @@ installed
mkdir -p /etc/capstub/save.d
printf '#!/bin/sh\\necho "hook $1" >>/hook\\n' >/etc/capstub/save.d/10-tell; chmod +x /etc/capstub/save.d/10-tell
mkdir -p /etc/default/grub.d
capstub setup --target=/dev/vdb --format </dev/null; echo "@@ setup $?"
cat /etc/default/grub.d/*capstub*
systemctl is-enabled capstub-load capstub-save | sed 's/^/@@ enabled /'
"""
PANIC = """
systemctl is-active capstub-load | sed 's/^/@@ load /'
capstub status; echo "@@ status $?"
capstub check; echo "@@ check $?"
free -k | sed -n 's/^Mem: *\\([0-9]*\\).*/@@ memory \\1/p'
%s
echo @@ panics; echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger
"""
LOOK = """
systemctl show -P Result capstub-save | sed 's/^/@@ save /'
ls /var/crash | sed 's/^/@@ dump /'
for d in /var/crash/*; do ls $d | sed 's/^/@@ file /'; done
d=$(ls -d /var/crash/* | tail -n 1); grep -m 1 -E 'Kernel panic|sysrq: Trigger' $d/dmesg.txt | sed 's/^/@@ dmesg /'
cat /hook | sed 's/^/@@ /'
capstub status; echo "@@ status $?"
journalctl -u capstub-save -b --no-pager | sed 's/^/@@ journal /'
"""
REMOVE = """
capstub setup --remove; echo "@@ remove $?"
dpkg --purge capstub; echo "@@ purge $?"
find / -xdev -name '*capstub*' ! -path '/run/*' ! -path '/var/log/*' ! -path '/var/crash/*' | sed 's/^/@@ left /'
cat /sys/kernel/kexec_crash_loaded | sed 's/^/@@ loaded /'
"""


class Machine:
    """A Debian system, its disk and a target, booted for one step after the other."""

    def __init__(self, suite):
        folder = run(os.path.join(QEMU, "systems"), CACHE, suite, timeout=3000).split()[-1]
        self.folder, self.words = folder, ""
        self.root = workdir.current.path("root.qcow2")
        run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", os.path.join(folder, "disk.img"), self.root)
        self.target = Disk("700M", name="target")
        self.count = 0

    def boot(self, step, end="poweroff"):
        """What the step printed, to the end of the machine."""
        self.count += 1
        name = "step%d" % self.count
        content = workdir.current.path(name)
        os.mkdir(content)
        with open(os.path.join(content, "step"), "w", encoding="utf-8") as f:
            f.write(step + "\nsync; echo @@ end; systemctl poweroff\n")
        shutil.copy(package(), os.path.join(content, "capstub.deb"))
        disk, console = content + ".img", content + ".console"
        run("/sbin/mke2fs", "-q", "-t", "ext4", "-L", "STEP", "-d", content, disk, "16M")
        argv = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
                "-nic", "none", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max,la57=off", "-smp", "2", "-m", "1G",
                "-kernel", os.path.join(self.folder, "vmlinuz"), "-initrd", os.path.join(self.folder, "initrd"),
                "-append", "root=/dev/vda rw console=ttyS0 quiet no_timer_check " + self.words,
                "-drive", "if=virtio,format=qcow2,file=" + self.root,
                "-drive", "if=virtio,format=raw,file=" + self.target.path,
                "-drive", "if=virtio,format=raw,readonly=on,file=" + disk,
                "-serial", "file:" + console, "-no-reboot"]
        started = time.monotonic()
        subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=1500 * SLOW, check=True)
        with open(console, encoding="utf-8", errors="replace") as f:
            text = f.read()
        note("%s: %.0f s" % (name, time.monotonic() - started))
        check("@@ panics" in text if end == "panic" else "@@ end" in text, text[-4000:])
        return text


def package():
    """The Debian package of the tree as it is."""
    if not package.path:
        run("make", "-s", "-C", TOP, "BUILD=" + BUILD, "package-files", timeout=1800)
        package.path = run(os.path.join(TOP, "tools/package/deb.sh"), os.path.join(BUILD, "package"), "0.1",
                           workdir.current.dir, cwd=TOP).strip()
    return package.path


package.path = None


def marks(text, name):
    """A new line of systemd's may begin with what resets a terminal."""
    return re.findall(r"@@ %s (.*?)\r?$" % name, text, re.M)


for suite in SUITES:
    name = "%s: from the package to the dump in /var/crash" % suite
    if not wanted(name):
        continue
    with case(name):
        package.path = None
        m = Machine(suite)
        text = m.boot(INSTALL)
        check(marks(text, "setup") == ["0"], text[-4000:])
        check(marks(text, "enabled") == ["enabled"] * 2, text[-4000:])
        crashkernel = re.search(r"crashkernel=[0-9A-Za-z@,:-]+", text)
        check(crashkernel, "setup wrote no crashkernel=")
        text = m.boot("free -k | sed -n 's/^Mem: *\\([0-9]*\\).*/@@ memory \\1/p'")
        without = int(marks(text, "memory")[0])
        m.words = crashkernel[0]

        text = m.boot(PANIC % "", "panic")
        check(marks(text, "load") == ["active"] and marks(text, "status") == ["0"] and marks(text, "check") == ["0"], text[-6000:])
        note("%s: memory %d KiB, %d KiB without the reservation" % (crashkernel[0], int(marks(text, "memory")[0]), without))
        m.target.expect("ok", "complete")
        text = m.boot(LOOK)
        check(marks(text, "save") == ["success"] and len(marks(text, "dump")) == 1, text[-4000:])
        check({"vmcore", "dmesg.txt"} <= set(marks(text, "file")) and marks(text, "dmesg"), text[-4000:])
        check(len(marks(text, "hook")) == 1 and marks(text, "hook")[0].startswith("/var/crash/"), text[-4000:])

        # Nobody saves: the second dump must not go over the first
        m.boot(PANIC % "systemctl disable capstub-save", "panic")
        first = m.target.expect("ok", "complete").captures
        m.boot(PANIC % "", "panic")
        check(m.target.label().captures == first, "an unsaved dump was overwritten")
        # Keep=2 of three
        text = m.boot("printf '[Save]\\nKeep=1\\n' >/etc/capstub.conf.d/60-keep.conf; systemctl start capstub-save\n" + LOOK)
        check(marks(text, "save") == ["success"] and len(marks(text, "dump")) == 1, text[-4000:])

        text = m.boot(REMOVE)
        check(marks(text, "remove") == ["0"] and marks(text, "purge") == ["0"], text[-4000:])
        check(not marks(text, "left") and marks(text, "loaded") == ["0"], text[-4000:])
done()
