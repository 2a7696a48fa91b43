// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/disk/part.c tests/unit/fake/log.c */
/*
 * Partition tables built here field by field, good ones and damaged ones, in blocks of 512 bytes to
 * 4 KiB.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uchar.h>
#include <cmocka.h>

#include "stub/format/crc.h"
#include "stub/disk/part.h"
#include "tests/unit/fake/bus.h"

#define BLOCKS 2048

static uint8_t disk[BLOCKS * 4096];
static uint8_t buf[4096];
static struct part_source src;
static struct part parts[300];
static unsigned nr_parts, reads, stop_at;
static uint64_t bad_lba; /* cannot be read; 0: all can */

static int read_block(void *ctx, uint64_t lba, void *dst)
{
	assert_ptr_equal(ctx, disk);
	assert_true(lba < src.nr_blocks);
	reads++;
	if (lba == bad_lba - 1)
		return -EIO;
	memcpy(dst, disk + lba * src.block_size, src.block_size);
	return 0;
}

static int on_found(void *ctx, const struct part *p)
{
	assert_ptr_equal(ctx, parts);
	assert_true(nr_parts < ARRAY_SIZE(parts));
	parts[nr_parts++] = *p;
	memset(buf, 0xaa, sizeof(buf)); /* allowed, and target.c does it */
	return nr_parts == stop_at ? 42 : 0;
}

static int scan(void)
{
	nr_parts = reads = 0;
	fake_log_reset();
	return part_scan(&src, on_found, parts);
}

static void begin(uint32_t block_size)
{
	memset(disk, 0, sizeof(disk));
	src = (struct part_source){read_block, disk, block_size, BLOCKS, buf};
	bad_lba = stop_at = 0;
}

static void put32(size_t at, uint32_t v)
{
	memcpy(disk + at, &v, 4);
}

static void put64(size_t at, uint64_t v)
{
	memcpy(disk + at, &v, 8);
}

/* "index:first+blocks" of all that was found */
static const char *found_text(void)
{
	static char text[8192];
	size_t n = 0;

	text[0] = 0;
	for (unsigned i = 0; i < nr_parts; i++)
		n += sprintf(text + n, "%s%u:%lu+%lu", i ? " " : "", parts[i].index,
			     parts[i].first_lba, parts[i].nr_blocks);
	return text;
}

static void expect(const char *text)
{
	assert_int_equal(scan(), 0);
	assert_string_equal(found_text(), text);
}

/*---------------------------------------------------------------- MBR */

static void mbr_entry(uint64_t lba, int i, uint8_t type, uint32_t start, uint32_t size)
{
	size_t at = lba * src.block_size + 446 + 16 * i;

	disk[at + 4] = type;
	put32(at + 8, start);
	put32(at + 12, size);
	disk[lba * src.block_size + 510] = 0x55;
	disk[lba * src.block_size + 511] = 0xaa;
}

static void test_no_table(void **state)
{
	(void)state;
	begin(512);
	expect("");
	assert_int_equal(fake_log_lines[0] + fake_log_lines[1], 0);
	/* a FAT boot sector: the same signature, text where the entries would be */
	memset(disk + 446, 'x', 64);
	disk[510] = 0x55;
	disk[511] = 0xaa;
	expect("");
	assert_int_equal(fake_log_lines[0] + fake_log_lines[1], 0);
	/* nothing to scan */
	begin(512);
	src.nr_blocks = 1;
	expect("");
	begin(512);
	src.block_size = 520;
	expect("");
	src.block_size = 8192;
	expect("");
	assert_int_equal(reads, 0);
}

static void test_mbr(void **state)
{
	(void)state;
	for (uint32_t bs = 512; bs <= 4096; bs *= 2) {
		begin(bs);
		put32(440, 0xdeadbeef);
		mbr_entry(0, 0, 0x83, 1, 99);
		mbr_entry(0, 2, 0x82, 100, 1948);
		disk[446] = 0x80;
		expect("1:1+99 3:100+1948");
		assert_true(parts[0].mbr && parts[0].mbr_signature == 0xdeadbeef);
		assert_string_equal(parts[0].label, "");
		assert_int_equal(fake_log_lines[1], 0);
	}
}

static void test_mbr_bad_entries(void **state)
{
	(void)state;
	begin(512);
	mbr_entry(0, 0, 0x83, 100, 1949); /* one block too long */
	mbr_entry(0, 1, 0x83, 0, 10);	  /* holds the table itself */
	mbr_entry(0, 2, 0x83, 0xffffffff, 0xffffffff);
	mbr_entry(0, 3, 0x83, 2047, 1);
	expect("4:2047+1");
	assert_int_equal(fake_log_lines[1], 3);
	mbr_entry(0, 0, 0, 5, 5);    /* deleted */
	mbr_entry(0, 1, 0x83, 5, 0); /* empty */
	mbr_entry(0, 2, 0x83, 2048, 1);
	expect("4:2047+1");
}

/* Starts of logical partitions count from their record, links from the extended partition */
static void test_logical(void **state)
{
	(void)state;
	begin(512);
	mbr_entry(0, 0, 0x83, 1, 9);
	mbr_entry(0, 1, 0x0f, 10, 1000);
	mbr_entry(0, 2, 0x83, 1500, 100);
	mbr_entry(10, 0, 0x83, 1, 50);
	mbr_entry(10, 1, 0x05, 100, 100);
	mbr_entry(110, 0, 0x82, 2, 60);
	mbr_entry(110, 1, 0x05, 300, 700);
	mbr_entry(310, 0, 0x83, 1, 699);
	expect("1:1+9 3:1500+100 5:11+50 6:112+60 7:311+699");
	assert_int_equal(fake_log_lines[1], 0);
	/* a chain against the order of the disk, and an empty record in it */
	mbr_entry(110, 0, 0, 0, 0);
	mbr_entry(310, 1, 0x85, 50, 50);
	mbr_entry(60, 0, 0x83, 1, 39);
	expect("1:1+9 3:1500+100 5:11+50 6:311+699 7:61+39");
	/* a deleted one keeps its number, one that leaves the extended partition too */
	mbr_entry(10, 0, 0, 1, 50);
	mbr_entry(310, 0, 0x83, 1, 700);
	expect("1:1+9 3:1500+100 7:61+39");
	assert_int_equal(fake_log_lines[1], 1);
}

/*
 * Records with more than two entries: plausible ones count, the garbage of some old tools does not
 */
static void test_logical_odd(void **state)
{
	(void)state;
	begin(512);
	mbr_entry(0, 0, 0x05, 10, 500);
	mbr_entry(0, 3, 0x05, 600, 500);
	mbr_entry(10, 0, 0x05, 100, 100); /* the link may come first */
	mbr_entry(10, 1, 0x83, 1, 5);
	mbr_entry(10, 2, 0x83, 10, 20);
	mbr_entry(10, 3, 0x83, 0x12345678, 20);
	mbr_entry(110, 0, 0x83, 1, 0); /* no blocks */
	mbr_entry(110, 1, 0x83, 0, 7); /* over its own record: keeps a number */
	mbr_entry(110, 2, 0x83, 1, 400);
	mbr_entry(110, 3, 0x83, 1, 399);
	mbr_entry(600, 0, 0x83, 1, 499); /* a second extended partition goes on counting */
	expect("5:11+5 6:20+20 8:111+399 9:601+499");
	/* a record whose signature is half there */
	disk[110 * 512 + 511] = 0;
	expect("5:11+5 6:20+20 7:601+499");
	disk[110 * 512 + 510] = 0;
	disk[110 * 512 + 511] = 0xaa;
	expect("5:11+5 6:20+20 7:601+499");
}

static void test_logical_damaged(void **state)
{
	(void)state;
	begin(512);
	mbr_entry(0, 1, 0x05, 10, 1000);
	mbr_entry(10, 0, 0x83, 1, 50);
	mbr_entry(10, 1, 0x05, 100, 100);
	expect("5:11+50"); /* no record at 110 */
	assert_true(fake_log_has("no extended boot record at block 0x6e"));
	bad_lba = 110 + 1;
	expect("5:11+50");
	assert_true(fake_log_has("unreadable"));
	bad_lba = 0;
	/* loops: to itself, to the first, in the middle */
	mbr_entry(10, 1, 0x05, 0, 100);
	expect("5:11+50");
	assert_true(fake_log_has("loop"));
	mbr_entry(10, 1, 0x05, 100, 100);
	mbr_entry(110, 0, 0x83, 1, 5);
	mbr_entry(110, 1, 0x05, 0, 100);
	expect("5:11+50 6:111+5");
	mbr_entry(110, 1, 0x05, 200, 100);
	mbr_entry(210, 0, 0x83, 1, 5);
	mbr_entry(210, 1, 0x05, 100, 100);
	expect("5:11+50 6:111+5 7:211+5");
	assert_true(fake_log_has("loop"));
	/* a link out of the extended partition ends the chain */
	mbr_entry(210, 1, 0x05, 1000, 100);
	expect("5:11+50 6:111+5 7:211+5");
	/* an extended partition that would begin at the MBR */
	mbr_entry(0, 1, 0x05, 0, 1000);
	expect("");
}

static void test_many_logical(void **state)
{
	(void)state;
	begin(512);
	mbr_entry(0, 0, 0x05, 1, 2047);
	for (int i = 0; i < 500; i++) {
		mbr_entry(1 + 2 * i, 0, 0x83, 1, 1);
		mbr_entry(1 + 2 * i, 1, 0x05, 2 * (i + 1), 2);
	}
	assert_int_equal(scan(), 0);
	assert_int_equal(nr_parts, 128);
	assert_int_equal(parts[127].index, 132);
	assert_true(fake_log_has("more than 128"));
}

/*---------------------------------------------------------------- GPT */

#define ENTRIES 8

static void seal_gpt(uint64_t lba)
{
	size_t h = lba * src.block_size;
	uint64_t entries;
	uint32_t nr, size;

	memcpy(&entries, disk + h + 72, 8);
	memcpy(&nr, disk + h + 80, 4);
	memcpy(&size, disk + h + 84, 4);
	put32(h + 88, crc32_ieee(0, disk + entries * src.block_size, (size_t)nr * size));
	put32(h + 16, 0);
	memcpy(&size, disk + h + 12, 4);
	put32(h + 16, crc32_ieee(0, disk + h, size));
}

/* UEFI 2.10 table 5.5 */
static void gpt_header(uint64_t lba, uint64_t entries_lba, uint32_t nr, uint32_t size)
{
	size_t h = lba * src.block_size;

	memcpy(disk + h, "EFI PART", 8);
	put32(h + 8, 0x10000);
	put32(h + 12, 92);
	put64(h + 24, lba);
	put64(h + 32, lba == 1 ? BLOCKS - 1 : 1);
	put64(h + 40, 34);
	put64(h + 48, BLOCKS - 34);
	put64(h + 72, entries_lba);
	put32(h + 80, nr);
	put32(h + 84, size);
}

static void gpt_entry(size_t at, uint64_t first, uint64_t last, const char16_t *name)
{
	static const uint8_t guid[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
					 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};

	memset(disk + at, 0x11, 16);
	memcpy(disk + at + 16, guid, 16);
	put64(at + 32, first);
	put64(at + 40, last);
	for (int i = 0; i < 36 && name[i]; i++)
		memcpy(disk + at + 56 + 2 * i, &name[i], 2);
}

static void protective_mbr(void)
{
	mbr_entry(0, 0, 0xee, 1, 0xffffffff);
}

/* Primary table at 2, backup before the last block, three partitions */
static void make_gpt(uint32_t block_size)
{
	uint64_t entries[] = {2, BLOCKS - 1 - 2};
	uint64_t headers[] = {1, BLOCKS - 1};

	begin(block_size);
	protective_mbr();
	for (int i = 0; i < 2; i++) {
		size_t at = entries[i] * block_size;

		gpt_header(headers[i], entries[i], ENTRIES, 128);
		gpt_entry(at, 40, 99, u"crash");
		gpt_entry(at + 2 * 128, 100, 100, u"größe 漢字 😀");
		gpt_entry(at + 7 * 128, 200, BLOCKS - 34, u"123456789012345678901234567890123456");
		seal_gpt(headers[i]);
	}
}

#define GPT_PARTS "1:40+60 3:100+1 8:200+1815"

static void test_gpt(void **state)
{
	static const uint8_t uuid[16] = {0xc1, 0x2a, 0x73, 0x28, 0xf8, 0x1f, 0x11, 0xd2,
					 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};

	(void)state;
	for (uint32_t bs = 512; bs <= 4096; bs *= 2) {
		make_gpt(bs);
		expect(GPT_PARTS);
		assert_int_equal(fake_log_lines[0] + fake_log_lines[1], 0);
		assert_false(parts[0].mbr);
		assert_memory_equal(parts[0].uuid, uuid, 16);
		assert_string_equal(parts[0].label, "crash");
		assert_string_equal(parts[1].label, "größe 漢字 😀");
		assert_string_equal(parts[2].label, "123456789012345678901234567890123456");
	}
}

/* The boot flags of a protective MBR mean nothing, those of a hybrid one included */
static void test_gpt_boot_flags(void **state)
{
	static const uint8_t flags[] = {0x01, 0x7f, 0x80, 0xff, 0xee};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		for (int entry = 0; entry < 4; entry++) {
			make_gpt(512);
			mbr_entry(0, 3, 0xee, 1, 39);
			mbr_entry(0, 0, 0x0c, 40, 60);
			disk[446 + 16 * entry] = flags[i];
			expect(GPT_PARTS);
			assert_int_equal(fake_log_lines[0] + fake_log_lines[1], 0);
		}
	/* code of a boot sector that only looks a little like it */
	make_gpt(512);
	disk[446] = 0x66;
	put32(446 + 8, 2);
	expect("");
}

/* Any single damage of the primary table: the backup is used, and said */
static void test_gpt_backup(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		bool seal;
	} damage[] = {
		{512, 'X', false},	 /* signature */
		{512 + 16, 0x55, false}, /* its checksum */
		{512 + 100, 1, false},	 /* no damage: behind the header */
		{512 + 56, 1, false},	 /* disk GUID: checksum */
		{512 + 12, 91, true},	 /* header size */
		{512 + 13, 4, true},
		{512 + 24, 2, true},	/* belongs elsewhere */
		{512 + 40, 0, true},	/* first usable: 0 */
		{512 + 41, 0x10, true}, /* behind the last usable */
		{512 + 49, 8, true},	/* last usable outside */
		{512 + 72, 1, true},	/* entries over the header */
		{512 + 73, 8, true},	/* entries outside */
		{512 + 79, 0xff, true},
		{512 + 72, 100, true}, /* entries inside the usable area */
		{512 + 80, 0, true},   /* no entries */
		{512 + 84, 64, true},  /* entry size */
		{512 + 84, 132, true},
		{2 * 512 + 5, 0, false}, /* entries: checksum */
		{2 * 512 + 1023, 1, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(damage); i++) {
		bool harmless = damage[i].at == 512 + 100;

		make_gpt(512);
		disk[damage[i].at] = damage[i].value;
		if (damage[i].seal) {
			/* a seal that does not follow wild numbers: header only */
			put32(512 + 16, 0);
			put32(512 + 16, crc32_ieee(0, disk + 512, 92));
		}
		assert_int_equal(scan(), 0);
		if (strcmp(found_text(), GPT_PARTS) || fake_log_has("using the backup") == harmless)
			fail_msg("damage %zu: %s", i, found_text());
		/* with the backup gone as well there is nothing, and no crash */
		if (harmless)
			continue;
		disk[(BLOCKS - 1) * 512 + 3] = 'x';
		expect("");
	}
}

static void test_gpt_unreadable(void **state)
{
	(void)state;
	make_gpt(512);
	bad_lba = 1 + 1;
	expect(GPT_PARTS);
	bad_lba = 2 + 1;
	expect(GPT_PARTS);
	bad_lba = 0 + 1;
	assert_int_equal(scan(), -EIO);
	assert_int_equal(nr_parts, 0);
}

static void test_gpt_hostile_size(void **state)
{
	(void)state;
	make_gpt(512);
	/* as many entries as 32 bits can say, header checksum right */
	put32(512 + 80, 0xffffffff);
	put32(512 + 16, 0);
	put32(512 + 16, crc32_ieee(0, disk + 512, 92));
	expect(GPT_PARTS);
	assert_true(fake_log_has("bad entry size or number"));
	assert_true(reads < 20);
}

static void test_gpt_entries(void **state)
{
	(void)state;
	make_gpt(512);
	gpt_entry(2 * 512 + 1 * 128, 33, 40, u"before the usable area");
	gpt_entry(2 * 512 + 3 * 128, 2000, BLOCKS - 33, u"behind it");
	gpt_entry(2 * 512 + 4 * 128, 300, 299, u"upside down");
	gpt_entry(2 * 512 + 5 * 128, 300, UINT64_MAX, u"huge");
	gpt_entry(2 * 512 + 6 * 128, 34, 34, u"first block");
	seal_gpt(1);
	expect("1:40+60 3:100+1 7:34+1 8:200+1815");
	assert_int_equal(fake_log_lines[1], 4);
	stop_at = 2;
	assert_int_equal(scan(), 42);
	assert_int_equal(nr_parts, 2);
}

/* Entries of 136 bytes straddle blocks; entries of 4 KiB are larger than one */
static void test_gpt_entry_sizes(void **state)
{
	static const uint32_t sizes[] = {128, 136, 256, 600, 1024, 4096};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		for (uint32_t bs = 512; bs <= 4096; bs *= 8) {
			begin(bs);
			protective_mbr();
			gpt_header(1, 2, 3, sizes[i]);
			put32(bs + 12, bs); /* the header's checksum may cover its whole block */
			for (int k = 0; k < 3; k++)
				gpt_entry(2 * bs + k * sizes[i], 100 + k, 200 + k, u"n");
			seal_gpt(1);
			expect("1:100+101 2:101+101 3:102+101");
			assert_string_equal(parts[2].label, "n");
			assert_int_equal(fake_log_lines[0], 0);
		}
}

/* 8 KiB-entry tables exist; the first 256 entries count, the checksum covers all */
static void test_gpt_many(void **state)
{
	(void)state;
	begin(512);
	protective_mbr();
	gpt_header(1, 2, 300, 128);
	put64(512 + 40, 100);
	for (int i = 0; i < 300; i++)
		gpt_entry(2 * 512 + i * 128, 100 + i, 100 + i, u"");
	seal_gpt(1);
	assert_int_equal(scan(), 0);
	assert_int_equal(nr_parts, 256);
	assert_int_equal(parts[255].index, 256);
	disk[2 * 512 + 299 * 128] ^= 1;
	expect("");
}

/* The usable area may be a single block and may reach to the last one; so may the smallest disk */
static void test_gpt_limits(void **state)
{
	(void)state;
	begin(512);
	protective_mbr();
	gpt_header(1, 2, 1, 128);
	put64(512 + 40, BLOCKS - 1);
	put64(512 + 48, BLOCKS - 1);
	gpt_entry(2 * 512, BLOCKS - 1, BLOCKS - 1, u"last");
	seal_gpt(1);
	expect("1:2047+1");
	put64(512 + 40, 3);
	seal_gpt(1);
	expect("1:2047+1");
	put64(512 + 40, 2); /* the entries' own block */
	seal_gpt(1);
	expect("");
	begin(512);
	src.nr_blocks = 2;
	mbr_entry(0, 0, 0x83, 1, 1);
	expect("1:1+1");
}

static void test_gpt_names(void **state)
{
	static const struct {
		char16_t name[36];
		const char *utf8;
	} cases[] = {
		{{0}, ""},
		{{'a', 0, 'b'}, "a"},
		{{'a', 1, 0x1f, 0x7f, 0x9f, 'b'}, "a????b"},
		{{0xe9, 0x7ff, 0x800, 0xffff}, "\xc3\xa9\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"},
		{{0xd83d, 0xde00, 0xdbff, 0xdfff}, "\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf"},
		{{0xd83d, 'x', 0xde00, 0xd83d}, "?x??"},
		{{0xd83d, 0xd83d, 0xde00}, "?\xf0\x9f\x98\x80"},
		{{0xd800, 0xdc00, 0xd800, 0xe000, 0xdc00}, "\xf0\x90\x80\x80?\xee\x80\x80?"},
		{{0xdfff, 0xd7ff, 0xdbff, 0xdbff, 0xa0}, "?\xed\x9f\xbf??\xc2\xa0"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make_gpt(512);
		memcpy(disk + 2 * 512 + 56, cases[i].name, 72);
		seal_gpt(1);
		expect(GPT_PARTS);
		assert_string_equal(parts[0].label, cases[i].utf8);
	}
	/* the longest: 36 units of three bytes, and a pair cut by the end of the field */
	make_gpt(512);
	for (int i = 0; i < 36; i++)
		memcpy(disk + 2 * 512 + 56 + 2 * i, u"漢", 2);
	seal_gpt(1);
	expect(GPT_PARTS);
	assert_int_equal(strlen(parts[0].label), 108);
	memcpy(disk + 2 * 512 + 56 + 70, &(char16_t){0xd83d}, 2);
	seal_gpt(1);
	expect(GPT_PARTS);
	assert_string_equal(parts[0].label + 105, "?");
}

/*
 * A GPT is believed behind a protective MBR only: the old table of a disk that now has an MBR is
 * not
 */
static void test_stale_gpt(void **state)
{
	(void)state;
	make_gpt(512);
	mbr_entry(0, 0, 0x83, 50, 10);
	expect("1:50+10");
	mbr_entry(0, 3, 0xee, 1, 10);
	expect(GPT_PARTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_table),
		cmocka_unit_test(test_mbr),
		cmocka_unit_test(test_mbr_bad_entries),
		cmocka_unit_test(test_logical),
		cmocka_unit_test(test_logical_odd),
		cmocka_unit_test(test_logical_damaged),
		cmocka_unit_test(test_many_logical),
		cmocka_unit_test(test_gpt),
		cmocka_unit_test(test_gpt_boot_flags),
		cmocka_unit_test(test_gpt_backup),
		cmocka_unit_test(test_gpt_unreadable),
		cmocka_unit_test(test_gpt_hostile_size),
		cmocka_unit_test(test_gpt_entries),
		cmocka_unit_test(test_gpt_entry_sizes),
		cmocka_unit_test(test_gpt_many),
		cmocka_unit_test(test_gpt_limits),
		cmocka_unit_test(test_gpt_names),
		cmocka_unit_test(test_stale_gpt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
