// SPDX-License-Identifier: GPL-2.0-or-later
/* The memory that drivers/dma_area.h describes. */
#include "drivers/dma_area.h"

#include "stub/mem.h"

/* virtio's legacy interface takes a page number of 32 bits (VIRTIO 1.1 §4.1.4.10) */
#define DMA_ADDR_LAST	(BIT(44) - 1)

bool dma_area_lost;
uint8_t *dma_area;

bool dma_area_init(void)
{
	dma_area = mem_take("disk queues", DMA_AREA_SIZE, DMA_PAGE_SIZE, DMA_ADDR_LAST);
	return dma_area != NULL;
}
