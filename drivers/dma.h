/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DMA contract: what stands between a device and memory is dealt with here, and in no driver.
 *
 * A driver resets its device, attaches it, and only then tells it where anything is. While it is
 * attached the device may reach all of memory, by the bus addresses that dma_map() and dma_addr()
 * give. Detached, it reaches nothing: the memory that it knew is ours again, or, when it neither
 * confirms that it has stopped nor can be cut off, its own for ever (quarantine).
 *
 * Several controllers may be attached, each with queues in memory of its own. dma_area is the one
 * disk's that is open: whoever else is attached has been told nothing of it, or has answered for it.
 */
#ifndef DRIVERS_DMA_H
#define DRIVERS_DMA_H

#include <io.h>

#include "drivers/pci.h"
#include "stub/arch.h"

struct dma_dev {
	const char *name;		/* for messages */
	const struct pci_dev *pci;	/* NULL: its bus has no switch for DMA */
	bool coherent;			/* it looks into the CPU's caches */
	uint64_t last;			/* highest bus address that it can reach, BIT(n) - 1 */
	const void *own;		/* memory for queues beside dma_area, and its length */
	size_t own_len;
	/* Without a switch: make it forget all memory, bounded. For dma_abort(). */
	void (*reset)(struct dma_dev *dev);
	struct dma_dev *next;		/* of those attached */
};

/*
 * The device has been reset and knows of no memory: let it do DMA, for us. 0, or -errno, said why:
 * nothing was changed, and nothing must be told to the device. -EBUSY: memory is in quarantine,
 * -ENOMEM: there is none.
 */
int dma_attach(struct dma_dev *dev);

/*
 * No more DMA, whether the device was attached or is as the dead kernel left it; safe to call
 * twice. @stopped: it has confirmed a reset, or is gone. All its mappings end.
 */
void dma_detach(struct dma_dev *dev, bool stopped);

/*
 * No more DMA from now on, before the driver goes on with its device; it stays attached. False: the
 * device cannot be cut off.
 */
bool dma_cut(const struct dma_dev *dev);

/* Quarantine: some device keeps what it was told of, and none can be attached any more. */
extern bool dma_lost;

/* On the way out after an exception, in whatever state the drivers are: stop all that are attached. */
void dma_abort(void);

/*
 * Hand @len bytes of memory at @pa, ours or the dead kernel's, to an attached device: *ret_bus, with
 * the same offset in its page, is where it finds them. 0, -ERANGE: beyond what it reaches, -EBUSY: not now, after a dma_unmap().
 * dma_unmap() takes the same piece back; what the device wrote (@written) can be read then.
 */
int dma_map(const struct dma_dev *dev, phys_addr_t pa, size_t len, uint64_t *ret_bus);
void dma_unmap(const struct dma_dev *dev, phys_addr_t pa, size_t len, bool written);

/*
 * Memory for the queues and slots of the disk that is open; within reach of every attached device.
 * dma_addr(): the bus address of a piece of it, or of the device's own.
 */
#define DMA_PAGE_SIZE	4096u
#define DMA_AREA_SIZE	(6 * DMA_PAGE_SIZE)

extern uint8_t *dma_area;	/* aligned to DMA_PAGE_SIZE; NULL before dma_init() */

/*
 * Take the area from the arena, once, before mem_mark() and any device: one taken later would go
 * back with the rest, and the device still know it. False: there is no room.
 */
bool dma_init(void);

static inline uint64_t dma_addr(const struct dma_dev *dev, const void *p)
{
	(void)dev;
	return virt_to_phys(p);
}

/*
 * Hand a piece of such memory over, or take it back. Dirty lines are written back before the device
 * gets it even if it is going to write there: evicted later, they would destroy what it wrote.
 */
static inline void dma_give(const struct dma_dev *dev, const void *p, size_t len)
{
	if (!dev->coherent)
		dma_clean(virt_to_phys(p), len);
}

static inline void dma_take(const struct dma_dev *dev, const void *p, size_t len)
{
	if (!dev->coherent)
		dma_invalidate(virt_to_phys(p), len);
}

#endif
