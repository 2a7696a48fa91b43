/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What holds for translated addresses of every architecture. For one test program, which includes it after ARCH_VTOP. */
#ifndef TEST_VTOP_CHECKS_H
#define TEST_VTOP_CHECKS_H

#include "stub/dead/vtop.h"

static struct vtop vt;

static void expect_error(uint64_t va, int rc)
{
	phys_addr_t pa = 1;

	assert_int_equal(vtop(&vt, va, &pa, NULL), rc);
	assert_int_equal(pa, 1);
}

/* Every table is RAM of the dead kernel and has the size of one */
static unsigned tables;

static int count_table(void *ctx, phys_addr_t pa, uint64_t size)
{
	assert_true(vmcore_is_ram(ctx, pa, size) && size == BIT(vt.page_shift) && IS_ALIGNED(pa, size));
	tables++;
	return 0;
}

static void expect_tables(struct vmcore *vc, unsigned want)
{
	tables = 0;
	assert_int_equal(vtop_tables(&vt, count_table, vc), 0);
	assert_int_equal(tables, want);
}

/* Every mapping, in order, and as vtop() finds it */
static uint64_t next_va, mapped;

static int check_leaf(void *ctx, uint64_t va, phys_addr_t pa, uint64_t size)
{
	phys_addr_t got;

	(void)ctx;
	assert_true(va >= next_va && IS_ALIGNED(va | pa, size));
	assert_int_equal(vtop(&vt, va + size - 1, &got, NULL), 0);
	assert_true(got == pa + size - 1);
	next_va = va + size;
	mapped += size;
	return 0;
}

static void expect_leaves(uint64_t more_than, unsigned visits)
{
	struct vtop_visit visit = { .leaf = check_leaf, .left = visits };

	next_va = mapped = 0;
	assert_int_equal(vtop_visit(&vt, &visit), 0);
	assert_true(mapped > more_than && visit.left);
}

#endif
