/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is a target still ours? A label survives luksFormat, mkswap, pvcreate, mkfs and most others: they
 * write near the other end. So every label says what lies at both ends (struct capstub_vouch), and
 * nobody writes to a target before that was looked at. One source for the stub and for the host
 * tool, so that the two never judge differently.
 *
 *	state of the label	head				tail
 *	formatted		128 KiB of zeros		124 KiB of zeros
 *	a capture began		changing: strangers		all but the log's first block
 *	dumping			up to the descriptors		all but the log's first block
 *	complete, incomplete	128 KiB				124 KiB
 *	saved			as it was found			as it was found
 *
 * "Strangers": what is changing has no CRC, but block 0 is zeros or a dump header of ours with
 * nothing behind it, which leaves no room for a boot sector, LUKS, LVM, swap, ext or XFS; and what
 * does not write there is looked for by its magic. Labels without these fields are held to the same
 * rule, or to zeros when they are fresh.
 */
#ifndef STUB_VOUCH_H
#define STUB_VOUCH_H

#include "capstub/label.h"

#define VOUCH_BLOCK	4096u
/* The stub's log is written while the label still says "dumping", and takes no more than this */
#define VOUCH_LOG	VOUCH_BLOCK
#define VOUCH_TAIL_BUSY	(CAPSTUB_LOG_SIZE - VOUCH_LOG)	/* while a capture runs */

struct vouch_src {
	/* One block at byte @offset of the target; 0 or -errno, logged */
	int (*read)(void *ctx, uint64_t offset, void *block);
	void *ctx;
	void *block;		/* VOUCH_BLOCK bytes, aligned to 8 */
	uint64_t end;		/* END of include/capstub/label.h */
};

/* 0: as @l says; -EEXIST: somebody else has written there; another -errno of read() */
int vouch_check(const struct capstub_label *l, const struct vouch_src *src);

/*
 * The target has no label where its size says, but may have grown. vouch_bare(): its first block is as a label of ours
 * would have it, which is so of few places that are somebody's. vouch_find_smaller(): the END of its label when it was
 * smaller, which is in src->block then; 0: none is found at the sizes that targets have, or read() has failed.
 * At most VOUCH_STEPS blocks are read, nearest first.
 */
#define VOUCH_STEPS	30000u
bool vouch_bare(const struct vouch_src *src);
uint64_t vouch_find_smaller(const struct vouch_src *src);

/*
 * Take the end as it is into @v. When it cannot be read, what @v said before stays.
 * vouch_zeros(): both ends at their largest, @block as in struct vouch_src.
 */
int vouch_head(struct capstub_vouch *v, const struct vouch_src *src, uint32_t bytes);
int vouch_tail(struct capstub_vouch *v, const struct vouch_src *src, uint32_t bytes);
void vouch_zeros(struct capstub_vouch *v, void *block);

#endif
