// SPDX-License-Identifier: GPL-2.0-or-later
/* See virtio_disk.h. Up to 16 requests in flight; used through blk_ops by stub/disk/blk.c. */
#include "drivers/blk/virtio_disk.h"

#include <errno.h>
#include <io.h>
#include <stdio.h>
#include <string.h>

#include "stub/log.h"
#include "stub/timeout.h"

#define NR_SLOTS	VIRTQ_MAX_CHAINS
#define RING_AREA	(5 * DMA_PAGE_SIZE)
#define MAX_REQUEST	MIB(1)
#define PROBE_US	5000000
#define HEALTH_US	10000	/* how often an idle device is asked whether it is still there */

_Static_assert(RING_AREA + NR_SLOTS * sizeof(struct virtio_disk_slot) <= DMA_AREA_SIZE, "slots follow the ring");
_Static_assert(VIRTQ_BYTES(VIRTQ_MAX_SIZE) + VIRTIO_DISK_DATA_LEN <= RING_AREA, "the ring leaves room for data");

struct virtio_disk virtio_disk;
#define vd virtio_disk

static struct virtio_disk_slot *slot(unsigned n)
{
	return (struct virtio_disk_slot *)(dma_area + RING_AREA) + n;
}

uint8_t *virtio_disk_data(void)
{
	return dma_area + RING_AREA - VIRTIO_DISK_DATA_LEN;
}

static uint32_t nr_descs(const struct blk_req *req)
{
	uint32_t n = 2;

	for (unsigned i = 0; i < req->nr_segs; i++)
		n += (uint32_t)DIV_ROUND_UP((uint64_t)req->segs[i].len, vd.size_max);
	return n;
}

static void clear_slot(struct virtio_disk_slot *s)
{
	memset(s->request, 0, sizeof(s->request));
	memset(s->response, 0xff, sizeof(s->response));
}

static void begin_request(unsigned n)
{
	struct virtio_disk_slot *s = slot(n);

	dma_give(&vd.dev.dma, s, sizeof(*s));
	virtq_add(&vd.vq, n, dma_addr(&vd.dev.dma, s->request), vd.type->request_len, false);
}

static void add_response(unsigned n)
{
	virtq_add(&vd.vq, n, dma_addr(&vd.dev.dma, slot(n)->response), vd.type->response_len, true);
}

static void unmap(const struct blk_req *req, unsigned nr_segs)
{
	for (unsigned i = 0; i < nr_segs; i++)
		dma_unmap(&vd.dev.dma, req->segs[i].pa, req->segs[i].len, req->op == BLK_READ);
}

/* 0, or -errno with nothing mapped */
static int add_data(unsigned n, const struct blk_req *req)
{
	for (unsigned i = 0; i < req->nr_segs; i++) {
		const struct blk_seg *seg = &req->segs[i];
		uint64_t addr;
		uint32_t len;
		int rc = dma_map(&vd.dev.dma, seg->pa, seg->len, &addr);

		if (rc) {
			unmap(req, i);
			return rc;
		}
		for (uint32_t done = 0; done < seg->len; done += len) {
			len = (uint32_t)min_u64(seg->len - done, vd.size_max);
			virtq_add(&vd.vq, n, addr + done, len, req->op == BLK_READ);
		}
	}
	return 0;
}

static void send_request(unsigned n)
{
	if (virtq_commit(&vd.vq, n))
		vd.dev.ops->notify(&vd.dev, &vd.vq);
}

static int submit(struct blk_dev *blk, struct blk_req *req)
{
	bool first = vd.type->response_first && req->op == BLK_READ;
	unsigned n = 0;
	int rc;

	if (!vd.running)
		return -ENODEV;
	while (n < blk->queue_depth && vd.reqs[n])
		n++;
	if (n == blk->queue_depth || nr_descs(req) > vd.vq.nr_free)
		return -EBUSY;

	clear_slot(slot(n));
	vd.type->prepare(slot(n), req);
	begin_request(n);
	if (first)
		add_response(n);
	rc = add_data(n, req);
	if (rc) {
		virtq_drop(&vd.vq, n);
		return rc;
	}
	if (!first)
		add_response(n);
	vd.reqs[n] = req;
	send_request(n);
	return 0;
}

static void finish_request(unsigned n)
{
	struct blk_req *req = vd.reqs[n];

	vd.reqs[n] = NULL;
	unmap(req, req->nr_segs);
	dma_take(&vd.dev.dma, slot(n)->response, sizeof(slot(n)->response));
	req->status = vd.type->judge(slot(n), req);
}

/* Nothing completed for a while: is the device still there, and sane? */
static int check_health(void)
{
	uint64_t now_us = arch_time_us();
	uint8_t status;

	if (now_us < vd.health_us)
		return 0;
	vd.health_us = now_us + HEALTH_US;
	status = vd.dev.ops->get_status(&vd.dev);
	/* §2.1.2: after DEVICE_NEEDS_RESET no request may be relied on */
	if (!(status & VIRTIO_NEEDS_RESET) && status & VIRTIO_DRIVER_OK)
		return 0;
	if (status == VIRTIO_GONE || !vd.dev.ops->present(&vd.dev))
		return log_err(-ENODEV, "%s: device is gone", vd.blk.name);
	return log_err(-EIO, "%s: device stopped, status %#x", vd.blk.name, status);
}

static int poll(struct blk_dev *blk)
{
	unsigned n;
	int rc, done = 0;

	(void)blk;
	if (!vd.running)
		return -ENODEV;
	/* Bounded by what can be in flight, so that a device gone mad cannot keep us here */
	while (done < NR_SLOTS) {
		rc = virtq_pop(&vd.vq, &n);
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

void virtio_disk_close(void)
{
	if (!vd.dev.ops)
		return;
	vd.running = false;
	/* §3.3.1: a reset device owns no buffer. Requests still there are the caller's to fail. */
	virtio_close(&vd.dev);
	vd.dev.ops = NULL;
	memset(vd.reqs, 0, sizeof(vd.reqs));
}

static void shutdown(struct blk_dev *blk)
{
	(void)blk;
	virtio_disk_close();
}

static const struct blk_ops virtio_disk_ops = {
	.submit		= submit,
	.poll		= poll,
	.shutdown	= shutdown,
};

/* --- start --- */

int virtio_disk_open(const struct virtio_disk_type *type, const struct virtio_place *at, uint64_t wanted,
		     uint64_t *ret_features)
{
	int rc;

	memset(&vd, 0, sizeof(vd));
	rc = virtio_open(&vd.dev, at);
	if (rc) {
		vd.dev.ops = NULL;
		return rc;
	}
	vd.type = type;
	vd.blk.ops = &virtio_disk_ops;
	vd.blk.queue_depth = NR_SLOTS;
	snprintf(vd.blk.name, sizeof(vd.blk.name), "%s %s", type->name, vd.dev.name);
	/* §3.1.1 */
	rc = virtio_reset(&vd.dev);
	return rc ? rc : virtio_negotiate(&vd.dev, wanted, ret_features);
}

static int start_queue(void)
{
	unsigned size = vd.dev.ops->queue_size(&vd.dev, vd.type->queue);

	/*
	 * §2.6: a power of two, at most 32768. Only the modern interface lets us choose a smaller
	 * one.
	 */
	if (size > VIRTQ_MAX_SIZE && size <= 32768 && !vd.dev.fixed_queue_size)
		size = VIRTQ_MAX_SIZE;
	if (!is_power_of_2(size) || size < 4 || size > VIRTQ_MAX_SIZE)
		return log_err(-EOPNOTSUPP, "%s: queue of %u entries, at most %u are supported",
			       vd.blk.name, size, VIRTQ_MAX_SIZE);
	virtq_init(&vd.vq, &vd.dev.dma, vd.type->queue, dma_area, (uint16_t)size);
	vd.vq.counts_all = vd.type->counts_all;
	return vd.dev.ops->queue_enable(&vd.dev, &vd.vq);
}

/*
 * How much fits one request, so that its chain always fits the queue: the worst split of n pieces
 * and b bytes into descriptors of size_max takes n + b / size_max.
 */
static int set_limits(uint32_t seg_max, uint32_t size_max)
{
	struct blk_dev *blk = &vd.blk;
	uint32_t descs = vd.vq.size - 2;	/* request and response take one each */

	/* 0 would mean that nothing can be sent; devices that say so do not mean it */
	if (seg_max)
		descs = (uint32_t)min_u64(descs, seg_max);
	vd.size_max = (uint32_t)min_u64(MAX_REQUEST, size_max ? size_max : MAX_REQUEST);

	blk->max_bytes = MAX_REQUEST;
	blk->max_segs = descs;
	if (vd.size_max < MAX_REQUEST) {
		blk->max_segs = descs >= 4 ? descs / 2 : 1;
		descs -= descs >= 4 ? blk->max_segs : 0;
		blk->max_bytes = (uint32_t)min_u64(MAX_REQUEST,
						   ALIGN_DOWN((uint64_t)descs * vd.size_max, 4096));
	}
	blk->dma_last = vd.dev.dma.last;
	if (blk->max_bytes < 4096)
		return log_err(-EOPNOTSUPP, "%s: takes %u segments of %u bytes: less than a page",
			       blk->name, descs, vd.size_max);
	return 0;
}

int virtio_disk_start(uint32_t seg_max, uint32_t size_max)
{
	/* It has been reset, so nothing of the dead kernel's is left to go on with */
	int rc = dma_attach(&vd.dev.dma);

	if (!rc)
		rc = start_queue();
	if (!rc)
		rc = set_limits(seg_max, size_max);
	if (rc)
		return rc;
	/* §3.1.1 step 8: live */
	vd.dev.ops->set_status(&vd.dev, vd.dev.ops->get_status(&vd.dev) | VIRTIO_DRIVER_OK);
	vd.running = true;
	return 0;
}

/* --- one command --- */

struct virtio_disk_slot *virtio_disk_slot(void)
{
	clear_slot(slot(0));
	return slot(0);
}

int virtio_disk_command(uint32_t len)
{
	bool first = vd.type->response_first;
	uint8_t *data = virtio_disk_data();
	unsigned n;
	int rc = 0;

	memset(data, 0, len);
	dma_give(&vd.dev.dma, data, len);
	begin_request(0);
	if (first)
		add_response(0);
	if (len)
		virtq_add(&vd.vq, 0, dma_addr(&vd.dev.dma, data), len, true);
	if (!first)
		add_response(0);
	send_request(0);
	if (poll_until_us((rc = virtq_pop(&vd.vq, &n)) != 0, PROBE_US) || rc < 0) {
		/* A device that does not answer this will not answer a write either */
		vd.running = false;
		return log_err(rc < 0 ? rc : -ETIMEDOUT, "%s: no answer", vd.blk.name);
	}
	dma_take(&vd.dev.dma, data, len);
	dma_take(&vd.dev.dma, slot(0)->response, sizeof(slot(0)->response));
	return 0;
}
