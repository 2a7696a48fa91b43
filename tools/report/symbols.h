/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The symbols of a dead kernel, all of them, to look up names by address and the other way round. */
#ifndef TOOLS_REPORT_SYMBOLS_H
#define TOOLS_REPORT_SYMBOLS_H

#include "stub/dead/kallsyms.h"
#include "tools/report/dead.h"

/* The whole table (kallsyms). 0 or -errno. */
int symbols_load(struct symbols *s, struct vtop *vt, const struct kallsyms_tables *at, uint64_t stext);
/* More of them; symbols_sort() after the last */
void symbols_add(struct symbols *s, uint64_t va, const char *name, uint32_t module);
void symbols_sort(struct symbols *s);
void symbols_free(struct symbols *s);

/* The first of that name; NULL: none */
const struct symbol *symbols_find(const struct symbols *s, const char *name);
/* That which @va belongs to: of several with one address the table's first. NULL: none is below it. */
const struct symbol *symbols_at(const struct symbols *s, uint64_t va);

static inline const char *symbol_name(const struct symbols *s, const struct symbol *sym)
{
	return s->names + sym->name;
}

#endif
