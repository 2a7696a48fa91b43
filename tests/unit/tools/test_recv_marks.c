// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: tools/recv/marks.c tools/media/outfile.c tools/media/flat.c tools/util.c */
/* Marks in a file against a plain array, and what a mark on everything costs. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tools/media/outfile.h"
#include "tools/recv/marks.h"

#define NR	(5 * MARKS_STRETCH + 77)

static char dir[] = "/tmp/test-marks-XXXXXX";
static int dirfd;
static bool model[NR];

static int set_up(void **state)
{
	size_t made;

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	dirfd = outdir_open(dir, &made);
	return dirfd < 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlinkat(dirfd, "m", 0);
	close(dirfd);
	return rmdir(dir);
}

static void check(const struct marks *m)
{
	for (uint64_t i = 0; i < NR; i++) {
		static uint8_t bits[MARKS_STRETCH / 8];
		static int level;
		uint64_t at = i % MARKS_STRETCH;

		if (!at)
			level = marks_get(m, i / MARKS_STRETCH, bits);
		if ((level == MARKED_ALL || (level == MARKED_SOME && bits[at / 8] >> at % 8 & 1)) != model[i])
			fail_msg("mark %lu", (unsigned long)i);
	}
}

static void test_model(void **state)
{
	static const uint64_t edges[] = {
		0, 1, 7, 8, 9, MARKS_STRETCH - 1, MARKS_STRETCH, MARKS_STRETCH + 1, 3 * MARKS_STRETCH,
		5 * MARKS_STRETCH, NR - 1, NR,
	};
	const unsigned nr = sizeof(edges) / sizeof(edges[0]);
	struct marks m;

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 60; round++) {
		memset(model, 0, sizeof(model));
		assert_int_equal(marks_open(&m, dirfd, "m", NR, true), 0);
		for (int k = rand() % 6; k >= 0; k--) {
			uint64_t a = rand() % 2 ? edges[rand() % nr] : (uint64_t)rand() % NR;
			uint64_t b = rand() % 2 ? edges[rand() % nr] : (uint64_t)rand() % NR;

			if (a > b)
				continue;
			assert_int_equal(marks_set(&m, a, b - a), 0);
			memset(model + a, 1, b - a);
		}
		check(&m);
		/* as a run after this one sees them */
		marks_close(&m);
		assert_int_equal(marks_open(&m, dirfd, "m", NR, false), 0);
		check(&m);
		marks_close(&m);
	}
	assert_int_equal(marks_open(&m, dirfd, "m", NR + MARKS_STRETCH, false), -EINVAL);
	marks_close(&m);
}

/* 16 TiB of pages: 128 KiB */
static void test_everything(void **state)
{
	uint8_t bits[MARKS_STRETCH / 8];
	struct marks m;
	struct stat st;

	(void)state;
	assert_int_equal(marks_open(&m, dirfd, "m", 1ULL << 32, true), 0);
	assert_int_equal(marks_set(&m, 5, (1ULL << 32) - 5), 0);
	assert_int_equal(marks_get(&m, 0, bits), MARKED_SOME);
	assert_int_equal(bits[0], 0xe0);
	assert_int_equal(marks_get(&m, 1, bits), MARKED_ALL);
	assert_int_equal(marks_get(&m, (1ULL << 32) / MARKS_STRETCH - 1, bits), MARKED_ALL);
	assert_int_equal(fstat(m.fd, &st), 0);
	assert_true(st.st_blocks * 512 < 1 << 20);
	marks_close(&m);
}

/* A link with the file's name is not followed, whoever made it */
static void test_links(void **state)
{
	struct marks m;
	struct stat st;
	int fd;

	(void)state;
	unlinkat(dirfd, "m", 0);
	fd = openat(dirfd, "victim", O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, "precious", 8), 8);
	for (int hard = 0; hard < 2; hard++) {
		assert_int_equal(hard ? linkat(dirfd, "victim", dirfd, "m", 0) : symlinkat("victim", dirfd, "m"), 0);
		assert_true(marks_open(&m, dirfd, "m", 8, false) < 0);
		marks_close(&m);
		assert_int_equal(marks_open(&m, dirfd, "m", 8, true), 0);
		assert_int_equal(marks_set(&m, 0, 8), 0);
		marks_close(&m);
		unlinkat(dirfd, "m", 0);
	}
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 8);
	close(fd);
	unlinkat(dirfd, "victim", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_links),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
