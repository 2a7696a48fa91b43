/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Symbols of the dead kernel from its own table, which VMCOREINFO tells of since Linux 6.1
 * (SYMBOL(kallsyms_names) and its companions). Pure. Older kernels: -ENOENT, and the caller does
 * without.
 */
#ifndef STUB_KALLSYMS_H
#define STUB_KALLSYMS_H

#include "stub/format/vtop.h"

#define KALLSYMS_TOKENS	1536u		/* 256 tokens of 4 characters on average */

/* Addresses of the table's parts */
struct kallsyms_tables {
	uint64_t num_syms, names, token_table, token_index, offsets, relative_base;
};

/* A table that is being gone through */
struct kallsyms {
	struct vtop *vt;
	uint64_t names;			/* where the next bytes are read from */
	uint64_t left;			/* bytes of them that are looked at */
	uint64_t offsets, base, stext;
	uint32_t nr;			/* symbols */
	uint32_t rule;			/* of addresses: kallsyms_address() */
	unsigned at, len;		/* in chunk */
	uint16_t index[256];
	uint8_t chunk[128];
	char tokens[KALLSYMS_TOKENS];
};

struct kallsym {
	const char *name;
	uint64_t va;		/* filled; 0: not found. A per-CPU symbol is an offset on x86_64. */
};

/*
 * One pass over the whole table for @nr names, the first of each counts. Number found, or -errno when
 * there is no table. One that breaks off or has no end gives what was found until then.
 */
int kallsyms_find(struct vtop *vt, const struct vmcoreinfo *vi, struct kallsym *syms, unsigned nr);

/* Where VMCOREINFO says that they are: 0 or -ENOENT */
int kallsyms_tables(const struct vmcoreinfo *vi, struct kallsyms_tables *ret);

/* @stext: the address of the symbol _stext, by which it is told how addresses are written. 0 or -errno. */
int kallsyms_open(struct kallsyms *t, struct vtop *vt, const struct kallsyms_tables *at, uint64_t stext);

/*
 * Once after kallsyms_open(): @each for every symbol in the table's order, until it says false. @name is
 * cut at 63 characters, and gone when it returns.
 */
void kallsyms_each(struct kallsyms *t, bool (*each)(void *ctx, unsigned nr, const char *name), void *ctx);

/* Address of symbol @nr, once kallsyms_each() has passed _stext. 0 or -errno. */
int kallsyms_address(struct kallsyms *t, unsigned nr, uint64_t *ret);

#endif
