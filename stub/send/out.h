/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way to the disk: buffers, gather lists and page descriptors in flight, in the order that
 * keeps the dump readable at every instant, whatever the disk does with what it was not told to
 * flush (a descriptor is written only after the data it points at is on stable storage). One
 * instance: one target is written at a time.
 *
 * Offsets are bytes from the start of the target. Functions that return int return 0 or -errno; the
 * first error that makes the target unusable sticks, and every later call returns it and does
 * nothing, so that callers may look once per page and not after each call.
 */
#ifndef STUB_OUT_H
#define STUB_OUT_H

#include "capstub/kdump_format.h"
#include "stub/disk/target.h"

/*
 * Begin writing to @t. Forgets everything about an earlier target. @page_size: largest piece
 * out_raw() is given. @spare: a 4-KiB aligned block that is ours while headers are written and,
 * later, while out_raw() is used. Takes buffers from the arena, as many as are left: 0 or -ENOMEM.
 */
int out_init(struct target *t, uint32_t page_size, void *spare);

/*
 * Strict: a failed write makes every later call fail (headers, bitmaps). Otherwise a failed data
 * write costs only the pages in it: their descriptors stay zero and out_lost() counts them.
 */
void out_strict(bool strict);

/*
 * A sequential byte stream through small buffers, from a 4-KiB aligned offset; what is written was
 * copied when the call returns. out_desc_put() may pad the stream to 4 KiB: ask for the offset
 * before each piece that a descriptor points at.
 */
int out_stream_start(uint64_t offset);
int out_stream_write(const void *data, size_t len);
uint64_t out_stream_offset(void);	/* where the next byte goes */
int out_stream_end(void);		/* pad with zeros to 4 KiB and send */

/*
 * Zero-copy: @len bytes of physical memory at @pa go to @offset. Both multiples of 4096. Neighbours
 * are gathered into one request. The device reads that memory at any time until out_drain() or
 * out_desc_end() returns.
 */
int out_raw(uint64_t offset, phys_addr_t pa, uint32_t len);
/* The same for memory that the device must not read itself, because it is not as the dead kernel left it */
int out_copied(uint64_t offset, phys_addr_t pa, uint32_t len);
int out_zeros(uint64_t offset, uint64_t len);	/* multiples of 4096; strict only; waits */

/*
 * Page descriptors. start: begin an ascending sweep over the table of @nr descriptors at
 * @table_offset; @fresh: it holds zeros only, so that it need not be read first; @zero_offset: the
 * page that all zero pages share, on the disk before. put: descriptor @index, for data that was
 * handed to out_* before, in ascending order of both. end: everything of this sweep is on stable
 * storage, data and descriptors, or lost.
 *
 * LZO streams have at least 3 bytes; a descriptor of 1 says that the page is on its way.
 */
int out_desc_start(uint64_t table_offset, uint64_t nr, bool fresh, uint64_t zero_offset);
int out_desc_put(uint64_t index, const struct page_desc *desc);
bool out_desc_has(uint64_t index);	/* put by an earlier sweep, and not lost */
int out_desc_end(void);

/*
 * Send what is gathered or being filled, wait for all data in flight. 0, or the -errno that made
 * the target unusable.
 */
int out_drain(void);

/*
 * After out_desc_end(): descriptors in the table with their data; how many times one was put in
 * vain, because it, or its data, could not be written; pages of the last sweep that out_raw() was
 * given and that cannot be read from memory.
 */
uint64_t out_stored(void);
uint64_t out_lost(void);
uint64_t out_unreadable(void);

#endif
