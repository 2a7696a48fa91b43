#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Build the host programs of this folder and of tests/line, one of each for dumps of each architecture.
#
#   build.sh DIR       writes DIR/<program>-x86_64 and DIR/<program>-arm64
#
# A program names the files it needs in a comment line, like the unit tests; stub/format is added.
set -eu

[ $# -eq 1 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
case $1 in /*) out=$1 ;; *) out=$PWD/$1 ;; esac
cd "$(dirname "$0")/../.."
mkdir -p "$out"

for c in tests/host/*.c tests/line/*.c; do
	needs=$(sed -n 's|^.*needs: *\(.*[^ ]\) *\*/.*|\1|p' "$c")
	[ -n "$needs" ] || continue
	fake=$(dirname "$c")/fake
	[ -d "$fake" ] || fake=tests/unit/fake
	for arch in x86_64 arm64; do
		program=$out/$(basename "$c" .c)-$arch
		# Moved into place, since another test may be running the one of before
		# shellcheck disable=SC2086
		${HOSTCC:-gcc} -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wvla -Wmissing-prototypes -D_GNU_SOURCE \
			-I. -Iinclude "-I$fake" -Itests/unit/fake "-DARCH_VTOP=vtop_$arch" "-DARCH_GDB=gdb_$arch" ${HOST_SANITIZE:-} \
			-o "$program.$$" "$c" $needs stub/format/*.c -llzo2 -lz -lzstd -lsnappy
		mv "$program.$$" "$program"
	done
done
