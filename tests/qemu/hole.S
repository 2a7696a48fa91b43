/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that cannot be read, for tests: an arm64 Image that stands before the stub's.
 *
 * kexec enters it at EL2. It sets up a stage 2 translation in which everything is where it is, but
 * the pages from HOLE on are missing, raises an SError, and goes down to EL1 into the stub's image
 * 2 MiB behind its own. When the stub touches the hole, EL2 does what a machine with failing memory
 * does: for an even page the read is answered with a synchronous external abort, for an odd one it
 * seems to work and an SError follows.
 *
 * Assembled with -DHOLE=address -DHOLE_PAGES=n; the hole lies within one 2-MiB block of the second
 * GiB.
 */
	.arch	armv8-a

#define GIB		(HOLE >> 30)
#define HCR_RW		(1 << 31)
#define HCR_VSE		(1 << 8)	/* a virtual SError is pending; taking it clears the bit */
#define HCR_AMO		(1 << 5)	/* SErrors are EL2's to give */
#define HCR_VM		(1 << 0)
#define VTCR		0x80023559	/* 39 bits from level 1, 40-bit output, 4 KiB */
#define S2_BLOCK	0x7fd		/* write-back, read-write, inner shareable, accessed */
#define S2_PAGE		0x7ff
#define S2_TABLE	3
#define STUB_AT		0x200000

	.text
head:
	b	start
	.long	0
	.quad	0, 0x400000, 0xa, 0, 0, 0	/* 4 MiB in all */
	.long	0x644d5241, 0

	.balign	2048
vectors:
	.rept	16
	.balign	128
	b	fault
	.endr

fault:
	stp	x0, x1, [sp, #-16]!
	mrs	x0, esr_el2
	lsr	x0, x0, #26
	cmp	x0, #0x24			/* data abort from EL1 */
	b.ne	2f
	mrs	x0, hpfar_el2			/* page number in bits 39:4 */
	tbnz	x0, #4, 1f
	/* Even: a synchronous external abort, as EL1 would have taken it */
	mov	x0, #0x96000000
	orr	x0, x0, #0x10
	msr	esr_el1, x0
	mrs	x0, far_el2
	msr	far_el1, x0
	mrs	x0, elr_el2
	msr	elr_el1, x0
	mrs	x0, spsr_el2
	msr	spsr_el1, x0
	mrs	x0, vbar_el1
	add	x0, x0, #0x200
	msr	elr_el2, x0
	mov	x0, #0x3c5
	msr	spsr_el2, x0
	b	2f
1:	/* Odd: go on behind the load; the SError is taken as soon as EL1 allows */
	mrs	x0, hcr_el2
	orr	x0, x0, #HCR_VSE
	msr	hcr_el2, x0
	mrs	x0, elr_el2
	add	x0, x0, #4
	msr	elr_el2, x0
2:	ldp	x0, x1, [sp], #16
	eret

start:
	msr	daifset, #0xf
	mov	x20, x0
	adr	x1, vectors
	msr	vbar_el2, x1
	adr	x1, stack
	mov	sp, x1

	/* Level 1: 512 blocks of 1 GiB; the hole's GiB by level 2, its 2 MiB by level 3 */
	adr	x0, level1
	mov	x2, #0
	mov	x3, #30
	mov	x4, #S2_BLOCK
	bl	fill
	adr	x1, level2
	orr	x1, x1, #S2_TABLE
	str	x1, [x0, #(GIB * 8)]
	adr	x0, level2
	mov	x2, #GIB << 30
	mov	x3, #21
	bl	fill
	adr	x1, level3
	orr	x1, x1, #S2_TABLE
	str	x1, [x0, #((HOLE >> 21 & 511) * 8)]
	adr	x0, level3
	ldr	x2, =(HOLE & ~0x1fffff)
	mov	x3, #12
	mov	x4, #S2_PAGE
	bl	fill
	add	x0, x0, #((HOLE >> 12 & 511) * 8)
	mov	x1, #HOLE_PAGES
3:	str	xzr, [x0], #8
	subs	x1, x1, #1
	b.ne	3b
	dsb	sy

	adr	x1, level1
	msr	vttbr_el2, x1
	ldr	x1, =VTCR
	msr	vtcr_el2, x1
	ldr	x1, =(HCR_RW | HCR_VSE | HCR_AMO | HCR_VM)
	msr	hcr_el2, x1
	ldr	x1, =0x30d00800
	msr	sctlr_el1, x1
	mov	x1, #0x33ff
	msr	cptr_el2, x1
	mov	x1, #3
	msr	cnthctl_el2, x1
	msr	cntvoff_el2, xzr
	mov	x1, #0x3c5
	msr	spsr_el2, x1
	adr	x1, head
	add	x1, x1, #STUB_AT
	msr	elr_el2, x1
	tlbi	alle1
	dsb	sy
	isb
	mov	x0, x20
	eret

/* 512 entries at x0: addresses from x2 on in steps of 1 << x3, attributes x4 */
fill:
	mov	x5, #1
	lsl	x5, x5, x3
	mov	x6, x0
	add	x7, x0, #4096
4:	orr	x8, x2, x4
	str	x8, [x6], #8
	add	x2, x2, x5
	cmp	x6, x7
	b.ne	4b
	ret

	.ltorg
	.balign	4096
level1:	.skip	4096
level2:	.skip	4096
level3:	.skip	4096
	.skip	4096
stack:
