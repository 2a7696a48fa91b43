// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * x86_64: arch/x86/kernel/unwind_orc.c of Linux says what each kind of entry means. Where no entry says
 * how to go on (a module without a table, code that was made at run time) the stack is searched for
 * return addresses, and what is found is marked as a guess.
 *
 * arm64: a frame record is {frame pointer, return address} (AAPCS64); exceptions lay one in pt_regs, so
 * that the chain goes on through them (arch/arm64/kernel/entry.S).
 *
 * The stack is hostile: each step makes a frame, and there are at most so many of them; what may be searched
 * is bounded for all stacks together.
 */
#include "tools/report/unwind.h"

#include <string.h>

#include "tools/report/orc.h"

/* struct elf_prstatus: pr_reg is behind signal and process numbers and four times */
#define PRSTATUS_REGS	112u
#define STACK_SIZE	KIB(16)		/* what is searched ends at the next border of this */

/* struct pt_regs of x86_64, in words */
enum { R13 = 2, BP = 4, R10 = 7, DX = 12, DI = 14, IP = 16, CS = 17, SP = 19, X86_REGS = 21 };
/* struct user_pt_regs of arm64 */
enum { X29 = 29, ARM64_SP = 31, ARM64_PC = 32, PSTATE = 33, ARM64_REGS = 34 };

const char *register_name(bool arm64, unsigned nr)
{
	static const char *const x86[X86_REGS] = {
		"r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx",
		"rsi", "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss",
	};
	static const char *const arm[ARM64_REGS] = {
		"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
		"x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26",
		"x27", "x28", "x29", "x30", "sp", "pc", "pstate",
	};

	return arm64 ? arm[nr] : x86[nr];
}

bool registers_of_note(struct registers *r, bool arm64, const uint8_t *prstatus, size_t len)
{
	*r = (struct registers){ .nr = arm64 ? ARM64_REGS : X86_REGS };
	if (len < PRSTATUS_REGS + r->nr * 8)
		return false;
	memcpy(r->r, prstatus + PRSTATUS_REGS, r->nr * 8);
	r->pc = r->r[arm64 ? ARM64_PC : IP];
	r->sp = r->r[arm64 ? ARM64_SP : SP];
	r->fp = r->r[arm64 ? X29 : BP];
	return true;
}

/* x86_64: the privilege level is in CS; arm64: the exception level in PSTATE (DDI 0487, C5.2.18) */
bool registers_user(const struct registers *r, bool arm64)
{
	return r->nr && (arm64 ? !(r->r[PSTATE] & 0xf) : (r->r[CS] & 3) == 3);
}

/*---------------------------------------------------------------- x86_64 */

struct x86 {
	struct dead *d;
	uint64_t ip, sp, bp;
	uint64_t regs[X86_REGS];
	bool full;		/* regs are those at this frame, and not another's */
	bool bp_known;
	bool exact;
	bool guess;
};

/* A value that an entry's register has; false: it is not known here */
static bool x86_register(const struct x86 *x, unsigned reg, uint64_t *ret)
{
	static const uint8_t at[] = { [ORC_R10] = R10, [ORC_R13] = R13, [ORC_DI] = DI, [ORC_DX] = DX };

	switch (reg) {
	case ORC_SP: case ORC_SP_INDIRECT:
		*ret = x->sp;
		return true;
	case ORC_BP: case ORC_BP_INDIRECT:
		*ret = x->bp;
		/* Behind a guess it may still be right: then it points into this stack */
		return x->bp_known || (x->bp % 8 == 0 && x->bp >= x->sp && x->bp - x->sp < STACK_SIZE);
	case ORC_R10: case ORC_R13: case ORC_DI: case ORC_DX:
		*ret = x->regs[at[reg]];
		return x->full;
	default:
		return false;
	}
}

/* The caller's frame's end, from which the rest is counted */
static bool previous_sp(struct x86 *x, const struct orc *o, uint64_t *ret)
{
	uint64_t sp;

	if (!x86_register(x, o->sp_reg, &sp))
		return false;
	if (o->sp_reg == ORC_BP_INDIRECT)
		return !dead_read64(x->d, sp + (uint64_t)(int64_t)o->sp_offset, ret);
	/* The stack was changed: its old pointer is what this one points at */
	if (o->sp_reg == ORC_SP_INDIRECT && dead_read64(x->d, sp, &sp))
		return false;
	*ret = sp + (uint64_t)(int64_t)o->sp_offset;
	return true;
}

/* struct pt_regs at @sp: all of it, or what the processor pushed, which begins with IP */
static bool take_regs(struct x86 *x, uint64_t sp, bool partial)
{
	unsigned from = partial ? IP : 0;

	x->full = !partial;
	x->exact = true;
	for (unsigned i = from; i < X86_REGS; i++)
		if (dead_read64(x->d, sp + (i - from) * 8, &x->regs[i]))
			return false;
	x->ip = x->regs[IP];
	x->sp = x->regs[SP];
	/* User space is not the kernel's trace */
	return (x->regs[CS] & 3) != 3;
}

static void take_bp(struct x86 *x, const struct orc *o, uint64_t prev_sp)
{
	switch (o->bp_reg) {
	case ORC_PREV_SP:
		x->bp_known = !dead_read64(x->d, prev_sp + (uint64_t)(int64_t)o->bp_offset, &x->bp);
		break;
	case ORC_BP:
		x->bp_known = !dead_read64(x->d, x->bp + (uint64_t)(int64_t)o->bp_offset, &x->bp);
		break;
	default:
		if (!x->full)
			break;
		x->bp = x->regs[BP];
		x->bp_known = true;
	}
}

enum step { STEP_ON, STEP_END, STEP_LOST };

static enum step x86_step(struct x86 *x)
{
	uint64_t sp;
	struct orc o;

	if (!orc_find(x->d, x->exact ? x->ip : x->ip - 1, &o) || o.type == ORC_NONE)
		return STEP_LOST;
	if (o.type == ORC_END)
		return STEP_END;
	if (!previous_sp(x, &o, &sp))
		return STEP_LOST;
	if (o.type != ORC_CALL) {
		if (!take_regs(x, sp, o.type == ORC_REGS_PARTIAL))
			return STEP_END;
		take_bp(x, &o, sp);
		return STEP_ON;
	}
	if (dead_read64(x->d, sp - 8, &x->ip))
		return STEP_LOST;
	x->sp = sp;
	/* Those that a call preserves are what they were, but they are not looked for */
	x->full = false;
	x->exact = false;
	take_bp(x, &o, sp);
	return STEP_ON;
}

/*
 * Is there a call in front of @va? By its forms (Intel SDM vol. 2A, CALL): E8 and four bytes, or FF /2 with a
 * register, or with memory by 8 or 32 bits.
 */
static bool behind_call(const struct x86 *x, uint64_t va)
{
	uint8_t c[7];

	if (vtop_read(x->d->vt, c, va - sizeof(c), sizeof(c)))
		return false;
	if (c[2] == 0xe8)
		return true;
	for (unsigned len = 2; len <= 7; len++)
		if (c[7 - len] == 0xff && (c[8 - len] >> 3 & 7) == 2)
			return true;
	return false;
}

/* Up to the stack's end, the next word that is a place in code which a table knows how to go on from */
static bool x86_search(struct x86 *x)
{
	uint64_t end = ALIGN_UP(x->sp + 8, STACK_SIZE), word;
	struct orc o;

	for (x->sp = ALIGN_UP(x->sp, 8); x->sp < end && x->d->looks; x->sp += 8) {
		x->d->looks--;
		if (dead_read64(x->d, x->sp, &word))
			return false;
		if (!dead_is_text(x->d, word) || !orc_find(x->d, word - 1, &o) || o.type == ORC_NONE ||
		    !behind_call(x, word))
			continue;
		x->ip = word;
		x->sp += 8;
		x->full = x->exact = x->bp_known = false;
		x->guess = true;
		return true;
	}
	return false;
}

static unsigned unwind_x86(struct dead *d, const struct registers *start, struct frame *frames, unsigned max)
{
	struct x86 x = {
		.d = d, .ip = start->pc, .sp = start->sp, .bp = start->fp, .full = start->nr,
		.exact = start->nr, .bp_known = true,
	};
	unsigned nr = 0;

	memcpy(x.regs, start->r, sizeof(x.regs));
	while (nr < max) {
		enum step step;

		if (!x.ip)
			break;
		frames[nr++] = (struct frame){ x.ip, x.sp, x.exact, x.guess };
		x.guess = false;
		step = x86_step(&x);
		if (step == STEP_END || (step == STEP_LOST && !x86_search(&x)))
			break;
	}
	return nr;
}

/*---------------------------------------------------------------- arm64 */

/* With pointer authentication the bits above the address are a signature; kernel addresses have ones there */
static uint64_t without_signature(const struct dead *d, uint64_t va)
{
	return va & BIT(55) && d->vt->va_bits ? va | -BIT(d->vt->va_bits) : va;
}

static unsigned unwind_arm64(struct dead *d, const struct registers *start, struct frame *frames, unsigned max)
{
	uint64_t fp = start->fp, next, lr;
	unsigned nr = 0;

	frames[nr++] = (struct frame){ start->pc, start->sp, start->nr, false };
	while (nr < max && fp && fp % 8 == 0) {
		if (dead_read64(d, fp, &next) || dead_read64(d, fp + 8, &lr))
			break;
		lr = without_signature(d, lr);
		if (!lr || !dead_is_text(d, lr))
			break;
		frames[nr++] = (struct frame){ lr, fp + 16, false, false };
		if (next == fp)
			break;
		fp = next;
	}
	return nr;
}

unsigned unwind(struct dead *d, const struct registers *start, struct frame *frames, unsigned max)
{
	if (!max)
		return 0;
	return (d->arm64 ? unwind_arm64 : unwind_x86)(d, start, frames, max);
}
