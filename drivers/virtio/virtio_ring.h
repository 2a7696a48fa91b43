/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Split virtqueue, driver side (VIRTIO 1.1 §2.6): polled, several chains in flight, no indirect
 * descriptors, no event index. The device is not trusted: what it writes to the used ring is
 * checked against what is in flight, and the free list is kept in private memory.
 */
#ifndef DRIVERS_VIRTIO_RING_H
#define DRIVERS_VIRTIO_RING_H

#include "stub/bits.h"

struct dma_dev;

#define VIRTQ_MAX_SIZE		512	/* descriptors; what fits beside the rest in the DMA area */
#define VIRTQ_MAX_CHAINS	16
#define VIRTQ_ALIGN		4096	/* of the used ring: §2.6.2, legacy interface */

/* §2.6.5 */
struct virtq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};
_Static_assert(sizeof(struct virtq_desc) == 16, "VIRTIO 1.1 §2.6.5");

/* §2.6.6 */
struct virtq_avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[];
};
_Static_assert(sizeof(struct virtq_avail) == 4, "VIRTIO 1.1 §2.6.6");

/* §2.6.8 */
struct virtq_used_elem {
	uint32_t id;
	uint32_t len;
};

struct virtq_used {
	uint16_t flags;
	uint16_t idx;
	struct virtq_used_elem ring[];
};
_Static_assert(sizeof(struct virtq_used_elem) == 8, "VIRTIO 1.1 §2.6.8");
_Static_assert(sizeof(struct virtq_used) == 4, "VIRTIO 1.1 §2.6.8");

/* Bytes of a queue of @size descriptors laid out in one piece */
#define VIRTQ_USED_OFFSET(size)	ALIGN_UP(16 * (size) + 6 + 2 * (size), VIRTQ_ALIGN)
#define VIRTQ_BYTES(size)	(VIRTQ_USED_OFFSET(size) + 6 + 8 * (size))

struct virtq_chain {
	uint16_t head;
	uint16_t count;			/* descriptors; 0: not in flight */
	uint16_t last;			/* while it is being built */
	uint32_t writable;		/* bytes the device may say that it has written */
};

struct virtq {
	const struct dma_dev *dma;
	void *notify;			/* its register, where each queue has one: the transport's */
	uint16_t index;			/* which of the device's queues */
	uint16_t size;			/* power of two */
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	struct virtq_used *used;
	uint16_t avail_idx;		/* next entry we fill */
	uint16_t used_idx;		/* next entry we read */
	uint16_t free_head;
	uint16_t nr_free;
	bool counts_all;		/* it says that it has written what it has read, too: QEMU's SCSI host does */
	uint16_t next[VIRTQ_MAX_SIZE];	/* free list and chains */
	struct virtq_chain chains[VIRTQ_MAX_CHAINS];
};

/*
 * Lay out queue @index, of @size (power of two, <= VIRTQ_MAX_SIZE), in @mem, a piece of the DMA
 * area of the attached device @dma. It is aligned to VIRTQ_ALIGN and holds VIRTQ_BYTES(size).
 */
void virtq_init(struct virtq *vq, const struct dma_dev *dma, uint16_t index, void *mem, uint16_t size);

/*
 * Build chain @token (free, < VIRTQ_MAX_CHAINS): virtq_add() for each piece, by its bus address,
 * those that the device writes last. The caller has seen to it that vq->nr_free suffices.
 * virtq_commit() shows it to the device; true: notify it. virtq_drop() gives it up before.
 */
void virtq_add(struct virtq *vq, unsigned token, uint64_t addr, uint32_t len, bool device_writes);
bool virtq_commit(struct virtq *vq, unsigned token);
void virtq_drop(struct virtq *vq, unsigned token);

/*
 * Next completed chain. 1 with its token, 0: none, -EIO: the device wrote nonsense and cannot be
 * used any more.
 */
int virtq_pop(struct virtq *vq, unsigned *ret_token);

#endif
