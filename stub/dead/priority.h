/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which pages are worth most when not all of them fit, or when the line is slow. Pure.
 */
#ifndef STUB_PRIORITY_H
#define STUB_PRIORITY_H

#include "stub/dead/pages.h"

/*
 * Ranks: 0 kernel image, stacks of the panicking CPUs, dmesg; 1 page tables and vmemmap; 2 slab and
 * other kernel; 3 user; 4 cache, cache private; 5 free and the rest.
 */
#define PRIORITY_NR_RANKS	6

/*
 * Collect the essential ranges (ranks 0 and 1) in a table of fixed size. Never fails: what is not
 * found ranks by its class.
 */
void priority_init(struct vmcore *vc, const struct vmcoreinfo *vi, struct vtop *vt);

/* 0 .. PRIORITY_NR_RANKS - 1 */
int pages_rank(uint64_t pfn, enum page_class class);

#endif
