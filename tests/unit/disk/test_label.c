// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/disk/target.c stub/disk/part.c stub/disk/blk.c tests/unit/fake/arena.c */
/* needs: tests/unit/fake/disks.c stub/idle.c tests/unit/fake/clock.c tests/unit/fake/log.c */
/*
 * Labels decide where the stub may write: the right one is found, every damaged, foreign or doubled
 * one is refused, and nothing outside the window that it opens can be reached.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "stub/format/crc.h"
#include "stub/format/vouch.h"
#include "stub/disk/target.h"
#include "stub/idle.h"
#include "tests/unit/fake/bus.h"
#include "tests/unit/fake/disks.h"

#define DISK_BYTES  MIB(8)
#define BLOCK	    512u
#define NR_BLOCKS   (DISK_BYTES / BLOCK)
#define PART1	    2048u /* first blocks of the two partitions */
#define PART2	    8192u
#define PART_BLOCKS 4096u

static uint8_t media[FAKE_MAX_DISKS][DISK_BYTES];
static struct target target;
static const struct boot_info bi;

static struct fake_disk *disk(void)
{
	uint8_t *bytes = media[fake_nr_disks];

	memset(bytes, 0, DISK_BYTES);
	return fake_disk_add(bytes, BLOCK, NR_BLOCKS);
}

static void begin(void)
{
	fake_disks_reset();
	fake_log_reset();
}

static void seal(struct capstub_label *l)
{
	l->crc32c = 0;
	l->crc32c = crc32c(0, l, sizeof(*l));
}

/* Label the window that begins at @first and is @bytes long */
static struct capstub_label *label(struct fake_disk *d, uint64_t first, uint64_t bytes, uint8_t id,
				   const char *name)
{
	struct capstub_label *l =
		(void *)(d->bytes + first * d->dev.block_size + bytes - CAPSTUB_LABEL_SIZE);

	memset(l, 0, sizeof(*l));
	memcpy(l->magic, CAPSTUB_LABEL_MAGIC, sizeof(l->magic));
	l->version = CAPSTUB_LABEL_VERSION;
	memset(l->uuid, id, sizeof(l->uuid));
	strcpy(l->name, name);
	l->target_bytes = bytes;
	seal(l);
	return l;
}

static void mbr_entry(struct fake_disk *d, int i, uint8_t type, uint32_t start, uint32_t size)
{
	uint8_t *e = d->bytes + 446 + 16 * i;

	e[4] = type;
	memcpy(e + 8, &start, 4);
	memcpy(e + 12, &size, 4);
	memcpy(d->bytes + 440, &(uint32_t){0xdeadbeef}, 4);
	memcpy(d->bytes + 510, "\x55\xaa", 2);
}

static void partition(struct fake_disk *d)
{
	mbr_entry(d, 0, 0x83, PART1, PART_BLOCKS);
	mbr_entry(d, 1, 0x83, PART2, PART_BLOCKS);
}

/* A GPT of four entries with two partitions, PARTUUIDs all 0x31 and 0x32, names as given */
static void gpt(struct fake_disk *d, char name1, char name2)
{
	uint8_t *h = d->bytes + BLOCK, *e = d->bytes + 2 * BLOCK;
	const struct {
		uint64_t first, last;
	} usable = {34, NR_BLOCKS - 34};
	uint32_t crc;

	mbr_entry(d, 0, 0xee, 1, NR_BLOCKS - 1);
	for (int i = 0; i < 2; i++, e += 128) {
		uint64_t lba[2] = {i ? PART2 : PART1, (i ? PART2 : PART1) + PART_BLOCKS - 1};

		memset(e, 0x77, 16);
		memset(e + 16, 0x31 + i, 16);
		memcpy(e + 32, lba, 16);
		e[56] = i ? name2 : name1;
	}
	crc = crc32_ieee(0, d->bytes + 2 * BLOCK, 512);
	memcpy(h, "EFI PART\0\0\1\0\x5c\0\0", 16);
	h[24] = 1;
	memcpy(h + 40, &usable, 16);
	h[72] = 2;
	h[80] = 4;
	h[84] = 128;
	memcpy(h + 88, &crc, 4);
	crc = crc32_ieee(0, h, 92);
	memcpy(h + 16, &crc, 4);
}

static const struct target_spec *spec(enum target_kind kind, const char *text, uint8_t id)
{
	static struct target_spec s;

	memset(&s, 0, sizeof(s));
	s.kind = kind;
	strcpy(s.text, text);
	memset(s.uuid, id, sizeof(s.uuid));
	return &s;
}

static const struct target_spec any = {.kind = TARGET_ANY, .text = "any"};

/* Whatever happens, disks that are not the target are shut down, and nobody has written anything */
static enum capstub_stop open_target(const struct target_spec *s)
{
	enum capstub_stop stop;

	for (unsigned i = 0; i < fake_nr_disks; i++)
		fake_disks[i].open = false;	/* an earlier case's target */
	stop = target_open(&target, &bi, s);
	for (unsigned i = 0; i < fake_nr_disks; i++) {
		struct fake_disk *d = &fake_disks[i];

		assert_int_equal(d->open, stop == STOP_OK && target.dev == &d->dev);
		assert_int_equal(d->writes + d->flushes, 0);
	}
	return stop;
}

static void test_whole_disk(void **state)
{
	struct fake_disk *d;

	(void)state;
	begin();
	disk();
	d = disk();
	label(d, 0, DISK_BYTES, 1, "lab");
	assert_int_equal(open_target(&any), STOP_OK);
	assert_ptr_equal(target.dev, &d->dev);
	assert_true(target.first_block == 0 && target.end == DISK_BYTES);
	assert_string_equal(target.label->name, "lab");
	assert_int_equal(open_target(spec(TARGET_UUID, "", 1)), STOP_OK);
	assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_OK);
	assert_int_equal(open_target(spec(TARGET_SERIAL, "SERIAL1", 0)), STOP_OK);
	assert_int_equal(fake_driverless_named, 0);
	assert_int_equal(open_target(spec(TARGET_UUID, "", 2)), STOP_NO_TARGET);
	assert_int_equal(fake_driverless_named, 1);	/* it may be where no driver looks */
	assert_int_equal(open_target(spec(TARGET_LABEL, "la", 0)), STOP_NO_TARGET);
	assert_int_equal(open_target(spec(TARGET_SERIAL, "SERIAL0", 0)), STOP_NO_LABEL);
	assert_int_equal(open_target(spec(TARGET_SERIAL, "SERIAL", 0)), STOP_NO_TARGET);
}

/* After the overall deadline no target is opened, whatever was seen */
static void test_after_the_deadline(void **state)
{
	(void)state;
	for (unsigned labels = 0; labels < 3; labels++) {
		begin();
		for (unsigned i = 0; i < 2; i++)
			if (i < labels)
				label(disk(), 0, DISK_BYTES, 1, "lab");
			else
				disk();
		idle_set_deadline(1);
		assert_int_equal(open_target(&any), STOP_DEADLINE);
		idle_set_deadline(0);
	}
}

static void test_partitions(void **state)
{
	struct fake_disk *d;
	struct target_spec mbr = {
		.kind = TARGET_PARTUUID, .mbr = true, .mbr_signature = 0xdeadbeef, .mbr_index = 2};

	(void)state;
	for (int i = 0; i < 2; i++) {
		begin();
		d = disk();
		if (i)
			gpt(d, 'x', 'y');
		else
			partition(d);
		label(d, PART2, PART_BLOCKS * BLOCK, 5, "p2");
		assert_int_equal(open_target(&any), STOP_OK);
		assert_true(target.first_block == PART2 && target.end == PART_BLOCKS * BLOCK);
		assert_string_equal(target.name, "disk0 partition 2");
		assert_int_equal(open_target(spec(TARGET_UUID, "", 5)), STOP_OK);
		assert_int_equal(open_target(spec(TARGET_SERIAL, "SERIAL0", 0)), STOP_OK);
		mbr.mbr_index = 2;
		assert_int_equal(open_target(&mbr), i ? STOP_NO_TARGET : STOP_OK);
		mbr.mbr_index = 1;
		assert_int_equal(open_target(&mbr), i ? STOP_NO_TARGET : STOP_NO_LABEL);
		mbr.mbr_index = 3;
		assert_int_equal(open_target(&mbr), STOP_NO_TARGET);
	}
	assert_int_equal(open_target(spec(TARGET_PARTUUID, "", 0x32)), STOP_OK);
	assert_int_equal(open_target(spec(TARGET_PARTUUID, "", 0x31)), STOP_NO_LABEL);
	assert_int_equal(open_target(spec(TARGET_PARTUUID, "", 0x33)), STOP_NO_TARGET);
	assert_int_equal(open_target(spec(TARGET_PARTLABEL, "y", 0)), STOP_OK);
	assert_int_equal(open_target(spec(TARGET_PARTLABEL, "x", 0)), STOP_NO_LABEL);
	assert_int_equal(open_target(spec(TARGET_PARTLABEL, "z", 0)), STOP_NO_TARGET);
}

static void test_damaged(void **state)
{
	struct fake_disk *d;
	struct capstub_label *l;

	(void)state;
	for (int i = 0; i < 7; i++) {
		begin();
		d = disk();
		partition(d);
		l = label(d, PART1, PART_BLOCKS * BLOCK, 1, "lab");
		switch (i) {
		case 0:
			l->crc32c ^= 1;
			break;
		case 1:
			l->rsvd1a0[sizeof(l->rsvd1a0) - 1] = 1;
			break;
		case 2:
			l->version = CAPSTUB_LABEL_VERSION + 1;
			seal(l);
			break;
		case 3:
			l->target_bytes -= 4096;
			seal(l);
			break;
		case 4:
			l->target_bytes = UINT64_MAX;
			seal(l);
			break;
		case 5:
			l->magic[7] = 1;
			break;
		case 6:
			memset(l, 0, sizeof(*l));
			break;
		}
		assert_int_equal(open_target(&any), i < 5 ? STOP_BAD_LABEL : STOP_NO_TARGET);
		assert_int_equal(open_target(spec(TARGET_UUID, "", 1)),
				 i < 5 ? STOP_BAD_LABEL : STOP_NO_TARGET);
		assert_int_equal(open_target(spec(TARGET_SERIAL, "SERIAL0", 0)),
				 i < 5 ? STOP_BAD_LABEL : STOP_NO_LABEL);
		assert_true(fake_log_lines[0] > 0);
	}
	/* a name without end is cut, not run over */
	begin();
	l = label(disk(), 0, DISK_BYTES, 1, "");
	memset(l->name, 'n', sizeof(l->name));
	seal(l);
	assert_int_equal(open_target(&any), STOP_OK);
	assert_int_equal(strlen(target.label->name), sizeof(l->name) - 1);
}

/* A good label beside a damaged one is found all the same */
static void test_one_of_two_damaged(void **state)
{
	struct fake_disk *d;

	(void)state;
	begin();
	d = disk();
	partition(d);
	label(d, PART1, PART_BLOCKS * BLOCK, 1, "bad")->state = 1;
	label(d, PART2, PART_BLOCKS * BLOCK, 2, "good");
	assert_int_equal(open_target(spec(TARGET_LABEL, "good", 0)), STOP_OK);
	assert_int_equal(open_target(&any), STOP_OK);
	assert_true(target.first_block == PART2);
}

static void test_ambiguous(void **state)
{
	struct fake_disk *d;

	(void)state;
	begin();
	label(disk(), 0, DISK_BYTES, 1, "lab");
	label(disk(), 0, DISK_BYTES, 2, "lab");
	assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_AMBIGUOUS_TARGET);
	assert_int_equal(open_target(spec(TARGET_UUID, "", 2)), STOP_OK);
	assert_ptr_equal(target.dev, &fake_disks[1].dev);
	/* any is no wish to have the first of several */
	assert_int_equal(open_target(&any), STOP_AMBIGUOUS_TARGET);
	/* two disks of one machine with the same UUID: a copied image */
	begin();
	label(disk(), 0, DISK_BYTES, 1, "a");
	label(disk(), 0, DISK_BYTES, 1, "b");
	assert_int_equal(open_target(spec(TARGET_UUID, "", 1)), STOP_AMBIGUOUS_TARGET);
	assert_int_equal(open_target(&any), STOP_AMBIGUOUS_TARGET);
	/* two partitions of one disk */
	begin();
	d = disk();
	partition(d);
	label(d, PART1, PART_BLOCKS * BLOCK, 1, "a");
	assert_int_equal(open_target(&any), STOP_OK);
	label(d, PART2, PART_BLOCKS * BLOCK, 2, "b");
	assert_int_equal(open_target(&any), STOP_AMBIGUOUS_TARGET);
}

/* A disk with two ports is one disk; what was copied to another one is not */
static void test_two_ways(void **state)
{
	struct fake_disk *d[3];

	(void)state;
	begin();
	for (unsigned i = 0; i < 3; i++) {
		d[i] = disk();
		label(d[i], 0, DISK_BYTES, 1, "lab");
		strcpy(d[i]->dev.serial, "DUAL");
		memset(d[i]->dev.shared_id, 0x52, 16);
	}
	fake_nr_disks = 2;
	assert_int_equal(open_target(&any), STOP_OK);
	assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_OK);
	assert_int_equal(open_target(spec(TARGET_UUID, "", 1)), STOP_OK);
	assert_int_equal(open_target(spec(TARGET_SERIAL, "DUAL", 0)), STOP_OK);
	assert_ptr_equal(target.dev, &d[0]->dev);
	/* The first way that works */
	d[0]->dies = true;
	assert_int_equal(open_target(&any), STOP_OK);
	assert_ptr_equal(target.dev, &d[1]->dev);
	d[0]->dies = false;
	fake_nr_disks = 3;
	assert_int_equal(open_target(&any), STOP_OK);

	/* Nothing less than all of it is proof */
	fake_nr_disks = 2;
	d[1]->dev.shared_id[15] ^= 1;
	assert_int_equal(open_target(&any), STOP_AMBIGUOUS_TARGET);
	d[1]->dev.shared_id[15] ^= 1;
	strcpy(d[1]->dev.serial, "DUAM");
	assert_int_equal(open_target(&any), STOP_AMBIGUOUS_TARGET);
	strcpy(d[1]->dev.serial, "DUAL");
	label(d[1], 0, DISK_BYTES, 2, "lab");
	assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_AMBIGUOUS_TARGET);
	label(d[1], 0, DISK_BYTES, 1, "lab");
	assert_int_equal(open_target(&any), STOP_OK);
	for (unsigned i = 0; i < 2; i++)
		memset(d[i]->dev.shared_id, 0, 16);
	assert_int_equal(open_target(&any), STOP_AMBIGUOUS_TARGET);
	/* nor is one disk with the label in two places one target */
	begin();
	d[0] = disk();
	memset(d[0]->dev.shared_id, 0x52, 16);
	partition(d[0]);
	label(d[0], PART1, PART_BLOCKS * BLOCK, 1, "lab");
	label(d[0], PART2, PART_BLOCKS * BLOCK, 1, "lab");
	assert_int_equal(open_target(&any), STOP_AMBIGUOUS_TARGET);
}

/* It was there, and is there no more when it is opened to be written */
static void test_lost(void **state)
{
	(void)state;
	begin();
	label(disk(), 0, DISK_BYTES, 1, "lab");
	fake_disks[0].lost = true;
	assert_int_equal(open_target(&any), STOP_DEVICE_INIT);
}

/*
 * The last partition and the disk may end at the same block: then the label is found in both places
 */
static void test_same_end(void **state)
{
	struct fake_disk *d;

	(void)state;
	begin();
	d = disk();
	mbr_entry(d, 0, 0x83, PART2, NR_BLOCKS - PART2);
	label(d, PART2, (NR_BLOCKS - PART2) * BLOCK, 1, "lab");
	assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_OK);
	assert_true(target.first_block == PART2);
	label(d, 0, DISK_BYTES, 1, "lab");
	memset(d->bytes, 0, 512);
	assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_OK);
	assert_true(target.first_block == 0 && target.end == DISK_BYTES);
}

/* The label as `capstub format` writes it: it vouches for both ends, which are zeros */
static struct capstub_label *vouched(struct fake_disk *d, uint8_t id, const char *name)
{
	struct capstub_label *l = label(d, 0, DISK_BYTES, id, name);
	static uint8_t block[4096];

	vouch_zeros(&l->vouch, block);
	seal(l);
	return l;
}

/*
 * A label that outlived what was written to the other end is no permission. It hides no other
 * target, and whatever else a word matches is still one too many.
 */
static void test_foreign(void **state)
{
	struct fake_disk *d;

	(void)state;
	begin();
	d = disk();
	vouched(d, 1, "lab");
	assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_OK);
	for (unsigned i = 0; i < 4; i++) {
		static const uint64_t at[] = { 0, CAPSTUB_HEAD_MAX - 1, DISK_BYTES - 4096 - CAPSTUB_TAIL_MAX,
					       DISK_BYTES - 4097 };

		d->bytes[at[i]] = 1;
		assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_FOREIGN_DATA);
		assert_int_equal(open_target(spec(TARGET_UUID, "", 1)), STOP_FOREIGN_DATA);
		assert_int_equal(open_target(spec(TARGET_SERIAL, "SERIAL0", 0)), STOP_FOREIGN_DATA);
		assert_int_equal(open_target(&any), STOP_FOREIGN_DATA);
		d->bytes[at[i]] = 0;
	}
	/* What lies between them is nobody's business */
	d->bytes[CAPSTUB_HEAD_MAX] = d->bytes[DISK_BYTES - 4097 - CAPSTUB_TAIL_MAX] = 1;
	assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_OK);

	memcpy(d->bytes, "LUKS\xba\xbe\0\2", 8);
	vouched(disk(), 2, "spare");
	assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_FOREIGN_DATA);
	assert_int_equal(open_target(spec(TARGET_LABEL, "spare", 0)), STOP_OK);
	assert_int_equal(open_target(&any), STOP_OK);
	assert_ptr_equal(target.dev, &fake_disks[1].dev);
	vouched(&fake_disks[1], 2, "lab");
	assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_AMBIGUOUS_TARGET);

	/* The partition behind a foreign one is found: both are judged while the table is being read */
	for (int mbr = 0; mbr < 2; mbr++) {
		begin();
		d = disk();
		if (mbr)
			partition(d);
		else
			gpt(d, 'x', 'y');
		label(d, PART1, PART_BLOCKS * BLOCK, 1, "p1");
		label(d, PART2, PART_BLOCKS * BLOCK, 2, "p2");
		assert_int_equal(open_target(&any), STOP_AMBIGUOUS_TARGET);
		d->bytes[PART1 * BLOCK + 510] = 0x55;
		assert_int_equal(open_target(&any), STOP_OK);
		assert_true(target.first_block == PART2);
		assert_int_equal(open_target(spec(TARGET_SERIAL, "SERIAL0", 0)), STOP_AMBIGUOUS_TARGET);
	}

	/* An end that cannot be read is no permission either */
	begin();
	d = disk();
	vouched(d, 1, "lab");
	d->bad_lba = 1 + 100;
	assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_READ_ERROR);
	assert_int_equal(open_target(&any), STOP_READ_ERROR);
}

/*
 * The place has grown: the label is where it was, and nothing is written. Whatever else could be looked at comes
 * first, and a target that is found costs no search.
 */
static void test_grown(void **state)
{
	struct fake_disk *d;
	unsigned reads;

	(void)state;
	begin();
	d = disk();
	vouched(d, 1, "lab");
	assert_int_equal(open_target(&any), STOP_OK);
	reads = d->reads;
	memset(d->bytes + DISK_BYTES - 4096, 0, 4096);
	label(d, 0, DISK_BYTES - MIB(3), 1, "lab");
	assert_int_equal(open_target(&any), STOP_TARGET_RESIZED);
	assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_TARGET_RESIZED);
	assert_int_equal(open_target(spec(TARGET_UUID, "", 1)), STOP_TARGET_RESIZED);
	assert_int_equal(open_target(spec(TARGET_SERIAL, "SERIAL0", 0)), STOP_TARGET_RESIZED);
	assert_true(fake_log_has("disk0: it has grown since capstub format"));
	assert_int_equal(open_target(spec(TARGET_LABEL, "bal", 0)), STOP_NO_TARGET);
	/* After a capture there is a dump's header at its start; anything else there makes it somebody's */
	memcpy(d->bytes, "KDUMP   ", 8);
	assert_int_equal(open_target(&any), STOP_TARGET_RESIZED);
	memcpy(d->bytes, "LUKS\xba\xbe\0\2", 8);
	assert_int_equal(open_target(&any), STOP_NO_TARGET);

	/* partitions */
	begin();
	d = disk();
	partition(d);
	label(d, PART1, PART_BLOCKS * BLOCK - 4096, 1, "lab");
	assert_int_equal(open_target(&any), STOP_TARGET_RESIZED);
	label(d, PART2, PART_BLOCKS * BLOCK, 2, "good");
	assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_TARGET_RESIZED);
	assert_int_equal(open_target(&any), STOP_OK);
	assert_true(target.first_block == PART2);

	/* a blank disk beside the target is looked at, and no more */
	begin();
	disk();
	d = disk();
	vouched(d, 1, "lab");
	assert_int_equal(open_target(&any), STOP_OK);
	assert_true(fake_disks[0].reads < 8 && d->reads <= reads + 2);
	/* it cannot be read behind its label */
	begin();
	d = disk();
	label(d, 0, DISK_BYTES - MIB(3), 1, "lab");
	d->bad_lba = NR_BLOCKS - 100;
	assert_int_equal(open_target(&any), STOP_NO_TARGET);
}

/* END is the window's size rounded down to 4 KiB */
static void test_odd_size(void **state)
{
	struct fake_disk *d;

	(void)state;
	begin();
	d = disk();
	mbr_entry(d, 0, 0x83, 63, PART_BLOCKS + 7);
	label(d, 63, PART_BLOCKS * BLOCK, 1, "odd");
	assert_int_equal(open_target(&any), STOP_OK);
	assert_true(target.first_block == 63 && target.end == PART_BLOCKS * BLOCK);
}

static void test_too_small(void **state)
{
	struct capstub_label *l;
	struct fake_disk *d;

	(void)state;
	begin();
	d = disk();
	mbr_entry(d, 0, 0x83, PART1, CAPSTUB_TARGET_MIN / BLOCK - 1);
	l = label(d, PART1, CAPSTUB_TARGET_MIN - 4096, 1, "tiny");
	assert_int_equal(open_target(&any), STOP_NO_TARGET);
	memset(l, 0, sizeof(*l));
	mbr_entry(d, 0, 0x83, PART1, CAPSTUB_TARGET_MIN / BLOCK);
	label(d, PART1, CAPSTUB_TARGET_MIN, 1, "small");
	assert_int_equal(open_target(&any), STOP_OK);
}

static void test_devices(void **state)
{
	struct fake_disk *d;

	(void)state;
	begin();
	assert_int_equal(open_target(&any), STOP_NO_TARGET);
	d = disk();
	d->start_error = -EIO;
	assert_int_equal(open_target(&any), STOP_DEVICE_INIT);
	d->start_error = -ETIMEDOUT;
	assert_int_equal(open_target(&any), STOP_DEVICE_TIMEOUT);
	d->start_error = -EPROTOTYPE;
	assert_int_equal(open_target(&any), STOP_UNSUPPORTED_FORMAT);
	/* one that does not start does not hide one that does */
	label(disk(), 0, DISK_BYTES, 1, "lab");
	assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_OK);
	fake_disks[1].dev.read_only = true;
	assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_TARGET_READ_ONLY);
	assert_int_equal(open_target(&any), STOP_TARGET_READ_ONLY);

	/* nor does one that dies while it is looked at, or whose first or last block is bad */
	begin();
	d = disk();
	label(disk(), 0, DISK_BYTES, 1, "lab");
	d->dies = true;
	assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_OK);
	assert_int_equal(open_target(&any), STOP_OK);
	d->dies = false;
	d->bad_lba = 1;
	assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_OK);
	d->bad_lba = NR_BLOCKS;
	assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_OK);

	/* but where there is no other, it is the reason: a label that is there and cannot be read is not "no target" */
	begin();
	d = disk();
	label(d, 0, DISK_BYTES, 1, "lab");
	d->bad_lba = NR_BLOCKS;
	assert_int_equal(open_target(&any), STOP_READ_ERROR);
	assert_int_equal(open_target(spec(TARGET_UUID, "", 1)), STOP_READ_ERROR);
	assert_int_equal(open_target(spec(TARGET_SERIAL, "SERIAL0", 0)), STOP_READ_ERROR);
	assert_int_equal(open_target(spec(TARGET_SERIAL, "SERIAL1", 0)), STOP_NO_TARGET);
	d->bad_lba = 0;
	d->dies = true;
	assert_int_equal(open_target(spec(TARGET_LABEL, "lab", 0)), STOP_DEVICE_TIMEOUT);
	begin();
	d = disk();
	partition(d);
	label(d, PART2, PART_BLOCKS * BLOCK, 5, "p2");
	d->bad_lba = 1;
	assert_int_equal(open_target(spec(TARGET_LABEL, "p2", 0)), STOP_READ_ERROR);
}

/* The window is a wall */
static void test_window(void **state)
{
	static uint8_t buf[8192] __attribute__((aligned(4096)));
	struct fake_disk *d;
	uint64_t lba, end = PART_BLOCKS * BLOCK;

	(void)state;
	begin();
	d = disk();
	partition(d);
	label(d, PART1, end, 1, "lab");
	assert_int_equal(open_target(&any), STOP_OK);
	assert_int_equal(target_lba(&target, 0, 512, &lba), 0);
	assert_true(lba == PART1);
	assert_int_equal(target_lba(&target, end - 512, 512, &lba), 0);
	assert_true(lba == PART1 + PART_BLOCKS - 1);
	lba = 77;
	assert_int_equal(target_lba(&target, end, 512, &lba), -ERANGE);
	assert_int_equal(target_lba(&target, end - 512, 1024, &lba), -ERANGE);
	assert_int_equal(target_lba(&target, UINT64_MAX - 511, 512, &lba), -ERANGE);
	assert_int_equal(target_lba(&target, 512, UINT64_MAX - 511, &lba), -ERANGE);
	assert_int_equal(target_lba(&target, 0, 0, &lba), -ERANGE);
	assert_int_equal(target_lba(&target, 256, 512, &lba), -ERANGE);
	assert_int_equal(target_lba(&target, 0, 100, &lba), -ERANGE);
	assert_true(lba == 77);

	assert_int_equal(target_rw(&target, BLK_WRITE, end - 4096, buf, 8192), -ERANGE);
	assert_int_equal(d->writes, 0);
	memset(buf, 0x5a, sizeof(buf));
	assert_int_equal(target_rw(&target, BLK_WRITE, 4096, buf, 8192), 0);
	assert_true(d->write_first == PART1 * BLOCK + 4096 &&
		    d->write_last == PART1 * BLOCK + 12288);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(target_rw(&target, BLK_READ, 4096, buf, 8192), 0);
	assert_int_equal(buf[8191], 0x5a);
}

static void test_write_label(void **state)
{
	struct capstub_label *l;
	struct fake_disk *d;

	(void)state;
	begin();
	d = disk();
	partition(d);
	l = label(d, PART1, PART_BLOCKS * BLOCK, 1, "lab");
	assert_int_equal(open_target(&any), STOP_OK);
	target.label->state = CAPSTUB_COMPLETE;
	target.label->captures++;
	assert_int_equal(target_write_label(&target), 0);
	assert_int_equal(d->flushes, 1);
	assert_true(d->write_first == (uint64_t)((uint8_t *)l - d->bytes) &&
		    d->write_last == d->write_first + 4096);
	assert_int_equal(l->state, CAPSTUB_COMPLETE);
	/* readable again, by the same rules */
	blk_shutdown(target.dev);
	d->writes = d->flushes = 0;
	assert_int_equal(open_target(spec(TARGET_UUID, "", 1)), STOP_OK);
	assert_int_equal(target.label->captures, 1);

	d->bad_lba = PART1 + PART_BLOCKS;
	assert_int_equal(target_write_label(&target), -EIO);
	assert_int_equal(target_stop_code(&target, -EIO), STOP_WRITE_ERROR);
	assert_int_equal(target_stop_code(&target, -EROFS), STOP_TARGET_READ_ONLY);
	d->dies = true;
	assert_true(target_write_label(&target) < 0);
	assert_int_equal(target_stop_code(&target, -ETIMEDOUT), STOP_DEVICE_TIMEOUT);
}

/* After an exception: the target's disk, and whatever controller may be under way */
static void test_abort(void **state)
{
	struct target none = { 0 };
	struct fake_disk *d;

	(void)state;
	begin();
	target_abort(&none);
	assert_int_equal(fake_disks_aborted, 1);
	d = disk();
	label(d, 0, DISK_BYTES, 1, "lab");
	assert_int_equal(open_target(&any), STOP_OK);
	assert_true(d->open);
	target_abort(&target);
	assert_false(d->open);
	assert_int_equal(fake_disks_aborted, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_disk),  cmocka_unit_test(test_after_the_deadline),
		cmocka_unit_test(test_partitions),
		cmocka_unit_test(test_damaged),	    cmocka_unit_test(test_one_of_two_damaged),
		cmocka_unit_test(test_ambiguous),   cmocka_unit_test(test_same_end),
		cmocka_unit_test(test_odd_size),    cmocka_unit_test(test_too_small),
		cmocka_unit_test(test_devices),	    cmocka_unit_test(test_window),
		cmocka_unit_test(test_write_label), cmocka_unit_test(test_abort),
		cmocka_unit_test(test_foreign),	    cmocka_unit_test(test_two_ways),
		cmocka_unit_test(test_lost),	    cmocka_unit_test(test_grown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
