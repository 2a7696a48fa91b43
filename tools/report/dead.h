/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A dead kernel as it tells of itself: its memory by virtual address, its symbols, its types, its unwind
 * tables. No debug information is needed. All that is read is hostile: every address, count and length
 * is checked or bounded, and what cannot be read is missing in what is found, nothing more.
 */
#ifndef TOOLS_REPORT_DEAD_H
#define TOOLS_REPORT_DEAD_H

#include <stddef.h>

#include "stub/format/vtop.h"

struct symbol {
	uint64_t va;
	uint32_t name;			/* offset in symbols.names */
	uint32_t module;		/* index + 1 of modules; 0: the kernel itself */
};

struct symbols {
	struct symbol *v;		/* by ascending address, what is first in the table first */
	size_t nr, room;
	char *names;
	size_t names_len, names_room;
};

/* One of vmlinux, one of each module that is known; see orc.c */
struct orc_table {
	uint64_t start, end;		/* code that it is for */
	uint64_t ip_va;			/* where the array of places is in the dead kernel */
	int32_t *ip;
	uint8_t *entries;
	size_t nr;
	bool new_types;			/* since 6.4 */
};

/* The kernel's types; see btf.c */
struct btf {
	uint8_t *data;
	const uint8_t *types;		/* inside data */
	size_t types_len;
	const char *strings;		/* the last one ends there */
	size_t strings_len;
	uint32_t *offsets;		/* of type number n in types; 0 is void */
	uint32_t nr;
};

struct dead {
	struct vtop *vt;
	const struct vmcoreinfo *info;
	bool arm64;			/* else x86_64 */
	uint64_t stext, etext;
	uint64_t sinittext, einittext;	/* code that is gone when the kernel has started, but is returned to */
	struct symbols symbols;
	bool all_symbols;		/* variables too: who is not there is not */
	uint8_t *image;			/* a copy, where symbols alone do not tell; see scan.c */
	uint64_t image_va;
	size_t image_len;
	struct btf btf;			/* nr 0: there is none */
	struct orc_table *orc;
	unsigned nr_orc;
	unsigned looks;			/* words of stacks that may still be searched */
};

/* Find what there is. @info and @vt must live as long. */
void dead_open(struct dead *d, struct vtop *vt, const struct vmcoreinfo *info, bool arm64);
void dead_close(struct dead *d);

/* Read as much of @len bytes as there is, zeros for the rest. False: nothing of it. */
bool dead_read(struct dead *d, void *dst, uint64_t va, size_t len);
/* One word: 0 or -errno */
int dead_read64(struct dead *d, uint64_t va, uint64_t *ret);

/* A symbol's address by name, the kernel's own table first, then what is exported to modules; 0: none */
uint64_t dead_symbol(struct dead *d, const char *name);
/* Offset of a per-CPU variable, as this_cpu_ptr() adds it. False: it is not known. */
bool dead_percpu(struct dead *d, const char *name, uint64_t *ret);

/* Is it in the code of the kernel or of a module? */
bool dead_is_text(const struct dead *d, uint64_t va);

#endif
