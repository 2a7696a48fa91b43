/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The modules of a dead kernel: names, where they are, their symbols and unwind tables. */
#ifndef TOOLS_REPORT_MODULES_H
#define TOOLS_REPORT_MODULES_H

#include "tools/report/dead.h"

struct module {
	char name[57];			/* MODULE_NAME_LEN is 56 */
	uint64_t base, size;		/* of its code; 0: not known */
	char taints[32];		/* "OE"; "": none */
};

/*
 * Adds their symbols and tables to @d: symbol.module is an index + 1 in what is returned, to be freed; NULL
 * where there is no list, or no types that explain it.
 */
struct module *modules_collect(struct dead *d, unsigned *ret_nr);

#endif
