/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From registers to a call trace: by ORC on x86_64, by frame pointers on arm64. */
#ifndef TOOLS_REPORT_UNWIND_H
#define TOOLS_REPORT_UNWIND_H

#include "tools/report/dead.h"

#define FRAMES_MAX	64u
#define REGISTERS_MAX	34u

/* In the order of struct user_pt_regs (arm64) and struct pt_regs (x86_64: r15 first) */
struct registers {
	uint64_t r[REGISTERS_MAX];
	unsigned nr;			/* 0: only the three below are known */
	uint64_t pc, sp, fp;
};

struct frame {
	uint64_t pc;
	uint64_t sp;			/* 0: not known */
	bool exact;			/* execution stood there; else it is where a call returns to */
	bool guess;			/* found on the stack, no table says so */
};

/* Registers of a CPU's note: struct elf_prstatus, @len bytes. False: too short. */
bool registers_of_note(struct registers *r, bool arm64, const uint8_t *prstatus, size_t len);
const char *register_name(bool arm64, unsigned nr);

/* Did the CPU run in user space? */
bool registers_user(const struct registers *r, bool arm64);

/* Frames, the innermost first; at most @max, each read of a bounded part of the stack. Their number. */
unsigned unwind(struct dead *d, const struct registers *start, struct frame *frames, unsigned max);

#endif
