#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A folder with the headers of lzo, libfdt and gnu-efi and nothing else. For another architecture
# than the running system's, Debian's packages are unpacked first.
#
#   headers.sh ARCH FOLDER CACHE [SYSROOT]
set -eu

[ $# -ge 3 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
arch=$1 out=$2 cache=$3 sysroot=${4:-}

[ -z "$sysroot" ] ||
	"$(dirname "$0")/debs.sh" "$cache" bookworm "$arch" unpack "$sysroot" liblzo2-dev libfdt-dev gnu-efi
mkdir -p "$out"
for name in lzo efi libfdt.h libfdt_env.h fdt.h; do
	ln -sfn "$sysroot/usr/include/$name" "$out"
done
touch "$out/.stamp"
