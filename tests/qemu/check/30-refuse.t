#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the stub must refuse: each with a stop code, a reset, and nothing written."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import MIB, VOUCH, Disk, Guest, Label, capstub, case, check, done, run, wanted  # noqa: E402

UUID = "6f6e1f0a-9d3c-4c51-8f0e-0123456789ab"


def refuse(name, stop, disks, untouched=True, says="", **guest_args):
    """disks: a function that makes them, inside the case. says: what a line on the console holds."""
    if not wanted(name):
        return
    with case(name):
        made = disks()
        before = [run("sha256sum", d.path) for d in made] if untouched else []
        with Guest(disks=made, mem="256M", **guest_args) as guest:
            guest.capture(stop=stop)
            check(says in guest.console(), "the console does not say " + says)
        if made and not untouched:
            made[0].expect(stop, "incomplete")
        for d, digest in zip(made, before):
            check(run("sha256sum", d.path) == digest, "%s has changed" % d.name)


def damaged():
    label = bytearray(Label.make(64 * MIB))
    label[12] ^= 1
    return [Disk("64M", name="victim").format(label=bytes(label))]


def luks():
    """The disk as `capstub format` left it, label and all, then given to LUKS: header, keyslot, payload."""
    disk = Disk("64M", name="victim").format(name="lab", vouch=True)
    with open(disk.path, "r+b") as f:
        f.write(b"LUKS\xba\xbe\0\2".ljust(4096, b"\x5a"))
        f.seek(16 * MIB)
        f.write(os.urandom(MIB))
    return disk


# A disk with a good label, that nobody named
refuse("no dump= word", "no-dump-word", lambda: [Disk("64M").format()], dump=None, says="dump=any, or dump=UUID=")
refuse("no dump= word but a malformed one", "no-dump-word", lambda: [Disk("64M").format()],
       append="console=ttyS0 dump=crash", says="dump=any, or dump=UUID=")
refuse("no disk at all", "no-target", lambda: [])
refuse("a disk without a label", "no-target", lambda: [Disk("64M")])
refuse("a named disk without a label", "no-label", lambda: [Disk("64M", driver="nvme", name="victim")],
       append="console=ttyS0 dump=SERIAL=victim")
refuse("a label with a wrong CRC", "bad-label", damaged, append="console=ttyS0 dump=SERIAL=victim")
refuse("a label with a wrong CRC, any disk asked for", "bad-label", damaged)
refuse("a UUID that no disk has", "no-target", lambda: [Disk("64M").format()],
       append="console=ttyS0 dump=UUID=" + UUID)
refuse("a partition resized since its label was written", "bad-label",
       lambda: [Disk("64M", table="gpt").format(label=Label.make(32 * MIB))],
       append="console=ttyS0 dump=PARTLABEL=capstub")
refuse("two disks with one label", "ambiguous-target",
       lambda: [Disk("64M").format(label=Label.make(64 * MIB, ident=__import__("uuid").UUID(UUID)))
                for _ in range(2)],
       append="console=ttyS0 dump=UUID=" + UUID)
refuse("two labelled disks, any asked for", "ambiguous-target",
       lambda: [Disk("64M").format(), Disk("64M", driver="nvme", table="gpt").format()])
refuse("a read-only disk", "target-read-only", lambda: [Disk("64M", blockdev={
    "driver": "raw", "read-only": True, "file": {"driver": "file", "filename": "@PATH@",
                                                 "read-only": True}}).format()])
refuse("a label that outlived luksFormat", "foreign-data", lambda: [luks()], append="console=ttyS0 dump=LABEL=lab")
if wanted("the next target instead of LUKS"):
    with case("the next target instead of LUKS"):
        disks = [luks(), Disk("512M").format(name="spare", vouch=True)]
        before = run("sha256sum", disks[0].path)
        with Guest(disks=disks, mem="256M", append="console=ttyS0 dump=LABEL=lab dump=LABEL=spare", level=31) as guest:
            guest.capture(stop="ok")
        check(run("sha256sum", disks[0].path) == before, "the LUKS volume has changed")
        label = disks[1].expect("ok", "complete")
        check(label.vouch == disks[1].ends(*VOUCH), "the label vouches for %r, there is %r" %
              (label.vouch, disks[1].ends(*VOUCH)))
        capstub("info", disks[1].path)
        # ... and after the next crash the stub knows what it left there
        with Guest(disks=disks[1:], mem="256M", level=31) as guest:
            guest.capture(stop="ok")
        check(disks[1].expect("ok", "complete").captures == 2, "not captured again")
# The label itself, and the log beside it, may say what happened.
refuse("too small for the headers", "target-too-small", lambda: [Disk("1M").format()],
       untouched=False)
refuse("an unsaved dump, overwrite=no", "unsaved-dump",
       lambda: [Disk("64M").format(state=2, captures=1, dump_bytes=4096)],
       append="console=ttyS0 overwrite=no")
refuse("not loaded with -p: no elfcorehdr", "no-elfcorehdr", lambda: [Disk("64M").format()],
       kexec="-l", panic="exec")
refuse("an elfcorehdr that is none", "bad-elfcorehdr", lambda: [Disk("64M").format()],
       kexec="-l", panic="exec", append="console=ttyS0 elfcorehdr=1M")

done()
