/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptor tables and exceptions. A fault in one of the accesses of exception.S makes that access
 * return 1; every other exception is printed, handed to stub_exception() and ends in a reset. Intel
 * SDM 3A chapters 6 (exceptions) and 8 (tasks), 3B chapter 16 (machine checks).
 */
/* exception_handle() may return to code that was using SSE registers. */
#pragma GCC target("general-regs-only")

#include <stdio.h>

#include "arch/x86_64/x86.h"
#include "stub/arch.h"
#include "stub/log.h"

/* No interrupt is ever enabled; a stray vector above is a #GP that names it. */
#define NR_VECTORS	32
#define VEC_DB		1
#define VEC_NMI		2
#define VEC_BP		3
#define VEC_DF		8
#define VEC_GP		13
#define VEC_PF		14
#define VEC_MC		18

/* Enough for the frame, the registers and exception_handle(): the report gets the main stack. */
#define IST_SIZE	1024

/* Lowest room below the interrupted stack pointer with which a report still goes there */
#define REPORT_STACK	4096

#define MCG_CAP_COUNT	GENMASK(7, 0)
#define MCG_STATUS_MCIP	BIT(2)
#define MC_STATUS_VAL	BIT(63)
#define MC_STATUS_ADDRV	BIT(58)
#define MC_STATUS_PCC	BIT(57)	/* processor context corrupt */
#define MC_MAX_BANKS	64

#define CPUID1_EDX_MCE	BIT(7)
#define CPUID1_EDX_MCA	BIT(14)

/* What exception.S and the CPU push, lowest address first */
struct exc_regs {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

_Static_assert(sizeof(struct exc_regs) == 22 * 8, "exc_regs: alignment of the call in exception.S");

/* SDM 3A §6.14.1 */
struct idt_gate {
	uint16_t offset0;
	uint16_t selector;
	uint8_t  ist;
	uint8_t  type;
	uint16_t offset16;
	uint32_t offset32;
	uint32_t rsvd12;
};

_Static_assert(sizeof(struct idt_gate) == 16, "idt_gate");

#define GATE_INTERRUPT	0x8e	/* present, DPL 0, 64-bit interrupt gate */

/* SDM 3A §7.7 */
struct tss {
	uint32_t rsvd0;
	uint64_t rsp[3];
	uint64_t rsvd28;
	uint64_t ist[7];	/* IST1 first */
	uint64_t rsvd92;
	uint16_t rsvd100;
	uint16_t iomap_base;
} __attribute__((packed));

_Static_assert(sizeof(struct tss) == 104, "tss");
_Static_assert(offsetof(struct tss, ist) == 36, "tss");

#define GDT_CODE	0x00af9b000000ffffULL	/* present, accessed, code, 64-bit */
#define GDT_DATA	0x00cf93000000ffffULL	/* present, accessed, writable data */
#define GDT_TSS_AVAIL	0x0000890000000000ULL	/* present, available 64-bit TSS */

static uint64_t gdt[5];
static struct tss tss;
static struct idt_gate idt[NR_VECTORS];
static uint8_t ist_stack[3][IST_SIZE] __attribute__((aligned(16)));

/*
 * Banks that already held an error of the dead kernel's: left for the firmware to find, and not
 * blamed on us
 */
static uint64_t mce_old_banks;
static bool mce_present;

static struct exc_regs fatal_regs;
static unsigned nesting;

extern const char exception_entries[], nmi_entry[], mem_fault_fixup[];
extern const int32_t ex_table[], ex_table_end[];

uint64_t exception_handle(struct exc_regs *regs);
noreturn void exception_fatal(void);
noreturn void __stack_chk_fail(void);

static const char *vector_name(uint64_t vector)
{
	static const char names[][4] = {
		"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM",
		"#DF", "?9",  "#TS", "#NP", "#SS", "#GP", "#PF", "?15",
		"#MF", "#AC", "#MC", "#XM", "#VE", "#CP", "?22", "?23",
		"?24", "?25", "?26", "?27", "#HV", "#VC", "#SX", "?31",
	};

	return vector < ARRAY_SIZE(names) ? names[vector] : "?";
}

static void idt_set(unsigned vector, const void *entry, unsigned ist)
{
	uint64_t addr = (uintptr_t)entry;

	idt[vector] = (struct idt_gate) {
		.offset0 = (uint16_t)addr,
		.selector = SEL_CODE,
		.ist = (uint8_t)ist,
		.type = GATE_INTERRUPT,
		.offset16 = (uint16_t)(addr >> 16),
		.offset32 = (uint32_t)(addr >> 32),
	};
}

static void load_gdt(void)
{
	uint64_t base = (uintptr_t)&tss;
	struct desc_ptr ptr = { sizeof(gdt) - 1, (uintptr_t)gdt };

	gdt[SEL_CODE / 8] = GDT_CODE;
	gdt[SEL_DATA / 8] = GDT_DATA;
	gdt[SEL_TSS / 8] = GDT_TSS_AVAIL | FIELD_PREP(GENMASK(15, 0), sizeof(tss) - 1) |
			   FIELD_PREP(GENMASK(39, 16), base & GENMASK(23, 0)) |
			   FIELD_PREP(GENMASK(63, 56), (base >> 24) & 0xff);
	gdt[SEL_TSS / 8 + 1] = base >> 32;

	/*
	 * A far return loads CS. Loading a null selector into FS or GS would clear FS_BASE on
	 * Intel: FS stays as it is.
	 */
	__asm__ volatile(
		"lgdt	%0\n\t"
		"pushq	%1\n\t"
		"leaq	1f(%%rip), %%rax\n\t"
		"pushq	%%rax\n\t"
		"lretq\n"
		"1:	movl	%2, %%eax\n\t"
		"movl	%%eax, %%ds\n\t"
		"movl	%%eax, %%es\n\t"
		"movl	%%eax, %%ss\n\t"
		"ltr	%w3"
		: : "m"(ptr), "i"(SEL_CODE), "i"(SEL_DATA), "r"(SEL_TSS) : "rax", "memory");
}

/* Number of machine-check banks; 0 without machine-check architecture */
static unsigned mce_banks(void)
{
	uint64_t cap;

	if (!mce_present || rdmsr_safe(MSR_IA32_MCG_CAP, &cap))
		return 0;
	return min_u64(FIELD_GET(MCG_CAP_COUNT, cap), MC_MAX_BANKS);
}

/* Status of bank @i when it holds an error that is not an old one, else 0 */
static uint64_t mce_new_error(unsigned i)
{
	uint64_t status;

	if ((mce_old_banks & BIT(i)) || rdmsr_safe(MSR_IA32_MC0_STATUS + 4 * i, &status))
		return 0;
	return status & MC_STATUS_VAL ? status : 0;
}

/*
 * SDM 3B §16.8: remember stale banks, end a machine check that the dead kernel was still in, then
 * enable.
 */
static void machine_check_init(void)
{
	uint32_t edx = cpuid(1).edx;
	uint64_t old = 0;
	unsigned i;

	if (!(edx & CPUID1_EDX_MCE))
		return;
	if (edx & CPUID1_EDX_MCA) {
		mce_present = true;
		for (i = 0; i < mce_banks(); i++)
			if (mce_new_error(i))
				old |= BIT(i);
		mce_old_banks = old;
		wrmsr(MSR_IA32_MCG_STATUS, 0);
	}
	__asm__ volatile("mov %0, %%cr4" : : "r"(read_cr4() | CR4_MCE) : "memory");
}

void exception_init(void)
{
	struct desc_ptr ptr = { sizeof(idt) - 1, (uintptr_t)idt };
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(ist_stack); i++)
		tss.ist[i] = (uintptr_t)ist_stack[i] + IST_SIZE;
	tss.iomap_base = sizeof(tss);
	load_gdt();

	for (i = 0; i < NR_VECTORS; i++)
		idt_set(i, exception_entries + 16 * i, 0);
	idt_set(VEC_DF, exception_entries + 16 * VEC_DF, IST_DF);
	idt_set(VEC_MC, exception_entries + 16 * VEC_MC, IST_MC);
	idt_set(VEC_NMI, nmi_entry, IST_NMI);
	lidt(&ptr);
	machine_check_init();
}

/* Is @rip inside an access that may fault? */
static bool recoverable(uint64_t rip)
{
	const int32_t *e;

	for (e = ex_table; e < ex_table_end; e += 2) {
		uint64_t start = (uintptr_t)&e[0] + e[0], end = (uintptr_t)&e[1] + e[1];

		if (rip >= start && rip < end)
			return true;
	}
	return false;
}

/*
 * A machine check inside a read of old memory: poison. Consumed data is all that was lost unless a
 * bank says that the processor context is corrupt. Clear what was reported, or the next one is a
 * shutdown. Returns whether we may go on; if not, the banks stay for the report and for the
 * firmware.
 */
static bool machine_check_recover(void)
{
	unsigned n = mce_banks(), i;

	for (i = 0; i < n; i++)
		if (mce_new_error(i) & MC_STATUS_PCC)
			return false;
	if (!n)
		return false;
	for (i = 0; i < n; i++)
		if (mce_new_error(i))
			wrmsr(MSR_IA32_MC0_STATUS + 4 * i, 0);
	wrmsr(MSR_IA32_MCG_STATUS, 0);
	return true;
}

/*
 * Called by exception.S. Returns 0 to resume at regs->rip, else the stack pointer on which
 * exception_fatal() is to run. A second exception while reporting the first means that the report
 * cannot be had: reset. A third: the reset code itself faults, so shut the CPU down.
 */
uint64_t exception_handle(struct exc_regs *regs)
{
	bool access = regs->vector == VEC_PF || regs->vector == VEC_GP || regs->vector == VEC_MC;
	bool on_ist = regs->vector == VEC_DF || regs->vector == VEC_MC;

	if (access && recoverable(regs->rip) &&
	    (regs->vector != VEC_MC || machine_check_recover())) {
		regs->rip = (uintptr_t)mem_fault_fixup;
		return 0;
	}
	if (nesting++) {
		if (nesting == 2)
			arch_reset();
		reset_triple_fault();
	}
	fatal_regs = *regs;

	/*
	 * A double fault is a stack overflow: begin a new stack. Else go on below the interrupted
	 * code's.
	 */
	if (!range_inside(regs->rsp, 0, (uintptr_t)__stack_bottom + REPORT_STACK,
			  (uintptr_t)__stack_top))
		return (uintptr_t)__stack_top;
	return on_ist ? regs->rsp : (uintptr_t)regs;
}

/* The address in capstub.elf, for addr2line; what lies outside the image stays as it is. */
static uint64_t link_address(uint64_t va)
{
	if (!range_inside(va, 0, (uintptr_t)__image_start, (uintptr_t)__image_end))
		return va;
	return va - (uintptr_t)__image_start + IMAGE_LINK_BASE;
}

/*
 * Words on the interrupted stack that look like return addresses: a poor man's backtrace, for
 * addr2line.
 */
static void print_callers(const struct exc_regs *regs)
{
	const uint64_t *p = (const uint64_t *)ALIGN_UP(regs->rsp, 8);
	char line[100];
	int len = 0;

	if (!range_inside(regs->rsp, 8, (uintptr_t)__stack_bottom, (uintptr_t)__stack_top))
		return;
	for (; p < (const uint64_t *)__stack_top && len < 80; p++)
		if (*p > (uintptr_t)__image_start && *p < (uintptr_t)__text_end)
			len += snprintf(line + len, sizeof(line) - len, " %#lx", link_address(*p));
	if (len)
		log_print(LOG_ERR, "  stack:%s", line);
}

static void print_machine_check(void)
{
	uint64_t status, addr = 0;
	unsigned i;

	for (i = 0; i < mce_banks(); i++) {
		status = mce_new_error(i);
		if (!status)
			continue;
		if (status & MC_STATUS_ADDRV)
			(void)rdmsr_safe(MSR_IA32_MC0_ADDR + 4 * i, &addr);
		log_print(LOG_ERR, "  machine check bank %u: status %#lx address %#lx", i, status,
			  addr);
	}
}

static void print_four(const char *a, uint64_t va, const char *b, uint64_t vb, const char *c,
		       uint64_t vc, const char *d, uint64_t vd)
{
	log_print(LOG_ERR, "  %s %016lx %s %016lx %s %016lx %s %016lx", a, va, b, vb, c, vc, d, vd);
}

/* Print and hand over to the stub. Addresses in the image are given as in capstub.elf. */
noreturn void exception_fatal(void)
{
	const struct exc_regs *r = &fatal_regs;
	const char *name = vector_name(r->vector);
	static char what[64];

	snprintf(what, sizeof(what), "exception %s at %#lx", name, link_address(r->rip));
	log_print(LOG_ERR, "x86: exception %s (vector %lu, error %#lx) at capstub.elf address %#lx",
		  name, r->vector, r->error, link_address(r->rip));
	log_print(LOG_ERR, "  rip %016lx rflags %08lx cs %04lx cr2 %016lx nmi %u", r->rip,
		  r->rflags, r->cs, read_cr2(), nmi_count);
	print_four("rax", r->rax, "rbx", r->rbx, "rcx", r->rcx, "rdx", r->rdx);
	print_four("rsi", r->rsi, "rdi", r->rdi, "rbp", r->rbp, "rsp", r->rsp);
	print_four("r8 ", r->r8, "r9 ", r->r9, "r10", r->r10, "r11", r->r11);
	print_four("r12", r->r12, "r13", r->r13, "r14", r->r14, "r15", r->r15);
	if (r->vector == VEC_MC)
		print_machine_check();
	print_callers(r);
	stub_exception(what);
}

/* GCC calls it when a function finds its guard overwritten. */
noreturn void __stack_chk_fail(void)
{
	static char what[64];

	snprintf(what, sizeof(what), "stack smashed in the function at %#lx",
		 link_address((uintptr_t)__builtin_return_address(0)));
	stub_exception(what);
}
