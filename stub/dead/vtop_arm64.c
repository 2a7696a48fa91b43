/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtual to physical for a dead arm64 kernel: VMSAv8-64 translation tables (Arm ARM, D8.2) of 4-,
 * 16- or 64-KiB pages, 36 to 52 bits of virtual address, started from what VMCOREINFO exports.
 * Pure, and built for the host too.
 */
#include <errno.h>
#include <string.h>

#include "stub/dead/vtop.h"

#define DESC_VALID		BIT(0)
/* at the last level: a page; above: a table, or else a block */
#define DESC_TABLE		BIT(1)
#define TABLES_MAX		131072u
#define TABLE_BATCH		8u	/* descriptors read at a time */
/* struct elf_prstatus (linux/elfcore.h): then struct user_pt_regs, where sp follows 31 registers */
#define PRSTATUS_REGS		112u

/* Uses of vtop.arch[] */
#define VA_BITS			arch[0]	/* of addresses: 64 - T1SZ */
/* that the top table was laid out for: its index is taken from these */
#define TABLE_BITS		arch[1]
/* descriptor bits that hold the address bits above 47 or 49 */
#define PA_HIGH			arch[2]
#define PA_HIGH_SHIFT		arch[3]	/* and how far to the left they belong */

static unsigned index_bits(const struct vtop *vt)
{
	return vt->page_shift - 3;
}

static void init_page_size(struct vtop *vt, const struct vmcoreinfo *vi)
{
	char text[16];
	uint64_t size = 0;

	if (vmcoreinfo_string(vi, "PAGESIZE", text, sizeof(text)) == 0)
		for (const char *s = text; *s >= '0' && *s <= '9' && size < MIB(1); s++)
			size = size * 10 + (*s - '0');
	if (!size)
		size = vt->vc->page_size;
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
	vt->VA_BITS = n;
	if (vmcoreinfo_number(vi, "TCR_EL1_T1SZ", &n) == 0 && n >= 12 && n <= 28)
		vt->VA_BITS = 64 - n;
	else if (*ret_config == 52 && vmcoreinfo_symbol(vi, "mem_section", &section) == 0 &&
		 section & BIT(51))
		vt->VA_BITS = 48;
	return true;
}

/* Output address bits of a descriptor (Arm ARM D8.3, "VMSAv8-64 descriptor formats") */
static void init_descriptors(struct vtop *vt)
{
	bool pa52 = vt->max_physmem_bits == 52;

	vt->pte_mask = GENMASK(47, vt->page_shift);
	if (vt->page_shift == 16 && pa52) {
		vt->PA_HIGH = GENMASK(15, 12);		/* OA[51:48] */
		vt->PA_HIGH_SHIFT = 36;
	} else if (vt->page_shift < 16 && pa52 && vt->VA_BITS == 52) {
		/* FEAT_LPA2: a 52-bit space with 4- or 16-KiB pages exists only with TCR.DS set */
		vt->pte_mask = GENMASK(49, vt->page_shift);
		vt->PA_HIGH = GENMASK(9, 8);		/* OA[51:50] */
		vt->PA_HIGH_SHIFT = 42;
	}
}

static void init_image(struct vtop *vt, const struct vmcoreinfo *vi)
{
	const struct memory_range *image = &vt->vc->image;
	int64_t voffset;

	if (vmcoreinfo_number(vi, "kimage_voffset", &voffset) < 0) {
		if (!image->end || !(image->virt >> 63)) {
			vt->missing = "NUMBER(kimage_voffset)";
			return;
		}
		voffset = image->virt - image->start;
	}
	/* The whole window first, enough to find the tables; vtop_init() narrows it to the image */
	vt->image_virt = BIT(63);
	vt->image_end = ~0ULL;
	vt->image_phys = BIT(63) - (uint64_t)voffset;
}

/*
 * The linear map (5.4 and later: lower half of the kernel's space; before: upper half), for
 * addresses that a walk misses
 */
static void init_linear(struct vtop *vt, const struct vmcoreinfo *vi, unsigned config)
{
	uint64_t stext, page_end = -BIT((config > 48 ? 48 : config) - 1);
	unsigned bits = vt->VA_BITS;
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
	vt->linear_phys = (uint64_t)phys_offset + BIT(config) - BIT(bits);
	if (vmcoreinfo_symbol(vi, "_stext", &stext) < 0 || stext > page_end) {
		vt->linear_virt = -BIT(bits);
		vt->linear_end = -BIT(bits - 1);
	} else {
		vt->linear_virt = -BIT(bits - 1);
		vt->linear_end = ~0ULL;
	}
}

static uint64_t output_address(const struct vtop *vt, uint64_t desc)
{
	return (desc & vt->pte_mask) | (desc & vt->PA_HIGH) << vt->PA_HIGH_SHIFT;
}

/*
 * Walk from the top table; the result replaces vt->cache. Every table address is checked by
 * vmcore_read().
 */
static int walk(struct vtop *vt, uint64_t va)
{
	unsigned bits = index_bits(vt);
	uint64_t table = vt->pgd;

	if (!table)
		return -ENOENT;
	for (unsigned level = vt->levels; level; level--) {
		unsigned shift = vt->page_shift + (level - 1) * bits;
		unsigned width = level == vt->levels ? vt->TABLE_BITS - shift : bits;
		uint64_t desc, size = BIT(shift);

		if (vmcore_read(vt->vc, &desc, table + (va >> shift & (BIT(width) - 1)) * 8,
				sizeof(desc)) < 0)
			return -EFAULT;
		if (!(desc & DESC_VALID))
			return -ENOENT;
		/*
		 * Linux has blocks of 2 MiB and 1 GiB with 4-KiB pages, of 32 and 512 MiB with
		 * larger ones
		 */
		if (!(desc & DESC_TABLE) && (level == 1 || level > (vt->page_shift == 12 ? 3 : 2)))
			return -ENOENT;
		if (level == 1 || !(desc & DESC_TABLE)) {
			vt->cache.va = ALIGN_DOWN(va, size);
			vt->cache.pa = ALIGN_DOWN(output_address(vt, desc), size);
			vt->cache.size = size;
			return 0;
		}
		table = output_address(vt, desc);
	}
	return -ENOENT;
}

/*
 * Lay the walk out for @bits of address and see whether it finds the top table itself, whose place
 * is known.
 */
static bool try_levels(struct vtop *vt, unsigned bits, uint64_t symbol)
{
	vt->TABLE_BITS = bits;
	vt->levels = DIV_ROUND_UP(bits - vt->page_shift, index_bits(vt));
	vt->cache.size = 0;
	if (walk(vt, symbol) < 0)
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
	if (!vt->image_end)
		return;
	vt->pgd = symbol - vt->image_virt + vt->image_phys;
	/*
	 * With 64- and 16-KiB pages a 52-bit kernel keeps the 52-bit layout of its top table on
	 * 48-bit hardware; with 4-KiB pages it has a level less. Which one holds is not exported:
	 * the tables tell.
	 */
	if (try_levels(vt, config, symbol) || try_levels(vt, vt->VA_BITS, symbol))
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

int vtop_init(struct vtop *vt, const struct vmcore *vc, const struct vmcoreinfo *vi)
{
	const struct memory_range *image = &vc->image;
	unsigned config = 48;

	memset(vt, 0, sizeof(*vt));
	vt->vc = vc;
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
	if (vt->image_end && image->end > image->start && image->virt >> 63) {
		vt->image_phys += image->virt - vt->image_virt;
		vt->image_virt = image->virt;
		vt->image_end = image->virt + (image->end - image->start);
	} else {
		vt->image_end = vt->image_virt = 0;
	}
	return vt->missing ? -ENOENT : 0;
}

int vtop(struct vtop *vt, uint64_t va, phys_addr_t *ret_pa, uint64_t *ret_len)
{
	uint64_t offset, pa, len;
	int r;

	/* A tag in the top byte (KASAN) is not part of the address; bit 55 chooses the half. */
	if (va & BIT(55))
		va |= GENMASK(63, 56);
	offset = va - vt->cache.va;
	if (offset < vt->cache.size) {
		pa = vt->cache.pa + offset;
		len = vt->cache.size - offset;
	} else if (va >= vt->image_virt && va < vt->image_end) {
		pa = va - vt->image_virt + vt->image_phys;
		len = vt->image_end - va;
	} else if (!vt->VA_BITS || (int64_t)va >> vt->VA_BITS != -1) {
		return -ENOENT;		/* user space, or in the gap */
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

/*
 * One table of @nr descriptors and those below it. Recursion ends at level 1; t->left bounds the
 * breadth.
 */
static int visit(struct tables *t, uint64_t table, unsigned level, uint64_t nr)
{
	struct vtop *vt = t->vt;
	uint64_t descs[TABLE_BATCH], page = BIT(vt->page_shift);
	int r;

	if (!t->left)
		return 0;
	t->left--;
	r = t->call(t->ctx, ALIGN_DOWN(table, page), page);
	if (r || level == 1)
		return r;
	for (uint64_t i = 0; i < nr && !r; i++) {
		uint64_t desc, below;

		if (i % TABLE_BATCH == 0 &&
		    vmcore_read(vt->vc, descs, table + i * 8, min_u64(nr - i, TABLE_BATCH) * 8) < 0)
			return 0;
		desc = descs[i % TABLE_BATCH];
		below = output_address(vt, desc);
		if (!(desc & DESC_VALID) || !(desc & DESC_TABLE) ||
		    !vmcore_is_ram(vt->vc, below, page))
			continue;
		r = visit(t, below, level - 1, BIT(index_bits(vt)));
	}
	return r;
}

int vtop_tables(struct vtop *vt, int (*table)(void *ctx, phys_addr_t pa, uint64_t size), void *ctx)
{
	struct tables t = { vt, table, ctx, TABLES_MAX };
	unsigned shift = vt->page_shift + (vt->levels - 1) * index_bits(vt);

	if (!vt->pgd || !vt->levels)
		return 0;
	/* TTBR1's table holds nothing but the kernel's half */
	return visit(&t, vt->pgd, vt->levels, BIT(vt->TABLE_BITS - shift));
}
