#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Install what was built: the tool, the images, man pages, units.
#
#   install.sh BUILD PREFIX [DESTDIR]
set -eu

[ $# -ge 2 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
build=$1 prefix=$2 root=${3:-}$2
units=$root/lib/systemd/system

install -D -m 755 "$build/capstub" "$root/sbin/capstub"
for image in "$build"/x86_64/capstub.bzImage "$build"/arm64/capstub.Image; do
	[ ! -e "$image" ] || install -D -m 644 -t "$root/lib/capstub" "$image"
done
for page in docs/*.[1-8]; do
	install -D -m 644 -t "$root/share/man/man${page##*.}" "$page"
done
install -d "$units"
for unit in tools/systemd/*.service; do
	sed "s|/usr/local/|$prefix/|g" "$unit" >"$units/${unit##*/}"
done
install -D -m 644 -t "$root/lib/udev/rules.d" tools/systemd/*.rules
