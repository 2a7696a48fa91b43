// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio block device, VIRTIO 1.1 §5.2. Started by stub/disk/devices.c, used through blk_ops by
 * stub/disk/blk.c.
 *
 * One queue, up to 16 requests in flight. A request is a chain of header, data and status; header
 * and status live in a slot of the DMA area, one per request.
 */
#include <errno.h>
#include <io.h>
#include <stdio.h>
#include <string.h>

#include "drivers/blk/virtio_blk.h"
#include "drivers/dma.h"
#include "drivers/virtio/virtio_ring.h"
#include "stub/log.h"
#include "stub/timeout.h"

/* §5.2.3 */
#define VIRTIO_BLK_F_SIZE_MAX	BIT(1)
#define VIRTIO_BLK_F_SEG_MAX	BIT(2)
#define VIRTIO_BLK_F_RO		BIT(5)
#define VIRTIO_BLK_F_BLK_SIZE	BIT(6)
#define VIRTIO_BLK_F_FLUSH	BIT(9)
#define VIRTIO_BLK_F_CONFIG_WCE	BIT(11)

/* struct virtio_blk_config, §5.2.4 */
enum virtio_blk_config {
	CONFIG_CAPACITY		= 0,	/* 64 bits, 512-byte sectors whatever the block size */
	CONFIG_SIZE_MAX		= 8,
	CONFIG_SEG_MAX		= 12,
	CONFIG_BLK_SIZE		= 20,
	CONFIG_WRITEBACK	= 32,	/* 8 bits */
};

/* §5.2.6 */
enum virtio_blk_type {
	VIRTIO_BLK_T_IN		= 0,
	VIRTIO_BLK_T_OUT	= 1,
	VIRTIO_BLK_T_FLUSH	= 4,
	VIRTIO_BLK_T_GET_ID	= 8,
};

enum virtio_blk_status {
	VIRTIO_BLK_S_OK = 0,
	VIRTIO_BLK_S_IOERR = 1,
	VIRTIO_BLK_S_UNSUPP = 2,
	STATUS_UNWRITTEN = 0xff,	/* never success: no answer is not a good answer */
};

struct virtio_blk_req_header {
	uint32_t type;
	uint32_t rsvd4;
	uint64_t sector;
};
_Static_assert(sizeof(struct virtio_blk_req_header) == 16, "VIRTIO 1.1 §5.2.6");

#define SERIAL_LEN	20	/* §5.2.6, GET_ID: not NUL-terminated when full */

/*
 * What CPU and device write is kept in different cache lines, for machines where they do not see
 * each other's
 */
struct slot {
	struct virtio_blk_req_header header;
	uint8_t rsvd16[112];
	uint8_t status;
	uint8_t rsvd129[63];
	char serial[SERIAL_LEN];
	uint8_t rsvd212[44];
};
_Static_assert(sizeof(struct slot) == 256, "slots do not share cache lines");
_Static_assert(offsetof(struct slot, status) == 128, "device-written half");

#define NR_SLOTS	VIRTQ_MAX_CHAINS
#define SECTOR_SIZE	512
#define MAX_REQUEST	MIB(1)
#define PROBE_US	5000000
#define HEALTH_US	10000	/* how often an idle device is asked whether it is still there */

_Static_assert(5 * DMA_PAGE_SIZE + NR_SLOTS * sizeof(struct slot) <= DMA_AREA_SIZE,
	       "slots follow the ring");

static struct virtio_blk {
	struct blk_dev blk;
	struct virtio_dev dev;
	struct virtq vq;
	struct blk_req *reqs[NR_SLOTS];
	uint32_t size_max;		/* bytes per descriptor */
	bool running;
	uint64_t health_us;		/* when to look at the status next */
} vb;

static struct slot *slot(unsigned n)
{
	return (struct slot *)(dma_area + 5 * DMA_PAGE_SIZE) + n;
}

static uint32_t nr_descs(const struct blk_req *req)
{
	uint32_t n = 2;

	for (unsigned i = 0; i < req->nr_segs; i++)
		n += (uint32_t)DIV_ROUND_UP((uint64_t)req->segs[i].len, vb.size_max);
	return n;
}

static void begin_request(unsigned n, enum virtio_blk_type type, uint64_t sector)
{
	struct slot *s = slot(n);

	s->header = (struct virtio_blk_req_header){ .type = type, .sector = sector };
	s->status = STATUS_UNWRITTEN;
	dma_give(&vb.dev.dma, s, sizeof(*s));
	virtq_add(&vb.vq, n, dma_addr(&vb.dev.dma, &s->header), sizeof(s->header), false);
}

static void unmap(const struct blk_req *req, unsigned nr_segs)
{
	for (unsigned i = 0; i < nr_segs; i++)
		dma_unmap(&vb.dev.dma, req->segs[i].pa, req->segs[i].len, req->op == BLK_READ);
}

/* 0, or -errno with nothing mapped */
static int add_data(unsigned n, const struct blk_req *req)
{
	for (unsigned i = 0; i < req->nr_segs; i++) {
		const struct blk_seg *seg = &req->segs[i];
		uint64_t addr;
		uint32_t len;
		int rc = dma_map(&vb.dev.dma, seg->pa, seg->len, &addr);

		if (rc) {
			unmap(req, i);
			return rc;
		}
		for (uint32_t done = 0; done < seg->len; done += len) {
			len = (uint32_t)min_u64(seg->len - done, vb.size_max);
			virtq_add(&vb.vq, n, addr + done, len, req->op == BLK_READ);
		}
	}
	return 0;
}

static void send_request(unsigned n)
{
	virtq_add(&vb.vq, n, dma_addr(&vb.dev.dma, &slot(n)->status), 1, true);
	if (virtq_commit(&vb.vq, n))
		vb.dev.ops->notify(&vb.dev, &vb.vq);
}

static int request_status(unsigned n)
{
	struct slot *s = slot(n);

	dma_take(&vb.dev.dma, &s->status, sizeof(s->status));
	switch (dma_load(&s->status)) {
	case VIRTIO_BLK_S_OK:
		return 0;
	case VIRTIO_BLK_S_UNSUPP:
		return -EOPNOTSUPP;
	default:
		return -EIO;
	}
}

static int virtio_blk_submit(struct blk_dev *blk, struct blk_req *req)
{
	static const enum virtio_blk_type types[] = {
		[BLK_READ] = VIRTIO_BLK_T_IN,
		[BLK_WRITE] = VIRTIO_BLK_T_OUT,
		[BLK_FLUSH] = VIRTIO_BLK_T_FLUSH,
	};
	unsigned n = 0;
	int rc;

	if (!vb.running)
		return -ENODEV;
	while (n < NR_SLOTS && vb.reqs[n])
		n++;
	if (n == NR_SLOTS || nr_descs(req) > vb.vq.nr_free)
		return -EBUSY;

	begin_request(n, types[req->op],
		      req->op == BLK_FLUSH ? 0 : req->lba * (blk->block_size / SECTOR_SIZE));
	rc = add_data(n, req);
	if (rc) {
		virtq_drop(&vb.vq, n);
		return rc;
	}
	vb.reqs[n] = req;
	send_request(n);
	return 0;
}

static void finish_request(unsigned n)
{
	struct blk_req *req = vb.reqs[n];
	int status = request_status(n);

	vb.reqs[n] = NULL;
	unmap(req, req->nr_segs);
	if (status) {
		log_warn("%s: request at block %lu failed, status %u", vb.blk.name, req->lba,
			 slot(n)->status);
		status = -EIO;
	}
	req->status = status;
}

/* Nothing completed for a while: is the device still there, and sane? */
static int check_health(void)
{
	uint64_t now_us = arch_time_us();
	uint8_t status;

	if (now_us < vb.health_us)
		return 0;
	vb.health_us = now_us + HEALTH_US;
	status = vb.dev.ops->get_status(&vb.dev);
	/* §2.1.2: after DEVICE_NEEDS_RESET no request may be relied on */
	if (!(status & VIRTIO_NEEDS_RESET) && status & VIRTIO_DRIVER_OK)
		return 0;
	if (status == VIRTIO_GONE || !vb.dev.ops->present(&vb.dev))
		return log_err(-ENODEV, "%s: device is gone", vb.blk.name);
	return log_err(-EIO, "%s: device stopped, status %#x", vb.blk.name, status);
}

static int virtio_blk_poll(struct blk_dev *blk)
{
	unsigned n;
	int rc, done = 0;

	(void)blk;
	if (!vb.running)
		return -ENODEV;
	/* Bounded by what can be in flight, so that a device gone mad cannot keep us here */
	while (done < NR_SLOTS) {
		rc = virtq_pop(&vb.vq, &n);
		if (rc < 0)
			return rc;
		if (!rc)
			break;
		finish_request(n);
		done++;
	}
	rc = done ? 0 : check_health();
	return rc ? rc : done;
}

static void virtio_blk_shutdown(struct blk_dev *blk)
{
	(void)blk;
	if (!vb.running)
		return;
	vb.running = false;
	/* §3.3.1: a reset device owns no buffer. Requests still there are the caller's to fail. */
	virtio_close(&vb.dev);
	memset(vb.reqs, 0, sizeof(vb.reqs));
}

static const struct blk_ops virtio_blk_ops = {
	.submit		= virtio_blk_submit,
	.poll		= virtio_blk_poll,
	.shutdown	= virtio_blk_shutdown,
};

/* --- start --- */

static uint32_t config32(unsigned off)
{
	return vb.dev.ops->config_read(&vb.dev, off, 4);
}

static int read_geometry(uint64_t features)
{
	struct blk_dev *blk = &vb.blk;
	uint64_t sectors;
	int rc = virtio_config_read64(&vb.dev, CONFIG_CAPACITY, &sectors);

	if (rc)
		return rc;
	blk->block_size =
		features & VIRTIO_BLK_F_BLK_SIZE ? config32(CONFIG_BLK_SIZE) : SECTOR_SIZE;
	if (!is_power_of_2(blk->block_size) || blk->block_size < SECTOR_SIZE ||
	    blk->block_size > 4096)
		return log_err(-EOPNOTSUPP, "%s: block size %u is not supported", blk->name,
			       blk->block_size);
	/* Bytes must fit 64 bits wherever they are computed */
	if (sectors > UINT64_MAX / SECTOR_SIZE)
		return log_err(-EPROTO, "%s: absurd capacity %#lx", blk->name, sectors);
	blk->nr_blocks = sectors / (blk->block_size / SECTOR_SIZE);

	blk->read_only = features & VIRTIO_BLK_F_RO;
	/*
	 * §5.2.5.2: with CONFIG_WCE the device may be in write-through mode, then there is nothing
	 * to flush
	 */
	blk->has_flush = features & VIRTIO_BLK_F_FLUSH;
	if (blk->has_flush && features & VIRTIO_BLK_F_CONFIG_WCE)
		blk->has_flush = vb.dev.ops->config_read(&vb.dev, CONFIG_WRITEBACK, 1) != 0;
	return 0;
}

/*
 * How much fits one request, so that its chain always fits the queue: the worst split of n pieces
 * and b bytes into descriptors of size_max takes n + b / size_max.
 */
static int set_limits(uint64_t features)
{
	struct blk_dev *blk = &vb.blk;
	uint32_t descs = vb.vq.size - 2;	/* header and status take one each */

	/* §5.2.5: 0 would mean that nothing can be sent; devices that say so do not mean it */
	if (features & VIRTIO_BLK_F_SEG_MAX && config32(CONFIG_SEG_MAX))
		descs = (uint32_t)min_u64(descs, config32(CONFIG_SEG_MAX));
	vb.size_max = MAX_REQUEST;
	if (features & VIRTIO_BLK_F_SIZE_MAX && config32(CONFIG_SIZE_MAX))
		vb.size_max = (uint32_t)min_u64(MAX_REQUEST, config32(CONFIG_SIZE_MAX));

	blk->max_bytes = MAX_REQUEST;
	blk->max_segs = descs;
	if (vb.size_max < MAX_REQUEST) {
		blk->max_segs = descs >= 4 ? descs / 2 : 1;
		descs -= descs >= 4 ? blk->max_segs : 0;
		blk->max_bytes = (uint32_t)min_u64(MAX_REQUEST,
						   ALIGN_DOWN((uint64_t)descs * vb.size_max, 4096));
	}
	blk->dma_last = vb.dev.dma.last;
	blk->queue_depth = NR_SLOTS;
	if (blk->max_bytes < 4096)
		return log_err(-EOPNOTSUPP, "%s: takes %u segments of %u bytes: less than a page",
			       blk->name, descs, vb.size_max);
	return 0;
}

static int start_queue(void)
{
	unsigned size = vb.dev.ops->queue_size(&vb.dev, 0);

	/*
	 * §2.6: a power of two, at most 32768. Only the modern interface lets us choose a smaller
	 * one.
	 */
	if (size > VIRTQ_MAX_SIZE && size <= 32768 && !vb.dev.fixed_queue_size)
		size = VIRTQ_MAX_SIZE;
	if (!is_power_of_2(size) || size < 4 || size > VIRTQ_MAX_SIZE)
		return log_err(-EOPNOTSUPP, "%s: queue of %u entries, at most %u are supported",
			       vb.blk.name, size, VIRTQ_MAX_SIZE);
	virtq_init(&vb.vq, &vb.dev.dma, 0, dma_area, (uint16_t)size);
	return vb.dev.ops->queue_enable(&vb.dev, &vb.vq);
}

/* The serial is an aid to recognise the disk: a device without one is as good as any other */
static void read_serial(void)
{
	struct slot *s = slot(0);
	unsigned n, len;
	int rc = 0;

	memset(s->serial, 0, SERIAL_LEN);
	begin_request(0, VIRTIO_BLK_T_GET_ID, 0);
	virtq_add(&vb.vq, 0, dma_addr(&vb.dev.dma, s->serial), SERIAL_LEN, true);
	send_request(0);
	if (poll_until_us((rc = virtq_pop(&vb.vq, &n)) != 0, PROBE_US) || rc < 0) {
		/* A device that does not answer this will not answer a write either */
		log_warn("%s: no answer", vb.blk.name);
		vb.running = false;
		return;
	}
	if (request_status(0))
		return;
	dma_take(&vb.dev.dma, s->serial, SERIAL_LEN);
	memcpy(vb.blk.serial, s->serial, SERIAL_LEN);
	for (len = 0; len < SERIAL_LEN && vb.blk.serial[len] >= ' ' && vb.blk.serial[len] <= '~';
	     len++)
		;
	while (len && vb.blk.serial[len - 1] == ' ')
		len--;
	vb.blk.serial[len] = '\0';
}

static int start(void)
{
	uint64_t features;
	int rc;

	/* §3.1.1 */
	rc = virtio_reset(&vb.dev);
	if (!rc)
		rc = virtio_negotiate(&vb.dev,
				      VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_SEG_MAX |
					      VIRTIO_BLK_F_RO | VIRTIO_BLK_F_BLK_SIZE |
					      VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_CONFIG_WCE,
				      &features);
	if (!rc)
		rc = read_geometry(features);
	/* It has been reset, so nothing of the dead kernel's is left to go on with */
	if (!rc)
		rc = dma_attach(&vb.dev.dma);
	if (!rc)
		rc = start_queue();
	if (!rc)
		rc = set_limits(features);
	if (rc)
		return rc;

	/* §3.1.1 step 8: live */
	vb.dev.ops->set_status(&vb.dev, vb.dev.ops->get_status(&vb.dev) | VIRTIO_DRIVER_OK);
	vb.running = true;
	read_serial();
	return vb.running ? 0 : -ETIMEDOUT;
}

int virtio_blk_probe(const struct virtio_place *at, struct blk_dev **ret_dev)
{
	int rc;

	memset(&vb, 0, sizeof(vb));
	rc = virtio_open(&vb.dev, at);
	if (rc)
		return rc;
	vb.blk.ops = &virtio_blk_ops;
	snprintf(vb.blk.name, sizeof(vb.blk.name), "virtio-blk %s", vb.dev.name);
	rc = start();
	if (rc) {
		vb.running = false;
		virtio_close(&vb.dev);
		return rc;
	}
	*ret_dev = &vb.blk;
	return 0;
}
