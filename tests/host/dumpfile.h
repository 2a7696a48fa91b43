/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A dump file as the dead kernel's memory: an ELF core or a kdump-compressed file (raw or LZO
 * pages) behind struct vmcore, so that the stub's own files run over it unmodified.
 */
#ifndef HOST_DUMPFILE_H
#define HOST_DUMPFILE_H

#include "stub/dead/vmcore.h"
#include "stub/format/vmcoreinfo.h"

extern struct vmcore dump_vmcore;
extern struct vmcoreinfo dump_vmcoreinfo;

/*
 * Open @path and fill the two. One dump per process. Ends the program with a message when it cannot
 * be used.
 */
void dump_open(const char *path);

/* The bytes of frame @pfn, page_size of them, or NULL (not RAM, or not in the dump) */
const void *dump_page(uint64_t pfn);

/* Is frame @pfn RAM (bitmap1), is it in the dump (bitmap2)? */
bool dump_has_ram(uint64_t pfn);
bool dump_has_page(uint64_t pfn);
uint64_t dump_max_pfn(void);

/*
 * Called for each read of old memory, when set: a test looks at what is asked for, or changes what
 * is answered
 */
extern void (*dump_read_hook)(void *dst, phys_addr_t pa, size_t len);
extern uint64_t dump_reads;	/* calls of vc->read */

/* bitmap2 of another kdump-compressed file (only its first blocks are needed), to compare with */
struct bitmap {
	const unsigned char *bits;
	uint64_t nr;
};
void bitmap_open(const char *path, struct bitmap *b);

static inline bool bitmap_test(const struct bitmap *b, uint64_t nr)
{
	return nr < b->nr && b->bits[nr / 8] >> nr % 8 & 1;
}

#endif
