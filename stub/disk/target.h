/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dump target: a labelled partition, whole disk or file. Everything that writes to a disk goes
 * through the window that is fixed here once, from the label or the file's map; nothing outside it can be addressed.
 */
#ifndef STUB_TARGET_H
#define STUB_TARGET_H

#include "capstub/label.h"
#include "capstub/stopcode.h"
#include "stub/disk/blk.h"
#include "stub/boot/boot_info.h"
#include "stub/boot/cmdline.h"
#include "stub/format/extents.h"

/* One block for DMA: partition tables during target_open(), afterwards free for the dump */
extern uint8_t *target_block;

struct target {
	struct blk_dev *dev;
	uint64_t first_block;		/* window, in blocks of the device */
	uint64_t end;			/* bytes, END of include/capstub/label.h */
	struct extents *file;		/* where a file lies; NULL: a window */
	struct capstub_label *label;	/* as read; rewritten by target_write_label() */
	char name[72];			/* for messages: "virtio-blk 0000:00:03.0 partition 2" */
};

/*
 * Find the one target that @spec names, see that it is still what its label says, open its disk. On
 * any return but STOP_OK every disk is shut down again and the reason was logged.
 */
enum capstub_stop target_open(struct target *t, const struct boot_info *bi,
			      const struct target_spec *spec);

/* After an exception: no disk does DMA any more, neither that of @t nor one that was being started. */
void target_abort(struct target *t);

/* Bytes from @offset on that one request may have: a file lies in pieces. Outside of it that is target_lba()'s to say. */
static inline uint64_t target_run(const struct target *t, uint64_t offset)
{
	uint64_t run = 0;

	if (t->file)
		extents_find(t->file, offset, &run);
	return run ? run : UINT64_MAX;
}

/* Where the room for the dump and its texts ends: at the log, or at a file's map */
static inline uint64_t target_room(const struct target *t)
{
	return t->file ? extents_start(t->file->head) : t->end - CAPSTUB_LOG_OFFSET;
}

/*
 * Device block of byte @offset when [@offset, +@len) lies in the window, in one piece, and both are whole blocks;
 * else -ERANGE
 */
int target_lba(const struct target *t, uint64_t offset, uint64_t len, uint64_t *ret_lba);

/*
 * Read or write one buffer of the stub's own and wait. @offset in bytes from the start of the
 * target; both multiples of block_size. 0 or -errno, logged; -ERANGE leaves the device usable.
 */
int target_rw(struct target *t, enum blk_op op, uint64_t offset, void *buf, size_t len);

/* 4 KiB into @block; a callback for stub/format/vouch.h, @ctx is the target */
int target_read_block(void *ctx, uint64_t offset, void *block);

/*
 * Seal (CRC) and write the label, then flush: on return with 0 it is on stable storage, and so is
 * everything whose write had completed before. Else -errno.
 */
int target_write_label(struct target *t);

/*
 * Before the label that says what a dump has become: the map of a file vouches for what is in its extents now. Nothing to
 * do for other targets. When it fails the next capture is refused, and this one is none the worse.
 */
static inline int target_renew(struct target *t)
{
	int rc = t->file ? extents_renew(t->file) : 0;

	return rc || !t->file ? rc : blk_flush(t->dev);
}

/* Stop code for a failed request: what happened to the device counts more than the request */
enum capstub_stop target_stop_code(const struct target *t, int rc);

#endif
