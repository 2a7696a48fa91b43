# SPDX-License-Identifier: GPL-2.0-or-later
"""What comes from Debian's archive: kernels, debug symbols, programs of other suites and architectures."""
import os
import shutil

from mkinitramfs import libraries
from tap import TOP, Failure, workdir

from .common import CACHE, QEMU, run


def kernel(suite, arch, *what):
    """tests/qemu/kernels: the folder of Debian's kernel, fetched when it is not there."""
    return run(os.path.join(QEMU, "kernels"), CACHE, suite, arch, *what, timeout=3000).split()[-1]


def join_archives(out, *parts):
    """Several cpio archives as one; the kernel unpacks them in order, the next may start on any border of 4 bytes."""
    with open(out, "wb") as f:
        for part in parts:
            with open(part, "rb") as g:
                shutil.copyfileobj(g, f)
            f.write(b"\0" * (-f.tell() % 512))
    return out


def debug_vmlinux(suite="bookworm", arch="x86_64", fetch=True):
    """Path of Debian's debug vmlinux; None when it is not at hand and fetch is False."""
    have = os.path.join(CACHE, "kernels", "%s-%s" % (suite, arch), "debug/usr/lib/debug/boot")
    if not fetch and not (os.path.isdir(have) and os.listdir(have)):
        return None
    return kernel(suite, arch, "debug")


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


# The least that this initramfs comes up in
RESERVED_LINUX = {"x86_64": "192M", "arm64": "256M"}


def capture_linux(arch, suite, level, options, node):
    """Guest arguments for a Debian kernel of its own that runs makedumpfile from /proc/vmcore to the raw disk node."""
    folder = kernel(suite, arch)
    root = os.path.join(CACHE, "tools-%s-%s" % (suite, arch))
    private("makedumpfile", arch, suite)
    capture = workdir.current.path("capture")
    with open(capture, "w", encoding="utf-8") as f:
        f.write("LEVEL=%d\nOPTIONS='%s'\nDISK=%s\n" % (level, options, node))
    files = ["init=" + os.path.join(QEMU, "capture-init"), "capture=" + capture,
             "bin/makedumpfile=" + os.path.join(root, "usr/bin/makedumpfile")]
    loader, libs = libraries(root, os.path.join(root, "usr/bin/makedumpfile"))
    for name, path in libs.items():
        files.append((loader.lstrip("/") if name == os.path.basename(loader) else "lib/" + name) + "=" + path)
    extra = workdir.current.path("extra.cpio")
    run(os.path.join(QEMU, "mkinitramfs.py"), "files", extra, *files)
    out = join_archives(workdir.current.path("capture.cpio"), os.path.join(folder, "base.cpio"), extra)
    return dict(crashkernel=RESERVED_LINUX[arch], stub=os.path.join(folder, "vmlinuz"), files=["capture.cpio=" + out],
                kexec="-p --initrd=/capture.cpio", dump=None,
                append="console=ttyS0 nr_cpus=1 irqpoll reset_devices quiet no_timer_check")
