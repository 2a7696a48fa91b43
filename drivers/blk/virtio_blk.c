// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio block device, VIRTIO 1.1 §5.2. Started by stub/disk/devices.c, used through blk_ops by
 * stub/disk/blk.c. A request is a chain of header, data and status.
 */
#include <errno.h>
#include <io.h>
#include <string.h>

#include "drivers/blk/virtio_blk.h"
#include "drivers/blk/virtio_disk.h"
#include "stub/log.h"

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

#define VIRTIO_BLK_S_OK		0

struct virtio_blk_req_header {
	uint32_t type;
	uint32_t rsvd4;
	uint64_t sector;
};
_Static_assert(sizeof(struct virtio_blk_req_header) == 16, "VIRTIO 1.1 §5.2.6");

#define SERIAL_LEN	20	/* §5.2.6, GET_ID: not NUL-terminated when full */
#define SECTOR_SIZE	512

#define vd virtio_disk

static void prepare(struct virtio_disk_slot *s, const struct blk_req *req)
{
	struct virtio_blk_req_header *h = (void *)s->request;

	static const uint8_t types[] = {
		[BLK_READ] = VIRTIO_BLK_T_IN,
		[BLK_WRITE] = VIRTIO_BLK_T_OUT,
		[BLK_FLUSH] = VIRTIO_BLK_T_FLUSH,
	};

	h->type = types[req->op];
	h->sector = req->op == BLK_FLUSH ? 0 : req->lba * (vd.blk.block_size / SECTOR_SIZE);
}

static int judge(struct virtio_disk_slot *s, const struct blk_req *req)
{
	uint8_t status = dma_load(&s->response[0]);

	if (status == VIRTIO_BLK_S_OK)
		return 0;
	return log_err(-EIO, "%s: request at block %lu failed, status %u", vd.blk.name, req->lba, status);
}

static const struct virtio_disk_type virtio_blk = {
	.name = "virtio-blk", .request_len = sizeof(struct virtio_blk_req_header), .response_len = 1,
	.prepare = prepare, .judge = judge,
};

/* --- start --- */

static uint32_t config32(unsigned off)
{
	return vd.dev.ops->config_read(&vd.dev, off, 4);
}

static int read_geometry(uint64_t features)
{
	struct blk_dev *blk = &vd.blk;
	uint32_t block_size = SECTOR_SIZE;
	uint64_t sectors;
	int rc = virtio_config_read64(&vd.dev, CONFIG_CAPACITY, &sectors);

	if (rc)
		return rc;
	if (features & VIRTIO_BLK_F_BLK_SIZE)
		block_size = config32(CONFIG_BLK_SIZE);
	rc = blk_set_geometry(blk, block_size, block_size < SECTOR_SIZE ? 0 : sectors / (block_size / SECTOR_SIZE));
	if (rc)
		return rc;

	blk->read_only = features & VIRTIO_BLK_F_RO;
	/*
	 * §5.2.5.2: with CONFIG_WCE the device may be in write-through mode, then there is nothing
	 * to flush
	 */
	blk->has_flush = features & VIRTIO_BLK_F_FLUSH;
	if (blk->has_flush && features & VIRTIO_BLK_F_CONFIG_WCE)
		blk->has_flush = vd.dev.ops->config_read(&vd.dev, CONFIG_WRITEBACK, 1) != 0;
	return 0;
}

/* The serial is an aid to recognise the disk: a device without one is as good as any other */
static int read_serial(void)
{
	struct virtio_disk_slot *s = virtio_disk_slot();
	int rc;

	((struct virtio_blk_req_header *)s->request)->type = VIRTIO_BLK_T_GET_ID;
	rc = virtio_disk_command(SERIAL_LEN);
	if (!rc && s->response[0] == VIRTIO_BLK_S_OK)
		blk_set_serial(&vd.blk, virtio_disk_data(), SERIAL_LEN);
	return rc;
}

static int start(const struct virtio_place *at)
{
	uint64_t features;
	int rc = virtio_disk_open(&virtio_blk, at,
				  VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_RO |
					  VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_CONFIG_WCE,
				  &features);

	if (!rc)
		rc = read_geometry(features);
	if (!rc)
		rc = virtio_disk_start(features & VIRTIO_BLK_F_SEG_MAX ? config32(CONFIG_SEG_MAX) : 0,
				       features & VIRTIO_BLK_F_SIZE_MAX ? config32(CONFIG_SIZE_MAX) : 0);
	return rc ? rc : read_serial();
}

int virtio_blk_probe(const struct virtio_place *at, unsigned *unit, struct blk_dev **ret_dev)
{
	int rc = *unit ? -ENOENT : start(at);

	if (!rc)
		*ret_dev = &vd.blk;
	else if (!*unit)
		virtio_disk_close();
	return rc;
}
