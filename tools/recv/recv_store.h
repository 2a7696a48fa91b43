/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of one capture that comes over a line: a folder with vmcore, dmesg.txt, capstub.log and what is needed to go on
 * after a restart.
 *
 * vmcore is a kdump-compressed file that readers open at every moment. While pages arrive it has a descriptor for each frame
 * of RAM and says INCOMPLETE; a descriptor is written after the data it points at. Zero pages and what the dump level leaves
 * out are marked in files beside it: a few bytes may speak of any number of them. At the end the same file is written once
 * more, with descriptors for zero pages and none for what is left out, and takes the old one's place.
 */
#ifndef TOOLS_RECV_STORE_H
#define TOOLS_RECV_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stub/format/kdump.h"
#include "tools/recv/marks.h"

#define STORE_META_MAX	(sizeof(struct serial_meta) + SERIAL_MAX_RANGES * 16u)
#define STORE_MAX_PAGES	(1ULL << 32)	/* 16 TiB of 4-KiB pages: a larger number is a damaged or hostile stream */

struct store_range {
	uint64_t pfn, nr;
	uint64_t index;		/* descriptor of its first frame */
};

/* A page larger than a unit, on its way */
struct store_partial {
	uint64_t pfn;
	uint32_t have;		/* bit per unit */
	uint8_t *data;
};
#define STORE_PARTIALS	16u

struct store {
	char *dir;		/* for messages */
	int dirfd;
	int fd;			/* vmcore */
	struct marks zero, excluded;	/* by descriptor: zero pages, left out by the dump level */
	struct serial_meta meta;
	struct store_range ranges[SERIAL_MAX_RANGES];
	unsigned units_per_page;
	uint64_t nr_pages;	/* descriptors */
	struct kdump_layout at;
	uint64_t data_at, data_end;
	struct store_partial partial[STORE_PARTIALS];
	unsigned next_partial;
	uint8_t *buf;		/* a compressed page */
	size_t buf_size;
	bool failed;		/* a write failed, it was said: nothing is written any more */
};

/* Are these the bytes of a SERIAL_META blob that can be true? 0 and *ret, or -EINVAL. */
int store_parse_meta(const uint8_t *blob, size_t len, struct serial_meta *ret, struct store_range *ranges);

/*
 * Create the folder and its vmcore, or open what is there from before when its meta is the same. 0 or -errno, said.
 */
int store_open(struct store *s, const char *dir, const uint8_t *meta, size_t len);
void store_close(struct store *s);

/*
 * One unit with its contents; @data NULL: zeros. -ENOENT: not RAM. -EAGAIN: an older, unfinished large page was dropped for
 * it, *ret_dropped is its frame. What is stored already is not written again.
 */
int store_unit(struct store *s, uint64_t unit, const uint8_t *data, uint64_t *ret_dropped);
/* Frames [pfn, pfn + nr) are zero / left out by the dump level. Those that are not RAM are passed over. */
int store_zeros(struct store *s, uint64_t pfn, uint64_t nr);
int store_excluded(struct store *s, uint64_t pfn, uint64_t nr);

int store_notes(struct store *s, uint64_t offset, const void *buf, size_t len);
/* A piece of a text file in the folder: dmesg.txt, capstub.log */
int store_text(struct store *s, const char *name, uint64_t total, uint64_t offset, const void *buf, size_t len);

/*
 * A small file as a whole, in place of the one before. Not flushed to the disk: it is written every second, and one that a power
 * cut takes away only costs the pages since then.
 */
int store_replace(struct store *s, const char *name, const void *buf, size_t len);

struct store_counts {
	uint64_t stored, zero;	/* with contents, those among them that are zero */
	uint64_t excluded, missing;
};
int store_count(struct store *s, struct store_counts *ret);

/*
 * Write the final vmcore in place of the working one. @complete: everything was heard of; then up to @unreadable pages may be
 * without contents. *ret: what is in it, missing without those.
 */
int store_finish(struct store *s, bool complete, uint64_t unreadable, struct store_counts *ret);

#endif
