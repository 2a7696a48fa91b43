// SPDX-License-Identifier: GPL-2.0-or-later
/* UUIDs as people write them, and what is none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "stub/format/uuid.h"

static const uint8_t bytes[16] = {
	0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10,
};

static void test_good(void **state)
{
	char text[UUID_TEXT];
	uint8_t uuid[16];

	(void)state;
	assert_int_equal(uuid_parse("01234567-89ab-cdef-fedc-ba9876543210", uuid), 0);
	assert_memory_equal(uuid, bytes, 16);
	assert_int_equal(uuid_parse("01234567-89AB-CDEF-feDC-BA9876543210", uuid), 0);
	assert_memory_equal(uuid, bytes, 16);
	uuid_format(text, uuid);
	assert_string_equal(text, "01234567-89ab-cdef-fedc-ba9876543210");
}

static void test_bad(void **state)
{
	static const char *const bad[] = {
		"", "-", "01234567", "01234567-89ab-cdef-fedc-ba987654321", "01234567-89ab-cdef-fedc-ba98765432100",
		"0123456789ab-cdef-fedc-ba9876543210", "01234567-89ab-cdef-fedc+ba9876543210",
		"01234567-89ab-cdef-fedc-ba987654321g", " 1234567-89ab-cdef-fedc-ba9876543210",
	};
	uint8_t uuid[16];

	(void)state;
	memcpy(uuid, bytes, 16);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(uuid_parse(bad[i], uuid), -EINVAL);
		assert_memory_equal(uuid, bytes, 16);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_good), cmocka_unit_test(test_bad) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
