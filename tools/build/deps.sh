#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Install what building and testing need and this machine lacks, by apt-get from Debian.
# Says what it installs before it does; does nothing, and needs no network, when all is there.
set -eu

# The stub and the host tool.
packages="gcc libc6-dev binutils gcc-aarch64-linux-gnu libc6-dev-arm64-cross
	newlib-source binutils-source xz-utils gnu-efi liblzo2-dev libfdt-dev
	libblkid-dev libkdumpfile-dev zlib1g-dev pkg-config"
# Unit tests, fuzzers, rules, and what puts signatures on targets that the host tool must refuse.
packages="$packages libcmocka-dev clang libclang-rt-dev python3 perl fdisk e2fsprogs"
# Real kernels in QEMU, and the independent readers of what was captured. The guests' own programs
# (kernel, kexec, busybox), and crash, are not installed here: they are unpacked privately.
packages="$packages qemu-system-x86 qemu-system-arm qemu-efi-aarch64 qemu-utils qemu-user-static
	device-tree-compiler makedumpfile gdb gdb-multiarch libzstd-dev"

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
