// SPDX-License-Identifier: GPL-2.0-or-later
/* Every run of bits at every place, and nothing beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "stub/format/bitmap.h"

static void test_runs(void **state)
{
	(void)state;
	for (unsigned from = 0; from <= 40; from++)
		for (unsigned to = from; to <= 40; to++) {
			uint8_t bits[5] = { 0 };

			set_bits(bits, from, to);
			for (unsigned i = 0; i < 40; i++)
				assert_int_equal(bits[i / 8] >> i % 8 & 1, i >= from && i < to);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_runs) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
