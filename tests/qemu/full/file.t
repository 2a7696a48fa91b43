#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A file as target: in many pieces on a file system that the first kernel has mounted and is busy with when it dies. The dump
is whole, no other sector of the disk changes, the file system is whole after its journal was replayed, and the file, opened
through it, is the vmcore. Needs root and loop devices, to make the file system."""
import os
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import Disk, Guest, case, check, done, run, wanted, workdir  # noqa: E402
from harness.common import MIB, TOOL  # noqa: E402
from harness.debian import kernel  # noqa: E402
from mkinitramfs import find_modules, load_order  # noqa: E402

os.environ["PATH"] += ":/usr/sbin:/sbin"
MKFS = {"ext4": ["mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0"], "xfs": ["mkfs.xfs", "-q", "-f"]}


class Mounted:
    """The file system of a disk image, on the host."""

    def __init__(self, path):
        self.path = path
        self.where = workdir.current.path("mnt")

    def __enter__(self):
        os.makedirs(self.where, exist_ok=True)
        self.dev = run("losetup", "-f", "--show", self.path).strip()
        run("mount", self.dev, self.where)
        return self.where

    def __exit__(self, *args):
        run("umount", self.where)
        run("losetup", "-d", self.dev)
        return False


class FileDisk(Disk):
    """A disk that is one file system, with a target in it; addresses of the target are looked up in its map."""

    def __init__(self, size, fs, bytes_, **kw):
        super().__init__(size, **kw)
        self.fs = fs
        run(*MKFS[fs], self.path)
        with Mounted(self.path) as where:
            self.fill(where)
            r = subprocess.run([TOOL, "format", "--force", "--size", str(bytes_), where + "/capstub.img"], capture_output=True, text=True)
            check(r.returncode == 0, "format: " + r.stderr)
            run("chattr", "+i", where + "/capstub.img")
        self.word, at = re.search(r"Target=(UUID=[0-9a-f-]+@(0x[0-9a-f]+))", r.stdout).groups()
        self.at = int(at, 16)
        with open(self.path, "rb") as f:
            f.seek(self.at)
            head = f.read(4096)
            self.bytes, _, nr = struct.unpack_from("<QQI", head, 0x20)
            f.seek(self.at - -(-nr * 24 // 4096) * 4096)
            self.pieces = [(a, b, c * 4096) for a, b, c, _ in struct.iter_unpack("<QQII", f.read(nr * 24))]

    @staticmethod
    def fill(where):
        """Free space in pieces of 2 MiB."""
        names = []
        try:
            while True:
                name = "%s/fill%d" % (where, len(names))
                names.append(name)
                with open(name, "wb") as f:
                    f.write(os.urandom(4096) * 512)
                    f.flush()
                    os.fsync(f.fileno())
        except OSError:
            pass
        for name in names[::2]:
            os.unlink(name)
        run("sync", "-f", where)

    @property
    def target_bytes(self):
        return self.bytes

    def read(self, offset, length):
        data = b""
        with open(self.path, "rb") as f:
            for at, disk, size in self.pieces:
                if at <= offset + len(data) < at + size and len(data) < length:
                    skip = offset + len(data) - at
                    f.seek(disk + skip)
                    data += f.read(min(size - skip, length - len(data)))
        return data

    def dump(self):
        out = self.path + ".vmcore"
        with open(out, "wb") as f:
            for at, _, size in self.pieces:
                f.write(self.read(at, size))
        return out

    def others(self, path):
        """What is not the file's, piece by piece: (address, bytes)"""
        at = 0
        with open(path, "rb") as f:
            for _, disk, size in sorted(self.pieces, key=lambda p: p[1]) + [(0, self.size, 0)]:
                f.seek(at)
                while at < disk:
                    data = f.read(min(MIB, disk - at))
                    yield at, data
                    at += len(data)
                at = disk + size


def modules(fs):
    """Guest arguments that load the driver of @fs, from the kernel's package"""
    folder = kernel("bookworm", "x86_64")
    with open(os.path.join(folder, "release"), encoding="ascii") as f:
        available = find_modules(os.path.join(folder, "root"), f.read().strip())
    files = []
    for i, (name, data) in enumerate(load_order(available, ["crc32c_generic", fs])):
        path = workdir.current.path(name + ".ko")
        with open(path, "wb") as f:
            f.write(data)
        files.append("fs/%02d-%s.ko=%s" % (i, name, path))
    return files


def check_fs(disk):
    """Replay the journal, then everything must be right"""
    with Mounted(disk.path) as where:
        out = run(TOOL, "info", where + "/capstub.img")
        check("complete: the dump is whole" in out, out)
        with open(where + "/capstub.img", "rb") as f:
            check(f.read(8) == b"KDUMP   ", "the file is no vmcore")
        run(TOOL, "save", "-o", workdir.current.path("saved"), where + "/capstub.img")
        with open(workdir.current.path("saved") + "/vmcore", "rb") as a, open(where + "/capstub.img", "rb") as b:
            while data := a.read(MIB):
                check(data == b.read(len(data)), "the saved vmcore is another")
        check("i" in run("lsattr", where + "/capstub.img").split()[0], "the file is no longer immutable")
    run(*(["e2fsck", "-fn"] if disk.fs == "ext4" else ["xfs_repair", "-n", "-f"]), disk.path)


def quiet():
    """Nothing is written between the picture and the crash, and the kernel has much that it has not written yet"""
    name = "ext4 on virtio-blk, mounted and dirty: no other sector changes"
    if not wanted(name):
        return
    with case(name):
        disk = FileDisk("1G", "ext4", 330 * MIB, driver="virtio")
        check(len(disk.pieces) >= 50, "the file is in %d pieces only" % len(disk.pieces))
        before = disk.path + ".before"
        script = ("for m in /fs/*.ko; do insmod $m; done; mkdir /mnt; mount -t ext4 -o commit=600 /dev/vda /mnt; "
                  "dd if=/dev/zero of=/mnt/synced bs=64k count=64; sync; echo 0 >/proc/sys/vm/dirty_writeback_centisecs; "
                  "for i in 1 2 3 4 5 6 7 8; do mkdir /mnt/d$i; dd if=/dev/zero of=/mnt/d$i/f bs=64k count=8; done; rm /mnt/synced")
        with Guest(disks=[disk], mem="256M", level=0, files=modules("ext4"), before=script, pause=True, dump=disk.word) as guest:
            guest.tamper(lambda g: run("cp", "--sparse=always", disk.path, before))
            guest.capture()
            disk.expect("ok", "complete")
            for (at, a), (_, b) in zip(disk.others(before), disk.others(disk.path)):
                check(a == b, "something at %#x is not as it was" % at)
            guest.compare_pages(disk)
        check_fs(disk)


def busy():
    """The file system is written to at the moment of the crash, then the file is no longer where it was"""
    name = "xfs on NVMe, busy: then moved"
    if not wanted(name):
        return
    with case(name):
        disk = FileDisk("1G", "xfs", 330 * MIB, driver="nvme")
        check(len(disk.pieces) >= 50, "the file is in %d pieces only" % len(disk.pieces))
        script = ("for m in /fs/*.ko; do insmod $m; done; mkdir /mnt; mount -t xfs /dev/nvme0n1 /mnt; "
                  "(while :; do dd if=/dev/zero of=/mnt/noise bs=64k count=99; sync; mkdir /mnt/d; rmdir /mnt/d; "
                  "rm /mnt/noise; done) >/dev/null 2>&1 & sleep 2")
        guest_args = dict(mem="256M", level=0, files=modules("xfs"), before=script, dump=disk.word)
        with Guest(disks=[disk], **guest_args) as guest:
            guest.capture()
            disk.expect("ok", "complete")
            guest.compare_pages(disk)
        check_fs(disk)
        # The first block of a piece is somebody else's
        with open(disk.path, "r+b") as f:
            f.seek(disk.pieces[len(disk.pieces) // 2][1])
            f.write(b"\xa5" * 4096)
        before = disk.label().raw
        with Guest(disks=[disk], **guest_args) as guest:
            guest.capture("file-moved")
        check(disk.label().raw == before, "the label was written")


if os.geteuid() or subprocess.run(["losetup", "-f"], capture_output=True, check=False).returncode:
    print("1..0 # SKIP needs root and loop devices")
    sys.exit(0)
quiet()
busy()
done()
