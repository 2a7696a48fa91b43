// SPDX-License-Identifier: GPL-2.0-or-later
/* Look-ups in VMCOREINFO: lines as Linux 4.19 to 6.16 write them, and lines nobody should write. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "stub/format/vmcoreinfo.h"

static struct vmcoreinfo vi;

static void set(const char *text)
{
	vi.len = strlen(text);
	strcpy(vi.text, text);
}

static const char sample[] = "OSRELEASE=6.1.0-37-amd64\n"
			     "BUILD-ID=6fb5e7a8a2b7d6fc1b5ef3ce5bd4d79bf0a5c7c1\n"
			     "PAGESIZE=4096\n"
			     "SYMBOL(init_uts_ns)=ffffffff82415a40\n"
			     "OFFSET(uts_namespace.name)=0\n"
			     "SYMBOL(mem_section)=ffff88807fff5d00\n"
			     "LENGTH(mem_section)=2048\n"
			     "SIZE(page)=64\n"
			     "OFFSET(page.flags)=0\n"
			     "OFFSET(page._refcount)=52\n"
			     "LENGTH(zone.free_area)=11\n"
			     "NUMBER(PG_lru)=4\n"
			     "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-129\n"
			     "NUMBER(phys_base)=-1677721600\n"
			     "NUMBER(kimage_voffset)=0xffffffbf90200000\n"
			     "NUMBER(TCR_EL1_T1SZ)=0x10\n"
			     "KERNELOFFSET=1d000000\n"
			     "CRASHTIME=1718000000\n";

static void test_sample(void **state)
{
	uint64_t u;
	int64_t n;
	char text[65];

	(void)state;
	set(sample);
	assert_int_equal(vmcoreinfo_symbol(&vi, "init_uts_ns", &u), 0);
	assert_true(u == 0xffffffff82415a40);
	assert_int_equal(vmcoreinfo_symbol(&vi, "mem_section", &u), 0);
	assert_true(u == 0xffff88807fff5d00);
	assert_int_equal(vmcoreinfo_length(&vi, "mem_section", &u), 0);
	assert_true(u == 2048);
	assert_int_equal(vmcoreinfo_size(&vi, "page", &u), 0);
	assert_true(u == 64);
	assert_int_equal(vmcoreinfo_offset(&vi, "page.flags", &u), 0);
	assert_true(u == 0);
	assert_int_equal(vmcoreinfo_offset(&vi, "page._refcount", &u), 0);
	assert_true(u == 52);
	assert_int_equal(vmcoreinfo_length(&vi, "zone.free_area", &u), 0);
	assert_true(u == 11);
	assert_int_equal(vmcoreinfo_number(&vi, "PG_lru", &n), 0);
	assert_true(n == 4);
	assert_int_equal(vmcoreinfo_number(&vi, "PAGE_BUDDY_MAPCOUNT_VALUE", &n), 0);
	assert_true(n == -129);
	assert_int_equal(vmcoreinfo_number(&vi, "phys_base", &n), 0);
	assert_true(n == -1677721600);
	assert_int_equal(vmcoreinfo_number(&vi, "kimage_voffset", &n), 0);
	assert_true((uint64_t)n == 0xffffffbf90200000);
	assert_int_equal(vmcoreinfo_number(&vi, "TCR_EL1_T1SZ", &n), 0);
	assert_true(n == 16);
	assert_int_equal(vmcoreinfo_string(&vi, "OSRELEASE", text, sizeof(text)), 0);
	assert_string_equal(text, "6.1.0-37-amd64");
	assert_int_equal(vmcoreinfo_string(&vi, "CRASHTIME", text, sizeof(text)), 0);
	assert_string_equal(text, "1718000000");
}

/* Nothing is found by a part of its name, in another kind, or in the middle of a line */
static void test_absent(void **state)
{
	uint64_t u = 42;
	int64_t n = 42;
	char text[16] = "untouched";

	(void)state;
	set(sample);
	assert_int_equal(vmcoreinfo_symbol(&vi, "init_uts", &u), -ENOENT);
	assert_int_equal(vmcoreinfo_symbol(&vi, "init_uts_ns2", &u), -ENOENT);
	assert_int_equal(vmcoreinfo_symbol(&vi, "nit_uts_ns", &u), -ENOENT);
	assert_int_equal(vmcoreinfo_symbol(&vi, "", &u), -ENOENT);
	assert_int_equal(vmcoreinfo_size(&vi, "mem_section", &u), -ENOENT);
	assert_int_equal(vmcoreinfo_offset(&vi, "page", &u), -ENOENT);
	assert_int_equal(vmcoreinfo_length(&vi, "page", &u), -ENOENT);
	assert_int_equal(vmcoreinfo_number(&vi, "PG_lr", &n), -ENOENT);
	assert_int_equal(vmcoreinfo_string(&vi, "RELEASE", text, sizeof(text)), -ENOENT);
	assert_int_equal(vmcoreinfo_string(&vi, "PAGE", text, sizeof(text)), -ENOENT);
	set("");
	assert_int_equal(vmcoreinfo_symbol(&vi, "a", &u), -ENOENT);
	assert_int_equal(vmcoreinfo_string(&vi, "", text, sizeof(text)), -ENOENT);
	set("\n\n\n");
	assert_int_equal(vmcoreinfo_string(&vi, "", text, sizeof(text)), -ENOENT);
	/* outputs are written on success only */
	assert_true(u == 42 && n == 42);
	assert_string_equal(text, "untouched");
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		int rc;
		int64_t value;
	} cases[] = {
		{"0", 0, 0},
		{"-0", 0, 0},
		{"9223372036854775807", 0, INT64_MAX},
		{"9223372036854775808", -EINVAL, 0},
		{"-9223372036854775808", 0, INT64_MIN},
		{"-9223372036854775809", -EINVAL, 0},
		{"99999999999999999999", -EINVAL, 0},
		{"123456789012345678901234567890", -EINVAL, 0},
		{"0xffffffffffffffff", 0, -1},
		{"0X1f", 0, 31},
		{"0x10000000000000000", -EINVAL, 0},
		{"0x", -EINVAL, 0},
		{"0xg", -EINVAL, 0},
		{"-0x1", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"-", -EINVAL, 0},
		{"--1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"1\r", -EINVAL, 0},
		{"1a", -EINVAL, 0},
		{"a", -EINVAL, 0},
		{"1=2", -EINVAL, 0},
	};
	char line[100];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t n = 77;

		/* as the last line without its end, and between others */
		snprintf(line, sizeof(line), "NUMBER(x)=%s", cases[i].text);
		set(line);
		if (vmcoreinfo_number(&vi, "x", &n) != cases[i].rc ||
		    n != (cases[i].rc ? 77 : cases[i].value))
			fail_msg("%s: %ld", cases[i].text, n);
		snprintf(line, sizeof(line), "A=\nNUMBER(x)=%s\nNUMBER(x)=5\n", cases[i].text);
		set(line);
		n = 77;
		if (vmcoreinfo_number(&vi, "x", &n) != cases[i].rc ||
		    n != (cases[i].rc ? 77 : cases[i].value))
			fail_msg("%s: %ld", cases[i].text, n);
	}
}

static void test_unsigned(void **state)
{
	uint64_t u = 1;

	(void)state;
	set("SYMBOL(a)=ffffffffffffffff\nSYMBOL(b)=0xffff000000000000\nSYMBOL(c)=1ffffffffffffffff\n"
	    "SYMBOL(d)=-1\nSYMBOL(e)= 1\nSYMBOL(f)=\nSYMBOL(g)=xyz\n"
	    "SIZE(a)=18446744073709551615\nSIZE(b)=18446744073709551616\nSIZE(c)=0x40\nSIZE(d)=-4\nSIZE(e)=ff\n");
	assert_int_equal(vmcoreinfo_symbol(&vi, "a", &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(vmcoreinfo_symbol(&vi, "b", &u), 0);
	assert_true(u == 0xffff000000000000);
	assert_int_equal(vmcoreinfo_symbol(&vi, "c", &u), -EINVAL);
	assert_int_equal(vmcoreinfo_symbol(&vi, "d", &u), -EINVAL);
	assert_int_equal(vmcoreinfo_symbol(&vi, "e", &u), -EINVAL);
	assert_int_equal(vmcoreinfo_symbol(&vi, "f", &u), -EINVAL);
	assert_int_equal(vmcoreinfo_symbol(&vi, "g", &u), -EINVAL);
	assert_true(u == 0xffff000000000000);
	assert_int_equal(vmcoreinfo_size(&vi, "a", &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(vmcoreinfo_size(&vi, "b", &u), -EINVAL);
	assert_int_equal(vmcoreinfo_size(&vi, "c", &u), -EINVAL);
	assert_int_equal(vmcoreinfo_size(&vi, "d", &u), -EINVAL);
	assert_int_equal(vmcoreinfo_size(&vi, "e", &u), -EINVAL);
}

static void test_strings(void **state)
{
	char text[8];

	(void)state;
	set("LONG=0123456789\nEMPTY=\nA=b=c\nLAST=x");
	assert_int_equal(vmcoreinfo_string(&vi, "LONG", text, sizeof(text)), 0);
	assert_string_equal(text, "0123456");
	assert_int_equal(vmcoreinfo_string(&vi, "EMPTY", text, sizeof(text)), 0);
	assert_string_equal(text, "");
	assert_int_equal(vmcoreinfo_string(&vi, "A", text, sizeof(text)), 0);
	assert_string_equal(text, "b=c");
	assert_int_equal(vmcoreinfo_string(&vi, "LAST", text, 1), 0);
	assert_string_equal(text, "");
	assert_int_equal(vmcoreinfo_string(&vi, "LAST", text, 0), -EINVAL);
}

/* The text ends at its length or its NUL, whichever comes first; no end of line is needed */
static void test_full(void **state)
{
	uint64_t u;

	(void)state;
	memset(vi.text, 'x', sizeof(vi.text));
	memcpy(vi.text + sizeof(vi.text) - 11, "\nSIZE(y)=12", 11);
	vi.len = sizeof(vi.text);
	assert_int_equal(vmcoreinfo_size(&vi, "y", &u), 0);
	assert_true(u == 12);
	vi.len = SIZE_MAX;
	assert_int_equal(vmcoreinfo_size(&vi, "y", &u), 0);
	vi.len = sizeof(vi.text) - 1;
	assert_int_equal(vmcoreinfo_size(&vi, "y", &u), 0);
	assert_true(u == 1);
	vi.text[100] = 0;
	assert_int_equal(vmcoreinfo_size(&vi, "y", &u), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sample),	cmocka_unit_test(test_absent),
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_unsigned),
		cmocka_unit_test(test_strings), cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
