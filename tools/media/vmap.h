/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dead kernel's own virtual memory: every mapping of its page tables, found by walking them
 * from the root that VMCOREINFO names. This needs no debug information and no knowledge of where
 * this kernel version keeps its direct map, vmalloc area or modules, and KASLR makes no
 * difference.
 */
#ifndef TOOLS_VMAP_H
#define TOOLS_VMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mapping {
	uint64_t va, pa, len;
};

struct vmap {
	struct mapping *v;	/* ascending va, disjoint, neighbours joined */
	size_t nr, room;
	bool walked;		/* false: no usable tables, only the kernel image is known */
	bool cut;		/* the walk hit its bound: damaged or hostile tables */
};

struct vmap_source {
	const char *vmcoreinfo;
	const char *machine;		/* "x86_64", "aarch64" */
	uint32_t page_size;
	uint64_t phys_base;		/* of the sub-header; x86_64 */
	uint64_t max_tables;		/* no more tables than stored pages can exist */
	/* Read [pa, pa + len), which lies in one page: 0 or -errno */
	int (*read)(void *ctx, uint64_t pa, void *buf, size_t len);
	void *ctx;
};

/*
 * 0 or -ENOTSUP with a message (unknown machine). Fills in the kernel image when tables are
 * missing.
 */
int vmap_build(struct vmap *m, const struct vmap_source *src);
void vmap_free(struct vmap *m);

#endif
