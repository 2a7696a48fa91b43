// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The walk over page tables: see stub/format/vtop.h. x86_64 and arm64 have the same trees of 64-bit
 * entries; how many of them there are, and what one says, is the decoders' business.
 *
 * Entries are what the dead kernel left: read() refuses a table that is not in RAM, and the number
 * of levels bounds every loop.
 */
#include "stub/format/vtop.h"

#include <errno.h>

#define TABLES_MAX	131072u	/* of 256 GiB in 4-KiB pages */
#define TABLE_BATCH	8u	/* entries read at a time; no border of it lies inside a page */

/* A table of 8-byte entries is a page; the top one may be less */
static unsigned index_bits(const struct vtop *vt)
{
	return vt->page_shift - 3;
}

int vtop_walk(struct vtop *vt, uint64_t va)
{
	unsigned bits = index_bits(vt), shift = vt->page_shift + vt->levels * bits;
	uint64_t at = va & (BIT(vt->table_bits) - 1), entry, pa = vt->pgd | VTOP_TABLE;

	if (!vt->pgd)
		return -ENOENT;
	while (pa & VTOP_TABLE) {
		shift -= bits;
		pa = ALIGN_DOWN(pa, 8) + (at >> shift & (BIT(bits) - 1)) * 8;
		if (vt->read(vt->ctx, &entry, pa, 8) < 0)
			return -EFAULT;
		pa = vt->entry(vt, entry, shift);
	}
	if (!pa)
		return -ENOENT;
	vt->cache.va = ALIGN_DOWN(va, BIT(shift));
	vt->cache.pa = pa - VTOP_LEAF;
	vt->cache.size = BIT(shift);
	return 0;
}

int vtop(struct vtop *vt, uint64_t va, phys_addr_t *ret_pa, uint64_t *ret_len)
{
	const struct vtop_window *w = &vt->cache;

	if (va & BIT(55))
		va |= vt->tag;
	if (va - w->va >= w->size)
		w = &vt->image;
	if (va - w->va >= w->size) {
		int r;

		if (!vt->va_bits || (int64_t)va >> vt->va_bits != -1)
			return -ENOENT;		/* user space, or in the gap */
		r = vtop_walk(vt, va);
		w = r ? &vt->linear : &vt->cache;
		if (va - w->va >= w->size)
			return r;
	}
	*ret_pa = va - w->va + w->pa;
	if (ret_len)
		*ret_len = w->size - (va - w->va);
	return 0;
}

/*
 * What the entries of @table from number @i on refer to; that one is for @va. Recursion ends at the last
 * level; visit->left bounds the breadth. Neighbours that refer to the same page are an alias (KASAN maps
 * its whole shadow to one zero page through the same tables): once is enough.
 */
static int visit_table(const struct vtop *vt, struct vtop_visit *visit, uint64_t table, unsigned shift,
		       unsigned i, uint64_t va)
{
	unsigned bits = index_bits(vt), nr = 1u << min_u64(bits, vt->table_bits - shift);
	uint64_t entries[TABLE_BATCH], pa, last = 0;
	int r = 0;

	for (unsigned first = i; i < nr && !r && visit->left; i++, va += BIT(shift)) {
		if (i % TABLE_BATCH == 0 && vt->read(vt->ctx, entries, table + i * 8, sizeof(entries)) < 0)
			break;
		/* It can be read, so it is RAM */
		if (i == first && visit->table)
			r = visit->table(visit->ctx, ALIGN_DOWN(table, BIT(vt->page_shift)), BIT(vt->page_shift));
		if (r || (!visit->leaf && shift == vt->page_shift))
			break;
		pa = vt->entry(vt, entries[i % TABLE_BATCH], shift);
		if (!pa || pa == last)
			continue;
		last = pa;
		if (pa & VTOP_TABLE) {
			visit->left--;
			r = visit_table(vt, visit, pa - VTOP_TABLE, shift - bits, 0, va);
		} else if (visit->leaf) {
			r = visit->leaf(visit->ctx, va, pa - VTOP_LEAF, BIT(shift));
		}
	}
	return r;
}

/* From a whole batch on: what is in it of the other half maps nothing in the kernel's */
int vtop_visit(const struct vtop *vt, struct vtop_visit *visit)
{
	unsigned shift = vt->page_shift + (vt->levels - 1) * index_bits(vt);
	uint64_t va = -BIT(vt->va_bits);
	uint64_t first = va >> shift & (BIT(vt->table_bits - shift) - 1), more = first % TABLE_BATCH;

	if (!vt->pgd)
		return 0;
	return visit_table(vt, visit, vt->pgd, shift, first - more, va - (more << shift));
}

int vtop_tables(struct vtop *vt, int (*table)(void *ctx, phys_addr_t pa, uint64_t size), void *ctx)
{
	struct vtop_visit visit = { table, NULL, ctx, TABLES_MAX };

	return vtop_visit(vt, &visit);
}

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

		r = vt->read(vt->ctx, p, pa, n);
		if (r < 0)
			return r;
		p += n;
		va += n;
		len -= n;
	}
	return 0;
}
