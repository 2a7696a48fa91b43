#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Run one libFuzzer program for a bounded time, or count what the last runs of several executed.
#
#   fuzz.sh run PROGRAM SEEDS RUNS SECONDS
#   fuzz.sh total PROGRAM...
#
# SEEDS/<name> holds the first inputs of fuzz_<name>. Without SECONDS: RUNS inputs from a fixed
# start, or that part of them which a slow one's source names, "slow: PART", so that two runs of
# "make check" do the same on any machine. With SECONDS: that long, from a random start. New inputs are
# kept beside the program; one that fails stays as a file.
set -eu

usage() {
	sed -n 's/^#   //p' "$0" >&2
	exit 2
}

executed() {
	sed -n 's/^stat::number_of_executed_units: *//p' "$1.log"
}

[ $# -ge 2 ] || usage
verb=$1
shift
if [ "$verb" = total ]; then
	total=0
	for prog in "$@"; do
		total=$((total + $(executed "$prog")))
	done
	printf '  FUZZ    %s programs, %s executions in all\n' $# $total
	exit 0
fi
[ "$verb" = run ] && [ $# -eq 4 ] || usage

prog=$1 name=$(basename "$1") seeds=$2/${name#fuzz_} runs=$3 seconds=$4
corpus=$(dirname "$prog")/corpus/$name
log=$prog.log
mkdir -p "$corpus"
[ -d "$seeds" ] || seeds=

if [ -n "$seconds" ]; then
	limit="-max_total_time=$seconds"
else
	# A corpus left by an earlier long run would change what a short one does.
	corpus=$(mktemp -d "$prog.XXXXXX")
	trap 'rm -rf "$corpus"' EXIT
	part=$(sed -n 's|.*/\* slow: \([0-9]*\) \*/.*|\1|p' "$2/../$name.c")
	limit="-runs=$((runs / ${part:-1})) -seed=1"
fi

# shellcheck disable=SC2086
if ! "$prog" $limit -timeout=10 -rss_limit_mb=1024 -artifact_prefix="$prog-" -print_final_stats=1 \
	"$corpus" $seeds >"$log" 2>&1; then
	tail -n 60 "$log" >&2
	echo "$name failed; log: $log" >&2
	exit 1
fi
printf '  FUZZ    %s: %s executions, %s\n' "$name" "$(executed "$prog")" \
	"$(sed -n 's/.*\(cov: [0-9]*\).*/\1/p' "$log" | tail -n 1)"
