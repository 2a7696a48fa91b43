// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: tools/media/outfile.c tools/media/flat.c tools/util.c */
/* Files that appear when they are whole, on a disk and in a directory that cannot be flushed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "tools/media/outfile.h"

static int file_errno, dir_errno;	/* what fsync() says, 0: the truth */
static char dir[] = "/tmp/test-outfile-XXXXXX";
static int dirfd;

/* In place of libc's */
int fsync(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	errno = S_ISDIR(st.st_mode) ? dir_errno : file_errno;
	return errno ? -1 : (int)syscall(SYS_fsync, fd);
}

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
	close(dirfd);
	return rmdir(dir);	/* fails if a part was left behind */
}

static bool exists(const char *name)
{
	return !faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW);
}

static void check_contents(const char *name, const char *want)
{
	char buf[64] = { 0 };
	int fd = openat(dirfd, name, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, buf, sizeof(buf) - 1), strlen(want));
	assert_string_equal(buf, want);
	close(fd);
}

static void test_good(void **state)
{
	(void)state;
	assert_int_equal(outfile_write(dirfd, dir, "a", false, "one", 3), 0);
	check_contents("a", "one");
	assert_int_equal(outfile_write(dirfd, dir, "a", false, "two", 3), -EEXIST);
	check_contents("a", "one");
	assert_int_equal(outfile_write(dirfd, dir, "a", true, "three", 5), 0);
	check_contents("a", "three");
	assert_false(exists("a.part"));
	unlinkat(dirfd, "a", 0);
}

/* The contents did not reach the disk: no file, and the one that was there stays */
static void test_file(void **state)
{
	(void)state;
	assert_int_equal(outfile_write(dirfd, dir, "a", false, "one", 3), 0);
	file_errno = EIO;
	assert_int_equal(outfile_write(dirfd, dir, "a", true, "two", 3), -EIO);
	assert_int_equal(outfile_write(dirfd, dir, "b", false, "two", 3), -EIO);
	file_errno = 0;
	check_contents("a", "one");
	assert_false(exists("a.part") || exists("b.part") || exists("b"));
	unlinkat(dirfd, "a", 0);
}

/* The file is there: an error of the directory takes nothing away, one that tells nothing is none */
static void test_directory(void **state)
{
	(void)state;
	dir_errno = EIO;
	assert_int_equal(outfile_write(dirfd, dir, "a", false, "one", 3), -EIO);
	check_contents("a", "one");
	dir_errno = EINVAL;
	assert_int_equal(outfile_write(dirfd, dir, "b", false, "two", 3), 0);
	check_contents("b", "two");
	dir_errno = ENOTSUP;
	assert_int_equal(outfile_write(dirfd, dir, "b", true, "three", 5), 0);
	check_contents("b", "three");
	dir_errno = 0;
	assert_false(exists("a.part") || exists("b.part"));
	unlinkat(dirfd, "a", 0);
	unlinkat(dirfd, "b", 0);
}

/* A directory has its name when it is whole, also where that cannot be flushed, and not before */
static void test_outdir(void **state)
{
	static const char *const known[] = { "a", "b", NULL };
	char path[64], part[80];
	struct outdir o;

	(void)state;
	snprintf(path, sizeof(path), "%s/new", dir);
	snprintf(part, sizeof(part), "%s.part", path);
	for (int fails = 0; fails < 2; fails++) {
		assert_int_equal(outdir_begin(&o, path, known), 0);
		assert_true(exists("new.part") && !exists("new"));
		assert_int_equal(outfile_write(o.fd, o.path, "a", false, "one", 3), 0);
		dir_errno = fails ? EIO : 0;
		assert_int_equal(outdir_commit(&o), -dir_errno);
		dir_errno = 0;
		assert_true(exists("new/a") && !exists("new.part"));
		assert_string_equal(o.path, path);
		outdir_end(&o);
		unlinkat(dirfd, "new/a", 0);
		unlinkat(dirfd, "new", AT_REMOVEDIR);
	}
	/* a failure: what was written stays for the next one, which removes it */
	assert_int_equal(outdir_begin(&o, path, known), 0);
	assert_int_equal(outfile_write(o.fd, o.path, "b", false, "two", 3), 0);
	outdir_end(&o);
	assert_true(exists("new.part/b") && !exists("new"));
	assert_int_equal(outdir_begin(&o, path, known), 0);
	assert_true(exists("new.part") && !exists("new.part/b"));
	outdir_end(&o);
	assert_false(exists("new.part"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_outdir),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
