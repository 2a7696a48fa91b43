// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is the same for all disks that speak SCSI: commands, what their answers mean, and what a disk says of itself.
 * See scsi.h.
 */
#include "drivers/blk/scsi.h"

#include <errno.h>
#include <string.h>

#include "stub/log.h"
#include "stub/timeout.h"

enum scsi_opcode {
	TEST_UNIT_READY		= 0x00,
	INQUIRY			= 0x12,
	MODE_SENSE_6		= 0x1a,
	READ_CAPACITY_10	= 0x25,
	READ_10			= 0x28,
	WRITE_10		= 0x2a,
	SYNCHRONIZE_CACHE_10	= 0x35,
	READ_16			= 0x88,
	WRITE_16		= 0x8a,
	SERVICE_ACTION_IN_16	= 0x9e,
};

#define READ_CAPACITY_16	0x10	/* service action, SBC-3 §5.16 */

/* SAM-5 §5.3.1 */
enum scsi_status {
	STATUS_GOOD			= 0x00,
	STATUS_CHECK_CONDITION		= 0x02,
	STATUS_BUSY			= 0x08,
	STATUS_TASK_SET_FULL		= 0x28,
	STATUS_TASK_ABORTED		= 0x40,
};

/* SPC-4 §4.5.6 */
enum scsi_sense_key {
	KEY_RECOVERED		= 1,
	KEY_NOT_READY		= 2,
	KEY_HARDWARE		= 4,
	KEY_UNIT_ATTENTION	= 6,
	KEY_DATA_PROTECT	= 7,
	KEY_ABORTED		= 11,
};

/* SPC-4, annex D.2: additional sense code and qualifier */
#define BECOMING_READY	0x0401
#define PATH_CHANGES	0x040a	/* to active or standby; one that is standby stays so */
#define THIN_IS_FULL	0x2707	/* among what is write protected, and it is not */

#define PERIPHERAL		0xff	/* INQUIRY, byte 0: qualifier and type, both 0 for a disk that is there */
#define INQUIRY_REMOVABLE	BIT(7)	/* byte 1 */
#define MODE_WRITE_PROTECT	BIT(7)	/* SBC-3 §6.4.1, byte 2 of the header */
#define MODE_NO_DESCRIPTORS	BIT(3)	/* MODE SENSE, byte 1 */
#define PAGE_CACHING		0x08	/* SBC-3 §6.4.5 */
#define CACHING_WRITE		BIT(2)	/* byte 2 of the page */
#define INQUIRY_VPD		BIT(0)
#define VPD_SERIAL		0x80	/* SPC-4 §7.8 */
#define VPD_NAMES		0x83
#define VPD_LIMITS		0xb0	/* SBC-3 §6.5.3 */

#define MAX_TRIES	6		/* of a command that fails for no lasting reason */
#define START_US	30000000
#define REPLY		252u		/* allocation length where one byte has to do */

void scsi_build(uint8_t cdb[SCSI_CDB_LEN], const struct blk_dev *dev, const struct blk_req *req)
{
	bool write = req->op == BLK_WRITE;

	/* SBC-3 §5.20: no blocks mean all of them */
	if (req->op == BLK_FLUSH) {
		cdb[0] = SYNCHRONIZE_CACHE_10;
	} else if (dev->nr_blocks <= BIT(32) && req->nr_blocks <= UINT16_MAX) {
		cdb[0] = write ? WRITE_10 : READ_10;
		put_be32(cdb + 2, (uint32_t)req->lba);
		cdb[7] = (uint8_t)(req->nr_blocks >> 8);
		cdb[8] = (uint8_t)req->nr_blocks;
	} else {
		cdb[0] = write ? WRITE_16 : READ_16;
		put_be32(cdb + 2, (uint32_t)(req->lba >> 32));
		put_be32(cdb + 6, (uint32_t)req->lba);
		put_be32(cdb + 10, req->nr_blocks);
	}
}

/* SPC-4 §4.5: descriptor format, or fixed, and either may be about an earlier command */
static uint32_t sense_code(const uint8_t *s, uint32_t len)
{
	unsigned format = len ? s[0] & 0x7f : 0;

	if ((format == 0x72 || format == 0x73) && len >= 4)
		return (s[1] & 15u) << 16 | (uint32_t)s[2] << 8 | s[3];
	if ((format == 0x70 || format == 0x71) && len >= 14)
		return (s[2] & 15u) << 16 | (uint32_t)s[12] << 8 | s[13];
	return 0;
}

/*
 * A disk that is not ready yet, or has something to say first, gets all the time that a request has; trouble inside
 * it or on the way a few tries.
 */
int scsi_judge(uint8_t status, const uint8_t *sense, uint32_t sense_len, unsigned tries, uint32_t *ret_sense)
{
	uint32_t code = status == STATUS_CHECK_CONDITION ? sense_code(sense, sense_len) : 0;

	*ret_sense = code;
	switch (status) {
	case STATUS_GOOD:
		return 0;
	case STATUS_BUSY:
	case STATUS_TASK_SET_FULL:
		return -EAGAIN;
	case STATUS_TASK_ABORTED:
		code = KEY_ABORTED << 16;
		break;
	case STATUS_CHECK_CONDITION:
		break;
	default:
		return -EIO;
	}
	switch (code >> 16) {
	case KEY_RECOVERED:
		return 0;
	case KEY_NOT_READY:
		code &= 0xffff;
		return code == BECOMING_READY || code == PATH_CHANGES ? -EAGAIN : -EIO;
	case KEY_UNIT_ATTENTION:
		return -EAGAIN;
	case KEY_DATA_PROTECT:
		return (code & 0xffff) == THIN_IS_FULL ? -EIO : -EROFS;
	case KEY_HARDWARE:
	case KEY_ABORTED:
		return tries + 1 < MAX_TRIES ? -EAGAIN : -EIO;
	}
	return -EIO;
}

int scsi_command(const struct scsi_way *way, const uint8_t cdb[SCSI_CDB_LEN], uint32_t len)
{
	struct deadline d = deadline_in_us(START_US);
	unsigned tries = 0;
	int rc;

	while ((rc = way->command(cdb, len, tries)) == -EAGAIN && !deadline_passed(d))
		delay_us(blk_pause_us(tries++));
	return rc;
}

/* Commands of six bytes, of which the fifth says how much may come back */
static int ask(const struct scsi_way *way, uint8_t opcode, uint8_t byte1, uint8_t page, uint32_t len)
{
	const uint8_t cdb[SCSI_CDB_LEN] = { opcode, byte1, page, 0, (uint8_t)len };

	return scsi_command(way, cdb, len);
}

static int read_capacity(const struct scsi_way *way, struct blk_dev *dev)
{
	static const uint8_t long_cdb[SCSI_CDB_LEN] = { SERVICE_ACTION_IN_16, READ_CAPACITY_16, [13] = 32 };
	static const uint8_t short_cdb[SCSI_CDB_LEN] = { READ_CAPACITY_10 };
	const uint8_t *d = way->data;

	if (!scsi_command(way, long_cdb, 32))
		return blk_set_geometry(dev, get_be32(d + 8), get_be64(d) + 1);
	if (scsi_command(way, short_cdb, 8) || get_be32(d) == UINT32_MAX)
		return log_err(-EIO, "%s: does not tell its size", dev->name);
	return blk_set_geometry(dev, get_be32(d + 4), (uint64_t)get_be32(d) + 1);
}

/* Is there a cache, and may anything be written? A disk that does not say is asked to flush, and believed */
static void read_modes(const struct scsi_way *way, struct blk_dev *dev)
{
	static const uint8_t flush[SCSI_CDB_LEN] = { SYNCHRONIZE_CACHE_10 };
	const uint8_t *page;

	if (!ask(way, MODE_SENSE_6, MODE_NO_DESCRIPTORS, PAGE_CACHING, REPLY)) {
		dev->read_only = way->data[2] & MODE_WRITE_PROTECT;
		page = way->data + 4 + way->data[3];
		if ((page[0] & 0x3f) == PAGE_CACHING) {
			dev->has_flush = page[2] & CACHING_WRITE;
			return;
		}
	}
	dev->has_flush = !scsi_command(way, flush, 0);
}

static bool read_vpd(const struct scsi_way *way, uint8_t page)
{
	return !ask(way, INQUIRY, INQUIRY_VPD, page, REPLY) && way->data[1] == page;
}

/* SPC-4 §7.8.6: of the unit itself, NAA or EUI-64, which no other has */
static void read_name(const struct scsi_way *way, struct blk_dev *dev)
{
	const uint8_t *d = way->data;
	unsigned end = 4u + d[3], len;

	for (unsigned at = 4; at + 4 <= end; at += 4 + len) {
		unsigned kind = d[at + 1] & 0x3f;

		len = d[at + 3];
		if ((kind == 3 || kind == 2) && len <= sizeof(dev->shared_id) && at + 4 + len <= end) {
			memcpy(dev->shared_id, d + at + 4, len);
			return;
		}
	}
}

int scsi_open(const struct scsi_way *way, struct blk_dev *dev)
{
	const uint8_t *d = way->data;
	bool removable;
	int rc;

	/* SPC-4 §6.4.2: 36 bytes is what every version of it has */
	rc = ask(way, INQUIRY, 0, 0, 36);
	if (rc || d[0] & PERIPHERAL)
		return -ENOENT;
	removable = d[1] & INQUIRY_REMOVABLE;
	rc = ask(way, TEST_UNIT_READY, 0, 0, 0);
	if (rc)
		return removable ? -ENOENT : log_err(rc, "%s: not ready (%d)", dev->name, rc);
	rc = read_capacity(way, dev);
	if (rc)
		return rc;
	dev->serial[0] = '\0';
	memset(dev->shared_id, 0, sizeof(dev->shared_id));
	read_modes(way, dev);
	if (read_vpd(way, VPD_SERIAL))
		blk_set_serial(dev, d + 4, (unsigned)min_u64(d[3], sizeof(dev->serial) - 1));
	if (read_vpd(way, VPD_NAMES))
		read_name(way, dev);
	/* In blocks; 0: no limit. One of less than 4 KiB is taken for a mistake */
	if (read_vpd(way, VPD_LIMITS) && get_be32(d + 8))
		dev->max_bytes = (uint32_t)min_u64(dev->max_bytes,
						   max_u64(4096, ALIGN_DOWN((uint64_t)get_be32(d + 8) * dev->block_size,
									    4096)));
	return 0;
}
