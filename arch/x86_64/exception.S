/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exception entries, and the accesses that may fault. exception.c decides; it is compiled without
 * SSE because it may return to code that was using it.
 */
#include "arch/x86_64/x86.h"

	.text

/*
 * One entry a vector, 16 bytes apart: exception_init() computes their addresses. The CPU pushes an
 * error code for the vectors in the mask (SDM 3A table 6-1: #DF #TS #NP #SS #GP #PF #AC #CP #VC
 * #SX), for the others we push 0.
 */
#define ERROR_CODE_VECTORS	0x60227d00

	.balign	16
	.globl	exception_entries
exception_entries:
	.set	vector, 0
	.rept	32
	.balign	16
	.if	!((ERROR_CODE_VECTORS >> vector) & 1)
	pushq	$0
	.endif
	pushq	$vector
	jmp	exception_common
	.set	vector, vector + 1
	.endr

/* Layout of the pushes: struct exc_regs in exception.c */
exception_common:
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rbx
	pushq	%rbp
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	cld
	movq	%rsp, %rdi
	call	exception_handle	/* 22 words: the stack is still aligned */
	testq	%rax, %rax
	jnz	1f
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rbp
	popq	%rbx
	popq	%rdx
	popq	%rcx
	popq	%rax
	addq	$16, %rsp		/* vector, error code */
	iretq
1:	/* Not recoverable. The report needs more stack than an IST has: %rax is a better one. */
	movq	%rax, %rsp
	andq	$-16, %rsp
	xorl	%ebp, %ebp
	call	exception_fatal
	ud2

/* NMI: counted; exception_report() */
	.balign	16
	.globl	nmi_entry
nmi_entry:
	lock incl nmi_count(%rip)
	iretq

/*
 * int mem_copy_safe(void *dst, const void *src, size_t len). Eight loads then eight stores at a
 * time: near the speed of REP MOVSB on hardware and several times faster where instructions are
 * emulated one by one.
 */
	.balign	16
	.globl	mem_copy_safe
mem_copy_safe:
	xorl	%eax, %eax
copy_start:
	movq	%rdx, %rcx
	shrq	$6, %rcx
	jz	2f
1:	movq	(%rsi), %r8
	movq	8(%rsi), %r9
	movq	16(%rsi), %r10
	movq	24(%rsi), %r11
	movq	%r8, (%rdi)
	movq	%r9, 8(%rdi)
	movq	%r10, 16(%rdi)
	movq	%r11, 24(%rdi)
	movq	32(%rsi), %r8
	movq	40(%rsi), %r9
	movq	48(%rsi), %r10
	movq	56(%rsi), %r11
	movq	%r8, 32(%rdi)
	movq	%r9, 40(%rdi)
	movq	%r10, 48(%rdi)
	movq	%r11, 56(%rdi)
	addq	$64, %rsi
	addq	$64, %rdi
	decq	%rcx
	jnz	1b
2:	movl	%edx, %ecx
	andl	$63, %ecx
	shrl	$3, %ecx
	jz	4f
3:	movq	(%rsi), %r8
	movq	%r8, (%rdi)
	addq	$8, %rsi
	addq	$8, %rdi
	decl	%ecx
	jnz	3b
4:	andl	$7, %edx
	jz	6f
5:	movb	(%rsi), %r8b
	movb	%r8b, (%rdi)
	incq	%rsi
	incq	%rdi
	decl	%edx
	jnz	5b
copy_end:
6:	ret

/*
 * int mem_scan_safe(const void *src, size_t len, uint32_t *ret_nonzero): is there a bit set? Looks
 * after every 64 bytes.
 */
	.balign	16
	.globl	mem_scan_safe
mem_scan_safe:
	xorl	%eax, %eax
	movl	%eax, (%rdx)
scan_start:
	movq	%rsi, %rcx
	shrq	$6, %rcx
	jz	2f
1:	movq	(%rdi), %r8
	orq	8(%rdi), %r8
	orq	16(%rdi), %r8
	orq	24(%rdi), %r8
	orq	32(%rdi), %r8
	orq	40(%rdi), %r8
	orq	48(%rdi), %r8
	orq	56(%rdi), %r8
	jnz	4f
	addq	$64, %rdi
	decq	%rcx
	jnz	1b
2:	movl	%esi, %ecx
	andl	$63, %ecx
	shrl	$3, %ecx
	jz	5f
3:	cmpq	$0, (%rdi)
	jnz	4f
	addq	$8, %rdi
	decl	%ecx
	jnz	3b
	ret
scan_end:
4:	movl	$1, (%rdx)
5:	ret

/*
 * int rdmsr_safe(uint32_t msr, uint64_t *ret_value): hypervisors leave out registers that CPUID
 * promises.
 */
	.balign	16
	.globl	rdmsr_safe
rdmsr_safe:
	movl	%edi, %ecx
rdmsr_start:
	rdmsr
rdmsr_end:
	shlq	$32, %rdx
	orq	%rdx, %rax
	movq	%rax, (%rsi)
	xorl	%eax, %eax
	ret

/*
 * Where a fault in one of them goes on: the caller gets 1. They use no stack, so %rsp is the
 * caller's.
 */
	.globl	mem_fault_fixup
mem_fault_fixup:
	movl	$1, %eax
	ret

/*
 * Exception table: [start, end) pairs, relative to the entry itself so that they need no
 * relocation. Ranges, not single instructions, because a machine check may be reported some
 * instructions late. The reads of
 * memory come first, EX_NR_READS of them.
 */
	.section .rodata, "a"
	.balign	4
	.globl	ex_table, ex_table_end
ex_table:
	.long	copy_start - ., copy_end - .
	.long	scan_start - ., scan_end - .
	.long	rdmsr_start - ., rdmsr_end - .
ex_table_end:

	.bss
	.balign	4
	.globl	nmi_count
nmi_count:
	.skip	4
