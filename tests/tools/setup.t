#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""capstub setup on made-up systems: what it changes, that a second run changes nothing, and that --remove leaves the tree as
it was, byte for byte."""
import hashlib
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *

UUID = "01234567-89ab-cdef-0123-456789abcdef"
GRUB = "etc/default/grub.d/capstub.cfg"
CONF = "etc/capstub.conf.d/50-setup.conf"
UNITS = ("etc/systemd/system/sysinit.target.wants/capstub-load.service", "etc/systemd/system/multi-user.target.wants/capstub-save.service")
RAN = "boot/ran"
is_root = os.geteuid() == 0
n = 0

# What runs inside another root has no libraries there: it notes its name and words
with open(path("ran.c"), "w") as f:
    f.write('#include <stdio.h>\nint main(int c, char **v) { FILE *f = fopen("/boot/ran", "a"); while (c--) fprintf(f, "%s ", *v++); fputs("\\n", f); return 0; }\n')
r = run("gcc", "-static", "-o", path("ran"), path("ran.c"))
ok(r.rc == 0, "a program that notes how it was called", r)
# systemctl as far as it is needed, where there is no real one
systemctl = shutil.which("systemctl")
env = dict(os.environ)
if not systemctl:
    os.makedirs(path("bin"))
    with open(path("bin/systemctl"), "w") as f:
        f.write("""#!/bin/sh
for a; do case $a in --root=*) root=${a#--root=};; --*) ;; enable|disable) verb=$a;; *) unit=$a;; esac; done
wants=multi-user; case $unit in capstub-load*) wants=sysinit;; kdump*) wants=basic;; esac
dir=$root/etc/systemd/system/$wants.target.wants
if [ $verb = enable ]; then mkdir -p $dir; ln -s /usr/lib/systemd/system/$unit $dir/$unit; else rm -f $dir/$unit; fi
""")
    os.chmod(path("bin/systemctl"), 0o755)
    env["PATH"] = path("bin") + ":" + env["PATH"]


def system(boot="grub", target=True, **files):
    """An installed system: boot is grub, grubby, kernel-install (some of them), files a path with __ for /, and its text"""
    global n
    n += 1
    root = path(f"s{n}")
    tree = {"proc/cmdline": "BOOT_IMAGE=/vmlinuz root=/dev/sda1 quiet console=tty0 console=ttyS0,115200\n",
            "etc/default/grub": 'GRUB_CMDLINE_LINUX="quiet"\n# crashkernel=256M\n', "etc/capstub/save.d/.keep": "", "boot/vmlinuz-6.1.0-18-amd64": "",
            "usr/lib/modules/6.1.0-18-amd64/modules.dep": "", "etc/systemd/system/.keep": "", "boot/efi/.keep": "", "var/lib/.keep": ""}
    for unit in os.listdir(os.path.join(TOP, "tools/systemd")):
        if unit.endswith((".service", ".path")):
            with open(os.path.join(TOP, "tools/systemd", unit)) as f:
                tree["usr/lib/systemd/system/" + unit] = f.read()
    tree.update({k.replace("__", "/"): v for k, v in files.items()})
    for name, text in tree.items():
        if text is None:
            continue
        os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
        with open(os.path.join(root, name), "w") as f:
            f.write(text)
    os.makedirs(root + "/dev")
    os.makedirs(root + "/usr/sbin")
    os.makedirs(root + "/usr/bin")
    for word, program in (("grub ", "usr/sbin/update-grub"), ("grubby", "usr/sbin/grubby"), ("kernel-install", "usr/bin/kernel-install")):
        if word in boot + " ":
            shutil.copy(path("ran"), os.path.join(root, program))
    if target:
        label(root, "sda4")
    return root


def label(root, name, uuid=UUID):
    expect(0, "ready", "format", "--size", "8M", "-U", uuid, os.path.join(root, "dev", name))


def tree(root):
    found = {}
    for folder, folders, files in os.walk(root):
        for f in folders:
            found[os.path.relpath(os.path.join(folder, f), root)] = "folder"
        for f in files:
            name = os.path.join(folder, f)
            if os.path.islink(name):
                found[os.path.relpath(name, root)] = os.readlink(name)
            else:
                with open(name, "rb") as h:
                    found[os.path.relpath(name, root)] = hashlib.sha256(h.read()).hexdigest()
    return {k: v for k, v in found.items() if not k.endswith(".wants") and k != RAN}


def text(root, name):
    try:
        with open(os.path.join(root, name)) as f:
            return f.read()
    except FileNotFoundError:
        return None


def setup(root, rc, words, *args):
    return expect(rc, words, "setup", "--root", root, *args, env=env)


def ran(root, *lines):
    if is_root:
        equal((text(root, RAN) or "").split("\n")[:-1], [line + " " for line in lines], "... and what was run")
    if os.path.exists(os.path.join(root, RAN)):
        os.unlink(os.path.join(root, RAN))


def undone(root, before, *lines):
    ran(root)
    setup(root, 0, "is undone", "--remove")
    ran(root, *lines)
    now = tree(root)
    equal({k: (before.get(k), now.get(k)) for k in {*before, *now} if before.get(k) != now.get(k)}, {}, "... nothing is left")
    setup(root, 0, "nothing to undo", "--remove")


# Inside another root programs are run by chroot: not everybody can
if not is_root:
    r = setup(system(), 1, "which takes root: run it in ")
    skip("capstub setup", "not root")
    done()

s = system()
before = tree(s)
r = setup(s, 0, "reboot, then 'capstub check'")
equal(text(s, GRUB).splitlines()[1], 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX crashkernel=1M"', "GRUB")
equal(text(s, CONF).splitlines()[1:], ["[Stub]", "Target=", f"Target=UUID={UUID}", "Console=ttyS0,115200", "Overwrite=no", "[Load]", "Panic=10"],
      "the configuration")
ok(all(os.path.islink(os.path.join(s, u)) for u in UNITS), "units are enabled")
ran(s, "/usr/sbin/update-grub")
ok("error" in r.out and "capstub setup has seen to it" in r.out, "check is run, and knows", r)
expect(0, f"dump=UUID={UUID} console=ttyS0,115200 overwrite=no", "load", "--root", s, "-n", "--syscall", "file", "--image", g.stub_image(path("stub")))
done_once = tree(s)
setup(s, 0, "reboot, then")
equal(tree(s), done_once, "a second run changes nothing")
ran(s, "/usr/sbin/update-grub")
setup(s, 0, "reboot, then", "--target", "ttyS0", "--crashkernel=2M")
ok("Target=ttyS0\n" in text(s, CONF) and "crashkernel=2M" in text(s, GRUB), "... a third one with other options does")
ran(s, "/usr/sbin/update-grub")
undone(s, before, "/usr/sbin/update-grub")

# What is there and was not made by setup stays
s = system(etc__capstub_conf="[Stub]\nTarget=LABEL=x\nOverwrite=yes\n[Load]\nPanic=0\n".replace("", ""), etc__default__grub_d__x_cfg="x")
os.rename(os.path.join(s, "etc/capstub_conf"), os.path.join(s, "etc/capstub.conf"))
os.makedirs(os.path.join(s, "etc/systemd/system/sysinit.target.wants"))
os.symlink("/usr/lib/systemd/system/capstub-load.service", os.path.join(s, UNITS[0]))
before = tree(s)
setup(s, 0, "reboot, then")
equal(text(s, CONF).splitlines()[1:], ["[Stub]", "Console=ttyS0,115200"], "what is configured is not said again")
ran(s, "/usr/sbin/update-grub")
with open(os.path.join(s, CONF), "a") as f:
    f.write("Level=17\n")
setup(s, 1, "not as capstub setup wrote it", "--target=ttyS0")
setup(s, 0, "reboot, then")
ok("Level=17" in text(s, CONF), "... and by another run")
with open(os.path.join(s, GRUB), "a") as f:
    f.write('GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX crashkernel=4M"\n')
setup(s, 0, "crashkernel=4M already: it is left as it is")
os.unlink(os.path.join(s, GRUB))
setup(s, 0, "reboot, then")
ok("crashkernel=1M" in text(s, GRUB), "a file that was removed is written again")
r = setup(s, 0, "stays: remove it", "--remove")
ok(os.path.exists(os.path.join(s, CONF)) and not os.path.exists(os.path.join(s, GRUB)), "a file that was changed since stays", r)
ok(os.path.islink(os.path.join(s, UNITS[0])) and not os.path.islink(os.path.join(s, UNITS[1])), "a unit that was enabled before stays so")
s = system()
with open(os.path.join(s, "etc/default/grub"), "a") as f:
    f.write('GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX crashkernel=256M"\n')
before = tree(s)
setup(s, 0, "/etc/default/grub has crashkernel=256M already")
equal(text(s, GRUB), None, "... and there is no second one")
ran(s)
setup(s, 0, "remove it there", "--crashkernel=1M")
ok(text(s, GRUB), "... but when it is asked for")
ran(s, "/usr/sbin/update-grub")
undone(s, before, "/usr/sbin/update-grub")

s = system(boot__grub__grub_cfg="linux /vmlinuz root=/dev/sda1\n")
os.rename(os.path.join(s, "boot/grub/grub_cfg"), os.path.join(s, "boot/grub/grub.cfg"))
setup(s, 1, "update-grub has not put crashkernel=1M into /boot/grub/grub.cfg")

# systemd-boot
s = system("kernel-install", etc__kernel__cmdline="root=/dev/sda1 quiet\n")
before = tree(s)
setup(s, 0, "reboot, then")
equal(text(s, "etc/kernel/cmdline"), "root=/dev/sda1 quiet crashkernel=1M\n", "kernel-install's line")
ran(s, "kernel-install add 6.1.0-18-amd64 /boot/vmlinuz-6.1.0-18-amd64")
setup(s, 0, "reboot, then")
equal(text(s, "etc/kernel/cmdline"), "root=/dev/sda1 quiet crashkernel=1M\n", "... once")
setup(s, 0, "reboot, then", "-k", "3M")
equal(text(s, "etc/kernel/cmdline"), "root=/dev/sda1 quiet crashkernel=3M\n", "... or another one in its place")
os.unlink(os.path.join(s, RAN))
undone(s, before, "kernel-install add 6.1.0-18-amd64 /boot/vmlinuz-6.1.0-18-amd64")
s = system("kernel-install", etc__kernel__cmdline="root=/dev/sda1")
before = tree(s)
setup(s, 0, "reboot, then")
with open(os.path.join(s, "etc/kernel/cmdline"), "w") as f:
    f.write("root=/dev/sda1 crashkernel=1M ro")
setup(s, 0, "is undone", "--remove")
equal(text(s, "etc/kernel/cmdline"), "root=/dev/sda1 ro", "what was added since stays")
s = system("kernel-install")
os.makedirs(os.path.join(s, "boot/loader/entries"))
before = tree(s)
setup(s, 0, "reboot, then")
equal(text(s, "etc/kernel/cmdline"), "root=/dev/sda1 quiet console=tty0 console=ttyS0,115200 crashkernel=1M\n", "a line that begins as the running kernel's")
ran(s, "kernel-install add 6.1.0-18-amd64 /boot/vmlinuz-6.1.0-18-amd64")
undone(s, before, "kernel-install add 6.1.0-18-amd64 /boot/vmlinuz-6.1.0-18-amd64")
s = system("kernel-install", etc__kernel__cmdline="root=/dev/sda1 crashkernel=64M")
before = tree(s)
setup(s, 0, "/etc/kernel/cmdline has crashkernel=64M already")
undone(s, before)

# Secure Boot: the kernel's own elfcorehdr needs room
s = system(sys__kernel__security__lockdown="none [integrity] confidentiality\n")
setup(s, 0, "reboot, then")
ok(("crashkernel=3M" if os.uname().machine == "aarch64" else "crashkernel=2M") in text(s, GRUB), "more memory where the kernel is locked down")

# grubby; and none of them
s = system("grubby")
before = tree(s)
setup(s, 0, "reboot, then")
ran(s, "grubby --update-kernel=ALL --args=crashkernel=1M")
undone(s, before, "grubby --update-kernel=ALL --remove-args=crashkernel=1M")
s = system("")
before = tree(s)
setup(s, 1, "put crashkernel=1M on the kernel's command line by its own means")
undone(s, before)

# The console of the running kernel
for line, console in (("console=tty0 console=ttyS1,9600n8 quiet console=ttyS0,115200", "ttyS0,115200"), ("console=tty0", None),
                      ("console=ttyAMA0,115200 console=tty0", "ttyAMA0,115200"), ("console=ttyS0`reboot`", None), ("quiet", None)):
    s = system(proc__cmdline=line)
    setup(s, 0, "reboot, then")
    equal(re.findall("^Console=(.*)", text(s, CONF), re.M), [console] if console else [], line)

# Targets
s = system(target=False)
before = tree(s)
setup(s, 1, "--target=/dev/nvme0n1p4 --format")
setup(s, 1, "not any, UUID=", "--target=sda4")
setup(s, 1, "No such file", "--target=" + s + "/dev/sda4")
disk = os.path.join(s, "dev/sda4")
with open(disk, "wb") as f:
    f.truncate(8 << 20)
setup(s, 1, "add --format", "--target=" + disk)
equal({k: v for k, v in tree(s).items() if k != "dev/sda4"}, before, "as long as there is no target nothing is changed")
setup(s, 0, "reboot, then", "--target=" + disk, "--format")
ok("Target=UUID=" + info(disk)["label"]["uuid"] in text(s, CONF), "the target was formatted and is named")
s = system()
label(s, "sdb1", "11234567-89ab-cdef-0123-456789abcdef")
setup(s, 1, "2 disks of this machine are targets")
setup(s, 0, "reboot, then", "-t", "any")
s = system()
with open(os.path.join(s, "dev/sda4"), "ab") as f:
    f.write(bytes(1 << 20))
setup(s, 1, "has grown since format", "--target=" + s + "/dev/sda4")

# Another service owns the reservation
wants = "etc/systemd/system/basic.target.wants/kdump-tools.service"
s = system(usr__lib__systemd__system__kdump_tools_service="[Install]\nWantedBy=basic.target\n")
os.rename(os.path.join(s, "usr/lib/systemd/system/kdump_tools_service"), os.path.join(s, "usr/lib/systemd/system/kdump-tools.service"))
os.makedirs(os.path.dirname(os.path.join(s, wants)))
os.symlink("/usr/lib/systemd/system/kdump-tools.service", os.path.join(s, wants))
os.makedirs(os.path.join(s, "etc/default/grub.d"))
with open(os.path.join(s, "etc/default/grub.d/kdump-tools.cfg"), "w") as f:
    f.write('GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=2G-4G:320M,4G-:512M"\n')
before = tree(s)
setup(s, 1, "kdump-tools.service is enabled, so the reservation is its own: run 'capstub setup --replace'")
equal(tree(s), before, "... and nothing is changed")
setup(s, 0, "kdump-tools.service is disabled", "--replace")
ok(not os.path.islink(os.path.join(s, wants)), "... but when it is asked for")
undone(s, before)
with open(os.path.join(s, "etc/capstub.conf"), "w") as f:
    f.write("[Load]\nOwner=kdump\n")
setup(s, 1, "write Owner=capstub there", "--replace")

# Words that make no sense; a record that makes none
setup(s, 2, "crashkernel= takes", "--crashkernel=lots")
setup(s, 2, "crashkernel= takes", '--crashkernel=1M"; reboot "')
setup(s, 2, "which one?", "--format")
setup(s, 2, "no other option", "--remove", "--replace")
os.makedirs(os.path.join(s, "var/lib/capstub"))
with open(os.path.join(s, "var/lib/capstub/setup"), "w") as f:
    f.write("formatted\t/dev/sda1\n")
setup(s, 1, "is no step of capstub setup", "--remove")
done()
