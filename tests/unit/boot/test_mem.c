// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/mem.c tests/unit/fake/log.c */
/*
 * The arena over maps as loaders write them and as nobody should. RAM is a static array here, at its own address; pages
 * outside the array are mapped all the same, but nothing is taken from them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "stub/arch.h"
#include "stub/mem.h"
#include "tests/unit/fake/bus.h"

#define PAGE	4096u
#define PAGES	256u

static uint8_t ram[PAGES * PAGE] __attribute__((aligned(2 * 1024 * 1024)));
#define RAM	((phys_addr_t)(uintptr_t)ram)

static unsigned mapped, tables;
static phys_addr_t refused;		/* this page cannot be mapped */
static phys_addr_t needs_table;		/* from here on a page of each 2 MiB needs a table first */
static phys_addr_t has_table;

bool arch_map_ram(phys_addr_t pa, void *(*new_table)(void))
{
	assert_true(pa && pa % PAGE == 0);
	if (pa == refused)
		return false;
	if (needs_table && pa >= needs_table && has_table != ALIGN_DOWN(pa, MIB(2))) {
		if (!new_table())
			return false;
		tables++;
		has_table = ALIGN_DOWN(pa, MIB(2));
	}
	mapped++;
	return true;
}

static int setup(void **state)
{
	(void)state;
	mem_close();
	mem_remove(0, UINT64_MAX);
	memset(ram, 0xa5, sizeof(ram));
	mapped = tables = 0;
	refused = needs_table = has_table = 0;
	fake_log_reset();
	return 0;
}

static bool seen[PAGES];

/* Pages that can be taken one by one; each lies in @ram and none comes twice */
static unsigned take_all(void)
{
	unsigned n = 0;
	uint8_t *p;

	memset(seen, 0, sizeof(seen));
	while ((p = mem_take("test", PAGE, PAGE, MEM_ANY))) {
		assert_true(range_inside((uintptr_t)p, PAGE, RAM, RAM + sizeof(ram)));
		assert_false(seen[(p - ram) / PAGE]);
		seen[(p - ram) / PAGE] = true;
		for (unsigned i = 0; i < PAGE; i++)
			assert_int_equal(p[i], 0);
		n++;
	}
	return n;
}

static void test_whole_pages(void **state)
{
	(void)state;
	mem_add(RAM + 1, RAM + 4 * PAGE - 1);
	mem_open();
	assert_int_equal(take_all(), 2);
}

static void test_nothing(void **state)
{
	(void)state;
	assert_null(mem_take("too early", 1, 1, MEM_ANY));
	assert_int_equal(fake_log_lines[0], 1);
	mem_add(RAM + 1, RAM + PAGE);
	mem_add(RAM + PAGE, RAM + PAGE);
	mem_add(RAM + 2 * PAGE, RAM);
	mem_add(UINT64_MAX - 10, UINT64_MAX);
	mem_add(BIT(52), BIT(60));
	mem_open();
	assert_int_equal(mapped, 0);
	assert_null(mem_take("test", 1, 1, MEM_ANY));
}

/* A map's entries in any order and over each other: no page is handed out twice */
static void test_overlaps(void **state)
{
	(void)state;
	mem_add(RAM + 8 * PAGE, RAM + 16 * PAGE);
	mem_add(RAM, RAM + 10 * PAGE);
	mem_add(RAM + 9 * PAGE, RAM + 12 * PAGE);
	mem_add(RAM, RAM + 16 * PAGE);
	mem_add(RAM + 15 * PAGE, RAM + 17 * PAGE);
	mem_open();
	assert_int_equal(take_all(), 17);
}

static void test_remove(void **state)
{
	(void)state;
	mem_add(RAM, RAM + 16 * PAGE);
	mem_remove(RAM + 4 * PAGE + 100, RAM + 4 * PAGE + 101);		/* one page, for a byte */
	mem_remove(RAM + 6 * PAGE, RAM + 8 * PAGE);
	mem_remove(RAM, RAM + 1);
	mem_remove(RAM + 15 * PAGE, UINT64_MAX);
	mem_remove(RAM + 9 * PAGE, RAM + 9 * PAGE);			/* nothing */
	mem_remove(RAM + 10 * PAGE, RAM + 9 * PAGE);
	mem_open();
	assert_int_equal(take_all(), 11);
	setup(NULL);
	mem_add(RAM, RAM + 16 * PAGE);
	mem_remove(RAM + PAGE, RAM + 3 * PAGE);
	mem_remove(0, BIT(60));
	mem_open();
	assert_int_equal(mapped, 0);
}

/* More pieces than are kept track of: the small ones are forgotten */
static void test_too_many(void **state)
{
	unsigned n;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		mem_add(RAM + i * 2 * PAGE, RAM + (i * 2 + 1) * PAGE);
	mem_add(RAM + 210 * PAGE, RAM + 250 * PAGE);
	mem_open();
	n = take_all();
	assert_true(n >= 40 + 10 && n < 140);
	/* ... also those that are made by cutting */
	setup(NULL);
	mem_add(RAM, RAM + sizeof(ram));
	for (unsigned i = 1; i < 200; i += 2)
		mem_remove(RAM + i * PAGE, RAM + i * PAGE + 1);
	mem_open();
	n = take_all();
	assert_true(n >= 56 + 10 && n < 156);
	for (unsigned i = 1; i < 200; i += 2)
		assert_false(seen[i]);
}

/* A null pointer has to fault, whatever the loader says of the first page */
static void test_page_zero(void **state)
{
	(void)state;
	mem_add(0, 0x9f000);
	mem_open();
	assert_int_equal(mapped, 0x9e);
}

/* Of a reservation of gigabytes a part is enough */
static void test_large(void **state)
{
	(void)state;
	mem_add(GENMASK(32, 32), GENMASK(34, 34));
	mem_open();
	assert_int_equal(mapped, MIB(8) / PAGE);
}

/* What lies high goes first; who needs low memory finds it */
static void test_limit(void **state)
{
	uint8_t *p;

	(void)state;
	mem_add(RAM, RAM + 4 * PAGE);
	mem_add(RAM + 8 * PAGE, RAM + 12 * PAGE);
	mem_open();
	assert_int_equal(mem_left(), 8 * PAGE);
	p = mem_take("high", 100, 64, MEM_ANY);
	assert_ptr_equal(p, ram + 8 * PAGE);
	p = mem_take("low", PAGE, PAGE, RAM + 2 * PAGE - 1);
	assert_ptr_equal(p, ram);
	p = mem_take("low", PAGE, PAGE, RAM + 2 * PAGE - 1);
	assert_ptr_equal(p, ram + PAGE);
	assert_null(mem_take("low", PAGE, PAGE, RAM + 2 * PAGE - 1));
	assert_null(mem_take("low", 1, 1, RAM + 2 * PAGE - 1));
	p = mem_take("middle", PAGE, PAGE, RAM + 3 * PAGE - 1);
	assert_ptr_equal(p, ram + 2 * PAGE);
	assert_null(mem_take("huge", 5 * PAGE, PAGE, MEM_ANY));
	p = mem_take("high", 10, 64, MEM_ANY);
	assert_ptr_equal(p, ram + 8 * PAGE + 128);
	p = mem_take("all", 3 * PAGE, PAGE, MEM_ANY);
	assert_ptr_equal(p, ram + 9 * PAGE);
	assert_int_equal(mem_left(), PAGE);
}

static void test_most(void **state)
{
	size_t got = 0;

	(void)state;
	mem_add(RAM, RAM + 3 * PAGE);
	mem_add(RAM + 16 * PAGE, RAM + 18 * PAGE);
	mem_add(RAM + 32 * PAGE, RAM + 48 * PAGE);
	mem_open();
	/* as much as is good, from the first that has it */
	assert_ptr_equal(mem_take_most("a", PAGE, 10 * PAGE, PAGE, MEM_ANY, &got), ram + 32 * PAGE);
	assert_int_equal(got, 10 * PAGE);
	/* the most that there is, in whole units */
	assert_ptr_equal(mem_take_most("b", PAGE, 10 * PAGE, 4 * PAGE, MEM_ANY, &got), ram + 44 * PAGE);
	assert_int_equal(got, 4 * PAGE);
	assert_ptr_equal(mem_take_most("c", PAGE, 10 * PAGE, PAGE, MEM_ANY, &got), ram);
	assert_int_equal(got, 3 * PAGE);
	/* the least, although it is no whole unit */
	assert_ptr_equal(mem_take_most("d", PAGE + 8, 10 * PAGE, 2 * PAGE, MEM_ANY, &got), ram + 16 * PAGE);
	assert_int_equal(got, 2 * PAGE);
	assert_null(mem_take_most("e", 1, 10 * PAGE, 4 * PAGE, MEM_ANY, &got));
	assert_int_equal(got, 2 * PAGE);
	assert_int_equal(fake_log_lines[0], 0);
}

static void test_least(void **state)
{
	size_t got;

	(void)state;
	mem_add(RAM, RAM + 3 * PAGE);
	mem_open();
	assert_ptr_equal(mem_take_most("d", 3 * PAGE, 10 * PAGE, 2 * PAGE, MEM_ANY, &got), ram);
	assert_int_equal(got, 3 * PAGE);
}

/* What was taken before the mark stays, what came after it is there again, zeroed */
static void test_rewind(void **state)
{
	uint8_t *kept, *p;

	(void)state;
	mem_add(RAM, RAM + 4 * PAGE);
	mem_open();
	kept = mem_take("kept", PAGE, PAGE, MEM_ANY);
	memset(kept, 1, PAGE);
	mem_mark();
	for (int i = 0; i < 3; i++) {
		p = mem_take("tried", 3 * PAGE, PAGE, MEM_ANY);
		assert_ptr_equal(p, kept + PAGE);
		for (unsigned k = 0; k < 3 * PAGE; k++)
			assert_int_equal(p[k], 0);
		memset(p, 2, 3 * PAGE);
		mem_close();
		assert_null(mem_take("late", 1, 1, MEM_ANY));
		assert_int_equal(fake_log_lines[0], i + 1);
		mem_rewind();
	}
	assert_int_equal(kept[PAGE - 1], 1);
	mem_take("tried", PAGE, PAGE, MEM_ANY);
	mem_mark();
	mem_rewind();
	assert_int_equal(take_all(), 2);
}

/* A page that cannot be mapped ends its piece */
static void test_refused(void **state)
{
	(void)state;
	refused = RAM + 2 * PAGE;
	mem_add(RAM, RAM + 8 * PAGE);
	mem_add(RAM + 32 * PAGE, RAM + 40 * PAGE);
	mem_open();
	assert_int_equal(take_all(), 10);
}

/* The highest piece needs a table, and none is mapped yet that it could come from */
static void test_tables(void **state)
{
	(void)state;
	needs_table = RAM + 128 * PAGE;
	mem_add(RAM, RAM + 8 * PAGE);
	mem_add(RAM + 128 * PAGE, RAM + 136 * PAGE);
	mem_open();
	assert_int_equal(tables, 1);
	assert_int_equal(take_all(), 15);
}

/* What a piece for tables looks like when it is the last */
static void test_no_tables(void **state)
{
	(void)state;
	needs_table = RAM;
	mem_add(RAM, RAM + 8 * PAGE);
	mem_open();
	assert_int_equal(mapped, 0);
	assert_int_equal(take_all(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_whole_pages, setup),
		cmocka_unit_test_setup(test_nothing, setup),
		cmocka_unit_test_setup(test_overlaps, setup),
		cmocka_unit_test_setup(test_remove, setup),
		cmocka_unit_test_setup(test_too_many, setup),
		cmocka_unit_test_setup(test_page_zero, setup),
		cmocka_unit_test_setup(test_large, setup),
		cmocka_unit_test_setup(test_limit, setup),
		cmocka_unit_test_setup(test_most, setup),
		cmocka_unit_test_setup(test_least, setup),
		cmocka_unit_test_setup(test_rewind, setup),
		cmocka_unit_test_setup(test_refused, setup),
		cmocka_unit_test_setup(test_tables, setup),
		cmocka_unit_test_setup(test_no_tables, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
