/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks in memory behind disk_next(), for tests of what looks for targets. Requests complete at
 * once. Only one disk may be open at a time, and none may be used after its shutdown.
 */
#ifndef FAKE_DISKS_H
#define FAKE_DISKS_H

#include "stub/disk/blk.h"

#define FAKE_MAX_DISKS	4

struct fake_disk {
	struct blk_dev dev;
	uint8_t *bytes;			/* dev.nr_blocks * dev.block_size, the test's */
	int start_error;		/* the controller does not start: disk_next() skips it */
	uint64_t bad_lba;		/* + 1: requests that touch it fail; 0: none */
	bool dies;			/* requests time out: the driver gives the device up */
	bool lost;			/* it cannot be opened again */
	bool open;
	unsigned opened, reads, writes, flushes;
	uint64_t write_first, write_last;	/* bytes that were written to, [first, last) */
};

extern struct fake_disk fake_disks[FAKE_MAX_DISKS];
extern unsigned fake_nr_disks;
extern unsigned fake_driverless_named, fake_disks_aborted;	/* calls since the reset */

void fake_disks_reset(void);
/* Add a disk over @bytes */
struct fake_disk *fake_disk_add(uint8_t *bytes, uint32_t block_size, uint64_t nr_blocks);

#endif
