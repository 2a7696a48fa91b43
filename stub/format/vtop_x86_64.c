/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtual to physical for a dead x86_64 kernel: 4- and 5-level page tables (Intel SDM vol. 3A,
 * §4.5), started from what VMCOREINFO exports. Pure, and built for the host too. Nothing here is
 * the stub's own paging: see arch/x86_64/mm.c.
 */
#include <errno.h>

#include "stub/format/vtop.h"

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
#define PTE_PSE			BIT(7)		/* the entry maps a large page; at level 1, PAT */
#define PTE_ADDR		GENMASK(51, 12)
/* struct elf_prstatus (linux/elfcore.h): then struct user_regs_struct, where rsp is number 19 */
#define PRSTATUS_REGS		112u

/* Intel SDM vol. 3A, tables 4-14 to 4-20: large pages are of 2 MiB and 1 GiB, with PAT in the low bits of their address */
static uint64_t decode(const struct vtop *vt, uint64_t entry, unsigned shift)
{
	uint64_t pa = entry & vt->pte_mask;

	if (!(entry & PTE_PRESENT))
		return 0;
	if (shift == 12 || (shift <= 30 && entry & PTE_PSE))
		return ALIGN_DOWN(pa, BIT(shift)) | VTOP_LEAF;
	return pa | VTOP_TABLE;
}

/* Where the image sits: pa = va - START_KERNEL_MAP + phys_base, and phys_base may be negative. */
static void init_image(struct vtop *vt, const struct vmcoreinfo *vi)
{
	const struct memory_range *kernel = vt->kernel;
	int64_t phys_base, size;

	if (vmcoreinfo_number(vi, "phys_base", &phys_base) == 0) {
		vt->phys_base = phys_base;
	} else if (kernel->end && kernel->virt >= START_KERNEL_MAP) {
		vt->phys_base = kernel->start - (kernel->virt - START_KERNEL_MAP);
	} else {
		vt->missing = "NUMBER(phys_base)";
		return;
	}

	if (vmcoreinfo_number(vi, "KERNEL_IMAGE_SIZE", &size) < 0 ||
	    size < (int64_t)KERNEL_IMAGE_SIZE_MIN || size > (int64_t)KERNEL_IMAGE_SIZE_MAX)
		size = KERNEL_IMAGE_SIZE_MIN;
	vt->image = (struct vtop_window){ START_KERNEL_MAP, vt->phys_base, size };
}

/*
 * The direct map, from p_vaddr of the RAM ranges: all of them must agree on its offset. Only used
 * where a walk fails, so a missing one costs nothing while the page tables are sound.
 */
static void init_linear(struct vtop *vt)
{
	uint64_t offset = 0, end = 0;

	for (unsigned i = 0; i < vt->nr_ranges; i++) {
		const struct memory_range *r = &vt->ranges[i];

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
	vt->linear = (struct vtop_window){ offset, 0, end - offset };
}

static void init_walk(struct vtop *vt, const struct vmcoreinfo *vi)
{
	/* One table under its names of several versions; all are inside the image */
	static const char *const names[] = { "swapper_pg_dir", "init_top_pgt", "init_level4_pgt" };
	uint64_t va = 0;
	int64_t n;

	vt->levels = vmcoreinfo_number(vi, "pgtable_l5_enabled", &n) == 0 && n ? 5 : 4;
	vt->table_bits = vt->page_shift + 9 * vt->levels;
	/* The upper half of the top table is the kernel's */
	vt->va_bits = vt->table_bits - 1;
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
	/* else no image mapping: vt->missing is set; or a symbol that cannot be */
	if (va - vt->image.va < vt->image.size)
		vt->pgd = ALIGN_DOWN(va - vt->image.va + vt->image.pa, 4096);
}

int vtop_x86_64(struct vtop *vt, const struct vmcoreinfo *vi)
{
	int64_t bits;

	vt->entry = decode;
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
