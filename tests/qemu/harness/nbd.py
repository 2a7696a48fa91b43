# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk with a volatile write cache: what was not flushed is lost with the machine, in part and in no order."""
import os
import random
import shutil
import socket
import struct
import tempfile
import threading

BLOCK = 512

# https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md: fixed newstyle, simple replies
OPTION, OPTION_REPLY, REQUEST, REPLY = 0x49484156454F5054, 0x3E889045565A9, 0x25609513, 0x67446698
OPT_ABORT, OPT_GO, REP_ACK, REP_INFO, REP_ERR_UNSUP = 2, 7, 1, 3, 0x80000001
READ, WRITE, DISCONNECT, FLUSH = range(4)
EINVAL = 22


class CachedDisk:
    """Serves the file at path as long as one QEMU lives. What was not flushed is kept in memory. When QEMU is gone, one in
    keep_one_in pieces of unit bytes of it is written (0: none)."""

    def __init__(self, path, unit=BLOCK, keep_one_in=2, seed=0):
        self.path, self.unit, self.keep_one_in, self.rng = path, unit, keep_one_in, random.Random(seed)
        self.dir = tempfile.mkdtemp(prefix="capstub-")      # sockets have short names
        self.socket = self.dir + "/nbd"
        self.cache = {}         # block number: bytes
        self.flushes, self.lost, self.error = 0, 0, None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.socket)
        self.listener.listen(1)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def node(self):
        """For -blockdev"""
        return {"driver": "nbd", "server": {"type": "unix", "path": self.socket}}

    def wait(self):
        """Until the power is gone, and what it took with it."""
        self.thread.join(60)
        self.listener.close()
        shutil.rmtree(self.dir)
        if self.error or self.thread.is_alive():
            raise RuntimeError("nbd: %s" % (self.error or "QEMU still there"))

    def _run(self):
        try:
            self.line = self.listener.accept()[0]
            with open(self.path, "r+b") as self.file:
                try:
                    self._handshake()
                    while self._serve():
                        pass
                except EOFError:
                    pass
                self._power_loss()
        except Exception as e:                          # whoever waits shall see it
            self.error = e

    def _receive(self, n):
        data = bytearray()
        while len(data) < n:
            piece = self.line.recv(n - len(data))
            if not piece:
                raise EOFError
            data += piece
        return bytes(data)

    def _send(self, data):
        try:
            self.line.sendall(data)
        except OSError:
            raise EOFError from None

    def _handshake(self):
        self._send(struct.pack(">8sQH", b"NBDMAGIC", OPTION, 3))    # fixed newstyle, no zeroes
        self._receive(4)
        while True:
            _, option, length = struct.unpack(">QII", self._receive(16))
            self._receive(length)
            if option == OPT_ABORT:
                raise EOFError
            if option != OPT_GO:
                self._send(struct.pack(">QIII", OPTION_REPLY, option, REP_ERR_UNSUP, 0))
                continue
            # NBD_INFO_EXPORT; NBD_FLAG_HAS_FLAGS, NBD_FLAG_SEND_FLUSH
            info = struct.pack(">HQH", 0, os.path.getsize(self.path), 5)
            self._send(struct.pack(">QIII", OPTION_REPLY, option, REP_INFO, len(info)) + info)
            self._send(struct.pack(">QIII", OPTION_REPLY, option, REP_ACK, 0))
            return

    def _serve(self):
        _, _, kind, handle, offset, length = struct.unpack(">IHHQQI", self._receive(28))
        data, error = b"", 0
        if kind == DISCONNECT:
            return False
        if kind == WRITE:
            new = self._receive(length)
        if kind in (READ, WRITE) and (offset % BLOCK or length % BLOCK):
            error = EINVAL
        elif kind == READ:
            data = self._read(offset, length)
        elif kind == WRITE:
            for i in range(0, length, BLOCK):
                self.cache[(offset + i) // BLOCK] = new[i:i + BLOCK]
        elif kind == FLUSH:
            self.flushes += 1
            self._write(self.cache)
            self.cache = {}
        else:
            error = EINVAL
        self._send(struct.pack(">IIQ", REPLY, error, handle) + data)
        return True

    def _read(self, offset, length):
        self.file.seek(offset)
        data = bytearray(self.file.read(length))
        for i in range(0, length if self.cache else 0, BLOCK):
            block = self.cache.get((offset + i) // BLOCK)
            if block:
                data[i:i + BLOCK] = block
        return bytes(data)

    def _write(self, blocks):
        for nr, block in sorted(blocks.items()):
            self.file.seek(nr * BLOCK)
            self.file.write(block)
        self.file.flush()

    def _power_loss(self):
        each = self.unit // BLOCK
        units = sorted({nr // each for nr in self.cache})
        kept = {u for u in units if self.keep_one_in and not self.rng.randrange(self.keep_one_in)}
        self._write({nr: block for nr, block in self.cache.items() if nr // each in kept})
        self.lost = len(units) - len(kept)
