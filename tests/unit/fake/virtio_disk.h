/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A simulated virtio block device behind one of four transports: PCI by capabilities, PCI by ports,
 * memory-mapped version 2 and version 1. It checks what a real one may rely on (assert) and
 * misbehaves as told.
 */
#ifndef FAKE_VIRTIO_DISK_H
#define FAKE_VIRTIO_DISK_H

#include "drivers/virtio/virtio_ring.h"
#include "tests/unit/fake/pci_bus.h"

enum fake_virtio_kind {
	FAKE_PCI_MODERN,
	FAKE_PCI_LEGACY,
	FAKE_PCI_TRANSITIONAL,
	FAKE_MMIO_MODERN,
	FAKE_MMIO_LEGACY,
	FAKE_NR_KINDS
};

#define FAKE_VIRTIO_BAR		0x8000000000ULL	/* above 4 GiB */
#define FAKE_VIRTIO_PORT	0xc040
#define FAKE_VIRTIO_MMIO	0x0a003e00ULL

struct fake_vblk_config {
	uint64_t capacity;
	uint32_t size_max;
	uint32_t seg_max;
	uint16_t cylinders;
	uint8_t heads, sectors;
	uint32_t blk_size;
	uint8_t topology[8];
	uint8_t writeback;
	uint8_t rsvd33[31];
};
_Static_assert(sizeof(struct fake_vblk_config) == 64, "VIRTIO 1.1 §5.2.4");

struct fake_vblk {
	enum fake_virtio_kind kind;
	struct fake_pci_fn fn;
	uint8_t *data;
	uint64_t data_len;
	char serial[21];

	/* what it says about itself */
	uint32_t device_id;		/* memory-mapped */
	uint64_t features;
	unsigned queue_max;
	struct fake_vblk_config config;

	/* how it behaves */
	uint64_t reset_us;		/* a reset takes this long */
	bool never_reset;
	bool refuse_features;		/* does not confirm FEATURES_OK */
	bool gone, gone_reads_zero;	/* unplugged: reads as all ones, or as zeros */
	bool several_queues;		/* others than 0 can be set up, and do nothing */
	bool drop;			/* takes requests and never answers */
	bool hold;			/* executes, completes when fake_vblk_release() says so */
	bool silent_status;		/* completes without writing the status byte */
	bool unsupported_id;
	bool no_notify; /* VIRTQ_USED_F_NO_NOTIFY: looks by itself at each tick of the clock */
	bool unstable_config;		/* generation changes with every read */
	uint64_t bad_sector;		/* requests that touch it fail */
	int64_t wrong_id, wrong_len;	/* >= 0: written to the used ring instead */
	/* Another type of device: the status that a request of two pieces gets, in its second one; a reset */
	uint8_t (*answer)(const void *request, uint32_t len, uint32_t status_len);
	void (*was_reset)(void);
	/* Another one: the whole request whose chain begins at @head. It ends in fake_vblk_finish(). */
	void (*execute)(struct fake_vblk *f, uint16_t head);
	unsigned queue;			/* of its requests; those below it are there, and never used */

	/* what happened */
	unsigned requests[16];		/* by type */
	unsigned notifies, max_inflight, max_descs;
	unsigned dma_without_master;

	/* device state */
	uint8_t status;
	uint64_t reset_at_us;
	uint32_t select_dev, select_drv, generation;
	uint64_t driver_features;
	uint16_t queue_size, queue_select;
	uint64_t desc, avail, used;
	uint32_t guest_page_size, queue_align;
	bool queue_live;
	uint16_t avail_seen, used_idx;
	struct { uint32_t id, len; } held[64];
	unsigned nr_held, inflight;
};

/*
 * A healthy disk, left running by a dead kernel, registered on the bus and (PCI) on the fake PCI
 * host
 */
void fake_vblk_init(struct fake_vblk *f, enum fake_virtio_kind kind, uint8_t *data, uint64_t len);
/* The same for another type: a modern device, a transitional one, and the type */
void fake_virtio_init(struct fake_vblk *f, enum fake_virtio_kind kind, uint16_t modern, uint16_t transitional,
		      unsigned type);
/* The request at @head is done, @written bytes: counted, held or dropped as told */
void fake_vblk_finish(struct fake_vblk *f, uint16_t head, uint32_t written);
void fake_vblk_release(struct fake_vblk *f, unsigned n);	/* the n-th oldest */
void fake_vblk_complete(struct fake_vblk *f, uint32_t id, uint32_t len); /* anything at all */
void fake_vblk_run(struct fake_vblk *f);			/* look at the available ring */

#endif
