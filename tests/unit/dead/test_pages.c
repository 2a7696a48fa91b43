/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page classifier over a machine whose pages have known classes, in the struct page styles of
 * several kernels; then with damage and with missing VMCOREINFO entries.
 */
/* needs: stub/idle.c tests/unit/fake/clock.c stub/dead/pages.c stub/dead/vmcore.c tests/host/machine.c tests/unit/fake/log.c tests/unit/fake/arena.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "stub/arch.h"
#include "stub/dead/pages.h"
#include "stub/idle.h"
#include "tests/host/machine.h"
#include "tests/unit/fake/bus.h"

static struct vtop vt;

static unsigned init(unsigned level, const char **reason)
{
	vtop_init(&vt, &machine.vc, &machine.vi);
	return pages_init(&machine.vc, &machine.vi, &vt, level, reason);
}

static bool in_hole(uint64_t pfn)
{
	return pfn >= 160 && pfn < 256;
}

/* makedumpfile's meaning of the level bits, written down a second time */
static bool out(enum page_class class, unsigned level)
{
	return (class == PAGE_CACHE && level & 6) || (class == PAGE_CACHE_PRIVATE && level & 4) ||
	       (class == PAGE_USER && level & 8) || (class == PAGE_FREE && level & 16) ||
	       class >= PAGE_OFFLINE;
}

static void check_classes(unsigned level)
{
	for (uint64_t pfn = 0; pfn < MACHINE_PFNS; pfn++) {
		enum page_class class;

		if (in_hole(pfn))
			continue;
		class = pages_class(pfn);
		if (class != machine.class[pfn] || pages_excluded(class) != out(class, level))
			fail_msg("style %d model %d level %u pfn %#llx: class %d, not %d",
				 machine.style, machine.model, level, (unsigned long long)pfn,
				 class, machine.class[pfn]);
	}
}

static void test_styles(void **state)
{
	(void)state;
	for (int style = 0; style < STYLE_NR; style++) {
		for (int model = 0; model < MODEL_NR; model++) {
			const char *reason;

			machine_build(style, model, model % 2, 1000 + style * 10 + model);
			for (unsigned level = 0; level <= LEVEL_MAX; level++) {
				assert_int_equal(init(level, &reason), level);
				assert_string_equal(reason, "");
				check_classes(level);
			}
			assert_int_equal(machine.stray, 0);
		}
	}
}

/* Levels 0 and 1: all pages but those that nobody must read, as the classes have them, and no struct page is needed for the rest */
static void test_unreadable(void **state)
{
	(void)state;
	for (int style = 0; style < STYLE_NR; style++) {
		for (int model = 0; model < MODEL_NR; model++) {
			uint64_t stops = 0, none = 0;

			machine_build(style, model, model % 2, 2000 + style * 10 + model);
			for (unsigned level = 0; level <= LEVEL_MAX; level++) {
				init(level, NULL);
				for (uint64_t pfn = 0; pfn < MACHINE_PFNS; pfn++) {
					uint64_t stop = pages_kept_until(pfn, MACHINE_PFNS);

					if (level & ~LEVEL_ZERO) {
						assert_int_equal(stop, pfn);
						continue;
					}
					for (; pfn < stop; pfn++)
						assert_true(in_hole(pfn) || machine.class[pfn] < PAGE_OFFLINE);
					if (stop == MACHINE_PFNS)
						continue;
					assert_true(pages_excluded(pages_class(stop)));
					assert_int_equal(pages_class(stop), machine.class[stop]);
					stops++;
				}
			}
			for (uint64_t pfn = 0; pfn < MACHINE_PFNS; pfn++)
				none += !in_hole(pfn) && machine.class[pfn] >= PAGE_OFFLINE;
			assert_int_equal(stops, 2 * none);
			assert_true(none);
			assert_int_equal(machine.stray, 0);
			/* Bounded by what is asked for; and without VMCOREINFO there is nothing to know */
			init(0, NULL);
			assert_in_range(pages_kept_until(0, 1), 0, 1);
			machine.vi.len = 0;
			init(0, NULL);
			assert_int_equal(pages_kept_until(0, MACHINE_PFNS), MACHINE_PFNS);
		}
	}
}

/* The dump loop asks for the pages that stay, in ascending order, once per rank. */
static void test_second_pass(void **state)
{
	(void)state;
	machine_build(STYLE_6_12, MODEL_EXTREME, false, 3);
	init(LEVEL_MAX & ~LEVEL_USER, NULL);
	for (int pass = 0; pass < 2; pass++) {
		pages_restart();
		for (uint64_t pfn = 0; pfn < MACHINE_PFNS; pfn++)
			if (!in_hole(pfn) && !out(machine.class[pfn], LEVEL_MAX & ~LEVEL_USER))
				assert_int_equal(pages_class(pfn), machine.class[pfn]);
	}
}

static void set_flags(uint64_t pfn, uint64_t flags)
{
	memcpy(machine_page(pfn), &flags, 8);
}

static void set_private(uint64_t pfn, uint64_t order)
{
	memcpy(machine_page(pfn) + 40, &order, 8);
}

static uint64_t first_of(enum page_class class, uint64_t aligned, uint64_t from)
{
	for (uint64_t pfn = from; pfn < MACHINE_PFNS; pfn++)
		if (IS_ALIGNED(pfn, aligned) && machine.class[pfn] == class &&
		    machine.class[pfn + aligned - 1] == class)
			return pfn;
	fail_msg("no page of class %d", class);
	return 0;
}

#define IMAGE		(MIB(16) >> 12)
#define IMAGE_PAGES	512u
#define RESERVED	BIT(12)		/* PG_reserved, as the machine's kernels have it */

/* A free block of 4 MiB: the image and as much behind it */
static void make_free(uint64_t flags)
{
	uint32_t buddy = ~0x80u;

	machine_build(STYLE_5_10, MODEL_EXTREME, false, 4);
	memcpy(machine_page(IMAGE) + 48, &buddy, 4);
	set_private(IMAGE, 10);
	set_flags(IMAGE, flags);
}

static void check_image(uint64_t freed, uint64_t freed_end)
{
	pages_restart();
	for (uint64_t pfn = IMAGE; pfn < IMAGE + 2 * IMAGE_PAGES; pfn++) {
		bool stays = pfn < IMAGE + IMAGE_PAGES && (pfn < freed || pfn >= freed_end);

		assert_int_equal(pages_class(pfn), stays ? PAGE_KERNEL : PAGE_FREE);
	}
}

/*
 * Pages of the image stay although their struct pages say that they are free, unless the kernel has
 * freed them itself: then they are no longer reserved, as the page of _stext is.
 */
static void test_image(void **state)
{
	(void)state;
	make_free(RESERVED);
	init(LEVEL_MAX, NULL);
	check_image(0, 0);
	for (uint64_t pfn = IMAGE + 100; pfn < IMAGE + 130; pfn++)
		set_flags(pfn, 0);
	assert_false(pages_freed(IMAGE + 99));
	assert_true(pages_freed(IMAGE + 100));
	check_image(IMAGE + 100, IMAGE + 130);
}

/* Without the flag, or with a page of _stext that cannot be one of the image, all of it stays */
static void test_image_flag_unknown(void **state)
{
	static const uint64_t flags[] = { 0, RESERVED | BIT(4), BIT(40) };

	(void)state;
	for (unsigned i = 0; i <= ARRAY_SIZE(flags); i++) {
		make_free(i < ARRAY_SIZE(flags) ? flags[i] : RESERVED);
		if (i == ARRAY_SIZE(flags))
			assert_true(machine_remove("SYMBOL(_stext)"));
		set_flags(IMAGE + 100, 0);
		init(LEVEL_MAX, NULL);
		assert_false(pages_freed(IMAGE + 100));
		check_image(0, 0);
	}
}

/* Poisoned pages inside of a huge page that is kept must not be read */
static void test_poison_inside(void **state)
{
	(void)state;
	machine_build(STYLE_5_10, MODEL_EXTREME, false, 5);
	uint64_t pfn = first_of(PAGE_USER, 512, 0);

	set_flags(pfn + 100, BIT(23));
	init(LEVEL_ZERO, NULL);
	for (unsigned i = 0; i < 512; i++)
		assert_int_equal(pages_class(pfn + i), i == 100 ? PAGE_HWPOISON : PAGE_USER);
	/* excluded anyway: no matter */
	init(LEVEL_MAX, NULL);
	for (unsigned i = 0; i < 512; i++)
		assert_true(pages_excluded(pages_class(pfn + i)));
}

static void test_bad_orders(void **state)
{
	static const uint64_t orders[] = { 11, 12, 63, 64, 1000, ~0ULL };

	(void)state;
	machine_build(STYLE_5_10, MODEL_EXTREME, false, 6);
	uint64_t pfn = first_of(PAGE_FREE, 2, 0);

	for (unsigned i = 0; i < ARRAY_SIZE(orders); i++) {
		set_private(pfn, orders[i]);
		init(LEVEL_MAX, NULL);
		assert_int_equal(pages_class(pfn), PAGE_KERNEL);
	}
	/* an order that the frame number is not a multiple of */
	set_private(pfn, 1);
	init(LEVEL_MAX, NULL);
	assert_int_equal(pages_class(pfn), PAGE_FREE);
	memcpy(machine_page(pfn + 1), machine_page(pfn), 64);
	pages_restart();
	assert_int_equal(pages_class(pfn + 1), PAGE_KERNEL);

	/* compound orders: too large ones count for one frame */
	pfn = first_of(PAGE_USER, 512, 0);
	machine_page(pfn + 1)[17] = 63;
	pages_restart();
	assert_int_equal(pages_class(pfn), PAGE_USER);
	assert_int_equal(pages_class(pfn + 1), PAGE_KERNEL);
}

static void set_mapcount(uint64_t pfn, uint32_t value)
{
	memcpy(machine_page(pfn) + 48, &value, 4);
}

/* The edges of the rules, one by one */
static void test_edges(void **state)
{
	const uint64_t pfn = MIB(24) >> 12;	/* a multiple of 2048 */

	(void)state;
	machine_build(STYLE_5_10, MODEL_EXTREME, false, 13);
	memset(machine_page(pfn), 0, 64 * 2048);
	init(LEVEL_MAX, NULL);
	/* orders are below LENGTH(zone.free_area), and the largest is used */
	set_mapcount(pfn, ~0x80u);
	set_private(pfn, 11);
	assert_int_equal(pages_class(pfn), PAGE_KERNEL);
	set_private(pfn, 10);
	pages_restart();
	for (unsigned i = 0; i < 1025; i++)
		assert_int_equal(pages_class(pfn + i), i < 1024 ? PAGE_FREE : PAGE_KERNEL);
	/* a slab page may have any number there */
	set_flags(pfn, BIT(9));
	pages_restart();
	assert_int_equal(pages_class(pfn), PAGE_KERNEL);

	/* a compound page that does not begin where its order says covers one frame */
	memset(machine_page(pfn), 0, 64 * 2048);
	set_flags(pfn + 2, BIT(16) | BIT(4));
	machine_page(pfn + 3)[17] = 2;
	pages_restart();
	assert_int_equal(pages_class(pfn + 2), PAGE_CACHE);
	assert_int_equal(pages_class(pfn + 3), PAGE_KERNEL);
	machine_page(pfn + 3)[17] = 1;
	pages_restart();
	assert_int_equal(pages_class(pfn + 2), PAGE_CACHE);
	assert_int_equal(pages_class(pfn + 3), PAGE_CACHE);

	/* unaccepted memory comes in blocks of the largest order, and only at multiples of it */
	machine_build(STYLE_6_12, MODEL_EXTREME, false, 13);
	memset(machine_page(pfn), 0, 64 * 2048);
	set_mapcount(pfn, 0xf6u << 24);
	set_mapcount(pfn + 1026, 0xf6u << 24);
	init(LEVEL_MAX, NULL);
	for (unsigned i = 0; i < 1030; i++)
		assert_int_equal(pages_class(pfn + i), i < 1024 ? PAGE_FREE : PAGE_KERNEL);
}

/* What each missing entry costs in level bits, at least; the reason names it */
static const struct {
	const char *entry;
	unsigned cost;
} needed[] = {
	{"SIZE(page)", 30},
	{"OFFSET(page.flags)", 30},
	{"OFFSET(page.compound_head)", 30},
	{"OFFSET(page.mapping)", 14},
	{"OFFSET(page.private)", 16},
	{"OFFSET(page._mapcount)", 16},
	{"NUMBER(PG_lru)", 6},
	{"NUMBER(PG_private)", 6},
	{"NUMBER(PG_swapcache)", 6},
	{"NUMBER(PG_swapbacked)", 6},
	{"NUMBER(PG_slab)", 30},
	{"NUMBER(PG_head_mask)", 30},
	{"NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)", 16},
	{"LENGTH(zone.free_area)", 16},
	{"SYMBOL(mem_section)", 30},
	{"SIZE(mem_section)", 30},
	{"OFFSET(mem_section.section_mem_map)", 30},
	{"SYMBOL(swapper_pg_dir)", 30},
	{"OFFSET(page.compound_order)", 0},
	{"OFFSET(page.compound_dtor)", 0},
	{"NUMBER(HUGETLB_PAGE_DTOR)", 0},
};

static void test_missing_entries(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(needed); i++) {
		const char *reason;
		unsigned level;

		machine_build(STYLE_5_10, MODEL_EXTREME, false, 7);
		fake_log_reset();
		assert_true(machine_remove(needed[i].entry));
		level = init(LEVEL_MAX, &reason);
		if (level != (LEVEL_MAX & ~needed[i].cost))
			fail_msg("%s: level %u", needed[i].entry, level);
		assert_string_not_equal(reason, "");
		assert_string_equal(reason, needed[i].entry);
		assert_true(fake_log_has(reason));

		/* and never loses a page that the complete set keeps */
		for (uint64_t pfn = 0; pfn < MACHINE_PFNS; pfn++)
			if (!in_hole(pfn) && pages_excluded(pages_class(pfn)))
				assert_true(out(machine.class[pfn], level));
	}
}

/* Any other line of any style: an answer that keeps what has to be kept */
static void test_any_missing_entry(void **state)
{
	(void)state;
	for (int style = 0; style < STYLE_NR; style++) {
		char entry[64];
		size_t pos = 0;

		machine_build(style, MODEL_EXTREME, true, 8);
		struct vmcoreinfo all = machine.vi;

		while (machine.vi = all, machine_next_entry(&pos, entry, sizeof(entry))) {
			unsigned level;

			assert_true(machine_remove(entry));
			level = init(LEVEL_MAX, NULL);
			for (uint64_t pfn = 0; pfn < MACHINE_PFNS; pfn++)
				if (!in_hole(pfn) && pages_excluded(pages_class(pfn)) &&
				    !out(machine.class[pfn], level))
					fail_msg(
						"style %d, no %s: pfn %#llx of class %d lost",
						style, entry, (unsigned long long)pfn,
						machine.class[pfn]);
		}
		assert_int_equal(machine.stray, 0);
	}
}

static void set_entry(const char *name, const char *value)
{
	struct vmcoreinfo *vi = &machine.vi;

	assert_true(machine_remove(name));
	vi->len += snprintf(vi->text + vi->len, sizeof(vi->text) - vi->len, "%s=%s\n", name, value);
}

static void test_absurd_entries(void **state)
{
	static const char *const values[] = {"0",
					     "1",
					     "-1",
					     "7",
					     "63",
					     "64",
					     "65",
					     "4096",
					     "9223372036854775807",
					     "18446744073709551615",
					     "ffffffffffffffff",
					     "nonsense",
					     ""};

	(void)state;
	machine_build(STYLE_5_10, MODEL_EXTREME, false, 9);
	struct vmcoreinfo all = machine.vi;

	for (unsigned i = 0; i < ARRAY_SIZE(needed); i++) {
		for (unsigned k = 0; k < ARRAY_SIZE(values); k++) {
			machine.vi = all;
			set_entry(needed[i].entry, values[k]);
			init(LEVEL_MAX, NULL);
			for (uint64_t pfn = 0; pfn < MACHINE_PFNS; pfn += 1 + pfn % 3)
				pages_class(pfn);
		}
	}
	assert_int_equal(machine.stray, 0);
}

static void test_plausibility(void **state)
{
	uint64_t good[PAGE_NR_CLASSES] = {[PAGE_KERNEL] = 20000, [PAGE_FREE] = 980000},
		 bad[PAGE_NR_CLASSES];

	(void)state;
	machine_build(STYLE_5_10, MODEL_EXTREME, false, 10);
	init(LEVEL_MAX, NULL);
	assert_int_equal(pages_check(good, 1000000), LEVEL_MAX);

	memcpy(bad, good, sizeof(bad));
	bad[PAGE_FREE] = 0;
	assert_int_equal(pages_check(bad, 1000000), LEVEL_ZERO);
	assert_int_equal(pages_class(MACHINE_PFNS - 1), PAGE_KERNEL);

	init(LEVEL_MAX, NULL);
	memcpy(bad, good, sizeof(bad));
	bad[PAGE_USER] = 1000001;
	assert_int_equal(pages_check(bad, 1000000), LEVEL_ZERO);

	/* everything free: struct page itself has to be somewhere */
	init(LEVEL_MAX, NULL);
	memcpy(bad, good, sizeof(bad));
	bad[PAGE_KERNEL] = 100;
	bad[PAGE_FREE] = 999900;
	assert_int_equal(pages_check(bad, 1000000), LEVEL_ZERO);
	assert_true(pages_misread());
	pages_restart();
	assert_false(pages_misread());
	/* Nor are all pages poisoned: levels that leave out no others keep them all then */
	init(LEVEL_ZERO, NULL);
	assert_int_equal(pages_check(good, 1000000), LEVEL_ZERO);
	assert_false(pages_misread());
	bad[PAGE_FREE] = 0;
	bad[PAGE_HWPOISON] = 999900;
	assert_int_equal(pages_check(bad, 1000000), LEVEL_ZERO);
	assert_true(pages_misread());
	assert_int_equal(pages_kept_until(0, MACHINE_PFNS), MACHINE_PFNS);
}

/* Seeded damage: no read outside RAM, a bounded number of reads, and an end */
static void test_corruption(void **state)
{
	(void)state;
	machine_build(STYLE_6_12, MODEL_EXTREME, false, 11);
	machine_seed(12);
	for (unsigned round = 0; round < 150; round++) {
		struct { uint64_t pa, old; } saved[24];
		uint64_t areas[] = {machine.vmemmap_pa, machine.vmemmap_pa, machine.sections_pa,
				    machine.pgd, MIB(18)};
		uint64_t sizes[] = { MIB(1), MIB(1), 0x1100, 4096, 0x10000 };

		for (unsigned i = 0; i < ARRAY_SIZE(saved); i++) {
			unsigned a = machine_random() % ARRAY_SIZE(areas);
			uint64_t r = machine_random();

			saved[i].pa = areas[a] + machine_random() % (sizes[a] / 8) * 8;
			memcpy(&saved[i].old, machine.ram + saved[i].pa, 8);
			r = r % 3 ? saved[i].old ^ BIT(r % 64) : r;
			memcpy(machine.ram + saved[i].pa, &r, 8);
		}
		machine.reads = 0;
		init(round % 2 ? LEVEL_MAX : LEVEL_ZERO, NULL);
		for (uint64_t pfn = 0; pfn < MACHINE_PFNS; pfn++)
			pages_class(pfn);
		assert_true(machine.reads < 40 * MACHINE_PFNS);
		for (unsigned i = ARRAY_SIZE(saved); i--; )
			memcpy(machine.ram + saved[i].pa, &saved[i].old, 8);
	}
	assert_int_equal(machine.stray, 0);
}

/*---------------------------------------------------------------- memory that the header lacks */

#define SECTION		MIB(16)
#define LAST		(MACHINE_RAM - SECTION)	/* the machine's last section is online, the one before is not */

static uint64_t unlisted(uint64_t end)
{
	machine.vc.ranges[machine.vc.nr_ranges - 1].end = end;
	fake_log_reset();
	init(LEVEL_MAX, NULL);
	return pages_unlisted();
}

/* Memory added after the elfcorehdr was written: sections of it are counted where they can be found */
static void test_unlisted(void **state)
{
	(void)state;
	for (enum machine_model model = 0; model < MODEL_NR; model++) {
		machine_build(STYLE_6_3, model, model & 1, 3);
		assert_int_equal(unlisted(MACHINE_RAM), 0);
		assert_int_equal(unlisted(LAST), model <= MODEL_POINTER ? SECTION : 0);
		assert_int_equal(unlisted(LAST - SECTION), model <= MODEL_POINTER ? SECTION : 0);
		assert_int_equal(unlisted(LAST + 4096), 0);
		check_classes(LEVEL_MAX);
	}
	/* their struct pages may be in that memory too */
	machine_build(STYLE_6_3, MODEL_EXTREME, false, 3);
	machine.vc.nr_ranges = 3;
	machine.vc.ranges[1].end = MIB(8) + LAST / 64;
	machine.vc.ranges[2] = (struct memory_range){ MIB(9), LAST, MIB(9), 0 };
	assert_int_equal(unlisted(LAST), SECTION);
}

/* What is nobody's RAM, or reserved from the start as firmware's and our own memory, is not missed */
static void test_not_unlisted(void **state)
{
	(void)state;
	machine_build(STYLE_6_3, MODEL_EXTREME, false, 3);
	for (uint64_t pfn = LAST / 4096; pfn < MACHINE_PFNS; pfn++)
		memset(machine_page(pfn), 0, 64);
	assert_int_equal(unlisted(LAST), 0);
	for (uint64_t pfn = LAST / 4096; pfn < MACHINE_PFNS; pfn++) {
		memset(machine_page(pfn), 0xff, 64);
		machine_page(pfn)[1] = pfn < (LAST + SECTION / 4) / 4096 ? 0xef : 0xff;
	}
	assert_int_equal(unlisted(LAST), SECTION / 4);
	/* nothing tells which flag is that of reserved pages */
	assert_false(fake_log_has("cannot be compared"));
	machine_remove("SYMBOL(_stext)");
	assert_int_equal(unlisted(LAST), 0);
	assert_true(fake_log_has("cannot be compared"));
}

/* [start, end) is not in the header */
static uint64_t without(uint64_t start, uint64_t end)
{
	machine.vc.nr_ranges = 3;
	machine.vc.ranges[1].end = start;
	machine.vc.ranges[2] = (struct memory_range){ end, MACHINE_RAM, end, 0 };
	return unlisted(MACHINE_RAM);
}

/* What the kernel must have had in RAM is outside of it: that much is missing, and it is not said that nobody knows */
static void test_map_unlisted(void **state)
{
	(void)state;
	for (enum machine_model model = 0; model <= MODEL_FLAT; model++) {
		machine_build(STYLE_6_12, model, model & 1, 3);
		assert_int_equal(without(MIB(40), MIB(40)), 0);
		assert_int_equal(fake_log_has("cannot be compared"), model == MODEL_FLAT);
		assert_int_equal(without(machine.sections_pa, machine.sections_pa + 0x4000), 4096);
		assert_false(fake_log_has("cannot be compared"));
		assert_int_equal(without(machine.vmemmap_pa, machine.vmemmap_pa + MIB(1)), 4096);
		assert_false(fake_log_has("cannot be compared"));
		assert_true(fake_log_has("4 KiB"));
	}
	/* nor does it make anything of what is not there */
	machine_build(STYLE_6_12, MODEL_EXTREME, false, 3);
	machine.vi.len = 0;
	assert_int_equal(without(MIB(40), MIB(40)), 0);
	assert_true(fake_log_has("cannot be compared"));
}

/* Numbers of sections as VMCOREINFO has them; the machine's own sections stay where they are */
static void set_sections(unsigned section_bits, unsigned physmem_bits, unsigned entry_size)
{
	char value[24];

	snprintf(value, sizeof(value), "%u", section_bits);
	set_entry("NUMBER(SECTION_SIZE_BITS)", value);
	snprintf(value, sizeof(value), "%u", physmem_bits);
	set_entry("NUMBER(MAX_PHYSMEM_BITS)", value);
	snprintf(value, sizeof(value), "%u", entry_size);
	set_entry("SIZE(mem_section)", value);
	machine_remove("LENGTH(mem_section)");
}

/*
 * As many roots as a kernel with 52 bits of physical addresses and sections of 128 MiB has, and as
 * one would have whose struct mem_section is four times as large
 */
static void test_many_roots(void **state)
{
	(void)state;
	for (unsigned entry_size = 16; entry_size <= 64; entry_size *= 4) {
		machine_build(STYLE_6_3, MODEL_EXTREME, true, 3);
		for (unsigned i = 3; entry_size > 16 && i; i--)
			memmove(machine.ram + machine.sections_pa + 0x1000 + i * entry_size,
				machine.ram + machine.sections_pa + 0x1000 + i * 16, 16);
		set_sections(24, 24 + 52 - 27, entry_size);
		assert_int_equal(unlisted(LAST), SECTION);
		check_classes(LEVEL_MAX);
	}
}

/* More than any kernel has are not looked at: pages of the dead kernel may say that there are 2^43 */
static void test_absurd_roots(void **state)
{
	static const unsigned physmem_bits[] = { 36, 40, 56 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(physmem_bits); i++) {
		const char *reason;
		uint64_t *roots;

		machine_build(STYLE_6_3, MODEL_EXTREME, false, 3);
		/* Enough of it to find the struct page of _stext, and so PG_reserved */
		roots = (uint64_t *)(machine.ram + machine.sections_pa);
		roots[IMAGE / 2] = roots[0];
		set_sections(13, physmem_bits[i], 4096);
		machine.reads = 0;
		fake_log_reset();
		assert_int_equal(init(LEVEL_MAX, &reason), LEVEL_ZERO);
		assert_string_equal(reason, "NUMBER(SECTION_SIZE_BITS)");
		assert_int_equal(pages_unlisted(), 0);
		assert_int_equal(pages_class(IMAGE), PAGE_KERNEL);
		assert_true(machine.reads < 1000);
	}
}

/* What takes long feeds the watchdogs, and what is only for a warning ends with the time that there is */
static void test_long_loops(void **state)
{
	(void)state;
	machine_build(STYLE_6_3, MODEL_EXTREME, false, 3);
	set_sections(24, 24 + 52 - 27, 16);
	idle_set_hooks(fake_feeding);
	fake_step_us = IDLE_PERIOD_US;
	fake_fed = 0;
	assert_int_equal(unlisted(LAST), SECTION);
	assert_true(fake_fed);
	init(0, NULL);
	fake_fed = 0;
	for (uint64_t pfn = 0; pfn < MACHINE_PFNS; pfn++)
		pfn = pages_kept_until(pfn, MACHINE_PFNS);
	assert_true(fake_fed);
	init(LEVEL_MAX, NULL);
	fake_fed = 0;
	for (uint64_t pfn = 0; pfn < MACHINE_PFNS; pfn++)
		pages_class(pfn);
	assert_true(fake_fed);
	idle_set_deadline(arch_time_us());
	assert_int_equal(unlisted(LAST), 0);
	idle_set_deadline(0);
	idle_set_hooks(NULL);
	fake_step_us = 10;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_styles),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_second_pass),
		cmocka_unit_test(test_image),
		cmocka_unit_test(test_image_flag_unknown),
		cmocka_unit_test(test_poison_inside),
		cmocka_unit_test(test_bad_orders),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_missing_entries),
		cmocka_unit_test(test_any_missing_entry),
		cmocka_unit_test(test_absurd_entries),
		cmocka_unit_test(test_plausibility),
		cmocka_unit_test(test_corruption),
		cmocka_unit_test(test_unlisted),
		cmocka_unit_test(test_not_unlisted),
		cmocka_unit_test(test_many_roots),
		cmocka_unit_test(test_absurd_roots),
		cmocka_unit_test(test_long_loops),
		cmocka_unit_test(test_map_unlisted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
