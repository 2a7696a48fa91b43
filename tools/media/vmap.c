// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Page-table walk over the kernel's half of the address space, x86_64 and arm64: see tools/media/vmap.h.
 *
 * x86_64: Intel SDM vol. 3 §4.5 (4 and 5 levels). arm64: Arm ARM DDI 0487, D8.3 (VMSAv8-64
 * descriptors), with 4, 16 and 64 KiB granules, 52-bit addresses by FEAT_LPA and FEAT_LPA2.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/media/kdump.h"
#include "tools/util.h"
#include "tools/media/vmap.h"

#define MAX_LEVELS	5
#define IMAGE_VIRT	0xffffffff80000000ULL	/* x86_64 __START_KERNEL_map */
#define IMAGE_MAX	(64ULL << 20)
#define TABLES_SLACK	64

struct walker {
	const struct vmap_source *src;
	struct vmap *map;
	unsigned page_shift, bits, levels;
	bool arm;
	bool pa52;		/* arm64: bits 51:48 of addresses are in use */
	uint64_t sme_mask;	/* x86_64: encryption bit */
	uint64_t tables;	/* read so far */
	uint64_t *buf[MAX_LEVELS + 1];
};

/* The walk ascends, so a neighbour can only be the last one */
static void add(struct vmap *m, uint64_t va, uint64_t pa, uint64_t len)
{
	struct mapping *last = m->nr ? &m->v[m->nr - 1] : NULL;

	if (last && last->va + last->len == va && last->pa + last->len == pa) {
		last->len += len;
		return;
	}
	if (m->nr == m->room) {
		m->room = m->room ? m->room * 2 : 1024;
		m->v = must_grow(m->v, m->room, sizeof(*m->v));
	}
	m->v[m->nr++] = (struct mapping){ va, pa, len };
}

/* Bits of the virtual address that an entry of @level covers; level 1 is the last one */
static unsigned level_shift(const struct walker *w, unsigned level)
{
	return w->page_shift + w->bits * (level - 1);
}

/*
 * x86_64: bit 0 present, bit 7 (PS) at levels 2 and 3 a leaf, address in 51:12. Bit 12 of a large
 * leaf is PAT, so the bits below its size are dropped.
 */
static bool decode_x86(const struct walker *w, uint64_t e, unsigned level, uint64_t *pa, bool *leaf)
{
	e &= ~w->sme_mask;
	if (!(e & 1))
		return false;
	*leaf = level == 1 || (level <= 3 && (e & 0x80));
	*pa = e & 0x000ffffffffff000ULL;
	if (*leaf)
		*pa &= ~((1ULL << level_shift(w, level)) - 1);
	return true;
}

/*
 * arm64: bits 1:0 are 11 for a table (a page at level 1), 01 for a block. With 52-bit addresses,
 * bits 51:48 stand in 15:12 (64 KiB granule) or, bits 51:50 only, in 9:8 (FEAT_LPA2).
 */
static bool decode_arm(const struct walker *w, uint64_t e, unsigned level, uint64_t *pa, bool *leaf)
{
	uint64_t low = ~((1ULL << w->page_shift) - 1);

	if (!(e & 1) || (level == 1 && !(e & 2)))
		return false;
	*leaf = level == 1 || !(e & 2);
	if (*leaf && level > 3)
		return false;
	if (!w->pa52)
		*pa = e & 0x0000ffffffffffffULL & low;
	else if (w->page_shift == 16)
		*pa = (e & 0x0000ffffffffffffULL & low) | (e & 0xf000) << 36;
	else
		*pa = (e & 0x0003ffffffffffffULL & low) | (e & 0x300) << 42;
	if (*leaf)
		*pa &= ~((1ULL << level_shift(w, level)) - 1);
	return true;
}

/*
 * @nr entries from @first of the table at @table. Each table is a page of its own, so more reads
 * than stored pages mean tables that point at each other. Neighbours with the same address are an
 * alias (KASAN maps its whole shadow to one zero page through the same tables): once is enough.
 */
static void walk(struct walker *w, uint64_t table, unsigned level, uint64_t va, unsigned first,
		 unsigned nr)
{
	unsigned shift = level_shift(w, level), i;
	uint64_t pa, previous = UINT64_MAX;
	uint64_t *entries = w->buf[level];
	bool leaf;

	if (w->tables++ >= w->src->max_tables + TABLES_SLACK) {
		w->map->cut = true;
		return;
	}
	if (w->src->read(w->src->ctx, table + first * 8ULL, entries, nr * 8ULL))
		return;
	for (i = 0; i < nr && !w->map->cut; i++) {
		uint64_t at = va + ((uint64_t)(first + i) << shift);

		if (!(w->arm ? decode_arm : decode_x86)(w, entries[i], level, &pa, &leaf))
			continue;
		if (pa == previous)
			continue;
		previous = pa;
		if (leaf)
			add(w->map, at, pa, 1ULL << shift);
		else if (level > 1)
			walk(w, pa, level - 1, at, 0, 1u << w->bits);
	}
}

/* Canonical addresses: the upper half of the root is the upper half of the address space */
static int walk_x86(struct walker *w)
{
	const char *info = w->src->vmcoreinfo;
	uint64_t root, la57;

	w->bits = 9;
	w->levels = !vmcoreinfo_value(info, "NUMBER(pgtable_l5_enabled)", &la57) && la57 ? 5 : 4;
	vmcoreinfo_value(info, "NUMBER(sme_mask)", &w->sme_mask);
	if (vmcoreinfo_value(info, "SYMBOL(init_top_pgt)", &root) &&
	    vmcoreinfo_value(info, "SYMBOL(swapper_pg_dir)", &root))
		return -ENOENT;
	/* The root is part of the kernel image; its upper half maps the kernel */
	walk(w, root - IMAGE_VIRT + w->src->phys_base, w->levels, ~0ULL << (12 + 9 * w->levels),
	     256, 256);
	return 0;
}

static int walk_arm(struct walker *w)
{
	const char *info = w->src->vmcoreinfo;
	uint64_t root, voffset, va_bits, t1sz, pa_bits;
	unsigned actual, top;

	if (vmcoreinfo_value(info, "SYMBOL(swapper_pg_dir)", &root) ||
	    vmcoreinfo_value(info, "NUMBER(kimage_voffset)", &voffset) ||
	    vmcoreinfo_value(info, "NUMBER(VA_BITS)", &va_bits) || va_bits < 36 || va_bits > 52)
		return -ENOENT;
	actual = (unsigned)va_bits;
	/*
	 * A kernel built for 52 bits on a CPU with 48: with 64 KiB pages the root keeps its 1024
	 * entries and the upper ones are used; with smaller pages the extra level is not there.
	 */
	if (w->page_shift != 16 && !vmcoreinfo_value(info, "NUMBER(TCR_EL1_T1SZ)", &t1sz) &&
	    t1sz >= 12 && t1sz <= 28)
		actual = 64 - (unsigned)t1sz;
	w->pa52 = !vmcoreinfo_value(info, "NUMBER(MAX_PHYSMEM_BITS)", &pa_bits) && pa_bits == 52 &&
		  actual == 52;
	w->bits = w->page_shift - 3;
	w->levels = (actual - w->page_shift + w->bits - 1) / w->bits;
	if (w->levels > MAX_LEVELS)
		return -ENOENT;
	top = actual - level_shift(w, w->levels);
	walk(w, root - voffset, w->levels, ~0ULL << actual, 0, 1u << top);
	return 0;
}

/* Without tables the image is still known: it lies linear from a 2-MiB boundary below _stext. */
static void add_image(const struct walker *w)
{
	const char *info = w->src->vmcoreinfo;
	uint64_t stext, voffset;

	if (vmcoreinfo_value(info, "SYMBOL(_stext)", &stext))
		return;
	stext &= ~((2ULL << 20) - 1);
	if (!w->arm)
		add(w->map, stext, stext - IMAGE_VIRT + w->src->phys_base, IMAGE_MAX);
	else if (!vmcoreinfo_value(info, "NUMBER(kimage_voffset)", &voffset))
		add(w->map, stext, stext - voffset, IMAGE_MAX);
}

int vmap_build(struct vmap *m, const struct vmap_source *src)
{
	struct walker w = { .src = src, .map = m };
	unsigned i;
	int rc;

	*m = (struct vmap){ 0 };
	w.arm = !strcmp(src->machine, "aarch64");
	if (!w.arm && strcmp(src->machine, "x86_64"))
		return fail(-ENOTSUP, "machine '%s': ELF output knows x86_64 and aarch64",
			    src->machine);
	w.page_shift = (unsigned)__builtin_ctz(src->page_size);
	for (i = 1; i <= MAX_LEVELS; i++)
		w.buf[i] = must_alloc(src->page_size, 1);
	rc = w.arm || w.page_shift == 12 ? (w.arm ? walk_arm : walk_x86)(&w) : -ENOENT;
	for (i = 1; i <= MAX_LEVELS; i++)
		free(w.buf[i]);
	m->walked = !rc && m->nr;
	if (!m->walked)
		add_image(&w);
	return 0;
}

void vmap_free(struct vmap *m)
{
	free(m->v);
	*m = (struct vmap){ 0 };
}
