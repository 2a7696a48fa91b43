/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * <io.h> for host tests: register accesses go to the simulated devices of tests/unit/fake/bus.c by
 * address. Only a test that really touches registers has to link bus.c: the functions below are
 * inline, so unused ones leave no reference behind.
 */
#ifndef FAKE_IO_H
#define FAKE_IO_H

#include <stddef.h>
#include <stdint.h>

uint64_t fake_mmio_read(const void *p, unsigned size);
void fake_mmio_write(void *p, unsigned size, uint64_t v);
uint32_t fake_pio_read(uint16_t port, unsigned size);
void fake_pio_write(uint16_t port, unsigned size, uint32_t v);

static inline uint8_t mmio_read8(const void *p)
{
	return (uint8_t)fake_mmio_read(p, 1);
}

static inline uint16_t mmio_read16(const void *p)
{
	return (uint16_t)fake_mmio_read(p, 2);
}

static inline uint32_t mmio_read32(const void *p)
{
	return (uint32_t)fake_mmio_read(p, 4);
}

static inline void mmio_write8(void *p, uint8_t v)
{
	fake_mmio_write(p, 1, v);
}

static inline void mmio_write16(void *p, uint16_t v)
{
	fake_mmio_write(p, 2, v);
}

static inline void mmio_write32(void *p, uint32_t v)
{
	fake_mmio_write(p, 4, v);
}

#include "arch/io_common.h"

static inline uint8_t pio_read8(uint16_t port)
{
	return (uint8_t)fake_pio_read(port, 1);
}

static inline uint16_t pio_read16(uint16_t port)
{
	return (uint16_t)fake_pio_read(port, 2);
}

static inline uint32_t pio_read32(uint16_t port)
{
	return fake_pio_read(port, 4);
}

static inline void pio_write8(uint16_t port, uint8_t v)
{
	fake_pio_write(port, 1, v);
}

static inline void pio_write16(uint16_t port, uint16_t v)
{
	fake_pio_write(port, 2, v);
}

static inline void pio_write32(uint16_t port, uint32_t v)
{
	fake_pio_write(port, 4, v);
}

/* One thread: the simulated device runs inside the accessors and the clock */
static inline void dma_wmb(void)
{
}

static inline void dma_rmb(void)
{
}

static inline void dma_mb(void)
{
}

/* Caches that devices do not see: bus.c counts the bytes */
void dma_clean(uint64_t pa, size_t len);
void dma_invalidate(uint64_t pa, size_t len);

static inline void cpu_relax(void)
{
}

static inline void cache_clean(uint64_t pa, size_t len)
{
	(void)pa;
	(void)len;
}

#endif
