// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How often a disk is flushed: the batches of stub/send/out.c, on a disk that forgets what it is given and counts. What a flush
 * protects is tested by test_dump.c.
 */
/* needs: stub/send/out.c stub/disk/blk.c stub/overlay.c stub/idle.c tests/unit/fake/clock.c tests/unit/fake/arena.c tests/unit/fake/log.c */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capstub/kdump_format.h"
#include "stub/idle.h"
#include "stub/send/out.h"
#include "tests/unit/fake/arena.h"
#include "tests/unit/fake/bus.h"

#define PAGE	4096u
#define BLOCK	512u
#define TABLE	MIB(1)
#define DATA	MIB(16)

static uint64_t us_a_mib;	/* of data that is written */
static uint64_t written, last_flush;
static unsigned nr_flushes, small_flushes;	/* those that follow less than 64 MiB of data, and what was on its way */
static uint8_t page[PAGE] __attribute__((aligned(4096)));

int arch_read_mem(void *dst, phys_addr_t pa, size_t len)
{
	(void)pa;
	memset(dst, 0, len);
	return 0;
}

int arch_mem_is_zero(phys_addr_t pa, size_t len)
{
	(void)pa;
	(void)len;
	return 1;
}

int arch_write_mem(phys_addr_t pa, const void *src, size_t len)
{
	(void)pa;
	(void)src;
	(void)len;
	return 0;
}

static int submit(struct blk_dev *dev, struct blk_req *req)
{
	uint64_t len = (uint64_t)req->nr_blocks * BLOCK;

	(void)dev;
	req->status = 0;
	if (req->op == BLK_FLUSH) {
		nr_flushes++;
		small_flushes += written - last_flush < MIB(63);
		last_flush = written;
	} else if (req->lba >= DATA / BLOCK) {
		written += len;
		fake_now_us += us_a_mib * len / MIB(1);
	}
	return 0;
}

static int poll(struct blk_dev *dev)
{
	(void)dev;
	return 1;
}

static void shut_down(struct blk_dev *dev)
{
	(void)dev;
}

static const struct blk_ops ops = { submit, poll, shut_down };
static struct blk_dev dev = {
	.ops = &ops, .name = "counter", .block_size = BLOCK, .nr_blocks = 1ULL << 32, .max_bytes = 65536, .max_segs = 16,
	.queue_depth = 6, .has_flush = true, .dma_last = UINT64_MAX,
};
static struct target target = { .dev = &dev, .end = 1ULL << 40, .name = "counter" };

int target_lba(const struct target *t, uint64_t offset, uint64_t len, uint64_t *ret_lba)
{
	(void)t;
	(void)len;
	*ret_lba = offset / BLOCK;
	return 0;
}

int target_rw(struct target *t, enum blk_op op, uint64_t offset, void *buf, size_t len)
{
	return blk_rw(t->dev, op, offset / BLOCK, buf, len);
}

/* So much data, of pages that shrink to a third or of pages as they are. Returns how much was written. */
static uint64_t capture(uint64_t bytes, bool lzo)
{
	uint32_t size = lzo ? PAGE / 3 : PAGE;
	struct page_desc desc = { DATA, size, lzo ? KDUMP_COMPRESSED_LZO : 0, 0 };

	written = last_flush = nr_flushes = small_flushes = 0;
	assert_int_equal(out_init(&target, PAGE, page), 0);
	assert_int_equal(out_desc_start(TABLE, bytes / size, true, 0), 0);
	out_strict(false);
	if (lzo)
		out_stream_start(DATA);
	for (uint64_t i = 0; i < bytes / size; i++) {
		if (lzo) {
			desc.offset = (int64_t)out_stream_offset();
			assert_int_equal(out_stream_write(page, size), 0);
		} else {
			desc.offset = (int64_t)(DATA + i * PAGE);
			assert_int_equal(out_raw((uint64_t)desc.offset, MIB(1024) + i * PAGE, PAGE), 0);
		}
		assert_int_equal(out_desc_put(i, &desc), 0);
	}
	if (lzo)
		out_stream_end();
	assert_int_equal(out_desc_end(), 0);
	assert_int_equal(out_stored(), bytes / size);
	return written;
}

/* On a quick disk a batch is 64 MiB at least; but for the last one, whose steps take a flush each */
static void test_quick(void **state)
{
	(void)state;
	fake_step_us = 0;
	for (unsigned lzo = 0; lzo < 2; lzo++) {
		us_a_mib = 500;
		assert_true(capture(MIB(1024), lzo) >= MIB(1024) - PAGE);
		assert_in_range(nr_flushes, 16, 16 + 4);
		assert_true(small_flushes <= 4);
	}
}

/* On a slow one a batch is what is written in a second: more would be lost with the power */
static void test_slow(void **state)
{
	(void)state;
	fake_step_us = 0;
	us_a_mib = 100000;
	capture(MIB(256), false);
	assert_in_range(nr_flushes, 25, 26 + 4);
}

/* With little memory the log of descriptors says when */
static void test_little_memory(void **state)
{
	(void)state;
	fake_step_us = 0;
	us_a_mib = 500;
	fake_arena_most = KIB(40);
	capture(MIB(256), true);
	fake_arena_most = SIZE_MAX;
	assert_in_range(nr_flushes, 4, 256);
}

/* A disk without a volatile cache is never told */
static void test_no_cache(void **state)
{
	(void)state;
	fake_step_us = 0;
	us_a_mib = 500;
	dev.has_flush = false;
	capture(MIB(256), false);
	dev.has_flush = true;
	assert_int_equal(nr_flushes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quick), cmocka_unit_test(test_slow), cmocka_unit_test(test_little_memory),
		cmocka_unit_test(test_no_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
