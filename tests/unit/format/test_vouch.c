// SPDX-License-Identifier: GPL-2.0-or-later
/* The label of a target that has grown: where it is looked for, and how long. The rest of vouch.c: test_label.c, test_dump.c */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "stub/bits.h"
#include "stub/format/crc.h"
#include "stub/format/vouch.h"

/* Zeros, but for a label of a target of that size */
static uint64_t label_end, fails_at;
static unsigned reads;

static int read_block(void *ctx, uint64_t offset, void *block)
{
	struct capstub_label *l = block;

	assert_true(offset % VOUCH_BLOCK == 0 && offset <= ((struct vouch_src *)ctx)->end - VOUCH_BLOCK);
	if (++reads == fails_at)
		return -ETIMEDOUT;
	memset(block, 0, VOUCH_BLOCK);
	if (offset + CAPSTUB_LABEL_SIZE != label_end)
		return 0;
	memcpy(l->magic, CAPSTUB_LABEL_MAGIC, sizeof(l->magic));
	l->version = CAPSTUB_LABEL_VERSION;
	l->target_bytes = label_end;
	memset(l->name, 'n', sizeof(l->name));
	l->crc32c = crc32c(0, l, sizeof(*l));
	return 0;
}

static _Alignas(8) uint8_t buf[VOUCH_BLOCK];

static uint64_t find(uint64_t old, uint64_t new)
{
	struct vouch_src src = { read_block, &src, buf, new };

	label_end = old;
	reads = 0;
	return vouch_find_smaller(&src);
}

static void test_where(void **state)
{
	static const struct {
		uint64_t old, new;
	} sizes[] = {
		{ MIB(64), MIB(64) + 4096 }, { MIB(64) - 8192, MIB(65) }, { MIB(100), MIB(8000) },
		/* to the end of a GPT disk, and of a larger one */
		{ MIB(500) - 20480, MIB(5000) - 20480 }, { MIB(1024) * 20, MIB(1024) * 2000 },
		{ MIB(1024) * 500, MIB(1024) * 4000 }, { CAPSTUB_TARGET_MIN, MIB(160) },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_true(find(sizes[i].old, sizes[i].new) == sizes[i].old);
		assert_string_equal(((struct capstub_label *)buf)->magic, "CAPSTUB");
		assert_int_equal(((struct capstub_label *)buf)->name[63], 0);
	}
	/* nor anywhere else, nor is the label at the end one of these */
	assert_true(find(MIB(777) + 4096, MIB(1024)) == 0);
	assert_true(find(MIB(64), MIB(64)) == 0);
}

static void test_steps(void **state)
{
	static const uint64_t sizes[] = { CAPSTUB_TARGET_MIN, MIB(2), MIB(64), MIB(1) << 20, BIT(60), ~(uint64_t)4095 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_true(find(0, sizes[i]) == 0);
		assert_true(reads < VOUCH_STEPS);
	}
	assert_true(reads > 20000);
	fails_at = 100;
	assert_true(find(MIB(64), MIB(100)) == 0);
	assert_int_equal(reads, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where),
		cmocka_unit_test(test_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
