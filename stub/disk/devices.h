/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which devices exist is data: the table in stub/disk/devices.c, the one place that names drivers.
 */
#ifndef STUB_DEVICES_H
#define STUB_DEVICES_H

#include "stub/disk/blk.h"
#include "stub/boot/boot_info.h"

/* Walks all disks of the machine, one open at a time. Zero-initialise. */
struct disk_iter {
	unsigned bus;		/* index into the PCI hosts, then the virtio-mmio windows */
	uint32_t devfn;		/* bus << 8 | device << 3 | function */
	unsigned unit;		/* namespace of the current controller */
	unsigned unsupported;	/* disks in a format that no driver can write to */
	unsigned failures;	/* controllers that have a driver and could not be started */
	int last_error;
};

/*
 * Start the next disk and return it. -ENOENT: no more. A disk that fails to start is reported,
 * counted in it->failures and skipped. The caller shuts the disk down (blk_shutdown) before the
 * next call.
 */
int disk_next(struct disk_iter *it, const struct boot_info *bi, struct blk_dev **ret_dev);

/*
 * Memory for drivers' queues and for the tables of IOMMUs, once, before disk_next(). Without it there are no
 * disks. @ram reads RAM of the dead kernel, -errno for anything else.
 */
void disk_init(const struct boot_info *bi, int (*ram)(void *dst, phys_addr_t pa, size_t len));

/* A disk could not be stopped: what it was given of our memory is its own for good. */
bool disk_keeps_memory(void);

/* Say, once, which storage controllers of the machine no driver here is for. */
void disk_name_driverless(const struct boot_info *bi);

/* After an exception, for the way out: whatever controller was being used or started does no DMA. */
void disk_abort(void);

#endif
