/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Address translation of the dead kernel, which is of the stub's own architecture (stub/format/vtop.h) */
#ifndef STUB_VTOP_H
#define STUB_VTOP_H

#include <cpu.h>

#include "stub/dead/vmcore.h"
#include "stub/format/vtop.h"

static inline int vtop_read_ram(void *vc, void *dst, phys_addr_t pa, size_t len)
{
	return vmcore_read(vc, dst, pa, len);
}

/* @vc must live as long as @vt. 0 or -ENOENT, as vtop_x86_64() says. */
static inline int vtop_init(struct vtop *vt, struct vmcore *vc, const struct vmcoreinfo *vi)
{
	*vt = (struct vtop){
		.read = vtop_read_ram, .ctx = vc, .kernel = &vc->image, .ranges = vc->ranges,
		.nr_ranges = vc->nr_ranges, .page_size = vc->page_size,
	};
	return ARCH_VTOP(vt, vi);
}

#endif
