# SPDX-License-Identifier: GPL-2.0-or-later
"""Harness of the QEMU tests: crash a real Debian kernel, let the stub run, judge what it left.

A test case is a small program run by prove (TAP on standard output):

    from capstubtest import Disk, Guest, case, done

    with case("virtio-blk, modern"):
        disk = Disk("1G", driver="virtio")
        disk.format()
        with Guest(disks=[disk]) as guest:
            guest.capture()             # boot, kexec -p, crash, stub, reset
        disk.expect(stop="ok", state="complete")
        guest.compare_pages(disk)
    done()

Everything that waits has a deadline, and leaving the "with" block kills QEMU. Nothing needs root or
KVM. Files of a case are kept in $BUILD/qemu/<case>/ when it fails, and removed when it passes
(KEEP=1 keeps them). Environment: BUILD, CAPSTUB_CACHE (the Makefile sets both).
"""
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time
import uuid
import zlib

from mkinitramfs import libraries

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("BUILD") or os.path.join(TOP, "build"))
CACHE = os.path.abspath(os.environ.get("CAPSTUB_CACHE") or os.path.join(BUILD, "cache"))
KEEP = bool(os.environ.get("KEEP"))
# Deadlines are for what hangs, not for what is slow; none of them is a measurement.
SLOW = float(os.environ.get("SLOW") or 3)

IMAGE = {"x86_64": "capstub.bzImage", "arm64": "capstub.Image"}
UART = {"x86_64": "ttyS0", "arm64": "ttyAMA0"}
TOOL = os.path.join(BUILD, "capstub")
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


class Failure(Exception):
    """A case failed: the text says what was expected and what was seen."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def size_of(text):
    """'512M' -> bytes"""
    if isinstance(text, int):
        return text
    return int(text[:-1]) << {"K": 10, "M": 20, "G": 30}[text[-1]] if text[-1] in "KMG" else int(text)


def run(*argv, timeout=300, ok=(0,), **kw):
    """Run a program to its end; returns its output. Any other exit status fails the case."""
    try:
        p = subprocess.run(argv, stdin=kw.pop("stdin", subprocess.DEVNULL), stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=timeout * SLOW, check=False, **kw)
    except subprocess.TimeoutExpired:
        raise Failure("%s: no end after %d s" % (argv[0], timeout * SLOW)) from None
    out = p.stdout.decode(errors="replace")
    check(ok is None or p.returncode in ok,
          "%s: exit status %d\n%s" % (" ".join(argv), p.returncode, out[-3000:]))
    return out


# --- TAP ------------------------------------------------------------------------------------------

class case:
    """One TAP test: passes when its block ends, fails with any exception."""

    count = 0
    failed = 0
    current = None

    def __init__(self, name):
        self.name = name
        slug = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()
        script = os.path.basename(sys.argv[0]).replace(".t", "") or "adhoc"
        self.dir = os.path.join(BUILD, "qemu", script, slug)

    def __enter__(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        case.count += 1
        case.current = self
        self.start = time.monotonic()
        return self

    def __exit__(self, kind, value, trace):
        case.current = None
        note("%s: %.1f s" % (self.name, time.monotonic() - self.start))
        if kind is None:
            print("ok %d - %s" % (case.count, self.name), flush=True)
            if not KEEP:
                shutil.rmtree(self.dir, ignore_errors=True)
            return True
        if kind is KeyboardInterrupt:
            return False
        case.failed += 1
        print("not ok %d - %s" % (case.count, self.name), flush=True)
        if kind is Failure:
            note(str(value))
        else:
            import traceback
            note("".join(traceback.format_exception(kind, value, trace)))
        note("files: " + self.dir)
        return True

    def path(self, name):
        return os.path.join(self.dir, name)


def wanted(name):
    """ONLY=text runs the cases whose name holds it."""
    return os.environ.get("ONLY", "") in name


class workdir:
    """A folder for disks and guests outside of a TAP case (demo, bench)."""

    def __init__(self, name):
        self.dir = os.path.join(BUILD, name)
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        case.current = self

    def path(self, name):
        return os.path.join(self.dir, name)


def note(text):
    """A TAP comment."""
    for line in text.splitlines():
        print("#", line, flush=True)


def done():
    """End of a test program."""
    print("1..%d" % case.count, flush=True)
    sys.exit(1 if case.failed or not case.count else 0)


# --- the label (include/capstub/label.h), an implementation of its own --------------------------------

STATES = ["empty", "dumping", "complete", "incomplete", "saved"]
LABEL_SIZE = 4096
END_AREAS = 65536

_CRC = []
for _i in range(256):
    for _ in range(8):
        _i = _i >> 1 ^ (0x82f63b78 if _i & 1 else 0)
    _CRC.append(_i)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


def stop_codes():
    """Short name -> number, from the one list there is."""
    with open(os.path.join(TOP, "include/capstub/stopcode.h"), encoding="utf-8") as f:
        return {name: int(nr) for nr, name in re.findall(r'X\((\d+), \w+, "([^"]+)"', f.read())}


class Label:
    """A decoded label; attributes are named as in label.h."""

    U32 = {"version": 8, "crc32c": 12, "state": 0x68, "captures": 0x6c, "stop_code": 0x70,
           "dump_level": 0x74, "dump_level_asked": 0x78, "compress": 0x7c}
    U64 = {"target_bytes": 0x60, "crash_time": 0x80, "dump_bytes": 0xd8, "dmesg_offset": 0xe0,
           "dmesg_bytes": 0xe8, "log_bytes": 0xf0, "elapsed_us": 0xf8, "page_size": 0x100,
           "pages_total": 0x108, "pages_stored": 0x110, "pages_unreadable": 0x118,
           "pages_missing": 0x120, "data_bytes_raw": 0x128, "data_bytes_stored": 0x130,
           "first_block_us": 0x178, "data_us": 0x180}

    def __init__(self, raw):
        self.raw = raw
        check(raw[:8] == b"CAPSTUB\0", "no label magic: %r" % raw[:8])
        for name, off in self.U32.items():
            setattr(self, name, struct.unpack_from("<I", raw, off)[0])
        for name, off in self.U64.items():
            setattr(self, name, struct.unpack_from("<Q", raw, off)[0])
        self.uuid = str(uuid.UUID(bytes=raw[0x10:0x20]))
        self.name = raw[0x20:0x60].split(b"\0")[0].decode()
        self.release = raw[0x88:0xc9].split(b"\0")[0].decode()
        self.machine = raw[0xc9:0xd8].split(b"\0")[0].decode()
        self.by_class = struct.unpack_from("<8Q", raw, 0x138)
        crc = crc32c(raw[:12] + b"\0\0\0\0" + raw[16:])
        check(crc == self.crc32c, "label CRC is %#x, should be %#x" % (self.crc32c, crc))

    @staticmethod
    def make(target_bytes, name="", ident=None, **fields):
        """Bytes of a fresh label."""
        raw = bytearray(LABEL_SIZE)
        raw[:8] = b"CAPSTUB\0"
        raw[0x10:0x20] = (ident or uuid.uuid4()).bytes
        raw[0x20:0x20 + len(name)] = name.encode()
        for key, value in dict({"version": 1, "target_bytes": target_bytes}, **fields).items():
            if key in Label.U32:
                struct.pack_into("<I", raw, Label.U32[key], value)
            else:
                struct.pack_into("<Q", raw, Label.U64[key], value)
        struct.pack_into("<I", raw, 12, crc32c(raw))
        return bytes(raw)


# --- disks ------------------------------------------------------------------------------------------

class Disk:
    """A raw image that the guest sees through one driver.

    driver: virtio (modern PCI), virtio-legacy, virtio-trans (both), virtio-mmio (arm64), nvme
    table:  None (whole disk), gpt, mbr: one partition, the target, between two others
    """

    def __init__(self, size="1G", driver="virtio", block=512, table=None, name=None, props="",
                 blockdev=None):
        self.size, self.driver, self.block, self.table = size_of(size), driver, block, table
        self.props, self.blockdev = props, blockdev
        if name is None:
            Disk.serial = getattr(Disk, "serial", 0) + 1
            name = "disk%d" % Disk.serial
        self.name = name
        self.path = case.current.path(name + ".img")
        with open(self.path, "wb") as f:
            f.truncate(self.size)
        self.start, self.end = 0, self.size
        if table:
            self._partition()

    def _partition(self):
        """A guard partition, the target, a guard partition, all on MiB borders."""
        eighth = self.size // 8 & ~(MIB - 1)
        pieces = [(MIB, eighth, "before"), (eighth, self.size - eighth, "capstub"),
                  (self.size - eighth, self.size - MIB, "after")]
        self.start, self.end = pieces[1][:2]
        # first and last block of each
        parts = [(start // self.block, end // self.block - 1, name) for start, end, name in pieces]
        with open(self.path, "r+b") as f:
            if self.table == "mbr":
                self._write_mbr(f, [(0x83, first, last) for first, last, _ in parts])
            else:
                self._write_gpt(f, parts)

    @staticmethod
    def _write_mbr(f, parts):
        """MBR: UEFI 2.9 table 5-1; 16-byte entries from 446."""
        sector = bytearray(512)
        struct.pack_into("<I", sector, 440, 0xc0ffee01)
        for i, (kind, first, last) in enumerate(parts):
            struct.pack_into("<B3xB3xII", sector, 446 + 16 * i, 0, kind, first, last - first + 1)
        sector[510:] = b"\x55\xaa"
        f.write(sector)

    def _write_gpt(self, f, parts):
        """GPT: UEFI 2.9 §5.3; 128 entries of 128 bytes, a copy at the end of the disk."""
        blocks = self.size // self.block
        table = 128 * 128 // self.block
        self._write_mbr(f, [(0xee, 1, min(blocks - 1, 0xffffffff))])
        kind = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4").bytes_le
        entries = bytearray(128 * 128)
        for i, (first, last, name) in enumerate(parts):
            struct.pack_into("<16s16sQQQ72s", entries, 128 * i, kind, uuid.uuid4().bytes_le, first, last, 0,
                             name.encode("utf-16-le"))
        self.partuuid = str(uuid.UUID(bytes_le=bytes(entries[144:160])))
        disk = uuid.uuid4().bytes_le
        for here, other, at in ((1, blocks - 1, 2), (blocks - 1, 1, blocks - 1 - table)):
            head = bytearray(struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, here, other,
                                         2 + table, blocks - 2 - table, disk, at, 128, 128,
                                         zlib.crc32(entries)))
            struct.pack_into("<I", head, 16, zlib.crc32(head))
            f.seek(here * self.block)
            f.write(head)
            f.seek(at * self.block)
            f.write(entries)

    def format(self, name="", fill=True, label=None, **fields):
        """Write a label; fill the rest of the image with a pattern so that strays are seen."""
        target = (self.end - self.start) & ~(LABEL_SIZE - 1)
        with open(self.path, "r+b") as f:
            if label is None:
                label = Label.make(target, name, **fields)
            f.seek(self.start + target - LABEL_SIZE)
            f.write(label)
        if fill and self.table:
            self.guard = self._outside()
        return self

    def _outside(self):
        """Digest of everything outside the target's window."""
        import hashlib
        digest = hashlib.sha256()
        with open(self.path, "rb") as f:
            for begin, end in ((0, self.start), (self.end, self.size)):
                f.seek(begin)
                left = end - begin
                while left:
                    data = f.read(min(left, 4 * MIB))
                    digest.update(data)
                    left -= len(data)
        return digest.hexdigest()

    def read(self, offset, length):
        """Bytes of the target."""
        with open(self.path, "rb") as f:
            f.seek(self.start + offset)
            return f.read(length)

    @property
    def target_bytes(self):
        return (self.end - self.start) & ~(LABEL_SIZE - 1)

    def label(self):
        return Label(self.read(self.target_bytes - LABEL_SIZE, LABEL_SIZE))

    def log(self):
        """The stub's own log of its last capture."""
        return self.read(self.target_bytes - END_AREAS, self.label().log_bytes).decode(errors="replace")

    def dmesg(self):
        label = self.label()
        return self.read(label.dmesg_offset, label.dmesg_bytes).decode(errors="replace")

    def expect(self, stop="ok", state="complete"):
        """Judge by the label; returns it."""
        label = self.label()
        codes = stop_codes()
        check(label.stop_code == codes[stop], "stop code %d, expected %d (%s)" %
              (label.stop_code, codes[stop], stop))
        check(STATES[label.state] == state, "state %s, expected %s" % (STATES[label.state], state))
        if getattr(self, "guard", None):
            check(self.guard == self._outside(), "bytes outside the target have changed")
        return label

    def untouched(self):
        """Nothing was written: the label is as formatted and there is no dump."""
        label = self.label()
        check(label.state == 0 and label.captures == 0, "the label was written: state %s, %d captures" %
              (STATES[label.state], label.captures))
        check(self.read(0, 8) != b"KDUMP   ", "a dump header was written")

    def dump(self):
        """Path of a file that readers can open as it is: the disk, or the partition cut out."""
        if not self.table:
            return self.path
        out = self.path + ".part"
        label = self.label()
        run("dd", "if=" + self.path, "of=" + out, "bs=1M", "iflag=skip_bytes,count_bytes",
            "skip=%d" % self.start, "count=%d" % max(label.dump_bytes, MIB), "conv=sparse", "status=none")
        return out

    # QEMU's side

    def guest_name(self, index):
        """Device node in the guest: disks of one kind are numbered in order."""
        return "/dev/nvme%dn1" % index if self.driver == "nvme" else "/dev/vd" + "abcdefgh"[index]

    def options(self):
        node = self.blockdev or {"driver": "raw", "file": {"driver": "file", "filename": self.path}}
        node = json.loads(json.dumps(node).replace("@PATH@", self.path))
        node["node-name"] = self.name
        props = "drive=%s,id=dev-%s,serial=%s" % (self.name, self.name, self.name)
        blocks = ",logical_block_size=%d,physical_block_size=%d" % (self.block, self.block)
        if self.driver == "nvme":
            device = "nvme," + props + blocks
        else:
            kind = {"virtio": "virtio-blk-pci,disable-legacy=on,disable-modern=off",
                    "virtio-legacy": "virtio-blk-pci,disable-legacy=off,disable-modern=on",
                    "virtio-trans": "virtio-blk-pci,disable-legacy=off,disable-modern=off",
                    "virtio-mmio": "virtio-blk-device"}[self.driver]
            device = kind + "," + props + blocks
        return ["-blockdev", json.dumps(node), "-device", device + ("," + self.props if self.props else "")]


# --- the guest --------------------------------------------------------------------------------------

class Qmp:
    """QEMU's monitor: commands, and events kept until somebody asks for them."""

    def __init__(self, path, process, deadline):
        self.events, self.buf = [], b""
        while True:
            self.sock = socket.socket(socket.AF_UNIX)
            try:
                self.sock.connect(path)
                break
            except OSError:
                self.sock.close()
                check(process.poll() is None and time.monotonic() < deadline, "QEMU did not start")
                time.sleep(0.05)
        self._line(deadline)
        self.command("qmp_capabilities")

    def _line(self, deadline):
        while b"\n" not in self.buf:
            self.sock.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self.sock.recv(65536)
            except (socket.timeout, TimeoutError):
                return None
            except OSError:
                data = b""
            if not data:
                raise EOFError
            self.buf += data
        line, self.buf = self.buf.split(b"\n", 1)
        return json.loads(line)

    def command(self, name, timeout=60, **arguments):
        self.sock.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        deadline = time.monotonic() + timeout * SLOW
        while True:
            try:
                msg = self._line(deadline)
            except EOFError:
                raise Failure("QEMU ended during %s" % name) from None
            check(msg is not None, "no answer to %s" % name)
            if "event" in msg:
                self.events.append(msg)
            elif "error" in msg:
                raise Failure("%s: %s" % (name, msg["error"]["desc"]))
            else:
                return msg["return"]

    def poll(self, seconds):
        """Take in what arrives within that time."""
        msg = self._line(time.monotonic() + seconds)
        if msg is not None and "event" in msg:
            self.events.append(msg)

    def seen(self, name):
        for e in self.events:
            if e["event"] == name:
                return e
        return None


def elfcorehdr_in(data):
    """Offset and bytes of the ELF core header in a copy of the reserved region."""
    at = -1
    while True:
        at = data.find(b"\x7fELF", at + 1)
        check(at >= 0, "no elfcorehdr in the reserved region")
        # e_type ET_CORE, e_phentsize 56
        if data[at + 16] == 4 and data[at + 54] == 56:
            return at, data[at:at + 64 * 1024]


def program_headers(raw):
    """[type, flags, offset, vaddr, paddr, filesz, memsz, align] of each; ELF-64 Object File Format 1.5, table 14."""
    phoff, count = struct.unpack_from("<Q", raw, 0x20)[0], struct.unpack_from("<H", raw, 0x38)[0]
    return [list(struct.unpack_from("<IIQQQQQQ", raw, phoff + 56 * i)) for i in range(count)]


def kernel_image(raw):
    """Physical ranges of the kernel's own mapping (x86_64: __START_KERNEL_map) in an elfcorehdr."""
    return [(p[4], p[4] + p[6]) for p in program_headers(raw) if p[0] == 1 and p[3] >= 0xffffffff80000000]


class Guest:
    """One virtual machine, from boot to its end.

    A reset stops the machine instead of restarting it, memory intact, so that compare_pages() can
    read what the dead kernel left.
    """

    def __init__(self, disks=(), arch="x86_64", suite="bookworm", cpu=None, smp=1, mem="512M",
                 machine=None, append="console=ttyS0", level=0, compress="none", kexec="-p",
                 crashkernel="1M", panic="sysrq", panic_cpu=0, io=False, write=(), words="",
                 before="", pause="", stub=None, files=(), extra=(), hidden=False, pty=False,
                 dump="any"):
        self.arch, self.suite, self.disks, self.mem, self.smp = arch, suite, list(disks), size_of(mem), smp
        self.panic, self.words, self.crashkernel, self.extra = panic, words, crashkernel, list(extra)
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
                     "CPUMASK": "%#x" % (1 << panic_cpu), "PAUSE": str(pause), "IO": "", "WRITE": " ".join(write), "BEFORE": before,
                     "DISKS": "" if hidden else " ".join(self.names())}
        if io:
            self.case["IO"] = " ".join(self.names())
        self.process = self.qmp = self.gdb = None
        self.echo = None        # called with every new piece of the console, while waiting
        self.echoed = 0
        Guest.serial = getattr(Guest, "serial", 0) + 1
        self.id = "guest%d" % Guest.serial
        self.console_path = case.current.path(self.id + ".console")
        self.dir = case.current.dir

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
        kernel = run(os.path.join(HERE, "kernels"), CACHE, self.suite, self.arch, timeout=1200).split()[-1]
        with open(self.path("case"), "w", encoding="utf-8") as f:
            for key, value in self.case.items():
                f.write("%s='%s'\n" % (key, value.replace("'", "'\\''")))
        files = ["case=" + self.path("case")] + self.files
        if self.case["KEXEC"]:
            files.append("stub=" + self.stub)
        run(os.path.join(HERE, "mkinitramfs.py"), "files", self.path("cpio"), *files)
        # The kernel unpacks concatenated archives (the second may start on any 4-byte border).
        with open(self.path("initrd"), "wb") as out:
            for part in (os.path.join(kernel, "base.cpio"), self.path("cpio")):
                with open(part, "rb") as f:
                    shutil.copyfileobj(f, out)
                out.write(b"\0" * (-out.tell() % 512))
        console = UART[self.arch]
        chardev = ("pty,id=con,logfile=" if self.pty else "file,id=con,path=") + self.console_path
        # no_timer_check: on a starved host the kernel finds that its timer does not tick, and panics
        words = "console=%s crashkernel=%s panic=-1 quiet loglevel=4 %s%s" % (
            console, self.crashkernel, "no_timer_check " if self.arch == "x86_64" else "", self.words)
        # Unix socket names are short; the case's folder may not be.
        self.sock = "/tmp/capstub-%d-%s.qmp" % (os.getpid(), self.id)
        argv = ["qemu-system-" + {"x86_64": "x86_64", "arm64": "aarch64"}[self.arch],
                "-nodefaults", "-no-user-config", "-display", "none", "-nic", "none",
                "-machine", self.machine, "-accel", "tcg,thread=multi", "-cpu", self.cpu,
                "-smp", str(self.smp), "-m", "%dM" % (self.mem // MIB),
                "-kernel", os.path.join(kernel, "vmlinuz"), "-initrd", self.path("initrd"),
                "-append", words, "-chardev", chardev, "-serial", "chardev:con",
                "-qmp", "unix:%s,server=on,wait=off" % self.sock,
                "-action", "reboot=shutdown,shutdown=pause,panic=none"]
        for d in self.disks:
            argv += d.options()
        argv += self.extra
        self.stderr = open(self.path("stderr"), "wb")
        self.started = time.monotonic()
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.stderr, stderr=self.stderr)
        try:
            self.qmp = Qmp(self.sock, self.process, time.monotonic() + 20 * SLOW)
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
            self.qmp.sock.close()
        if self.gdb:
            self.gdb.close()
        if os.path.exists(str(getattr(self, "sock", "")) + ".gdb"):
            os.unlink(self.sock + ".gdb")
        if getattr(self, "sock", None) and os.path.exists(self.sock):
            os.unlink(self.sock)
        if getattr(self, "stderr", None):
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
            text = self.console()
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
        """Write physical memory of the stopped machine, by QEMU's gdb stub."""
        if not self.gdb:
            self.qmp.command("human-monitor-command", **{"command-line": "gdbserver unix:%s.gdb,server=on,wait=off" % self.sock})
            self.gdb = socket.socket(socket.AF_UNIX)
            self.gdb.settimeout(20 * SLOW)
            self.gdb.connect(self.sock + ".gdb")
            self._gdb("?")
            self._gdb("Qqemu.PhyMemMode:1")
        for at in range(0, len(data), 1024):
            piece = data[at:at + 1024]
            got = self._gdb("M%x,%x:%s" % (address + at, len(piece), piece.hex()))
            check(got == "OK", "gdb stub: %s" % got)

    def _gdb(self, text):
        """One packet of the gdb remote protocol and its answer."""
        self.gdb.sendall(b"$%s#%02x" % (text.encode(), sum(text.encode()) & 0xff))
        buf = b""
        while True:
            found = re.search(rb"\$([^#]*)#..", buf)
            if found:
                self.gdb.sendall(b"+")
                return found.group(1).decode()
            data = self.gdb.recv(65536)
            check(data, "the gdb stub closed the line")
            buf += data

    def read_memory(self, start, length):
        path = self.path("read")
        self.qmp.command("pmemsave", val=start, size=length, filename=path)
        with open(path, "rb") as f:
            data = f.read()
        os.unlink(path)
        return data

    def tamper(self, change, timeout=120):
        """With pause set: stop before the crash, call change(self), let the crash happen."""
        self.wait("boot", timeout, r"^@@ pause")
        self._read_boot_marks()
        self.qmp.command("stop")
        change(self)
        if self.gdb:
            self._gdb("D")
            self.gdb.close()
        self.qmp.command("cont")

    def find_elfcorehdr(self):
        """Address and bytes of the ELF core header in the reserved region."""
        start, end = self.reserved[0]
        at, raw = elfcorehdr_in(self.read_memory(start, end - start))
        return start + at, raw

    # The story of a capture

    def boot(self, timeout=120):
        """Until the moment before the crash; the stub is loaded."""
        self.wait("boot", timeout, r"^@@ (panic|ready)")
        text = self.console()
        check("@@ error" not in text, "the guest's init reported an error")
        if self.case["KEXEC"]:
            check(re.search(r"^@@ loaded (1 0|0 1)$", text, re.M), "the stub was not loaded")
        self.boot_seconds = time.monotonic() - self.started
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
            time.sleep(0.5)
            self.qmp.command("inject-nmi")

    def wait_end(self, timeout=300, reason="guest-reset"):
        """Until the stub has reset the machine."""
        event = self.wait("reset", timeout)
        self.reset_seconds = time.monotonic() - self.started
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
        words = []
        moved = [p for p in program_headers(self.find_elfcorehdr()[1]) if p[0] == 1 and p[2] != p[4]]
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


# --- the other way to capture: a second Linux ---------------------------------------------------------

# The least that this initramfs comes up in
RESERVED_LINUX = {"x86_64": "192M", "arm64": "256M"}


def capture_linux(arch, suite, level, options, node):
    """Guest arguments for a Debian kernel of its own that runs makedumpfile from /proc/vmcore to the raw disk node."""
    kernel = run(os.path.join(HERE, "kernels"), CACHE, suite, arch, timeout=1200).split()[-1]
    root = os.path.join(CACHE, "tools-%s-%s" % (suite, arch))
    private("makedumpfile", arch, suite)
    capture = case.current.path("capture")
    with open(capture, "w", encoding="utf-8") as f:
        f.write("LEVEL=%d\nOPTIONS='%s'\nDISK=%s\n" % (level, options, node))
    files = ["init=" + os.path.join(HERE, "capture-init"), "capture=" + capture,
             "bin/makedumpfile=" + os.path.join(root, "usr/bin/makedumpfile")]
    loader, libs = libraries(root, os.path.join(root, "usr/bin/makedumpfile"))
    for name, path in libs.items():
        files.append((loader.lstrip("/") if name == os.path.basename(loader) else "lib/" + name) + "=" + path)
    extra = case.current.path("extra.cpio")
    run(os.path.join(HERE, "mkinitramfs.py"), "files", extra, *files)
    out = case.current.path("capture.cpio")
    with open(out, "wb") as f:
        for part in (os.path.join(kernel, "base.cpio"), extra):
            with open(part, "rb") as g:
                shutil.copyfileobj(g, f)
            f.write(b"\0" * (-f.tell() % 512))
    return dict(crashkernel=RESERVED_LINUX[arch], stub=os.path.join(kernel, "vmlinuz"), files=["capture.cpio=" + out],
                kexec="-p --initrd=/capture.cpio", append="console=ttyS0 nr_cpus=1 irqpoll reset_devices quiet no_timer_check")


# --- readers ------------------------------------------------------------------------------------------

def debug_vmlinux(suite="bookworm", arch="x86_64", fetch=True):
    """Path of Debian's debug vmlinux; None when it is not at hand and fetch is False."""
    have = os.path.join(CACHE, "kernels", "%s-%s" % (suite, arch), "debug/usr/lib/debug/boot")
    if not fetch and not (os.path.isdir(have) and os.listdir(have)):
        return None
    return run(os.path.join(HERE, "kernels"), CACHE, suite, arch, "debug", timeout=3000).split()[-1]


def private(program, arch="x86_64", suite="bookworm"):
    """argv that runs a Debian program of any suite and architecture without installing it."""
    deb = {"x86_64": "amd64", "arm64": "arm64"}[arch]
    root = os.path.join(CACHE, "tools-%s-%s" % (suite, arch))
    debs = os.path.join(TOP, "tools/build/debs.sh")
    if not os.path.exists(os.path.join(root, "usr/bin", program)):
        libs = run(debs, CACHE, suite, deb, "libraries", program, timeout=300).split()
        run(debs, CACHE, suite, deb, "unpack", root, *libs, program, timeout=1200)
    path = os.path.join(root, "usr/bin", program)
    # From Debian 13 on packages hold nothing in /lib, which is a link that base-files makes
    if not os.path.lexists(os.path.join(root, "lib")):
        os.symlink("usr/lib", os.path.join(root, "lib"))
    if arch != "x86_64":
        return ["qemu-aarch64-static", "-L", root, path]
    # Its own loader and C library: ours may be older.
    folders = [os.path.join(root, lib) for lib in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")]
    for folder in folders:
        loader = os.path.join(folder, "ld-linux-x86-64.so.2")
        if os.path.exists(loader):
            return [loader, "--library-path", ":".join(folders), path]
    raise Failure("no loader in " + root)


def indexed(vmlinux):
    """A copy of the debug vmlinux with .gdb_index, made by the native gdb and kept beside it. An emulated crash takes two
    minutes of CPU with it, and many more to read DWARF without."""
    out = os.path.join(os.path.dirname(vmlinux), "indexed-" + os.path.basename(vmlinux))
    if not os.path.exists(out):
        work = "%s.%d" % (out, os.getpid())
        os.makedirs(work)
        index = os.path.join(work, os.path.basename(vmlinux) + ".gdb-index")
        run("gdb-multiarch", "-nx", "-batch", "-ex", "save gdb-index " + work, vmlinux, timeout=600)
        run("aarch64-linux-gnu-objcopy", "--add-section", ".gdb_index=" + index, vmlinux, os.path.join(work, "out"), timeout=600)
        os.rename(os.path.join(work, "out"), out)
        shutil.rmtree(work)
    return out


def crash(vmlinux, dump, commands, arch="x86_64", suite="trixie", options=(), timeout=900):
    """Run crash's commands on a dump; returns the output.

    crash of Debian 13 (8.0.6): the one of Debian 12 (8.0.2) finds only the active tasks of its own
    suite's current kernel, whoever wrote the dump. But 8.0.6 and later refuse block devices: they
    compare the bitmap's end with st_size, which is 0 there.
    """
    if arch != "x86_64":
        vmlinux, timeout = indexed(vmlinux), 2 * timeout
    r, w = os.pipe()
    os.write(w, ("\n".join(commands) + "\nexit\n").encode())
    os.close(w)
    with os.fdopen(r) as stdin:
        return run(*private("crash", arch, suite), "-s", *options, vmlinux, dump, stdin=stdin, timeout=timeout,
                   ok=None, env=dict(os.environ, TERM="dumb", HOME=case.current.dir))


def makedumpfile_argv(arch="x86_64", suite=None):
    """This machine's, or that of a suite."""
    return ["makedumpfile"] if arch == "x86_64" and not suite else private("makedumpfile", arch, suite or "bookworm")


def makedumpfile(*argv, arch="x86_64", suite=None, timeout=600, ok=(0,)):
    return run(*makedumpfile_argv(arch, suite), *argv, timeout=timeout, ok=ok)


def bitmap2(path, filled=False):
    """Which pages a kdump-compressed dump holds, as one large number: bit N is pfn N. filled: an incomplete one may promise
    pages that it has no data for; without those."""
    with open(path, "rb") as f:
        head = f.read(464)
        check(head[:8] == b"KDUMP   ", "no dump in " + path)
        # struct disk_dump_header: block size, blocks of sub-header, blocks of both bitmaps
        block, sub, bitmaps = struct.unpack_from("<iiI", head, 428)
        f.seek((1 + sub + bitmaps // 2) * block)
        bits = int.from_bytes(f.read(bitmaps // 2 * block), "little")
        if not filled:
            return bits
        # struct page_desc, 24 bytes: offset first
        descs = f.read(24 * bin(bits).count("1"))
    out, nr = bytearray(bits.bit_length() // 8 + 1), 0
    for pfn in range(bits.bit_length()):
        if bits >> pfn & 1:
            if struct.unpack_from("<Q", descs, 24 * nr)[0]:
                out[pfn // 8] |= 1 << pfn % 8
            nr += 1
    return int.from_bytes(out, "little")


def range_bits(pieces):
    """Physical ranges as a bitmap like bitmap2()'s."""
    bits = 0
    for start, end in pieces:
        bits |= (1 << (end + 4095) // 4096) - (1 << start // 4096)
    return bits


def capstub(*argv, ok=(0,), timeout=300):
    """The host tool."""
    return run(TOOL, *argv, ok=ok, timeout=timeout)
