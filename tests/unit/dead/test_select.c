// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What goes first, over a made-up dead kernel: variables, roots, lists, trees and modules where
 * they are sound; where they are not, a bounded amount of work and nothing but RAM. All else by its
 * class.
 */
/* needs: stub/idle.c tests/unit/fake/clock.c stub/dead/select.c stub/dead/dmesg.c stub/dead/kallsyms.c stub/dead/pages.c stub/dead/vmcore.c tests/host/machine.c tests/unit/fake/log.c tests/unit/fake/arena.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "stub/dead/select.h"
#include "tests/host/machine.h"

#define PFN(pa)		((pa) >> 12)
#define DIRECT		0xffff888000000000ULL
#define IMAGE		MIB(16)
#define IMAGE_END	MIB(18)
#define IMAGE_VA	0xffffffff80c00000ULL	/* of IMAGE: linked at 12 MiB */
/* Places in the image for what the tests make, all of it zero at first */
#define DATA		(IMAGE + 0x80000)	/* 16 pages between _sdata and _edata */
#define DATA_BYTES	0x10000u
#define MODULES		(DATA + DATA_BYTES)	/* outside of that, so that it is not scanned */
#define PER_CPU_OFFSET	(MODULES + 0x1000)
#define SYMBOLS		(IMAGE + 0x100000)
#define FREE		MIB(24)			/* the rest of RAM is nobody's */
#define PER_CPU		0x20000u		/* where per-CPU symbols begin */
#define RETURN_ADDRESS	(IMAGE_VA + 0x1c0123)

static struct vtop vt;
static struct select *sel;

static void put(uint64_t pa, uint64_t value)
{
	memcpy(machine.ram + pa, &value, 8);
}

static uint64_t image_va(uint64_t pa)
{
	return pa - IMAGE + IMAGE_VA;
}

static const struct machine_symbol symbols[] = {
	{ "_stext", IMAGE_VA },
	{ "_sdata", IMAGE_VA + DATA - IMAGE },
	{ "_edata", IMAGE_VA + DATA - IMAGE + DATA_BYTES },
	{ "modules", IMAGE_VA + MODULES - IMAGE },
	{ "__per_cpu_offset", IMAGE_VA + PER_CPU_OFFSET - IMAGE },
	{ "current_task", PER_CPU },
	{ "runqueues", PER_CPU + 0x3000 },
	{ "panic", IMAGE_VA + 0x40010 },
};

static void build(void)
{
	machine_build(STYLE_5_10, MODEL_EXTREME, false, 1);
	machine_kallsyms(symbols, ARRAY_SIZE(symbols), SYMBOLS);
	/* An empty list of modules */
	put(MODULES, image_va(MODULES));
	put(MODULES + 8, image_va(MODULES));
}

/* Sorted, disjoint, inside RAM, as short as adding page by page can make it, and counted. */
static void check_table(void)
{
	uint64_t pages = 0;

	assert_true(sel->nr <= SELECT_MAX_RANGES);
	for (unsigned i = 0; i < sel->nr; i++) {
		const struct select_range *r = &sel->ranges[i];

		assert_true(r->nr && r->pass <= SELECT_IMAGE);
		assert_true(vmcore_is_ram(&machine.vc, (uint64_t)r->start << 12,
					  (uint64_t)r->nr << 12));
		if (i)
			assert_true(r[-1].start + r[-1].nr <= r->start);
		pages += r->pass < SELECT_NR_VITAL ? r->nr : 0;
	}
	assert_int_equal(pages, sel->vital);
	assert_int_equal(machine.stray, 0);
}

static void init(void)
{
	vtop_init(&vt, &machine.vc, &machine.vi);
	pages_init(&machine.vc, &machine.vi, &vt, LEVEL_MAX, NULL);
	machine.reads = 0;
	sel = select_take(&machine.vc, &machine.vi, &vt);
	assert_non_null(sel);
	select_build(sel);
	check_table();
	/*
	 * However it is damaged: 1 M looks of a walk and a read each, 128 Ki page tables in pieces of 8
	 * entries, and the image looked through
	 */
	assert_true(machine.reads < 16000000);
}

/* -1: none, but by its class */
static int pass_of(const struct select *s, uint64_t pfn)
{
	enum select_pass pass = select_pass(s, pfn, PAGE_USER);

	return pass == SELECT_USER ? -1 : (int)pass;
}

static int stage(uint64_t pa)
{
	return pass_of(sel, PFN(pa));
}

/* Each page of [from, to) is of stage @want. */
static void check_stage(uint64_t from, uint64_t to, int want)
{
	for (uint64_t pa = from; pa < to; pa += 4096)
		if (stage(pa) != want)
			fail_msg("%#llx: stage %d, not %d", (unsigned long long)pa, stage(pa),
				 want);
}

/*---------------------------------------------------------------- the table */

/* Look-ups in a table by hand, against looking at each range */
static void test_lookup(void **state)
{
	static struct select table;
	static const struct select_range ranges[] = {
		{ 0, 1, SELECT_ROOTS },	     { 1, 2, SELECT_DATA },
		{ 5, 1, SELECT_ROOTS },	     { 6, 4, SELECT_LISTS },
		{ 100, 65535, SELECT_DATA },  { 65635, 1, SELECT_DATA },
		{ UINT32_MAX - 1, 1, SELECT_ROOTS },
	};
	static const uint64_t beyond[] = { 65634, 65635, 65636, UINT32_MAX - 2,
					   UINT32_MAX - 1, UINT32_MAX, BIT(32), ~0ULL };
	uint64_t start, end;

	(void)state;
	assert_int_equal(pass_of(&table, 0), -1);
	assert_false(select_next(&table, SELECT_DATA, 0, &start, &end));
	memcpy(table.ranges, ranges, sizeof(ranges));
	table.nr = ARRAY_SIZE(ranges);
	for (uint64_t k = 0; k < 120 + ARRAY_SIZE(beyond); k++) {
		uint64_t pfn = k < 120 ? k : beyond[k - 120];
		int want = -1;

		for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++)
			if (pfn >= ranges[i].start && pfn - ranges[i].start < ranges[i].nr)
				want = ranges[i].pass;
		assert_int_equal(pass_of(&table, pfn), want);
		for (unsigned s = 0; s < SELECT_NR_VITAL; s++) {
			unsigned i = 0;

			while (i < ARRAY_SIZE(ranges) &&
			       (ranges[i].pass != s ||
				(uint64_t)ranges[i].start + ranges[i].nr <= pfn))
				i++;
			assert_int_equal(select_next(&table, s, pfn, &start, &end),
					 i < ARRAY_SIZE(ranges));
			if (i == ARRAY_SIZE(ranges))
				continue;
			assert_int_equal(start, pfn > ranges[i].start ? pfn : ranges[i].start);
			assert_int_equal(end, (uint64_t)ranges[i].start + ranges[i].nr);
		}
	}
}

/*
 * A pointer in a variable adds the page that it points into: so pages are added in the order of
 * words. Every page of 400, then some again, in random order: all are there once.
 */
static void test_merge(void **state)
{
	bool want[400] = { false };
	unsigned nr = 0;

	(void)state;
	build();
	machine_seed(2);
	for (unsigned i = 0; i < 700; i++) {
		unsigned page = (unsigned)(machine_random() % ARRAY_SIZE(want));

		/* pages 100 to 199 only now and then, so that gaps stay */
		if (page >= 100 && page < 200 && i % 8)
			page += 200;
		want[page] = true;
		put(DATA + 8 * i, DIRECT + FREE + 4096 * page + machine_random() % 4096 / 8 * 8);
	}
	init();
	for (unsigned i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(stage(FREE + 4096 * i), want[i] ? SELECT_LISTS : -1);
	check_stage(FREE + 4096 * ARRAY_SIZE(want), FREE + 4096 * ARRAY_SIZE(want) + MIB(1), -1);
	for (unsigned i = 0; i < sel->nr; i++)
		nr += sel->ranges[i].start >= PFN(FREE);
	assert_true(nr < 200);		/* of some 330 pages */
}

/* In order, up or down, it is one range. */
static void test_one_range(void **state)
{
	(void)state;
	for (unsigned down = 0; down < 2; down++) {
		build();
		for (unsigned i = 0; i < 300; i++)
			put(DATA + 8 * i, DIRECT + FREE + 4096 * (down ? 299 - i : i));
		init();
		check_stage(FREE, FREE + 300 * 4096, SELECT_LISTS);
		for (unsigned i = 0; i < sel->nr; i++)
			if (sel->ranges[i].start == PFN(FREE))
				assert_int_equal(sel->ranges[i].nr, 300);
	}
}

/* More pages, each alone, than there is room for: the first ones stay. */
static void test_full(void **state)
{
	unsigned got = 0;

	(void)state;
	build();
	for (unsigned i = 0; i < 4000; i++)
		put(DATA + 8 * i, DIRECT + FREE + 8192 * i);
	init();
	/* and what comes after that has room, too */
	assert_in_range(sel->nr, 1025, SELECT_MAX_RANGES);
	check_stage(machine.vmemmap_pa + MIB(1) - 4096, machine.vmemmap_pa + MIB(1), SELECT_IMAGE);
	for (unsigned i = 0; i < 4000; i++) {
		bool here = stage(FREE + 8192 * i) == SELECT_LISTS;

		assert_true(i == 0 || !here || stage(FREE + 8192 * (i - 1)) == SELECT_LISTS);
		got += here;
	}
	assert_in_range(got, 500, 1024);
	check_stage(DATA, DATA + DATA_BYTES, SELECT_DATA);
}

/*---------------------------------------------------------------- stages */

static void test_stages(void **state)
{
	(void)state;
	build();
	init();
	check_stage(DATA, DATA + DATA_BYTES, SELECT_DATA);
	/* top table, the others, sections */
	assert_int_equal(stage(machine.pgd), SELECT_ROOTS);
	check_stage(IMAGE_END, IMAGE_END + 5 * 4096, SELECT_ROOTS);
	assert_int_equal(stage(machine.sections_pa), SELECT_ROOTS);
	/* text of a function that a debugger disassembles */
	check_stage(IMAGE + 0x40000, IMAGE + 0x43000, SELECT_TEXT);
	check_stage(IMAGE + 0x44000, DATA, -1);
	check_stage(FREE, MACHINE_RAM, -1);
}

/* Without symbols: the image from its lowest known variable on */
static void test_no_symbols(void **state)
{
	(void)state;
	machine_build(STYLE_5_10, MODEL_EXTREME, false, 1);
	init();
	check_stage(IMAGE, IMAGE_END, SELECT_DATA);
	check_stage(FREE, MACHINE_RAM, -1);
}

/* What is in none of the essential ranges */
static void test_classes(void **state)
{
	static const enum select_pass pass[PAGE_NR_CLASSES] = {
		[PAGE_KERNEL] = SELECT_KERNEL, [PAGE_USER] = SELECT_USER, [PAGE_CACHE] = SELECT_CACHE,
		[PAGE_CACHE_PRIVATE] = SELECT_CACHE, [PAGE_ZERO] = SELECT_REST, [PAGE_FREE] = SELECT_REST,
		[PAGE_OFFLINE] = SELECT_REST, [PAGE_HWPOISON] = SELECT_REST,
	};

	(void)state;
	build();
	init();
	for (int class = 0; class < PAGE_NR_CLASSES; class++) {
		assert_int_equal(select_pass(sel, PFN(FREE), class), pass[class]);
		assert_int_equal(select_pass(sel, BIT(40), class), pass[class]);
		assert_int_equal(select_pass(sel, ~0ULL, class), pass[class]);
		assert_int_equal(select_pass(sel, PFN(DATA), class), SELECT_DATA);
	}
	assert_int_equal(select_pass(sel, PFN(IMAGE + 0x44000), PAGE_KERNEL), SELECT_IMAGE);
	assert_int_equal(select_pass(sel, PFN(IMAGE + 0x44000), PAGE_USER), SELECT_USER);
}

/* With the image: the log's buffers, and the struct pages of all RAM */
static void test_log_and_map(void **state)
{
	const uint64_t map = machine.vmemmap_pa, log = machine.log_pa;

	(void)state;
	for (int la57 = 0; la57 < 2; la57++) {
		machine_build(STYLE_5_10, MODEL_EXTREME, la57, 1);
		init();
		/* of 64 MiB; its first page is a root, and those of the hole's end have one of their own */
		for (unsigned i = 0; i < 256; i++)
			if (i && i != 3)
				assert_int_equal(stage(map + 4096 * i), SELECT_IMAGE);
		/* descriptors, infos, text; the array of sections seems to go on into them */
		for (unsigned i = 0; i < 10; i++)
			if (i != 1 && i != 2 && i != 3 && i != 6 && i != 7)
				assert_in_range(stage(log + 4096 * i), SELECT_ROOTS, SELECT_IMAGE);
		assert_int_equal(machine.stray, 0);
	}
}

/* Page tables scattered so that each is a range of its own: what comes after them has room left. */
static void test_many_tables(void **state)
{
	uint64_t tables = MIB(20);
	unsigned got = 0;

	(void)state;
	build();
	/* second-level tables whose 512 entries lead to every second page */
	for (uint64_t i = 0; i < 4 * 512; i++) {
		put(tables + 8 * i, (MIB(24) + i * 8192) | 0x67);
		memset(machine.ram + MIB(24) + i * 8192, 0, 4096);
	}
	for (uint64_t i = 0; i < 4; i++)
		put(MIB(22) + 8 * i, (tables + 4096 * i) | 0x67);
	put(machine.pgd + 300 * 8, MIB(22) | 0x67);
	init();
	for (uint64_t i = 0; i < 4 * 512; i++)
		got += stage(MIB(24) + i * 8192) == SELECT_ROOTS;
	assert_in_range(got, 400, 640);
	check_stage(IMAGE + 0x40000, IMAGE + 0x43000, SELECT_TEXT);
	assert_int_equal(stage(machine.vmemmap_pa), SELECT_IMAGE);
}

/* A machine with many CPUs: stacks of the first ones early, of the others later */
static void test_many_cpus(void **state)
{
	struct memory_range image;
	uint64_t sp[70];

	(void)state;
	build();
	image = machine.vc.image;
	for (unsigned i = 0; i < ARRAY_SIZE(sp); i++)
		sp[i] = DIRECT + MIB(40) + i * 0x8000 + 0x2238;
	assert_int_equal(machine_notes(sp, ARRAY_SIZE(sp)), 0);
	machine.vc.image = image;
	init();
	for (unsigned i = 0; i < ARRAY_SIZE(sp); i++) {
		uint64_t at = MIB(40) + i * 0x8000;

		check_stage(at, at + 0x4000, i < 16 ? SELECT_ROOTS : SELECT_IMAGE);
		check_stage(at + 0x4000, at + 0x8000, -1);
	}
}

/* Nothing known at all: an empty table */
static void test_nothing_known(void **state)
{
	(void)state;
	build();
	machine.vi.len = 0;
	machine.vi.text[0] = 0;
	init();
	assert_int_equal(sel->nr, 0);
	build();
	machine.vc.image = (struct memory_range){ 0 };
	assert_true(machine_remove("SYMBOL(swapper_pg_dir)"));
	assert_true(machine_remove("NUMBER(phys_base)"));
	init();
	assert_int_equal(sel->nr, 0);
}

/* Each CPU's stack, what it points at, the code it returns to, and the task it ran */
static void test_cpus(void **state)
{
	const uint64_t sp[] = {DIRECT + MIB(40) + 0x1238, 0x7fff12345678, ~0ULL,
			       DIRECT + MIB(44) + 0x100};
	const uint64_t area = MIB(30), task = MIB(32) + 0x2000;
	struct memory_range image;

	(void)state;
	build();
	image = machine.vc.image;
	assert_int_equal(machine_notes(sp, ARRAY_SIZE(sp)), 0);
	machine.vc.image = image;
	for (unsigned cpu = 0; cpu < ARRAY_SIZE(sp); cpu++)
		put(PER_CPU_OFFSET + 8 * cpu, DIRECT + area + cpu * 0x10000 - PER_CPU);
	put(area, DIRECT + task);
	put(area + 0x10000, 0x7fff12345678);		/* no kernel address */
	put(area + 0x20000, 0xfffffffffffffff0);	/* the very last page */
	put(area + 0x30000, DIRECT + MACHINE_RAM - 4096);	/* half of it is RAM */
	put(MIB(40) + 0x1240, DIRECT + MIB(50) + 8);
	put(MIB(40) + 0x1248, RETURN_ADDRESS);
	put(MIB(40) + 0x1250, 0x00007fff00000000);
	init();
	check_stage(MIB(40), MIB(40) + 0x4000, SELECT_ROOTS);
	check_stage(MIB(40) + 0x4000, MIB(44), -1);
	check_stage(MIB(44), MIB(44) + 0x4000, SELECT_ROOTS);
	check_stage(MIB(50), MIB(50) + 4096, SELECT_ROOTS);
	check_stage(MIB(50) + 4096, MIB(60), -1);
	check_stage(IMAGE + 0x1be000, IMAGE + 0x1c3000, SELECT_TEXT);
	assert_int_equal(stage(IMAGE + 0x1bd000), -1);
	assert_int_equal(stage(IMAGE + 0x1c3000), -1);
	/* struct task_struct, runqueues */
	check_stage(task, task + KIB(10), SELECT_ROOTS);
	check_stage(task + KIB(12), task + MIB(1), -1);
	for (unsigned cpu = 0; cpu < ARRAY_SIZE(sp); cpu++) {
		assert_int_equal(stage(area + cpu * 0x10000), SELECT_ROOTS);
		assert_int_equal(stage(area + cpu * 0x10000 + 0x3000), SELECT_ROOTS);
		assert_int_equal(stage(area + cpu * 0x10000 + 0x5000), -1);
	}
	assert_int_equal(stage(MACHINE_RAM - 4096), SELECT_ROOTS);
}

/* No addresses of RAM: user space, the hole, beyond the end, not mapped, not canonical */
static void test_refused(void **state)
{
	static const uint64_t words[] = {
		0, 1, FREE, 0x7fff12345678, 0x00007fffffffffff,
		DIRECT + KIB(640), DIRECT + MIB(1) - 8, DIRECT + MACHINE_RAM, DIRECT + BIT(40),
		0xffffc90000000000, 0x8000000000000000, 0xffff000000000000, 0xffff7fffffffffff,
		0xfffffffffffff000, ~0ULL, ~7ULL, ~1ULL,
		/* trees there */
		(DIRECT + KIB(640)) | 2, (DIRECT + MACHINE_RAM) | 2, 0x7fff12345672, ~5ULL,
	};
	struct select before;

	(void)state;
	build();
	init();
	before = *sel;
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		put(DATA + 8 * i, words[i]);
	init();
	assert_int_equal(sel->nr, before.nr);
	assert_memory_equal(sel->ranges, before.ranges, before.nr * sizeof(*before.ranges));
	assert_int_equal(stage(KIB(640)), -1);
}

/*---------------------------------------------------------------- lists */

/*
 * A circular list with its head at @head and @nr nodes, each at offset 0x40 of a page of its own
 * from @pa on
 */
static void make_list(uint64_t head, uint64_t pa, unsigned nr)
{
	uint64_t prev = image_va(head);

	for (unsigned i = 0; i < nr; i++) {
		uint64_t node = pa + 4096 * i + 0x40;

		put(i ? node - 4096 : head, DIRECT + node);
		put(node + 8, prev);
		prev = DIRECT + node;
	}
	put(pa + 4096 * (nr - 1) + 0x40, image_va(head));
	put(head + 8, prev);
}

static void test_list(void **state)
{
	(void)state;
	build();
	make_list(DATA + 0x100, FREE, 200);
	init();
	check_stage(FREE, FREE + 200 * 4096, SELECT_LISTS);
	check_stage(FREE + 200 * 4096, MACHINE_RAM, -1);

	/* A long one is cut; its last node is what the head's second word points at */
	build();
	make_list(DATA + 0x100, FREE, 1000);
	init();
	check_stage(FREE, FREE + 256 * 4096, SELECT_LISTS);
	check_stage(FREE + 256 * 4096, FREE + 999 * 4096, -1);
	assert_int_equal(stage(FREE + 999 * 4096), SELECT_LISTS);
}

static void test_broken_lists(void **state)
{
	static const uint64_t garbage[] = {
		0, 0x7fff12345678, ~0ULL, ~7ULL, ~0xfULL,
		DIRECT + KIB(700), DIRECT + MACHINE_RAM - 8, DIRECT + FREE + 0x41,
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(garbage); i++) {
		build();
		make_list(DATA + 0x100, FREE, 20);
		put(FREE + 9 * 4096 + 0x40, garbage[i]);
		init();
		check_stage(FREE, FREE + 10 * 4096, SELECT_LISTS);
		check_stage(FREE + 10 * 4096, FREE + 19 * 4096, -1);
	}
	/* Round and round behind the head, with every link right but for one */
	build();
	make_list(DATA + 0x100, FREE, 20);
	put(FREE + 9 * 4096 + 0x40, DIRECT + FREE + 3 * 4096 + 0x40);
	init();
	check_stage(FREE, FREE + 10 * 4096, SELECT_LISTS);
	/* A node that is its own list and in another one */
	put(FREE + 9 * 4096 + 0x40, DIRECT + FREE + 9 * 4096 + 0x40);
	put(FREE + 9 * 4096 + 0x48, DIRECT + FREE + 9 * 4096 + 0x40);
	init();
	check_stage(FREE, FREE + 9 * 4096, SELECT_LISTS);
}

/*---------------------------------------------------------------- trees */

static void test_tree(void **state)
{
	const uint64_t leaf = MIB(28);

	(void)state;
	build();
	/* Four levels of nodes, one slot each, and a leaf at every level; three are followed */
	put(DATA + 0x200, (DIRECT + FREE) | 2);
	for (unsigned i = 0; i < 4; i++) {
		put(FREE + 4096 * i + 8 * (40 + i), (DIRECT + FREE + 4096 * (i + 1)) | 2);
		put(FREE + 4096 * i + 8 * 60, DIRECT + leaf + 8192 * i);
		/* a value, no pointer */
		put(FREE + 4096 * i + 8 * 61, (DIRECT + leaf + 8192 * i + 4096) | 1);
		put(FREE + 4096 * i + 8 * 72, DIRECT + leaf + MIB(1));	/* behind the node */
	}
	init();
	check_stage(FREE, FREE + 3 * 4096, SELECT_LISTS);
	check_stage(FREE + 3 * 4096, leaf, -1);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(stage(leaf + 8192 * i), i < 3 ? SELECT_LISTS : -1);
		assert_int_equal(stage(leaf + 8192 * i + 4096), -1);
	}
	check_stage(leaf + MIB(1), leaf + MIB(2), -1);
}

/* Nodes that hold themselves and each other, in every slot, from every variable */
static void test_tree_of_itself(void **state)
{
	(void)state;
	build();
	for (unsigned i = 0; i < DATA_BYTES / 8; i++)
		put(DATA + 8 * i, (DIRECT + FREE + 4096 * (i % 2)) | 2);
	for (unsigned i = 0; i < 512; i++) {
		put(FREE + 8 * i, (DIRECT + FREE + 4096 * (i % 2)) | 2);
		put(FREE + 4096 + 8 * i, (DIRECT + FREE) | 2);
	}
	init();
	check_stage(FREE, FREE + 8192, SELECT_LISTS);
	check_stage(FREE + 8192, MACHINE_RAM, -1);
}

/*---------------------------------------------------------------- modules */

static void add_symbol(uint64_t table, unsigned nr, uint64_t name)
{
	int32_t entry[3] = { -4096, (int32_t)(name - (table + 12 * nr + 4)), 0 };

	memcpy(machine.ram + table + 12 * nr, entry, sizeof(entry));
	strcpy((char *)machine.ram + name, "exported_name");
}

static void make_module(uint64_t module, uint64_t next, uint64_t table)
{
	put(module + 8, next);
	if (table)
		put(module + 0x80, DIRECT + table);
}

static void test_modules(void **state)
{
	const uint64_t first = FREE + 0x10000, second = FREE + 0x20000, table = FREE + 0x40000;

	(void)state;
	build();
	put(MODULES, DIRECT + first + 8);
	make_module(first, DIRECT + second + 8, table);
	make_module(second, image_va(MODULES), 0);
	/* 600 symbols on two pages, their names on others; not a name, after them */
	for (unsigned i = 0; i < 600; i++)
		add_symbol(table, i, FREE + 0x50000 + 64 * i);
	put(second + 0x88, DIRECT + FREE + 0x70000);
	add_symbol(FREE + 0x70000, 0, FREE + 0x71000);
	strcpy((char *)machine.ram + FREE + 0x71000, "9 % no");
	init();
	assert_int_equal(stage(first), SELECT_ROOTS);
	assert_int_equal(stage(second), SELECT_ROOTS);
	check_stage(table, table + 0x2000, SELECT_ROOTS);
	assert_int_equal(stage(table + 0x2000), -1);
	check_stage(FREE + 0x50000, FREE + 0x5a000, SELECT_ROOTS);
	check_stage(FREE + 0x5a000, MACHINE_RAM, -1);
}

static void test_broken_modules(void **state)
{
	/* The last page of all: to be passed by, and no way to begin again at 0 */
	static const uint64_t garbage[] = {
		0, 8, 0x7fff12345678, ~0ULL, ~7ULL, ~0xfffULL, ~0x7ffULL, ~0x47fULL,
		DIRECT + KIB(640), DIRECT + MACHINE_RAM, DIRECT + MACHINE_RAM - 8,
	};
	const uint64_t module = FREE + 0x10000;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(garbage); i++) {
		build();
		put(MODULES, garbage[i]);
		init();
		build();
		put(MODULES, DIRECT + module + 8);
		make_module(module, garbage[i], 0);
		put(module + 0x80, garbage[i]);
		init();
		assert_int_equal(stage(module), SELECT_ROOTS);
	}
	/* A module that is its own successor, and in every word a table of very many symbols */
	build();
	put(MODULES, DIRECT + module + 8);
	for (unsigned i = 0; i < 20000; i++)
		add_symbol(MIB(26), i, MIB(25));
	for (unsigned i = 0; i < 128; i++)
		put(module + 8 * i, DIRECT + MIB(26) + 12 * i);
	make_module(module, DIRECT + module + 8, 0);
	init();
	assert_int_equal(stage(module), SELECT_ROOTS);
	assert_int_equal(stage(MIB(26)), SELECT_ROOTS);
}

/* Pointers of the memory map into the very last page, where an end wraps around */
static void test_last_page(void **state)
{
	(void)state;
	build();
	put(machine.sections_pa + 8, 0xfffffffffffffff0);
	put(machine.sections_pa + 16, 0xfffffffffffff000);
	init();
	assert_int_equal(stage(machine.sections_pa), SELECT_ROOTS);
}

/*---------------------------------------------------------------- damage */

/*
 * An image of 40 MiB, all of it variables, and each word of it @word plus up to 512 GiB: pages that
 * are all the same one, full of such words too.
 */
static void build_hostile(uint64_t word)
{
	const struct machine_symbol syms[] = {
		{ "_stext", IMAGE_VA }, { "_sdata", IMAGE_VA + MIB(4) },
		{ "_edata", IMAGE_VA + MIB(40) }, { "modules", IMAGE_VA + MIB(4) },
	};

	machine_build(STYLE_5_10, MODEL_EXTREME, false, 1);
	machine_seed(3);
	machine.vc.image.end = machine.vc.image.start + MIB(40);
	for (uint64_t pa = IMAGE + MIB(4); pa < IMAGE + MIB(40); pa += 8) {
		put(pa, word + machine_random() % BIT(27) * 4096);
		/* not freed */
		memcpy(machine_page(PFN(pa)), machine_page(PFN(IMAGE)), 64);
	}
	memcpy(machine.ram + MIB(60), machine.ram + IMAGE + MIB(4), 4096);
	machine_endless(MIB(60));
	machine_kallsyms(syms, ARRAY_SIZE(syms), SYMBOLS);
}

/* Every word of a large image leads on: the worst that memory can cost */
static void test_hostile(void **state)
{
	static const uint64_t words[] = {
		MACHINE_ENDLESS + 0x10,		/* lists, with links that fit nowhere */
		MACHINE_ENDLESS + 0x12,		/* trees */
		MACHINE_ENDLESS + 0xff8 - 64,	/* over the border of two pages */
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		build_hostile(words[i]);
		init();
		assert_true(machine.reads > 2000000);
	}
}

/* More page tables than any machine has, each of them empty */
static void test_hostile_tables(void **state)
{
	(void)state;
	build();
	/* Neighbours differ: what is the same one twice in a row is looked at once */
	memset(machine.ram + FREE + 8192, 0, 8192);
	for (unsigned i = 0; i < 512; i++) {
		put(FREE + 8 * i, (FREE + 8192 + i % 2 * 4096) | 0x67);
		put(FREE + 4096 + 8 * i, (FREE + 8192 + i % 2 * 4096) | 0x67);
		put(machine.pgd + 8 * i, (FREE + i % 2 * 4096) | 0x67);
	}
	init();
	assert_true(machine.reads > 8000000);
}

static void test_corruption(void **state)
{
	(void)state;
	build();
	make_list(DATA + 0x100, FREE, 50);
	machine_seed(9);
	for (unsigned round = 0; round < 30; round++) {
		struct { uint64_t pa, old; } saved[24];
		const uint64_t areas[][2] = {
			{ machine.pgd, 4096 }, { IMAGE_END, 0x8000 }, { FREE, 0x20000 },
			{ DATA, DATA_BYTES }, { SYMBOLS, MACHINE_KALLSYMS }, { MODULES, 0x2000 },
			{ machine.sections_pa, 0x1100 },
		};

		for (unsigned i = 0; i < ARRAY_SIZE(saved); i++) {
			const uint64_t *area = areas[machine_random() % ARRAY_SIZE(areas)];
			uint64_t r = machine_random() % (MACHINE_RAM * 2);

			saved[i].pa = area[0] + machine_random() % (area[1] / 8) * 8;
			memcpy(&saved[i].old, machine.ram + saved[i].pa, 8);
			if (i % 3 == 0)
				r = saved[i].old ^ BIT(r % 64);
			else if (i % 3 == 1)
				r = ALIGN_DOWN(r, 4096) | 0x67;
			else
				r = machine_random() | BIT(63);
			put(saved[i].pa, r);
		}
		init();
		for (unsigned i = ARRAY_SIZE(saved); i--;)
			put(saved[i].pa, saved[i].old);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_one_range),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_stages),
		cmocka_unit_test(test_no_symbols),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_log_and_map),
		cmocka_unit_test(test_many_tables),
		cmocka_unit_test(test_many_cpus),
		cmocka_unit_test(test_nothing_known),
		cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_broken_lists),
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_tree_of_itself),
		cmocka_unit_test(test_modules),
		cmocka_unit_test(test_broken_modules),
		cmocka_unit_test(test_last_page),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_hostile_tables),
		cmocka_unit_test(test_corruption),
	};

	/* What does not end is a failure, too */
	alarm(300);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
