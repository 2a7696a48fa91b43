/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See machine.h. Physical memory: the image at 16 MiB with the top page table in it; tables,
 * sections and log behind it; struct pages at 8 MiB (one 2-MiB page); everything else is filled
 * with pages of random kinds. [640 KiB, 1 MiB) is no RAM.
 */
#include "tests/host/machine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_PA	MIB(16)
#define IMAGE_SIZE	MIB(2)
#define KERNEL_MAP	0xffffffff80000000ULL
#define PHYS_BASE	0x400000LL	/* image linked at 12 MiB, loaded at 16 */
#define PGD_PA		(IMAGE_PA + 0x10000)
#define DATA_PA		(IMAGE_PA + 0x20000)	/* variables of the image */
#define TABLES_PA	(IMAGE_PA + IMAGE_SIZE)
#define SECTIONS_PA	(TABLES_PA + 0x10000)
#define LOG_PA		(TABLES_PA + 0x20000)
#define RESERVED_END	(TABLES_PA + 0x60000)
#define VMEMMAP_PA	MIB(8)
#define DIRECT_4	0xffff888000000000ULL
#define DIRECT_5	0xff11000000000000ULL
#define VMEMMAP_4	0xffffea0000000000ULL
#define VMEMMAP_5	0xffd4000000000000ULL
#define SECTION_BITS	24
#define PHYSMEM_BITS	38		/* so that the roots of mem_section are in one page */
#define PAGE_STRUCT	64
#define MAX_ORDER_	11

struct machine machine;

static uint64_t state, next_table, direct;
static unsigned levels;

/* Bits of page->flags and values of _mapcount */
struct style {
	int lru, slab, swapcache, private, head, swapbacked, hwpoison;
	uint32_t buddy, offline, hugetlb, slab_type, unaccepted;
};

static const struct style old_style = {
	4, 9, 10, 13, 16, 19, 23, ~0x80u, ~0x100u, ~0x800u, ~0x1000u, 0
};
static const struct style new_style = {
	5, 7, 9, 13, 6, 17, 20, 0xf0u << 24, 0xf1u << 24, 0xf4u << 24, 0xf5u << 24, 0xf6u << 24
};

void machine_seed(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15ULL + 0x1234567;
}

uint64_t machine_random(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15ULL;	/* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static int machine_read(void *dst, phys_addr_t pa, size_t len)
{
	bool hole = pa < MIB(1) && pa + len > KIB(640);

	machine.reads++;
	if (!range_inside(pa, len, 0, MACHINE_RAM) || hole) {
		machine.stray++;
		return -EFAULT;
	}
	memcpy(dst, machine.ram + pa, len);
	return 0;
}

static void put64(uint64_t pa, uint64_t v)
{
	memcpy(machine.ram + pa, &v, 8);
}

static void put32(uint64_t pa, uint32_t v)
{
	memcpy(machine.ram + pa, &v, 4);
}

static void put16(uint64_t pa, uint16_t v)
{
	memcpy(machine.ram + pa, &v, 2);
}

static uint64_t image_va(uint64_t pa)
{
	return pa - PHYS_BASE + KERNEL_MAP;
}

/*---------------------------------------------------------------- VMCOREINFO */

void machine_info(const char *fmt, ...)
{
	struct vmcoreinfo *vi = &machine.vi;
	va_list ap;

	va_start(ap, fmt);
	vi->len += vsnprintf(vi->text + vi->len, sizeof(vi->text) - vi->len, fmt, ap);
	va_end(ap);
	vi->text[vi->len++] = '\n';
	vi->text[vi->len] = 0;
}

bool machine_next_entry(size_t *pos, char *ret, size_t size)
{
	const char *line = machine.vi.text + *pos, *eq = strchr(line, '='),
		   *nl = strchr(line, '\n');

	if (!eq || !nl)
		return false;
	snprintf(ret, size, "%.*s", (int)(eq - line), line);
	*pos = nl + 1 - machine.vi.text;
	return true;
}

bool machine_remove(const char *entry)
{
	struct vmcoreinfo *vi = &machine.vi;
	size_t n = strlen(entry);

	for (char *line = vi->text; *line; line = strchr(line, '\n') + 1) {
		char *end = strchr(line, '\n') + 1;

		if (strncmp(line, entry, n) || line[n] != '=')
			continue;
		memmove(line, end, vi->text + vi->len + 1 - end);
		vi->len -= end - line;
		return true;
	}
	return false;
}

static const struct style *style(void)
{
	return machine.style == STYLE_6_12 ? &new_style : &old_style;
}

static void info_pages(void)
{
	const struct style *s = style();
	enum machine_style v = machine.style;

	machine_info("SIZE(page)=%d", PAGE_STRUCT);
	machine_info("OFFSET(page.flags)=0");
	machine_info("OFFSET(page._refcount)=52");
	machine_info("OFFSET(page.mapping)=24");
	machine_info("OFFSET(page.lru)=8");
	machine_info("OFFSET(page._mapcount)=48");
	machine_info("OFFSET(page.private)=40");
	machine_info("OFFSET(page.compound_head)=8");
	machine_info("LENGTH(zone.free_area)=%d", MAX_ORDER_);
	machine_info("NUMBER(PG_lru)=%d", s->lru);
	machine_info("NUMBER(PG_private)=%d", s->private);
	machine_info("NUMBER(PG_swapcache)=%d", s->swapcache);
	machine_info("NUMBER(PG_swapbacked)=%d", s->swapbacked);
	machine_info("NUMBER(PG_hwpoison)=%d", s->hwpoison);
	machine_info("NUMBER(PG_head_mask)=%lld", (long long)BIT(s->head));
	machine_info("NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=%d", (int)s->buddy);
	machine_info("NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)=%d", (int)s->offline);
	if (v < STYLE_6_10)
		machine_info("NUMBER(PG_slab)=%d", s->slab);
	else
		machine_info("NUMBER(PAGE_SLAB_MAPCOUNT_VALUE)=%d", (int)s->slab_type);
	if (v <= STYLE_5_10) {
		machine_info("OFFSET(page.compound_dtor)=16");
		machine_info("OFFSET(page.compound_order)=17");
	} else if (v == STYLE_6_3) {
		machine_info("OFFSET(folio._folio_dtor)=%d", PAGE_STRUCT + 16);
		machine_info("OFFSET(folio._folio_order)=%d", PAGE_STRUCT + 17);
	}
	if (v <= STYLE_6_3)
		machine_info("NUMBER(HUGETLB_PAGE_DTOR)=2");
	else if (v == STYLE_6_6)
		machine_info("NUMBER(PG_hugetlb)=8");
	else
		machine_info("NUMBER(PAGE_HUGETLB_MAPCOUNT_VALUE)=%d", (int)s->hugetlb);
	if (v == STYLE_6_12)
		machine_info("NUMBER(PAGE_UNACCEPTED_MAPCOUNT_VALUE)=%d", (int)s->unaccepted);
}

/*---------------------------------------------------------------- address translation */

static void map(uint64_t va, uint64_t pa, unsigned leaf_level)
{
	uint64_t table = PGD_PA, entry;

	for (unsigned level = levels; ; level--) {
		uint64_t at = table + (va >> (12 + 9 * (level - 1)) & 511) * 8;

		if (level == leaf_level) {
			put64(at, pa | 0x63 | (level > 1 ? 0x80 : 0) | BIT(63));
			return;
		}
		memcpy(&entry, machine.ram + at, 8);
		if (!entry) {
			entry = next_table | 0x67;
			next_table += 4096;
			put64(at, entry);
		}
		table = entry & GENMASK(51, 12);
	}
}

static void build_tables(bool la57)
{
	levels = la57 ? 5 : 4;
	direct = la57 ? DIRECT_5 : DIRECT_4;
	machine.vmemmap = la57 ? VMEMMAP_5 : VMEMMAP_4;
	machine.pgd = PGD_PA;
	machine.vmemmap_pa = VMEMMAP_PA;
	next_table = TABLES_PA;
	for (uint64_t pa = 0; pa < MACHINE_RAM; pa += MIB(2))
		map(direct + pa, pa, 2);
	map(machine.vmemmap, VMEMMAP_PA, 2);
	/* The log also through 4-KiB pages, as vmalloc would have it */
	for (uint64_t off = 0; off < 0x40000; off += 4096)
		map(machine.vmemmap + MIB(64) + off, LOG_PA + off, 1);
	machine_info("SYMBOL(swapper_pg_dir)=%llx", (unsigned long long)image_va(PGD_PA));
	machine_info("NUMBER(phys_base)=%lld", PHYS_BASE);
	machine_info("NUMBER(pgtable_l5_enabled)=%d", la57);
	machine_info("NUMBER(KERNEL_IMAGE_SIZE)=1073741824");
	machine_info("NUMBER(sme_mask)=0");
	machine_info("KERNELOFFSET=0");
}

void machine_endless(uint64_t pa)
{
	for (unsigned i = 0; i < 512; i++) {
		put64(pa + 0x1000 + 8 * i, pa | 0x63);
		put64(pa + 0x2000 + 8 * i, (pa + 0x1000) | 0x67);
		put64(pa + 0x3000 + 8 * i, (pa + 0x2000) | 0x67);
	}
	put64(PGD_PA + (MACHINE_ENDLESS >> 39 & 511) * 8, (pa + 0x3000) | 0x67);
}

static void build_sections(void)
{
	uint64_t nr = MACHINE_RAM >> SECTION_BITS, roots = SECTIONS_PA,
		 entries = SECTIONS_PA + 0x1000, symbol;
	uint64_t all = BIT(PHYSMEM_BITS - SECTION_BITS);

	machine.sections_pa = SECTIONS_PA;
	put64(roots, direct + entries);
	/* Some with the flags of newer kernels */
	for (uint64_t i = 0; i < nr; i++)
		put64(entries + i * 16, machine.vmemmap | (i % 2 ? 0x1f : 3));
	symbol = direct + roots;
	if (machine.model == MODEL_POINTER) {
		put64(DATA_PA + 64, symbol);
		symbol = image_va(DATA_PA + 64);
	} else if (machine.model == MODEL_FLAT) {
		symbol = direct + entries;
	}
	machine_info("NUMBER(SECTION_SIZE_BITS)=%d", SECTION_BITS);
	machine_info("NUMBER(MAX_PHYSMEM_BITS)=%d", PHYSMEM_BITS);
	if (machine.model == MODEL_VMEMMAP) {
		machine_info("SYMBOL(vmemmap)=%llx", (unsigned long long)machine.vmemmap);
		return;
	}
	machine_info("SYMBOL(mem_section)=%llx", (unsigned long long)symbol);
	machine_info("LENGTH(mem_section)=%llu",
	     (unsigned long long)(machine.model == MODEL_FLAT ? all : all / 256));
	machine_info("SIZE(mem_section)=16");
	machine_info("OFFSET(mem_section.section_mem_map)=0");
}

/*---------------------------------------------------------------- symbols */

void machine_kallsyms(const struct machine_symbol *syms, unsigned nr, uint64_t pa)
{
	uint64_t names = pa, offsets = pa + 0x1000, tokens = pa + 0x2000, index = pa + 0x3000,
		 base = pa + 0x4000, at = names;

	for (unsigned i = 0; i < nr; i++) {
		size_t n = strlen(syms[i].name);
		uint64_t offset = syms[i].va;

		if (offset >> 63)
			offset = image_va(IMAGE_PA) - 1 - offset;
		machine.ram[at++] = (unsigned char)(n + 1);
		machine.ram[at++] = 'T';
		memcpy(machine.ram + at, syms[i].name, n);
		at += n;
		put32(offsets + 4 * i, (uint32_t)offset);
	}
	for (unsigned c = 0; c < 256; c++) {
		put16(tokens + 2 * c, (uint16_t)c);
		put16(index + 2 * c, (uint16_t)(2 * c));
	}
	put64(base, image_va(IMAGE_PA));
	put32(base + 8, nr);
	machine_info("SYMBOL(kallsyms_names)=%llx", (unsigned long long)image_va(names));
	machine_info("SYMBOL(kallsyms_num_syms)=%llx", (unsigned long long)image_va(base + 8));
	machine_info("SYMBOL(kallsyms_token_table)=%llx", (unsigned long long)image_va(tokens));
	machine_info("SYMBOL(kallsyms_token_index)=%llx", (unsigned long long)image_va(index));
	machine_info("SYMBOL(kallsyms_offsets)=%llx", (unsigned long long)image_va(offsets));
	machine_info("SYMBOL(kallsyms_relative_base)=%llx", (unsigned long long)image_va(base));
}

/*---------------------------------------------------------------- struct pages */

unsigned char *machine_page(uint64_t pfn)
{
	return machine.ram + VMEMMAP_PA + pfn * PAGE_STRUCT;
}

static void set_page(uint64_t pfn, uint64_t flags, uint64_t mapping, uint32_t mapcount,
		     uint64_t private)
{
	uint64_t at = VMEMMAP_PA + pfn * PAGE_STRUCT;

	memset(machine.ram + at, 0, PAGE_STRUCT);
	put64(at, flags | BIT(36) * (pfn % 3));		/* node and zone bits of no meaning */
	put64(at + 8, 0xffff888000001000ULL + pfn * 64);	/* lru.next: even */
	put64(at + 24, mapping);
	put64(at + 40, private);
	put32(at + 48, mapcount);
}

/* Make [pfn, pfn + 2^order) a compound page: a head that is set already, and tails */
static void make_compound(uint64_t pfn, unsigned order, bool hugetlb)
{
	uint64_t at = VMEMMAP_PA + pfn * PAGE_STRUCT, flags;

	if (!order)
		return;
	memcpy(&flags, machine.ram + at, 8);
	put64(at, flags | BIT(style()->head));
	for (uint64_t i = 1; i < BIT(order); i++) {
		uint64_t tail = at + i * PAGE_STRUCT;

		memset(machine.ram + tail, 0, PAGE_STRUCT);
		put64(tail + 8, (machine.vmemmap + pfn * PAGE_STRUCT) | 1);
		put64(tail + 24, 0xdead000000000400ULL);
		put32(tail + 48, ~0u);
	}
	at += PAGE_STRUCT;
	if (machine.style <= STYLE_6_3) {
		machine.ram[at + 16] = hugetlb ? 2 : 1;
		machine.ram[at + 17] = order;
	} else {
		put64(at, order | (machine.style == STYLE_6_6 && hugetlb ? BIT(8) : 0));
	}
}

enum kind {
	KIND_KERNEL,
	KIND_COMPOUND,
	KIND_SLAB,
	KIND_FREE,
	KIND_PCP,
	KIND_CACHE,
	KIND_CACHE_PRIVATE,
	KIND_FOLIO,
	KIND_SHMEM,
	KIND_ANON,
	KIND_SWAPCACHE,
	KIND_THP,
	KIND_HUGETLB,
	KIND_OFFLINE,
	KIND_POISON,
	KIND_UNACCEPTED,
	KIND_NR
};

/*
 * Fill frames from @pfn, at most @max of them and aligned to their order, with one page of a random
 * kind.
 */
static unsigned make_page(uint64_t pfn, uint64_t max)
{
	const struct style *s = style();
	enum kind kind = machine_random() % KIND_NR;
	unsigned order = machine_random() % MAX_ORDER_;
	uint64_t lru = BIT(s->lru), backed = BIT(s->swapbacked), anon = 0xffff888012345601ULL,
		 file = 0xffff888012345600ULL;
	uint32_t none = ~0u;
	enum page_class class = PAGE_KERNEL;

	if (kind == KIND_UNACCEPTED) {
		order = MAX_ORDER_ - 1;
		kind = machine.style == STYLE_6_12 ? kind : KIND_FREE;
	} else if (kind == KIND_THP || kind == KIND_HUGETLB) {
		order = 9;
	} else if (kind == KIND_FOLIO || kind == KIND_SLAB || kind == KIND_COMPOUND) {
		order %= 5;
	} else if (kind != KIND_FREE) {
		order = 0;
	}
	while (!IS_ALIGNED(pfn, BIT(order)) || BIT(order) > max)
		order--;
	if (kind == KIND_UNACCEPTED && order != MAX_ORDER_ - 1)
		kind = KIND_FREE;

	switch (kind) {
	case KIND_SLAB: {
		bool type = machine.style >= STYLE_6_10;

		/*
		 * mapping and _mapcount hold other things in a slab: make them look like an
		 * anonymous page
		 */
		set_page(pfn, type ? 0 : BIT(s->slab), anon, type ? s->slab_type : 0x120007, 0);
		break;
	}
	case KIND_FREE:
		for (uint64_t i = 1; i < BIT(order); i++)
			set_page(pfn + i, 0, 0, none, machine_random());
		set_page(pfn, 0, 0, s->buddy, order);
		class = PAGE_FREE;
		break;
	case KIND_UNACCEPTED:
		for (uint64_t i = 1; i < BIT(order); i++)
			set_page(pfn + i, 0, 0, none, 0);
		set_page(pfn, 0, 0, s->unaccepted, 0);
		class = PAGE_FREE;
		break;
	case KIND_PCP:		/* on a CPU's list: private is no order there */
		set_page(pfn, 0, 0, none, 3);
		break;
	case KIND_CACHE:
	case KIND_FOLIO:
		set_page(pfn, lru, file, none, 0);
		class = PAGE_CACHE;
		break;
	case KIND_CACHE_PRIVATE:
		set_page(pfn, lru | BIT(s->private), file, none, 0xffff888000000000ULL);
		class = PAGE_CACHE_PRIVATE;
		break;
	case KIND_SHMEM:
		set_page(pfn, lru | backed, file, 2, 0);
		class = PAGE_CACHE;
		break;
	case KIND_ANON:
	case KIND_THP:
		set_page(pfn, lru | backed, anon, 0, 0);
		class = PAGE_USER;
		break;
	case KIND_SWAPCACHE:
		/* the flag without PG_swapbacked means something else */
		if (machine_random() % 2) {
			set_page(pfn, backed | BIT(s->swapcache), 0, none, 77);
			class = PAGE_CACHE;
		} else {
			set_page(pfn, BIT(s->swapcache), 0, none, 77);
		}
		break;
	case KIND_HUGETLB:
		set_page(pfn, 0, file, machine.style >= STYLE_6_10 ? s->hugetlb : 0, 0);
		class = order ? PAGE_USER : PAGE_KERNEL;
		if (!order)
			set_page(pfn, 0, file, none, 0);
		break;
	case KIND_OFFLINE:
		set_page(pfn, 0, 0, s->offline, 0);
		class = PAGE_OFFLINE;
		break;
	case KIND_POISON:
		set_page(pfn, BIT(s->hwpoison), 0, none, 0);
		class = PAGE_HWPOISON;
		break;
	default:
		set_page(pfn, 0, 0, none, machine_random());
	}
	if (kind == KIND_FOLIO || kind == KIND_SLAB || kind == KIND_COMPOUND || kind == KIND_THP ||
	    kind == KIND_HUGETLB)
		make_compound(pfn, order, kind == KIND_HUGETLB);
	memset(machine.class + pfn, class, BIT(order));
	return order;
}

/*
 * Reserved pages, which the kernel never gave to an allocator: the first frame's flags tell nothing
 */
static void make_reserved(uint64_t from, uint64_t to)
{
	for (uint64_t pfn = from >> 12; pfn < to >> 12; pfn++) {
		set_page(pfn, BIT(12), 0, ~0u, 0);
		machine.class[pfn] = PAGE_KERNEL;
	}
}

static void fill(uint64_t from, uint64_t to)
{
	uint64_t pfn = from >> 12, end = to >> 12;

	while (pfn < end)
		pfn += BIT(make_page(pfn, end - pfn));
}

static void build_pages(void)
{
	memset(machine.class, 0, sizeof(machine.class));
	make_reserved(0, MIB(1));
	fill(MIB(1), VMEMMAP_PA);
	make_reserved(VMEMMAP_PA, VMEMMAP_PA + MIB(2));
	fill(VMEMMAP_PA + MIB(2), IMAGE_PA);
	make_reserved(IMAGE_PA, RESERVED_END);
	fill(RESERVED_END, MACHINE_RAM);
}

/*---------------------------------------------------------------- the log */

static void log_expect(uint64_t ts, const char *text, size_t len)
{
	size_t used = strlen(machine.log);
	int indent;
	char *out = machine.log + used;

	indent = sprintf(out, "[%5llu.%06llu] ", (unsigned long long)ts / 1000000000,
			 (unsigned long long)ts % 1000000000 / 1000);
	out += indent;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = text[i];

		if (c == '\n')
			out += sprintf(out, "\n%*s", indent, "");
		else if (c >= 0x7f || c < 9)
			out += sprintf(out, "\\x%02x", c);
		else
			*out++ = c;
	}
	strcpy(out, "\n");
}

static size_t log_text(char *text, unsigned i)
{
	size_t n = sprintf(text, "message %u of the dead kernel%s", i,
			   i % 7 ? "" : "\nsecond line");
	size_t dots = machine_random() % (machine.style == STYLE_4_19 ? 200 : 100);

	memset(text + n, '.', dots);
	n += dots;
	if (i % 5 == 0)
		text[n - 1] = 0x80 + i % 64;
	return n;
}

#define DESC_BITS	6
#define DATA_BITS	13
#define NR_RECORDS	200
#define FIRST_KEPT	(NR_RECORDS - BIT(DESC_BITS) + 1)

static void build_prb(uint64_t seed)
{
	uint64_t log = machine.vmemmap + MIB(64), prb = DATA_PA + 256, descs = LOG_PA,
		 infos = LOG_PA + 0x4000;
	uint64_t data = LOG_PA + 0x8000, size = BIT(DATA_BITS), at = seed % 64 * 8;
	char text[1024];

	put64(DATA_PA + 128, image_va(prb));
	put32(prb, DESC_BITS);
	put64(prb + 8, log);
	put64(prb + 16, log + 0x4000);
	put64(prb + 48, DATA_BITS);
	put64(prb + 56, log + 0x8000);
	/* Numbers wrap around like the real ones, which begin shortly before they overflow */
	for (unsigned i = 0; i < NR_RECORDS; i++) {
		uint64_t id = GENMASK(61, 0) & (0ULL - 100 + i), slot = id % BIT(DESC_BITS),
			 begin = at, start, ts;
		size_t n = log_text(text, i) & (i == 193 ? ~7 : ~0), block = ALIGN_UP(n + 8, 8);
		unsigned state_bits = i == 190 ? 0 : i % 2 ? 2 : 1;

		/*
		 * One that ends with the ring, now and then. Older kernels wrapped those, too,
		 * so that no record's next was 0 in the ring.
		 */
		if (n + 8 > size - at % size && size - at % size >= 24 && seed % 2) {
			n = size - at % size - 8;
			block = n + 8;
		}
		if (at / size != (at + block - 1) / size)
			/* does not fit before the end: all of it goes to the start */
			at = ALIGN_UP(at, size);
		start = at % size;	/* begin stays where the free space began */
		at += block;
		ts = 1000000000ULL * i + 123456789 % (i + 1) * 1000;
		memcpy(machine.ram + data + start + 8, text, n);
		put64(data + start, id);
		put64(descs + slot * 24, id | (uint64_t)state_bits << 62);
		put64(descs + slot * 24 + 8, i == 195 ? 1 : begin);
		put64(descs + slot * 24 + 16, i == 195 ? 1 : at);
		put64(infos + slot * 88 + 8, ts);
		/* one was cut to the space it got */
		put16(infos + slot * 88 + 16, i == 193 ? n + 100 : n);
		put64(prb + 24, id);
		put64(prb + 32, id - BIT(DESC_BITS) + 1);
		/* one slot still holds the record before: the writer of this one was stopped */
		if (i == 191)
			put64(descs + slot * 24,
			      (GENMASK(61, 0) & (id - BIT(DESC_BITS))) | 2ULL << 62);
		if (i >= FIRST_KEPT - 1 && state_bits && i != 195 && i != 191)
			log_expect(ts, text, n);
	}
	machine_info("SYMBOL(prb)=%llx", (unsigned long long)image_va(DATA_PA + 128));
	machine_info("SIZE(printk_ringbuffer)=88");
	machine_info("OFFSET(printk_ringbuffer.desc_ring)=0");
	machine_info("OFFSET(printk_ringbuffer.text_data_ring)=48");
	machine_info("OFFSET(prb_desc_ring.count_bits)=0");
	machine_info("OFFSET(prb_desc_ring.descs)=8");
	machine_info("OFFSET(prb_desc_ring.infos)=16");
	machine_info("OFFSET(prb_desc_ring.head_id)=24");
	machine_info("OFFSET(prb_desc_ring.tail_id)=32");
	machine_info("SIZE(prb_desc)=24");
	machine_info("OFFSET(prb_desc.state_var)=0");
	machine_info("OFFSET(prb_desc.text_blk_lpos)=8");
	machine_info("OFFSET(prb_data_blk_lpos.begin)=0");
	machine_info("OFFSET(prb_data_blk_lpos.next)=8");
	machine_info("SIZE(printk_info)=88");
	machine_info("OFFSET(printk_info.ts_nsec)=8");
	machine_info("OFFSET(printk_info.text_len)=16");
	machine_info("OFFSET(prb_data_ring.size_bits)=0");
	machine_info("OFFSET(prb_data_ring.data)=8");
	machine_info("OFFSET(atomic_long_t.counter)=0");
}

static void build_log_buf(void)
{
	uint32_t len = 16384, at = 0, first = 0, offsets[NR_RECORDS];
	char text[1024];
	unsigned oldest = 0;

	/* The oldest records make room, so that the log wraps around like a real one */
	for (unsigned i = 0; i < NR_RECORDS; i++) {
		size_t n = log_text(text, i), size = ALIGN_UP(n + 16, 4);
		uint64_t rec = LOG_PA;

		if (at + size + 16 > len) {
			memset(machine.ram + LOG_PA + at, 0, 16);
			while (oldest < i && offsets[oldest] >= at)
				oldest++;
			at = 0;
			while (oldest < i && offsets[oldest] < size + 16)
				oldest++;
		} else {
			while (oldest < i && offsets[oldest] >= at &&
			       offsets[oldest] < at + size + 16)
				oldest++;
		}
		offsets[i] = at;
		rec += at;
		put64(rec, 5000000000ULL * i);
		put16(rec + 8, size);
		put16(rec + 10, n);
		memcpy(machine.ram + rec + 16, text, n);
		at += size;
	}
	first = offsets[oldest];
	for (unsigned i = oldest; i < NR_RECORDS; i++) {
		uint64_t rec = LOG_PA + offsets[i];
		uint16_t n;

		memcpy(&n, machine.ram + rec + 10, 2);
		log_expect(5000000000ULL * i, (char *)machine.ram + rec + 16, n);
	}
	put64(DATA_PA + 128, direct + LOG_PA);
	put32(DATA_PA + 136, len);
	put32(DATA_PA + 140, first);
	put32(DATA_PA + 144, at);
	machine_info("SYMBOL(log_buf)=%llx", (unsigned long long)image_va(DATA_PA + 128));
	machine_info("SYMBOL(log_buf_len)=%llx", (unsigned long long)image_va(DATA_PA + 136));
	machine_info("SYMBOL(log_first_idx)=%llx", (unsigned long long)image_va(DATA_PA + 140));
	machine_info("SYMBOL(log_next_idx)=%llx", (unsigned long long)image_va(DATA_PA + 144));
	machine_info("SIZE(printk_log)=16");
	machine_info("OFFSET(printk_log.ts_nsec)=0");
	machine_info("OFFSET(printk_log.len)=8");
	machine_info("OFFSET(printk_log.text_len)=10");
}

void machine_build(enum machine_style machine_style, enum machine_model model, bool la57,
		   uint64_t seed)
{
	struct machine *m = &machine;

	if (!m->ram)
		m->ram = malloc(MACHINE_RAM);
	if (!m->ram)
		abort();
	memset(m->ram, 0, MACHINE_RAM);
	memset(&m->vc, 0, sizeof(m->vc));
	m->style = machine_style;
	m->model = model;
	m->reads = m->stray = 0;
	m->vi.len = 0;
	m->vi.text[0] = m->log[0] = 0;
	machine_seed(seed);

	m->vc.read = machine_read;
	m->vc.page_size = 4096;
	m->vc.machine = 62;
	m->vc.max_ranges = ARRAY_SIZE(m->ranges);
	m->vc.ranges = m->ranges;
	m->vc.nr_ranges = 2;
	m->vc.ranges[0] = (struct memory_range){ 0, KIB(640), 0, 0 };
	m->vc.ranges[1] = (struct memory_range){ MIB(1), MACHINE_RAM, MIB(1), 0 };
	m->vc.image = (struct memory_range){IMAGE_PA, IMAGE_PA + IMAGE_SIZE, IMAGE_PA,
					    image_va(IMAGE_PA)};
	machine_info("OSRELEASE=0.0.0-machine");
	machine_info("PAGESIZE=4096");
	machine_info("SYMBOL(_stext)=%llx", (unsigned long long)image_va(IMAGE_PA));
	build_tables(la57);
	build_sections();
	info_pages();
	build_pages();
	m->log_pa = LOG_PA;
	m->log_len = 0x40000;
	if (machine_style == STYLE_4_19)
		build_log_buf();
	else
		build_prb(seed);
}

int machine_notes(const uint64_t *sp, unsigned nr)
{
	uint64_t hdr = MIB(2), notes = hdr + 4096;
	unsigned char *h = machine.ram + hdr;
	struct {
		uint32_t type, flags;
		uint64_t offset, vaddr, paddr, filesz, memsz, align;
	} ph = {0};

	memset(h, 0, 4096);
	memcpy(h, "\177ELF\2\1\1", 7);
	memcpy(h + 16, (uint16_t[]){ 4, 62 }, 4);
	h[20] = 1;
	h[32] = 64;
	memcpy(h + 52, (uint16_t[]){ 64, 56, nr + 1 }, 6);
	for (unsigned i = 0; i < nr; i++) {
		unsigned char *n = machine.ram + notes + i * 512;

		memset(n, 0, 512);
		memcpy(n, (uint32_t[]){ 5, 336, 1 }, 12);
		memcpy(n + 12, "CORE", 5);
		memcpy(n + 20 + 112 + 19 * 8, &sp[i], 8);
		ph.type = 4;
		ph.offset = ph.paddr = notes + i * 512;
		ph.filesz = ph.memsz = 20 + 336;
		memcpy(h + 64 + i * 56, &ph, 56);
	}
	ph.type = 1;
	ph.offset = ph.paddr = MIB(1);
	ph.filesz = ph.memsz = MACHINE_RAM - MIB(1);
	memcpy(h + 64 + nr * 56, &ph, 56);
	return vmcore_open(&machine.vc, hdr, 0) || vmcore_parse(&machine.vc, 0, 0);
}
