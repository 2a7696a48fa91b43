// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a label vouches for: see stub/format/vouch.h. Pure, one block at a time.
 */
#include "stub/format/vouch.h"

#include <errno.h>
#include <string.h>

#include "capstub/kdump_format.h"
#include "stub/bits.h"
#include "stub/format/crc.h"

/*
 * Magics of what leaves block 0 alone or zeroes it, as little-endian words. A page of a dump may hold
 * the same word at the same place; then a target is formatted again that need not be, and only if a
 * capture was cut.
 */
#define MD_MAGIC	0xa92b4efcu	/* Linux md(4) */

static const struct {
	uint32_t at, word;
} strangers[] = {
	{ 4096, MD_MAGIC },		/* version 1.2 */
	{ 4096 + 24, 0xf67385c6 },	/* bcache */
	{ 32768, 0x3153464a },		/* JFS1 */
	{ 32768 + 1, 0x30304443 },	/* CD001: ISO 9660 */
	{ 32768 + 1, 0x30414542 },	/* BEA01: UDF */
	{ 65536, 0x70191601 },		/* GFS2 */
	{ 65536 + 52, 0x73496552 },	/* ReIsEr */
	{ 65536 + 64, 0x5248425f },	/* _BHRfS_M: btrfs */
	{ 131072 - 40, 0xb10c7a11 },	/* ZFS, end of the list in the first of its labels */
};

/*
 * Between the header's two versions, INCOMPLETE set and cleared, no label is written: it is taken as
 * 0. In a block that is no header the bit is foreign too, but never all there is of it.
 */
static int read_block(const struct vouch_src *src, uint64_t offset)
{
	int rc = src->read(src->ctx, offset, src->block);

	if (!rc && !offset)
		((struct disk_dump_header *)src->block)->status &= ~KDUMP_INCOMPLETE;
	return rc;
}

static int crc_of(const struct vouch_src *src, uint64_t from, uint32_t bytes, uint32_t *ret_crc)
{
	uint32_t crc = 0;

	for (uint32_t done = 0; done < bytes; done += VOUCH_BLOCK) {
		int rc = read_block(src, from + done);

		if (rc)
			return rc;
		crc = crc32c(crc, src->block, VOUCH_BLOCK);
	}
	*ret_crc = crc;
	return 0;
}

static uint64_t tail_start(const struct vouch_src *src, uint32_t bytes)
{
	return src->end - CAPSTUB_LABEL_SIZE - bytes;
}

int vouch_head(struct capstub_vouch *v, const struct vouch_src *src, uint32_t bytes)
{
	int rc = crc_of(src, 0, bytes, &v->head_crc32c);

	if (!rc)
		v->head_bytes = bytes;
	return rc;
}

int vouch_tail(struct capstub_vouch *v, const struct vouch_src *src, uint32_t bytes)
{
	int rc = crc_of(src, tail_start(src, bytes), bytes, &v->tail_crc32c);

	if (!rc)
		v->tail_bytes = bytes;
	return rc;
}

static uint32_t crc_of_zeros(void *block, uint32_t bytes)
{
	uint32_t crc = 0;

	memset(block, 0, VOUCH_BLOCK);
	for (uint32_t done = 0; done < bytes; done += VOUCH_BLOCK)
		crc = crc32c(crc, block, VOUCH_BLOCK);
	return crc;
}

void vouch_zeros(struct capstub_vouch *v, void *block)
{
	v->head_bytes = CAPSTUB_HEAD_MAX;
	v->head_crc32c = crc_of_zeros(block, CAPSTUB_HEAD_MAX);
	v->tail_bytes = CAPSTUB_TAIL_MAX;
	v->tail_crc32c = crc_of_zeros(block, CAPSTUB_TAIL_MAX);
}

static bool is_zero(const uint8_t *p, size_t len)
{
	return !p[0] && !memcmp(p, p + 1, len - 1);
}

/* The header fits a sector, so it is there as a whole or not at all */
static int check_block0(const struct vouch_src *src)
{
	const size_t header = sizeof(struct disk_dump_header);
	const uint8_t *p = src->block;
	int rc = read_block(src, 0);

	if (rc)
		return rc;
	if (memcmp(p, KDUMP_SIGNATURE, 8) && !is_zero(p, header))
		return -EEXIST;
	return is_zero(p + header, VOUCH_BLOCK - header) ? 0 : -EEXIST;
}

/* Unless a CRC covers the place */
static int check_stranger(const struct capstub_vouch *v, const struct vouch_src *src, uint64_t at,
			  uint32_t word)
{
	int rc;

	if (at < v->head_bytes || at >= tail_start(src, v->tail_bytes))
		return 0;
	rc = read_block(src, ALIGN_DOWN(at, VOUCH_BLOCK));
	if (rc)
		return rc;
	return memcmp((const char *)src->block + at % VOUCH_BLOCK, &word, sizeof(word)) ? 0 : -EEXIST;
}

/* md has two more places, at the end: version 0.90 on a border of 64 KiB, 1.0 in the last 8 KiB */
static int check_strangers(const struct capstub_vouch *v, const struct vouch_src *src)
{
	int rc = check_stranger(v, src, ALIGN_DOWN(src->end, 65536) - 65536, MD_MAGIC);

	if (!rc)
		rc = check_stranger(v, src, src->end - 8192, MD_MAGIC);
	for (unsigned i = 0; i < ARRAY_SIZE(strangers) && !rc; i++)
		rc = check_stranger(v, src, strangers[i].at, strangers[i].word);
	return rc;
}

int vouch_check(const struct capstub_label *l, const struct vouch_src *src)
{
	struct capstub_vouch v = l->vouch;
	uint32_t crc;
	int rc;

	if (v.head_bytes > CAPSTUB_HEAD_MAX || v.tail_bytes > CAPSTUB_TAIL_MAX ||
	    !IS_ALIGNED(v.head_bytes | v.tail_bytes, VOUCH_BLOCK))
		return -EEXIST;
	/* Fresh, from a `capstub format` that knew no such fields: it left zeros in head and log area */
	if (!v.head_bytes && !v.tail_bytes && l->state == CAPSTUB_EMPTY && !l->captures) {
		v.head_bytes = CAPSTUB_HEAD_MAX;
		v.head_crc32c = crc_of_zeros(src->block, v.head_bytes);
		v.tail_bytes = CAPSTUB_LOG_SIZE;
		v.tail_crc32c = crc_of_zeros(src->block, v.tail_bytes);
	}
	if (!v.head_bytes)
		rc = check_block0(src);
	else if (!(rc = crc_of(src, 0, v.head_bytes, &crc)) && crc != v.head_crc32c)
		rc = -EEXIST;
	if (!rc)
		rc = check_strangers(&v, src);
	if (!rc)
		rc = crc_of(src, tail_start(src, v.tail_bytes), v.tail_bytes, &crc);
	return rc ? rc : v.tail_bytes && crc != v.tail_crc32c ? -EEXIST : 0;
}

bool vouch_bare(const struct vouch_src *src)
{
	return !check_block0(src);
}

/* 1: the label of a target that ended at @end; 0: it is none; -errno of read() */
static int is_label(const struct vouch_src *src, uint64_t end)
{
	struct capstub_label *l = src->block;
	uint32_t crc;
	int rc = src->read(src->ctx, end - CAPSTUB_LABEL_SIZE, l);

	if (rc || memcmp(l->magic, CAPSTUB_LABEL_MAGIC, sizeof(l->magic)) || l->target_bytes != end ||
	    l->version != CAPSTUB_LABEL_VERSION)
		return rc;
	crc = l->crc32c;
	l->crc32c = 0;
	l->crc32c = crc32c(0, l, sizeof(*l));
	l->name[sizeof(l->name) - 1] = '\0';
	return l->crc32c == crc;
}

/*
 * Partitions and images are whole MiB long, or end where the second table of a GPT begins: 33 blocks of 512
 * bytes before such a border (UEFI 2.10 §5.3.1), in whole 4 KiB.
 */
uint64_t vouch_find_smaller(const struct vouch_src *src)
{
	static const struct {
		uint64_t step;
		unsigned nr;
	} passes[] = { { 4096, 4096 }, { MIB(1), 8192 }, { MIB(1024), 4096 } };
	const uint64_t gpt = 5 * 4096;
	int rc = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(passes); i++) {
		uint64_t end = ALIGN_DOWN(src->end - 1, passes[i].step);

		for (unsigned n = 0; n < passes[i].nr && end >= CAPSTUB_TARGET_MIN; n++, end -= passes[i].step) {
			rc = is_label(src, end);
			if (rc)
				return rc > 0 ? end : 0;
			rc = i && end - gpt >= CAPSTUB_TARGET_MIN ? is_label(src, end - gpt) : 0;
			if (rc)
				return rc > 0 ? end - gpt : 0;
		}
	}
	return 0;
}
