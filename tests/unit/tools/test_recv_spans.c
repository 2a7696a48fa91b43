// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: tools/recv/spans.c tools/util.c */
/* Interval sets against a plain bitmap, with random operations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tools/recv/spans.h"

#define N	200u

static void check(const struct spans *s, const bool *map)
{
	struct span gap;

	for (unsigned i = 0; i < s->nr; i++) {
		assert_true(s->v[i].from < s->v[i].to);
		if (i)
			assert_true(s->v[i - 1].to < s->v[i].from);
	}
	for (unsigned from = 0; from < N; from += 7) {
		for (unsigned to = from; to <= N; to += 5) {
			unsigned first = from, count = 0, last;

			while (first < to && map[first])
				first++;
			for (last = first; last < to && !map[last];)
				last++;
			for (unsigned i = from; i < to; i++)
				count += map[i];
			assert_int_equal(spans_count(s, from, to), count);
			assert_int_equal(spans_has(s, from, to), first == to);
			assert_int_equal(spans_gap(s, from, to, &gap), first != to);
			if (first != to) {
				assert_int_equal(gap.from, first);
				assert_int_equal(gap.to, last);
			}
		}
	}
}

static void test_random(void **state)
{
	(void)state;
	srandom(1);
	for (unsigned round = 0; round < 50; round++) {
		struct spans s = { 0 };
		bool map[N] = { 0 };

		for (unsigned k = 0; k < 60; k++) {
			unsigned from = (unsigned)random() % N, to = from + (unsigned)random() % (N - from + 1);
			bool add = random() % 3;

			if (to > from + 30)
				to = from + 30;
			if (add)
				assert_true(spans_add(&s, from, to));
			else
				spans_remove(&s, from, to);
			for (unsigned i = from; i < to; i++)
				map[i] = add;
			check(&s, map);
		}
		spans_free(&s);
	}
}

static void test_bounded(void **state)
{
	struct spans s = { 0 };

	(void)state;
	for (uint64_t i = 0; i < SPANS_MAX; i++)
		assert_true(spans_add(&s, 2 * i, 2 * i + 1));
	assert_false(spans_add(&s, 4 * SPANS_MAX, 4 * SPANS_MAX + 1));
	assert_int_equal(s.nr, SPANS_MAX);
	/* Joining needs no room */
	assert_true(spans_add(&s, 0, 2 * SPANS_MAX));
	assert_int_equal(s.nr, 1);
	assert_true(spans_add(&s, ~0ULL - 1, ~0ULL));
	assert_int_equal(s.nr, 2);
	spans_free(&s);
}

/* Taking pieces out of the middle does not use memory without bound either; what is taken out is out. */
static void test_bounded_remove(void **state)
{
	struct spans s = { 0 };

	(void)state;
	for (uint64_t i = 0; i < SPANS_MAX; i++)
		assert_true(spans_add(&s, 100 * i, 100 * i + 90));
	assert_int_equal(s.nr, SPANS_MAX);
	/* The longer part stays, the others are not touched */
	spans_remove(&s, 720, 730);
	assert_true(spans_has(&s, 730, 790));
	assert_int_equal(spans_count(&s, 700, 730), 0);
	spans_remove(&s, 860, 870);
	assert_true(spans_has(&s, 800, 860));
	assert_int_equal(spans_count(&s, 860, 900), 0);
	assert_int_equal(spans_count(&s, 0, 700), 7 * 90);
	assert_int_equal(spans_count(&s, 900, 100 * SPANS_MAX), (SPANS_MAX - 9) * 90);
	assert_int_equal(s.nr, SPANS_MAX);
	for (uint64_t i = 0; i < SPANS_MAX; i++) {
		for (unsigned k = 0; k < 9; k++) {
			spans_remove(&s, 100 * i + 10 * k + 3, 100 * i + 10 * k + 5);
			assert_int_equal(spans_count(&s, 100 * i + 10 * k + 3, 100 * i + 10 * k + 5), 0);
		}
	}
	assert_true(s.nr <= SPANS_MAX && s.room <= SPANS_MAX);
	/* With room again, as asked */
	spans_remove(&s, 0, 50 * SPANS_MAX);
	assert_true(spans_add(&s, 0, 90));
	spans_remove(&s, 20, 30);
	assert_int_equal(spans_count(&s, 0, 90), 80);
	spans_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random), cmocka_unit_test(test_bounded),
					    cmocka_unit_test(test_bounded_remove) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
