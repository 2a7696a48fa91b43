#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Build newlib, the stub's libc, from Debian's newlib-source package.
#
#   newlib.sh ARCH CROSS_COMPILE DIR    ends with DIR/include and DIR/lib/libc.a
#
# Debian's own libnewlib-dev has headers only, so the library is compiled here, once. The result is
# kept as long as this script and the compiler stay the same, which DIR/.key records.
set -eu

[ $# -eq 3 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
arch=$1 cross=$2 dir=$3
self=$(realpath "$0")
mkdir -p "$dir"
dir=$(realpath "$dir")

# Position-independent and split in sections, like the stub itself, so that the linker keeps only
# what is called. No stack protector: part of this code runs before the guard is set.
cflags="-Os -g -fPIE -ffreestanding -ffunction-sections -fdata-sections -fno-stack-protector
	-fno-asynchronous-unwind-tables -ffile-prefix-map=$dir=newlib"
case $arch in
x86_64)
	target=x86_64-elf
	# The stub takes exceptions on the stack it runs on.
	cflags="$cflags -mno-red-zone -fcf-protection=none"
	;;
arm64)
	target=aarch64-elf
	;;
*)
	echo "newlib.sh: unknown architecture $arch" >&2
	exit 2
	;;
esac

# Several builds may share DIR.
exec 9>"$dir/.lock"
flock 9

key=$({ cat "$self"; "${cross}gcc" --version; } | sha256sum | cut -d' ' -f1)
if [ "$(cat "$dir/.key" 2>/dev/null)" = "$key" ] && [ -e "$dir/lib/libc.a" ]; then
	touch "$dir/lib/libc.a"
	exit 0
fi

tarball=$(ls /usr/src/newlib/newlib-*.tar.* 2>/dev/null | tail -n 1)
if [ -z "$tarball" ]; then
	echo "newlib.sh: no newlib sources under /usr/src/newlib (package newlib-source; run 'make deps')" >&2
	exit 1
fi

echo "  NEWLIB  $arch (about 30 s; log: $dir/build.log)"
rm -rf "$dir/src" "$dir/obj" "$dir/out" "$dir/include" "$dir/lib" "$dir/.key"
mkdir -p "$dir/src" "$dir/obj"

build() {
	tar -C "$dir/src" --strip-components=1 -xf "$tarball"
	cd "$dir/obj"
	# The caller's make flags (-j, V=, variables) are not for newlib's own Makefiles.
	unset MAKEFLAGS MFLAGS MAKELEVEL ARCH BUILD
	"$dir/src/configure" --target=$target --prefix="$dir/out" \
		--disable-newlib-supplied-syscalls --enable-newlib-nano-malloc \
		--enable-newlib-nano-formatted-io --disable-libgloss --disable-multilib \
		CC_FOR_TARGET="${cross}gcc" AR_FOR_TARGET="${cross}ar" AS_FOR_TARGET="${cross}as" \
		LD_FOR_TARGET="${cross}ld" NM_FOR_TARGET="${cross}nm" \
		RANLIB_FOR_TARGET="${cross}ranlib" STRIP_FOR_TARGET="${cross}strip" \
		CFLAGS_FOR_TARGET="$(echo $cflags)" MAKEINFO=true
	make -j"$(nproc)" all-target-newlib MAKEINFO=true
	make install-target-newlib MAKEINFO=true
}
if ! (set -e; build) >"$dir/build.log" 2>&1 </dev/null; then
	tail -n 20 "$dir/build.log" >&2
	echo "newlib.sh: newlib did not build; the whole log is $dir/build.log" >&2
	exit 1
fi
mv "$dir/out/$target/include" "$dir/out/$target/lib" "$dir"
rm -rf "$dir/src" "$dir/obj" "$dir/out"
echo "$key" >"$dir/.key"
