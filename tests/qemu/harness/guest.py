# SPDX-License-Identifier: GPL-2.0-or-later
"""One virtual machine: Debian's kernel, the stub, a crash."""
import itertools
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import time

from tap import BUILD, Failure, check, note, workdir

from .common import GIB, IMAGE, KIB, MIB, QEMU, SLOW, UART, run, size_of
from .debian import join_archives, kernel
from .elfcore import elfcorehdr_in, program_headers
from .qmp import Gdb, Qmp


class Guest:
    """One virtual machine, from boot to its end.

    A reset stops the machine instead of restarting it, memory intact, so that compare_pages() can
    read what the dead kernel left.
    """

    numbers = itertools.count(1)

    def __init__(self, disks=(), arch="x86_64", suite="bookworm", cpu=None, smp=1, mem="512M",
                 machine=None, append="console=ttyS0", level=0, compress="none", kexec="-p",
                 crashkernel="1M", panic="sysrq", panic_cpu=0, io=False, write=(), words="",
                 before="", pause=False, stub=None, files=(), extra=(), hidden=False, pty=False,
                 dump="any", boot=None):
        self.arch, self.suite, self.disks, self.mem, self.smp = arch, suite, list(disks), size_of(mem), smp
        self.panic, self.words, self.crashkernel, self.extra = panic, words, crashkernel, list(extra)
        # boot: how the machine comes to its kernel, as QEMU's options; None: QEMU loads it
        self.boot_options = boot or (lambda vmlinuz, initrd, words: ["-kernel", vmlinuz, "-initrd", initrd, "-append", words])
        self.files = list(files)        # NAME=PATH, further files for the guest's root
        # hidden: disks that the first kernel has no driver for
        self.cpu = cpu or {"x86_64": "max,la57=off", "arm64": "cortex-a72"}[arch]
        self.machine = machine or {"x86_64": "q35", "arm64": "virt,gic-version=3"}[arch]
        append = append.replace("ttyS0", UART[arch])
        self.pty = pty          # the UART is a pseudo-terminal that somebody may answer on
        # dump: where to, unless append says so itself; None: nothing is said
        self.append = append
        if dump and "dump=" not in append:
            self.append += " dump=" + dump
        if level is not None:
            self.append += " level=%d" % level
        if compress is not None:
            self.append += " compress=%s" % compress
        self.stub = stub or os.path.join(BUILD, arch, IMAGE[arch])
        self.case = {"KEXEC": kexec, "APPEND": self.append, "STUB": "/stub", "PANIC": panic,
                     "CPUMASK": "%#x" % (1 << panic_cpu), "PAUSE": "yes" * pause, "IO": "", "WRITE": " ".join(write), "BEFORE": before,
                     "DISKS": "" if hidden else " ".join(self.names())}
        if io:
            self.case["IO"] = " ".join(self.names())
        self.process = self.qmp = self.gdb = None
        self.echo = None        # called with every new piece of the console, while waiting
        self.echoed = 0
        self.id = "guest%d" % next(Guest.numbers)
        self.dir = workdir.current.dir
        self.console_path = self.path("console")

    def names(self):
        """Device nodes of the disks, in order."""
        count, names = {}, []
        for d in self.disks:
            kind = d.driver == "nvme"
            names.append(d.guest_name(count.get(kind, 0)))
            count[kind] = count.get(kind, 0) + 1
        return names

    def path(self, name):
        return os.path.join(self.dir, self.id + "." + name)

    # Start and stop

    def __enter__(self):
        folder = kernel(self.suite, self.arch)
        with open(self.path("case"), "w", encoding="utf-8") as f:
            for key, value in self.case.items():
                f.write("%s='%s'\n" % (key, value.replace("'", "'\\''")))
        files = ["case=" + self.path("case")] + self.files
        if self.case["KEXEC"]:
            files.append("stub=" + self.stub)
        if self.case["KEXEC"].startswith("load"):
            files.append("bin/capstub=" + os.path.join(BUILD, self.arch, "loader"))
        run(os.path.join(QEMU, "mkinitramfs.py"), "files", self.path("cpio"), *files)
        initrd = join_archives(self.path("initrd"), os.path.join(folder, "base.cpio"), self.path("cpio"))
        # Sockets have short names; the case's folder may not have one
        self.sockets = tempfile.mkdtemp(prefix="capstub-")
        console = UART[self.arch]
        chardev = "pty" if self.pty else "socket,server=on,wait=off,path=%s/con" % self.sockets
        # no_timer_check: on a starved host the kernel finds that its timer does not tick, and panics
        words = "console=%s crashkernel=%s panic=-1 quiet loglevel=4 %s%s" % (
            console, self.crashkernel, "no_timer_check " if self.arch == "x86_64" else "", self.words)
        # setpriv: when this program is killed, QEMU does not stay behind
        argv = ["setpriv", "--pdeathsig", "KILL", "qemu-system-" + {"x86_64": "x86_64", "arm64": "aarch64"}[self.arch],
                "-nodefaults", "-no-user-config", "-display", "none", "-nic", "none",
                "-machine", self.machine, "-accel", "tcg,thread=multi", "-cpu", self.cpu,
                "-smp", str(self.smp), "-m", "%dM" % (self.mem // MIB),
                "-chardev", chardev + ",id=con,logfile=" + self.console_path, "-serial", "chardev:con",
                "-qmp", "unix:%s/qmp,server=on,wait=off" % self.sockets,
                "-action", "reboot=shutdown,shutdown=pause,panic=none"]
        argv += self.boot_options(os.path.join(folder, "vmlinuz"), initrd, words)
        # What a disk may hang on, before it
        argv += self.extra
        for d in self.disks:
            argv += d.options()
        self.stderr = open(self.path("stderr"), "wb")
        self.started = time.monotonic()
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.stderr, stderr=self.stderr)
        try:
            self.qmp = Qmp(self.sockets + "/qmp", self.process)
        except Failure as e:
            self.__exit__(None, None, None)
            with open(self.path("stderr"), encoding="utf-8", errors="replace") as f:
                raise Failure(str(e) + "\n" + f.read()) from None
        return self

    def __exit__(self, kind, value, trace):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.qmp:
            self.qmp.close()
        shutil.rmtree(self.sockets)
        self.stderr.close()
        if kind is Failure:
            value.args = (value.args[0] + "\n--- end of the console ---\n" + self.console()[-2500:],)
        return False

    def tty(self):
        """The host's end of the UART (pty=True)."""
        for c in self.qmp.command("query-chardev"):
            if c["label"] == "con":
                return c["filename"].partition("pty:")[2]
        raise Failure("no pty")

    # Watching

    def console(self):
        try:
            with open(self.console_path, encoding="utf-8", errors="replace") as f:
                return f.read().replace("\r", "")
        except FileNotFoundError:
            return ""

    def wait(self, what, timeout, pattern=None):
        """Wait for the console to match, or (no pattern) for the machine's reset or shutdown."""
        deadline = time.monotonic() + timeout * SLOW
        while True:
            text = self.console() if pattern or self.echo else ""
            if self.echo:
                self.echo(text[self.echoed:])
                self.echoed = len(text)
            if pattern:
                found = re.search(pattern, text, re.M)
                if found:
                    return found
            ended = self.qmp.seen("SHUTDOWN")
            if ended:
                if pattern is None:
                    return ended
                raise Failure("the machine ended (%s) before: %s" % (ended["data"]["reason"], what))
            check(time.monotonic() < deadline, "no %s within %d s" % (what, timeout * SLOW))
            try:
                self.qmp.poll(0.1)
            except EOFError:
                raise Failure("QEMU ended before: %s" % what) from None

    def written(self):
        """Bytes that the disks have taken so far."""
        return sum(d["stats"]["wr_bytes"] for d in self.qmp.command("query-blockstats"))

    # Changing the dead kernel's memory

    def write_memory(self, address, data):
        """Write physical memory of the stopped machine."""
        if not self.gdb:
            self.gdb = Gdb(self.qmp, self.sockets + "/gdb")
        self.gdb.write(address, data)

    def read_memory(self, start, length):
        path = self.path("read")
        self.qmp.command("pmemsave", val=start, size=length, filename=path)
        with open(path, "rb") as f:
            data = f.read()
        os.unlink(path)
        return data

    def while_stopped(self, change):
        self.qmp.command("stop")
        change(self)
        if self.gdb:
            self.gdb.close()
            self.gdb = None
        self.qmp.command("cont")

    def tamper(self, change, timeout=300):
        """With pause set: before the crash, change(self) while the machine is stopped."""
        self.wait("boot", timeout, r"^@@ pause")
        self._read_boot_marks()
        self.while_stopped(change)
        # The guest waits for a line on its console
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(self.sockets + "/con")
            line.sendall(b"\n")
            self.wait("answer", timeout, r"^@@ uptime")

    def find_elfcorehdr(self):
        """Address and bytes of the ELF core header in the reserved region."""
        start, end = self.reserved[0]
        at, raw = elfcorehdr_in(self.read_memory(start, end - start))
        return start + at, raw

    # The story of a capture

    def boot(self, timeout=300):
        """Until the moment before the crash; the stub is loaded."""
        self.wait("boot", timeout, r"^@@ (panic|ready)")
        text = self.console()
        check("@@ error" not in text, "the guest's init reported an error")
        if self.case["KEXEC"]:
            check(re.search(r"^@@ loaded (1 0|0 1)$", text, re.M), "the stub was not loaded")
        self._read_boot_marks()

    def _read_boot_marks(self):
        text = self.console()
        # /proc/iomem: "00100000-1ffdefff : System RAM", inclusive ends
        self.ram, self.reserved = [], []
        for start, end, what in re.findall(r"^@@ iomem ([0-9a-f]+)-([0-9a-f]+) : (.*)$", text, re.M):
            piece = (int(start, 16), int(end, 16) + 1)
            (self.reserved if what == "Crash kernel" else self.ram).append(piece)
        self.release = re.search(r"@@ kernel (\S+)", text).group(1)

    def crash(self):
        if self.panic == "nmi":
            self.qmp.command("inject-nmi")

    def wait_end(self, timeout=300, reason="guest-reset"):
        """Until the stub has reset the machine."""
        event = self.wait("reset", timeout)
        got = event["data"]["reason"]
        check(got == reason, "the machine ended by %s, expected %s" % (got, reason))

    def received(self, folder):
        """The one capture that capstub recv left in folder."""
        names = [n for n in os.listdir(folder) if os.path.isdir(os.path.join(folder, n))]
        check(len(names) == 1, "captures in %s: %s" % (folder, names))
        return os.path.join(folder, names[0])

    def stop_code(self):
        """What the stub said on the console."""
        found = re.findall(r"capstub: stop code (\d+) \(([a-z-]+)\)", self.console())
        check(found, "no stop code on the console")
        return found[-1][1]

    def capture(self, stop="ok", timeout=300):
        """Boot, crash, wait for the reset; judge the stop code on the console."""
        self.boot()
        self.crash()
        self.wait_end(timeout)
        check(self.stop_code() == stop, "stop code %s on the console, expected %s" % (self.stop_code(), stop))

    # Judging

    def ram_pieces(self):
        """RAM as the machine has it: (physical start, length)."""
        if self.arch == "arm64":
            return [(GIB, self.mem)]
        # hw/i386: RAM goes on at 4 GiB when it does not fit below the PCI hole
        if self.machine.startswith("q35"):
            low = 2 * GIB if self.mem >= 0xb0000000 else self.mem
        else:
            low = 3 * GIB if self.mem >= 0xe0000000 else self.mem
        return [(0, low)] + ([(4 * GIB, self.mem - low)] if self.mem > low else [])

    def save_memory(self):
        """Copy the guest's RAM out as the dead kernel left it; returns file@start words for pages.

        What kexec's purgatory moved away (p_offset is not p_paddr: low memory) is taken from where it is now, because
        the stub may use the place.
        """
        words, headers = [], program_headers(self.find_elfcorehdr()[1]) if self.case["KEXEC"] else []
        # Some headers are made to lie: no machine here has memory beyond 1 TiB
        moved = [p for p in headers if p[0] == 1 and p[2] != p[4] and p[2] < 1 << 40 and p[5] < 1 << 30]
        for start, length in self.ram_pieces():
            path = self.path("ram-%x" % start)
            self.qmp.command("pmemsave", timeout=300, val=start, size=length, filename=path)
            words.append("%s@%#x" % (path, start))
            for p in moved:
                if start <= p[4] and p[4] + p[5] <= start + length:
                    data = self.read_memory(p[2], p[5])
                    with open(path, "r+b") as f:
                        f.seek(p[4] - start)
                        f.write(data)
        return words

    def vmcore(self, path):
        """The memory as the ELF vmcore that a second Linux would have shown: the elfcorehdr's program headers, their notes
        in one segment. p_offset of the others is a physical address, as it is in the elfcorehdr.
        """
        _, raw = self.find_elfcorehdr()
        phdrs, notes = program_headers(raw), b""
        for p in phdrs:
            if p[0] != 4:
                continue
            data, at = self.read_memory(p[2], p[5]), 0
            # Elf64_Nhdr: sizes of name and data, both padded to 4; an empty name ends the list
            while at + 12 <= len(data):
                name, desc, _ = struct.unpack_from("<III", data, at)
                end = at + 12 + (name + 3 & ~3) + (desc + 3 & ~3)
                if not name or end > len(data):
                    break
                at = end
            notes += data[:at]
        loads = [p for p in phdrs if p[0] == 1]
        front = MIB
        check(len(notes) < front - 64 * KIB, "%d bytes of notes" % len(notes))
        for p in loads:
            p[2] += front
        phdrs = [[4, 0, 64 * KIB, 0, 0, len(notes), len(notes), 0]] + loads
        head = bytearray(raw[:64])
        struct.pack_into("<Q", head, 0x20, 64)
        struct.pack_into("<H", head, 0x38, len(phdrs))
        with open(path, "wb") as f:
            f.write(head + b"".join(struct.pack("<IIQQQQQQ", *p) for p in phdrs))
            f.seek(64 * KIB)
            f.write(notes)
        for word in self.save_memory():
            ram, start = word.rsplit("@", 1)
            run("dd", "if=" + ram, "of=" + path, "bs=1M", "seek=%d" % ((front + int(start, 0)) // MIB), "conv=sparse,notrunc",
                "status=none")
            os.unlink(ram)
        return path

    def compare_pages(self, disk, want_all=True, dump=None, incomplete=False):
        """Every page of the dump against QEMU's own memory. Call inside the with block.

        want_all: every page that /proc/iomem called System RAM must be there, the reserved region
        aside. Low memory counts from 1 MiB: kexec_file_load leaves the rest out. incomplete: pages that
        the dump promises may be missing, as "empty" in the result.
        """
        argv = [os.path.join(BUILD, "pages")] + ["-m"] * incomplete + [dump or disk.dump()]
        for start, end in self.reserved:
            argv += ["-x", "%#x-%#x" % (start, end)]
        if want_all:
            for start, end in self.ram:
                start, end = max(start, MIB), end & ~4095
                start = (start + 4095) & ~4095
                if start < end:
                    argv += ["-r", "%#x-%#x" % (start, end)]
        out = run(*argv, *self.save_memory(), timeout=900)
        note("pages: " + out.strip().replace("\n", ", "))
        return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", out)}
