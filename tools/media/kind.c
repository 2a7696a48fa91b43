// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/media/kind.h"

#include <elf.h>
#include <string.h>

#include "capstub/kdump_format.h"
#include "tools/util.h"

static const struct {
	const char *name, *text, *advice;
} kinds[] = {
	[KIND_TARGET] = { "target", "a capstub target", NULL },
	[KIND_KDUMP] = { "kdump", "a kdump-compressed dump",
		"it needs no 'save': a plain 'cp' copies it; 'save --format elf' makes it fit for gdb, "
		"'save --compress zlib' for readers without LZO" },
	[KIND_FLATTENED] = { "flattened", "a flattened makedumpfile stream",
		"it needs no 'save': 'makedumpfile -R DUMP' reads it and writes a dump that readers open" },
	[KIND_ELF] = { "elf", "an ELF core dump",
		"it needs no 'save': a plain 'cp' copies it; crash and gdb open it as it is" },
	[KIND_UNKNOWN] = { "unknown", "nothing that capstub knows", NULL },
};

const char *kind_name(enum file_kind kind)
{
	return kinds[kind].name;
}

const char *kind_text(enum file_kind kind)
{
	return kinds[kind].text;
}

const char *kind_advice(enum file_kind kind)
{
	return kinds[kind].advice;
}

/*
 * The flattened format begins with makedumpfile's own signature, an ELF core with ET_CORE right
 * behind e_ident, which says in which byte order. Dumps of all architectures count.
 */
enum file_kind kind_of(int fd, uint64_t bytes)
{
	unsigned char m[EI_NIDENT + 2];

	if (bytes < sizeof(m) || read_at(fd, m, sizeof(m), 0))
		return KIND_UNKNOWN;
	if (!memcmp(m, KDUMP_SIGNATURE, 8))
		return KIND_KDUMP;
	if (!memcmp(m, ELFMAG, SELFMAG) && m[EI_NIDENT + (m[EI_DATA] == ELFDATA2MSB)] == ET_CORE)
		return KIND_ELF;
	if (!memcmp(m, "makedumpfile", 13))
		return KIND_FLATTENED;
	return KIND_UNKNOWN;
}
