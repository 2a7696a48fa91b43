#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Build the part of zlib that compresses, for the stub, from the sources in Debian's binutils-source.
#
#   zlib.sh ARCH CROSS_COMPILE DIR NEWLIB    ends with DIR/include/zlib.h and DIR/lib/libz.a
#
# Debian's own libz.a works as well, but is built for speed and as two large objects: 35 KiB of code
# where this is 17. The result is kept as long as this script and the compiler stay the same.
set -eu

[ $# -eq 4 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
arch=$1 cross=$2 dir=$3 newlib=$(realpath "$4")
self=$(realpath "$0")
mkdir -p "$dir"
dir=$(realpath "$dir")

# What the stub asks for, a raw stream at level 6, takes one of zlib's five ways to compress and no
# checksum; the others are cut out of the code that would choose them, so that they are not linked.
trim() {
	sed -e 's/, deflate_\(stored\|fast\)}/, deflate_slow}/' -e 's/s->level == 0 ?/0 ?/' \
		-e 's/s->strategy == Z_\(HUFFMAN_ONLY\|RLE\) ?/0 ?/' "$1" >"$1.new"
	mv "$1.new" "$1"
}

# Like the stub itself; no stack protector, as in newlib. Z_SOLO: no memory but what the caller gives.
cflags="-Os -g -fPIE -ffreestanding -ffunction-sections -fdata-sections -fno-stack-protector
	-fno-asynchronous-unwind-tables -fvisibility=hidden -ffile-prefix-map=$dir=zlib
	-DZ_SOLO -DNO_GZIP -DHAVE_MEMCPY -include string.h -nostdinc
	-isystem $("${cross}gcc" -print-file-name=include) -isystem $newlib/include"
case $arch in
x86_64) cflags="$cflags -mno-red-zone -fcf-protection=none" ;;
arm64) cflags="$cflags -mno-outline-atomics -mbranch-protection=none" ;;
*)
	echo "zlib.sh: unknown architecture $arch" >&2
	exit 2
	;;
esac

# Several builds may share DIR.
exec 9>"$dir/.lock"
flock 9

key=$({ cat "$self"; "${cross}gcc" --version; } | sha256sum | cut -d' ' -f1)
if [ "$(cat "$dir/.key" 2>/dev/null)" = "$key" ] && [ -e "$dir/lib/libz.a" ]; then
	touch "$dir/lib/libz.a"
	exit 0
fi

tarball=$(ls /usr/src/binutils/binutils-*.tar.* 2>/dev/null | tail -n 1)
if [ -z "$tarball" ]; then
	echo "zlib.sh: no binutils sources under /usr/src/binutils (package binutils-source; run 'make deps')" >&2
	exit 1
fi

echo "  ZLIB    $arch"
rm -rf "$dir/src" "$dir/include" "$dir/lib" "$dir/.key"
mkdir -p "$dir/src" "$dir/include" "$dir/lib"
tar -C "$dir/src" --strip-components=2 -xf "$tarball" --wildcards '*/zlib/*.c' '*/zlib/*.h'
trim "$dir/src/deflate.c"
for f in deflate trees zutil; do
	# shellcheck disable=SC2086
	"${cross}gcc" $cflags '-Dadler32(adler,buf,len)=(adler)' -I"$dir/src" -c -o "$dir/src/$f.o" "$dir/src/$f.c"
done
"${cross}ar" rcsD "$dir/lib/libz.a" "$dir/src/deflate.o" "$dir/src/trees.o" "$dir/src/zutil.o"
cp "$dir/src/zlib.h" "$dir/src/zconf.h" "$dir/include"
rm -rf "$dir/src"
echo "$key" >"$dir/.key"
