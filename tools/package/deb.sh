#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Make a Debian package of what was built with prefix=/usr for this machine's architecture.
#
#   deb.sh BUILD VERSION FOLDER    prints the name of the package that is now in FOLDER
#
# DEBFULLNAME and DEBEMAIL say who maintains it. The same input gives the same package, byte for byte:
# SOURCE_DATE_EPOCH is its time, without it that of the last commit.
set -eu

[ $# -eq 3 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
version=$2
arch=$(dpkg --print-architecture)
here=$(dirname "$0")
out=$(realpath "$3")/capstub_${version}_$arch.deb
maintainer="${DEBFULLNAME:-capstub} <${DEBEMAIL:-capstub@localhost}>"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root doc=$work/root/usr/share/doc/capstub

tools/build/install.sh "$1" /usr "$root"
# Only the stub that this machine can load
case $arch in
amd64)	rm -f "$root/usr/lib/capstub/capstub.Image" ;;
arm64)	rm -f "$root/usr/lib/capstub/capstub.bzImage" ;;
*)	echo "deb.sh: there is no stub for $arch" >&2; exit 1 ;;
esac
strip --remove-section=.comment --remove-section=.note "$root/usr/sbin/capstub"
find "$root/usr/share/man" -type f -exec gzip -9n {} +
mv "$root/usr/share/zsh/site-functions" "$root/usr/share/zsh/vendor-completions"
install -d -m 755 "$root/etc/capstub/save.d"
install -D -m 644 "$here/copyright" "$doc/copyright"
{
	echo "capstub ($version) unstable; urgency=medium"
	printf '\n  * What changed is in the log of the sources.\n\n'
	echo " -- $maintainer  $(date -uRd "@$SOURCE_DATE_EPOCH")"
} | gzip -9n >"$doc/changelog.gz"
chmod 644 "$doc/changelog.gz"
if [ -z "${DEBEMAIL:-}" ]; then
	install -d "$root/usr/share/lintian/overrides"
	cat >"$root/usr/share/lintian/overrides/capstub" <<-END
		# built for this machine, by nobody who gave an address (DEBEMAIL)
		capstub: bogus-mail-host *
		capstub: bogus-mail-host-in-debian-changelog *
	END
fi

# dpkg-shlibdeps asks for the file of a source package, and reads next to nothing in it
mkdir "$work/debian"
printf 'Source: capstub\n\nPackage: capstub\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O root/usr/sbin/capstub 2>/dev/null | sed -n 's/^shlibs:Depends=//p')

install -d "$root/DEBIAN"
install -m 755 -t "$root/DEBIAN" "$here"/postinst "$here"/prerm "$here"/postrm
(cd "$root" && find usr -type f | LC_ALL=C sort | xargs md5sum) >"$root/DEBIAN/md5sums"
cat >"$root/DEBIAN/control" <<END
Package: capstub
Version: $version
Architecture: $arch
Maintainer: $maintainer
Installed-Size: $(du -sk --apparent-size "$root" | cut -f1)
Depends: $depends
Recommends: fdisk
Suggests: crash, makedumpfile, sbsigntool, mokutil
Section: kernel
Priority: optional
Description: kernel crash dumps in 1 MiB of reserved memory
 A stub of 256 KiB is loaded instead of a second Linux. After a panic it
 writes the dead kernel's memory to a disk, in a format that crash and other
 programs open as it is, or sends it over a serial line, and resets the
 machine.
 .
 This package has the stub, and the program that prepares disks for it, loads
 it at boot, looks for everything that would prevent a capture, and saves what
 was captured.
END
dpkg-deb --root-owner-group --build "$root" "$out" >/dev/null
echo "$out"
