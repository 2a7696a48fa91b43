/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to arch/arm64: what its files offer each other. */
#ifndef ARCH_ARM64_H
#define ARCH_ARM64_H

/* Byte offsets in struct exception_frame; exception.c asserts them */
#define EXC_SP		248
#define EXC_ELR		256
#define EXC_ESR		272
#define EXC_VECTOR	288
#define EXC_FRAME_SIZE	304

#define EXC_STACK_SIZE	12288	/* EXCEPTION_STACK_SIZE in linker/arm64.ld */

/*
 * Vector numbers: four groups of synchronous, IRQ, FIQ, SError; group 1 is "current EL with SP_ELx"
 */
#define EXC_SYNC	4
#define EXC_SERROR	7

/* PSCI 1.1 §5.1.9: SYSTEM_RESET */
#define PSCI_SYSTEM_RESET	0x84000009

/* Indices of MAIR_EL1: Normal write-back, Device-nGnRE, Device-nGnRnE */
#define MAIR_NORMAL	0
#define MAIR_DEVICE	1
#define MAIR_CONFIG	2
#define MAIR_VALUE	0x0004ff

#ifndef __ASSEMBLY__

#include <stdnoreturn.h>

#include "stub/bits.h"

struct boot_info;

/* Before relocation, and partly with the MMU off: no stack protector, no table of pointers */
#define EARLY __attribute__((no_stack_protector))

/* What linker/arm64.ld defines; only the addresses mean anything. */
extern char __image_start[], __text_end[], __rodata_end[], __file_end[], __image_end[];
extern char __bss_start[], __bss_end[];
extern char __exception_guard[], __exception_stack_top[], __stack_guard[], __stack_top[];

/* head.S -> start.c: caches on, nothing relocated, BSS not zeroed. @el: exception level of entry */
noreturn void arm64_start(phys_addr_t fdt, unsigned el);

/*
 * mm.c. Fill the page tables for an image at @base with the MMU still off: text read-only, the rest
 * writable, guard pages not mapped. Returns the value for TCR_EL1, or 0 when the CPU has no 4-KiB
 * pages or the image crosses a 2-MiB boundary.
 */
uint64_t mm_build(uint64_t base);

/* The image is relocated: nothing writes its read-only data any more. */
void mm_seal(void);

/*
 * Map [pa, pa + len), read-only and cacheable, for good: for the device tree, at most 2 MiB with
 * what its first page holds before it. One call only. NULL: too long, or beyond the CPU's physical
 * addresses.
 */
const void *mm_map_fdt(phys_addr_t pa, size_t len);

/* Is @va in a window of device registers? */
bool mm_is_mmio(uint64_t va);

/* Width of physical addresses */
unsigned mm_pa_bits(void);

/* exception.c: take the SErrors that were pending at entry */
void exception_init(void);
/* SErrors that nobody has reported yet are; costs nothing when there are none */
void exception_report(void);

struct exception_frame {
	uint64_t x[31];
	uint64_t sp;
	uint64_t elr;
	uint64_t spsr;
	uint64_t esr;
	uint64_t far;
	uint64_t vector;
	uint64_t pad;
};

/*
 * Called by exception.S. Returns only when the faulting access was made up for and frame->elr moved
 * on.
 */
void exception_handle(struct exception_frame *frame);

/*
 * exception.S: reads of old memory that may fault, firmware calls that may be undefined
 * instructions
 */
int guarded_copy(void *dst, const void *src, size_t len);
int guarded_is_zero(const void *p, size_t len);
int64_t psci_hvc(uint32_t function);
int64_t psci_smc(uint32_t function);
int ras_record(unsigned n, uint64_t ret[2]);
extern const char guarded_start[], guarded_end[], guarded_fault[];

/*
 * time.c. @hz: what the firmware says, used when CNTFRQ_EL0 says nothing; 0: unknown. Returns the
 * rate taken.
 */
void time_init(void);
uint64_t time_set_rate(uint64_t hz);

/* reset.c: what arch_reset() tries first. Kept by pointer. */
void reset_init(const struct boot_info *bi);

#endif
#endif
