/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address translation of a dead x86_64 kernel: 4 and 5 levels, every leaf size, encryption bit,
 * damage.
 */
/* needs: stub/idle.c tests/unit/fake/clock.c stub/dead/vmcore.c tests/host/machine.c tests/unit/fake/log.c */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/host/machine.h"
#include "tests/unit/format/vtop_checks.h"

#define KERNEL_MAP 0xffffffff80000000ULL


static uint64_t direct(bool la57)
{
	return la57 ? 0xff11000000000000ULL : 0xffff888000000000ULL;
}

static void build(bool la57)
{
	machine_build(STYLE_5_10, MODEL_EXTREME, la57, 1);
	assert_int_equal(vtop_init(&vt, &machine.vc, &machine.vi), 0);
	assert_null(vt.missing);
}

static void expect(uint64_t va, uint64_t want, uint64_t want_len)
{
	phys_addr_t pa = 1;
	uint64_t len = 0;

	assert_int_equal(vtop(&vt, va, &pa, &len), 0);
	assert_true(pa == want && (!want_len || len == want_len));
}

static void test_kinds(void **state)
{
	(void)state;
	for (int la57 = 0; la57 < 2; la57++) {
		uint64_t d = direct(la57), v;

		build(la57);
		assert_int_equal(vt.levels, 4 + la57);
		assert_true(vt.phys_base == 0x400000);
		v = machine.vmemmap;
		expect(d + 0x123456, 0x123456, MIB(2) - 0x123456);
		expect(d + MACHINE_RAM - 1, MACHINE_RAM - 1, 1);
		expect(v, machine.vmemmap_pa, MIB(2));
		expect(v + MIB(64) + 0x5678, machine.log_pa + 0x5678, 0x1000 - 0x678);
		expect(KERNEL_MAP + 0xc00000 + 0x10123, MIB(16) + 0x10123, 0);
		expect_error(d + MACHINE_RAM, -ENOENT);
		expect_error(v + MIB(2), -ENOENT);
		expect_error(0, -ENOENT);
		expect_error(0x7fffffffffff, -ENOENT);
		expect_error(0x8000000000000000, -ENOENT);
		expect_error(0xffffffffffffffff, -ENOENT);
		expect_error(la57 ? 0xfe11000000000000 : 0xff11000000000000, -ENOENT);
		/*
		 * one 2-MiB leaf after the other: the cached one must not answer for its neighbour
		 */
		for (uint64_t pa = 0; pa < MACHINE_RAM; pa += MIB(1) + 4096)
			expect(d + pa, pa, 0);
	}
	assert_int_equal(machine.stray, 0);
}

static void test_read(void **state)
{
	unsigned char buf[3 * 4096];
	uint64_t v;

	(void)state;
	build(false);
	v = machine.vmemmap + MIB(64);
	assert_int_equal(vtop_read(&vt, buf, v + 100, sizeof(buf)), 0);
	assert_memory_equal(buf, machine.ram + machine.log_pa + 100, sizeof(buf));
	assert_int_equal(vtop_read(&vt, buf, v + 0x40000 - 100, 101), -ENOENT);
	assert_int_equal(vtop_read(&vt, buf, ~0ULL - 10, 100), -EINVAL);
	assert_int_equal(vtop_read(&vt, buf, 0, 0), 0);
	/* mapped, but there is no RAM */
	assert_int_equal(vtop_read(&vt, buf, direct(false) + KIB(640) - 8, 16), -ENOENT);
	assert_int_equal(machine.stray, 0);
}

static uint64_t entry_at(uint64_t va, unsigned level)
{
	uint64_t table = machine.pgd, entry;

	for (unsigned l = vt.levels; ; l--) {
		uint64_t at = table + (va >> (12 + 9 * (l - 1)) & 511) * 8;

		if (l == level)
			return at;
		memcpy(&entry, machine.ram + at, 8);
		table = entry & GENMASK(51, 12);
	}
}

static void set(uint64_t at, uint64_t value)
{
	memcpy(machine.ram + at, &value, 8);
	vt.cache.size = 0;
}

static void test_large_leaves(void **state)
{
	uint64_t d = direct(false);

	(void)state;
	build(false);
	/* 1 GiB, with the PAT bit (12) and no-execute set */
	set(entry_at(d, 3), 0 | BIT(12) | 0xe3 | BIT(63));
	expect(d + 0x2345678, 0x2345678, (1 << 30) - 0x2345678);
	/* there are no larger leaves: the bit is reserved in level 4, and the entry a table */
	build(false);
	set(entry_at(d, 4), MIB(20) | 0xe3);
	expect_error(d, -ENOENT);
}

static void test_encryption_bit(void **state)
{
	struct vmcoreinfo *vi = &machine.vi;
	uint64_t d = direct(false), entry;

	(void)state;
	build(false);
	assert_true(machine_remove("NUMBER(sme_mask)"));
	vi->len += sprintf(vi->text + vi->len, "NUMBER(sme_mask)=%lld\n", (long long)BIT(47));
	assert_int_equal(vtop_init(&vt, &machine.vc, vi), 0);
	for (unsigned level = 2; level <= 4; level++) {
		memcpy(&entry, machine.ram + entry_at(d, level), 8);
		set(entry_at(d, level), entry | BIT(47));
		/* entry_at() of the next level must find its way, too */
		expect(d + 77, 77, 0);
		set(entry_at(d, level), entry);
	}
}

static void test_damaged_tables(void **state)
{
	uint64_t d = direct(false);

	(void)state;
	build(false);
	set(entry_at(d, 3), BIT(40) | 0x67);		/* a table outside RAM */
	expect_error(d, -EFAULT);
	set(entry_at(d, 3), KIB(640) | 0x67);		/* in the hole */
	expect_error(d, -EFAULT);
	set(entry_at(d, 4), machine.pgd | 0x67);	/* the table itself */
	expect_error(d, -ENOENT);
	set(entry_at(d, 4), 0);
	expect_error(d, -ENOENT);
	assert_int_equal(machine.stray, 0);

	/* with p_vaddr in the headers the direct map needs no tables */
	for (unsigned i = 0; i < machine.vc.nr_ranges; i++)
		machine.vc.ranges[i].virt = d + machine.vc.ranges[i].start;
	assert_int_equal(vtop_init(&vt, &machine.vc, &machine.vi), 0);
	expect(d + 0x123456, 0x123456, 0);
	/* unless they contradict each other */
	machine.vc.ranges[1].virt += 4096;
	assert_int_equal(vtop_init(&vt, &machine.vc, &machine.vi), 0);
	expect_error(d, -ENOENT);
}

static void test_missing_entries(void **state)
{
	(void)state;
	build(false);
	assert_true(machine_remove("NUMBER(phys_base)"));
	/* the image's own program header says the same */
	assert_int_equal(vtop_init(&vt, &machine.vc, &machine.vi), 0);
	assert_true(vt.phys_base == 0x400000);
	expect(machine.vmemmap, machine.vmemmap_pa, 0);
	machine.vc.image.end = 0;
	assert_int_equal(vtop_init(&vt, &machine.vc, &machine.vi), -ENOENT);
	assert_string_equal(vt.missing, "NUMBER(phys_base)");
	expect_error(machine.vmemmap, -ENOENT);
	expect_error(KERNEL_MAP + 0xc00000, -ENOENT);

	build(false);
	assert_true(machine_remove("SYMBOL(swapper_pg_dir)"));
	assert_int_equal(vtop_init(&vt, &machine.vc, &machine.vi), -ENOENT);
	assert_string_equal(vt.missing, "SYMBOL(swapper_pg_dir)");
	expect_error(machine.vmemmap, -ENOENT);
	expect(KERNEL_MAP + 0xc00000, MIB(16), 0);
}

static void test_tables(void **state)
{
	(void)state;
	for (int la57 = 0; la57 < 2; la57++) {
		build(la57);
		/*
		 * direct map: two tables below the top one; vmemmap: two, and one of 4-KiB pages.
		 * Five levels: one more each
		 */
		expect_tables(&machine.vc, 1 + 2 + 3 + 2 * la57);
	}
	/* a table all of whose entries are one table is looked at once */
	build(true);
	for (unsigned i = 0; i < 512; i++)
		set(machine.pgd + i * 8, machine.pgd | 0x67);
	expect_tables(&machine.vc, 5);
	/* every other entry of the top table is the table itself: a tree of 128^4 without the bound */
	for (unsigned i = 0; i < 512; i += 2)
		set(machine.pgd + i * 8, MIB(32) | 0x67);
	expect_tables(&machine.vc, 131072);
	assert_int_equal(machine.stray, 0);
}

static void test_leaves(void **state)
{
	(void)state;
	for (int la57 = 0; la57 < 2; la57++) {
		build(la57);
		vt.image.size = 0;
		expect_leaves(MACHINE_RAM, 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_large_leaves),
		cmocka_unit_test(test_encryption_bit),
		cmocka_unit_test(test_damaged_tables),
		cmocka_unit_test(test_missing_entries),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
