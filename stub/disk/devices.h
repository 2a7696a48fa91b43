/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which devices exist is data: the table in stub/disk/devices.c, the one place that names drivers.
 */
#ifndef STUB_DEVICES_H
#define STUB_DEVICES_H

#include "stub/disk/blk.h"
#include "stub/boot/boot_info.h"

/* Where a disk is: behind an NVMe controller that is up, a virtio device's window or a PCI function */
struct disk_place {
	struct nvme *nvme;
	unsigned unit;		/* which of its disks */
	const struct virtio_mmio_spec *mmio;
	uint64_t pci;		/* number of the host << 32 | position */
};

/* One search through all disks of the machine, one open at a time. Zero-initialise. */
struct disk_iter {
	unsigned unsupported;	/* disks in a format that no driver can write to */
	unsigned failures;	/* controllers that have a driver and could not be started */
	int last_error;

	/* devices.c's own */
	bool begun, found;
	uint64_t pci_pos, nvme_pos;
	unsigned mmio, unit;
	struct disk_place now, kept;
};

/*
 * Open the next disk, of whichever controller is ready. -ENOENT: all have been looked at, and all but the one
 * that is kept are shut down. Each controller is started once; an NVMe controller that failed in an earlier search is counted as
 * failed and left alone. One that fails is reported, counted in
 * it->failures and skipped; when the target has been found, so is one that is late. After the overall deadline
 * (stub/idle.h) there is no next one. Every disk is followed by disk_done(): @keep means that it is the target so
 * far, and stays within reach.
 */
int disk_next(struct disk_iter *it, const struct boot_info *bi, struct blk_dev **ret_dev);
void disk_done(struct disk_iter *it, struct blk_dev *dev, bool keep);

/*
 * When the search is over: open the disk that was kept, 0 or -errno. From there on it is the caller's to shut down
 * (blk_shutdown()). Or leave it.
 */
int disk_reopen(struct disk_iter *it, const struct boot_info *bi, struct blk_dev **ret_dev);
void disk_forget(struct disk_iter *it);

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
