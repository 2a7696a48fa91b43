/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Register access, I/O ports (there are none), DMA order. All devices are little-endian, and so are
 * we.
 *
 * Registers are Device-nGnRE memory, read and written by single plain load and store instructions:
 * a hypervisor can decode an access that traps only when the syndrome is valid, which it is for
 * neither pairs nor write-back addressing (Arm ARM DDI 0487, ESR_ELx, ISS encoding for a Data
 * Abort: ISV). A compiler is free to choose those for a volatile pointer, hence the assembler.
 */
#ifndef ARCH_IO_H
#define ARCH_IO_H

#include <stddef.h>
#include <stdint.h>

/*
 * Order against Normal memory: a write to a register comes after every earlier store (a doorbell
 * after the descriptor it announces); what is read from a register comes before every later load
 * (the status before the data). Outer shareable, since devices may be outside the inner domain.
 */
#define MMIO_READ(width, reg, insn)						\
static inline uint##width##_t mmio_read##width(const void *p)			\
{										\
	uint##width##_t v;							\
										\
	__asm__ volatile(insn " %" reg "0, [%1]\n\tdmb oshld"			\
			 : "=r"(v) : "r"(p) : "memory");			\
	return v;								\
}

#define MMIO_WRITE(width, reg, insn)						\
static inline void mmio_write##width(void *p, uint##width##_t v)		\
{										\
	__asm__ volatile("dmb oshst\n\t" insn " %" reg "0, [%1]"		\
			 : : "rZ"(v), "r"(p) : "memory");			\
}

MMIO_READ(8, "w", "ldrb")
MMIO_READ(16, "w", "ldrh")
MMIO_READ(32, "w", "ldr")
MMIO_WRITE(8, "w", "strb")
MMIO_WRITE(16, "w", "strh")
MMIO_WRITE(32, "w", "str")

#undef MMIO_READ
#undef MMIO_WRITE

#include "arch/io_common.h"

/* No I/O ports: a read is what an absent device returns, a write goes nowhere. */
static inline uint8_t pio_read8(uint16_t port)
{
	(void)port;
	return UINT8_MAX;
}

static inline uint16_t pio_read16(uint16_t port)
{
	(void)port;
	return UINT16_MAX;
}

static inline uint32_t pio_read32(uint16_t port)
{
	(void)port;
	return UINT32_MAX;
}

static inline void pio_write8(uint16_t port, uint8_t v)
{
	(void)port;
	(void)v;
}

static inline void pio_write16(uint16_t port, uint16_t v)
{
	(void)port;
	(void)v;
}

static inline void pio_write32(uint16_t port, uint32_t v)
{
	(void)port;
	(void)v;
}

/*
 * Memory shared with a device, on a CPU that reorders both loads and stores. dma_wmb(): what was
 * written before is seen by the device before what is written after. dma_rmb(): the same for reads.
 * dma_mb(): store, then load.
 */
static inline void dma_wmb(void)
{
	__asm__ volatile("dmb oshst" : : : "memory");
}

static inline void dma_rmb(void)
{
	__asm__ volatile("dmb oshld" : : : "memory");
}

static inline void dma_mb(void)
{
	__asm__ volatile("dmb osh" : : : "memory");
}

/*
 * For a device that is not cache-coherent: write lines back before it reads, drop them before the
 * CPU reads. Complete (to the point of coherency) on return. An invalidation writes back the lines
 * that it shares with neighbours at either end, so buffers that the device writes should be aligned
 * to their size.
 */
void dma_clean(uint64_t pa, size_t len);
void dma_invalidate(uint64_t pa, size_t len);

static inline void cpu_relax(void)
{
	__asm__ volatile("yield" : : : "memory");
}

/* For a device that reads memory past the CPU's caches, whatever dma_clean() is told */
static inline void cache_clean(uint64_t pa, size_t len)
{
	dma_clean(pa, len);
}

#endif
