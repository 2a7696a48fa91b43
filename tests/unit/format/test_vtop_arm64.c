/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address translation of a dead arm64 kernel: every page size and address width that Linux has,
 * 52-bit kernels on 48-bit hardware, 52-bit physical addresses, tags, missing entries, damage.
 */
/* needs: stub/idle.c tests/unit/fake/clock.c stub/dead/vmcore.c tests/unit/fake/log.c */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define ARCH_VTOP vtop_arm64

#include "tests/unit/format/vtop_checks.h"

#define RAM_SIZE	MIB(8)
#define IMAGE_OFFSET	MIB(1)
#define PGD_OFFSET	(MIB(1) + 0x10000)
#define TABLES_OFFSET	MIB(2)

struct config {
	const char *what;
	unsigned page_shift, va_bits, actual, physmem;
	unsigned levels;		/* that the walk must have found */
	bool t1sz;			/* exported (5.9 and later) */
	unsigned index_bits;		/* of addresses that the top table was laid out for */
};

static const struct config configs[] = {
	{ "4K/39", 12, 39, 39, 48, 3, true, 39 },
	{ "4K/48", 12, 48, 48, 48, 4, true, 48 },
	{ "4K/48 without T1SZ", 12, 48, 48, 48, 4, false, 48 },
	{ "4K/52 LPA2", 12, 52, 52, 52, 5, true, 52 },
	{ "4K/52 on 48", 12, 52, 48, 52, 4, true, 48 },
	{ "16K/36", 14, 36, 36, 48, 2, true, 36 },
	{ "16K/47", 14, 47, 47, 48, 3, true, 47 },
	{ "16K/48", 14, 48, 48, 48, 4, true, 48 },
	{ "16K/52 LPA2", 14, 52, 52, 52, 4, true, 52 },
	{ "64K/42", 16, 42, 42, 48, 2, true, 42 },
	{ "64K/48", 16, 48, 48, 48, 3, true, 48 },
	{ "64K/48, 52 bits of physical", 16, 48, 48, 52, 3, true, 48 },
	{ "64K/52", 16, 52, 52, 52, 3, true, 52 },
	{ "64K/52 on 48", 16, 52, 48, 52, 3, true, 52 },
	{ "64K/52 on 48 without T1SZ", 16, 52, 48, 52, 3, false, 52 },
};

static unsigned char ram[RAM_SIZE];
static struct memory_range range;
static struct vmcore vc;
static struct vmcoreinfo vi;
static uint64_t base, next_table, stray;	/* base: physical address of the RAM */
static uint64_t image_va, linear_va, vmalloc_va, phys_offset;

static int read_ram(void *dst, phys_addr_t pa, size_t len)
{
	if (!range_inside(pa, len, base, base + RAM_SIZE)) {
		stray++;
		return -EFAULT;
	}
	memcpy(dst, ram + (pa - base), len);
	return 0;
}

__attribute__((format(printf, 1, 2)))
static void info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vi.len += vsnprintf(vi.text + vi.len, sizeof(vi.text) - vi.len, fmt, ap);
	va_end(ap);
}

/* Address bits of a descriptor: the inverse of what the walk does */
static uint64_t encode(const struct config *c, uint64_t pa)
{
	bool lpa2 = c->page_shift < 16 && c->actual == 52;

	if (c->physmem == 52 && c->page_shift == 16)
		return (pa & GENMASK(47, 16)) | (pa >> 48 & 0xf) << 12;
	if (lpa2)
		return (pa & GENMASK(49, c->page_shift)) | (pa >> 50 & 3) << 8;
	return pa;
}

static uint64_t *slot(uint64_t table, uint64_t index)
{
	return (uint64_t *)(ram + (table - base)) + index;
}

static void map(const struct config *c, uint64_t va, uint64_t pa, unsigned leaf)
{
	unsigned bits = c->page_shift - 3,
		 levels = DIV_ROUND_UP(c->index_bits - c->page_shift, bits);
	uint64_t table = base + PGD_OFFSET, attributes = BIT(54) | BIT(10);

	for (unsigned level = levels; ; level--) {
		unsigned shift = c->page_shift + (level - 1) * bits;
		unsigned width = level == levels ? c->index_bits - shift : bits;
		uint64_t *at = slot(table, va >> shift & (BIT(width) - 1));

		if (level == leaf) {
			*at = encode(c, pa) | attributes | (leaf == 1 ? 3 : 1);
			return;
		}
		if (!*at) {
			*at = encode(c, next_table) | 3;
			next_table += BIT(c->page_shift);
		}
		table = base + TABLES_OFFSET +
			((*at & GENMASK(47, c->page_shift)) -
			 ((base + TABLES_OFFSET) & GENMASK(47, 0)));
	}
}

static void build(const struct config *c)
{
	uint64_t page = BIT(c->page_shift);
	unsigned min = c->va_bits > 48 ? 48 : c->va_bits;

	memset(ram, 0, sizeof(ram));
	memset(&vc, 0, sizeof(vc));
	vi.len = 0;
	stray = 0;
	/* physical addresses beyond 48 bits where the machine has them */
	base = c->physmem == 52 && (c->page_shift == 16 || c->actual == 52)
		       ? BIT(51) + BIT(49) + MIB(64)
		       : MIB(1024);
	next_table = base + TABLES_OFFSET;
	linear_va = -BIT(c->actual);
	image_va = -BIT(min - 1) + 0x8000000;		/* above the modules, as since 5.4 */
	vmalloc_va = -BIT(min - 1) + BIT(min - 3);

	vc.read = read_ram;
	vc.page_size = page;
	vc.machine = 183;
	vc.ranges = &range;
	vc.nr_ranges = 1;
	vc.ranges[0] = (struct memory_range){ base, base + RAM_SIZE, base, 0 };
	vc.image = (struct memory_range){base + IMAGE_OFFSET, base + IMAGE_OFFSET + 0x80000,
					 base + IMAGE_OFFSET, image_va};

	for (uint64_t off = 0; off < 0x80000; off += page)
		map(c, image_va + off, base + IMAGE_OFFSET + off, 1);
	for (uint64_t off = 0; off < RAM_SIZE; off += page)
		map(c, linear_va + off, base + off, 1);
	for (uint64_t i = 0; i < 8; i++)
		map(c, vmalloc_va + i * page, base + MIB(6) - (i + 1) * page, 1);

	info("OSRELEASE=x\nPAGESIZE=%llu\n", (unsigned long long)page);
	info("SYMBOL(swapper_pg_dir)=%llx\n",
	     (unsigned long long)image_va + PGD_OFFSET - IMAGE_OFFSET);
	info("SYMBOL(_stext)=%llx\n", (unsigned long long)image_va + 0x10000);
	info("SYMBOL(mem_section)=%llx\n", (unsigned long long)linear_va + 0x4000);
	info("NUMBER(VA_BITS)=%u\nNUMBER(MAX_PHYSMEM_BITS)=%u\n", c->va_bits, c->physmem);
	info("NUMBER(kimage_voffset)=0x%llx\n",
	     (unsigned long long)(image_va - base - IMAGE_OFFSET));
	/*
	 * of the lowest address that the configuration has, so "negative" for a 52-bit kernel on
	 * 48-bit hardware
	 */
	phys_offset = base - (BIT(c->va_bits) - BIT(c->actual));
	info("NUMBER(PHYS_OFFSET)=0x%llx\n", (unsigned long long)phys_offset);
	if (c->t1sz)
		info("NUMBER(TCR_EL1_T1SZ)=0x%x\n", 64 - c->actual);
}

static void remove_entry(const char *entry)
{
	char *line = strstr(vi.text, entry), *end;

	assert_non_null(line);
	end = strchr(line, '\n') + 1;
	memmove(line, end, vi.text + vi.len + 1 - end);
	vi.len -= end - line;
}

static void expect(const char *what, uint64_t va, uint64_t want)
{
	phys_addr_t pa = 1;
	uint64_t len = 0;
	int r = vtop(&vt, va, &pa, &len);

	if (r || pa != want || !len)
		fail_msg("%s: %#llx: %d, %#llx instead of %#llx", what, (unsigned long long)va, r,
			 (unsigned long long)pa, (unsigned long long)want);
}

static void test_configs(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(configs); i++) {
		const struct config *c = &configs[i];
		uint64_t page = BIT(c->page_shift);

		build(c);
		if (vtop_init(&vt, &vc, &vi) || vt.levels != c->levels)
			fail_msg("%s: %s, %u levels", c->what, vt.missing ? vt.missing : "",
				 vt.levels);
		assert_true(vt.phys_base == phys_offset && vt.page_shift == c->page_shift);
		expect(c->what, image_va + 0x12345, base + IMAGE_OFFSET + 0x12345);
		for (uint64_t off = 0; off < RAM_SIZE; off += 0x4321)
			expect(c->what, linear_va + off, base + off);
		for (uint64_t k = 0; k < 8; k++)
			expect(c->what, vmalloc_va + k * page + 5,
			       base + MIB(6) - (k + 1) * page + 5);
		/* the tag of a KASAN pointer is no address */
		expect(c->what, ((linear_va + 99) & GENMASK(55, 0)) | 0xf3ULL << 56, base + 99);
		expect_error(vmalloc_va + 8 * page, -ENOENT);
		/* the linear map without its tables */
		memset(ram + PGD_OFFSET, 0, 8);
		vt.cache.size = 0;
		expect(c->what, linear_va + 0x54321, base + 0x54321);
		expect_error(0x1000, -ENOENT);
		expect_error(0xffffffff0000, -ENOENT);
		expect_error(c->actual < 52 ? -BIT(c->actual) - 1 : BIT(54), -ENOENT);
	}
	assert_int_equal(stray, 0);
}

static void test_blocks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(configs); i++) {
		const struct config *c = &configs[i];
		unsigned bits = c->page_shift - 3, largest = c->page_shift == 12 ? 3 : 2;

		for (unsigned level = 2; level < c->levels; level++) {
			uint64_t size = BIT(c->page_shift + (level - 1) * bits);
			/* in a part of the vmalloc area where nothing is mapped yet */
			uint64_t va, pa;

			build(c);
			va = ALIGN_UP(vmalloc_va + size, size);
			pa = ALIGN_DOWN(base, size);
			map(c, va, pa, level);
			vtop_init(&vt, &vc, &vi);
			if (level <= largest)
				expect(c->what, va + 0x1234567 % size, pa + 0x1234567 % size);
			else
				expect_error(va, -ENOENT);
		}
	}
}

static void test_damage(void **state)
{
	const struct config *c = &configs[1];
	uint64_t *top;

	(void)state;
	build(c);
	assert_int_equal(vtop_init(&vt, &vc, &vi), 0);
	top = slot(base + PGD_OFFSET, vmalloc_va >> 39 & 511);
	*top = BIT(40) | 3;			/* a table outside RAM */
	expect_error(vmalloc_va, -EFAULT);
	/* a 512-GiB block does not exist with 4-KiB pages */
	*top = base | 1;
	expect_error(vmalloc_va, -ENOENT);
	*top = (base + PGD_OFFSET) | 3;		/* the table itself, of which entry 5 is empty */
	expect_error(vmalloc_va + BIT(30) * 5, -ENOENT);
	/* the linear map is known without tables */
	*slot(base + PGD_OFFSET, linear_va >> 39 & 511) = 0;
	vt.cache.size = 0;
	expect("linear", linear_va + 0x54321, base + 0x54321);
	assert_int_equal(stray, 0);
}

static void test_missing_entries(void **state)
{
	static const char *const needed[] = {"NUMBER(VA_BITS)", "NUMBER(kimage_voffset)",
					     "NUMBER(PHYS_OFFSET)", "SYMBOL(swapper_pg_dir)"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(needed); i++) {
		build(&configs[1]);
		vc.image.end = 0;
		remove_entry(needed[i]);
		assert_int_equal(vtop_init(&vt, &vc, &vi), -ENOENT);
		assert_string_equal(vt.missing, needed[i]);
		vtop(&vt, vmalloc_va, &(phys_addr_t){ 0 }, NULL);
	}
	/* the image's program header replaces kimage_voffset */
	build(&configs[1]);
	remove_entry("NUMBER(kimage_voffset)");
	assert_int_equal(vtop_init(&vt, &vc, &vi), 0);
	expect("voffset", vmalloc_va, base + MIB(6) - 4096);
	/* without the image's extent the walk finds it */
	build(&configs[1]);
	vc.image.end = 0;
	assert_int_equal(vtop_init(&vt, &vc, &vi), 0);
	expect("image", image_va + 0x12345, base + IMAGE_OFFSET + 0x12345);
	/*
	 * a top table that does not map itself where it is: the tables are not trusted to be
	 * complete, but used
	 */
	build(&configs[1]);
	*slot(base + PGD_OFFSET, image_va >> 39 & 511) = 0;
	assert_int_equal(vtop_init(&vt, &vc, &vi), -ENOENT);
	assert_non_null(strstr(vt.missing, "swapper_pg_dir"));
	assert_int_equal(stray, 0);
}

static void test_tables(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(configs); i++) {
		build(&configs[i]);
		vtop_init(&vt, &vc, &vi);
		expect_tables(&vc, 1 + ((next_table - base - TABLES_OFFSET) >> vt.page_shift));
	}
	build(&configs[1]);
	for (unsigned i = 0; i < 512; i++)
		*slot(base + PGD_OFFSET, i) = (i % 2 ? base + PGD_OFFSET : base + MIB(6)) | 3;
	vtop_init(&vt, &vc, &vi);
	expect_tables(&vc, 131072);
}

static void test_leaves(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(configs); i++) {
		build(&configs[i]);
		vtop_init(&vt, &vc, &vi);
		expect_leaves(RAM_SIZE, 100000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_configs),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_missing_entries),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
