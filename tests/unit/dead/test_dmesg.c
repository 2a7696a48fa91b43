/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log reader over a made-up dead kernel: both kinds of log, their wrap-around, the last lines
 * only, and damage.
 */
/* needs: stub/idle.c tests/unit/fake/clock.c stub/dead/dmesg.c stub/dead/vmcore.c tests/host/machine.c tests/unit/fake/log.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "stub/dead/dmesg.h"
#include "stub/idle.h"
#include "tests/host/machine.h"
#include "tests/unit/fake/bus.h"

static struct vtop vt;
static char out[MACHINE_LOG_MAX];
static size_t len, pieces, limit;

static int collect(void *ctx, const char *text, size_t n)
{
	assert_ptr_equal(ctx, &vt);
	assert_true(n > 0 && n <= 1024);
	if (len + n < sizeof(out)) {
		memcpy(out + len, text, n);
		out[len + n] = 0;
	}
	len += n;
	pieces++;
	return limit && len > limit ? -5 : 0;
}

static int emit(unsigned last)
{
	len = pieces = 0;
	out[0] = 0;
	vtop_init(&vt, &machine.vc, &machine.vi);
	return dmesg_emit(&vt, &machine.vi, last, collect, &vt);
}

static unsigned lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n' && text[1] != ' ' && text[1];
	return n + 1;
}

static void test_whole(void **state)
{
	(void)state;
	for (int style = 0; style < STYLE_NR; style++) {
		for (unsigned seed = 0; seed < 20; seed++) {
			machine_build(style, MODEL_EXTREME, seed % 2, seed);
			assert_int_equal(emit(0), lines(machine.log));
			assert_string_equal(out, machine.log);
			assert_int_equal(machine.stray, 0);
		}
	}
}

/* A log may be long: watchdogs are fed meanwhile */
static void test_idle(void **state)
{
	(void)state;
	idle_set_hooks(fake_feeding);
	fake_step_us = IDLE_PERIOD_US;
	for (int style = 0; style < 2; style++) {
		machine_build(style, MODEL_EXTREME, false, 1);
		fake_fed = 0;
		emit(0);
		assert_true(fake_fed > 1);
	}
	fake_step_us = 10;
	idle_set_hooks(NULL);
}

static void test_last(void **state)
{
	(void)state;
	for (int style = 0; style < 2; style++) {
		machine_build(style, MODEL_EXTREME, false, 1);
		for (unsigned last = 1; last < 60; last++) {
			int n = emit(last);

			/* records without text count, too */
			assert_true(n > 0 && n <= (int)last && n >= (int)last - 3);
			assert_true(len <= strlen(machine.log));
			assert_string_equal(out, machine.log + strlen(machine.log) - len);
		}
		assert_int_equal(emit(100000), lines(machine.log));
		assert_string_equal(out, machine.log);
	}
}

/* What emit returns ends the work. */
static void test_emit_error(void **state)
{
	(void)state;
	for (int style = 0; style < 2; style++) {
		machine_build(style, MODEL_EXTREME, false, 1);
		limit = 500;
		assert_int_equal(emit(0), -5);
		assert_true(len > 500 && len < 500 + 1024);
		limit = 0;
	}
}

static void test_missing_entries(void **state)
{
	(void)state;
	for (int style = 0; style < 2; style++) {
		char entry[64];
		size_t pos = 0;
		unsigned failed = 0;

		machine_build(style, MODEL_EXTREME, false, 1);
		struct vmcoreinfo all = machine.vi;

		while (machine.vi = all, machine_next_entry(&pos, entry, sizeof(entry))) {
			int n;

			fake_log_reset();
			assert_true(machine_remove(entry));
			n = emit(0);
			if (n < 0) {
				failed++;
				assert_int_equal(len, 0);
				assert_true(fake_log_lines[0] + fake_log_lines[1] > 0);
			} else {
				assert_string_equal(out, machine.log);
			}
		}
		assert_true(failed >= 5);
	}
}

/* Where the log lives: everything that was read must lie in it */
static uint64_t covered;

static void range(void *ctx, uint64_t va, uint64_t n)
{
	phys_addr_t pa;

	(void)ctx;
	assert_int_equal(vtop(&vt, va, &pa, NULL), 0);
	assert_true(range_inside(pa, n, machine.log_pa, machine.log_pa + machine.log_len));
	covered += n;
}

static void test_ranges(void **state)
{
	(void)state;
	machine_build(STYLE_5_10, MODEL_EXTREME, false, 1);
	vtop_init(&vt, &machine.vc, &machine.vi);
	covered = 0;
	dmesg_ranges(&vt, &machine.vi, range, NULL);
	assert_int_equal(covered, 64 * 24 + 64 * 88 + 8192);
	machine_build(STYLE_4_19, MODEL_EXTREME, false, 1);
	vtop_init(&vt, &machine.vc, &machine.vi);
	covered = 0;
	dmesg_ranges(&vt, &machine.vi, range, NULL);
	assert_int_equal(covered, 16384);
}

/* Seeded damage of buffers and control structures: an end, in time, and no read outside RAM */
static void test_corruption(void **state)
{
	(void)state;
	for (int style = 0; style < 2; style++) {
		machine_build(style, MODEL_EXTREME, false, 2);
		machine_seed(3);
		for (unsigned round = 0; round < 300; round++) {
			struct { uint64_t pa, old; } saved[8];

			for (unsigned i = 0; i < ARRAY_SIZE(saved); i++) {
				/* the variables of the image, or the log itself */
				uint64_t pa =
					machine_random() % 2
						? machine.pgd + 0x10000 + machine_random() % 512
						: machine.log_pa + machine_random() % 0xc000;
				uint64_t r = machine_random();

				saved[i].pa = pa &= ~7ULL;
				memcpy(&saved[i].old, machine.ram + pa, 8);
				r = r % 2 ? saved[i].old ^ BIT(r / 2 % 64) : r;
				memcpy(machine.ram + pa, &r, 8);
			}
			machine.reads = 0;
			emit(round % 3 ? 0 : 20);
			assert_true(machine.reads < 200000);
			for (unsigned i = ARRAY_SIZE(saved); i--; )
				memcpy(machine.ram + saved[i].pa, &saved[i].old, 8);
		}
		assert_int_equal(emit(0), lines(machine.log));
		assert_string_equal(out, machine.log);
	}
	assert_int_equal(machine.stray, 0);
}

#define DIRECT		0xffff888000000000ULL
#define DATA		(MIB(16) + 0x20000)	/* the image's variables, among them that of the log */
#define PRB		MIB(23)
#define DESCS		MIB(24)
#define ENDLESS		MIB(60)

static void put(uint64_t pa, uint64_t value, unsigned bytes)
{
	memcpy(machine.ram + pa, &value, bytes);
}

static void hostile(uint64_t least_reads, uint64_t least_text)
{
	clock_t start = clock();

	machine.reads = 0;
	alarm(120);
	assert_true(emit(0) > 0);
	alarm(0);
	assert_in_range(machine.reads, least_reads, 18000000);
	assert_true(len >= least_text);
	assert_true(clock() - start < 60 * CLOCKS_PER_SEC);
	assert_int_equal(machine.stray, 0);
}

/* The largest ring, of descriptors at DESCS; infos and text are the same page again and again */
static void build_ring(unsigned count_bits)
{
	machine_build(STYLE_5_10, MODEL_EXTREME, false, 1);
	machine_endless(ENDLESS);
	memset(machine.ram + ENDLESS, 0, 4096);
	put(DATA + 128, DIRECT + PRB, 8);
	put(PRB, count_bits, 4);
	put(PRB + 8, DIRECT + DESCS, 8);
	put(PRB + 16, MACHINE_ENDLESS, 8);
	put(PRB + 24, BIT(count_bits) - 1, 8);
	put(PRB + 32, 0, 8);
	put(PRB + 48, 27, 4);
	put(PRB + 56, MACHINE_ENDLESS + BIT(30), 8);
}

/* Four million records without text: descriptors of one word, which is state and both positions */
static void test_hostile_ring(void **state)
{
	(void)state;
	build_ring(22);
	for (uint64_t i = 0; i < BIT(22); i++)
		put(DESCS + 8 * i, i | 1ULL << 62, 8);
	assert_true(machine_remove("SIZE(prb_desc)"));
	assert_true(machine_remove("OFFSET(prb_desc.text_blk_lpos)"));
	assert_true(machine_remove("OFFSET(prb_data_blk_lpos.next)"));
	machine_info("SIZE(prb_desc)=8");
	machine_info("OFFSET(prb_desc.text_blk_lpos)=0");
	machine_info("OFFSET(prb_data_blk_lpos.next)=0");
	machine.reads = 0;
	alarm(120);
	assert_int_equal(emit(0), 0);
	alarm(0);
	assert_in_range(machine.reads, 5000000, 16000000);
	assert_int_equal(machine.stray, 0);
}

/* A million records, each with its share of 128 MiB of text */
static void test_hostile_text(void **state)
{
	(void)state;
	build_ring(20);
	memset(machine.ram + ENDLESS, 'x', 4096);
	for (uint64_t i = 0; i < BIT(20); i++) {
		put(DESCS + 24 * i, i | 1ULL << 62, 8);
		put(DESCS + 24 * i + 8, 128 * i, 8);
		put(DESCS + 24 * i + 16, 128 * i + 136, 8);
	}
	hostile(10000000, MIB(127));
}

/* Eight million records of no text in a log_buf, in pages that each cost a walk */
static void test_hostile_log_buf(void **state)
{
	(void)state;
	machine_build(STYLE_4_19, MODEL_EXTREME, false, 1);
	machine_endless(ENDLESS);
	memset(machine.ram + ENDLESS, 0, 4096);
	for (unsigned at = 0; at < 4096; at += 16)
		put(ENDLESS + at + 8, 16, 2);
	put(DATA + 128, MACHINE_ENDLESS, 8);
	put(DATA + 136, BIT(27), 4);
	put(DATA + 140, 0, 4);
	put(DATA + 144, BIT(27), 4);
	hostile(8000000, MIB(15));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_last),
		cmocka_unit_test(test_emit_error),
		cmocka_unit_test(test_missing_entries),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_corruption),
		cmocka_unit_test(test_hostile_ring),
		cmocka_unit_test(test_hostile_text),
		cmocka_unit_test(test_hostile_log_buf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
