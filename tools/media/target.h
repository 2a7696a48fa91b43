/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A dump target (block device or image file) and its label, as the host sees them. The layout is
 * in include/capstub/label.h. A label that is read here was written by a program that ran after a
 * kernel panic, or by somebody who wants to fool us: every field is checked before it is used.
 */
#ifndef TOOLS_TARGET_H
#define TOOLS_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "stub/format/label.h"
#include "stub/format/stopcode.h"
#include "stub/format/uuid.h"

struct target {
	const char *path;
	int fd;
	bool is_blk;
	bool pinned;		/* a file that was made writable for us, and is made immutable again */
	struct stat st;
	uint64_t bytes;		/* size of the device or file */
	uint64_t end;		/* the same rounded down to 4 KiB: END of label.h */
	time_t scan_until;	/* how long a label may be looked for */
	enum label_status status;
	struct capstub_label label;	/* as on the media unless status is LABEL_NONE */
};

/*
 * Open @path with @flags (O_RDONLY, O_RDWR, and O_EXCL, which for a block device means "not in
 * use"), and read its label. -errno with a message; a missing or damaged label is not an error
 * here.
 */
int target_open(struct target *t, const char *path, int flags);
void target_close(struct target *t);

/*
 * No label at the end: is there one where the end was before? Then the status becomes LABEL_BAD_SIZE: it stays unusable, but
 * is no "no label". target_open() looks by itself when it opens for reading only.
 */
void target_look_behind(struct target *t);

/*
 * Call @found for every block device of this machine that carries a good label, but for @t's own.
 * What cannot be read is passed over without a word.
 */
void target_others(const struct target *t,
		   void (*found)(void *ctx, const char *path, const struct capstub_label *label),
		   void *ctx);

/*
 * Lock an image file against other programs (QEMU locks its images too). 0, or -EBUSY with a
 * message.
 */
int target_lock(const struct target *t);

/*
 * Write t->label with a fresh CRC, wait until it is on stable storage, read it back past the page
 * cache and compare. Needs O_RDWR. 0 with t->status anew, or -errno with a message: what the label
 * on the media is then is not known.
 */
int target_write_label(struct target *t);

/* The same for 4 KiB of zeros: then there is no label any more. */
int target_wipe_label(struct target *t);

/* May its fields be shown, and used as offsets and lengths? Not: does it permit to write? */
bool label_readable(const struct target *t);

/* One sentence on what is wrong with the label and what to do; NULL when it is LABEL_OK. */
const char *label_problem(const struct target *t);

const char *state_name(uint32_t state);		/* "empty", "dumping", … or "unknown" */
/* The same in words; an empty state with a stop code is no fresh one */
const char *state_text(uint32_t state, uint32_t stop);
const char *compress_name(uint32_t method);	/* "none", "lzo", … */
extern const char *const class_names[CAPSTUB_NR_CLASSES];

#endif
