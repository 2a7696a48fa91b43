#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""capstub.conf: what systemd would make of the same lines, and a name for every line that is a mistake."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *

UUID = "01234567-89ab-cdef-0123-456789abcdef"
conf = path("capstub.conf")
image = g.stub_image(path("stub"))


def write(text, name=conf):
    os.makedirs(os.path.dirname(name), exist_ok=True)
    with open(name, "w") as f:
        f.write(text)


def words(text, *complaints, rc=0, args=()):
    """The words that come out of this file, and what is said about it, by line"""
    write(text)
    r = capstub("load", "-n", "--syscall", "file", "--image", image, "--config", conf, *args)
    said = [line.split(conf + ":", 1)[1] for line in r.err.splitlines() if conf + ":" in line]
    ok(r.rc == rc and len(said) == len(complaints) and all(s.startswith(c) for s, c in zip(said, complaints)),
       "complaints about %r" % text, r)
    return r.out.replace("words        ", "").strip()


equal(words(f"[Stub]\nTarget=UUID={UUID}\n"), f"dump=UUID={UUID}", "one target")
equal(words(f"[Stub]\nTarget=UUID={UUID}\nTarget=ttyS0\n"), f"dump=UUID={UUID} dump=ttyS0", "two, in order")
equal(words("[Stub]\nTarget=any\nTarget=\nTarget=LABEL=x\n"), "dump=LABEL=x", "an empty value begins anew")
equal(words("[Stub]\nTarget=PARTLABEL=my dump\n"), 'dump="PARTLABEL=my dump"', "blanks are protected")
equal(words("# c\n; c\n\n [Stub] \n\t Target =  any\t\nLevel=17"), "dump=any level=17", "blanks, comments, no end of line")
equal(words("[Stub]\nTarget=any\nLevel=1\nLevel=17\n"), "dump=any level=17", "the last one counts")
equal(words("[Stub]\nTarget=any\nLevel=1\nLevel=\n"), "dump=any", "an empty value is the default")
equal(words("[Stub]\nTarget=any\nConsole=\\\n# between\nttyS0,115200\n"), "dump=any console=ttyS0,115200", "a line that goes on")
for value, word in (("yes", "yes"), ("ON", "yes"), ("1", "yes"), ("false", "no"), ("0", "no")):
    equal(words(f"[Stub]\nTarget=any\nOverwrite={value}\n"), f"dump=any overwrite={word}", f"Overwrite={value}")
for value, word in (("90", "90"), ("90s", "90"), ("2 h", "7200"), ("5min", "300"), ("0", "0")):
    equal(words(f"[Stub]\nTarget=any\nDeadline={value}\n"), f"dump=any deadline={word}", f"Deadline={value}")
equal(words("[Stub]\nTarget=any\nLevel=31\nCompress=none\nAfter=halt\nTimeout=20\nLine=8bit,xon\nReset=kbd\nWatchdog=keep\nServe=gdb:ttyS1\nServeTimeout=5min\n[Load]\nPanic=10\n[Save]\n"
            "Directory=/srv/crash\nFormat=elf\nKeep=3\nMaxSize=20G\nMinFree=1.5G\n"), "dump=any level=31 compress=none after=halt timeout=20 line=8bit,xon reset=kbd watchdog=keep serve=gdb:ttyS1 serve-timeout=300", "every key")

good = "[Stub]\nTarget=any\n"
equal(words(good + "Levle=1\n", "3: there is no Levle= in [Stub]"), "dump=any", "a key that is none")
equal(words(good + "Target=/no/such/file\n", "3: Target=/no/such/file: no file that 'capstub format' has made a target"), "dump=any",
      "a file that is no target")
equal(words(good + "Level=99\n", "3: Level=99: not 0 to 31; the default"), "dump=any", "a value that is none")
equal(words(good + "Level=17\nLevel=99\n", "4: Level=99: not 0 to 31; what was said before"), "dump=any level=17", "... after a good one")
equal(words(good + "Target=crsh\n", "3: Target=crsh: not any, UUID="), "dump=any", "a target that is none")
equal(words(good + "[Sutb]\nLevel=1\n", "3: there is no section 'Sutb'", "4: Level= is in no section"), "dump=any", "a section that is none")
equal(words("Level=1\n" + good, "1: Level= is in no section"), "dump=any", "before any section")
equal(words(good + "rubbish\n[Stub\n=\n", "3: 'rubbish' is neither", "4: there is no section 'Stub'", "5: = is in no"), "dump=any", "rubbish")
equal(words(good + "Overwrite=perhaps\nDeadline=2 weeks\n[Load]\nImage=stub\nSyscall=kexec\nPanic=-1\n[Save]\nFormat=zip\nKeep=some\nMinFree=5%\n",
            "3: Overwrite=perhaps", "4: Deadline=2 weeks", "6: Image=stub: not an abs", "7: Syscall=kexec", "8: Panic=-1", "10: Format=zip",
            "11: Keep=some", "12: MinFree=5%"),
      "dump=any", "all kinds of values")
words("[Stub]\nLevel=1\n", rc=1)
words("", rc=1)
equal(words(good, args=("--words", "dump=ttyS0")), "dump=ttyS0", "--words instead of all that")
text = "[Stub]\n" + "Target=LABEL=" + "\nTarget=LABEL=".join("%060d" % i for i in range(40)) + "\n"
ok("no longer fits" in capstub("load", "-n", "--syscall", "file", "--image", image, "-c", (write(text), conf)[1]).err, "too much for the line")

# Drop-ins, in the order of their names
write("[Stub]\nLevel=1\n", conf + ".d/20-b.conf")
write("[Stub]\nLevel=17\nTarget=ttyS0\n", conf + ".d/10-a.conf")
write("[Stub]\nLevel=3\n", conf + ".d/30-c.conf~")
equal(words(good), "dump=any dump=ttyS0 level=1", "drop-ins")
write("[Stub]\nLevel=x\n", conf + ".d/40-d.conf")
r = capstub("load", "-n", "--syscall", "file", "--image", image, "--config", conf)
ok(r.rc == 0 and "40-d.conf:2: Level=x" in r.err, "a mistake in a drop-in is named with its file", r)
expect(1, "No such file", "load", "-n", "--config", path("missing.conf"))
done()
