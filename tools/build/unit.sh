#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Run one cmocka program; its output is shown when it fails.
#
#   unit.sh PROGRAM
set -eu

[ $# -eq 1 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
if ! "$1" >"$1.log" 2>&1; then
	cat "$1.log" >&2
	echo "$(basename "$1") failed" >&2
	exit 1
fi
printf '  UNIT    %s: %s\n' "$(basename "$1")" "$(sed -n 's/^\[  PASSED  \] //p' "$1.log")"
