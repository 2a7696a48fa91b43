// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The compressor keeps to the memory that the stub gives it: less than its header asks for, see stub/send/dump.h. Every kind of page, with
 * guards behind the dictionary and behind the output.
 */
#include <lzo/lzo1x.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stub/send/dump.h"

#define PAGE	65536u
#define GUARD	(1u << 18)
#define FILLER	0xa5

static uint8_t work[LZO_WORK_SIZE + GUARD] __attribute__((aligned(64)));
static uint8_t in[PAGE], out[PAGE + PAGE / 16 + 67 + GUARD], back[PAGE];

static void fill(unsigned kind, size_t len)
{
	for (size_t i = 0; i < len; i++)
		in[i] = kind == 0 ? 0 : kind == 1 ? (uint8_t)rand() : kind == 2 ? (uint8_t)(rand() % 3) :
			kind == 3 ? (uint8_t)(i / 7) : (uint8_t)(i % 64 < 8 ? rand() : 0);
}

static void untouched(const uint8_t *from, const uint8_t *end)
{
	while (from < end)
		assert_int_equal(*from++, FILLER);
}

static void test_bounds(void **state)
{
	static const size_t sizes[] = { 4096, 16384, 65536 };

	(void)state;
	for (unsigned run = 0; run < 300; run++) {
		size_t len = sizes[run % 3];
		lzo_uint packed = 0, unpacked = PAGE;

		memset(work, FILLER, sizeof(work));
		memset(out, FILLER, sizeof(out));
		fill(run % 5, len);
		assert_int_equal(lzo1x_1_11_compress(in, len, out, &packed, work), LZO_E_OK);
		untouched(work + LZO_WORK_SIZE, work + sizeof(work));
		assert_true(packed <= len + len / 16 + 67);
		untouched(out + len + len / 16 + 67, out + sizeof(out));
		assert_int_equal(lzo1x_decompress_safe(out, packed, back, &unpacked, NULL), LZO_E_OK);
		assert_int_equal(unpacked, len);
		assert_memory_equal(in, back, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_bounds) };

	return lzo_init() == LZO_E_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
