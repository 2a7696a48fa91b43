/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What registers gdb is told of, and where struct elf_prstatus of the dead kernel (linux/elfcore.h)
 * has them. A table for each architecture; ARCH_GDB in <cpu.h> names the stub's own. Their order is
 * the order in gdb's packets.
 */
#ifndef STUB_GDB_REGS_H
#define STUB_GDB_REGS_H

#include "stub/bits.h"

/*
 * What gdb is told of a register: its type and size; GDB_FEATURE: no register, a feature begins
 * that is named so
 */
enum gdb_kind { GDB_FEATURE, GDB_INT64, GDB_INT32, GDB_CODE, GDB_DATA, GDB_X87 };

#define GDB_NOWHERE	255u	/* no note has it: gdb is told that it is not available */

struct gdb_reg {
	char name[8];		/* not terminated when that long */
	uint8_t kind;		/* enum gdb_kind */
	uint8_t word;		/* of pr_reg, counted in 8 bytes */
};

struct gdb_arch {
	const char *name;	/* BFD's, for <architecture> */
	const char *feature;	/* what names of features begin with: its manual has them */
	const struct gdb_reg *regs;
	unsigned nr;
};

extern const struct gdb_arch gdb_x86_64;
extern const struct gdb_arch gdb_arm64;

#define PRSTATUS_PID	32u	/* pr_pid, 32 bits; the same on both */
#define PRSTATUS_REG	112u	/* pr_reg */

#endif
