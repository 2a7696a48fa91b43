// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/disk/target.c stub/disk/part.c stub/disk/blk.c tests/unit/fake/arena.c */
/* needs: tests/unit/fake/disks.c stub/idle.c tests/unit/fake/clock.c tests/unit/fake/log.c */
/*
 * A file as target: it is found by the address of its map, every extent has to prove itself, and what is written lands in
 * the file's blocks and nowhere else.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "stub/disk/target.h"
#include "stub/idle.h"
#include "stub/format/crc.h"
#include "stub/format/vouch.h"
#include "tests/unit/fake/arena.h"
#include "tests/unit/fake/bus.h"
#include "tests/unit/fake/disks.h"

#define DISK_BYTES	MIB(16)
#define BLOCK		4096u
#define NR		60u
#define SLOT		32u			/* blocks of the disk for each extent */
#define FILE_BYTES	(NR * SLOT / 2 * BLOCK)	/* every other block of the disk is somebody else's */

static uint8_t media[FAKE_MAX_DISKS][DISK_BYTES];
static uint8_t content[FILE_BYTES];	/* of the file, as it should be */
static struct target target;
static const struct boot_info bi;
static struct target_spec spec;

static struct extents x;		/* that of disk 0, on the disk itself but for io */

static int media_read(void *ctx, uint64_t at, void *buf, uint32_t len)
{
	memcpy(buf, (uint8_t *)ctx + at, len);
	return 0;
}

static int media_write(void *ctx, uint64_t at, void *buf, uint32_t len)
{
	memcpy((uint8_t *)ctx + at, buf, len);
	return 0;
}

static void seal(void)
{
	x.head->crc32c = extents_crc(&x);
}

static uint8_t *file_byte(struct fake_disk *d, uint64_t offset)
{
	uint64_t run;

	return d->bytes + extents_find(&x, offset, &run);
}

/*
 * A file of NR extents, in another order on the disk than in the file; all of them 16 blocks but for the last two, which
 * share 32: there the map and both areas of the end have room. Its bytes are @id's.
 */
static struct fake_disk *disk_with_file(uint8_t id)
{
	uint8_t *bytes = media[fake_nr_disks];
	struct fake_disk *d = fake_disk_add(bytes, 512, DISK_BYTES / 512);
	static struct capstub_extent v[BLOCK];
	static struct capstub_extents head;
	static uint8_t block[BLOCK] __attribute__((aligned(8)));
	struct capstub_label *l;
	uint32_t nr = 0;
	uint64_t offset = 0;

	memset(bytes, 0xa5, DISK_BYTES);
	memset(v, 0, sizeof(v));
	for (uint32_t i = 0; offset < FILE_BYTES; i++, nr++) {
		uint32_t blocks = FILE_BYTES - offset <= 2 * SLOT * BLOCK ? 2 * SLOT : SLOT / 2;

		v[i] = (struct capstub_extent){ .offset = offset, .blocks = blocks };
		v[i].disk = blocks == SLOT / 2 ? (1 + (i * 37) % NR) * SLOT * BLOCK + 512 : (NR + 2) * SLOT * BLOCK + 1024;
		offset += blocks * BLOCK;
	}
	assert_in_range(nr, 50, NR);
	head = (struct capstub_extents){ .version = CAPSTUB_EXTENTS_VERSION, .target_bytes = FILE_BYTES, .nr = nr };
	memcpy(head.magic, CAPSTUB_EXTENTS_MAGIC, 8);
	memset(head.uuid, id, 16);
	x = (struct extents){ { media_read, media_write, bytes, block, DISK_BYTES, 512 }, &head, v };
	head.disk = v[nr - 1].disk + 2 * SLOT * BLOCK - CAPSTUB_EXTENTS_OFFSET;
	for (uint32_t i = 0; i < nr; i++) {
		memset(bytes + v[i].disk, 0, v[i].blocks * BLOCK);
		if (v[i].offset >= CAPSTUB_HEAD_MAX)
			memset(bytes + v[i].disk, (int)(1 + i), BLOCK);
	}
	assert_int_equal(extents_renew(&x), 0);
	assert_true(extents_ok(&x));
	l = (void *)(bytes + head.disk + CAPSTUB_EXTENTS_OFFSET - CAPSTUB_LABEL_SIZE);
	memset(l, 0, sizeof(*l));
	memcpy(l->magic, CAPSTUB_LABEL_MAGIC, 8);
	l->version = CAPSTUB_LABEL_VERSION;
	memset(l->uuid, id, 16);
	l->target_bytes = FILE_BYTES;
	vouch_zeros(&l->vouch, block);
	l->crc32c = crc32c(0, l, sizeof(*l));
	for (uint64_t i = 0; i < FILE_BYTES; i += BLOCK)
		memcpy(content + i, file_byte(d, i), BLOCK);
	memset(&spec, 0, sizeof(spec));
	spec.kind = TARGET_UUID;
	memset(spec.uuid, id, 16);
	spec.file_at = head.disk;
	strcpy(spec.text, "UUID=");
	return d;
}

static struct fake_disk *begin(void)
{
	fake_disks_reset();
	fake_log_reset();
	return disk_with_file(1);
}

static enum capstub_stop open_file(void)
{
	enum capstub_stop stop;

	for (unsigned i = 0; i < fake_nr_disks; i++)
		fake_disks[i].open = false;
	stop = target_open(&target, &bi, &spec);
	for (unsigned i = 0; i < fake_nr_disks; i++) {
		assert_int_equal(fake_disks[i].open, stop == STOP_OK && target.dev == &fake_disks[i].dev);
		assert_int_equal(fake_disks[i].writes + fake_disks[i].flushes, 0);
	}
	return stop;
}

/* The map as it stands in x to the disk, sealed or not: one block of entries */
static void put_map(struct fake_disk *d)
{
	memcpy(d->bytes + x.head->disk - BLOCK, x.v, BLOCK);
	memcpy(d->bytes + x.head->disk, x.head, sizeof(*x.head));
}

/* The overall deadline ends the look at the extents, however many there are and however slow the disk is */
static void test_deadline(void **state)
{
	enum capstub_stop stop = STOP_DEADLINE;
	const uint64_t usual_us = fake_step_us;
	unsigned n = 1;

	(void)state;
	begin();
	fake_step_us = 50000;
	for (; stop != STOP_OK; n++) {
		uint64_t end_us = fake_now_us + n * 300000;

		idle_set_deadline(end_us);
		stop = open_file();
		assert_true(stop == STOP_OK || stop == STOP_DEADLINE);
		/* both ends, which are small, are looked at in one go */
		assert_in_range(fake_now_us, 1, end_us + 8000000);
	}
	idle_set_deadline(0);
	fake_step_us = usual_us;
	assert_in_range(n, 20, 200);
}

static void test_found(void **state)
{
	(void)state;
	begin();
	assert_int_equal(open_file(), STOP_OK);
	assert_true(target.file && target.end == FILE_BYTES && target_room(&target) == FILE_BYTES - CAPSTUB_EXTENTS_OFFSET - BLOCK);
	/* Without the address it is no target: partitions and disks are looked at, and their ends */
	spec.file_at = 0;
	assert_int_equal(open_file(), STOP_NO_TARGET);
	/* On the second of two disks */
	fake_disks_reset();
	memset(media[0], 0, DISK_BYTES);
	fake_disk_add(media[0], 512, DISK_BYTES / 512);
	disk_with_file(1);
	assert_int_equal(open_file(), STOP_OK);
	assert_ptr_equal(target.dev, &fake_disks[1].dev);
	/* A disk that was copied whole is one too many */
	disk_with_file(1);
	assert_int_equal(open_file(), STOP_AMBIGUOUS_TARGET);
	/* By two ways it is one */
	for (unsigned i = 1; i < 3; i++) {
		memset(fake_disks[i].dev.shared_id, 7, 16);
		strcpy(fake_disks[i].dev.serial, "DUAL");
	}
	assert_int_equal(open_file(), STOP_OK);
}

/* Anything that is not as it was: refused before a write */
static void test_refused(void **state)
{
	static uint8_t saved[BLOCK];
	struct fake_disk *d;

	(void)state;
	for (unsigned i = 0; i < 9; i++) {
		d = begin();
		switch (i) {
		case 0:	/* Another file's block is where an extent was: moved, and its place used again */
			memset(d->bytes + x.v[30].disk, 0x5a, BLOCK);
			break;
		case 1:	/* Two extents have changed places */
			memcpy(saved, d->bytes + x.v[30].disk, BLOCK);
			memcpy(d->bytes + x.v[30].disk, d->bytes + x.v[31].disk, BLOCK);
			memcpy(d->bytes + x.v[31].disk, saved, BLOCK);
			break;
		case 2:	/* One bit */
			d->bytes[x.v[40].disk + 100] ^= 1;
			break;
		case 3:	/* The map */
			d->bytes[x.head->disk - BLOCK + 24 * 5 + 8] ^= 1;
			break;
		case 4:	/* ... its padding too */
			d->bytes[x.head->disk - 1] ^= 1;
			break;
		case 5:	/* ... its head */
			d->bytes[x.head->disk + 0x100] ^= 1;
			break;
		case 6:	/* The map was copied with the file to another place, and the word means that */
			memmove(d->bytes + x.head->disk - BLOCK - 512, d->bytes + x.head->disk - BLOCK, 2 * BLOCK);
			spec.file_at -= 512;
			break;
		case 7:	/* Nothing is there */
			spec.file_at = DISK_BYTES - 4096;
			break;
		case 8:	/* It is another file now */
			spec.uuid[3]++;
			break;
		}
		assert_int_equal(open_file(), STOP_FILE_MOVED);
	}
	/* Addresses that no disk has */
	for (unsigned i = 0; i < 4; i++) {
		begin();
		spec.file_at = (uint64_t[]){ DISK_BYTES, UINT64_MAX, 100, ALIGN_DOWN(UINT64_MAX, 4096) }[i];
		assert_int_equal(open_file(), STOP_FILE_MOVED);
	}
	/* Head, log area, label: the label says it, as of every target */
	for (unsigned i = 0; i < 3; i++) {
		d = begin();
		*file_byte(d, (uint64_t[]){ 5000, FILE_BYTES - 5000, FILE_BYTES - 120000 }[i]) ^= 1;
		assert_int_equal(open_file(), STOP_FOREIGN_DATA);
	}
	d = begin();
	*file_byte(d, FILE_BYTES - 100) ^= 1;
	assert_int_equal(open_file(), STOP_BAD_LABEL);
	/* A block that cannot be read, a disk that is lost, a map that is too large for what memory there is */
	d = begin();
	d->bad_lba = 1 + x.v[50].disk / 512;
	assert_int_equal(open_file(), STOP_READ_ERROR);
	begin()->lost = true;
	assert_int_equal(open_file(), STOP_DEVICE_INIT);
	begin()->dies = true;
	assert_int_equal(open_file(), STOP_DEVICE_TIMEOUT);
	begin();
	fake_arena_most = 4096;
	assert_int_equal(open_file(), STOP_ASSERT);
	fake_arena_most = SIZE_MAX;
}

/* With the right CRC, and impossible: nobody is led outside the disk, or to a place twice */
static void test_hostile_map(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 14; i++) {
		struct fake_disk *d = begin();

		switch (i) {
		case 0: x.v[0].offset = BLOCK; break;
		case 1: x.v[7].offset += BLOCK; break;
		case 2: x.v[7].blocks = 0; break;
		case 3: x.v[7].blocks = UINT32_MAX; break;
		case 4: x.v[7].disk = DISK_BYTES - BLOCK; break;
		case 5: x.v[7].disk = UINT64_MAX - 511; break;
		case 6: x.v[7].disk += 100; break;
		case 7: x.v[x.head->nr - 1].disk -= 512; break;
		case 8: x.head->nr--; break;
		case 9: x.head->nr = 0; break;
		case 10: x.head->nr = CAPSTUB_EXTENTS_MAX + 1; break;
		case 11: x.head->target_bytes = UINT64_MAX - 4095; break;
		case 12: x.head->target_bytes -= BLOCK; break;
		case 13: x.head->version++; break;
		}
		if (x.head->nr && x.head->nr <= CAPSTUB_EXTENTS_MAX)
			seal();
		put_map(d);
		assert_in_set(open_file(), ((uintmax_t[]){ STOP_FILE_MOVED, STOP_BAD_LABEL }), 2);
	}
}

/* Writes of all lengths across the borders: what the file has is right, and no other block of the disk has changed */
static void test_writes(void **state)
{
	static uint8_t buf[MIB(1)] __attribute__((aligned(4096))), back[MIB(1)] __attribute__((aligned(4096)));
	static uint8_t others[DISK_BYTES];
	struct fake_disk *d = begin();
	uint32_t seed = 1;
	uint64_t lba, run;

	(void)state;
	memcpy(others, d->bytes, DISK_BYTES);
	assert_int_equal(open_file(), STOP_OK);
	for (unsigned i = 0; i < 500; i++) {
		uint64_t offset, len;

		seed = seed * 1664525u + 1013904223u;
		offset = (seed >> 8) % (FILE_BYTES / BLOCK) * BLOCK;
		len = min_u64(FILE_BYTES - offset, (1 + (seed >> 4) % 100) * BLOCK);
		for (uint64_t k = 0; k < len; k++)
			buf[k] = (uint8_t)(i + k / 512);
		memcpy(content + offset, buf, len);
		assert_int_equal(target_rw(&target, BLK_WRITE, offset, buf, len), 0);
		assert_int_equal(target_rw(&target, BLK_READ, offset, back, len), 0);
		assert_memory_equal(back, buf, len);
		/* A request that is not one piece is refused, up to its end it is one */
		run = target_run(&target, offset);
		assert_int_equal(target_lba(&target, offset, min_u64(run, len), &lba), 0);
		if (run < len)
			assert_int_equal(target_lba(&target, offset, run + BLOCK, &lba), -ERANGE);
	}
	assert_int_equal(target_rw(&target, BLK_WRITE, FILE_BYTES - BLOCK, buf, 2 * BLOCK), -ERANGE);
	assert_int_equal(target_rw(&target, BLK_WRITE, FILE_BYTES, buf, BLOCK), -ERANGE);
	assert_int_equal(target_rw(&target, BLK_WRITE, UINT64_MAX - 4095, buf, BLOCK), -ERANGE);
	for (uint64_t i = 0; i < FILE_BYTES; i += BLOCK) {
		assert_memory_equal(file_byte(d, i), content + i, BLOCK);
		memcpy(others + (file_byte(d, i) - d->bytes), file_byte(d, i), BLOCK);
	}
	assert_memory_equal(others, d->bytes, DISK_BYTES);
}

/* After a dump the file is proven by what the dump has there, from then on and not before */
static void test_renewed(void **state)
{
	static uint8_t buf[BLOCK] __attribute__((aligned(4096)));
	struct fake_disk *d = begin();

	(void)state;
	assert_int_equal(open_file(), STOP_OK);
	memset(buf, 0x77, BLOCK);
	assert_int_equal(target_rw(&target, BLK_WRITE, x.v[20].offset, buf, BLOCK), 0);
	d->writes = d->flushes = 0;
	assert_int_equal(open_file(), STOP_FILE_MOVED);
	memcpy(d->bytes + x.v[20].disk, content + x.v[20].offset, BLOCK);
	assert_int_equal(open_file(), STOP_OK);
	assert_int_equal(target_rw(&target, BLK_WRITE, x.v[20].offset, buf, BLOCK), 0);
	assert_int_equal(target_renew(&target), 0);
	assert_true(d->flushes);
	d->writes = d->flushes = 0;
	assert_int_equal(open_file(), STOP_OK);
	memcpy(d->bytes + x.v[20].disk, content + x.v[20].offset, BLOCK);
	assert_int_equal(open_file(), STOP_FILE_MOVED);
}

/* The largest map: 8192 extents of one block, read and searched */
static void test_most(void **state)
{
	static struct capstub_extent v[CAPSTUB_EXTENTS_MAX + BLOCK];
	static struct capstub_extents head = { .version = CAPSTUB_EXTENTS_VERSION, .nr = CAPSTUB_EXTENTS_MAX };
	struct extents most = { .io = { .disk_bytes = MIB(1024), .align = BLOCK }, .head = &head, .v = v };
	uint64_t offset = 0, run;

	(void)state;
	memcpy(head.magic, CAPSTUB_EXTENTS_MAGIC, 8);
	for (uint32_t i = 0; i < CAPSTUB_EXTENTS_MAX; i++) {
		v[i] = (struct capstub_extent){ offset, MIB(512) - offset * 2, 1, 0 };
		v[i].blocks = i == CAPSTUB_EXTENTS_MAX - 1 ? 200 : 1;
		offset += v[i].blocks * BLOCK;
	}
	v[CAPSTUB_EXTENTS_MAX - 1].disk = MIB(900);
	head.target_bytes = offset;
	head.disk = MIB(900) + 200 * BLOCK - CAPSTUB_EXTENTS_OFFSET;
	head.crc32c = extents_crc(&most);
	assert_true(extents_head_ok(&head, head.disk, &most.io) && extents_ok(&most));
	for (uint32_t i = 0; i < CAPSTUB_EXTENTS_MAX; i++)
		assert_true(extents_find(&most, v[i].offset, &run) == v[i].disk && run == v[i].blocks * BLOCK);
	assert_true(extents_find(&most, offset, &run) == 0 && run == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_hostile_map),
		cmocka_unit_test(test_writes),
		cmocka_unit_test(test_renewed),
		cmocka_unit_test(test_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
