/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One piece of memory for the queues of whichever disk driver is active: only one disk is open at a
 * time, and the reservation is small. A driver may use it from probe to shutdown, and leaves no
 * device knowing its address when shutdown returns.
 */
#ifndef DRIVERS_DMA_AREA_H
#define DRIVERS_DMA_AREA_H

#include <io.h>

#include "stub/arch.h"

#define DMA_PAGE_SIZE	4096u
#define DMA_AREA_SIZE	(6 * DMA_PAGE_SIZE)

/*
 * A device that knows the area did not confirm its last reset, and cannot be cut off from memory:
 * it may read and write there at any time, so no other disk may be started.
 */
extern bool dma_area_lost;
extern uint8_t *dma_area;		/* DMA_AREA_SIZE, aligned to DMA_PAGE_SIZE */

/* Take the area from the arena, once, before any driver. False: there is no room. */
bool dma_area_init(void);

/*
 * Hand memory to a device, or take it back, when the device does not look into the CPU's caches.
 * Dirty lines are written back before the device gets the memory even if it is going to write
 * there: evicted later, they would destroy what it wrote.
 */
static inline void dma_give(bool coherent, phys_addr_t pa, size_t len)
{
	if (!coherent)
		dma_clean(pa, len);
}

static inline void dma_take(bool coherent, phys_addr_t pa, size_t len)
{
	if (!coherent)
		dma_invalidate(pa, len);
}

#endif
