/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtual to physical for a dead arm64 kernel: VMSAv8-64 translation tables (Arm ARM, D8.2) of 4-,
 * 16- or 64-KiB pages, 36 to 52 bits of virtual address, started from what VMCOREINFO exports.
 */
#include <errno.h>

#include "stub/format/vtop.h"

#define DESC_VALID		BIT(0)
/* at the last level: a page; above: a table, or else a block */
#define DESC_TABLE		BIT(1)
/* struct elf_prstatus (linux/elfcore.h): then struct user_pt_regs, where sp follows 31 registers */
#define PRSTATUS_REGS		112u

/* Linux has blocks of 2 MiB and 1 GiB with 4-KiB pages, of 32 and 512 MiB with larger ones */
static uint64_t decode(const struct vtop *vt, uint64_t desc, unsigned shift)
{
	uint64_t pa = (desc & vt->pte_mask) | (desc & vt->pa_high) << vt->pa_high_shift;
	bool last = shift == vt->page_shift;

	if (!(desc & DESC_VALID))
		return 0;
	if (desc & DESC_TABLE)
		return pa | (last ? VTOP_LEAF : VTOP_TABLE);
	return last || shift > (vt->page_shift == 12 ? 30 : 2 * vt->page_shift - 3) ? 0 :
	       ALIGN_DOWN(pa, BIT(shift)) | VTOP_LEAF;
}

static void init_page_size(struct vtop *vt, const struct vmcoreinfo *vi)
{
	char text[16];
	uint64_t size = 0;

	if (vmcoreinfo_string(vi, "PAGESIZE", text, sizeof(text)) == 0)
		for (const char *s = text; *s >= '0' && *s <= '9' && size < MIB(1); s++)
			size = size * 10 + (*s - '0');
	if (!size)
		size = vt->page_size;
	if (size == KIB(64))
		vt->page_shift = 16;
	else if (size == KIB(16))
		vt->page_shift = 14;
	else
		vt->page_shift = 12;
}

/*
 * How many bits an address has: the kernel's configuration (VA_BITS) and what the CPU could do
 * (T1SZ, from 5.9 on). A 52-bit kernel on older hardware runs with 48. Before T1SZ was exported,
 * where mem_section lies tells: linear memory is the lower half, so the top bit of a 52-bit address
 * in it is clear.
 */
static bool init_va_bits(struct vtop *vt, const struct vmcoreinfo *vi, unsigned *ret_config)
{
	uint64_t section;
	int64_t n;

	if (vmcoreinfo_number(vi, "VA_BITS", &n) < 0 || n < 36 || n > 52) {
		vt->missing = "NUMBER(VA_BITS)";
		return false;
	}
	*ret_config = n;
	vt->va_bits = n;
	if (vmcoreinfo_number(vi, "TCR_EL1_T1SZ", &n) == 0 && n >= 12 && n <= 28)
		vt->va_bits = 64 - n;
	else if (*ret_config == 52 && vmcoreinfo_symbol(vi, "mem_section", &section) == 0 &&
		 section & BIT(51))
		vt->va_bits = 48;
	return true;
}

/* Output address bits of a descriptor (Arm ARM D8.3, "VMSAv8-64 descriptor formats") */
static void init_descriptors(struct vtop *vt)
{
	bool pa52 = vt->max_physmem_bits == 52;

	vt->pte_mask = GENMASK(47, vt->page_shift);
	if (vt->page_shift == 16 && pa52) {
		vt->pa_high = GENMASK(15, 12);		/* OA[51:48] */
		vt->pa_high_shift = 36;
	} else if (vt->page_shift < 16 && pa52 && vt->va_bits == 52) {
		/* FEAT_LPA2: a 52-bit space with 4- or 16-KiB pages exists only with TCR.DS set */
		vt->pte_mask = GENMASK(49, vt->page_shift);
		vt->pa_high = GENMASK(9, 8);		/* OA[51:50] */
		vt->pa_high_shift = 42;
	}
}

static void init_image(struct vtop *vt, const struct vmcoreinfo *vi)
{
	const struct memory_range *kernel = vt->kernel;
	int64_t voffset;

	if (vmcoreinfo_number(vi, "kimage_voffset", &voffset) < 0) {
		if (!kernel->end || !(kernel->virt >> 63)) {
			vt->missing = "NUMBER(kimage_voffset)";
			return;
		}
		voffset = kernel->virt - kernel->start;
	}
	/* The whole window first, enough to find the tables; narrowed to the image at the end */
	vt->image = (struct vtop_window){ BIT(63), BIT(63) - (uint64_t)voffset, BIT(63) };
}

/*
 * The linear map (5.4 and later: lower half of the kernel's space; before: upper half), for
 * addresses that a walk misses
 */
static void init_linear(struct vtop *vt, const struct vmcoreinfo *vi, unsigned config)
{
	uint64_t stext, page_end = -BIT((config > 48 ? 48 : config) - 1);
	unsigned bits = vt->va_bits;
	int64_t phys_offset;

	if (vmcoreinfo_number(vi, "PHYS_OFFSET", &phys_offset) < 0) {
		if (!vt->missing)
			vt->missing = "NUMBER(PHYS_OFFSET)";
		return;
	}
	vt->phys_base = phys_offset;
	/*
	 * PHYS_OFFSET belongs to the start of the configured space, also where the hardware reaches
	 * only part of it.
	 */
	vt->linear = (struct vtop_window){ -BIT(bits), (uint64_t)phys_offset + BIT(config) - BIT(bits), BIT(bits - 1) };
	if (vmcoreinfo_symbol(vi, "_stext", &stext) == 0 && stext <= page_end)
		vt->linear.va = -BIT(bits - 1);
}

/*
 * Lay the walk out for @bits of address and see whether it finds the top table itself, whose place
 * is known.
 */
static bool try_levels(struct vtop *vt, unsigned bits, uint64_t symbol)
{
	vt->table_bits = bits;
	vt->levels = DIV_ROUND_UP(bits - vt->page_shift, vt->page_shift - 3);
	vt->cache.size = 0;
	if (vtop_walk(vt, symbol) < 0)
		return false;
	return vt->cache.pa + (symbol - vt->cache.va) == vt->pgd;
}

static void init_walk(struct vtop *vt, const struct vmcoreinfo *vi, unsigned config)
{
	uint64_t symbol;

	if (vmcoreinfo_symbol(vi, "swapper_pg_dir", &symbol) < 0) {
		if (!vt->missing)
			vt->missing = "SYMBOL(swapper_pg_dir)";
		return;
	}
	if (!vt->image.size)
		return;
	vt->pgd = symbol - vt->image.va + vt->image.pa;
	/*
	 * With 64- and 16-KiB pages a 52-bit kernel keeps the 52-bit layout of its top table on
	 * 48-bit hardware; with 4-KiB pages it has a level less. Which one holds is not exported:
	 * the tables tell.
	 */
	if (try_levels(vt, config, symbol) || try_levels(vt, vt->va_bits, symbol))
		return;
	if (!vt->missing)
		vt->missing = "page tables at SYMBOL(swapper_pg_dir)";
}

static void init_sparsemem(struct vtop *vt, const struct vmcoreinfo *vi, unsigned config)
{
	int64_t n;

	/*
	 * What arch/arm64/include/asm/sparsemem.h had before SECTION_SIZE_BITS was exported (5.15)
	 */
	vt->section_size_bits = 30;
	vt->max_physmem_bits = config == 52 ? 52 : 48;
	if (vmcoreinfo_number(vi, "SECTION_SIZE_BITS", &n) == 0)
		vt->section_size_bits = n;
	if (vmcoreinfo_number(vi, "MAX_PHYSMEM_BITS", &n) == 0)
		vt->max_physmem_bits = n;
}

int vtop_arm64(struct vtop *vt, const struct vmcoreinfo *vi)
{
	const struct memory_range *kernel = vt->kernel;
	unsigned config = 48;

	vt->entry = decode;
	/* A tag in the top byte (KASAN) is not part of the address; bit 55 chooses the half. */
	vt->tag = GENMASK(63, 56);
	vt->prstatus_sp = PRSTATUS_REGS + 31 * 8;
	init_page_size(vt, vi);
	init_image(vt, vi);
	if (init_va_bits(vt, vi, &config)) {
		init_sparsemem(vt, vi, config);
		init_descriptors(vt);
		init_linear(vt, vi, config);
		init_walk(vt, vi, config);
	} else {
		init_sparsemem(vt, vi, config);
	}

	/*
	 * From here on only addresses inside the image take the short way; none if its extent is
	 * not known.
	 */
	if (kernel->end > kernel->start && kernel->virt >> 63) {
		vt->image.pa += kernel->virt - vt->image.va;
		vt->image.va = kernel->virt;
		vt->image.size = vt->image.size ? kernel->end - kernel->start : 0;
	} else {
		vt->image.size = 0;
	}
	return vt->missing ? -ENOENT : 0;
}
