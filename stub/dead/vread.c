/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the dead kernel's virtual memory: the part of stub/dead/vtop.h that is the same for every
 * architecture. Called by the page classifier and the log reader.
 */
#include <errno.h>

#include "stub/dead/vtop.h"

int vtop_read(struct vtop *vt, void *dst, uint64_t va, size_t len)
{
	unsigned char *p = dst;

	if (len && va + (len - 1) < va)
		return -EINVAL;

	while (len) {
		phys_addr_t pa;
		uint64_t run;
		int r = vtop(vt, va, &pa, &run);

		if (r < 0)
			return r;
		/* A leaf of no size would make this loop endless; no implementation returns one. */
		if (!run)
			return -EFAULT;

		size_t n = min_u64(run, len);

		r = vmcore_read(vt->vc, p, pa, n);
		if (r < 0)
			return r;
		p += n;
		va += n;
		len -= n;
	}
	return 0;
}
