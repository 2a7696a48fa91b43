/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each page frame is, from struct page through VMCOREINFO: makedumpfile's dump levels in
 * constant memory. Pure.
 */
#ifndef STUB_PAGES_H
#define STUB_PAGES_H

#include "stub/format/vmcoreinfo.h"
#include "stub/dead/vtop.h"

/*
 * Order is ABI: capstub_label.pages_by_class. PAGE_KERNEL = whatever is no other class, kept at
 * every level.
 */
enum page_class {
	PAGE_KERNEL,
	/* counted by the writer, which looks at contents; pages_class() never says it */
	PAGE_ZERO,
	PAGE_CACHE,
	PAGE_CACHE_PRIVATE,
	PAGE_USER,
	PAGE_FREE,
	PAGE_OFFLINE,
	PAGE_HWPOISON,
	PAGE_NR_CLASSES
};

/* makedumpfile's dump level bits */
enum dump_level {
	LEVEL_ZERO = 1,
	LEVEL_CACHE = 2,
	LEVEL_CACHE_PRIVATE = 4,
	LEVEL_USER = 8,
	LEVEL_FREE = 16,
	LEVEL_MAX = 31,
};

/* state of the classifier: one static instance in stub/dead/pages.c, all host programs use the same */
struct pages;

/*
 * Prepare to classify at @level. Returns the level that can be honoured: @level, or a lower one
 * when an entry is missing or inconsistent; the reason is logged and kept for *ret_reason (may be
 * NULL; "" if none). Never fails.
 */
unsigned pages_init(const struct vmcore *vc, const struct vmcoreinfo *vi, struct vtop *vt,
		    unsigned level, const char **ret_reason);

/*
 * Class of @pfn. Call with ascending pfns inside one pass; pages_restart() begins a new pass.
 * Answers PAGE_KERNEL when in doubt.
 */
enum page_class pages_class(uint64_t pfn);
void pages_restart(void);

/*
 * How far from @pfn on, of [pfn, end), need pages_class() not be asked, because the level keeps them
 * all? Levels 0 and 1 keep all but pages that nobody must read, and those are found much faster
 * than classes.
 */
uint64_t pages_kept_until(uint64_t pfn, uint64_t end);

/*
 * Does the level that pages_init() returned leave this class out of the dump? (PAGE_ZERO: never,
 * see the writer)
 */
bool pages_excluded(enum page_class class);

/*
 * Has the kernel given @pfn, of its image, to the page allocator after boot (init code, gaps left by
 * alignment)? Then it is not PG_reserved any more, and a page like any other. False when that cannot
 * be told. Any time after pages_init().
 */
bool pages_freed(uint64_t pfn);

/*
 * Where the struct page of @pfn is: virtual address, and how many bytes of them follow without a
 * gap (those of its section). Any time after pages_init(). 0 or -ENOENT.
 */
int pages_struct_page(uint64_t pfn, uint64_t *ret_va, uint64_t *ret_len, unsigned *ret_size);

/*
 * Bytes of memory, at least, that the kernel had in use and that no range of the elfcorehdr names, as
 * memory added after it was written. Any time after pages_init().
 */
uint64_t pages_unlisted(void);

/*
 * After a counting pass: are the counts plausible (free pages exist, no class larger than RAM)?
 * When not, the level is lowered to what needs no struct page, the reason logged; returns the level
 * in force.
 */
unsigned pages_check(const uint64_t counts[PAGE_NR_CLASSES], uint64_t total);
bool pages_misread(void);	/* since pages_restart(): count again, whatever the level is now */

#endif
