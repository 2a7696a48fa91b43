/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptor tables and exceptions. A fault in one of the accesses of exception.S makes that access
 * return 1; of a machine check mce.c says what follows from it; every other exception is printed, handed
 * to stub_exception() and ends in a reset. Intel SDM 3A chapters 6 (exceptions) and 8 (tasks), 3B
 * chapter 16 (machine checks).
 */
/* exception_handle() may return to code that was using SSE registers. */
#pragma GCC target("general-regs-only")

#include <stdio.h>

#include "arch/x86_64/mce.h"
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

/*
 * Enough for the frame, the registers and exception_handle(), and a #GP in the middle of it
 * (rdmsr_safe()): the report gets the main stack.
 */
#define IST_SIZE	1024

/* Lowest room below the interrupted stack pointer with which a report still goes there */
#define REPORT_STACK	4096

#define MC_MAX_BANKS	32	/* where the next registers begin; AMD has room for 64 of its own kind */
#define MC_MAX_NOTED	4

/* A bank's registers, from its first on */
#define MC_STATUS	1
#define MC_ADDR		2
#define MC_MISC		3

#define CPUID1_EDX_MCE	BIT(7)
#define CPUID1_EDX_MCA	BIT(14)
#define CPUID_AMD_OVERFLOW_RECOV BIT(0)	/* 0x80000007 EBX */
#define CPUID_AMD_SMCA	BIT(3)
#define VENDOR_AMD	0x444d4163	/* "cAMD", CPUID 0 ECX */
#define VENDOR_HYGON	0x656e6975	/* "uine" */

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

static bool mce_present, mce_amd, mce_smca, mce_overflow_recov;

/* What has happened and was gone on from; exception_report() says it when it can be said */
static struct {
	unsigned bank;
	struct mce_bank is;
} noted[MC_MAX_NOTED];
static unsigned nr_noted;		/* banks emptied; only the first have a place in noted */
static unsigned checks, pages_lost;	/* exceptions, and those that cost the page being read */
static unsigned reported_banks, reported_checks, reported_nmis;

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
	return (unsigned)min_u64(FIELD_GET(MCG_CAP_COUNT, cap), mce_smca ? 2 * MC_MAX_BANKS : MC_MAX_BANKS);
}

static uint32_t mce_msr(unsigned i, unsigned reg)
{
	return mce_smca ? MSR_AMD_MCA0_CTL + 16 * i + reg : MSR_IA32_MC0_CTL + 4 * i + reg;
}

/* What bank @i holds; status 0 for nothing */
static void mce_read(unsigned i, struct mce_bank *b)
{
	*b = (struct mce_bank){ 0 };
	if (rdmsr_safe(mce_msr(i, MC_STATUS), &b->status) || !(b->status & MC_STATUS_VAL))
		b->status = 0;
	if (b->status & MC_STATUS_ADDRV)
		(void)rdmsr_safe(mce_msr(i, MC_ADDR), &b->addr);
	if (b->status & MC_STATUS_MISCV)
		(void)rdmsr_safe(mce_msr(i, MC_MISC), &b->misc);
}

/*
 * Note what the banks hold and empty them: an error that finds its bank taken is lost, and that something
 * was lost makes a page that cannot be read the end of the dump (mce.c).
 */
static void mce_empty_banks(void)
{
	struct mce_bank b;

	for (unsigned i = 0; i < mce_banks(); i++) {
		mce_read(i, &b);
		if (!b.status)
			continue;
		if (nr_noted < MC_MAX_NOTED) {
			noted[nr_noted].bank = i;
			noted[nr_noted].is = b;
		}
		nr_noted++;
		wrmsr(mce_msr(i, MC_STATUS), 0);
	}
}

/*
 * SDM 3B §16.8: empty the banks, end a machine check that the dead kernel was still in, then enable.
 * What killed the dead kernel is in its own log; what the banks say of it is noted for ours.
 */
static void machine_check_init(void)
{
	uint32_t edx = cpuid(1).edx, vendor = cpuid(0).ecx, ebx;

	if (!(edx & CPUID1_EDX_MCE))
		return;
	if (edx & CPUID1_EDX_MCA) {
		mce_present = true;
		mce_amd = vendor == VENDOR_AMD || vendor == VENDOR_HYGON;
		if (mce_amd && cpuid(0x80000000).eax >= 0x80000007) {
			ebx = cpuid(0x80000007).ebx;
			mce_overflow_recov = ebx & CPUID_AMD_OVERFLOW_RECOV;
			mce_smca = ebx & CPUID_AMD_SMCA;
		}
		mce_empty_banks();
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

/* Is @rip inside an access that may fault? Its number in the table, from 1 on; 0: no */
static unsigned guarded(uint64_t rip)
{
	const int32_t *e;

	for (e = ex_table; e < ex_table_end; e += 2) {
		uint64_t start = (uintptr_t)&e[0] + e[0], end = (uintptr_t)&e[1] + e[1];

		if (rip >= start && rip < end)
			return (unsigned)(e - ex_table) / 2 + 1;
	}
	return 0;
}

/*
 * Judge, and clear all that was reported unless it is fatal: then the banks stay for the report and for
 * the firmware. MCG_STATUS comes last, because until then a second machine check shuts the CPU down; one
 * between here and the IRET would find its stack in use.
 */
static enum mce_verdict machine_check(uint64_t rip)
{
	unsigned n = mce_banks(), access = guarded(rip);
	struct mce_event e = {
		.amd = mce_amd,
		.overflow_recov = mce_overflow_recov,
		.reading = access && access <= EX_NR_READS,
		.pa = mm_page_read(),
	};
	enum mce_verdict worst = MCE_NONE, v;
	struct mce_bank b;

	if (!n || rdmsr_safe(MSR_IA32_MCG_CAP, &e.cap) || rdmsr_safe(MSR_IA32_MCG_STATUS, &e.status))
		return MCE_FATAL;
	for (unsigned i = 0; i < n; i++) {
		mce_read(i, &b);
		v = mce_judge(&e, &b);
		worst = v > worst ? v : worst;
	}
	worst = mce_conclude(&e, worst);
	if (worst == MCE_FATAL)
		return worst;
	checks++;
	pages_lost += worst == MCE_PAGE_LOST;
	mce_empty_banks();
	wrmsr(MSR_IA32_MCG_STATUS, 0);
	return worst;
}

/* Is there room for a report below the interrupted code's stack pointer? */
static bool stack_usable(uint64_t rsp)
{
	return range_inside(rsp, 0, (uintptr_t)__stack_bottom + REPORT_STACK, (uintptr_t)__stack_top);
}

/*
 * Called by exception.S. Returns 0 to resume at regs->rip, else the stack pointer on which
 * exception_fatal() is to run. A second exception while reporting the first means that the report
 * cannot be had: reset. A third: the reset code itself faults, so shut the CPU down.
 */
uint64_t exception_handle(struct exc_regs *regs)
{
	bool fault = regs->vector == VEC_PF || regs->vector == VEC_GP;
	bool on_ist = regs->vector == VEC_DF || regs->vector == VEC_MC;
	enum mce_verdict mce = regs->vector == VEC_MC ? machine_check(regs->rip) : MCE_FATAL;

	if ((fault && guarded(regs->rip)) || mce == MCE_PAGE_LOST) {
		regs->rip = (uintptr_t)mem_fault_fixup;
		return 0;
	}
	if (mce != MCE_FATAL)
		return 0;
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
	if (!stack_usable(regs->rsp))
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

static void print_bank(enum log_level level, unsigned i, const struct mce_bank *b)
{
	log_print(level, "x86: machine check bank %u: status %#lx address %#lx misc %#lx", i, b->status,
		  b->addr, b->misc);
}

/*
 * What stays in the banks when it cannot be gone on from: from here on they are the firmware's. Another one
 * is not to cut the rest short.
 */
static void print_machine_check(void)
{
	uint64_t status = 0;
	struct mce_bank b;

	(void)rdmsr_safe(MSR_IA32_MCG_STATUS, &status);
	log_print(LOG_ERR, "  MCG_STATUS %#lx", status);
	for (unsigned i = 0; i < mce_banks(); i++) {
		mce_read(i, &b);
		if (b.status)
			print_bank(LOG_ERR, i, &b);
	}
	if (mce_present)
		wrmsr(MSR_IA32_MCG_STATUS, 0);
	mce_present = false;
}

/*
 * Said from where old memory is read, because the exception itself may have come in the middle of a line.
 * An NMI is a watchdog's, the management controller's, or the one whose panic started us: nothing to do.
 */
void exception_report(void)
{
	unsigned nmis = nmi_count, seen = checks, banks = nr_noted, first = reported_banks;

	if (nmis == reported_nmis && seen == reported_checks && banks == first)
		return;
	reported_nmis = nmis;
	reported_checks = seen;
	reported_banks = banks;
	for (unsigned i = first; i < banks && i < MC_MAX_NOTED; i++)
		print_bank(LOG_WARN, noted[i].bank, &noted[i].is);
	log_warn("x86: so far %u machine check(s) survived, %u page(s) lost to them, %u bank(s) emptied, %u NMI(s)",
		 seen, pages_lost, banks, nmis);
}

/*
 * Corrected errors come by an interrupt that nobody takes. They have to go all the same: an error that is
 * met later in a bank with one of them counts as one of several, and then it is fatal (SDM 3B table 16-8).
 */
void arch_report(void)
{
	mce_empty_banks();
	exception_report();
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
	stub_exception(r->vector == VEC_MC && stack_usable(r->rsp), what);
}

/* GCC calls it when a function finds its guard overwritten. */
noreturn void __stack_chk_fail(void)
{
	static char what[64];

	snprintf(what, sizeof(what), "stack smashed in the function at %#lx",
		 link_address((uintptr_t)__builtin_return_address(0)));
	stub_exception(false, what);
}
