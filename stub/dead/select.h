/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is worth sending, and in which order: the one place that decides it, for disks that are too
 * small and for slow lines. Before any page both send the log as text and the notes, which have the
 * registers and VMCOREINFO. Pages then go in passes, each belongs to exactly one, and a pass can be
 * begun anew at any frame. Pure.
 */
#ifndef STUB_SELECT_H
#define STUB_SELECT_H

#include "stub/dead/pages.h"

enum select_pass {
	/* What a debugger cannot start without, in the order in which it misses it: */
	/* the kernel's variables: crash --minimal, symbols, and where everything else hangs */
	SELECT_DATA,
	/* page tables, stacks and per-CPU data of the CPUs, memory map, list of modules */
	SELECT_ROOTS,
	/* the code that the stacks return to: a debugger unwinds by disassembling it */
	SELECT_TEXT,
	SELECT_LISTS,	/* what the variables point at: tasks, modules, caches */
	SELECT_NR_VITAL,
	/* All else, by what struct pages say: */
	SELECT_IMAGE = SELECT_NR_VITAL,	/* the rest of it; the log, more stacks, the struct pages */
	SELECT_KERNEL,
	SELECT_USER,
	SELECT_CACHE,
	SELECT_REST,
	SELECT_NR_PASSES
};

struct select_range {
	uint32_t start;		/* first frame; those above 2^32 go by their class */
	uint16_t nr;
	uint16_t pass;
};

#define SELECT_MAX_RANGES	1280u

struct select {
	struct vmcore *vc;
	struct vtop *vt;
	const struct vmcoreinfo *vi;
	unsigned pass;		/* of what is being added */
	unsigned limit;		/* ranges that may be in use */
	unsigned looks;		/* that may still be had at addresses of the dead kernel */
	uint64_t vital;		/* pages in the passes before SELECT_IMAGE */
	unsigned nr;
	struct select_range ranges[SELECT_MAX_RANGES];	/* sorted, disjoint */
};

/* Memory for the table, from the arena: every page goes by its class as yet. NULL: there is none. */
struct select *select_take(struct vmcore *vc, const struct vmcoreinfo *vi, struct vtop *vt);

/*
 * Build the table, after pages_init(); never fails: what is not found goes by its class. Takes a
 * fraction of a second, or seconds where memory is damaged.
 */
void select_build(struct select *s);

/* The pass of frame @pfn. @class does not matter to the vital ones. */
enum select_pass select_pass(const struct select *s, uint64_t pfn, enum page_class class);

/*
 * First frame >= @pfn that may be of @pass, and one past the last of that run: exact for the vital
 * passes, RAM for the others. False: no more.
 */
bool select_next(const struct select *s, unsigned pass, uint64_t pfn, uint64_t *ret_pfn,
		 uint64_t *ret_end);

#endif
