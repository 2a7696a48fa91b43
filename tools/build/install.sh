#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Install what was built: the tool, the images, man pages, units, completion, example configuration and hooks.
#
#   install.sh BUILD PREFIX [DESTDIR]
set -eu

[ $# -ge 2 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
build=$1 prefix=$2 root=${3:-}$2
units=$root/lib/systemd/system

# Texts that name what is installed, with this prefix
texts()
{
	mode=$1 folder=$2
	shift 2
	install -d "$folder"
	for text in "$@"; do
		sed "s|/usr/local/|$prefix/|g" "$text" >"$folder/${text##*/}"
		chmod "$mode" "$folder/${text##*/}"
	done
}

install -D -m 755 "$build/capstub" "$root/sbin/capstub"
for image in "$build"/x86_64/capstub.bzImage "$build"/arm64/capstub.Image; do
	[ ! -e "$image" ] || install -D -m 644 -t "$root/lib/capstub" "$image"
done
for page in docs/*.[1-8]; do
	texts 644 "$root/share/man/man${page##*.}" "$page"
done
texts 644 "$units" tools/systemd/*.service tools/systemd/*.path
install -D -m 644 -t "$root/lib/udev/rules.d" tools/systemd/*.rules
install -D -m 644 -t "$root/lib/systemd/catalog" tools/systemd/*.catalog
install -D -m 644 -t "$root/share/doc/capstub/examples/save.d" tools/hooks/*
install -D -m 644 tools/completion/capstub.bash "$root/share/bash-completion/completions/capstub"
install -D -m 644 -t "$root/share/zsh/site-functions" tools/completion/_capstub
