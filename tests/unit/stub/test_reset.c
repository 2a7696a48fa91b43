// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/reset.c tests/unit/fake/log.c */
/* Ways to reset the machine, none of which works, and one that brings us back by a fault */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "stub/log.h"
#include "stub/reset.h"

static char said[64];
static jmp_buf fault;

void log_flush(void)
{
	strcat(said, ".");
}

static void first(void)
{
	strcat(said, "1");
}

static void second(void)
{
	strcat(said, "2");
}

static void faulty(void)
{
	strcat(said, "F");
	longjmp(fault, 1);
}

static const struct reset_way ways[] = { { "acpi", first }, { "cf9", second }, { "kbd", faulty } };

/* The order, and that what was tried is not tried again; one test, because it happens once in a machine's life */
static void test_order(void **state)
{
	(void)state;
	if (!setjmp(fault))
		reset_try(ways, 2, NULL);
	assert_string_equal(said, ".1.2");
	reset_try(ways, 2, "cf9");
	assert_string_equal(said, ".1.2");
	if (!setjmp(fault))
		reset_try(ways, 3, "psci");
	assert_string_equal(said, ".1.2.F");
	reset_try(ways, 3, "kbd");
	assert_string_equal(said, ".1.2.F");
}

static const struct reset_way other[] = {
	{ "a", first }, { "b", first }, { "c", first }, { "d", second }, { "e", faulty }, { "f", second },
};

/* The first three were tried above: their places are taken */
static void test_asked(void **state)
{
	(void)state;
	said[0] = 0;
	if (!setjmp(fault))
		reset_try(other, 6, "e");
	assert_string_equal(said, ".F");
	reset_try(other, 6, "e");
	assert_string_equal(said, ".F.2.2");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_order), cmocka_unit_test(test_asked) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
