# SPDX-License-Identifier: GPL-2.0-or-later
#
# Completion for bash, of what --help says: commands, options and those of their values that can be listed. For all
# else bash offers files.

# The lines of --help on options: -f, --force  or  --format=kdump|elf
_capstub_options()
{
	"$@" --help 2>/dev/null | sed -n 's/^ \+\(-., \+\)\?\(--[a-z0-9-]\+\(=[^ ]*\)\?\).*/\1\2/p'
}

_capstub()
{
	local program=$1 cur=$2 prev=$3 words values

	COMPREPLY=()
	# --option=value is three words to bash
	[[ $prev != = ]] || prev=${COMP_WORDS[COMP_CWORD - 2]}
	[[ $cur != = ]] || cur=
	if ((COMP_CWORD == 1)); then
		words=$("$program" --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]\+\) .*/\1/p')
		[[ $cur != -* ]] || words="--help --usage --version"
	elif [[ $cur == -* ]]; then
		words=$(_capstub_options "$program" "${COMP_WORDS[1]}" | sed 's/^-., *//; s/=.*/=/')
	elif [[ $prev == -* ]]; then
		values=$(_capstub_options "$program" "${COMP_WORDS[1]}" | grep -e "^$prev, " -e "$prev=")
		[[ $values != *=*\|* ]] || words=$(tr '|' ' ' <<<"${values#*=}")
	fi
	[[ -z $words ]] || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null
}

complete -o default -F _capstub capstub
