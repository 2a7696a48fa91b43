// SPDX-License-Identifier: GPL-2.0-or-later
#include "stub/overlay.h"

#include <errno.h>
#include <string.h>

#include "stub/arch.h"

static struct overlay {
	phys_addr_t pa;
	size_t len;		/* 0: free */
	uint8_t old[OVERLAY_BYTES];
} overlays[OVERLAY_MAX];
static unsigned nr_touched;	/* the others were never taken: asked for every page of the dump */

static bool overlaps(const struct overlay *o, phys_addr_t pa, size_t len)
{
	return o->len && o->pa < pa + len && pa < o->pa + o->len;
}

int overlay_write(phys_addr_t pa, const void *src, size_t len)
{
	struct overlay *o = NULL;

	if (!len || len > OVERLAY_BYTES)
		return -ENOSPC;
	for (unsigned i = 0; i < OVERLAY_MAX; i++) {
		if (overlays[i].len == len && overlays[i].pa == pa)
			return arch_write_mem(pa, src, len);
		/* One word with two stories could not be put back in order */
		if (overlaps(&overlays[i], pa, len))
			return -ENOSPC;
		if (!overlays[i].len && !o)
			o = &overlays[i];
	}
	if (!o)
		return -ENOSPC;
	if (arch_read_mem(o->old, pa, len))
		return -EFAULT;
	if (o - overlays >= (int)nr_touched)
		nr_touched = (unsigned)(o - overlays) + 1;
	/* Known before it is there: a reader that comes in between takes the old bytes either way */
	o->pa = pa;
	o->len = len;
	if (arch_write_mem(pa, src, len)) {
		o->len = 0;
		return -EFAULT;
	}
	return 0;
}

void overlay_undo(phys_addr_t pa)
{
	for (unsigned i = 0; i < OVERLAY_MAX; i++) {
		struct overlay *o = &overlays[i];

		if (!o->len || o->pa != pa)
			continue;
		if (!arch_write_mem(pa, o->old, o->len))
			o->len = 0;
		return;
	}
}

bool overlay_touches(phys_addr_t pa, size_t len)
{
	for (unsigned i = 0; i < nr_touched; i++)
		if (overlaps(&overlays[i], pa, len))
			return true;
	return false;
}

int overlay_read(void *dst, phys_addr_t pa, size_t len)
{
	int rc = arch_read_mem(dst, pa, len);

	for (unsigned i = 0; i < nr_touched && !rc; i++) {
		const struct overlay *o = &overlays[i];
		phys_addr_t from, to;

		if (!overlaps(o, pa, len))
			continue;
		from = max_u64(o->pa, pa);
		to = min_u64(o->pa + o->len, pa + len);
		memcpy((uint8_t *)dst + (from - pa), o->old + (from - o->pa), to - from);
	}
	return rc;
}

int overlay_is_zero(phys_addr_t pa, size_t len)
{
	/* Whether it is or not: a page of a table at work is worth its bytes */
	return overlay_touches(pa, len) ? 0 : arch_mem_is_zero(pa, len);
}
