/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Register access, I/O ports, DMA order. The only place with volatile. All devices are
 * little-endian, and so are we.
 *
 * Device registers are mapped uncached (arch_map_mmio()), so the CPU neither merges, repeats nor
 * reorders accesses to them (Intel SDM vol. 3, "Memory Ordering" and "Memory Cache Control"). The
 * compiler keeps volatile accesses in order among themselves, but may move other loads and stores
 * across them: where memory and a register depend on each other (a descriptor and its doorbell) a
 * dma_*mb() stands between, here as on arm64.
 */
#ifndef ARCH_IO_H
#define ARCH_IO_H

#include <stddef.h>
#include <stdint.h>

static inline uint8_t mmio_read8(const void *p)
{
	return *(const volatile uint8_t *)p;
}

static inline uint16_t mmio_read16(const void *p)
{
	return *(const volatile uint16_t *)p;
}

static inline uint32_t mmio_read32(const void *p)
{
	return *(const volatile uint32_t *)p;
}

static inline void mmio_write8(void *p, uint8_t v)
{
	*(volatile uint8_t *)p = v;
}

static inline void mmio_write16(void *p, uint16_t v)
{
	*(volatile uint16_t *)p = v;
}

static inline void mmio_write32(void *p, uint32_t v)
{
	*(volatile uint32_t *)p = v;
}

#include "arch/io_common.h"

/* Ports: an immediate reaches the first 256, %dx all of them ("Nd") */
static inline uint8_t pio_read8(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint16_t pio_read16(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint32_t pio_read32(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void pio_write8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void pio_write16(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}

static inline void pio_write32(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

/*
 * Memory shared with a device. DMA is cache-coherent and stores are seen in order (Intel SDM vol.
 * 3, "Memory Ordering"), so only the compiler has to be held back. dma_wmb(): what was written
 * before is seen by the device before what is written after. dma_rmb(): the same for reads.
 * dma_mb(): store, then load: the one order that the CPU may swap, hence a real fence.
 */
static inline void dma_wmb(void)
{
	__asm__ volatile("" : : : "memory");
}

static inline void dma_rmb(void)
{
	__asm__ volatile("" : : : "memory");
}

static inline void dma_mb(void)
{
	__asm__ volatile("mfence" : : : "memory");
}

/*
 * For a device that is not cache-coherent: write lines back before it reads, drop them before the
 * CPU reads. Nothing to do here.
 */
static inline void dma_clean(uint64_t pa, size_t len)
{
	(void)pa;
	(void)len;
}

static inline void dma_invalidate(uint64_t pa, size_t len)
{
	(void)pa;
	(void)len;
}

/* For a device that reads memory past the CPU's caches: lines of 64 bytes, SDM vol. 2 CLFLUSH */
static inline void cache_clean(uint64_t pa, size_t len)
{
	for (uint64_t line = pa & ~63ULL; line < pa + len; line += 64)
		__asm__ volatile("clflush (%0)" : : "r"(line) : "memory");
	__asm__ volatile("mfence" : : : "memory");
}

/*
 * In every loop that waits. No PAUSE: it spares the other thread of the core, which is halted here,
 * and tells a hypervisor that other CPUs of the machine should run, which are halted too. Emulators
 * leave their translated code for it and take a global lock, which delays the very device that is
 * waited for: a dump took a third longer (QEMU's TCG).
 */
static inline void cpu_relax(void)
{
	__asm__ volatile("" : : : "memory");
}

#endif
