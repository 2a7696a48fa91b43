#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Make an RPM package of what was built with prefix=/usr for this machine's architecture.
#
#   rpm.sh BUILD VERSION FOLDER    prints the name of the package that is now in FOLDER
set -eu

[ $# -eq 3 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
built=$(realpath "$1") out=$(realpath "$3")
umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! rpmbuild -bb --quiet --define "_topdir $work" --define "_rpmdir $out" --define "_rpmfilename %%{name}-%%{version}.%%{arch}.rpm" \
	--define "top $PWD" --define "built $built" --define "capstub_version $2" tools/package/capstub.spec >"$work/log" 2>&1; then
	cat "$work/log" >&2
	exit 1
fi
echo "$out/capstub-$2.$(uname -m).rpm"
