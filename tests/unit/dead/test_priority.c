/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ranks of pages over a made-up dead kernel: essential ranges, classes, a table that is too small,
 * damage.
 */
/* needs: stub/dead/priority.c stub/dead/dmesg.c stub/dead/pages.c stub/dead/vmcore.c tests/host/machine.c tests/unit/fake/log.c tests/unit/fake/arena.c */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "stub/dead/priority.h"
#include "tests/host/machine.h"
#include "tests/unit/fake/bus.h"

#define PFN(pa) ((pa) >> 12)

static struct vtop vt;

static bool in_hole(uint64_t pfn)
{
	return pfn >= 160 && pfn < 256;
}

static void build(bool la57, uint64_t seed)
{
	machine_build(STYLE_5_10, MODEL_EXTREME, la57, seed);
	vtop_init(&vt, &machine.vc, &machine.vi);
	pages_init(&machine.vc, &machine.vi, &vt, LEVEL_MAX, NULL);
	priority_init(&machine.vc, &machine.vi, &vt);
}

static int by_class(enum page_class class)
{
	static const int ranks[PAGE_NR_CLASSES] = {
		[PAGE_KERNEL] = 2, [PAGE_ZERO] = 5, [PAGE_CACHE] = 4,	[PAGE_CACHE_PRIVATE] = 4,
		[PAGE_USER] = 3,   [PAGE_FREE] = 5, [PAGE_OFFLINE] = 5, [PAGE_HWPOISON] = 5};

	return ranks[class];
}

static void test_ranges(void **state)
{
	(void)state;
	for (int la57 = 0; la57 < 2; la57++) {
		/*
		 * top table and log are vital; the other tables lie behind the image, in ascending
		 * order
		 */
		uint64_t image = PFN(MIB(16)), image_end = PFN(MIB(18)), tables = image_end,
			 vmemmap = PFN(MIB(8));
		uint64_t nr_tables = 2 + 3 + 2 * la57, log = PFN(machine.log_pa);

		build(la57, 1);
		log = PFN(machine.log_pa);
		for (uint64_t pfn = 0; pfn < MACHINE_PFNS; pfn++) {
			int want = by_class(machine.class[pfn]);

			if (in_hole(pfn))
				continue;
			if (pfn >= image && pfn < image_end)
				want = 0;
			else if (pfn >= tables && pfn < tables + nr_tables)
				want = 1;
			else if (pfn >= vmemmap && pfn < vmemmap + 256)
				/*
				 * struct pages of 64 MiB; those of the hole's 64 last frames fill a
				 * page of their own
				 */
				want = pfn == vmemmap + 3 ? 2 : 1;
			else if (pfn == log || (pfn >= log + 4 && pfn < log + 6) ||
				 (pfn >= log + 8 && pfn < log + 10))
				want = 0;		/* descriptors, infos, text */
			if (pages_rank(pfn, machine.class[pfn]) != want)
				fail_msg("la57 %d pfn %#llx: rank %d, not %d", la57,
					 (unsigned long long)pfn,
					 pages_rank(pfn, machine.class[pfn]), want);
		}
	}
	assert_int_equal(machine.stray, 0);
}

static void test_classes(void **state)
{
	(void)state;
	build(false, 2);
	for (int class = 0; class < PAGE_NR_CLASSES; class++)
		assert_int_equal(pages_rank(BIT(40), class), by_class(class));
	assert_int_equal(pages_rank(~0ULL, PAGE_KERNEL), 2);
}

/* Everything is missing: ranks by class, no crash */
static void test_nothing_known(void **state)
{
	(void)state;
	machine_build(STYLE_5_10, MODEL_EXTREME, false, 3);
	machine.vi.len = 0;
	machine.vi.text[0] = 0;
	machine.vc.image.end = 0;
	vtop_init(&vt, &machine.vc, &machine.vi);
	pages_init(&machine.vc, &machine.vi, &vt, LEVEL_MAX, NULL);
	priority_init(&machine.vc, &machine.vi, &vt);
	for (uint64_t pfn = 0; pfn < MACHINE_PFNS; pfn++)
		assert_int_equal(pages_rank(pfn, PAGE_KERNEL), 2);
}

static void test_stacks(void **state)
{
	const uint64_t direct = 0xffff888000000000ULL;
	/*
	 * in the direct map; at the very top of a stack; in the log's 4-KiB mapping; in user space;
	 * nowhere
	 */
	const uint64_t sp[] = {direct + MIB(40) + 0x1238, direct + MIB(44) + 0x7ff8,
			       0xffffea0000000000ULL + MIB(64) + 0x22000, 0x7fff12345678, ~0ULL};

	(void)state;
	machine_build(STYLE_5_10, MODEL_EXTREME, false, 6);
	assert_int_equal(machine_notes(sp, ARRAY_SIZE(sp)), 0);
	assert_int_equal(machine.vc.nr_cpus, ARRAY_SIZE(sp));
	vtop_init(&vt, &machine.vc, &machine.vi);
	pages_init(&machine.vc, &machine.vi, &vt, LEVEL_MAX, NULL);
	priority_init(&machine.vc, &machine.vi, &vt);
	for (uint64_t pfn = PFN(MIB(36)); pfn < PFN(MIB(48)); pfn++) {
		bool stack = (pfn >= PFN(MIB(40)) && pfn < PFN(MIB(40)) + 4) ||
			     (pfn >= PFN(MIB(44)) + 4 && pfn < PFN(MIB(44)) + 8);

		assert_int_equal(pages_rank(pfn, PAGE_KERNEL), stack ? 0 : 2);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pages_rank(PFN(machine.log_pa) + 0x20 + i, PAGE_KERNEL), 0);
}

/*
 * Page tables scattered so that each is a range of its own: the table fills up, the first ones keep
 * their rank
 */
static void test_full(void **state)
{
	uint64_t table = MIB(20);
	unsigned ranked = 0;

	(void)state;
	machine_build(STYLE_5_10, MODEL_EXTREME, false, 4);
	/* a second-level table whose 512 entries lead to every second page, four times */
	for (unsigned i = 0; i < 4; i++) {
		for (uint64_t k = 0; k < 512; k++) {
			uint64_t entry = (MIB(24) + (i * 512 + k) * 8192) | 0x67;

			memcpy(machine.ram + table + 4096 * i + k * 8, &entry, 8);
			memset(machine.ram + (entry & ~0xfffULL), 0, 4096);
		}
	}
	memset(machine.ram + MIB(22), 0, 4096);
	for (uint64_t i = 0; i < 4; i++) {
		uint64_t entry = (table + 4096 * i) | 0x67;

		memcpy(machine.ram + MIB(22) + i * 8, &entry, 8);
	}
	uint64_t entry = MIB(22) | 0x67;

	memcpy(machine.ram + machine.pgd + 300 * 8, &entry, 8);
	fake_log_reset();
	vtop_init(&vt, &machine.vc, &machine.vi);
	pages_init(&machine.vc, &machine.vi, &vt, LEVEL_MAX, NULL);
	priority_init(&machine.vc, &machine.vi, &vt);
	assert_true(fake_log_has("priority"));
	for (uint64_t pfn = PFN(MIB(24)); pfn < PFN(MIB(40)); pfn++) {
		int rank = pages_rank(pfn, PAGE_KERNEL);

		assert_true(rank == 2 || (rank == 1 && pfn % 2 == 0));
		ranked += rank == 1;
	}
	assert_in_range(ranked, 400, 1024);
	assert_int_equal(pages_rank(PFN(MIB(16)), PAGE_KERNEL), 0);
}

static void test_corruption(void **state)
{
	(void)state;
	machine_build(STYLE_6_12, MODEL_EXTREME, true, 5);
	machine_seed(6);
	for (unsigned round = 0; round < 100; round++) {
		struct { uint64_t pa, old; } saved[16];
		uint64_t areas[] = {machine.pgd, MIB(18), machine.sections_pa,
				    machine.pgd + 0x10000};
		uint64_t sizes[] = { 4096, 0x8000, 0x1100, 512 };

		for (unsigned i = 0; i < ARRAY_SIZE(saved); i++) {
			unsigned a = machine_random() % ARRAY_SIZE(areas);
			uint64_t r = machine_random() % (MACHINE_RAM * 2);

			saved[i].pa = areas[a] + machine_random() % (sizes[a] / 8) * 8;
			memcpy(&saved[i].old, machine.ram + saved[i].pa, 8);
			r = i % 2 ? saved[i].old ^ BIT(r % 64) : ALIGN_DOWN(r, 4096) | 0x67;
			memcpy(machine.ram + saved[i].pa, &r, 8);
		}
		vtop_init(&vt, &machine.vc, &machine.vi);
		pages_init(&machine.vc, &machine.vi, &vt, LEVEL_MAX, NULL);
		machine.reads = 0;
		priority_init(&machine.vc, &machine.vi, &vt);
		assert_true(machine.reads < 64 * 131072 + 100000);
		for (uint64_t pfn = 0; pfn < MACHINE_PFNS; pfn += 7) {
			int rank = pages_rank(pfn, PAGE_USER);

			assert_true(rank >= 0 && rank < PRIORITY_NR_RANKS);
		}
		for (unsigned i = ARRAY_SIZE(saved); i--; )
			memcpy(machine.ram + saved[i].pa, &saved[i].old, 8);
	}
	assert_int_equal(machine.stray, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_nothing_known),
		cmocka_unit_test(test_stacks),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_corruption),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
