/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The image's first two sectors, which only the loader reads, and its first instructions.
 *
 * Entered by kexec-tools' purgatory or by the kernel's, at load address + 0x200 in 64-bit mode
 * (boot.rst "64-bit Boot Protocol"): interrupts off, %rsi = boot_params, our [load address, +
 * init_size) and the RAM we read mapped, nothing else promised. The GDT lies in memory of the
 * purgatory, the IDT's limit is 0, so any fault before exception_init() is a triple fault, which is
 * a reset. CR4.OSFXSR may be off.
 */
#include "arch/x86_64/x86.h"
#include "capstub/boot_params.h"

/*
 * The setup header (boot.rst "The Real-Mode Kernel Header"). What is zero is the loader's to fill.
 *
 * Sizes are distances from the header, which the linker puts right before the image: a plain
 * absolute number would be a relocation that a position-independent image cannot have.
 */
#define HEADER_SIZE	0x400

	.section .header, "a"
	.code16
	.set	header, . - OFFSET_SETUP_SECTS	/* the linker puts the PE header before this */
	.byte	1			/* setup_sects: this one sector more */
	.word	0			/* root_flags */
	.long	__syssize_mark - header - HEADER_SIZE	/* syssize, 16-byte units */
	.word	0, 0, 0			/* ram_size, vid_mode, root_dev */
	.if	. - header - OFFSET_BOOT_FLAG
	.error	"boot_flag"
	.endif
	.word	0xaa55			/* boot_flag */
	.byte	0xeb, real_mode - 1f	/* jump; its distance is also the header's length */
1:
	.if	. - header - OFFSET_MAGIC
	.error	"header magic"
	.endif
	.long	BOOT_HEADER_MAGIC
	.word	BOOT_PROTOCOL_VERSION
	.long	0			/* realmode_swtch */
	.word	0			/* start_sys_seg */
	.word	version_text - header - 0x200	/* kernel_version */
	.byte	0			/* type_of_loader */
	.if	. - header - OFFSET_LOADFLAGS
	.error	"loadflags"
	.endif
	.byte	LOADED_HIGH		/* loadflags */
	.word	0			/* setup_move_size */
	.long	0x100000		/* code32_start */
	.long	0, 0			/* ramdisk_image, ramdisk_size */
	.long	0			/* bootsect_kludge */
	.word	0			/* heap_end_ptr */
	.byte	0, 0			/* ext_loader_ver, ext_loader_type */
	.long	0			/* cmd_line_ptr */
	.long	0x7fffffff		/* initrd_addr_max */
	.if	. - header - OFFSET_KERNEL_ALIGNMENT
	.error	"kernel_alignment"
	.endif
	.long	4096			/* kernel_alignment: any page will do */
	.byte	1			/* relocatable_kernel */
	.byte	12			/* min_alignment, log2 */
	.if	. - header - OFFSET_XLOADFLAGS
	.error	"xloadflags"
	.endif
	.word	XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G | XLF_EFI_KEXEC | \
		XLF_5LEVEL | XLF_5LEVEL_ENABLED	/* xloadflags */
	.long	BOOT_CMDLINE_SIZE	/* cmdline_size */
	.long	0			/* hardware_subarch */
	.quad	0			/* hardware_subarch_data */
	.long	0, 0			/* payload_offset, payload_length */
	.quad	0			/* setup_data */
	.if	. - header - OFFSET_PREF_ADDRESS
	.error	"pref_address"
	.endif
	.quad	0x100000		/* pref_address: the lowest one kexec may choose */
	.long	__image_end - header - HEADER_SIZE	/* init_size: with BSS, stack, tables */
	.long	0			/* handover_offset */
	.long	kernel_info - entry32	/* kernel_info_offset */
	.if	. - header - OFFSET_HEADER_END
	.error	"header end"
	.endif

/*
 * A boot loader that starts this file as a kernel ends up here, in real mode. Say why that is
 * wrong, wait for a key, reset.
 */
real_mode:
	mov	%cs, %ax
	mov	%ax, %ds
	cld
	mov	$(real_mode_text - header - 0x200), %si
1:	lodsb
	test	%al, %al
	jz	2f
	mov	$0x0e, %ah		/* INT 10h, AH 0Eh: teletype output */
	mov	$7, %bx
	int	$0x10
	jmp	1b
2:	xor	%ax, %ax		/* INT 16h, AH 0: wait for a key */
	int	$0x16
	mov	$0x06, %al
	mov	$0xcf9, %dx
	out	%al, %dx
	int	$0x19
3:	hlt
	jmp	3b
real_mode_text:
	.asciz	"capstub is not a kernel to boot: load it with kexec -p.\r\n"
version_text:
	.ascii	"capstub "
	.asciz	CAPSTUB_VERSION
	.org	header + HEADER_SIZE

/* The image */

	.section .head.text, "ax"
	.code32
	.globl	entry32
entry32:
	/*
	 * 32-bit boot protocol: we are not for it either. Reset control register, then the keyboard
	 * controller.
	 */
	cli
	mov	$0x06, %al
	mov	$0xcf9, %dx
	out	%al, %dx
	mov	$0xfe, %al
	out	%al, $0x64
1:	hlt
	jmp	1b

/* boot.rst "The kernel_info" */
	.balign	16
kernel_info:
	.ascii	"LToP"
	.long	kernel_info_end - kernel_info	/* size */
	.long	kernel_info_end - kernel_info	/* size_total */
	.long	0				/* setup_type_max */
kernel_info_end:

	/* What tools/build/seal-image.py fills in: struct seal */
	.org	entry32 + 0x40
	.globl	__seal
	.hidden	__seal
__seal:
	.ascii	"\0CAPSEAL"
	.quad	__file_end - entry32
	.long	0, 8

	/* linker/x86_64.ld puts it at + 0x200 */
	.section .head.entry, "ax"
	.code64
	.globl	entry64
entry64:
	cli
	cld
	leaq	__stack_top(%rip), %rsp
	xorl	%ebp, %ebp
	movq	%rsi, %rbx		/* boot_params */

	leaq	__bss_start(%rip), %rdi
	leaq	__bss_end(%rip), %rcx
	subq	%rdi, %rcx
	shrq	$3, %rcx
	xorl	%eax, %eax
	rep stosq

	/* .data to its place. It was loaded where the stack is going to be, so not a push before. */
	leaq	__data_load(%rip), %rsi
	leaq	__data_start(%rip), %rdi
	leaq	__data_end(%rip), %rcx
	subq	%rdi, %rcx
	shrq	$3, %rcx
	rep movsq

	/*
	 * The state that compiled code relies on (System V ABI §3.2.1, SDM 3A §13.1.3): x87 and SSE
	 * usable. Caches on and kernel write protection, whatever was left. CR4 from scratch: no
	 * protection keys, SMAP, PCID or CET from the dead kernel. LA57 cannot be changed in 64-bit
	 * mode and VMXE not while in VMX operation. Machine checks come on with their handler.
	 */
	movq	%cr0, %rax
	andl	$~(CR0_EM | CR0_TS | CR0_AM | CR0_CD | CR0_NW), %eax
	orl	$(CR0_MP | CR0_NE | CR0_WP), %eax
	movq	%rax, %cr0
	movq	%cr4, %rax
	andl	$(CR4_LA57 | CR4_VMXE | CR4_MCE), %eax
	orl	$(CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT), %eax
	movq	%rax, %cr4
	fninit
	ldmxcsr	mxcsr_default(%rip)

	/* Breakpoints of the dead kernel off (SDM 3B §18.2.4) */
	movl	$0x400, %eax
	movq	%rax, %dr7

	/*
	 * %fs:0x28 is the stack protector's guard (GCC, x86-64 Linux ABI). The clock makes it
	 * differ from boot to boot.
	 */
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	movabsq	$0x9e3779b97f4a7c15, %rdx
	imulq	%rdx, %rax
	xorb	%al, %al		/* a NUL, which stops a string overrun from forging it */
	leaq	tls_block(%rip), %rcx
	movq	%rax, 0x28(%rcx)
	movq	%rcx, %rax
	movq	%rax, %rdx
	shrq	$32, %rdx
	movl	$MSR_FS_BASE, %ecx
	wrmsr

	call	image_intact		/* before relocation changes it */
	movl	%eax, %r12d

	/*
	 * Relocate. The linker left relative relocations only, packed (DT_RELR, gABI "Relative
	 * Relocation Table"; it asserts that there is no other): an even word is the address of a
	 * word to move by the distance between where we run and where we were linked, an odd one a
	 * map of the 63 words that follow the last.
	 */
	leaq	__image_start(%rip), %rdx
	subq	$IMAGE_LINK_BASE, %rdx
	leaq	__relr_start(%rip), %rsi
	leaq	__relr_end(%rip), %rdi
1:	cmpq	%rdi, %rsi
	jae	5f
	lodsq
	testb	$1, %al
	jnz	2f
	leaq	(%rax,%rdx), %rcx
	addq	%rdx, (%rcx)
	addq	$8, %rcx		/* the map's first word */
	jmp	1b
2:	movq	%rcx, %r8
3:	shrq	$1, %rax		/* first the mark of a map, then bit by bit */
	jz	4f
	testb	$1, %al
	jz	6f
	addq	%rdx, (%r8)
6:	addq	$8, %r8
	jmp	3b
4:	addq	$63 * 8, %rcx
	jmp	1b
5:
	movq	%rbx, %rdi
	movl	%r12d, %esi
	call	x86_start
	ud2

	.section .rodata, "a"
	.balign	4
mxcsr_default:
	.long	MXCSR_DEFAULT

	.bss
	.balign	16
tls_block:
	.skip	0x30
