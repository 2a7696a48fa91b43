/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exception vectors, and the few routines that may fault and go on.
 *
 * Those routines are leaves that touch neither stack nor callee-saved registers, between
 * guarded_start and guarded_end. A synchronous exception or an SError there goes to guarded_fault,
 * which makes them return -EFAULT: the whole exception table is that one range.
 *
 * SErrors are masked everywhere else. A page whose read raises one asynchronously (memory poison, a
 * hole behind a bus that reports late) is caught because the guarded reads unmask SError, and end
 * with barriers that wait for it (ESB: on CPUs with the RAS extension, a hint that does nothing on
 * others). One that was pending before, left by the dead kernel or by a device, is taken at the
 * unmasking instruction, outside the range: it is counted, and costs no page. ras.c says which SErrors
 * end the capture.
 */
#include "arch/arm64/arm64.h"

	.arch	armv8-a

/*
 * One table serves both exception levels: taken to EL1 from EL1 it is entered in its first half,
 * taken to EL2 from EL1 in its second. Scratch registers go where nothing lives: EL0 does not exist
 * here.
 */
	.macro	vector nr
	.balign	128
	msr	tpidr_el0, x0
	mov	x0, #\nr
	b	exception_entry
	.endm

/*
 * To EL2 goes what drop_to_el1 could not keep away: a firmware call by HVC, which nobody answers
 * (SMCCC "not supported", -1), and an SMC that is trapped, whose return address is the SMC itself.
 */
	.macro	vector_el2
	.balign	128
	mrs	x0, esr_el2
	lsr	x0, x0, #26
	cmp	x0, #0x17		/* EC: SMC from AArch64 */
	b.ne	0f
	mrs	x0, elr_el2
	add	x0, x0, #4
	msr	elr_el2, x0
0:	mov	x0, #-1
	eret
	.endm

	.section .text.vectors, "ax"
	.balign	2048
	.global	vectors
vectors:
	.irp	nr, 0, 1, 2, 3, 4, 5, 6, 7
	vector	\nr
	.endr
	.rept	8
	vector_el2
	.endr

exception_entry:
	msr	tpidrro_el0, x1
	msr	tpidr_el1, x2
	cmp	x0, #EXC_SERROR
	b.eq	1f
	mrs	x1, elr_el1
	adr	x2, guarded_start
	sub	x1, x1, x2
	cmp	x1, #(guarded_end - guarded_start)
	b.lo	3f

	/* Anything else: to C, on the exception stack unless we are there already. */
1:	mov	x1, sp
	adrp	x2, __exception_stack_top
	add	x2, x2, :lo12:__exception_stack_top
	sub	x2, x2, x1		/* bytes in use if sp is on it, 0 if not */
	sub	x2, x2, #1
	cmp	x2, #EXC_STACK_SIZE - 4096
	b.lo	2f
	adrp	x2, __exception_stack_top
	add	x2, x2, :lo12:__exception_stack_top
	mov	sp, x2
2:	sub	sp, sp, #EXC_FRAME_SIZE
	str	x1, [sp, #EXC_SP]
	str	x0, [sp, #EXC_VECTOR]
	mrs	x0, tpidr_el0
	mrs	x1, tpidrro_el0
	mrs	x2, tpidr_el1
	stp	x0, x1, [sp, #0]
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x19, [sp, #144]
	stp	x20, x21, [sp, #160]
	stp	x22, x23, [sp, #176]
	stp	x24, x25, [sp, #192]
	stp	x26, x27, [sp, #208]
	stp	x28, x29, [sp, #224]
	str	x30, [sp, #240]
	mrs	x0, elr_el1
	mrs	x1, spsr_el1
	stp	x0, x1, [sp, #EXC_ELR]
	mrs	x0, esr_el1
	mrs	x1, far_el1
	stp	x0, x1, [sp, #EXC_ESR]
	mov	x0, sp
	bl	exception_handle

	/*
	 * It came back: the access was made up for, go on behind it, or it was an SError. Every register
	 * is as it was.
	 */
	ldp	x0, x1, [sp, #EXC_ELR]
	msr	elr_el1, x0
	msr	spsr_el1, x1
	ldp	x2, x3, [sp, #16]
	ldp	x4, x5, [sp, #32]
	ldp	x6, x7, [sp, #48]
	ldp	x8, x9, [sp, #64]
	ldp	x10, x11, [sp, #80]
	ldp	x12, x13, [sp, #96]
	ldp	x14, x15, [sp, #112]
	ldp	x16, x17, [sp, #128]
	ldp	x18, x19, [sp, #144]
	ldp	x20, x21, [sp, #160]
	ldp	x22, x23, [sp, #176]
	ldp	x24, x25, [sp, #192]
	ldp	x26, x27, [sp, #208]
	ldp	x28, x29, [sp, #224]
	ldr	x30, [sp, #240]
	ldr	x1, [sp, #EXC_SP]
	mov	x0, sp
	mov	sp, x1
	ldp	x0, x1, [x0]
	eret

	/*
	 * A guarded routine faulted: leave it. SPSR keeps SError as it was, guarded_fault masks it
	 * again.
	 */
3:	adr	x2, guarded_fault
	msr	elr_el1, x2
	mrs	x0, tpidr_el0
	mrs	x1, tpidrro_el0
	mrs	x2, tpidr_el1
	eret

	.section .text.guarded, "ax"
	.balign	8
	.global	guarded_start, guarded_end, guarded_fault
guarded_start:

/*
 * int guarded_copy(void *dst, const void *src, size_t len): 0 or -EFAULT. SError is unmasked by the
 * caller.
 */
	.global	guarded_copy
guarded_copy:
	cmp	x2, #64
	b.lo	8f
7:	ldp	x4, x5, [x1]
	ldp	x6, x7, [x1, #16]
	ldp	x8, x9, [x1, #32]
	ldp	x10, x11, [x1, #48]
	stp	x4, x5, [x0]
	stp	x6, x7, [x0, #16]
	stp	x8, x9, [x0, #32]
	stp	x10, x11, [x0, #48]
	add	x0, x0, #64
	add	x1, x1, #64
	sub	x2, x2, #64
	cmp	x2, #64
	b.hs	7b
8:	cmp	x2, #8
	b.lo	9f
	ldr	x4, [x1], #8
	str	x4, [x0], #8
	sub	x2, x2, #8
	b	8b
9:	cbz	x2, 10f
	ldrb	w4, [x1], #1
	strb	w4, [x0], #1
	sub	x2, x2, #1
	b	9b
10:	mov	w0, #0
	dsb	sy			/* what the reads raised is taken here at the latest */
	hint	#16			/* ESB */
	isb
	ret

/*
 * int guarded_is_zero(const void *p, size_t len): 1, 0 or -EFAULT. len is a multiple of 64, and not
 * 0.
 */
	.global	guarded_is_zero
guarded_is_zero:
	add	x1, x0, x1
	mov	x2, x0
	mov	w0, #0
11:	ldp	x4, x5, [x2]
	ldp	x6, x7, [x2, #16]
	ldp	x8, x9, [x2, #32]
	ldp	x10, x11, [x2, #48]
	orr	x4, x4, x5
	orr	x6, x6, x7
	orr	x8, x8, x9
	orr	x10, x10, x11
	orr	x4, x4, x6
	orr	x8, x8, x10
	orr	x4, x4, x8
	cbnz	x4, 12f
	add	x2, x2, #64
	cmp	x2, x1
	b.lo	11b
	mov	w0, #1
12:	dsb	sy
	hint	#16
	isb
	ret

/*
 * int64_t psci_hvc(uint32_t function), psci_smc: an undefined instruction where the CPU has no such
 * call
 */
	.global	psci_hvc
psci_hvc:
	hvc	#0
	ret

	.global	psci_smc
psci_smc:
	smc	#0
	ret

/*
 * int ras_record(unsigned n, uint64_t ret[2]): status and address of error record n, which is then cleared
 * (all of its status is write one to clear). 0; -EFAULT: there is none, or the firmware does not let us.
 */
	.global	ras_record
ras_record:
	mrs	x2, S3_0_C5_C3_0	/* ERRIDR_EL1 */
	and	x2, x2, #0xffff
	cmp	x2, w0, uxtw
	b.ls	guarded_fault
	mov	w0, w0
	msr	S3_0_C5_C3_1, x0	/* ERRSELR_EL1 */
	isb
	mrs	x2, S3_0_C5_C4_2	/* ERXSTATUS_EL1 */
	mrs	x3, S3_0_C5_C4_3	/* ERXADDR_EL1 */
	stp	x2, x3, [x1]
	msr	S3_0_C5_C4_2, x2
	mov	w0, #0
	ret
guarded_end:

guarded_fault:
	mov	x0, #-14		/* -EFAULT */
	ret
