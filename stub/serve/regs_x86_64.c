// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * x86_64: struct user_regs_struct (linux asm/user_64.h) in gdb's order. gdb takes the core feature
 * only as a whole, with the registers of the x87, which a crash note does not have.
 */
#include "stub/serve/regs.h"

#define WORD(name, word)	{ name, GDB_INT64, word }
#define HALF(name, word)	{ name, GDB_INT32, word }
#define X87(name)		{ name, GDB_X87, GDB_NOWHERE }

static const struct gdb_reg regs[] = {
	{ "core", GDB_FEATURE, 0 },
	WORD("rax", 10), WORD("rbx", 5), WORD("rcx", 11), WORD("rdx", 12),
	WORD("rsi", 13), WORD("rdi", 14), { "rbp", GDB_DATA, 4 }, { "rsp", GDB_DATA, 19 },
	WORD("r8", 9), WORD("r9", 8), WORD("r10", 7), WORD("r11", 6),
	WORD("r12", 3), WORD("r13", 2), WORD("r14", 1), WORD("r15", 0),
	{ "rip", GDB_CODE, 16 }, HALF("eflags", 18), HALF("cs", 17), HALF("ss", 20),
	HALF("ds", 23), HALF("es", 24), HALF("fs", 25), HALF("gs", 26),
	X87("st0"), X87("st1"), X87("st2"), X87("st3"),
	X87("st4"), X87("st5"), X87("st6"), X87("st7"),
	HALF("fctrl", GDB_NOWHERE), HALF("fstat", GDB_NOWHERE), HALF("ftag", GDB_NOWHERE),
	HALF("fiseg", GDB_NOWHERE), HALF("fioff", GDB_NOWHERE), HALF("foseg", GDB_NOWHERE),
	HALF("fooff", GDB_NOWHERE), HALF("fop", GDB_NOWHERE),
	{ "linux", GDB_FEATURE, 0 },
	WORD("orig_rax", 15),
	{ "segments", GDB_FEATURE, 0 },
	WORD("fs_base", 21), WORD("gs_base", 22),
};

const struct gdb_arch gdb_x86_64 = { "i386:x86-64", "org.gnu.gdb.i386.", regs, ARRAY_SIZE(regs) };
