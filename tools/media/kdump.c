// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Structure of kdump-compressed files: see tools/media/kdump.h. The format is described in
 * include/capstub/kdump_format.h.
 *
 * All that is read is checked once, where it is read, by subtraction from what remains, so that no
 * sum can wrap around; what struct kdump and the walk give out afterwards lies inside the file.
 */
#include <errno.h>
#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "stub/bits.h"
#include "tools/media/kdump.h"
#include "tools/util.h"

/* makedumpfile fills all 65 bytes if the name is that long */
static void terminate_strings(struct disk_dump_header *h)
{
	h->sysname[KDUMP_UTS_LEN - 1] = 0;
	h->nodename[KDUMP_UTS_LEN - 1] = 0;
	h->release[KDUMP_UTS_LEN - 1] = 0;
	h->version[KDUMP_UTS_LEN - 1] = 0;
	h->machine[KDUMP_UTS_LEN - 1] = 0;
	h->domainname[KDUMP_UTS_LEN - 1] = 0;
}

static bool block_size_ok(int32_t size)
{
	return size >= 4096 && size <= 65536 && !(size & (size - 1));
}

/*
 * The header of a 32-bit kernel has times of 4 bytes, and so its block size in another place; that
 * of a big-endian one has the bytes of all numbers swapped. NULL: neither, or not to be told.
 */
#define BLOCK_SIZE_AT_32	416

static const char *other_architecture(const struct disk_dump_header *h)
{
	int32_t at_32;

	if (block_size_ok(h->block_size))
		return NULL;
	if ((uint32_t)h->header_version > 0xffffff)
		return "big-endian";
	memcpy(&at_32, (const uint8_t *)h + BLOCK_SIZE_AT_32, sizeof(at_32));
	return block_size_ok(at_32) ? "32 bits" : NULL;
}

/*
 * Geometry: every area that the headers name must lie inside the file, in order. The number of
 * pages is max_mapnr_64, which came with version 6. A split dump has the pages of its other pieces
 * in other files.
 */
static int check_geometry(struct kdump *k, const char *path)
{
	const struct disk_dump_header *h = &k->hdr;
	uint64_t block = (uint64_t)h->block_size, one, sub_end, bitmaps;

	if (other_architecture(h))
		return fail(-ENOTSUP, "%s is a dump of another architecture (%s): read it with a "
			    "crash or makedumpfile made for that", path, other_architecture(h));
	if (!block_size_ok(h->block_size))
		return fail(-EINVAL, "%s: damaged dump header: block size %d", path, h->block_size);
	if (h->header_version < 6)
		return fail(-EINVAL, "%s: kdump header version %d is older than 6: "
			    "read it with crash or makedumpfile", path, h->header_version);
	if (h->sub_hdr_size < 1 || (uint64_t)h->sub_hdr_size > k->limit / block)
		return fail(-EINVAL, "%s: damaged dump header: sub-header of %d blocks", path,
			    h->sub_hdr_size);
	if (k->sub.split)
		return fail(-EINVAL, "%s is one piece of a split dump: join the pieces with "
			    "'makedumpfile --reassemble'", path);
	sub_end = (1 + (uint64_t)h->sub_hdr_size) * block;
	bitmaps = (uint64_t)h->bitmap_blocks * block;
	one = bitmaps / 2;
	k->max_mapnr = k->sub.max_mapnr_64;
	if (h->bitmap_blocks % 2 || !range_inside(sub_end, bitmaps, 0, k->limit) ||
	    (k->max_mapnr + 7) / 8 > one || k->max_mapnr > UINT64_MAX - 7)
		return fail(-EINVAL, "%s: damaged dump header: bitmaps of %u blocks for %llu pages",
			    path, h->bitmap_blocks, (unsigned long long)k->max_mapnr);
	k->bitmap2 = sub_end + one;
	k->descs = sub_end + bitmaps;
	return 0;
}

/*
 * Bits set in bitmap2 below max_mapnr: that many descriptors follow. Bits above it are padding,
 * which readers ignore. The table must fit: after this every index of the walk can be read.
 */
static int count_bitmap2(struct kdump *k, const char *path)
{
	uint64_t bytes = (k->max_mapnr + 7) / 8, done, word;
	uint8_t buf[65536];

	for (done = 0; done < bytes; done += sizeof(buf)) {
		size_t i, len = bytes - done < sizeof(buf) ? bytes - done : sizeof(buf);
		int rc = read_at(k->fd, buf, len, k->bitmap2 + done);

		if (rc)
			return fail(rc, "%s: reading the bitmap failed: %s", path, strerror(-rc));
		if (done + len == bytes && k->max_mapnr % 8)
			buf[len - 1] &= (uint8_t)((1u << k->max_mapnr % 8) - 1);
		memset(buf + len, 0, sizeof(buf) - len);
		for (i = 0; i < len; i += 8) {
			memcpy(&word, buf + i, 8);
			k->nr_descs += (uint64_t)__builtin_popcountll(word);
		}
	}
	if (k->nr_descs > (k->limit - k->descs) / sizeof(struct page_desc))
		return fail(-EINVAL, "%s: cut short: %llu page descriptors do not fit", path,
			    (unsigned long long)k->nr_descs);
	k->data = k->descs + k->nr_descs * sizeof(struct page_desc);
	return 0;
}

/*
 * "Not one" is told apart from "a broken one": the first is for the caller to judge, the second is
 * said here
 */
int kdump_open(struct kdump *k, const char *path, int fd, uint64_t limit)
{
	int rc;

	*k = (struct kdump){ .fd = fd, .limit = limit };
	if (limit < sizeof(k->hdr))
		return -ENOMSG;
	rc = read_at(fd, &k->hdr, sizeof(k->hdr), 0);
	if (rc)
		return fail(rc, "%s: reading the dump header failed: %s", path, strerror(-rc));
	if (memcmp(k->hdr.signature, KDUMP_SIGNATURE, sizeof(k->hdr.signature)))
		return -ENOMSG;
	terminate_strings(&k->hdr);
	if (k->hdr.block_size > 0 &&
	    range_inside((uint64_t)k->hdr.block_size, sizeof(k->sub), 0, limit)) {
		rc = read_at(fd, &k->sub, sizeof(k->sub), (uint64_t)k->hdr.block_size);
		if (rc)
			return fail(rc, "%s: reading the dump header failed: %s", path,
				    strerror(-rc));
	}
	rc = check_geometry(k, path);
	return rc ? rc : count_bitmap2(k, path);
}

/* One of the areas that the sub-header names, which must have been checked for its size */
static int read_piece(const struct kdump *k, const char *path, const char *what, int64_t offset, void *buf,
		      uint64_t size)
{
	int rc;

	if (offset < 0 || !range_inside((uint64_t)offset, size, 0, k->limit))
		return fail(-EINVAL, "%s: damaged dump header: %s outside the file", path, what);
	rc = read_at(k->fd, buf, size, (uint64_t)offset);
	return rc ? fail(rc, "%s: reading %s failed: %s", path, what, strerror(-rc)) : 0;
}

int kdump_notes(const struct kdump *k, const char *path, uint8_t **ret_notes, size_t *ret_len)
{
	*ret_len = k->sub.size_note;
	if (*ret_len > KDUMP_NOTES_MAX)
		return fail(-EINVAL, "%s: damaged dump header: %zu bytes of CPU notes", path, *ret_len);
	*ret_notes = must_alloc(*ret_len, 1);
	return read_piece(k, path, "the CPU notes", k->sub.offset_note, *ret_notes, *ret_len);
}

int kdump_vmcoreinfo(const struct kdump *k, const char *path, struct vmcoreinfo *ret)
{
	size_t size = min_u64(k->sub.size_vmcoreinfo, sizeof(ret->text) - 1);
	int rc = read_piece(k, path, "VMCOREINFO", k->sub.offset_vmcoreinfo, ret->text, size);

	ret->len = rc ? 0 : vmcoreinfo_end(ret->text, size, size < k->sub.size_vmcoreinfo);
	return rc;
}

void kdump_walk_start(struct kdump_walk *w, const struct kdump *k)
{
	w->k = k;
	w->pfn = 0;
	w->index = 0;
	w->bits_at = UINT64_MAX;
	w->descs_at = UINT64_MAX;
}

/* Have the piece of bitmap2 that holds @pfn in w->bits */
static int walk_load_bits(struct kdump_walk *w)
{
	uint64_t at = w->pfn / 8 / sizeof(w->bits) * sizeof(w->bits);
	uint64_t bytes = (w->k->max_mapnr + 7) / 8 - at;
	int rc;

	if (w->bits_at == at)
		return 0;
	memset(w->bits, 0, sizeof(w->bits));
	rc = read_at(w->k->fd, w->bits, bytes < sizeof(w->bits) ? bytes : sizeof(w->bits),
		     w->k->bitmap2 + at);
	if (!rc)
		w->bits_at = at;
	return rc;
}

/* Have the piece of the table that holds descriptor w->index in w->buf; copy it out */
static int walk_load_desc(struct kdump_walk *w, struct page_desc *ret)
{
	const uint64_t nr = sizeof(w->buf) / sizeof(w->buf[0]);
	uint64_t at = w->index / nr * nr, left = w->k->nr_descs - at;
	int rc;

	if (w->descs_at != at) {
		rc = read_at(w->k->fd, w->buf, (left < nr ? left : nr) * sizeof(*ret),
			     w->k->descs + at * sizeof(*ret));
		if (rc)
			return rc;
		w->descs_at = at;
	}
	*ret = w->buf[w->index - at];
	return 0;
}

/*
 * A page may lie anywhere behind the table and use at most a block. Raw pages use exactly one; with
 * compression a page that did not shrink is stored raw. Several descriptors may share data: all
 * zero pages of a dump are one.
 */
static enum page_state desc_state(const struct kdump *k, const struct page_desc *d)
{
	uint64_t block = (uint64_t)k->hdr.block_size;

	/*
	 * A descriptor that was begun when the power failed: its size is one that no LZO stream has
	 * (stub/send/out.c). Earlier versions left an offset alone.
	 */
	if ((!d->size && !d->flags) || (d->size == 1 && d->flags == KDUMP_COMPRESSED_LZO))
		return PAGE_MISSING;
	if (!d->offset)
		return PAGE_BAD;
	if (d->offset < 0 || (uint64_t)d->offset < k->data || d->size == 0 || d->size > block ||
	    !range_inside((uint64_t)d->offset, d->size, 0, k->limit))
		return PAGE_BAD;
	switch (d->flags) {
	case 0:
		return d->size == block ? PAGE_STORED : PAGE_BAD;
	case KDUMP_COMPRESSED_ZLIB:
	case KDUMP_COMPRESSED_LZO:
	case KDUMP_COMPRESSED_SNAPPY:
	case KDUMP_COMPRESSED_ZSTD:
		return PAGE_STORED;
	default:
		return PAGE_BAD;
	}
}

int kdump_page(const struct kdump *k, uint64_t index, void *buf)
{
	const size_t block = (size_t)k->hdr.block_size;
	uint8_t packed[65536];
	lzo_uint lzo_len = block;
	uLongf zlib_len = block;
	size_t snappy_len = block;
	struct page_desc d;
	bool good = false;

	if (read_at(k->fd, &d, sizeof(d), k->descs + index * sizeof(d)) || desc_state(k, &d) != PAGE_STORED ||
	    read_at(k->fd, d.flags ? packed : buf, d.size, (uint64_t)d.offset))
		return -EIO;
	switch (d.flags) {
	case 0:
		return 0;
	case KDUMP_COMPRESSED_ZLIB:
		good = uncompress(buf, &zlib_len, packed, d.size) == Z_OK && zlib_len == block;
		break;
	case KDUMP_COMPRESSED_LZO:
		good = lzo1x_decompress_safe(packed, d.size, buf, &lzo_len, NULL) == LZO_E_OK && lzo_len == block;
		break;
	case KDUMP_COMPRESSED_SNAPPY:
		good = snappy_uncompress((const char *)packed, d.size, buf, &snappy_len) == SNAPPY_OK &&
		       snappy_len == block;
		break;
	case KDUMP_COMPRESSED_ZSTD:
		good = ZSTD_decompress(buf, block, packed, d.size) == block;
		break;
	}
	return good ? 0 : -EIO;
}

/*
 * Empty bytes of the bitmap are stepped over: most of a large machine is not in the dump. An error
 * ends the walk for good: the number of a descriptor is the number of bits before it.
 */
int kdump_walk_next(struct kdump_walk *w, struct kdump_page *ret)
{
	for (; w->pfn < w->k->max_mapnr; w->pfn++) {
		unsigned byte;
		int rc = walk_load_bits(w);

		if (rc)
			return rc;
		byte = w->bits[w->pfn / 8 % sizeof(w->bits)];
		if (!byte)
			w->pfn |= 7;
		else if (byte >> w->pfn % 8 & 1)
			break;
	}
	if (w->pfn >= w->k->max_mapnr || w->index >= w->k->nr_descs)
		return 0;
	ret->pfn = w->pfn++;
	ret->index = w->index;
	if (walk_load_desc(w, &ret->desc))
		return -EIO;
	ret->state = desc_state(w->k, &ret->desc);
	w->index++;
	return 1;
}

/*
 * No table of its own: memory stays the same for any size of dump. @end is what there is to copy of
 * a dump whose label does not know its length.
 */
int kdump_count(const struct kdump *k, const char *path, struct kdump_counts *ret)
{
	struct kdump_counts c = { .end = k->data };
	struct kdump_walk w;
	struct kdump_page p;
	int rc;

	kdump_walk_start(&w, k);
	while ((rc = kdump_walk_next(&w, &p)) == 1) {
		c.missing += p.state == PAGE_MISSING;
		c.bad += p.state == PAGE_BAD;
		if (p.state != PAGE_STORED)
			continue;
		c.stored++;
		c.raw += !p.desc.flags;
		c.compressed += p.desc.flags != 0;
		if ((uint64_t)p.desc.offset + p.desc.size > c.end)
			c.end = (uint64_t)p.desc.offset + p.desc.size;
	}
	if (rc < 0)
		return fail(rc, "%s: reading the page descriptors failed: %s", path, strerror(-rc));
	*ret = c;
	return 0;
}
