// SPDX-License-Identifier: GPL-2.0-or-later
/* What happens while the stub waits, and the overall deadline. */
/* needs: stub/idle.c tests/unit/fake/clock.c */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "stub/timeout.h"
#include "tests/unit/fake/bus.h"

static char order[16];
static unsigned runs, looks;
static uint64_t last_us;

static void count_look(void)
{
	looks++;
}

static int set_up(void **state)
{
	(void)state;
	memset(order, 0, sizeof(order));
	runs = looks = 0;
	last_us = 0;
	fake_step_us = 1;
	/* the clock goes on, as in the stub: what was due stays so */
	fake_tick = count_look;
	idle_set_hooks(NULL);
	idle_set_deadline(0);
	return 0;
}

static void note(char c)
{
	if (runs < sizeof(order) - 1)
		order[runs] = c;
	runs++;
}

static void hook_a(uint64_t now_us)
{
	assert_true(now_us > last_us);
	last_us = now_us;
	note('a');
}

static void hook_b(uint64_t now_us)
{
	assert_true(now_us >= last_us);
	note('b');
}

/* Waits itself, long enough for every hook to become due again */
static void hook_waiting(uint64_t now_us)
{
	(void)now_us;
	note('w');
	delay_us(20 * IDLE_PERIOD_US);
}

static void test_hooks_run_in_order(void **state)
{
	static idle_hook *const table[] = { hook_a, hook_b, NULL };

	(void)state;
	idle_set_hooks(table);
	delay_us(2 * IDLE_PERIOD_US);
	assert_true(runs >= 2);
	assert_memory_equal(order, "ab", 2);
}

/* About once in a period while something is waited for, neither never nor at each call */
static void test_hooks_run_every_so_often(void **state)
{
	static idle_hook *const table[] = { hook_a, NULL };

	(void)state;
	idle_set_hooks(table);
	delay_us(100 * IDLE_PERIOD_US);
	assert_in_range(runs, 80, 101);
}

static void test_a_hook_may_wait(void **state)
{
	static idle_hook *const table[] = { hook_waiting, NULL };

	(void)state;
	idle_set_hooks(table);
	assert_int_equal(poll_until_us(runs == 2, 100 * IDLE_PERIOD_US), 0);
	assert_memory_equal(order, "ww", 3);
}

/* The tightest loops must not be made slower: without a hook no look at the clock, with one a few */
static void test_cheap(void **state)
{
	static idle_hook *const table[] = { hook_a, NULL };

	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		idle();
	assert_int_equal(looks, 0);
	idle_set_hooks(table);
	for (unsigned i = 0; i < 10000; i++)
		idle();
	assert_in_range(looks, 1, 10000 / 8);
	runs = 0;
	for (unsigned i = 0; i < 100 * IDLE_PERIOD_US; i++)
		idle_busy();
	assert_in_range(runs, 4, 100);
}

static void test_poll(void **state)
{
	unsigned n = 0;

	(void)state;
	assert_int_equal(poll_until_us(++n == 5, 1000), 0);
	assert_int_equal(n, 5);
	n = 0;
	assert_int_equal(poll_until_us(++n > 1000000, 1000), -ETIMEDOUT);
	assert_in_range(n, 500, 1002);
	/* a stall that takes all the time there was: the condition has the last word */
	fake_step_us = 5000;
	n = 0;
	assert_int_equal(poll_until_us(++n == 2, 1000), 0);
}

static void test_overall_deadline(void **state)
{
	(void)state;
	assert_false(idle_deadline_over());
	idle_set_deadline(fake_now_us + 1000);
	assert_false(idle_deadline_over());
	delay_us(1000);
	assert_true(idle_deadline_over());
	assert_false(idle_grace_over());
	idle_set_deadline(fake_now_us > IDLE_GRACE_US ? fake_now_us - IDLE_GRACE_US : 1);
	delay_us(IDLE_GRACE_US);
	assert_true(idle_grace_over());
	idle_set_deadline(0);
	assert_false(idle_deadline_over());
	assert_false(idle_grace_over());
}

static uint64_t waited(uint64_t us)
{
	uint64_t start = fake_now_us;

	assert_int_equal(poll_until_us(false, us), -ETIMEDOUT);
	return fake_now_us - start;
}

static void test_waits_end_after_the_grace(void **state)
{
	const uint64_t min = 60000000;

	(void)state;
	fake_step_us = 1000;
	/* before the deadline, and within the grace, as long as was asked for */
	idle_set_deadline(fake_now_us + 10 * min);
	assert_in_range(waited(3 * min), 3 * min, 3 * min + 3000);
	idle_set_deadline(fake_now_us);
	assert_in_range(waited(30000000), 30000000, 30003000);
	/* one that is under way when the grace ends is cut there */
	assert_in_range(waited(3 * min), IDLE_GRACE_US - 30100000, IDLE_GRACE_US - 29900000);
	/* later ones have this much left, and what is short is not touched */
	assert_in_range(waited(3 * min), IDLE_LATE_US, IDLE_LATE_US + 3000);
	assert_in_range(waited(5000), 5000, 8000);
	/* a device needs its delays whatever time it is */
	idle_set_deadline(1);
	{
		uint64_t start = fake_now_us;

		delay_us(5 * IDLE_LATE_US);
		assert_true(fake_now_us - start >= 5 * IDLE_LATE_US);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_hooks_run_in_order, set_up),
		cmocka_unit_test_setup(test_hooks_run_every_so_often, set_up),
		cmocka_unit_test_setup(test_a_hook_may_wait, set_up),
		cmocka_unit_test_setup(test_cheap, set_up),
		cmocka_unit_test_setup(test_poll, set_up),
		cmocka_unit_test_setup(test_overall_deadline, set_up),
		cmocka_unit_test_setup(test_waits_end_after_the_grace, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
