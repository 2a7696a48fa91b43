/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Image header and entry. Linux Documentation/arm64/booting.rst: x0 is the device tree, MMU and
 * caches are off, interrupts masked, at EL1 or EL2. kexec keeps that, and leaves HCR_EL2.E2H set
 * where the dead kernel ran at EL2 itself.
 *
 * From EL2 the stub goes down to EL1, so that one path follows: neither the register names nor the
 * page table format of EL2 matter after drop_to_el1. Firmware calls by SMC still reach EL3.
 */
#include "arch/arm64/arm64.h"

	.arch	armv8-a

#define HCR_RW			(1 << 31)	/* EL1 is AArch64 */
#define HCR_E2H_BIT		34
#define SPSR_EL1H_MASKED	0x3c5		/* EL1, SP_EL1, D A I F masked */

/* CPTR_EL2 and CNTHCTL_EL2 have another layout when HCR_EL2.E2H is set */
#define CPTR_NVHE_FP_ON		0x33ff		/* RES1 bits; FP untrapped, SVE trapped */
#define CPTR_VHE_FP_ON		(3 << 20)	/* FPEN */
#define CNTHCTL_NVHE_ALL	3		/* EL1PCTEN, EL1PCEN: the EL1 timers do not trap */
#define CNTHCTL_VHE_ALL		(3 << 10)
#define MDCR_HPMN		0x1f		/* EL2's event counters: kept, 0 is not allowed */

/* Registers that the assembler does not know by name in plain ARMv8.0 */
#define SCTLR_EL12		S3_5_C1_C0_0
#define HCRX_EL2		S3_4_C1_C2_2
#define HFGRTR_EL2		S3_4_C1_C1_4
#define HFGWTR_EL2		S3_4_C1_C1_5
#define HFGITR_EL2		S3_4_C1_C1_6
#define HDFGRTR_EL2		S3_4_C3_C1_4
#define HDFGWTR_EL2		S3_4_C3_C1_5
#define ID_AA64MMFR3_EL1	S3_0_C0_C7_3
#define TCR2_EL1		S3_0_C2_C0_3
#define SCTLR2_EL1		S3_0_C1_C0_3

#define SCTLR_RES1		0x30d00800	/* LSMAOE nTLSMD SPAN EIS TSCXT EOS, as v8.0 */
#define SCTLR_M			(1 << 0)
#define SCTLR_C			(1 << 2)
#define SCTLR_SA		(1 << 3)	/* a misaligned stack pointer faults */
#define SCTLR_I			(1 << 12)
#define SCTLR_WXN		(1 << 19)	/* what is writable cannot be executed */
#define SCTLR_MMU_OFF		(SCTLR_RES1 | SCTLR_I)
#define SCTLR_MMU_ON		(SCTLR_RES1 | SCTLR_I | SCTLR_M | SCTLR_C | SCTLR_SA | SCTLR_WXN)

#define CPACR_FPEN		(3 << 20)

	.macro	address reg, symbol
	adrp	\reg, \symbol
	add	\reg, \reg, :lo12:\symbol
	.endm

	.macro	load32 reg, value
	movz	\reg, #(\value) & 0xffff
	movk	\reg, #((\value) >> 16) & 0xffff, lsl #16
	.endm

	.section .head, "ax"
	ccmp	x18, #0, #0xd, pl	/* changes nothing but flags; its encoding begins with "MZ" */
	b	_start

	.section .text.entry, "ax"
	.global	_start
_start:
	msr	daifset, #0xf
	mov	x19, x0
	/*
	 * Whatever the caches hold of the image goes to memory now, not over what is written there
	 * next.
	 */
	address	x0, __image_start
	address	x1, __image_end
	bl	flush_range

	mrs	x20, CurrentEL
	ubfx	x20, x20, #2, #2
	cmp	x20, #2
	b.ne	1f
	bl	drop_to_el1
1:
	bl	cpu_init
	address	x0, __stack_top
	mov	sp, x0

	/* 32 KiB: the rest of what must be zero waits until the caches are on */
	address	x0, __page_tables
	address	x1, __page_tables_end
2:	stp	xzr, xzr, [x0], #16
	cmp	x0, x1
	b.lo	2b

	address	x0, __image_start
	bl	mm_build		/* returns TCR_EL1, 0: impossible here */
	cbz	x0, early_stop
	mov	x21, x0
	bl	mmu_on

	mov	x0, x19
	mov	x1, x20
	bl	arm64_start		/* does not return */

/* No page tables, so nobody to tell: firmware is asked to reset the machine, both ways. */
early_stop:
	load32	w0, PSCI_SYSTEM_RESET
	bl	psci_hvc
	load32	w0, PSCI_SYSTEM_RESET
	bl	psci_smc
3:	wfi
	b	3b

/*
 * Data cache lines of [x0, x1): write back and drop. The line size is that of the smallest cache
 * (CTR_EL0.DminLine, log2 of words). Uses x2-x3.
 */
flush_range:
	mrs	x2, ctr_el0
	ubfx	x2, x2, #16, #4
	mov	x3, #4
	lsl	x2, x3, x2
	sub	x3, x2, #1
	bic	x0, x0, x3
4:	dc	civac, x0
	add	x0, x0, x2
	cmp	x0, x1
	b.lo	4b
	dsb	sy
	ret

/*
 * From EL2 to EL1: stage 2 off, no traps, physical and virtual time the same. The dead kernel may
 * have been running a guest on this CPU, so nothing of EL1's and EL2's state is taken as it is.
 */
drop_to_el1:
	msr	cntv_ctl_el0, xzr	/* the host's own timers, whatever E2H makes of them */
	msr	cntp_ctl_el0, xzr
	mov	x0, #HCR_RW
	msr	hcr_el2, x0
	isb

	load32	w3, SCTLR_MMU_OFF
	mrs	x0, hcr_el2
	tbnz	x0, #HCR_E2H_BIT, 5f
	msr	sctlr_el1, x3
	mov	x1, #CPTR_NVHE_FP_ON
	mov	x2, #CNTHCTL_NVHE_ALL
	b	6f
5:	msr	SCTLR_EL12, x3		/* some CPUs fix E2H to 1: sctlr_el1 is EL2's then */
	mov	x1, #CPTR_VHE_FP_ON
	mov	x2, #CNTHCTL_VHE_ALL
6:	msr	cptr_el2, x1
	msr	cnthctl_el2, x2
	msr	cntvoff_el2, xzr
	msr	vttbr_el2, xzr
	msr	hstr_el2, xzr
	mrs	x0, mdcr_el2
	and	x0, x0, #MDCR_HPMN
	msr	mdcr_el2, x0
	mrs	x0, midr_el1
	msr	vpidr_el2, x0
	mrs	x0, mpidr_el1
	msr	vmpidr_el2, x0

	/*
	 * Fine-grained traps (FEAT_FGT) and the later extensions' enables (FEAT_HCX), where they
	 * exist
	 */
	mrs	x0, id_aa64mmfr0_el1
	ubfx	x0, x0, #56, #4
	cbz	x0, 7f
	msr	HFGRTR_EL2, xzr
	msr	HFGWTR_EL2, xzr
	msr	HFGITR_EL2, xzr
	msr	HDFGRTR_EL2, xzr
	msr	HDFGWTR_EL2, xzr
7:	mrs	x0, id_aa64mmfr1_el1
	ubfx	x0, x0, #40, #4
	cbz	x0, 8f
	msr	HCRX_EL2, xzr		/* TCR2_EL1 and SCTLR2_EL1 count as 0 then */
8:
	address	x0, vectors
	msr	vbar_el2, x0
	dsb	nshst
	tlbi	alle1
	dsb	nsh

	mov	x0, #SPSR_EL1H_MASKED
	msr	spsr_el2, x0
	msr	elr_el2, x30
	isb
	eret

/*
 * EL1's own registers, all that matter here, whatever the dead kernel left in them. x20: the EL of
 * entry
 */
cpu_init:
	ic	iallu
	dsb	nsh
	load32	w0, SCTLR_MMU_OFF
	msr	sctlr_el1, x0
	cmp	x20, #1
	b.ne	9f
	/* Permission indirection and the like would change what the page tables mean. */
	mrs	x0, ID_AA64MMFR3_EL1
	tst	x0, #0xf		/* TCRX */
	b.eq	10f
	msr	TCR2_EL1, xzr
10:	tst	x0, #0xf0		/* SCTLRX */
	b.eq	11f
	msr	SCTLR2_EL1, xzr
	b	11f
9:	msr	cntp_ctl_el0, xzr	/* not at EL1: a hypervisor may trap it */
11:	msr	cntv_ctl_el0, xzr
	mov	x0, #CPACR_FPEN
	msr	cpacr_el1, x0
	msr	mdscr_el1, xzr		/* no breakpoints, no single step */
	msr	contextidr_el1, xzr
	address	x0, vectors
	msr	vbar_el1, x0
	msr	spsel, #1
	isb
	ret

/*
 * Page tables and stack were written past the caches. Lines of them that the caches still hold are
 * stale and must be gone before the first cacheable access. x21: TCR_EL1
 */
mmu_on:
	mov	x22, x30
	address	x0, __bss_start
	address	x1, __image_end
	bl	flush_range
	tlbi	vmalle1
	dsb	nsh
	mov	x0, #MAIR_VALUE
	msr	mair_el1, x0
	msr	amair_el1, xzr
	msr	tcr_el1, x21
	address	x0, __page_tables
	msr	ttbr0_el1, x0
	add	x0, x0, #4096
	msr	ttbr1_el1, x0
	isb
	load32	w0, SCTLR_MMU_ON
	msr	sctlr_el1, x0
	isb
	ic	iallu
	dsb	nsh
	isb
	ret	x22
