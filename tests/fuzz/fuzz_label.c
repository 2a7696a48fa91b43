// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/disk/target.c stub/disk/part.c stub/disk/blk.c tests/unit/fake/arena.c */
/* needs: tests/unit/fake/disks.c stub/idle.c tests/unit/fake/clock.c tests/unit/fake/log.c */
/*
 * Hostile labels on two disks with two partitions each. Whatever is accepted must be a good label
 * of that very window, and no write may land outside of it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "stub/format/crc.h"
#include "stub/disk/target.h"
#include "tests/unit/fake/disks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Of 512 bytes: two partitions of about 1 MiB, the least that a target may have. What has no label is looked through for the
 * label of a smaller target from its end down to that size, which is all the time that an input takes.
 */
#define SECOND 2056u
#define BLOCKS (2 * SECOND)
#define BYTES  (BLOCKS * 512)
#define HEAD   offsetof(struct capstub_label, ram_missing)

struct control {
	uint8_t places;	  /* bit n: a label at window n */
	uint8_t fix_crc;  /* bit n: with the right CRC */
	uint8_t fix_rest; /* bit n: with the right magic, version and size */
	uint8_t kind;	  /* of the dump= word */
	uint8_t id;	  /* what the word says */
	uint8_t sizes;	  /* of the partitions */
	uint8_t faults;
	uint8_t rsvd7;
	struct {
		uint64_t offset, len;
	} writes[3];
};

struct window {
	unsigned disk;
	uint64_t first, blocks;
};

static uint8_t media[2][BYTES];

static void mbr_entry(unsigned disk, int i, uint32_t start, uint32_t size)
{
	uint8_t *e = media[disk] + 446 + 16 * i;

	e[4] = 0x83;
	memcpy(e + 8, &start, 4);
	memcpy(e + 12, &size, 4);
	memcpy(media[disk] + 510, "\x55\xaa", 2);
}

static uint64_t end_of(const struct window *w)
{
	return ALIGN_DOWN(w->blocks * 512, 4096);
}

static struct capstub_label *label_of(const struct window *w)
{
	return (void *)(media[w->disk] + w->first * 512 + end_of(w) - CAPSTUB_LABEL_SIZE);
}

/* Both ends, read otherwise than by stub/format/vouch.c; the media hold no dump, and no magic but the label's and a boot sector's */
static bool vouched(const struct window *w, const struct capstub_label *l)
{
	const uint8_t *p = media[w->disk] + w->first * 512, *end = p + end_of(w) - CAPSTUB_LABEL_SIZE;
	const struct capstub_vouch *v = &l->vouch;

	if (v->head_bytes > CAPSTUB_HEAD_MAX || v->tail_bytes > CAPSTUB_TAIL_MAX)
		return false;
	return crc32c(0, p, v->head_bytes) == (v->head_bytes ? v->head_crc32c : 0) &&
	       crc32c(0, end - v->tail_bytes, v->tail_bytes) == (v->tail_bytes ? v->tail_crc32c : 0) &&
	       (v->head_bytes || !(p[510] | p[511]));
}

static bool is_good(const struct window *w)
{
	struct capstub_label l = *label_of(w);
	uint32_t crc = l.crc32c;

	l.crc32c = 0;
	return memcmp(l.magic, CAPSTUB_LABEL_MAGIC, 8) == 0 && l.version == CAPSTUB_LABEL_VERSION &&
	       crc == crc32c(0, &l, sizeof(l)) && l.target_bytes == end_of(w) &&
	       end_of(w) >= CAPSTUB_TARGET_MIN && vouched(w, &l);
}

static void put_label(const struct window *w, const struct control *c, unsigned n,
		      const uint8_t *data, size_t size)
{
	struct capstub_label *l = label_of(w);

	memcpy(l, data, min_u64(size, HEAD));
	if (c->fix_rest >> n & 1) {
		memcpy(l->magic, CAPSTUB_LABEL_MAGIC, 8);
		l->version = CAPSTUB_LABEL_VERSION;
		l->target_bytes = end_of(w);
	}
	if (c->fix_crc >> n & 1) {
		l->crc32c = 0;
		l->crc32c = crc32c(0, l, sizeof(*l));
	}
}

/* The window that target_open() chose is one of ours, and its label is good */
static const struct window *check_target(const struct target *t, const struct window *w,
					 unsigned nr)
{
	assert(memchr(t->label->name, 0, sizeof(t->label->name)));
	assert(memchr(t->name, 0, sizeof(t->name)));
	for (unsigned i = 0; i < nr; i++)
		if (t->dev == &fake_disks[w[i].disk].dev && t->first_block == w[i].first &&
		    t->end == end_of(&w[i]) && is_good(&w[i]))
			return &w[i];
	abort();
}

static void check_writes(struct target *t, const struct window *w, const struct control *c)
{
	static uint8_t buf[65536] __attribute__((aligned(4096)));
	struct fake_disk *d = &fake_disks[w->disk];

	for (unsigned i = 0; i < ARRAY_SIZE(c->writes); i++) {
		uint64_t lba;

		if (target_lba(t, c->writes[i].offset, c->writes[i].len, &lba) == 0)
			assert(range_inside(lba, c->writes[i].len / 512, w->first,
					    w->first + end_of(w) / 512));
		if (c->writes[i].len <= sizeof(buf))
			target_rw(t, BLK_WRITE, c->writes[i].offset, buf, c->writes[i].len);
	}
	target_write_label(t);
	for (unsigned i = 0; i < fake_nr_disks; i++)
		assert(fake_disks[i].writes == 0 || i == w->disk);
	if (d->write_last)
		assert(d->write_first >= w->first * 512 &&
		       d->write_last <= w->first * 512 + end_of(w));
}

/* Disks all zero again, without touching all of them */
static void clean(const struct window *w, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		memset(label_of(&w[i]), 0, CAPSTUB_LABEL_SIZE);
	for (unsigned i = 0; i < fake_nr_disks; i++) {
		const struct fake_disk *d = &fake_disks[i];

		memset(media[i], 0, 512);
		if (d->write_first < d->write_last)
			memset(media[i] + d->write_first, 0, d->write_last - d->write_first);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct boot_info bi;
	struct target_spec spec;
	struct control c;
	struct target t;
	enum capstub_stop stop;

	if (size < sizeof(c))
		return 0;
	memcpy(&c, data, sizeof(c));
	data += sizeof(c);
	size -= sizeof(c);

	fake_disks_reset();
	for (unsigned i = 0; i < 2; i++) {
		fake_disk_add(media[i], 512, BLOCKS);
	}
	/* 1 MiB more or less, and a second partition that may end with the disk */
	struct window w[6] = {
		{0, 0, BLOCKS}, {0, 1, 2040 + c.sizes % 16}, {0, SECOND, SECOND - (c.sizes >> 4)},
		{1, 0, BLOCKS}, {1, 1, 2040 + c.sizes % 16}, {1, SECOND, SECOND - (c.sizes >> 4)},
	};
	for (unsigned i = 0; i < ARRAY_SIZE(w); i++) {
		if (c.places >> i & 1)
			put_label(&w[i], &c, i, data, size);
		if (w[i].first)
			mbr_entry(w[i].disk, w[i].first == 1 ? 0 : 1, w[i].first, w[i].blocks);
	}
	fake_disks[0].dies = c.faults & 1;
	fake_disks[1].dev.read_only = c.faults & 2;
	fake_disks[1].bad_lba = c.faults & 4 ? BLOCKS : 0;

	memset(&spec, 0, sizeof(spec));
	spec.kind = c.kind % (TARGET_ANY + 1);
	memset(spec.uuid, c.id, sizeof(spec.uuid));
	spec.mbr = true;
	spec.mbr_index = c.id & 3;
	strcpy(spec.text, c.id & 1 ? "SERIAL1" : "lab");

	stop = target_open(&t, &bi, &spec);
	for (unsigned i = 0; i < fake_nr_disks; i++) {
		assert(fake_disks[i].writes == 0);
		assert(fake_disks[i].open == (stop == STOP_OK && t.dev == &fake_disks[i].dev));
	}
	if (stop == STOP_OK)
		check_writes(&t, check_target(&t, w, ARRAY_SIZE(w)), &c);
	clean(w, ARRAY_SIZE(w));
	return 0;
}
