// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: tools/media/flat.c tools/util.c */
/* The flattened format: what was written is what a reader puts together, over a pipe that takes little at a time. */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tools/media/flat.h"

#define FILE_BYTES	(5u << 20)

static uint8_t want[FILE_BYTES], got[FILE_BYTES];

static uint64_t number(FILE *f)
{
	uint64_t n;

	assert_int_equal(fread(&n, sizeof(n), 1, f), 1);
	return be64toh(n);
}

/* As the format is described: the length of the file, with its contents in got. The number of records in *ret_nr. */
static size_t read_flat(FILE *f, unsigned *ret_nr)
{
	char header[4096] = { 0 };
	size_t end = 0;

	memset(got, 0, sizeof(got));
	rewind(f);
	assert_int_equal(fread(header, 16, 1, f), 1);
	assert_memory_equal(header, "makedumpfile\0\0\0\0", 16);
	assert_int_equal(number(f), 1);
	assert_int_equal(number(f), 1);
	assert_int_equal(fseek(f, sizeof(header), SEEK_SET), 0);
	for (*ret_nr = 0;; ++*ret_nr) {
		uint64_t at = number(f), len = number(f);

		if (at == UINT64_MAX)
			break;
		assert_true(len && at >= end && at + len <= FILE_BYTES);
		assert_int_equal(fread(got + at, (size_t)len, 1, f), 1);
		end = (size_t)(at + len);
	}
	assert_int_equal(fgetc(f), EOF);
	return end;
}

struct piece {
	size_t at, len;
};

static void check(const struct piece *p, unsigned nr, size_t bytes, unsigned records)
{
	FILE *f = tmpfile();
	struct flat flat;
	unsigned nr_records;

	assert_non_null(f);
	memset(want, 0, sizeof(want));
	assert_int_equal(flat_begin(&flat, fileno(f)), 0);
	for (unsigned i = 0; i < nr; i++) {
		memset(want + p[i].at, (int)i + 1, p[i].len);
		assert_int_equal(flat_write(&flat, want + p[i].at, p[i].len, p[i].at), 0);
	}
	assert_int_equal(flat_end(&flat, bytes), 0);
	flat_free(&flat);
	assert_int_equal(read_flat(f, &nr_records), bytes);
	assert_memory_equal(got, want, sizeof(got));
	assert_int_equal(nr_records, records);
	fclose(f);
}

static void test_records(void **state)
{
	static const struct piece small[] = { { 0, 24 }, { 24, 24 }, { 48, 4096 } };
	static const struct piece large[] = { { 0, 100 }, { 100, 3u << 20 } };
	static const struct piece gaps[] = { { 0, 4096 }, { 8192, 1 }, { 8193, 1 }, { 2u << 20, 4096 } };

	(void)state;
	check(NULL, 0, 0, 0);
	check(NULL, 0, 5, 1);
	check(small, 3, 48 + 4096, 1);		/* what follows one another is one */
	check(large, 2, 100 + (3u << 20), 4);
	check(gaps, 4, (2u << 20) + 4096, 3);
	check(gaps, 4, FILE_BYTES, 4);		/* zeros at the end */
}

static void test_reader_gone(void **state)
{
	struct flat flat;
	int fds[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(flat_begin(&flat, fds[1]), 0);
	close(fds[0]);
	assert_int_equal(flat_write(&flat, want, 4096, 0), 0);	/* still here */
	assert_int_equal(flat_end(&flat, 4096), -EPIPE);
	flat_free(&flat);
	assert_int_equal(flat_begin(&flat, fds[1]), -EPIPE);
	flat_free(&flat);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_reader_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
