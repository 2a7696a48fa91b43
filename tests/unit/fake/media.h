/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is the same in the tests of all disks' drivers: contents, and a bus to begin with. For one test program each. */
#ifndef FAKE_MEDIA_H
#define FAKE_MEDIA_H

#include <stdlib.h>

#include "drivers/dma.h"
#include "stub/disk/blk.h"
#include "tests/unit/fake/bus.h"
#include "tests/unit/fake/pci_bus.h"

#define MEDIA_BYTES	MIB(4)

static struct pci_host host;
static uint8_t media[MEDIA_BYTES], expected[MEDIA_BYTES];
static uint8_t buf[MIB(2)] __attribute__((aligned(4096)));

static void fill(uint8_t *p, size_t len, unsigned seed)
{
	srand(seed);
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(rand() >> 7);
}

/* Nothing is attached, the bus is empty, the media are full of something */
static void set_up_bus(bool ecam)
{
	dma_abort();
	assert_true(dma_init());
	dma_lost = false;
	fake_bus_reset();
	fake_log_reset();
	host = fake_pci_host(ecam, 0);
	fill(media, sizeof(media), 1);
}

/* Pieces of all lengths go to the media and come back, and nothing else there changes */
static inline void write_and_read(struct blk_dev *dev)
{
	const size_t lens[] = { dev->block_size, 4096, 12288, KIB(64), MIB(1) };

	memcpy(expected, media, sizeof(media));
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		uint64_t pos = i * 77 * 4096;

		fill(buf, lens[i], (unsigned)i);
		assert_int_equal(blk_rw(dev, BLK_WRITE, pos / dev->block_size, buf, lens[i]), 0);
		memcpy(expected + pos, buf, lens[i]);
		memset(buf, 0, sizeof(buf));
		assert_int_equal(blk_rw(dev, BLK_READ, pos / dev->block_size, buf, lens[i]), 0);
		assert_memory_equal(buf, expected + pos, lens[i]);
	}
	assert_memory_equal(media, expected, sizeof(media));
}

#endif
