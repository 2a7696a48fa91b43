// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/disk/part.c tests/unit/fake/log.c */
/*
 * A hostile partition table. Input: struct control, then blocks: the first ones of the disk, and
 * the last ones again. Checksums can be put right, so that the fuzzer gets behind them.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stub/format/crc.h"
#include "stub/disk/part.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct control {
	uint32_t nr_blocks;
	uint8_t block_shift; /* 512 << n % 4 */
	uint8_t flags;
	uint8_t fail_block; /* reading it fails */
	uint8_t stop_after; /* partitions, then the callback says 1 */
};

enum {
	FIX_MBR = 1,
	FIX_PRIMARY = 2,
	FIX_BACKUP = 4,
	FAIL_READS = 8,
	EBR_EVERYWHERE = 16,
	STOP = 32
};

static struct control ctl;
static uint8_t *disk;
static size_t disk_blocks; /* that have contents */
static struct part_source src;
static unsigned reads, found;

/* The block's place in the input; SIZE_MAX: it is all zero */
static size_t place(uint64_t lba)
{
	if (lba < disk_blocks)
		return lba;
	if (src.nr_blocks - lba <= disk_blocks)
		return disk_blocks - (src.nr_blocks - lba);
	return SIZE_MAX;
}

static int read_block(void *ctx, uint64_t lba, void *buf)
{
	size_t at = place(lba);

	assert(ctx == &ctl && buf == src.buf && lba < src.nr_blocks);
	/* two tables of at most 1 MiB, 256 entries read one by one, 4 chains of 128 records */
	assert(reads++ < 2 * 2048 + 2 * 512 + 600);
	if (ctl.flags & FAIL_READS && lba == ctl.fail_block)
		return -EIO;
	if (at == SIZE_MAX && ctl.flags & EBR_EVERYWHERE)
		at = lba % (disk_blocks ? disk_blocks : 1);
	if (at < disk_blocks)
		memcpy(buf, disk + at * src.block_size, src.block_size);
	else
		memset(buf, 0, src.block_size);
	if (ctl.flags & EBR_EVERYWHERE)
		memcpy((uint8_t *)buf + 510, "\x55\xaa", 2);
	return 0;
}

static void check_label(const struct part *p)
{
	const char *s = p->label;

	assert(memchr(s, 0, sizeof(p->label)));
	while (*s) {
		uint8_t c = *s;
		int more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;

		assert(c >= 0x20 && c != 0x7f && (c < 0x80 || (c >= 0xc2 && c <= 0xf4)));
		for (s++; more > 0; more--, s++)
			assert((*s & 0xc0) == 0x80);
	}
}

static int on_found(void *ctx, const struct part *p)
{
	assert(ctx == &found);
	assert(p->nr_blocks > 0 && range_inside(p->first_lba, p->nr_blocks, 1, src.nr_blocks));
	assert(p->index >= 1 && p->index <= 256);
	check_label(p);
	assert(++found <= 260);
	memset(src.buf, 0xee, src.block_size); /* the callback may use the buffer */
	return ctl.flags & STOP && found > ctl.stop_after;
}

/* Signature and checksums of the GPT header at @lba, as far as its entries are in the input */
static void fix_gpt(uint64_t lba)
{
	size_t at = place(lba);
	uint8_t *h = disk + at * src.block_size;
	uint32_t size, nr, entry, crc;
	uint64_t entries, bytes;

	if (at >= disk_blocks)
		return;
	memcpy(h, "EFI PART", 8);
	memcpy(h + 0x18, &lba, 8);
	memcpy(&size, h + 0x0c, 4);
	memcpy(&entries, h + 0x48, 8);
	memcpy(&nr, h + 0x50, 4);
	memcpy(&entry, h + 0x54, 4);
	bytes = (uint64_t)nr * entry;
	if (entries < src.nr_blocks && place(entries) != SIZE_MAX &&
	    range_inside(place(entries) * src.block_size, bytes, 0, disk_blocks * src.block_size)) {
		crc = crc32_ieee(0, disk + place(entries) * src.block_size, bytes);
		memcpy(h + 0x58, &crc, 4);
	}
	if (size < 92 || size > src.block_size) {
		size = 92;
		memcpy(h + 0x0c, &size, 4);
	}
	memset(h + 0x10, 0, 4);
	crc = crc32_ieee(0, h, size);
	memcpy(h + 0x10, &crc, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int r;

	if (size < sizeof(ctl))
		return 0;
	memcpy(&ctl, data, sizeof(ctl));
	data += sizeof(ctl);
	size -= sizeof(ctl);
	src = (struct part_source){read_block, &ctl, 512u << ctl.block_shift % 4, ctl.nr_blocks,
				   NULL};
	src.buf = malloc(src.block_size);
	disk_blocks = min_u64(DIV_ROUND_UP(size, src.block_size), src.nr_blocks);
	disk = calloc(disk_blocks + 1, src.block_size);
	memcpy(disk, data, min_u64(size, disk_blocks * src.block_size));
	if (disk_blocks > 1) {
		if (ctl.flags & FIX_MBR) {
			memcpy(disk + 510, "\x55\xaa", 2);
			for (int i = 0; i < 4; i++)
				disk[446 + 16 * i] &= 0x80;
		}
		if (ctl.flags & FIX_BACKUP)
			fix_gpt(src.nr_blocks - 1);
		if (ctl.flags & FIX_PRIMARY)
			fix_gpt(1);
	}
	reads = found = 0;
	r = part_scan(&src, on_found, &found);
	assert(r <= 0 || (r == 1 && ctl.flags & STOP && found == ctl.stop_after + 1u));
	assert(r == 1 || !(ctl.flags & STOP) || found <= ctl.stop_after);
	free(src.buf);
	free(disk);
	return 0;
}
