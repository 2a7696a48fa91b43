#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Install what building and testing need and this machine lacks, by apt-get from Debian.
# Says what it installs before it does; does nothing, and needs no network, when all is there.
#
#   deps.sh WHAT...    x86_64, arm64: the stub for it, and the host tool; guests: with these in QEMU;
#                      tests: all tests; packages: make deb, make rpm
set -eu

[ $# -gt 0 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
packages="gcc libc6-dev binutils newlib-source binutils-source xz-utils pkg-config
	liblzo2-dev libblkid-dev libfdt-dev zlib1g-dev libzstd-dev libsnappy-dev"
for what in "$@"; do
	case $what in
	x86_64)
		packages="$packages gnu-efi"
		qemu="${qemu:-} qemu-system-x86"
		;;
	arm64)
		packages="$packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
		qemu="${qemu:-} qemu-system-arm qemu-efi-aarch64 qemu-user-static"
		;;
	guests)
		# The guests' own programs (kernel, kexec, busybox), and crash, are unpacked privately
		packages="$packages ${qemu:-} python3 makedumpfile libkdumpfile-dev"
		;;
	tests)
		# Unit tests, fuzzers, rules; signatures that the host tool must refuse; independent readers
		packages="$packages libcmocka-dev libkdumpfile-dev makedumpfile clang libclang-rt-dev perl fdisk e2fsprogs
			util-linux dosfstools xfsprogs btrfs-progs cryptsetup-bin lvm2 mdadm
			qemu-utils mmdebstrap device-tree-compiler gdb gdb-multiarch openssl sbsigntool osslsigncode
			dpkg-dev rpm zsh curl"
		;;
	packages)
		packages="$packages dpkg-dev lintian rpm"
		;;
	*)
		echo "deps.sh: what is $what?" >&2
		exit 2
		;;
	esac
done

missing=
for p in $packages; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null) || status=
	[ "$status" = installed ] || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

echo "capstub needs these Debian packages, which are not installed yet:"
echo "$missing" | fmt -w 90 | sed 's/^ */    /'
if [ "$(id -u)" -eq 0 ]; then
	sudo=
elif command -v sudo >/dev/null; then
	sudo=sudo
else
	echo "To install them, run as root: apt-get install$missing" >&2
	exit 1
fi
echo "Installing them now with apt-get (nothing else on the system is changed)."
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086
if ! { $sudo apt-get -q update && $sudo env DEBIAN_FRONTEND=noninteractive \
	apt-get -qy --no-install-recommends install $missing; } </dev/null >"$log" 2>&1; then
	cat "$log" >&2
	exit 1
fi
echo "Installed."
