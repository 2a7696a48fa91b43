#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""capstub sign with throw-away keys and both signing programs; what capstub check says of the result on made-up machines."""
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *
from pe import Pe, seal_fits

stub = g.stub_image(path("stub"))


def read(name):
    with open(name, "rb") as f:
        return f.read()


def write(name, data):
    with open(path(name), "w" if isinstance(data, str) else "wb") as f:
        f.write(data)
    return path(name)


def make_key(name):
    """Key and certificate; the identifier of the key, which the kernel shows"""
    r = run("openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + name, "-days", "2",
            "-addext", "extendedKeyUsage=codeSigning", "-keyout", path(name + ".key"), "-out", path(name + ".pem"))
    ok(r.rc == 0, "a key", r)
    text = run("openssl", "x509", "-in", path(name + ".pem"), "-noout", "-ext", "subjectKeyIdentifier").out
    return path(name + ".key"), path(name + ".pem"), text.split("\n")[1].strip().replace(":", "").lower()


def programs(*names):
    """PATH with these programs and nothing else"""
    folder = path("bin-" + "-".join(names))
    os.makedirs(folder, exist_ok=True)
    for name in names:
        os.symlink(shutil.which(name), os.path.join(folder, name))
    return dict(os.environ, PATH=folder)


key, cert, key_id = make_key("one")
other_key, other_cert, other_id = make_key("two")
unsigned = read(stub)

for names in (("sbsign",), ("osslsigncode",)):
    signed = path("by-" + names[0])
    expect(0, signed + " is signed", "sign", "-k", key, "-c", cert, "-o", signed, stub, env=programs(*names))
    data = read(signed)
    equal(Pe(data).linux(), None, names[0] + ": the kernel finds a signature of what is there")
    ok(seal_fits(data), names[0] + ": the image's checksum still fits")
    equal(read(stub), unsigned, names[0] + ": the image itself is as it was")
    ok(run("sbverify", "--cert", cert, signed).rc == 0, names[0] + ": sbverify accepts it")
    ok(run("sbverify", "--cert", other_cert, signed).rc != 0, names[0] + ": not with another key")
expect(1, "neither sbsign nor osslsigncode", "sign", "-k", key, "-c", cert, "-o", path("none"), stub, env=programs())
ok(not os.path.exists(path("none")), "nothing is left")

# In place, a second time with another key: one signature, the new one
image = write("image", unsigned)
os.chmod(image, 0o644)
for k, c in ((key, cert), (other_key, other_cert)):
    expect(0, image + " is signed", "sign", "--key", k, "--cert", c, image)
    ok(run("sbverify", "--cert", c, image).rc == 0, "signed in place")
equal(os.stat(image).st_mode & 0o777, 0o644, "readable as before")
ok(run("sbverify", "--cert", cert, image).rc != 0, "the first signature is gone")
ok(len(read(image)) < len(unsigned) + 2048, "one signature")
expect(0, "not signed", "sign", "--strip", image)
equal(read(image), unsigned, "taken out, the file is what it was")

# Elsewhere: digest out, signature in
equal(capstub("sign", "--digest", stub).out.strip(), Pe(unsigned).digest().hex(), "the digest")
equal(capstub("sign", "--digest", path("by-sbsign")).out.strip(), Pe(unsigned).digest().hex(), "the same of a signed file")
run("sbsign", "--key", key, "--cert", cert, "--detached", "--output", path("p7"), stub)
expect(0, "is signed", "sign", "--attach", path("p7"), "-o", path("attached"), stub)
ok(run("sbverify", "--cert", cert, path("attached")).rc == 0 and Pe(read(path("attached"))).linux() is None, "a signature from elsewhere")
expect(1, "its digest is another one", "sign", "--attach", path("p7"), "-o", path("none"), g.stub_image(path("larger"), size=163840))
expect(1, "its digest is another one", "sign", "--attach", cert, "-o", path("none"), stub)
expect(1, "missing", "sign", "--attach", path("missing"), "-o", path("none"), stub)
ok(not os.path.exists(path("none")), "nothing is written then")

# What is no image, or has no header
expect(1, "did not sign", "sign", "-k", path("missing"), "-c", cert, "-o", path("none"), stub)
expect(1, "no image of the stub", "sign", "-k", key, "-c", cert, cert)
expect(1, "no PE header", "sign", "-d", write("headless", b"\0" * 0x40 + unsigned[0x40:]))
expect(2, "one of --key", "sign", stub)
expect(2, "one of --key", "sign", "-d", "-s", stub)
expect(2, "belong together", "sign", "-k", key, stub)
expect(2, "one IMAGE", "sign", "-d", stub, stub)

# Which kernel would take it
KEYS = """09f3b9a6 I------     1 perm 1f0f0000     0     0 keyring   .machine: 1
1a2b3c4d I------     1 perm 1f010000     0     0 asymmetri Some Vendor: cb1a: %s: X509.rsa %s []
"""
n = 0


def finding(image, severity, words, keys=None, lockdown="integrity", secure=1):
    global n
    n += 1
    root = path(f"root{n}")
    for name, text in (("proc/keys", keys), ("sys/kernel/security/lockdown", "none [%s] confidentiality\n" % lockdown),
                       ("sys/firmware/efi/fw_platform_size", None if secure == "BIOS" else "64\n"),
                       ("sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", bytes((6, 0, 0, 0, secure)) if secure in (0, 1) else None),
                       ("etc/capstub.conf", f"[Load]\nImage={image}\n")):
        if text is not None:
            os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
            write(f"root{n}/{name}", text)
    r = capstub("check", "--json", "--root", root, "-c", os.path.join(root, "etc/capstub.conf"))
    got = [(f["severity"], f["text"]) for f in json.loads(r.out)["findings"] if f["what"] == "signature"]
    ok(len(got) == (severity is not None) and all(s == severity and words in t for s, t in got), f"check: {severity}, {words}", got)


known = KEYS % (key_id, key_id[-8:])
signed = path("by-sbsign")
finding(stub, "error", "takes signed images only")
finding(stub, "note", "should the kernel be locked down", lockdown="-")
finding(stub, None, "", lockdown="-", secure=0)
finding(signed, "ok", "has the key among its keys", known)
finding(path("by-osslsigncode"), "ok", "has the key among its keys", known)
finding(signed, "error", "mokutil --import", KEYS % (other_id, other_id[-8:]))
finding(signed, "error", "mokutil --import", KEYS % ("5" + key_id[1:], key_id[-8:]))
finding(signed, "error", "mokutil --import")
finding(signed, "note", "mokutil --import", lockdown="-")
finding(signed, "error", "without Secure Boot", secure=0)
finding(signed, "error", "without Secure Boot", secure="BIOS")
finding(signed, "error", "mokutil --import", secure="unknown")
changed = bytearray(read(signed))
changed[len(unsigned) - 1] ^= 1     # behind what the seal of this one covers there is nothing: make it fit again
finding(write("bad-seal", bytes(changed)), None, "")
changed = bytearray(read(signed))
changed[0x1f0] ^= 1
finding(write("changed", bytes(changed)), "error", "was changed after it was signed", known)
for size in (len(unsigned), len(unsigned) + 8, len(read(signed)) - 8, len(read(signed)) - 1):
    finding(write(f"cut{size}", read(signed)[:size]), "error", "is damaged", known)
done()
