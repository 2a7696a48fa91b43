#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad input and failing disks on arm64: always a reset, the stop code that fits, and nothing written where it must not.

The cases are those of x86_64, taken from the programs that hold them: check/30-refuse.t and full/failures.t as they are,
full/devices.t and full/hostile.t row by row where registers or addresses are the machine's own. What only arm64 has, the device
tree, comes at the end. ONLY=text runs the cases whose name holds it.
"""
import importlib.machinery
import os
import re
import struct
import sys
import types

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import harness  # noqa: E402
from harness import GIB, MIB, Disk, Guest, case, check, done, wanted  # noqa: E402

PAGE = 4096
KERNEL_MAP = 0xffff800000000000     # modules, image, vmalloc: above the linear map (linux: Documentation/arm64/memory.rst)
ECAM = 0x4010000000                 # hw/arm/virt.c of QEMU, VIRT_HIGH_PCIE_ECAM
FDT_PROP = 3                        # Devicetree Specification 5.4.1


class ArmGuest(Guest):
    def __init__(self, *args, **named):
        super().__init__(*args, **dict({"arch": "arm64"}, **named))


def load(path, select):
    """Run a test program of x86_64 on arm64: those of its cases that select(name) picks. Returns it as a module."""
    kept = harness.wanted, harness.done, harness.Guest
    harness.wanted, harness.done, harness.Guest = select, lambda: None, ArmGuest
    loader = importlib.machinery.SourceFileLoader("rows", os.path.join(HERE, path))
    module = types.ModuleType("rows")
    module.__file__ = loader.path
    try:
        loader.exec_module(module)
    finally:
        harness.wanted, harness.done, harness.Guest = kept
    module.wanted = wanted
    return module


def none(_):
    return False


load("../check/30-refuse.t", wanted)
load("failures.t", wanted)

# --- disks in places, and disks that fail under way ---

devices = load("devices.t", none)
devices.good("behind root ports, the third disk", lambda: [
    devices.PortDisk("64M", driver="nvme", name="a"), devices.PortDisk("64M", driver="virtio", name="b"),
    devices.PortDisk("1G", driver="nvme", block=4096, name="c")])
devices.good("third namespace", lambda: [devices.NamespaceDisk("1G", driver="nvme", name="n")])
devices.good("NVMe, transfers of 8 KiB", lambda: [Disk("1G", driver="nvme", props="mdts=1")])
devices.good("virtio, queue of 16", lambda: [Disk("1G", props="queue-size=16")])
devices.good("virtio-mmio, queue of 1024", lambda: [Disk("1G", driver="virtio-mmio", props="queue-size=1024")])


def pull_out(guest):
    """Slot power and indicator off: Slot Control of the root port at 00:01.0, PCI Express capability at 0x54."""
    guest.while_stopped(lambda g: g.write_memory(ECAM + (1 << 15) + 0x54 + 0x18, struct.pack("<H", 0x0700)))


for driver in ("nvme", "virtio", "virtio-mmio"):
    devices.broken("%s: a block that cannot be written" % driver, "write-error",
                   lambda: Disk("1G", driver=driver, blockdev=devices.WRITE_ERROR), states=("incomplete",))
    devices.broken("%s: a request that does not complete" % driver, "device-timeout",
                   lambda: Disk("1G", driver=driver, blockdev=devices.SLOWED), extra=devices.STUCK,
                       append="console=ttyS0 timeout=10")
    if driver != "virtio-mmio":
        devices.broken("%s: pulled out" % driver, "device-gone",
                       lambda: devices.PortDisk("1G", driver=driver, name="out", blockdev=devices.SLOWED), during=pull_out,
                       extra=devices.LONG)

# --- an elfcorehdr that lies ---

hostile = load("hostile.t", none)
hostile.KERNEL_MAP = KERNEL_MAP
load_range = hostile.Header.load


def overlapping(h):
    h.phdrs += [load_range(GIB + 2 * MIB + PAGE, 64 * MIB), load_range(GIB + MIB, 2 * MIB), load_range(GIB + 3 * MIB, 99 * PAGE),
                load_range(GIB + 128 * MIB + 123, 77)]


def not_ram(h):
    h.phdrs += [load_range(8 * GIB, MIB)]


for name, change, stop, want_all, guest_args in hostile.ROWS:
    # The one that names places of x86_64, and the one whose outcome is another: reads of nothing are not all ones here, they fault
    if name == "overlapping ranges":
        change = overlapping
    if wanted(name) and name != "a range without memory behind it":
        hostile.run_row(name, hostile.change_header(change), stop, want_all, guest_args)

if wanted("a range without memory behind it"):
    with case("a range without memory behind it: its pages are marked unreadable"):
        disk = Disk("512M").format("target")
        with ArmGuest(disks=[disk], mem="256M", kexec="-p -i", pause=True, compress="lzo") as guest:
            guest.tamper(hostile.change_header(not_ram))
            guest.wait_end(120)
            check(guest.stop_code() == "ok", "stop code " + guest.stop_code())
            label = disk.expect("ok", "complete")
            counts = guest.compare_pages(disk, incomplete=True)
        check(counts["empty"] == label.pages_unreadable == 256 and counts["missing"] == 0, "%d pages empty, %d unreadable" %
              (counts["empty"], label.pages_unreadable))

# --- a device tree that lies (kexec writes it, a dead kernel's stray write may change it) ---


class Tree:
    """The flattened device tree that kexec made, in the reserved region."""

    def __init__(self, guest):
        start, end = guest.reserved[0]
        data = guest.read_memory(start, end - start)
        at = -1
        while True:
            at = data.find(b"\xd0\x0d\xfe\xed", at + 1)
            check(at >= 0, "no device tree in the reserved region")
            size, off_struct, off_strings = struct.unpack_from(">III", data, at + 4)
            if 40 < size <= len(data) - at and b"linux,elfcorehdr\0" in data[at:at + size]:
                break
        self.guest, self.address, self.raw = guest, start + at, data[at:at + size]
        self.off_struct, self.off_strings = off_struct, off_strings

    def prop(self, name):
        """Offset of a property: its length word, then the offset of its name, then its value."""
        nameoff = self.raw.index(name + b"\0", self.off_strings) - self.off_strings
        for at in range(self.off_struct, self.off_strings - 12, 4):
            token, length, off = struct.unpack_from(">III", self.raw, at)
            if token == FDT_PROP and off == nameoff and length <= self.off_strings - at - 12:
                return at + 4
        raise harness.Failure("no property " + name.decode())

    def write(self, offset, data):
        self.guest.write_memory(self.address + offset, data)


def rename(name):
    def do(guest):
        tree = Tree(guest)
        tree.write(tree.raw.index(name + b"\0", tree.off_strings), b"x")
    return do


def elfcorehdr(address, size):
    def do(guest):
        tree = Tree(guest)
        tree.write(tree.prop(b"linux,elfcorehdr") + 8, struct.pack(">QQ", address, size))
    return do


def short_property(guest):
    tree = Tree(guest)
    tree.write(tree.prop(b"linux,elfcorehdr"), struct.pack(">I", 13))


def endless_property(guest):
    tree = Tree(guest)
    tree.write(tree.prop(b"bootargs"), struct.pack(">I", 0x7fffffff))


def no_magic(guest):
    Tree(guest).write(0, b"\0\0\0\0")


def huge_tree(guest):
    Tree(guest).write(4, struct.pack(">I", 0xffffffff))


TREE_ROWS = [
    # name, change, stop code; None: nobody can know a console without a tree, but the machine is reset
    ("no linux,elfcorehdr", rename(b"linux,elfcorehdr"), "no-elfcorehdr"),
    ("linux,elfcorehdr that ends behind the address space", elfcorehdr((1 << 64) - PAGE, 2 * PAGE), "no-elfcorehdr"),
    ("linux,elfcorehdr where nothing answers", elfcorehdr(8 * GIB, PAGE), "bad-elfcorehdr"),
    ("linux,elfcorehdr in a device's registers", elfcorehdr(0x08000000, PAGE), "bad-elfcorehdr"),
    ("linux,elfcorehdr beyond what the CPU can address", elfcorehdr(1 << 60, PAGE), "bad-elfcorehdr"),
    ("linux,elfcorehdr in the dead kernel's memory", elfcorehdr(GIB + 2 * MIB, PAGE), "bad-elfcorehdr"),
    ("linux,elfcorehdr of 13 bytes", short_property, "no-elfcorehdr"),
    ("a property longer than the tree", endless_property, None),
    ("a tree without its magic", no_magic, None),
    ("a tree of 4 GiB", huge_tree, None),
]

for name, change, stop in TREE_ROWS:
    if wanted(name):
        if stop:
            hostile.run_row(name, change, stop, False, {})
            continue
        with case(name):
            disk = Disk("64M").format()
            with ArmGuest(disks=[disk], mem="256M", kexec="-p -i", pause=True) as guest:
                guest.tamper(change)
                guest.wait_end(120)
            disk.untouched()

# --- words ---

if wanted("malformed words"):
    with case("malformed words: each is named, and what it was about keeps its default"):
        bad = ("level=99", "compress=zip", "overwrite=perhaps", "dump=UUID=12345", "frobnicate",
               "virtio_mmio.device=1K@junk", "elfcorehdr=everywhere")
        disk = Disk("512M").format("target")
        with ArmGuest(disks=[disk], mem="256M", level=None, compress=None, append="console=ttyAMA0 dump=any " + " ".join(bad)) as guest:
            guest.capture()
            label = disk.expect("ok", "complete")
            check(label.dump_level == label.dump_level_asked == 31 and label.compress == 2, "level %d, compression %d" %
                  (label.dump_level, label.compress))
            guest.compare_pages(disk, want_all=False)
            for word in bad:
                check(re.search(r"^capstub: .*" + re.escape(word.split("=")[0]), guest.console(), re.M), "no line about " + word)

done()
