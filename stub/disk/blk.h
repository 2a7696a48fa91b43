/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Block device as the dump writer sees it: requests are gather lists of physical addresses, several
 * are in flight, completion is polled. One disk is open at a time; drivers keep their state in
 * static storage.
 */
#ifndef STUB_BLK_H
#define STUB_BLK_H

#include "stub/bits.h"

struct blk_dev;

/* A piece of physical memory: a buffer of the stub, or pages of the dead kernel */
struct blk_seg {
	phys_addr_t pa;
	/* a multiple of 4096, or of block_size in a request of one segment */
	uint32_t len;
};

enum blk_op { BLK_READ, BLK_WRITE, BLK_FLUSH };

/*
 * A request belongs to the driver from submit() until status is no longer -EINPROGRESS. segs and
 * what they point at must stay valid that long. Sum of segs = nr_blocks * block_size <= max_bytes,
 * nr_segs <= max_segs. A driver that sets -EAGAIN gives it back for another try: blk.c hands it to
 * submit() again after a pause, and nobody else sees that status.
 */
struct blk_req {
	enum blk_op op;
	uint64_t lba;		/* in blocks of the device */
	uint32_t nr_blocks;
	uint32_t nr_segs;
	const struct blk_seg *segs;
	int status;		/* -EINPROGRESS, 0, -EIO, -EROFS, -ENODEV, -ETIMEDOUT */
	uint64_t deadline_us;	/* set by blk.c on submit, of all tries together */
	uint64_t retry_us;	/* blk.c: when to try again; 0: the driver has it */
	uint16_t tag;		/* the driver's */
	uint8_t tries;		/* so many have failed with -EAGAIN */
};

struct blk_ops {
	/*
	 * Start @req. 0, -EBUSY (queue full: poll first), or -errno: not started, device unusable.
	 * Never waits.
	 */
	int (*submit)(struct blk_dev *dev, struct blk_req *req);
	/*
	 * Reap completions, set their status. Returns how many, or -errno when the device itself
	 * failed.
	 */
	int (*poll)(struct blk_dev *dev);
	/*
	 * Stop all DMA for good: controller shut down or reset, bus master off. When it returns no
	 * request is in flight in the device, whatever state it was in. Bounded; safe to call
	 * twice.
	 */
	void (*shutdown)(struct blk_dev *dev);
};

struct blk_dev {
	const struct blk_ops *ops;
	char name[48];			/* for messages: "nvme 0000:00:04.0 ns 1" */
	char serial[41];		/* NUL-terminated, blanks trimmed; "" if none */
	/*
	 * What a disk is called by each of several ways to it, and no other disk of this serial number; zeros:
	 * there is one way
	 */
	uint8_t shared_id[16];
	uint32_t block_size;		/* 512 .. 4096, power of two */
	uint64_t nr_blocks;
	uint32_t max_bytes;		/* per request, a multiple of 4096 */
	uint32_t max_segs;		/* per request */
	uint32_t queue_depth;		/* requests in flight */
	phys_addr_t dma_last;		/* highest address that the device reaches in segs; above it are only copies */
	bool read_only;
	/* volatile write cache: BLK_FLUSH is supported and needed */
	bool has_flush;
	/* a request timed out or the device vanished: abandoned, see fail_code */
	bool failed;
	int fail_code;			/* -errno of the failure */
};

/*
 * Limit of one request (timeout= of the command line, 60 s unless given). A healthy disk needs far
 * less; remote storage stalls for half a minute and comes back, and Linux waits that long.
 */
extern uint64_t blk_timeout_us;

#define UNIT_NONE	UINT32_MAX	/* none of the disks of a device: the device itself */

/* Before try number @tries + 2: 10 ms, doubling up to a second */
static inline uint64_t blk_pause_us(unsigned tries)
{
	return min_u64(1000000, 10000ULL << min_u64(tries, 7));
}

/*
 * For drivers. The serial number as a device gives it, @len characters at most (<= 40), padded with blanks
 * on either side or ended by anything that is not ASCII. Geometry: 0; -EPROTOTYPE: blocks that nothing
 * here can write; -EPROTO: absurd; both said.
 */
void blk_set_serial(struct blk_dev *dev, const void *text, unsigned len);
int blk_set_geometry(struct blk_dev *dev, uint32_t block_size, uint64_t nr_blocks);

/*
 * Checked wrappers used by everything above the drivers (stub/disk/blk.c). They refuse requests outside
 * the device or its limits, keep count and deadline, and abandon a device that times out:
 * shutdown() is called once, failed is set, every request in flight gets an error, and all later
 * calls return -ENODEV.
 *
 * Each returns 0 (blk_poll(): the number of requests completed) or -errno, logged. A refused
 * request (-ERANGE, -EINVAL, -EROFS) leaves the device usable; after any other error look at
 * dev->failed. blk_rw() takes @len in bytes, a multiple of block_size, and a buffer of the stub's
 * own memory. blk_shutdown() ends the use of the device: it may be called on a failed one, and more
 * than once.
 */
/* waits (bounded) while the queue is full */
int blk_submit(struct blk_dev *dev, struct blk_req *req);
int blk_poll(struct blk_dev *dev);
/* until done; returns req->status */
int blk_wait(struct blk_dev *dev, struct blk_req *req);
/* one buffer, waits */
int blk_rw(struct blk_dev *dev, enum blk_op op, uint64_t lba, void *buf, size_t len);
int blk_flush(struct blk_dev *dev);
void blk_shutdown(struct blk_dev *dev);

#endif
