/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtual to physical for a dead x86_64 kernel: 4- and 5-level page tables (Intel SDM vol. 3A,
 * §4.5), started from what VMCOREINFO exports. Pure, and built for the host too. Nothing here is
 * the stub's own paging: see arch/x86_64/mm.c.
 */
#include <errno.h>
#include <string.h>

#include "stub/dead/vtop.h"

/*
 * Linux Documentation/arch/x86/x86_64/mm.rst: the kernel image is linked here, before KASLR moves
 * it upwards
 */
#define START_KERNEL_MAP	0xffffffff80000000ULL
/*
 * Size of the window if NUMBER(KERNEL_IMAGE_SIZE) is absent: without KASLR modules begin after 512
 * MiB
 */
#define KERNEL_IMAGE_SIZE_MIN	MIB(512)
#define KERNEL_IMAGE_SIZE_MAX	MIB(1536)

#define PTE_PRESENT		BIT(0)
#define PTE_PSE			BIT(7)		/* the entry maps a large page */
#define PTE_ADDR		GENMASK(51, 12)
#define INDEX_BITS		9
#define TABLES_MAX		131072u	/* tables of 256 GiB in 4-KiB pages */
#define TABLE_BATCH		8u	/* entries read at a time */
/* struct elf_prstatus (linux/elfcore.h): then struct user_regs_struct, where rsp is number 19 */
#define PRSTATUS_REGS		112u

/* Where the image sits: pa = va - START_KERNEL_MAP + phys_base, and phys_base may be negative. */
static void init_image(struct vtop *vt, const struct vmcoreinfo *vi)
{
	const struct memory_range *image = &vt->vc->image;
	int64_t phys_base, size;

	if (vmcoreinfo_number(vi, "phys_base", &phys_base) == 0) {
		vt->phys_base = phys_base;
	} else if (image->end && image->virt >= START_KERNEL_MAP) {
		vt->phys_base = image->start - (image->virt - START_KERNEL_MAP);
	} else {
		vt->missing = "NUMBER(phys_base)";
		return;
	}

	if (vmcoreinfo_number(vi, "KERNEL_IMAGE_SIZE", &size) < 0 ||
	    size < (int64_t)KERNEL_IMAGE_SIZE_MIN || size > (int64_t)KERNEL_IMAGE_SIZE_MAX)
		size = KERNEL_IMAGE_SIZE_MIN;
	vt->image_virt = START_KERNEL_MAP;
	vt->image_end = START_KERNEL_MAP + (uint64_t)size;
	vt->image_phys = vt->phys_base;
}

/*
 * The direct map, from p_vaddr of the RAM ranges: all of them must agree on its offset. Only used
 * where a walk fails, so a missing one costs nothing while the page tables are sound.
 */
static void init_linear(struct vtop *vt)
{
	const struct vmcore *vc = vt->vc;
	uint64_t offset = 0, end = 0;

	for (unsigned i = 0; i < vc->nr_ranges; i++) {
		const struct memory_range *r = &vc->ranges[i];

		if (!(r->virt >> 63) || r->virt >= START_KERNEL_MAP)
			continue;
		if (end && r->virt - r->start != offset)
			return;
		offset = r->virt - r->start;
		end = r->virt + (r->end - r->start);
	}
	/*
	 * The offset is the mapping of physical address 0 only if it is in the kernel's half
	 * itself.
	 */
	if (!end || !(offset >> 63) || end < offset)
		return;
	vt->linear_virt = offset;
	vt->linear_end = end;
	vt->linear_phys = 0;
}

static void init_walk(struct vtop *vt, const struct vmcoreinfo *vi)
{
	/* One table under its names of several versions; all are inside the image */
	static const char *const names[] = { "swapper_pg_dir", "init_top_pgt", "init_level4_pgt" };
	uint64_t va = 0;
	int64_t n;

	vt->levels = vmcoreinfo_number(vi, "pgtable_l5_enabled", &n) == 0 && n ? 5 : 4;
	vt->pte_mask = PTE_ADDR;
	/* AMD SME: the encryption bit is not part of the address (APM vol. 2, §7.10.1) */
	if (vmcoreinfo_number(vi, "sme_mask", &n) == 0)
		vt->pte_mask &= ~(uint64_t)n;

	for (unsigned i = 0; i < ARRAY_SIZE(names) && !va; i++)
		vmcoreinfo_symbol(vi, names[i], &va);
	if (!va) {
		vt->missing = "SYMBOL(swapper_pg_dir)";
		return;
	}
	if (va < vt->image_virt || va >= vt->image_end)
		/* no image mapping: vt->missing is set; or a symbol that cannot be */
		return;
	vt->pgd = ALIGN_DOWN(va - vt->image_virt + vt->image_phys, 4096);
}

int vtop_init(struct vtop *vt, const struct vmcore *vc, const struct vmcoreinfo *vi)
{
	int64_t bits;

	memset(vt, 0, sizeof(*vt));
	vt->vc = vc;
	vt->page_shift = 12;
	vt->prstatus_sp = PRSTATUS_REGS + 19 * 8;
	init_image(vt, vi);
	init_linear(vt);
	init_walk(vt, vi);
	if (!vt->pgd && !vt->missing)
		vt->missing = "SYMBOL(swapper_pg_dir)";

	/* Sparse memory's geometry where the kernel does not say (before 5.10 and 5.15) */
	vt->section_size_bits = 27;
	vt->max_physmem_bits = vt->levels == 5 ? 52 : 46;
	if (vmcoreinfo_number(vi, "SECTION_SIZE_BITS", &bits) == 0)
		vt->section_size_bits = bits;
	if (vmcoreinfo_number(vi, "MAX_PHYSMEM_BITS", &bits) == 0)
		vt->max_physmem_bits = bits;
	return vt->missing ? -ENOENT : 0;
}

/*
 * Walk from the top table. The result replaces vt->cache. Entries are what the dead kernel left:
 * vmcore_read() refuses a table that is not in RAM, and the number of levels bounds the loop.
 */
static int walk(struct vtop *vt, uint64_t va)
{
	uint64_t table = vt->pgd;

	if (!table)
		return -ENOENT;
	for (unsigned level = vt->levels; level; level--) {
		unsigned shift = vt->page_shift + (level - 1) * INDEX_BITS;
		uint64_t index = (va >> shift) & (BIT(INDEX_BITS) - 1);
		uint64_t entry, size = BIT(shift);

		if (vmcore_read(vt->vc, &entry, table + index * sizeof(entry), sizeof(entry)) < 0)
			return -EFAULT;
		if (!(entry & PTE_PRESENT))
			return -ENOENT;
		if (level == 1 || (level <= 3 && entry & PTE_PSE)) {
			vt->cache.va = ALIGN_DOWN(va, size);
			/* drops the PAT bit 12 of a large page as well */
			vt->cache.pa = ALIGN_DOWN(entry & vt->pte_mask, size);
			vt->cache.size = size;
			return 0;
		}
		table = entry & vt->pte_mask;
	}
	return -ENOENT;
}

int vtop(struct vtop *vt, uint64_t va, phys_addr_t *ret_pa, uint64_t *ret_len)
{
	uint64_t offset = va - vt->cache.va, pa, len;
	int r;

	if (offset < vt->cache.size) {
		pa = vt->cache.pa + offset;
		len = vt->cache.size - offset;
	} else if (va >= vt->image_virt && va < vt->image_end) {
		pa = va - vt->image_virt + vt->image_phys;
		len = vt->image_end - va;
	} else if ((int64_t)va >> (vt->page_shift + vt->levels * INDEX_BITS - 1) != -1) {
		return -ENOENT;		/* not canonical, or user space */
	} else if ((r = walk(vt, va)) == 0) {
		offset = va - vt->cache.va;
		pa = vt->cache.pa + offset;
		len = vt->cache.size - offset;
	} else if (va >= vt->linear_virt && va < vt->linear_end) {
		pa = va - vt->linear_virt + vt->linear_phys;
		len = vt->linear_end - va;
	} else {
		return r;
	}
	*ret_pa = pa;
	if (ret_len)
		*ret_len = len;
	return 0;
}

struct tables {
	struct vtop *vt;
	int (*call)(void *ctx, phys_addr_t pa, uint64_t size);
	void *ctx;
	unsigned left;
};

/* One table and those below it. Recursion ends at level 1; t->left bounds the breadth. */
static int visit(struct tables *t, uint64_t table, unsigned level, unsigned from)
{
	uint64_t entries[TABLE_BATCH];
	int r;

	if (!t->left)
		return 0;
	t->left--;
	r = t->call(t->ctx, table, KIB(4));
	if (r || level == 1)
		return r;
	for (unsigned i = from; i < BIT(INDEX_BITS) && !r; i++) {
		uint64_t entry;

		if (i % TABLE_BATCH == 0 &&
		    vmcore_read(t->vt->vc, entries, table + i * 8, sizeof(entries)) < 0)
			return 0;
		entry = entries[i % TABLE_BATCH];
		if (!(entry & PTE_PRESENT) || (level <= 3 && entry & PTE_PSE) ||
		    !vmcore_is_ram(t->vt->vc, entry & t->vt->pte_mask, KIB(4)))
			continue;
		r = visit(t, entry & t->vt->pte_mask, level - 1, 0);
	}
	return r;
}

int vtop_tables(struct vtop *vt, int (*table)(void *ctx, phys_addr_t pa, uint64_t size), void *ctx)
{
	struct tables t = { vt, table, ctx, TABLES_MAX };

	if (!vt->pgd)
		return 0;
	/* The kernel's half of the top table */
	return visit(&t, vt->pgd, vt->levels, BIT(INDEX_BITS - 1));
}
