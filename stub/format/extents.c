// SPDX-License-Identifier: GPL-2.0-or-later
#include "stub/format/extents.h"

#include <errno.h>
#include <string.h>

#include "stub/bits.h"
#include "stub/format/crc.h"

#define BLOCK	CAPSTUB_EXTENT_BLOCK

uint32_t extents_bytes(uint32_t nr)
{
	return (uint32_t)ALIGN_UP(nr * sizeof(struct capstub_extent), BLOCK);
}

uint64_t extents_start(const struct capstub_extents *h)
{
	return h->target_bytes - CAPSTUB_EXTENTS_OFFSET - extents_bytes(h->nr);
}

bool extents_head_ok(const struct capstub_extents *h, uint64_t at, const struct extents_io *io)
{
	if (memcmp(h->magic, CAPSTUB_EXTENTS_MAGIC, sizeof(h->magic)) || h->version != CAPSTUB_EXTENTS_VERSION ||
	    !h->nr || h->nr > CAPSTUB_EXTENTS_MAX || h->disk != at)
		return false;
	return IS_ALIGNED(h->target_bytes, BLOCK) && IS_ALIGNED(at, io->align) &&
	       h->target_bytes >= CAPSTUB_TARGET_MIN && h->target_bytes <= io->disk_bytes && at >= extents_bytes(h->nr) &&
	       range_inside(at, CAPSTUB_EXTENTS_OFFSET, 0, io->disk_bytes);
}

uint32_t extents_crc(const struct extents *x)
{
	uint32_t stored = x->head->crc32c, crc;

	x->head->crc32c = 0;
	crc = crc32c(0, x->head, sizeof(*x->head));
	x->head->crc32c = stored;
	return crc32c(crc, x->v, extents_bytes(x->head->nr));
}

uint64_t extents_find(const struct extents *x, uint64_t offset, uint64_t *ret_run)
{
	size_t i = FIRST_ABOVE(x->v, x->head->nr, offset, offset);
	const struct capstub_extent *e = &x->v[i - 1];	/* the first one begins at 0 */

	*ret_run = 0;
	if (offset >= x->head->target_bytes)
		return 0;
	offset -= e->offset;
	*ret_run = (uint64_t)e->blocks * BLOCK - offset;
	return e->disk + offset;
}

bool extents_ok(const struct extents *x)
{
	const struct extents_io *io = &x->io;
	const struct capstub_extents *h = x->head;
	uint64_t offset = 0, run;

	if (h->crc32c != extents_crc(x))
		return false;
	for (uint32_t i = 0; i < h->nr; i++) {
		const struct capstub_extent *e = &x->v[i];
		uint64_t len = (uint64_t)e->blocks * BLOCK;

		if (e->offset != offset || !len || !IS_ALIGNED(e->disk, io->align) ||
		    !range_inside(e->disk, len, 0, io->disk_bytes))
			return false;
		offset += len;
	}
	if (offset != h->target_bytes || extents_start(h) >= offset)
		return false;
	/* One piece from here to the end, and we are in it */
	return extents_find(x, extents_start(h), &run) == h->disk - extents_bytes(h->nr) && run == offset - extents_start(h);
}

/* That of an extent in the map's own piece changes with each label and log: map, label and what it vouches for prove it */
static bool by_block(const struct extents *x, uint32_t i)
{
	return x->v[i].offset < extents_start(x->head);
}

int extents_prove(const struct extents *x, uint32_t *ret_bad)
{
	const struct extents_io *io = &x->io;
	int rc = 0;

	for (uint32_t i = 0; i < x->head->nr && !rc; i++) {
		*ret_bad = i;
		if (by_block(x, i))
			rc = io->read(io->ctx, x->v[i].disk, io->block, BLOCK);
		if (!rc && by_block(x, i) && crc32c(0, io->block, BLOCK) != x->v[i].crc32c)
			rc = -EEXIST;
	}
	return rc;
}

int extents_renew(struct extents *x)
{
	const struct extents_io *io = &x->io;
	uint32_t bytes = extents_bytes(x->head->nr);
	int rc = 0;

	for (uint32_t i = 0; i < x->head->nr && !rc; i++) {
		if (by_block(x, i))
			rc = io->read(io->ctx, x->v[i].disk, io->block, BLOCK);
		if (!rc && by_block(x, i))
			x->v[i].crc32c = crc32c(0, io->block, BLOCK);
	}
	x->head->crc32c = extents_crc(x);
	if (!rc)
		rc = io->write(io->ctx, x->head->disk - bytes, x->v, bytes);
	return rc ? rc : io->write(io->ctx, x->head->disk, x->head, BLOCK);
}
