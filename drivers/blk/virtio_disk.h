/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the two types of virtio devices that disks are behind have in common: one queue of requests, each
 * a chain of request, data and response, of which request and response live in a slot of the DMA area.
 * One device at a time. drivers/blk/virtio_blk.c and drivers/blk/virtio_scsi.c say what is in a request.
 */
#ifndef DRIVERS_VIRTIO_DISK_H
#define DRIVERS_VIRTIO_DISK_H

#include "drivers/dma.h"
#include "drivers/virtio/virtio.h"
#include "drivers/virtio/virtio_ring.h"
#include "stub/disk/blk.h"

/*
 * What CPU and device write is kept in different cache lines, for machines where they do not see
 * each other's
 */
struct virtio_disk_slot {
	uint8_t request[128];
	uint8_t response[128];
};
_Static_assert(sizeof(struct virtio_disk_slot) == 256, "slots do not share cache lines");

struct virtio_disk_type {
	const char *name;
	uint8_t queue;			/* of requests */
	uint8_t request_len;
	uint8_t response_len;
	bool response_first;		/* ahead of data that the device writes; else behind all data */
	bool counts_all;		/* as in struct virtq */
	/* Fill in a request, which is zero, and a response that is none: no answer is not a good answer */
	void (*prepare)(struct virtio_disk_slot *s, const struct blk_req *req);
	/* What an answer says of its request: 0, -EAGAIN, -EROFS, -EIO */
	int (*judge)(struct virtio_disk_slot *s, const struct blk_req *req);
};

struct virtio_disk {
	struct blk_dev blk;
	struct virtio_dev dev;
	struct virtq vq;
	const struct virtio_disk_type *type;
	struct blk_req *reqs[VIRTQ_MAX_CHAINS];
	uint32_t size_max;		/* bytes per descriptor */
	bool running;
	uint64_t health_us;		/* when to look at the status next */
};

extern struct virtio_disk virtio_disk;

/* Take the device at @at, whatever state it is in, as far as its features. 0 or -errno. */
int virtio_disk_open(const struct virtio_disk_type *type, const struct virtio_place *at, uint64_t wanted,
		     uint64_t *ret_features);

/*
 * Start it: DMA, the queue, the limits of a request, which has @seg_max pieces of data of @size_max bytes
 * (0: the device does not say). 0 or -errno.
 */
int virtio_disk_start(uint32_t seg_max, uint32_t size_max);

/*
 * One command, when no other is in flight, and wait for it: prepared in the slot that virtio_disk_slot()
 * gives (zeros, and no response). The device may write @len bytes to virtio_disk_data(), zeros before.
 * 0: there is an answer; -errno, said: there is none, and the device is not running any more.
 */
#define VIRTIO_DISK_DATA_LEN	2048u
struct virtio_disk_slot *virtio_disk_slot(void);
uint8_t *virtio_disk_data(void);
int virtio_disk_command(uint32_t len);

/* Reset, no more DMA; safe to call twice. */
void virtio_disk_close(void);

#endif
