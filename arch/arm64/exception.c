// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Exceptions that exception.S does not settle by itself: a register that nobody answers is read as
 * all ones, like an absent PCI function; of an SError ras.c says what follows from it; everything else is
 * printed, handed to stub_exception() and ends in a reset.
 */
/* exception_handle() may return to code that was using SIMD registers. */
#pragma GCC target("general-regs-only")

#include <stdio.h>

#include "arch/arm64/arm64.h"
#include "arch/arm64/ras.h"
#include "stub/arch.h"
#include "stub/log.h"

_Static_assert(offsetof(struct exception_frame, sp) == EXC_SP, "exception_frame");
_Static_assert(offsetof(struct exception_frame, elr) == EXC_ELR, "exception_frame");
_Static_assert(offsetof(struct exception_frame, esr) == EXC_ESR, "exception_frame");
_Static_assert(offsetof(struct exception_frame, vector) == EXC_VECTOR, "exception_frame");
_Static_assert(sizeof(struct exception_frame) == EXC_FRAME_SIZE, "exception_frame");

/* ESR_EL1, Arm ARM "ESR_EL1, Exception Syndrome Register" */
#define ESR_EC		GENMASK(31, 26)
#define EC_UNKNOWN	0x00
#define EC_BTI		0x0d
#define EC_ILLEGAL	0x0e
#define EC_INSN_ABORT	0x21
#define EC_PC_ALIGN	0x22
#define EC_DATA_ABORT	0x25
#define EC_SP_ALIGN	0x26
#define EC_FP		0x2c

/*
 * Load/store register, unsigned immediate: size[31:30] 111 V=0 01 opc[23:22] (C4.1). What <io.h> is
 * made of.
 */
#define INSN_LDST_MASK	0x3f000000u
#define INSN_LDST	0x39000000u
#define INSN_LOAD	BIT(22)
#define INSN_RT		GENMASK(4, 0)
#define INSN_SIZE	GENMASK(31, 30)

#define SPSR_A		BIT(8)
#define SERROR_LIMIT	64	/* outside of reads; then SError stays masked: its source may never stop */
#define RAS_MAX_RECORDS	64

static unsigned nesting;

static bool ras;
static bool started;		/* what comes now is not the dead kernel's */
static unsigned serrors, pages_lost, reported_serrors;
static uint64_t last_esr;

/*
 * The global that Debian's arm64 libraries compare their stack guard with; start.c gives it a
 * value.
 */
uintptr_t __stack_chk_guard;
noreturn void __stack_chk_fail(void);

void exception_init(void)
{
	uint64_t pfr0;

	__asm__("mrs %0, id_aa64pfr0_el1" : "=r"(pfr0));
	ras = FIELD_GET(ID_AA64PFR0_RAS, pfr0) != 0;
	__asm__ volatile("msr daifclr, #4\n\tisb\n\tmsr daifset, #4" : : : "memory");
	started = true;
}

/* Go on, out of the read if it was in one. False: it is fatal */
static EARLY bool serror_taken(struct exception_frame *f)
{
	bool guarded = range_inside(f->elr, 4, (uintptr_t)guarded_start, (uintptr_t)guarded_end);

	if (f->vector != EXC_SERROR || (started && serror_judge(f->esr, ras, guarded) == SERROR_FATAL))
		return false;
	last_esr = f->esr;
	serrors++;
	if (guarded) {
		pages_lost++;
		f->elr = (uintptr_t)guarded_fault;
	} else if (serrors - pages_lost >= SERROR_LIMIT) {
		f->spsr |= SPSR_A;
	}
	return true;
}

/*
 * What the CPU's own error records say. Only after an error: firmware may trap them, and not expect
 * anybody to look.
 */
static void print_ras_records(void)
{
	uint64_t record[2];

	for (unsigned i = 0; ras && i < RAS_MAX_RECORDS && !ras_record(i, record); i++)
		if (record[0] & ERR_STATUS_V)
			log_warn("arm64: error record %u: status %#lx address %#lx", i, record[0],
				 record[0] & ERR_STATUS_AV ? record[1] : 0);
}

/* Said from where old memory is read: a page that brings one may have been read in the middle of a line */
void exception_report(void)
{
	unsigned seen = serrors;

	if (seen == reported_serrors)
		return;
	reported_serrors = seen;
	log_warn("arm64: so far %u SError(s), %u page(s) lost to them, the last with ESR %#lx", seen,
		 pages_lost, last_esr);
	print_ras_records();
}

void arch_report(void)
{
	exception_report();
}

/* A data abort on a register: do as if it had been there and read as all ones. */
static EARLY bool make_up_for_mmio(struct exception_frame *f)
{
	uint32_t insn;
	unsigned rt;

	if (f->vector != EXC_SYNC || FIELD_GET(ESR_EC, f->esr) != EC_DATA_ABORT ||
	    !mm_is_mmio(f->far))
		return false;
	if (!range_inside(f->elr, 4, (uintptr_t)__image_start, (uintptr_t)__text_end))
		return false;
	insn = *(const uint32_t *)f->elr;
	if ((insn & INSN_LDST_MASK) != INSN_LDST)
		return false;
	rt = (unsigned)FIELD_GET(INSN_RT, insn);
	if ((insn & INSN_LOAD) && rt < 31)
		f->x[rt] = GENMASK((8u << FIELD_GET(INSN_SIZE, insn)) - 1, 0);
	f->elr += 4;
	return true;
}

static const char *exception_name(const struct exception_frame *f)
{
	static const char kinds[][7] = { "sync", "IRQ", "FIQ", "SError" };

	if (f->vector % 4)
		return kinds[f->vector % 4];
	switch (FIELD_GET(ESR_EC, f->esr)) {
	case EC_UNKNOWN:
		return "undefined instruction";
	case EC_BTI:
		return "branch target";
	case EC_ILLEGAL:
		return "illegal state";
	case EC_INSN_ABORT:
		return "instruction abort";
	case EC_PC_ALIGN:
		return "PC alignment";
	case EC_DATA_ABORT:
		return "data abort";
	case EC_SP_ALIGN:
		return "SP alignment";
	case EC_FP:
		return "FP";
	default:
		return "synchronous exception";
	}
}

/* Addresses in the image are given as in capstub.elf, for addr2line. */
static uint64_t link_address(uint64_t va)
{
	return va - (uintptr_t)__image_start;
}

/* Words on the interrupted stack that look like return addresses: a poor man's backtrace */
static void print_callers(const struct exception_frame *f)
{
	const uint64_t *p = (const uint64_t *)ALIGN_UP(f->sp, 8);
	uint64_t bottom = (uintptr_t)__stack_guard + 4096;
	char line[100];
	int len = 0;

	if (!range_inside(f->sp, 8, bottom, (uintptr_t)__stack_top))
		return;
	for (; p < (const uint64_t *)(uintptr_t)__stack_top && len < 80; p++)
		if (*p > (uintptr_t)__image_start && *p < (uintptr_t)__text_end)
			len += snprintf(line + len, sizeof(line) - len, " %#lx", link_address(*p));
	if (len)
		log_print(LOG_ERR, "  stack:%s", line);
}

static void print_registers(const struct exception_frame *f)
{
	log_print(LOG_ERR, "  vector %lu ESR %#lx FAR %#lx SPSR %#lx", f->vector, f->esr, f->far,
		  f->spsr);
	log_print(LOG_ERR, "  pc %#lx lr %#lx sp %#lx image at %p", link_address(f->elr),
		  link_address(f->x[30]), f->sp, (void *)__image_start);
	for (unsigned i = 0; i < 28; i += 4)
		log_print(LOG_ERR, "  x%-2u %016lx %016lx %016lx %016lx", i, f->x[i],
			  f->x[i + 1], f->x[i + 2], f->x[i + 3]);
}

/*
 * A second exception while reporting the first means that the report cannot be had: reset. A third:
 * the reset code itself faults. Nothing is left then.
 */
EARLY void exception_handle(struct exception_frame *f)
{
	static char what[80];

	if (make_up_for_mmio(f) || serror_taken(f))
		return;
	if (nesting++) {
		if (nesting <= 4)
			arch_reset();
		arch_halt();
	}
	print_registers(f);
	print_callers(f);
	if (f->vector == EXC_SERROR)
		print_ras_records();
	snprintf(what, sizeof(what), "exception: %s at %#lx", exception_name(f),
		 link_address(f->elr));
	stub_exception(f->vector == EXC_SERROR, what);
}

noreturn void __stack_chk_fail(void)
{
	stub_exception(false, "stack smashed");
}
