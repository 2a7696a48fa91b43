/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Symbols of the dead kernel from its own table, which VMCOREINFO tells of since Linux 6.1
 * (SYMBOL(kallsyms_names) and its companions). Pure. Older kernels: -ENOENT, and the caller does
 * without.
 */
#ifndef STUB_KALLSYMS_H
#define STUB_KALLSYMS_H

#include "stub/format/vmcoreinfo.h"
#include "stub/dead/vtop.h"

struct kallsym {
	const char *name;
	uint64_t va;		/* filled; 0: not found. A per-CPU symbol is an offset on x86_64. */
};

/*
 * One pass over the whole table for @nr names, the first of each counts. Number found, or -errno when
 * there is no table. One that breaks off or has no end gives what was found until then.
 */
int kallsyms_find(struct vtop *vt, const struct vmcoreinfo *vi, struct kallsym *syms, unsigned nr);

#endif
