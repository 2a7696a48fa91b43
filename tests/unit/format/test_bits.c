// SPDX-License-Identifier: GPL-2.0-or-later
/* The helpers of stub/bits.h: each exists once, each is tested once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "stub/bits.h"

static void test_masks(void **state)
{
	(void)state;
	assert_true(GENMASK(0, 0) == 1);
	assert_true(GENMASK(63, 0) == UINT64_MAX);
	assert_true(GENMASK(63, 63) == 0x8000000000000000);
	assert_true(GENMASK(51, 12) == 0x000ffffffffff000);
	assert_true(GENMASK(31, 24) == 0xff000000);
	assert_true(BIT(0) == 1 && BIT(31) == 0x80000000 && BIT(63) == 0x8000000000000000);
}

static void test_fields(void **state)
{
	(void)state;
	assert_true(FIELD_GET(GENMASK(31, 24), 0x12345678) == 0x12);
	assert_true(FIELD_GET(GENMASK(63, 60), 0xabcdef0123456789) == 0xa);
	assert_true(FIELD_GET(1, 3) == 1);
	assert_true(FIELD_PREP(GENMASK(31, 24), 0x12) == 0x12000000);
	assert_true(FIELD_PREP(GENMASK(63, 60), 0xa) == 0xa000000000000000);
	/* what does not fit the field is cut, not spread over its neighbours */
	assert_true(FIELD_PREP(GENMASK(7, 4), 0x123) == 0x30);
	for (unsigned v = 0; v < 256; v++)
		assert_true(FIELD_GET(GENMASK(20, 13), FIELD_PREP(GENMASK(20, 13), v)) == v);
}

static void test_alignment(void **state)
{
	(void)state;
	assert_true(ALIGN_DOWN(0x12345, 0x1000) == 0x12000);
	assert_true(ALIGN_DOWN(0x12000, 0x1000) == 0x12000);
	assert_true(ALIGN_UP(0x12345, 0x1000) == 0x13000);
	assert_true(ALIGN_UP(0x12000, 0x1000) == 0x12000);
	assert_true(ALIGN_UP(0, 0x1000) == 0);
	assert_true(ALIGN_UP(1, 1) == 1);
	/* a 32-bit value next to a 64-bit mask keeps its upper half */
	assert_true(ALIGN_DOWN(0xffffffffffffffff, 4096u) == 0xfffffffffffff000);
	assert_true(IS_ALIGNED(0, 4096) && IS_ALIGNED(8192, 4096) && !IS_ALIGNED(4097, 4096));
	assert_false(IS_ALIGNED(2048, 4096));
}

static void test_division(void **state)
{
	(void)state;
	assert_int_equal(DIV_ROUND_UP(0, 8), 0);
	assert_int_equal(DIV_ROUND_UP(1, 8), 1);
	assert_int_equal(DIV_ROUND_UP(8, 8), 1);
	assert_int_equal(DIV_ROUND_UP(9, 8), 2);
	assert_true(KIB(4) == 4096 && MIB(1) == 1048576 && MIB(8192) == 0x200000000);
}

static void test_functions(void **state)
{
	(void)state;
	assert_true(min_u64(1, UINT64_MAX) == 1 && min_u64(UINT64_MAX, 1) == 1 &&
		    min_u64(5, 5) == 5);
	assert_true(max_u64(1, UINT64_MAX) == UINT64_MAX && max_u64(UINT64_MAX, 1) == UINT64_MAX);
	assert_false(is_power_of_2(0));
	assert_true(is_power_of_2(1) && is_power_of_2(4096) && is_power_of_2(BIT(63)));
	assert_false(is_power_of_2(3) || is_power_of_2(UINT64_MAX));
}

static void test_range_inside(void **state)
{
	(void)state;
	assert_true(range_inside(10, 10, 10, 20));
	assert_true(range_inside(10, 0, 10, 10));
	assert_true(range_inside(20, 0, 10, 20));
	assert_false(range_inside(9, 1, 10, 20));
	assert_false(range_inside(20, 1, 10, 20));
	assert_false(range_inside(10, 11, 10, 20));
	/* no wrap-around makes a range fit */
	assert_false(range_inside(UINT64_MAX, 2, 0, UINT64_MAX));
	assert_false(range_inside(1, UINT64_MAX, 0, UINT64_MAX));
	assert_true(range_inside(0, UINT64_MAX, 0, UINT64_MAX));
	/* an empty surrounding holds nothing, nor does one upside down */
	assert_false(range_inside(15, 1, 20, 10));
	assert_false(range_inside(20, 0, 20, 10));
}

static void test_first_above(void **state)
{
	struct { uint32_t other; uint64_t end; } v[5] = { { 0, 3 }, { 0, 3 }, { 0, 7 }, { 0, 9 }, { 0, UINT64_MAX } };

	(void)state;
	for (unsigned nr = 0; nr <= ARRAY_SIZE(v); nr++)
		for (uint64_t value = 0; value < 12; value++) {
			unsigned want = 0;

			while (want < nr && v[want].end <= value)
				want++;
			assert_int_equal(FIRST_ABOVE(v, nr, end, value), want);
		}
	assert_int_equal(FIRST_ABOVE(v, 5, end, UINT64_MAX), 5);
	assert_int_equal(FIRST_ABOVE((&v[0]), 0, end, 1), 0);
}

struct outer {
	int before;
	struct {
		long x;
	} inner;
};

static void test_structs(void **state)
{
	struct outer o;
	int array[7];

	(void)state;
	assert_int_equal(ARRAY_SIZE(array), 7);
	assert_ptr_equal(container_of(&o.inner, struct outer, inner), &o);
	assert_ptr_equal(container_of(&o.before, struct outer, before), &o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_masks),	  cmocka_unit_test(test_fields),
		cmocka_unit_test(test_alignment), cmocka_unit_test(test_division),
		cmocka_unit_test(test_functions), cmocka_unit_test(test_range_inside),
		cmocka_unit_test(test_first_above),
		cmocka_unit_test(test_structs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
