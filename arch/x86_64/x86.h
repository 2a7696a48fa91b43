/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to arch/x86_64: privileged instructions, the few architectural constants, and what its
 * files offer each other. Names as in the Intel SDM (vol. 3A and 4) and the AMD APM (vol. 2).
 */
#ifndef ARCH_X86_H
#define ARCH_X86_H

#define CR0_MP		0x00000002
#define CR0_EM		0x00000004
#define CR0_TS		0x00000008
#define CR0_NE		0x00000020
#define CR0_WP		0x00010000
#define CR0_AM		0x00040000
#define CR0_NW		0x20000000
#define CR0_CD		0x40000000

#define CR4_PAE		0x00000020
#define CR4_MCE		0x00000040
#define CR4_OSFXSR	0x00000200
#define CR4_OSXMMEXCPT	0x00000400
#define CR4_LA57	0x00001000
#define CR4_VMXE	0x00002000

#define MSR_IA32_MCG_CAP	0x00000179
#define MSR_IA32_MCG_STATUS	0x0000017a
#define MSR_IA32_MC0_CTL	0x00000400	/* bank n: + 4 n */
#define MSR_AMD_MCA0_CTL	0xc0002000	/* bank n: + 16 n; APM 2 §9.3.2 */
#define MSR_HV_TSC_FREQUENCY	0x40000022	/* Hyper-V TLFS §12.3 */
#define MSR_EFER		0xc0000080
#define MSR_FS_BASE		0xc0000100
#define MSR_AMD_SYSCFG		0xc0010010
#define MSR_AMD_SEV_STATUS	0xc0010131

/* MXCSR after reset: every SIMD floating-point exception masked */
#define MXCSR_DEFAULT	0x1f80

/* Selectors in our GDT */
#define SEL_CODE	0x08
#define SEL_DATA	0x10
#define SEL_TSS		0x18

/* Entries of the exception table that read memory, before those that do not */
#define EX_NR_READS	2

/* Vectors with a stack of their own: their IST numbers */
#define IST_DF		1
#define IST_NMI		2
#define IST_MC		3

/*
 * First address of the image in capstub.elf, so that printed addresses suit addr2line
 * (linker/x86_64.ld)
 */
#define IMAGE_LINK_BASE	0x1000

#ifndef __ASSEMBLY__

#include <stdnoreturn.h>

#include "stub/bits.h"

struct boot_info;

/* What linker/x86_64.ld defines; only the addresses mean anything. */
extern char __image_start[], __text_end[], __rodata_start[], __rodata_end[], __data_load[];
extern char __data_start[], __data_end[];
extern char __stack_bottom[], __stack_top[], __image_end[];

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid_regs cpuid(uint32_t leaf)
{
	struct cpuid_regs r;

	__asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(0));
	return r;
}

static inline uint64_t read_cr2(void)
{
	uint64_t v;

	__asm__ volatile("mov %%cr2, %0" : "=r"(v));
	return v;
}

static inline uint64_t read_cr4(void)
{
	uint64_t v;

	__asm__ volatile("mov %%cr4, %0" : "=r"(v));
	return v;
}

static inline uint64_t read_cr3(void)
{
	uint64_t v;

	__asm__ volatile("mov %%cr3, %0" : "=r"(v));
	return v;
}

static inline void write_cr3(uint64_t v)
{
	__asm__ volatile("mov %0, %%cr3" : : "r"(v) : "memory");
}

static inline void invlpg(const void *va)
{
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

/* Operand of LIDT and LGDT */
struct desc_ptr {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

static inline void lidt(const struct desc_ptr *p)
{
	__asm__ volatile("lidt %0" : : "m"(*p));
}

/* head.S → start.c */
bool image_intact(void);
noreturn void x86_start(phys_addr_t boot_params, bool intact);

/* exception.c: GDT, TSS, IDT; machine checks on */
void exception_init(void);
/* NMIs seen so far (exception.S) */
extern uint32_t nmi_count;
/* Machine checks and NMIs that nobody has reported yet are; costs nothing when there are none */
void exception_report(void);

/* mm.c: own page tables. Exceptions work already. */
void mm_init(void);
/* The page that arch_read_mem() or arch_mem_is_zero() is, or was last, reading */
phys_addr_t mm_page_read(void);
/* "SME", "SEV" or NULL: memory encryption that the stub sees through only in part */
const char *mm_encryption(void);

/* time.c */
void time_init(void);
uint32_t time_tsc_khz(void);
const char *time_source(void);

/* reset.c: what arch_reset() tries first. Kept by pointer. */
void reset_init(const struct boot_info *bi);
/* No IDT and an exception: the CPU shuts down, the chipset resets. Returns never. */
noreturn void reset_triple_fault(void);

/*
 * exception.S: accesses that may fault (#PF, #GP, #MC). 0, or 1 when they did.
 * mem_copy_safe: what was copied up to the fault stays in @dst.
 * mem_scan_safe: @len is a multiple of 8, *@ret_nonzero is set to 1 when a set bit was found.
 */
int mem_copy_safe(void *dst, const void *src, size_t len);
int mem_scan_safe(const void *src, size_t len, uint32_t *ret_nonzero);
int rdmsr_safe(uint32_t msr, uint64_t *ret_value);

#endif
#endif
