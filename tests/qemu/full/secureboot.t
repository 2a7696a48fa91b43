#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Secure Boot: the stub as an application of the firmware; signed with a key of the firmware's db, or of MOK, loaded by a kernel
that is locked down; what is not signed, or was changed, refused and explained. Debian's shim, GRUB and kernels.

ONLY=text runs the cases whose title contains it.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import BUILD, Disk, Guest, capstub, case, check, done, wanted, workdir  # noqa: E402
from harness.secureboot import Key, firmware, partition, secure_boot, shim  # noqa: E402

STUB = os.path.join(BUILD, "x86_64/capstub.bzImage")
SAYS = r"""
say() {
	echo "@@ $1: $(capstub load --words=dump=any --image=/$2 ${3-} 2>&1 | tr '\n' ' ') loaded $(cat /sys/kernel/kexec_crash_loaded)"
	capstub unload
}
mkdir -p /run
mount -t securityfs securityfs /sys/kernel/security
echo "@@ lockdown $(cat /sys/kernel/security/lockdown)"
say known stub
say unsigned unsigned
say unsigned-file unsigned --syscall=file
say other other
say changed changed
say changed-file changed --syscall=file
say cut cut --syscall=file
echo "@@ kexec: $(kexec -c -p --append=dump=any /stub 2>&1 | tr '\n' ' ')"
"""

ROWS = [
    dict(key="db", kexec="load", keyring=r"\.platform"),
    dict(key="mok", kexec="-s -p", keyring=r"\.machine"),
    # its kexec_file_load sets 900 KiB aside: what capstub check asks for then
    dict(key="db", kexec="load", keyring=r"\.platform", suite="trixie", crashkernel="1216K"),
]


def sign(name, key):
    path = workdir.current.path(name)
    capstub("sign", "--key", key.key, "--cert", key.pem, "--output", path, STUB)
    return path


def write(name, data):
    with open(workdir.current.path(name), "wb") as f:
        f.write(data)
    return workdir.current.path(name)


for row in ROWS:
    title = " ".join("%s=%s" % kv for kv in row.items())
    if not wanted(title):
        continue
    with case(title):
        row = dict(row)
        how, keyring = row.pop("key"), row.pop("keyring")
        key, stranger = Key("capstub " + how), Key("stranger")
        signed, other = sign("signed", key), sign("other", stranger)
        with open(signed, "rb") as f:
            data = bytearray(f.read())
        cut = write("cut", data[:-8])
        data[0x1f0] ^= 1            # nothing is there, and the image's own checksum is none of it
        changed = write("changed", data)
        # The firmware starts the stub itself, or shim as if it were GRUB, which also wants .sbat; then the system
        if how == "db":
            first = partition("first", {"EFI/BOOT/BOOTX64.EFI": signed})
        else:
            first = partition("first", {"EFI/BOOT/BOOTX64.EFI": shim(firmware()), "EFI/BOOT/grubx64.efi": signed})
        disk = Disk("1G", driver="nvme").format()
        files = ["unsigned=" + STUB, "other=" + other, "changed=" + changed, "cut=" + cut,
                 "bin/capstub=" + os.path.join(BUILD, "x86_64/loader")]
        with Guest(disks=[disk], stub=signed, machine="q35,smm=on", mem="512M", before=SAYS, files=files,
                   boot=secure_boot(first, db=[key] if how == "db" else [], mok=[key] if how == "mok" else []), **row) as guest:
            guest.boot(timeout=900)
            said = guest.console()
            for want in (r"^capstub \S+ saves the memory of a Linux kernel", r"^@@ lockdown none \[integrity\]",
                         r"^@@ known: .*/stub is signed, and the kernel has the key in %s.* loaded 1$" % keyring,
                         r"^@@ unsigned: .*signed images only, and /unsigned is not signed.* loaded 0$",
                         r"^@@ unsigned-file: .*it is not signed, and this kernel takes signed images only.* loaded 0$",
                         r"^@@ other: .*a key that the kernel does not know.*mokutil --import.* loaded 0$",
                         r"^@@ changed: .*was changed after it was signed.* loaded 0$",
                         r"^@@ changed-file: .*its signature does not fit.* loaded 0$",
                         r"^@@ cut: .*its PE header or the table of signatures.* loaded 0$",
                         r"^@@ kexec: .*(not permitted|denied)"):
                check(re.search(want, said, re.M), "no " + want)
            guest.crash()
            guest.wait_end(600)
            check(guest.stop_code() == "ok", "stop code " + guest.stop_code())
            disk.expect("ok", "complete")
            found = guest.compare_pages(disk)
            check(found["differing"] == 0 and found["unreadable"] == 0 and found["missing"] == 0, "pages: %r" % found)

done()
