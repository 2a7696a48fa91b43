// SPDX-License-Identifier: GPL-2.0-or-later
/* Both CRCs against published check values and against the definition, bit by bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "stub/format/crc.h"

/* The definition: reflected, all ones before and after */
static uint32_t slow(uint32_t poly, uint32_t crc, const uint8_t *p, size_t len)
{
	crc = ~crc;
	while (len-- > 0) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc & 1 ? crc >> 1 ^ poly : crc >> 1;
	}
	return ~crc;
}

/* RFC 3720 B.4 for CRC-32C; the check value of "123456789" for both */
static void test_published(void **state)
{
	uint8_t b[32];

	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32_ieee(0, "123456789", 9), 0xcbf43926);
	memset(b, 0, 32);
	assert_int_equal(crc32c(0, b, 32), 0x8a9136aa);
	memset(b, 0xff, 32);
	assert_int_equal(crc32c(0, b, 32), 0x62a8ab43);
	for (int i = 0; i < 32; i++)
		b[i] = i;
	assert_int_equal(crc32c(0, b, 32), 0x46dd794e);
	for (int i = 0; i < 32; i++)
		b[i] = 31 - i;
	assert_int_equal(crc32c(0, b, 32), 0x113fdb5c);
}

static void test_definition(void **state)
{
	uint8_t b[256];

	(void)state;
	for (int i = 0; i < 256; i++)
		b[i] = i;
	/* each table entry alone, then pieces of all lengths */
	for (int i = 0; i < 256; i++) {
		assert_int_equal(crc32c(0, b + i, 1), slow(0x82f63b78, 0, b + i, 1));
		assert_int_equal(crc32_ieee(0, b + i, 1), slow(0xedb88320, 0, b + i, 1));
		assert_int_equal(crc32c(0, b, i), slow(0x82f63b78, 0, b, i));
		assert_int_equal(crc32_ieee(0, b, i), slow(0xedb88320, 0, b, i));
	}
}

static void test_pieces(void **state)
{
	static const char text[] = "fed piece by piece, the value is that of the whole";
	size_t len = sizeof(text) - 1;

	(void)state;
	assert_int_equal(crc32c(0, text, 0), 0);
	assert_int_equal(crc32_ieee(0, NULL, 0), 0);
	for (size_t i = 0; i <= len; i++) {
		assert_int_equal(crc32c(crc32c(0, text, i), text + i, len - i),
				 crc32c(0, text, len));
		assert_int_equal(crc32_ieee(crc32_ieee(0, text, i), text + i, len - i),
				 crc32_ieee(0, text, len));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published),
		cmocka_unit_test(test_definition),
		cmocka_unit_test(test_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
