#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the linker cannot ASSERT about a finished image.
#
#   check-image.sh CROSS_COMPILE ELF IMAGE MAX_BYTES RELOC_TYPE
#
# - the file is at most MAX_BYTES long;
# - nothing is left undefined (a weak undefined symbol links silently and is a call to 0);
# - the only relocations are relative ones, the kind the stub's first code applies.
set -eu

[ $# -eq 5 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
cross=$1 elf=$2 image=$3 max=$4 reloc=$5
fail=0

size=$(stat -c %s "$image")
if [ "$size" -gt "$max" ]; then
	echo "$image: $size bytes, more than the limit of $max" >&2
	fail=1
fi

undefined=$("${cross}nm" -u "$elf")
if [ -n "$undefined" ]; then
	echo "$elf: undefined symbols:" "$undefined" >&2
	fail=1
fi

other=$("${cross}readelf" -rW "$elf" | awk -v ok="$reloc" '$3 ~ /^R_/ && $3 !~ "^" ok { print $3 }' |
	sort | uniq -c)
if [ -n "$other" ]; then
	echo "$elf: relocations other than $reloc:" "$other" >&2
	fail=1
fi
exit $fail
