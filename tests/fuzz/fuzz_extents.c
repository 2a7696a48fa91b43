// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/disk/target.c stub/disk/part.c stub/disk/blk.c tests/unit/fake/arena.c */
/* needs: tests/unit/fake/disks.c stub/idle.c tests/unit/fake/clock.c tests/unit/fake/log.c */
/*
 * A hostile map of a file, and hostile first blocks of its extents. Whatever is accepted has every extent inside the disk
 * and as the map says, and what is written lands in them and nowhere else.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "stub/disk/target.h"
#include "stub/format/crc.h"
#include "tests/unit/fake/disks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BLOCK	4096u
#define BYTES	(3u << 20)
#define AT	(2u << 20)		/* of the map's head */
#define HEAD	0x34u			/* bytes of it that are of interest */

struct control {
	uint8_t fix;			/* bits: magic and version, own address, CRC of the map, CRCs of the blocks, label */
	uint8_t block_size;
	uint16_t write[3], len[3];	/* in blocks */
};

static uint8_t media[BYTES], before[BYTES];

static void make(const struct control *c, const uint8_t *data, size_t size)
{
	struct capstub_extents *h = (void *)(media + AT);
	struct extents x = { .head = h };
	struct capstub_label *l = (void *)(media + AT + CAPSTUB_EXTENTS_OFFSET - CAPSTUB_LABEL_SIZE);

	memset(media, 0, sizeof(media));
	memcpy(h, data, min_u64(size, HEAD));
	if (c->fix & 1) {
		memcpy(h->magic, CAPSTUB_EXTENTS_MAGIC, 8);
		h->version = CAPSTUB_EXTENTS_VERSION;
		memset(h->uuid, 7, 16);
	}
	if (c->fix & 2)
		h->disk = AT;
	if (c->fix & 16) {
		memcpy(l->magic, CAPSTUB_LABEL_MAGIC, 8);
		l->version = CAPSTUB_LABEL_VERSION;
		memset(l->uuid, 7, 16);
		l->target_bytes = h->target_bytes;
		l->crc32c = crc32c(0, l, sizeof(*l));
	}
	if (size <= HEAD || !h->nr || h->nr > CAPSTUB_EXTENTS_MAX || extents_bytes(h->nr) > AT)
		return;
	x.v = (void *)(media + AT - extents_bytes(h->nr));
	memcpy(x.v, data + HEAD, min_u64(size - HEAD, extents_bytes(h->nr)));
	for (uint32_t i = 0; i < h->nr; i++)
		if (c->fix & 8 && range_inside(x.v[i].disk, BLOCK, 0, BYTES))
			x.v[i].crc32c = crc32c(0, media + x.v[i].disk, BLOCK);
	if (c->fix & 4)
		h->crc32c = extents_crc(&x);
}

/* Each block of the file: in the disk, and in one extent of the map */
static void check_blocks(const struct target *t, uint8_t *ret_mine)
{
	for (uint64_t offset = 0; offset < t->end; offset += BLOCK) {
		uint64_t lba, at;

		assert(!target_lba(t, offset, BLOCK, &lba));
		at = lba * t->dev->block_size;
		assert(range_inside(at, BLOCK, 0, BYTES));
		memset(ret_mine + at / 512, 1, BLOCK / 512);
	}
	for (uint32_t i = 0; i < t->file->head->nr; i++)
		assert(t->file->v[i].offset >= target_room(t) ||
		       crc32c(0, media + t->file->v[i].disk, BLOCK) == t->file->v[i].crc32c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[256 * 1024] __attribute__((aligned(4096))), mine[BYTES / 512];
	static const struct boot_info bi;
	struct target_spec spec = { .kind = TARGET_UUID, .file_at = AT, .text = "UUID=" };
	struct control c;
	struct target t;
	struct fake_disk *d;
	uint32_t block_size;

	if (size < sizeof(c))
		return 0;
	memcpy(&c, data, sizeof(c));
	make(&c, data + sizeof(c), size - sizeof(c));
	fake_disks_reset();
	block_size = c.block_size & 1 ? 4096 : 512;
	d = fake_disk_add(media, block_size, BYTES / block_size);
	memset(spec.uuid, 7, 16);
	if (target_open(&t, &bi, &spec) != STOP_OK) {
		assert(!d->open && !d->writes);
		return 0;
	}
	assert(d->open && !d->writes && t.file && t.end == t.file->head->target_bytes);
	memcpy(before, media, sizeof(media));
	memset(mine, 0, sizeof(mine));
	check_blocks(&t, mine);
	memset(buf, 0xc3, sizeof(buf));
	for (unsigned i = 0; i < 3; i++)
		target_rw(&t, BLK_WRITE, (uint64_t)c.write[i] * BLOCK, buf, (c.len[i] % 64) * BLOCK);
	target_renew(&t);
	target_write_label(&t);
	for (unsigned i = 0; i < BYTES / 512; i++)
		assert(mine[i] || !memcmp(before + i * 512, media + i * 512, 512));
	return 0;
}
