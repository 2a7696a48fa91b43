/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dead machine's memory out of a dump, kdump-compressed or ELF, by physical and by virtual address.
 * The dump may be cut, damaged or hostile.
 */
#ifndef TOOLS_MEMORY_H
#define TOOLS_MEMORY_H

#include "stub/format/vtop.h"
#include "tools/media/kdump.h"

struct memory {
	const char *path;		/* of the dump, for messages */
	const struct kdump *dump;	/* NULL: an ELF core */
	int fd;
	uint64_t limit;			/* the dump may use [0, limit) */
	bool arm64;			/* else x86_64 */
	uint64_t page;
	struct vmcoreinfo info;
	uint8_t *notes;			/* of the CPUs, and VMCOREINFO */
	size_t notes_len;
	struct vtop vt;			/* reads the memory below */

	/* Of memory.c alone */
	struct memory_range kernel;
	struct memory_range *ranges;	/* of an ELF core, disjoint and sorted; source: where in the file */
	unsigned nr_ranges;
	uint64_t *ranks;		/* bits set in bitmap2 before each piece of it */
	uint64_t bits_at;		/* the piece that is in bits */
	uint8_t *bits;
	uint8_t *cache;			/* decompressed pages */
	uint64_t *cached;		/* pfn + 1 of each */
};

/* @dump is referred to, and must live as long. 0 or -errno, said; memory_close() in any case. */
int memory_open_kdump(struct memory *m, const char *path, const struct kdump *dump);
/* The same of an ELF core of @limit bytes */
int memory_open_elf(struct memory *m, const char *path, int fd, uint64_t limit);
void memory_close(struct memory *m);

#endif
