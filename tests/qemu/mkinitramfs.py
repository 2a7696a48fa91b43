#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Build the initramfs of the test guests from unpacked Debian packages.

    mkinitramfs.py base ROOT RELEASE INIT OUT    busybox, kexec, init, modules
    mkinitramfs.py files OUT NAME=PATH...        a small second archive

Both are cpio "newc" archives (linux: Documentation/driver-api/early-userspace/buffer-format.rst);
the kernel unpacks several of them one after the other.
"""
import lzma
import os
import re
import struct
import subprocess
import sys

# Loaded at boot, with what they depend on. A name that a kernel has built in is no error.
MODULES = ["virtio_pci", "virtio_mmio", "virtio_blk", "nvme"]
# A small module without dependencies, rewritten into one that crashes.
OOPS_FROM = ["crc7", "crc8", "ts_fsm", "dummy"]


class Cpio:
    """Writer of a newc archive."""

    def __init__(self, path):
        self.out = open(path, "wb")
        self.ino = 0
        self.dirs = set()

    def _entry(self, name, mode, data=b"", rdev=(0, 0)):
        self.ino += 1
        name = name.encode() + b"\0"
        fields = (self.ino, mode, 0, 0, 1, 0, len(data), 0, 0, rdev[0], rdev[1], len(name), 0)
        head = b"070701" + b"".join(b"%08X" % f for f in fields) + name
        self.out.write(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))

    def mkdir(self, name):
        if name and name not in self.dirs:
            self.mkdir(os.path.dirname(name))
            self.dirs.add(name)
            self._entry(name, 0o040755)

    def file(self, name, data, mode=0o755):
        self.mkdir(os.path.dirname(name))
        self._entry(name, 0o100000 | mode, data)

    def node(self, name, major, minor):
        self.mkdir(os.path.dirname(name))
        self._entry(name, 0o020600, rdev=(major, minor))

    def close(self):
        self._entry("TRAILER!!!", 0)
        self.out.close()


def read(path):
    with open(path, "rb") as f:
        return f.read()


def read_module(path):
    data = read(path)
    return lzma.decompress(data) if path.endswith(".xz") else data


def find_modules(root, release):
    """Name (with underscores) to path, of every module in the kernel package."""
    found = {}
    for top in ("lib/modules", "usr/lib/modules"):
        for where, _, files in os.walk(os.path.join(root, top, release, "kernel")):
            for name in files:
                if ".ko" in name:
                    found[name.split(".ko")[0].replace("-", "_")] = os.path.join(where, name)
    return found


def load_order(available, wanted):
    """Modules in the order insmod needs them. Depmod never ran: read each one's own depends=."""
    order, seen = [], set()

    def add(name):
        name = name.replace("-", "_")
        if name in seen or name not in available:
            return
        seen.add(name)
        data = read_module(available[name])
        depends = re.search(rb"\0depends=([^\0]*)\0", data)
        for dep in depends.group(1).decode().split(",") if depends else []:
            add(dep)
        order.append((name, data))

    for name in wanted:
        add(name)
    return order


def sections(elf):
    """Sections of an ELF64 file: name -> (index, offset, size, info)."""
    shoff, = struct.unpack_from("<Q", elf, 40)
    shentsize, shnum, shstrndx = struct.unpack_from("<HHH", elf, 58)
    raw = [struct.unpack_from("<IIQQQQIIQQ", elf, shoff + i * shentsize) for i in range(shnum)]
    names = raw[shstrndx][4]
    found = {}
    for i, s in enumerate(raw):
        name = elf[names + s[0]:elf.index(b"\0", names + s[0])].decode()
        found[name] = (i, s[4], s[5], s[7])
    return found


def make_oops(elf):
    """Rewrite a module's init function so that its first instructions are undefined ones.

    Debian's kernels have no lkdtm. The signature, which no longer fits, is cut off: the kernel then
    only marks itself tainted.
    """
    elf = bytearray(elf)
    trailer = b"~Module signature appended~\n"
    if elf.endswith(trailer):
        # struct module_signature before the trailer ends with the big-endian signature length.
        length, = struct.unpack_from(">I", elf, len(elf) - len(trailer) - 4)
        del elf[len(elf) - len(trailer) - 12 - length:]
    secs = sections(elf)
    _, sym_off, sym_size, _ = secs[".symtab"]
    _, str_off, _, _ = secs[".strtab"]
    by_index = {s[0]: (name, s) for name, s in secs.items()}
    for off in range(sym_off, sym_off + sym_size, 24):
        name, _, _, shndx, value, size = struct.unpack_from("<IBBHQQ", elf, off)
        if elf[str_off + name:].startswith(b"init_module\0"):
            break
    else:
        return None
    sec_name, (_, sec_off, _, _) = by_index[shndx]
    machine, = struct.unpack_from("<H", elf, 18)
    # Places that relocations or the tracer's nops will be written over, relative to the function.
    taken = set()
    rela = secs.get(".rela" + sec_name)
    if rela:
        for r in range(rela[1], rela[1] + rela[2], 24):
            where, = struct.unpack_from("<Q", elf, r)
            taken.update(range(where - value, where - value + 4))
    at, code = sec_off + value, elf[sec_off + value:sec_off + value + size]
    if machine == 62:       # x86_64: after endbr64 and "call __fentry__": ud2
        pos = 4 if code.startswith(b"\xf3\x0f\x1e\xfa") else 0
        pos += 5 if code[pos] == 0xe8 else 0
        bad = b"\x0f\x0b"
    else:                   # arm64: the third word, after the tracer's two: udf #0
        pos, bad = 8, b"\0\0\0\0"
    if pos + len(bad) > size or taken & set(range(pos, pos + len(bad))):
        return None
    elf[at + pos:at + pos + len(bad)] = bad
    return bytes(elf)


def libraries(root, program):
    """The program's shared libraries and interpreter, as paths inside root."""
    where = {}
    for top in ("lib", "lib64", "usr/lib", "usr/lib64"):
        for folder, _, files in os.walk(os.path.join(root, top)):
            if "modules" in folder:
                continue
            for name in files:
                if ".so" in name:
                    where.setdefault(name, os.path.join(folder, name))
    need, seen = [program], {}
    while need:
        path = need.pop()
        info = subprocess.run(["readelf", "-ldW", path], stdout=subprocess.PIPE, check=True,
                              universal_newlines=True).stdout
        interp = re.findall(r"interpreter: ([^\]]*)\]", info)
        for name in re.findall(r"\(NEEDED\).*\[(.*)\]", info) + [os.path.basename(i) for i in interp]:
            if name in seen:
                continue
            if name not in where:
                sys.exit("mkinitramfs: %s needs %s, which no package has" % (path, name))
            seen[name] = os.path.realpath(where[name])
            if not seen[name].startswith(os.path.realpath(root) + "/"):
                sys.exit("mkinitramfs: %s leads out of the package folder" % where[name])
            need.append(seen[name])
        if interp:
            loader = interp[0]
    return loader, seen


def base(root, release, init, out):
    cpio = Cpio(out + ".new")
    for name in ("proc", "sys", "dev", "tmp"):
        cpio.mkdir(name)
    cpio.node("dev/console", 5, 1)
    cpio.file("init", read(init))
    busybox = [p for p in ("bin/busybox", "usr/bin/busybox") if os.path.exists(os.path.join(root, p))]
    cpio.file("bin/busybox", read(os.path.join(root, busybox[0])))
    kexec = [p for p in ("sbin/kexec", "usr/sbin/kexec") if os.path.exists(os.path.join(root, p))]
    kexec = os.path.join(root, kexec[0])
    cpio.file("sbin/kexec", read(kexec))
    loader, libs = libraries(root, kexec)
    for name, path in libs.items():
        # The loader where the program wants it, libraries where every loader looks.
        cpio.file(loader.lstrip("/") if name == os.path.basename(loader) else "lib/" + name, read(path))

    available = find_modules(root, release)
    load = load_order(available, MODULES)
    for name, data in load:
        cpio.file("modules/" + name + ".ko", data, 0o644)
    cpio.file("modules/load", "".join(name + ".ko\n" for name, _ in load).encode(), 0o644)
    for name in OOPS_FROM:
        oops = make_oops(read_module(available[name])) if name in available else None
        if oops:
            cpio.file("modules/oops.ko", oops, 0o644)
            break
    else:
        sys.exit("mkinitramfs: no module to make an oops of")
    cpio.close()
    os.rename(out + ".new", out)


def files(out, pairs):
    cpio = Cpio(out)
    for pair in pairs:
        name, path = pair.split("=", 1)
        cpio.file(name, read(path))
    cpio.close()


if __name__ == "__main__":
    if len(sys.argv) == 6 and sys.argv[1] == "base":
        base(*sys.argv[2:])
    elif len(sys.argv) >= 3 and sys.argv[1] == "files":
        files(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(__doc__)
