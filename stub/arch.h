/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arch contract: everything that stub/ and drivers/ ask of an architecture, besides the inline
 * accessors in <io.h> and the constants in <cpu.h>. arch/x86_64 and arch/arm64 implement it under
 * the same file names.
 *
 * What arch guarantees when it calls stub_main(): own stack, own exception vectors, own page tables
 * inside the reservation, caches on, image relocated, BSS zero, one CPU, interrupts off, a running
 * clock, mem_add() called for what the loader says is ours. The stub's own memory is mapped at its
 * physical address, so a pointer to a static object, or into the arena, is its DMA address
 * (virt_to_phys()).
 */
#ifndef STUB_ARCH_H
#define STUB_ARCH_H

#include <stdnoreturn.h>

#include "stub/bits.h"

struct boot_info;

/* Entry of the generic program. @bi holds the command line and the stub's own place in memory. */
noreturn void stub_main(struct boot_info *bi);

/*
 * Second stage of discovery, after the console is up: fill bi->pci_hosts, bi->virtio_mmio,
 * bi->uarts, bi->reset, bi->watchdogs from ACPI tables or the device tree. Never fails: what is not found stays
 * empty.
 */
void arch_discover(struct boot_info *bi);

/*
 * Copy @len bytes of physical memory at @pa (any alignment, RAM of the dead kernel, firmware
 * tables) to @dst. Maps page by page in a fixed window, so its memory use does not depend on @pa or
 * @len. Returns 0, or -EFAULT when the address cannot be mapped or reading it faulted; @dst is then
 * undefined.
 */
int arch_read_mem(void *dst, phys_addr_t pa, size_t len);

/*
 * Write @len bytes of physical memory of the dead kernel. For stub/overlay.c alone, which keeps what was
 * there: everything else that the stub writes is its own. 0, or -EFAULT.
 */
int arch_write_mem(phys_addr_t pa, const void *src, size_t len);

/*
 * Is the memory at @pa (8-byte aligned, @len a multiple of 64) all zero? Returns 1, 0 or -EFAULT.
 * Stops at the first byte that is not zero.
 */
int arch_mem_is_zero(phys_addr_t pa, size_t len);

/*
 * Map the page of RAM at @pa, which is ours from now on, cacheable and writable at its own address,
 * beside the image. @new_table is called for each page table that this takes: a page of zeros, mapped
 * already, or NULL. False: not mapped.
 */
bool arch_map_ram(phys_addr_t pa, void *(*new_table)(void));

/*
 * Map device registers (uncached / nGnRE) for good; the same registers asked for again cost
 * nothing. Returns a pointer for <io.h>'s mmio_*(), or NULL when the fixed pool (some 255 pages) is
 * used up or @pa is beyond what the CPU can address.
 */
void *arch_map_mmio(phys_addr_t pa, size_t len);

/*
 * Map the 4-KiB page at @pa in the single configuration window, uncached and so that no write is
 * acknowledged on its way (nGnRnE); the mapping that an earlier call returned is gone. For PCI ECAM
 * and for probing.
 */
void *arch_map_config(phys_addr_t pa);

/* Microseconds since the stub's entry. Monotonic. */
uint64_t arch_time_us(void);

/* Try every way to reset the machine, the one that bi->reset names first; never returns. */
noreturn void arch_reset(void);

/* Stop this CPU for good (after=halt). */
noreturn void arch_halt(void);

/*
 * Errors of the hardware and other interruptions that the capture went on from, as far as nobody has said
 * them yet: a line in the log. The reads of old memory say them too.
 */
void arch_report(void);

/*
 * Called by arch for an exception that is not a recoverable read: stub/main.c prints the line,
 * stops the disk and resets. Guarded against itself. @hardware: it is no fault of the program, memory is as
 * it should be, and the stack that the capture runs on is intact: its dump is closed first.
 */
noreturn void stub_exception(bool hardware, const char *what);

static inline phys_addr_t virt_to_phys(const void *p)
{
	return (phys_addr_t)(uintptr_t)p;
}

#endif
