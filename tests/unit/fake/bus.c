// SPDX-License-Identifier: GPL-2.0-or-later
/* Routes register accesses of the unmodified drivers to simulated devices, by address. */
#include <assert.h>

#include <io.h>

#include "stub/arch.h"
#include "tests/unit/fake/bus.h"

static struct fake_window windows[FAKE_MAX_WINDOWS];
static unsigned nr_windows;
unsigned fake_stray;
size_t fake_cleaned, fake_invalidated;

void fake_bus_reset(void)
{
	nr_windows = 0;
	fake_stray = 0;
	fake_cleaned = fake_invalidated = 0;
	fake_now_us = 0;
	fake_tick = NULL;
}

void fake_bus_add(const struct fake_window *w)
{
	assert(nr_windows < FAKE_MAX_WINDOWS);
	windows[nr_windows++] = *w;
}

static struct fake_window *find(uint64_t addr, unsigned size, bool port)
{
	/* the last one added wins, so that a test can cover a register */
	for (unsigned i = nr_windows; i-- > 0; )
		if (windows[i].port == port &&
		    range_inside(addr, size, windows[i].base, windows[i].base + windows[i].len))
			return &windows[i];
	fake_stray++;
	return NULL;
}

static uint64_t all_ones(unsigned size)
{
	return GENMASK(size * 8 - 1, 0);
}

static uint64_t bus_read(uint64_t addr, unsigned size, bool port)
{
	struct fake_window *w = find(addr, size, port);

	assert(addr % size == 0);
	return w ? w->read(w->ctx, addr - w->base, size) & all_ones(size) : all_ones(size);
}

static void bus_write(uint64_t addr, unsigned size, uint64_t v, bool port)
{
	struct fake_window *w = find(addr, size, port);

	assert(addr % size == 0);
	if (w)
		w->write(w->ctx, addr - w->base, size, v & all_ones(size));
}

uint64_t fake_mmio_read(const void *p, unsigned size)
{
	return bus_read((uintptr_t)p, size, false);
}

void fake_mmio_write(void *p, unsigned size, uint64_t v)
{
	bus_write((uintptr_t)p, size, v, false);
}

uint32_t fake_pio_read(uint16_t port, unsigned size)
{
	return (uint32_t)bus_read(port, size, true);
}

void fake_pio_write(uint16_t port, unsigned size, uint32_t v)
{
	bus_write(port, size, v, true);
}

void dma_clean(uint64_t pa, size_t len)
{
	(void)pa;
	fake_cleaned += len;
}

void dma_invalidate(uint64_t pa, size_t len)
{
	(void)pa;
	fake_invalidated += len;
}

/*
 * "Mapped" means the address itself: nothing ever follows such a pointer, the accessors above only
 * look at its value
 */
void *arch_map_mmio(phys_addr_t pa, size_t len)
{
	return len && pa ? (void *)(uintptr_t)pa : NULL;
}

void *arch_map_config(phys_addr_t pa)
{
	assert(pa % 4096 == 0);
	return (void *)(uintptr_t)pa;
}
