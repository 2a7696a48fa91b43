# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU from outside: its monitor, and physical memory by its gdb stub."""
import json
import re
import socket
import time

from tap import Failure, check

from .common import SLOW


class Qmp:
    """The monitor: commands, and events kept until somebody asks for them."""

    def __init__(self, path, process):
        self.events, self.buf = [], b""
        deadline = time.monotonic() + 60 * SLOW
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

    def human(self, line):
        """A line of the monitor for people."""
        return self.command("human-monitor-command", **{"command-line": line})

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

    def close(self):
        self.sock.close()


class Gdb:
    """Writes the physical memory of a stopped machine, by the gdb remote protocol."""

    def __init__(self, qmp, path):
        qmp.human("gdbserver unix:%s,server=on,wait=off" % path)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60 * SLOW)
        self.sock.connect(path)
        self._packet("?")
        self._packet("Qqemu.PhyMemMode:1")

    def _packet(self, text):
        """One packet and its answer."""
        self.sock.sendall(b"$%s#%02x" % (text.encode(), sum(text.encode()) & 0xff))
        buf = b""
        while True:
            found = re.search(rb"\$([^#]*)#..", buf)
            if found:
                self.sock.sendall(b"+")
                # That the machine has stopped may be told at any time
                if text in ("?", "c") or found.group(1)[:3] not in (b"T02", b"T05"):
                    return found.group(1).decode()
                buf = buf[found.end():]
                continue
            data = self.sock.recv(65536)
            check(data, "the gdb stub closed the line")
            buf += data

    def write(self, address, data):
        for at in range(0, len(data), 1024):
            piece = data[at:at + 1024]
            got = self._packet("M%x,%x:%s" % (address + at, len(piece), piece.hex()))
            check(got == "OK", "gdb stub: %s" % got)

    def close(self):
        """Detached, the machine runs on."""
        self._packet("D")
        self.sock.close()
