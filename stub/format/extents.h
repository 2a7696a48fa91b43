/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The extents of a file that is a target: see include/capstub/extents.h. Pure, shared with the host tool.
 *
 * Permission to write comes from three things together: the label, the map, and every extent. An extent is proven by its
 * first block, whose CRC is in the map: after `capstub format` that is a label of its own, after a capture or `capstub save`
 * whatever the dump has there. A large piece of the disk is several extents in the map, so that what a file system took out
 * of its middle and gave to another file is noticed.
 *
 * While a dump is written the CRCs go stale one by one; at its end all are taken anew. A capture that was cut (power,
 * reset) leaves a map that no longer fits: the next one is refused until `capstub save` has asked the file system where
 * the file is and written the map anew. That is the price for no write ever going to a block that nobody vouches for.
 */
#ifndef STUB_EXTENTS_H
#define STUB_EXTENTS_H

#include "capstub/extents.h"

/* Disk, by bytes; @len is a multiple of 4096. 0 or -errno, logged */
struct extents_io {
	int (*read)(void *ctx, uint64_t at, void *buf, uint32_t len);
	int (*write)(void *ctx, uint64_t at, void *buf, uint32_t len);
	void *ctx;
	void *block;		/* 4096 bytes, aligned to 8 */
	uint64_t disk_bytes;
	uint32_t align;		/* of addresses on the disk: its block size */
};

struct extents {
	struct extents_io io;
	struct capstub_extents *head;
	struct capstub_extent *v;
};

/* Bytes of @nr entries with their padding */
uint32_t extents_bytes(uint32_t nr);

/* Where in the target the map begins: the end of what a dump may use */
uint64_t extents_start(const struct capstub_extents *h);

/* Is @h, read at @at, a head, as far as can be said without the entries? */
bool extents_head_ok(const struct capstub_extents *h, uint64_t at, const struct extents_io *io);

uint32_t extents_crc(const struct extents *x);

/* Entries and head, read from where the head says that they are. After it every field may be trusted. */
bool extents_ok(const struct extents *x);

/* Byte on the disk of @offset, and in *ret_run how many bytes follow it there; 0: outside the file */
uint64_t extents_find(const struct extents *x, uint64_t offset, uint64_t *ret_run);

/* Read the first block of each extent. 0: all as the map says; -EEXIST: *ret_bad is not; another -errno of read() */
int extents_prove(const struct extents *x, uint32_t *ret_bad);

/* Take the first blocks as they are, and write the map. 0 or -errno */
int extents_renew(struct extents *x);

#endif
