#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Compare the page classes with makedumpfile's, over a dump that holds all pages, at each of the 32 levels.
#
#   levels.sh BIN ARCH DUMP MAKEDUMPFILE...
#
# BIN is where build.sh put the programs; the rest is the command that runs makedumpfile. makedumpfile writes its bitmaps
# before the pages, so a limit on the file's size stops it when they are there. Exit status 0: equal at all levels.
set -u

[ $# -ge 4 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
bin=$1 arch=$2 dump=$3
shift 3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
bad=0

# The bitmaps and the table of page descriptors behind them: 2 bits and 24 bytes a page. In blocks of 512 bytes
limit=$(($(stat -c %s "$dump") / 4096 * 25 / 512 + 2048))
level=0
while [ $level -lt 32 ]; do
	rm -f "$dir/out"
	(trap '' XFSZ; ulimit -f $limit; "$@" -d $level "$dump" "$dir/out" >"$dir/log" 2>&1)
	if ! result=$("$bin/classify-$arch" -l $level -c "$dir/out" "$dump" 2>&1); then
		bad=$((bad + 1))
	fi
	echo "level $level: $(echo "$result" | tail -n 1)"
	level=$((level + 1))
done
[ $bad -eq 0 ] || echo "$bad levels differ"
[ $bad -eq 0 ]
