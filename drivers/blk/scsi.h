/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SCSI disks, whatever carries the commands: SPC-4 (T10/1731-D) and SBC-3 (T10/1799-D). No hardware here.
 */
#ifndef DRIVERS_SCSI_H
#define DRIVERS_SCSI_H

#include "stub/disk/blk.h"

#define SCSI_CDB_LEN	16
#define SCSI_REPORT_LUNS 0xa0

/* The command of @req, into zeros */
void scsi_build(uint8_t cdb[SCSI_CDB_LEN], const struct blk_dev *dev, const struct blk_req *req);

/*
 * What status and sense data say of a command that was tried @tries times before: 0, -EAGAIN, -EROFS, -EIO.
 * *ret_sense: sense key, additional sense code and its qualifier, a byte each; 0: there are none.
 */
int scsi_judge(uint8_t status, const uint8_t *sense, uint32_t sense_len, unsigned tries, uint32_t *ret_sense);

/* How commands get to one logical unit */
struct scsi_way {
	/*
	 * Send one and wait for its end: 0, or as scsi_judge(); other -errno: nothing can be expected of the way or
	 * the unit. @len bytes at @data are what it has read, zeros where it has read nothing.
	 */
	int (*command)(const uint8_t cdb[SCSI_CDB_LEN], uint32_t len, unsigned tries);
	const uint8_t *data;	/* 512 bytes at least */
};

/* Send, again as long as the answer is -EAGAIN, for 30 s at most. */
int scsi_command(const struct scsi_way *way, const uint8_t cdb[SCSI_CDB_LEN], uint32_t len);

/*
 * Fill in @dev but for the limits of its driver, which become smaller if the disk says so. 0; -ENOENT: there is no
 * disk, or no medium in it; other -errno, said: it cannot be used.
 */
int scsi_open(const struct scsi_way *way, struct blk_dev *dev);

static inline uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t get_be64(const uint8_t *p)
{
	return (uint64_t)get_be32(p) << 32 | get_be32(p + 4);
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

#endif
