// SPDX-License-Identifier: GPL-2.0-or-later
/* The memory that drivers/dma_area.h describes. */
#include "drivers/dma_area.h"

bool dma_area_lost;
uint8_t dma_area[DMA_AREA_SIZE] __attribute__((aligned(4096)));
