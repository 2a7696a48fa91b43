# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines that start from firmware: OVMF with Secure Boot in force, Debian's shim, GRUB and kernel, keys of our own."""
import os
import shutil
import struct
import uuid

from tap import TOP, check, workdir

from .common import CACHE, run

X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")        # UEFI 2.10 §32.4.1, EFI_CERT_X509_GUID
OWNER = uuid.UUID("f1d7b3a0-5c3e-4f0a-9d7e-6b2c8a4e1f35")
DB = ("db", uuid.UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f"))
MOK = ("MokList", uuid.UUID("605dab50-e046-4300-abb6-3dd810dd8b23"))    # shim's
BOOT_SERVICES_ONLY = 3                                          # non-volatile, not for the system that runs

AAVMF = "/usr/share/AAVMF/AAVMF_CODE.fd"


def firmware():
    """The folder that holds Debian's OVMF, shim and GRUB, unpacked once."""
    root = os.path.join(CACHE, "secureboot-x86_64")
    run(os.path.join(TOP, "tools/build/debs.sh"), CACHE, "bookworm", "amd64", "unpack", root, "ovmf", "shim-signed",
        "grub-efi-amd64-signed", timeout=1200)
    return root


def shim(root):
    return os.path.join(root, "usr/lib/shim/shimx64.efi.signed")


class Key:
    """A key and its certificate, made now."""

    def __init__(self, name):
        self.key, self.pem, self.der = (workdir.current.path(name + end) for end in (".key", ".pem", ".der"))
        run("openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + name, "-days", "3650",
            "-addext", "extendedKeyUsage=codeSigning", "-keyout", self.key, "-out", self.pem)
        run("openssl", "x509", "-in", self.pem, "-outform", "DER", "-out", self.der)

    def signature_list(self):
        """EFI_SIGNATURE_LIST of one certificate (UEFI 2.10 §32.4.1)"""
        with open(self.der, "rb") as f:
            cert = f.read()
        return X509.bytes_le + struct.pack("<III", 28 + 16 + len(cert), 0, 16 + len(cert)) + OWNER.bytes_le + cert


class Variables:
    """EDK2's store of authenticated variables (MdeModulePkg/Include/Guid/VariableFormat.h): a list that new ones end."""

    HEAD = struct.Struct("<HBBIQ16sIII16s")

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = bytearray(f.read())
        header, = struct.unpack_from("<H", self.data, 48)       # of the firmware volume
        check(self.data[40:44] == b"_FVH", path + " is no firmware volume")
        self.first = header + 28
        self.found, at = {}, self.first
        while struct.unpack_from("<H", self.data, at)[0] == 0x55aa:
            head = self.HEAD.unpack_from(self.data, at)
            state, name_size, data_size = head[1], head[7], head[8]
            if state == 0x3f:
                name = self.data[at + 60:at + 60 + name_size].decode("utf-16-le").rstrip("\0")
                self.found[name, uuid.UUID(bytes_le=head[9])] = at
            at += 60 + name_size + data_size
            at += -at % 4
        self.end = at

    def add(self, name, data, attributes):
        """Append to a variable, or make one."""
        at, stamp = self.found.get(name), bytes(16)
        if at is not None:
            head = self.HEAD.unpack_from(self.data, at)
            attributes, stamp = head[3], head[5]
            start = at + 60 + head[7]
            data = bytes(self.data[start:start + head[8]]) + data
            self.data[at + 2] &= ~2 & 0xff                      # VAR_DELETED
        text = (name[0] + "\0").encode("utf-16-le")
        new = self.HEAD.pack(0x55aa, 0x3f, 0, attributes, 0, stamp, 0, len(text), len(data), name[1].bytes_le) + text + data
        new += b"\xff" * (-len(new) % 4)
        self.data[self.end:self.end + len(new)] = new
        self.found[name], self.end = self.end, self.end + len(new)

    def write(self, path):
        with open(path, "wb") as f:
            f.write(self.data)
        return path


def partition(name, files):
    """A folder that QEMU shows as a FAT disk; files: path inside -> a file, or its bytes"""
    folder = workdir.current.path(name)
    for inside, what in files.items():
        path = os.path.join(folder, inside)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if isinstance(what, bytes):
            with open(path, "wb") as f:
                f.write(what)
        else:
            shutil.copyfile(what, path)
    return folder


def fat_disk(name, folder, index):
    return ["-drive", "if=none,id=%s,format=raw,readonly=on,file=fat:%s" % (name, folder),
            "-device", "virtio-blk-pci,drive=%s,bootindex=%d" % (name, index)]


def secure_boot(first, db=(), mok=()):
    """For Guest(boot=): Secure Boot with these keys enrolled. Firmware starts the files of @first, a folder, and when that
    returns, shim, GRUB and the kernel.
    """
    root = firmware()
    ovmf = os.path.join(root, "usr/share/OVMF/")
    store = Variables(ovmf + "OVMF_VARS_4M.ms.fd")
    for name, keys in ((DB, db), (MOK, mok)):
        for key in keys:
            store.add(name, key.signature_list(), BOOT_SERVICES_ONLY)

    def options(vmlinuz, initrd, words):
        config = "set timeout=0\nlinux /vmlinuz %s\ninitrd /initrd\nboot\n" % words
        system = partition("system", {
            "vmlinuz": vmlinuz, "initrd": initrd, "EFI/debian/grub.cfg": config.encode(), "EFI/BOOT/BOOTX64.EFI": shim(root),
            "EFI/BOOT/grubx64.efi": os.path.join(root, "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed")})
        code = "if=pflash,unit=0,format=raw,readonly=on,file=" + ovmf + "OVMF_CODE_4M.secboot.fd"
        return ["-drive", code, "-drive", "if=pflash,unit=1,format=raw,file=" + store.write(workdir.current.path("vars.fd")),
                "-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1",
                ] + fat_disk("first", first, 0) + fat_disk("system", system, 1)
    return options
