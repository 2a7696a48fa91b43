#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fetch Debian packages of any suite and architecture, without touching the system's apt.
#
#   debs.sh CACHE SUITE ARCH resolve PACKAGE    print what a metapackage depends on first,
#                                               a line for each of its versions, newest first
#   debs.sh CACHE SUITE ARCH version PACKAGE    print the candidate version
#   debs.sh CACHE SUITE ARCH libraries PACKAGE  print the library packages it needs, recursively
#   debs.sh CACHE SUITE ARCH unpack DIR PACKAGE...   download, verify, and unpack into DIR;
#                                               UNPACK=./usr/some/folder leaves out all the rest
#
# apt runs with a configuration of its own: sources, lists, package cache and dpkg status all live
# under CACHE. Only three things come from the system: the mirror's address (the one its own apt
# already uses), its proxy settings and the archive keys. Everything fetched is checked by apt
# against the archive's signature.
set -eu

usage() {
	sed -n 's/^#   //p' "$0" >&2
	exit 2
}

[ $# -ge 5 ] || usage
cache=$1 suite=$2 arch=$3 verb=$4
shift 4
case $cache in /*) ;; *) cache=$PWD/$cache ;; esac
root=$cache/apt/$suite-$arch

# The first index target whose release matches a pattern names the mirror. indextargets reads the
# sources only, so this works before the system's first "apt-get update".
mirror() {
	apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
		awk -v want="$1" '
			want == "security" ? $1 ~ /-security$|\/updates$/ : $1 !~ /-/ { print $2; exit }'
}

write_config() {
	main=$(mirror main)
	security=$(mirror security)
	if [ -z "$main" ]; then
		echo "debs.sh: the system's apt knows no Debian mirror" >&2
		exit 1
	fi
	# No security archive configured: by Debian's convention it stands beside the main one.
	[ -n "$security" ] || security=${main%/}-security/

	mkdir -p "$root/lists/partial" "$root/archives/partial" "$root/empty"
	: >"$root/status"
	{
		echo "deb $main $suite main"
		echo "deb $security $suite-security main"
	} >"$root/sources.list"
	# RootDir stays /: the keys and methods are the system's. "Dir::Etc::parts" and the like point
	# to an empty folder so that nothing of the system's pins or sources leaks in.
	cat >"$root/apt.conf" <<CONF
Dir::State "$root";
Dir::State::lists "$root/lists";
Dir::State::status "$root/status";
Dir::Cache "$root";
Dir::Cache::archives "$root/archives";
Dir::Etc::sourcelist "$root/sources.list";
Dir::Etc::sourceparts "$root/empty";
Dir::Etc::preferences "$root/empty/none";
Dir::Etc::preferencesparts "$root/empty";
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Acquire::Retries "3";
CONF
}

# APT_CONFIG is read after the system's files, so it wins; lists it would add to are not used.
apt() {
	APT_CONFIG=$root/apt.conf "$@"
}

update() {
	[ -e "$root/updated" ] && return
	write_config
	echo "  APT     index of $suite/$arch" >&2
	if ! apt apt-get -qq update >"$root/update.log" 2>&1; then
		cat "$root/update.log" >&2
		exit 1
	fi
	touch "$root/updated"
}

versions() {
	apt apt-cache madison "$1" | awk -F' *[|] *' '!seen[$2]++ { print $2 }'
}

resolve() {
	versions "$1" | while read -r v; do
		apt apt-cache show "$1=$v" | sed -n 's/^Depends: *\([^ ,(]*\).*/\1/p'
	done
}

# Only library packages are followed: what a program needs to start, not to be installed.
libraries() {
	todo=$1 seen=" $1 "
	while [ -n "$todo" ]; do
		next=
		# shellcheck disable=SC2086
		for p in $(apt apt-cache depends --important $todo |
				awk '$1 == "Depends:" && $2 ~ /^z?lib/ { print $2 }'); do
			case $seen in *" $p "*) continue ;; esac
			seen="$seen$p "
			next="$next $p"
			echo "$p"
		done
		todo=$next
	done
}

version() {
	apt apt-cache policy "$1" | awk '$1 == "Candidate:" { print $2 }'
}

download() {
	(cd "$root/get" && apt apt-get -qq download "$1") >"$root/download.log" 2>&1
}

# Newest first. An index from some time ago may name files that the mirror has since replaced, and
# the mirror may lack some of what its index names; then the next older version has to do.
fetch() {
	for try in $(versions "$1"); do
		rm -rf "$root/get"
		mkdir "$root/get"
		download "$1=$try" && return
		if [ -z "$refreshed" ]; then
			refreshed=1
			rm -f "$root/updated"
			update
			fetch "$1" && return
			return 1
		fi
	done
	grep '^E:' "$root/download.log" >&2
	return 1
}

# Each package is unpacked once; DIR/.unpacked lists what is there.
unpack() {
	dir=$1
	shift
	case $dir in /*) ;; *) dir=$PWD/$dir ;; esac
	mkdir -p "$dir"
	for pkg; do
		grep -qF "$pkg " "$dir/.unpacked" 2>/dev/null && continue
		ver=$(version "$pkg")
		if [ -z "$ver" ] || [ "$ver" = "(none)" ]; then
			echo "debs.sh: no package $pkg in $suite/$arch" >&2
			exit 1
		fi
		echo "  FETCH   $pkg ($suite/$arch)" >&2
		fetch "$pkg" || exit 1
		dpkg-deb --fsys-tarfile "$root/get"/*.deb | tar -x -C "$dir" ${UNPACK:+"$UNPACK"}
		echo "$pkg $try" >>"$dir/.unpacked"
		rm -rf "$root/get"
	done
}
refreshed=

# One user of this folder at a time: several builds may share a cache.
mkdir -p "$root"
exec 9>"$root/lock"
flock 9

update
case $verb in
resolve | version | libraries | unpack) "$verb" "$@" ;;
*) usage ;;
esac
