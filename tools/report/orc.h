/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ORC (Documentation/arch/x86/orc-unwinder.rst): for each piece of x86_64 code, where the caller's stack
 * pointer and return address are, as objtool found it out when the kernel was built.
 */
#ifndef TOOLS_REPORT_ORC_H
#define TOOLS_REPORT_ORC_H

#include "tools/report/dead.h"

/* arch/x86/include/asm/orc_types.h */
enum orc_reg {
	ORC_UNDEFINED, ORC_PREV_SP, ORC_DX, ORC_DI, ORC_BP, ORC_SP, ORC_R10, ORC_R13, ORC_BP_INDIRECT,
	ORC_SP_INDIRECT,
};

enum orc_type { ORC_NONE, ORC_END, ORC_CALL, ORC_REGS, ORC_REGS_PARTIAL };

struct orc {
	int16_t sp_offset, bp_offset;
	uint8_t sp_reg, bp_reg;		/* enum orc_reg, or a number that is none */
	enum orc_type type;
};

/* Read @nr entries. Empty when they cannot be read or are absurdly many. */
void orc_load(struct dead *d, struct orc_table *t, uint64_t ip_va, uint64_t entries, size_t nr);
void orc_free(struct orc_table *t);

/* What is to be done at @ip. False: no table knows. */
bool orc_find(const struct dead *d, uint64_t ip, struct orc *ret);

#endif
