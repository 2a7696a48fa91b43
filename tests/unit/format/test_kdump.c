// SPDX-License-Identifier: GPL-2.0-or-later
/* Layout and headers of a dump, by numbers worked out by hand from makedumpfile's diskdump_mod.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "stub/format/kdump.h"

/* 1 GiB and a page, notes of two CPUs */
static struct serial_meta small(uint32_t page_size)
{
	return (struct serial_meta){
		.page_size = page_size, .notes_bytes = 3000, .vmcoreinfo_offset = 1000, .vmcoreinfo_bytes = 1900,
		.max_pfn = (1u << 30) / page_size + 1, .phys_base = 0x1000000, .crash_time = 1700000000, .dump_level = 31,
		.nr_cpus = 2,
	};
}

static void test_layout(void **state)
{
	struct serial_meta m = small(4096);
	struct kdump_layout at;

	(void)state;
	assert_true(kdump_plan(&at, &m, UINT64_MAX));
	assert_int_equal(at.notes, 4096 + 104);
	assert_int_equal(at.bitmap1, 2 * 4096);
	/* 262,145 bits are 32,769 bytes: nine pages */
	assert_int_equal(at.bitmap_len, 9 * 4096);
	assert_int_equal(at.bitmap2, 11 * 4096);
	assert_int_equal(at.table, 20 * 4096);
	assert_int_equal(kdump_data(&at, 0), 20 * 4096);
	assert_int_equal(kdump_data(&at, 1), 21 * 4096);
	assert_int_equal(kdump_data(&at, 512), 23 * 4096);
	assert_int_equal(kdump_data(&at, 513), 24 * 4096);
	/* A block more for the notes as soon as they do not fit behind the sub-header */
	m.notes_bytes = 4096 - 104;
	assert_true(kdump_plan(&at, &m, UINT64_MAX));
	assert_int_equal(at.bitmap1, 2 * 4096);
	m.notes_bytes++;
	assert_true(kdump_plan(&at, &m, UINT64_MAX));
	assert_int_equal(at.bitmap1, 3 * 4096);
	/* Pages of 64 KiB: areas are padded to them, data is not */
	m = small(65536);
	assert_true(kdump_plan(&at, &m, UINT64_MAX));
	assert_int_equal(at.notes, 65536 + 104);
	assert_int_equal(at.bitmap_len, 65536);
	assert_int_equal(at.table, 4 * 65536);
	assert_int_equal(kdump_data(&at, 200), 4 * 65536 + 2 * 4096);
}

static void test_limit(void **state)
{
	struct serial_meta m = small(4096);
	struct kdump_layout at;

	(void)state;
	assert_true(kdump_plan(&at, &m, 20 * 4096 + 1));
	assert_false(kdump_plan(&at, &m, 20 * 4096));
	m.notes_bytes = UINT64_MAX - 4096;	/* wraps around */
	assert_false(kdump_plan(&at, &m, 1 << 30));
	m = small(4096);
	m.max_pfn = UINT64_MAX / 4096;
	assert_false(kdump_plan(&at, &m, 1 << 30));
}

static void test_headers(void **state)
{
	struct serial_meta m = small(4096);
	struct kdump_sub_header sub;
	struct disk_dump_header h;
	struct kdump_layout at;

	(void)state;
	strcpy(m.uts[2], "6.1.0-1");
	memset(m.uts[5], 'x', sizeof(m.uts[5]));
	assert_true(kdump_plan(&at, &m, UINT64_MAX));
	kdump_header(&h, &m, &at, KDUMP_COMPRESSED_LZO | KDUMP_INCOMPLETE);
	assert_memory_equal(h.signature, "KDUMP   ", 8);
	assert_int_equal(h.header_version, 6);
	assert_string_equal(h.release, "6.1.0-1");
	assert_memory_equal(h.domainname, m.uts[5], 65);
	assert_memory_equal(h.rsvd402, "\0\0\0\0\0\0", 6);
	assert_int_equal(h.tv_sec, 1700000000);
	assert_int_equal(h.status, 0x0a);
	assert_int_equal(h.block_size, 4096);
	assert_int_equal(h.sub_hdr_size, 1);
	assert_int_equal(h.bitmap_blocks, 18);
	assert_int_equal(h.max_mapnr, 262145);
	assert_int_equal(h.nr_cpus, 2);
	kdump_sub_header(&sub, &m, &at);
	assert_int_equal(sub.phys_base, 0x1000000);
	assert_int_equal(sub.dump_level, 31);
	assert_int_equal(sub.offset_note, 4200);
	assert_int_equal(sub.size_note, 3000);
	assert_int_equal(sub.offset_vmcoreinfo, 5200);
	assert_int_equal(sub.size_vmcoreinfo, 1900);
	assert_int_equal(sub.max_mapnr_64, 262145);
	/* Whole in one file */
	assert_int_equal(sub.split, 0);
	assert_int_equal(sub.start_pfn | sub.end_pfn | sub.start_pfn_64 | sub.end_pfn_64, 0);
	/* No notes, more frames than 32 bits */
	m.notes_bytes = m.vmcoreinfo_bytes = 0;
	m.max_pfn = 1ULL << 33;
	assert_true(kdump_plan(&at, &m, UINT64_MAX));
	kdump_header(&h, &m, &at, 0);
	kdump_sub_header(&sub, &m, &at);
	assert_int_equal(h.max_mapnr, UINT32_MAX);
	assert_int_equal(sub.max_mapnr_64, 1ULL << 33);
	assert_int_equal(sub.offset_note | sub.size_note | sub.offset_vmcoreinfo | sub.size_vmcoreinfo, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
