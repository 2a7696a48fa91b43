// SPDX-License-Identifier: GPL-2.0-or-later
/* arm64: struct user_pt_regs (linux asm/ptrace.h), which is in gdb's order */
#include "stub/serve/regs.h"

#define X(n)	{ "x" #n, GDB_INT64, n }

static const struct gdb_reg regs[] = {
	{ "core", GDB_FEATURE, 0 },
	X(0), X(1), X(2), X(3), X(4), X(5), X(6), X(7), X(8), X(9), X(10),
	X(11), X(12), X(13), X(14), X(15), X(16), X(17), X(18), X(19), X(20),
	X(21), X(22), X(23), X(24), X(25), X(26), X(27), X(28), X(29), X(30),
	{ "sp", GDB_DATA, 31 }, { "pc", GDB_CODE, 32 }, { "cpsr", GDB_INT32, 33 },
};

const struct gdb_arch gdb_arm64 = { "aarch64", "org.gnu.gdb.aarch64.", regs, ARRAY_SIZE(regs) };
