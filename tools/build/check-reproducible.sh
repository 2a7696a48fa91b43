#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Build the images a second time from a copy of the sources in another folder and compare.
#
#   check-reproducible.sh BUILD NEWLIB_CACHE CAPSTUB_CACHE
set -eu

[ $# -eq 3 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
build=$(realpath "$1") newlib=$(realpath "$2") cache=$(realpath -m "$3")
# A make of its own, not a part of the one that started this script.
unset MAKEFLAGS MFLAGS MAKELEVEL
copy=$build/again
fail=0 compared=0
rm -rf "$copy"
mkdir -p "$copy"
for d in Makefile stub drivers arch linker include tools tests/qemu/qemu.mk; do
	[ ! -e "$d" ] || cp -r --parents "$d" "$copy"
done
for image in x86_64/capstub.bzImage arm64/capstub.Image; do
	[ -e "$build/$image" ] || continue
	arch=${image%/*}
	[ ! -d "$build/sysroot-$arch" ] || { mkdir -p "$copy/build"; cp -r "$build/sysroot-$arch" "$copy/build"; }
	make -s -C "$copy" BUILD=build ARCH="$arch" NEWLIB_CACHE="$newlib" CAPSTUB_CACHE="$cache" \
		image >/dev/null
	compared=$((compared + 1))
	if cmp "$build/$image" "$copy/build/$image"; then
		printf '  SAME    %s: %s bytes\n' "$image" "$(stat -c %s "$build/$image")"
	else
		fail=1
	fi
done
rm -rf "$copy"
if [ $compared -eq 0 ]; then
	echo "check-reproducible.sh: no image in $build" >&2
	exit 1
fi
exit $fail
