/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What <io.h> has on every architecture, and in the tests' double, made of its 32-bit accesses. */
#ifndef ARCH_IO_COMMON_H
#define ARCH_IO_COMMON_H

/*
 * 64-bit registers as two 32-bit accesses, low half first: what NVMe (1.4 §3.1) and virtio (1.1
 * §4.1.3.1) allow everywhere
 */
static inline uint64_t mmio_read64(const void *p)
{
	uint32_t lo = mmio_read32(p);

	return (uint64_t)mmio_read32((const char *)p + 4) << 32 | lo;
}

static inline void mmio_write64(void *p, uint64_t v)
{
	mmio_write32(p, (uint32_t)v);
	mmio_write32((char *)p + 4, (uint32_t)(v >> 32));
}

/* A load or store of memory shared with a device that must happen exactly once */
#define dma_load(p)	(*(const volatile __typeof__(*(p)) *)(p))
#define dma_store(p, v)	(*(volatile __typeof__(*(p)) *)(p) = (v))

#endif
