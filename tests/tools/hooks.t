#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The example programs for /etc/capstub/save.d, on a dump that was saved: what arrives at the other end, and that they fail
when it does not."""
import http.server
import json
import os
import re
import shutil
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dumpgen as g
from tool import *

HOOKS = os.path.join(TOP, "tools/hooks")
bin_dir, far, dump = path("bin"), path("far"), path("crash/host-20261130")
for folder in (bin_dir, far, path("crash")):
    os.makedirs(folder)
host = os.uname().nodename
env = dict(os.environ, PATH=bin_dir + ":" + os.environ["PATH"])
image = g.image(path("disk"), g.Dump())
expect(0, "verified", "save", "-o", dump, image)
with open(os.path.join(dump, "report.txt"), "w") as f:
    f.write(capstub("report", image).out)
files = {name: sha(os.path.join(dump, name)) for name in os.listdir(dump)}
ok("vmcore" in files and "info.json" in files, "a dump", files)


def program(name, script):
    with open(os.path.join(bin_dir, name), "w") as f:
        f.write("#!/bin/sh\n" + script + "\n")
    os.chmod(os.path.join(bin_dir, name), 0o755)


def hook(name, rc=0, what=dump, **variables):
    r = run("sh", os.path.join(HOOKS, name), what, env=dict(env, **variables))
    ok((r.rc == 0) == (rc == 0), f"{name} {variables}: {'succeeds' if rc == 0 else 'fails'}", r)
    return r


for name in sorted(os.listdir(HOOKS)):
    ok(not os.access(os.path.join(HOOKS, name), os.X_OK), f"{name} is an example: not executable")
    equal(run("sh", "-n", os.path.join(HOOKS, name)).rc, 0, "... and a program")

# Catalogue
hook("50-catalogue")
hook("50-catalogue")
with open(path("crash/catalogue.jsonl")) as f:
    entries = [json.loads(line) for line in f]
equal([(e["host"], e["directory"], e["info"]["saved"]["complete"]) for e in entries], [(host, dump, True)] * 2, "the catalogue")
equal(oct(os.stat(path("crash/catalogue.jsonl")).st_mode & 0o777), "0o600", "... is private")
hook("50-catalogue", 1, what=path("crash/missing"))
with open(path("crash/catalogue.jsonl")) as f:
    equal(len(f.readlines()), 2, "... and gets nothing of a dump that is none")

# Mail
program("mail", f'echo "$@" >{far}/mail; cat >>{far}/mail')
hook("60-mail", TO="somebody")
with open(far + "/mail") as f:
    mail = f.read()
ok(mail.startswith(f"-s kernel crash of {host} somebody\n") and dump in mail and "\nReason:     Kernel panic" in mail, "the mail", mail)
os.makedirs(path("texts"))
with open(path("texts/dmesg.txt"), "w") as f:
    f.write("last words\n")
hook("60-mail", what=path("texts"))
with open(far + "/mail") as f:
    ok("last words" in f.read(), "... without pages")
program("mail", "cat >/dev/null; exit 1")
hook("60-mail", 1)

# scp, to a place where it has its name when all is there
program("scp", f'for last; do :; done; for a; do case $a in /*) from=$a;; esac; done; cp -r "$from" "{far}/${{last##*/}}"')
program("ssh", f'while [ "$1" != mv ]; do shift; done; mv "{far}/${{2##*/}}" "{far}/${{3##*/}}"')
hook("80-scp", FOLDER="/srv")
got = os.path.join(far, f"{host}-host-20261130")
equal({name: sha(os.path.join(got, name)) for name in os.listdir(got)}, files, "scp")
program("scp", "exit 1")
hook("80-scp", 1)

# rclone
program("rclone", f'echo "$@" >{far}/rclone')
hook("70-s3", REMOTE="store:crashes")
with open(far + "/rclone") as f:
    equal(f.read(), f"copy --quiet {dump} store:crashes/{host}/host-20261130\n", "rclone")


# curl, to a server that notes what it is given
class Store(http.server.BaseHTTPRequestHandler):
    objects, signed, status, order = {}, [], 200, []

    def do_PUT(self):
        if self.headers.get("Expect") == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.status == 200:
            self.objects[self.path] = hashlib.sha256(body).hexdigest()
            self.order.append(os.path.basename(self.path))
            self.signed.append(self.headers.get("Authorization", ""))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *args):
        pass


version = re.match(r"curl (\d+)\.(\d+)", run("curl", "--version").out) if shutil.which("curl") else None
if version and tuple(map(int, version.groups())) >= (7, 75):
    with open(path("keys"), "w") as f:
        f.write('user = "KEY:SECRET"\n')
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/bucket"
        nets = {"URL": url, "KEYS": path("keys"), "no_proxy": "*"}
        hook("70-s3", **nets)
        equal(Store.objects, {f"/bucket/{host}/host-20261130/{name}": sum for name, sum in files.items()}, "S3")
        equal((Store.order[0], Store.order[-1]), ("dmesg.txt", "vmcore"), "... small files first")
        ok(all(re.match(r"AWS4-HMAC-SHA256 Credential=KEY/\d+/us-east-1/s3/", a) for a in Store.signed), "... signed", Store.signed)
        Store.status = 403
        hook("70-s3", 1, **nets)
        server.shutdown()
else:
    skip("S3", "curl is not here, or too old")

# One of them as `capstub collect` runs it
hooks, root, conf = path("hooks"), path("root"), path("capstub.conf")
os.makedirs(hooks)
os.makedirs(root + "/dev")
shutil.copy(os.path.join(HOOKS, "50-catalogue"), hooks)
os.chmod(os.path.join(hooks, "50-catalogue"), 0o755)
shutil.copy(os.path.join(HOOKS, "60-mail"), hooks)
with open(conf, "w") as f:
    f.write(f"[Save]\nDirectory={path('collected')}\nMinFree=0\n")
g.image(root + "/dev/sda4", g.Dump(), uuid=bytes([1] * 16))
expect(0, "50-catalogue: done for", "collect", "-c", conf, "--root", root, "--hooks", hooks, env=env)
with open(path("collected/catalogue.jsonl")) as f:
    entry = json.loads(f.read())
ok(os.path.exists(entry["directory"] + "/vmcore"), "what the catalogue names is there", entry)
done()
