# SPDX-License-Identifier: GPL-2.0-or-later
"""Disk images: partition tables, labels, what a capture left on them, and how QEMU is told of them."""
import hashlib
import itertools
import json
import struct
import uuid
import zlib

from tap import check, workdir

from .common import MIB, run, size_of
from .label import END_AREAS, LABEL_SIZE, STATES, VOUCH, Label, crc32c, stop_codes

class Disk:
    """A raw image that the guest sees through one driver.

    driver: virtio (modern PCI), virtio-legacy, virtio-trans (both), virtio-mmio (arm64), nvme
    table:  None (whole disk), gpt, mbr: one partition, the target, between two others
    """

    numbers = itertools.count(1)

    def __init__(self, size="1G", driver="virtio", block=512, table=None, name=None, props="",
                 blockdev=None):
        self.size, self.driver, self.block, self.table = size_of(size), driver, block, table
        self.props, self.blockdev = props, blockdev
        self.name = name or "disk%d" % next(Disk.numbers)
        self.path = workdir.current.path(self.name + ".img")
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

    def format(self, name="", fill=True, label=None, vouch=False, **fields):
        """Write a label; remember what is around the target so that strays are seen. vouch: for both ends as they are."""
        target = (self.end - self.start) & ~(LABEL_SIZE - 1)
        if vouch:
            fields["vouch"] = self.ends(*VOUCH)
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

    def ends(self, head, tail):
        """What a label says of that many bytes at both ends; INCOMPLETE in the dump's header counts as 0."""
        first = bytearray(self.read(0, head))
        first[424] &= 0xf7
        return head, crc32c(first), tail, crc32c(self.read(self.target_bytes - LABEL_SIZE - tail, tail))

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
