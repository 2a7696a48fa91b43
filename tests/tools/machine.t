#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
capstub format on the devices of a machine: who uses them, what they are made of, what a partition is for. The devices
are loops; in a mount namespace of its own the tool sees a /sys, made here, that says what they are. Needs root.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *

os.environ["PATH"] += ":/usr/sbin:/sbin"
loops = []
GPT = {"esp": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "BIOS boot": "21686148-6449-6E6F-744E-656564454649",
       "PReP": "9E1A2D38-C612-4316-AA26-8B49521E5A8B", "reserved": "E3C9E316-0B5C-4DB8-817D-F92DF00215AE",
       "data": "0FC63DAF-8483-4772-8E79-3D69D8477DE4"}
MEMORY = "MemTotal: 1048576 kB\nMemFree: 524288 kB\nBuffers: 0 kB\nCached: 200000 kB\nAnonPages: 200000 kB\n"


def losetup(file, *options):
    r = run("losetup", "-f", "--show", *options, file)
    if r.rc == 0:
        loops.append(r.out.strip())
    return r.out.strip() if r.rc == 0 else None


def write(file, text=""):
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with open(file, "w", encoding="utf-8") as f:
        f.write(text + "\n")


class Machine:
    """A /sys in which each loop device is what a path below devices/ says."""
    count = 0

    def __init__(self):
        Machine.count += 1
        self.top = path(f"machine{Machine.count}")
        for d in ("devblock", "block", "devices"):
            os.makedirs(os.path.join(self.top, d))
        write(f"{self.top}/meminfo", MEMORY)

    def file(self, name, text=""):
        write(os.path.join(self.top, name), text)

    def device(self, dev, where, partition=0, start=0):
        """@dev: /dev/loopN; @where: its folder below devices/"""
        node = os.stat(dev).st_rdev
        number = f"{os.major(node)}:{os.minor(node)}"
        self.file(f"devices/{where}/dev", number)
        self.file(f"devices/{where}/size", str(os.path.getsize(open(f"/sys/dev/block/{number}/loop/backing_file").read().strip())
                                               // 512))
        if partition:
            self.file(f"devices/{where}/partition", str(partition))
            self.file(f"devices/{where}/start", str(start))
            self.file(f"devices/{where}/size", open(f"/sys/dev/block/{number}/size").read().strip())
        else:
            os.symlink(f"{self.top}/devices/{where}", f"{self.top}/block/{os.path.basename(where)}")
        os.symlink(f"{self.top}/devices/{where}", f"{self.top}/devblock/{number}")
        return self

    def driver(self, where, name):
        self.file(f"drivers/{name}/bind")
        os.makedirs(f"{self.top}/devices/{where}/device", exist_ok=True)
        os.symlink(f"{self.top}/drivers/{name}", f"{self.top}/devices/{where}/device/driver")
        return self

    def expect(self, rc, words, *args, no=None):
        script = 'mount --bind "$0/devblock" /sys/dev/block && mount --bind "$0/block" /sys/block && ' \
                 'mount --bind "$0/meminfo" /proc/meminfo && exec "$@"'
        r = run("unshare", "-m", "sh", "-c", script, self.top, TOOL, *args)
        said = r.out + r.err
        ok(r.rc == rc and words in said and (not no or no not in said), f"{' '.join(args)}: status {rc}, says '{words}'", r)
        return r


def disk(name, size=64 * g.MIB):
    file = path(name)
    with open(file, "wb") as f:
        f.truncate(size)
    return losetup(file)


VIRTIO = "pci0000:00/0000:00:04.0/virtio1/block/vda"

if os.geteuid() or not disk("probe") or run("unshare", "-m", "true").rc:
    print("1..0 # SKIP needs root, loop devices and mount namespaces")
    sys.exit(0)
try:
    # What the stub has a driver for, and what it has not
    a = disk("a")
    base = os.path.basename(a)
    m = Machine().device(a, VIRTIO).driver(VIRTIO, "virtio_blk")
    m.expect(0, "ready to take a dump", "format", a, no="would not find it")
    scsi = "pci0000:00/0000:00:05.0/virtio2/host0/target0:0:0/0:0:0:0/block/sda"
    m = Machine().device(a, scsi).driver(scsi, "sd")
    before = sha(path("a"))
    m.expect(1, "on a disk of the driver 'sd': the stub", "format", a)
    equal(sha(path("a")), before, "... and nothing is written")
    m.expect(0, "ready", "format", "--force", a)
    # A SCSI disk is in reach by what it hangs on
    for above, target, names, rc, words in (("virtio2", "target0:0:0/0:0:0:0", {"driver": "virtio_scsi"}, 0, "ready"),
                                            ("1-1:1.0", "target0:0:0/0:0:0:0", {"driver": "usb-storage"}, 1, "'usb-storage'"),
                                            ("ata3", "target2:0:0/2:0:0:0", {"class": "0x010601"}, 0, "ready"),
                                            ("ata3", "target2:0:0/2:0:0:0", {"class": "0x010400"}, 1, "'SATA'"),
                                            ("ata3", "target2:2:0/2:2:0:0", {"class": "0x010601"}, 1, "a port multiplier")):
        where = f"pci0000:00/0000:00:05.0/{above}/host2/{target}/block/sda"
        m = Machine().device(a, where).driver(where, "sd")
        if "class" in names:
            m.file("devices/pci0000:00/0000:00:05.0/class", names["class"])
        else:
            m.file(f"drivers/{names['driver']}/bind")
            os.symlink(f"{m.top}/drivers/{names['driver']}", f"{m.top}/devices/pci0000:00/0000:00:05.0/{above}/driver")
        m.expect(rc, words, "format", a)
    for transport, rc, words in (("pcie", 0, "ready"), ("tcp", 1, "an NVMe disk (tcp): the stub")):
        m = Machine().device(a, "pci0000:00/0000:00:06.0/nvme/nvme0/nvme0n1")
        m.file("devices/pci0000:00/0000:00:06.0/nvme/nvme0/transport", transport)
        m.expect(rc, words, "format", a)
        # The disk of a subsystem with several controllers is a virtual one
        m = Machine().device(a, "virtual/nvme-subsystem/nvme-subsys0/nvme0n1")
        m.file("devices/virtual/nvme-subsystem/nvme-subsys0/nvme3/transport", transport)
        m.expect(rc, words, "format", a)
    nvme = "pci0000:00/0000:00:06.0/nvme/nvme0"
    for rc, files in ((0, {"queue/zoned": "none", "integrity/format": "T10-DIF-TYPE1-CRC", "metadata_bytes": "8"}),
                      (0, {"integrity/format": "none", "metadata_bytes": "0"}), (1, {"queue/zoned": "host-managed"}),
                      (1, {"integrity/format": "nop"}), (1, {"integrity/format": "nop", "metadata_bytes": "8"}),
                      (1, {"integrity/format": "T10-DIF-TYPE1-CRC", "metadata_bytes": "64"})):
        for part in (0, 1):
            m = Machine()
            m.file(f"devices/{nvme}/transport", "pcie")
            for file, text in files.items():
                m.file(f"devices/{nvme}/nvme0n1/{file}", text)
            m.device(a, f"{nvme}/nvme0n1" + "/nvme0n1p1" * part, part)
            m.expect(rc, "which the stub cannot write to" if rc else "ready to take a dump", "format", a)
            m.expect(0, "ready to take a dump", "format", "--force", a)
    for name, uuid, words in (("dm-0", "LVM-abcdef", "an LVM volume: the stub"), ("dm-1", "CRYPT-LUKS2-00", "an encrypted volume"),
                              ("dm-2", "mpath-36001", "a multipath device"), ("dm-3", "x", "a device-mapper device"),
                              ("md0", None, "a RAID of md"), ("zram0", None, "a virtual device (zram0)")):
        m = Machine().device(a, f"virtual/block/{name}")
        if uuid:
            m.file(f"devices/virtual/block/{name}/dm/uuid", uuid)
        m.expect(1, words, "format", a)
    expect(0, "a loop device: fine as the disk of a virtual machine", "format", a)

    # Whose it is, in words of their own
    held = os.open(a, os.O_RDWR | os.O_EXCL)
    for holder, uuid, words in (("dm-0", "LVM-abcdef", "a physical volume of LVM, volume vg-root is on it"),
                                ("dm-0", "CRYPT-LUKS2-00", "holds the encrypted volume vg-root, which is open"),
                                ("dm-0", "mpath-36001", "a path of the multipath device vg-root"),
                                ("dm-0", "other", "part of the device-mapper device vg-root"),
                                ("md127", None, "a member of the RAID /dev/md127"), ("bcache0", None, "part of /dev/bcache0")):
        m = Machine().device(a, VIRTIO)
        m.file(f"devices/{VIRTIO}/holders/{holder}/dev")
        if uuid:
            m.file(f"block/{holder}/dm/uuid", uuid)
            m.file(f"block/{holder}/dm/name", "vg-root")
        for args in (["format", "--force", a], ["save", "--force", a]):
            m.expect(1, words, *args, no="is in use by another")
    os.close(held)
    b = disk("b", 32 * g.MIB)
    run("mkfs.ext4", "-q", "-F", b)
    os.mkdir(path("mnt"))
    if run("mount", b, path("mnt")).rc == 0:
        expect(1, f"{b} is mounted on {path('mnt')}: umount it first", "format", "--force", b)
        m = Machine().device(a, VIRTIO).device(b, VIRTIO + "/vda1", 1, 2048)
        m.expect(1, f"{a}: its partition vda1 is mounted on {path('mnt')}", "format", "--force", a)
        run("umount", path("mnt"))
    else:
        skip("mounted", "mount is not allowed here")

    # What a partition is for
    def partition(table, kind):
        """A disk with one partition of that type from 1 MiB on: both devices, and the machine"""
        file = path(f"{table}-{kind}")
        with open(file, "wb") as f:
            f.truncate(96 * g.MIB)
        subprocess.run(["sfdisk", "-q", file], input=f"label: {table}\nstart=2048, size=80M, type={GPT.get(kind, kind)}\n", text=True,
                       check=True, capture_output=True)
        whole, part = losetup(file), losetup(file, "-o", str(g.MIB), "--sizelimit", str(80 * g.MIB))
        name = os.path.basename(whole)
        where = f"pci0000:00/0000:00:04.0/virtio1/block/{name}"
        m = Machine().device(whole, where).driver(where, "virtio_blk").device(part, f"{where}/{name}p1", 1, 2048)
        return file, part, m

    for table, kind, words in (("gpt", "esp", "an EFI system partition"), ("gpt", "BIOS boot", "a BIOS boot partition"),
                               ("gpt", "PReP", "a PReP boot partition"), ("gpt", "reserved", "a Microsoft reserved partition"),
                               ("dos", "ef", "an EFI system partition"), ("dos", "41", "a PReP boot partition")):
        file, part, m = partition(table, kind)
        before = sha(file)
        for options in ([], ["--force"]):
            m.expect(1, f"is {words} (type", "format", *options, part)
        equal(sha(file), before, f"{table}, {kind}: nothing is written")
    for table, kind in (("gpt", "data"), ("dos", "83")):
        file, part, m = partition(table, kind)
        m.expect(0, "ready", "format", part)

    # The type in a GPT is ours then, and nothing else in the table is changed
    OURS = "97dcdb85-9c08-41be-b55f-96ce4a1e53a0"
    for number, (options, want) in enumerate((([], OURS), (["--no-type"], GPT["data"].lower()))):
        GPT[f"data{number}"] = GPT["data"]
        file, part, m = partition("gpt", f"data{number}")
        before = run("sfdisk", "--dump", file).out
        r = m.expect(0, "ready", "format", *options, part)
        after = run("sfdisk", "--dump", file).out
        equal(after.lower(), before.lower().replace(GPT["data"].lower(), want), f"GPT {options}: the type, and no more")
        ok("No errors" in run("sfdisk", "--verify", file).out, f"GPT {options}: primary and backup table are right")
        m.expect(0, "ready", "format", *options, part)
    file, part, m = partition("dos", "da")
    before = run("sfdisk", "--dump", file).out
    m.expect(0, "ready", "format", part)
    equal(run("sfdisk", "--dump", file).out, before, "MBR: the type stays")

    # Two targets of one name
    one, two = disk("one"), disk("two")
    fixed = "01234567-89ab-cdef-0123-456789abcdef"
    expect(0, "ready", "format", "--name", "crash", "--uuid", fixed, one)
    r = expect(0, f"{one} has the name 'crash' too: with dump=LABEL= the stub would write to neither", "format", "--name", "crash", two)
    ok(f"{two} has" not in r.err, "... not its own", r)
    expect(0, f"{one} has the same UUID: the stub would write to neither", "format", "--uuid", fixed, two)
    r = expect(0, "ready", "format", "--new-uuid", "--name", "spare", two)
    ok(f"{one} has" not in r.err, "another name and UUID: nothing to say", r)
    expect(0, "ready", "format", "--name", "", one)
    r = expect(0, "ready", "format", "--name", "", two)
    ok("has the name" not in r.err, "none has a name: nothing to say", r)

    # Room for a dump of this machine: 1 GiB, of which about 122 MiB are the kernel's
    for size, options, rc, words in ((60, [], 1, "is smaller than that"), (60, ["--force"], 0, "ready"), (80, [], 0, "would need about"),
                                     (130, [], 0, "ready")):
        c = disk(f"c{size}{len(options)}", size * g.MIB)
        m = Machine().device(c, VIRTIO).driver(VIRTIO, "virtio_blk")
        r = m.expect(rc, words, "format", *options, c)
        ok(("less what is free, cached and user memory" in r.err) == (size < 130), f"{size} MiB: says how the estimate is made", r)
finally:
    for dev in reversed(loops):
        run("losetup", "-d", dev)
done()
