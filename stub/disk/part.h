/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Partition tables: GPT (UEFI 2.10 §5) and MBR with extended partitions. Pure: sectors are read
 * through a callback.
 */
#ifndef STUB_PART_H
#define STUB_PART_H

#include "stub/bits.h"

struct part {
	uint64_t first_lba;	/* in blocks of the device */
	uint64_t nr_blocks;
	unsigned index;		/* as Linux numbers it, 1.. ; 0: the whole disk */
	bool mbr;
	uint8_t uuid[16];	/* GPT unique GUID in printed (RFC 4122) byte order */
	uint32_t mbr_signature;
	char label[109];	/* GPT name as UTF-8 (36 UTF-16 units) */
};

/* One block at a time into @buf (block_size bytes); 0 or -errno */
struct part_source {
	int (*read)(void *ctx, uint64_t lba, void *buf);
	void *ctx;
	uint32_t block_size;
	uint64_t nr_blocks;
	void *buf;		/* block_size bytes, the caller's */
};

/*
 * Call @found for every partition that lies inside the disk, until it returns non-zero (which is
 * returned). It may use src->buf. A table that is absent or damaged is reported (damaged only) and
 * yields nothing; a disk whose block 0 cannot be read returns that error. The whole disk itself is
 * not among the partitions. Bounded: at most 256 entries.
 */
int part_scan(const struct part_source *src, int (*found)(void *ctx, const struct part *p),
	      void *ctx);

#endif
