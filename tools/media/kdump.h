/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reader for kdump-compressed files (include/capstub/kdump_format.h): headers, bitmaps, descriptors,
 * notes, pages. The file may be cut, damaged or hostile. Works on a saved file and on a target.
 */
#ifndef TOOLS_KDUMP_H
#define TOOLS_KDUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stub/format/kdump.h"
#include "stub/format/vmcoreinfo.h"

struct kdump {
	int fd;
	uint64_t limit;			/* the dump may use [0, limit) */
	struct disk_dump_header hdr;	/* strings are NUL-terminated */
	struct kdump_sub_header sub;
	uint64_t max_mapnr;
	uint64_t bitmap2;		/* offset of the bitmap of stored pages */
	uint64_t descs;			/* offset of the descriptor table */
	uint64_t nr_descs;		/* bits set in bitmap2 */
	uint64_t data;			/* first byte after the table */
};

/*
 * Check the headers and count bitmap2. 0; -ENOMSG without a message: no kdump-compressed file at
 * all; -ENOTSUP: of a 32-bit or big-endian kernel, -EINVAL or an I/O error, with a message that names
 * @path.
 */
int kdump_open(struct kdump *k, const char *path, int fd, uint64_t limit);

/*
 * The raw notes (NT_PRSTATUS of the CPUs, VMCOREINFO), at most 16 MiB; *ret_notes is to be freed in any
 * case. 0 or -errno, said.
 */
int kdump_notes(const struct kdump *k, const char *path, uint8_t **ret_notes, size_t *ret_len);
/* Length 0 when there is none. 0 or -errno, said. */
int kdump_vmcoreinfo(const struct kdump *k, const char *path, struct vmcoreinfo *ret);

/* Walks over the pages of bitmap2 in pfn order. 28 KiB: one at a time on the stack. */
struct kdump_walk {
	const struct kdump *k;
	uint64_t pfn;			/* next one to look at */
	uint64_t index;			/* number of its descriptor */
	uint64_t bits_at, descs_at;	/* which pieces are in the buffers */
	uint8_t bits[4096];
	struct page_desc buf[1024];
};

/*
 * MISSING: chosen but not stored, its descriptor is zero. BAD: the descriptor points where no page
 * can be, and must not be followed. Says nothing of contents: compressed data may still be damaged.
 */
enum page_state { PAGE_STORED, PAGE_MISSING, PAGE_BAD };

struct kdump_page {
	uint64_t pfn;
	uint64_t index;
	enum page_state state;
	struct page_desc desc;
};

/* From the first page. @k is referred to, and must live as long as the walk. */
void kdump_walk_start(struct kdump_walk *w, const struct kdump *k);
/* 1 and *ret, 0 at the end, -errno (no message) */
int kdump_walk_next(struct kdump_walk *w, struct kdump_page *ret);

/* Contents of the page with descriptor @index, a block. -EIO: it is not stored, or cannot be decompressed. No message */
int kdump_page(const struct kdump *k, uint64_t index, void *buf);

struct kdump_counts {
	uint64_t stored, missing, bad;
	uint64_t raw, compressed;	/* of those stored */
	uint64_t end;			/* one past the last byte that a stored page uses */
};

/* Walk once and count. 0 or -errno with a message. */
int kdump_count(const struct kdump *k, const char *path, struct kdump_counts *ret);

#endif
