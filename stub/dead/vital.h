/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pages a debugger cannot start without, in the order in which it misses them: what a slow line
 * sends first. Pure.
 */
#ifndef STUB_VITAL_H
#define STUB_VITAL_H

#include "stub/format/vmcoreinfo.h"
#include "stub/dead/vtop.h"

enum vital_stage {
	/* the kernel's variables: crash --minimal, symbols, and where everything else hangs */
	VITAL_DATA,
	/* page tables, stacks and per-CPU data of the CPUs, memory map, list of modules */
	VITAL_ROOTS,
	/* the code that the stacks return to: a debugger unwinds by disassembling it */
	VITAL_TEXT,
	VITAL_LISTS,	/* what the variables point at: tasks, modules, caches */
	VITAL_NR_STAGES
};

struct vital_range {
	uint32_t start;		/* first frame; none above 2^32 is vital */
	uint16_t nr;
	uint16_t stage;
};

#define VITAL_MAX_RANGES	1024u

/* The caller gives the memory: the table shares its place with the buffers of the disk. */
struct vital {
	struct vmcore *vc;
	struct vtop *vt;
	const struct vmcoreinfo *vi;
	unsigned stage;		/* of what is being added */
	unsigned limit;		/* ranges that may be in use */
	unsigned looks;		/* that may still be had at addresses of the dead kernel */
	uint64_t pages;		/* in the table */
	unsigned nr;
	struct vital_range ranges[VITAL_MAX_RANGES];
};

/* Build the table; never fails. What is not found is sent in its turn. */
void vital_init(struct vital *v, struct vmcore *vc, const struct vmcoreinfo *vi, struct vtop *vt);

/* Stage of @pfn, or -1 */
int vital_stage(const struct vital *v, uint64_t pfn);

/* First frame >= @pfn of @stage, and one past the last of that run. False: no more. */
bool vital_next(const struct vital *v, unsigned stage, uint64_t pfn, uint64_t *ret_pfn,
		uint64_t *ret_end);

#endif
