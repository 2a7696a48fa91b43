// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio SCSI host device, VIRTIO 1.1 §5.6. Opened by stub/disk/devices.c, used through blk_ops by
 * stub/disk/blk.c. A request is a chain of request, data that the device reads, response, data that it writes.
 * The control queue and the queue of events are left alone: who has them not hears of nothing, and polls.
 */
#include <errno.h>
#include <io.h>
#include <stdio.h>
#include <string.h>

#include "drivers/blk/scsi.h"
#include "drivers/blk/virtio_disk.h"
#include "drivers/blk/virtio_scsi.h"
#include "stub/log.h"
#include "stub/timeout.h"

#define REQUEST_QUEUE	2	/* §5.6.2 */

/* struct virtio_scsi_config, §5.6.4 */
enum virtio_scsi_config {
	CONFIG_SEG_MAX		= 4,
	CONFIG_MAX_SECTORS	= 8,	/* of 512 bytes, in a request */
	CONFIG_CMD_PER_LUN	= 12,
	CONFIG_SENSE_SIZE	= 20,
	CONFIG_CDB_SIZE		= 24,
	CONFIG_MAX_TARGET	= 30,	/* 16 bits */
};

/* §5.6.6.1; both sizes are what a reset makes them */
#define SENSE_SIZE	96
#define CDB_SIZE	32

struct virtio_scsi_request {
	uint8_t lun[8];
	uint64_t id;
	uint8_t task_attr;
	uint8_t prio;
	uint8_t crn;
	uint8_t cdb[CDB_SIZE];
} __attribute__((packed));
_Static_assert(sizeof(struct virtio_scsi_request) == 51, "VIRTIO 1.1 §5.6.6.1");

struct virtio_scsi_response {
	uint32_t sense_len;
	uint32_t residual;
	uint16_t status_qualifier;
	uint8_t status;
	uint8_t response;
	uint8_t sense[SENSE_SIZE];
};
_Static_assert(sizeof(struct virtio_scsi_response) == 108, "VIRTIO 1.1 §5.6.6.1");
_Static_assert(sizeof(struct virtio_scsi_response) <= sizeof(((struct virtio_disk_slot *)0)->response), "fits a slot");

enum virtio_scsi_answer {
	VIRTIO_SCSI_S_OK		= 0,
	VIRTIO_SCSI_S_ABORTED		= 2,
	VIRTIO_SCSI_S_BAD_TARGET	= 3,
	VIRTIO_SCSI_S_RESET		= 4,
	VIRTIO_SCSI_S_BUSY		= 5,
	VIRTIO_SCSI_S_TRANSPORT_FAILURE	= 6,
};

/* A unit's number */
#define UNIT(target, lun)	((unsigned)(target) << 14 | (lun))
#define TARGET(unit)		((unit) >> 14)
#define LUN(unit)		((unit) & 0x3fffu)
#define SCAN_US		60000000	/* for all targets of a device, of which there may be 256 */
#define MAX_TRIES	6
#define LUN_LIST	VIRTIO_DISK_DATA_LEN

#define vd virtio_disk

static unsigned now;		/* the unit that requests go to */

/* §5.6.6.1: 1, target, and the unit in flat addressing */
static uint8_t *address(struct virtio_disk_slot *s)
{
	struct virtio_scsi_request *r = (void *)s->request;

	r->lun[0] = 1;
	r->lun[1] = (uint8_t)TARGET(now);
	r->lun[2] = (uint8_t)(0x40 | LUN(now) >> 8);
	r->lun[3] = (uint8_t)now;
	return r->cdb;
}

static void prepare(struct virtio_disk_slot *s, const struct blk_req *req)
{
	scsi_build(address(s), &vd.blk, req);
}

/* 0, -EAGAIN, -EROFS, -EIO, -ENODEV: no such target */
static int judge_answer(const struct virtio_scsi_response *r, unsigned tries, uint32_t *ret_sense)
{
	*ret_sense = 0;
	switch (r->response) {
	case VIRTIO_SCSI_S_OK:
		return scsi_judge(r->status, r->sense, (uint32_t)min_u64(r->sense_len, SENSE_SIZE), tries, ret_sense);
	case VIRTIO_SCSI_S_BUSY:
		return -EAGAIN;
	case VIRTIO_SCSI_S_ABORTED:
	case VIRTIO_SCSI_S_RESET:
	case VIRTIO_SCSI_S_TRANSPORT_FAILURE:
		return tries + 1 < MAX_TRIES ? -EAGAIN : -EIO;
	case VIRTIO_SCSI_S_BAD_TARGET:
		return -ENODEV;
	}
	return -EIO;
}

static int judge(struct virtio_disk_slot *s, const struct blk_req *req)
{
	const struct virtio_scsi_response *r = (void *)s->response;
	uint32_t sense;
	int rc = judge_answer(r, req->tries, &sense);

	/* A part of it is not what was asked for, whatever the status says */
	if (!rc && r->residual)
		rc = -EIO;
	if (rc && rc != -EAGAIN)
		log_warn("%s: request at block %lu failed, response %u, status %#x, sense %#x%s", vd.blk.name, req->lba,
			 r->response, r->status, sense, rc == -EROFS ? " (write protected)" : "");
	return rc;
}

static const struct virtio_disk_type virtio_scsi = {
	.name = "virtio-scsi", .queue = REQUEST_QUEUE, .request_len = sizeof(struct virtio_scsi_request),
	.response_len = sizeof(struct virtio_scsi_response), .response_first = true, .counts_all = true,
	.prepare = prepare, .judge = judge,
};

static int command(const uint8_t cdb[SCSI_CDB_LEN], uint32_t len, unsigned tries)
{
	struct virtio_disk_slot *s;
	uint32_t sense;
	int rc;

	if (!vd.running)
		return -ENODEV;
	s = virtio_disk_slot();
	memcpy(address(s), cdb, SCSI_CDB_LEN);
	rc = virtio_disk_command(len);
	return rc ? rc : judge_answer((void *)s->response, tries, &sense);
}

/* The first unit of the target from @now on, in the order of their numbers. 0 with it in @now, or -ENOENT. */
static int find_lun(const struct scsi_way *way)
{
	unsigned target = TARGET(now), from = LUN(now), best = UNIT_NONE;
	uint8_t cdb[SCSI_CDB_LEN] = { SCSI_REPORT_LUNS };
	const uint8_t *lun = way->data + 8;
	uint32_t len;
	int rc;

	/* SPC-4 §6.33: unit 0 knows them; who does not understand the question is the only one */
	now = UNIT(target, 0);
	put_be32(cdb + 6, LUN_LIST);
	rc = scsi_command(way, cdb, LUN_LIST);
	if (rc)
		return rc == -EIO && !from ? 0 : -ENOENT;
	len = get_be32(way->data);
	if (len > LUN_LIST - 8) {
		log_warn("%s: target %u has %u units, %u of them looked at", vd.blk.name,
			 target, len / 8, (LUN_LIST - 8) / 8);
		len = LUN_LIST - 8;
	}
	for (; len >= 8; len -= 8, lun += 8) {
		unsigned n = (lun[0] & 0x3fu) << 8 | lun[1];

		/* SAM-5 §4.6: one level, peripheral device (bus 0) or flat addressing */
		if ((lun[0] && lun[0] >> 6 != 1) || get_be32(lun + 2) || lun[6] || lun[7])
			continue;
		if (n >= from && n < best)
			best = n;
	}
	if (best == UNIT_NONE)
		return -ENOENT;
	now = UNIT(target, best);
	return 0;
}

static uint32_t config32(unsigned off)
{
	return vd.dev.ops->config_read(&vd.dev, off, 4);
}

static int start(const struct virtio_place *at)
{
	uint64_t features;
	int rc = virtio_disk_open(&virtio_scsi, at, 0, &features);

	if (!rc && (config32(CONFIG_SENSE_SIZE) != SENSE_SIZE || config32(CONFIG_CDB_SIZE) != CDB_SIZE))
		rc = log_err(-EPROTO, "%s: sense of %u bytes, commands of %u", vd.blk.name, config32(CONFIG_SENSE_SIZE),
			     config32(CONFIG_CDB_SIZE));
	return rc ? rc : virtio_disk_start(config32(CONFIG_SEG_MAX), 0);
}

/* 0, -ENOENT: no disk, or -errno */
static int open_unit(const struct scsi_way *way)
{
	uint32_t sectors = config32(CONFIG_MAX_SECTORS), depth = config32(CONFIG_CMD_PER_LUN);

	snprintf(vd.blk.name, sizeof(vd.blk.name), "%s %s %u:%u", virtio_scsi.name, vd.dev.name,
		 (uint8_t)TARGET(now), LUN(now));
	if (sectors >= 8)
		vd.blk.max_bytes = (uint32_t)min_u64(vd.blk.max_bytes, ALIGN_DOWN(sectors * 512ULL, 4096));
	if (depth)
		vd.blk.queue_depth = (uint32_t)min_u64(vd.blk.queue_depth, depth);
	return scsi_open(way, &vd.blk);
}

static int find_disk(unsigned *unit)
{
	const struct scsi_way way = { command, virtio_disk_data() };
	unsigned targets = vd.dev.ops->config_read(&vd.dev, CONFIG_MAX_TARGET, 2) + 1;
	struct deadline d = deadline_in_us(SCAN_US);
	int rc;

	targets = (unsigned)min_u64(targets, 256);
	for (now = *unit; TARGET(now) < targets;) {
		rc = find_lun(&way);
		if (!rc) {
			*unit = now;
			rc = open_unit(&way);
			if (vd.running && rc != -ENOENT)
				return rc;
			now++;
		} else {
			now = UNIT(TARGET(now) + 1, 0);
		}
		/* A device that failed has said so */
		if (!vd.running || deadline_passed(d)) {
			*unit = UNIT_NONE;
			return log_err(-ETIMEDOUT, "%s: the search for its disks is given up", vd.blk.name);
		}
	}
	return -ENOENT;
}

int virtio_scsi_probe(const struct virtio_place *at, unsigned *unit, struct blk_dev **ret_dev)
{
	int rc = start(at);

	if (rc)
		*unit = UNIT_NONE;
	else
		rc = find_disk(unit);
	if (rc)
		virtio_disk_close();
	else
		*ret_dev = &vd.blk;
	return rc;
}
