// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Partition tables: GPT (UEFI 2.10 §5.3) and MBR (§5.2) with extended partitions. The disk may
 * have been written by anybody: whatever leaves the disk or the table's own limits is refused. The
 * numbering is Linux's, since dump=PARTUUID=SSSSSSSS-PP contains it.
 */
#include "stub/disk/part.h"

#include <errno.h>
#include <string.h>

#include "stub/format/crc.h"
#include "stub/log.h"

#define MAX_PARTS	256u
#define MAX_LOGICAL	128u		/* length of a chain of extended boot records */

struct mbr_entry {
	uint8_t  boot;			/* 0x0 0x80: active */
	uint8_t  chs_first[3];
	uint8_t  type;			/* 0x4 */
	uint8_t  chs_last[3];
	uint32_t start;			/* 0x8 in blocks */
	uint32_t size;			/* 0xc */
};
_Static_assert(sizeof(struct mbr_entry) == 16, "MBR entry size");

#define MBR_SIGNATURE_AT	440	/* disk signature */
#define MBR_ENTRIES_AT		446
#define MBR_MAGIC_AT		510	/* 0x55 0xaa */
#define MBR_TYPE_GPT		0xee

struct gpt_header {
	char     signature[8];		/* 0x00 "EFI PART" */
	uint32_t revision;		/* 0x08 */
	uint32_t header_size;		/* 0x0c */
	uint32_t header_crc32;		/* 0x10 with this field as 0 */
	uint32_t rsvd14;
	uint64_t my_lba;		/* 0x18 */
	uint64_t alternate_lba;		/* 0x20 */
	uint64_t first_usable_lba;	/* 0x28 */
	uint64_t last_usable_lba;	/* 0x30 inclusive */
	uint8_t  disk_guid[16];		/* 0x38 */
	uint64_t entries_lba;		/* 0x48 */
	uint32_t nr_entries;		/* 0x50 */
	uint32_t entry_size;		/* 0x54 */
	uint32_t entries_crc32;		/* 0x58 */
	uint32_t rsvd5c;
};
#define GPT_HEADER_SIZE_MIN	92	/* up to entries_crc32 */
#define GPT_ENTRIES_BYTES_MAX	MIB(1)	/* 16 KiB is usual */
_Static_assert(offsetof(struct gpt_header, rsvd5c) == GPT_HEADER_SIZE_MIN, "GPT header layout");

struct gpt_entry {
	uint8_t  type_guid[16];		/* 0x00 all zero: unused */
	uint8_t  unique_guid[16];	/* 0x10 */
	uint64_t first_lba;		/* 0x20 */
	uint64_t last_lba;		/* 0x28 inclusive */
	uint64_t attributes;		/* 0x30 */
	uint16_t name[36];		/* 0x38 UTF-16LE */
};
_Static_assert(sizeof(struct gpt_entry) == 128, "GPT entry size");
/* A UTF-16 unit has up to 3 bytes in UTF-8 */
_Static_assert(sizeof(((struct part *)0)->label) > 36 * 3, "room for a GPT name");

struct scan {
	const struct part_source *src;
	int (*found)(void *ctx, const struct part *p);
	void *ctx;
	unsigned nr;			/* MBR: partitions numbered so far */
	uint32_t signature;		/* MBR */
};

static int read_block(const struct part_source *src, uint64_t lba)
{
	return lba < src->nr_blocks ? src->read(src->ctx, lba, src->buf) : -ERANGE;
}

/*---------------------------------------------------------------- GPT */

/* A GUID's first three fields are little-endian on the media (UEFI 2.10, appendix A) */
static void guid_to_uuid(const uint8_t guid[16], uint8_t uuid[16])
{
	static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

	for (unsigned i = 0; i < 16; i++)
		uuid[i] = guid[order[i]];
}

static char *put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		*out++ = c;
		return out;
	}
	if (c < 0x800) {
		*out++ = 0xc0 | c >> 6;
	} else {
		if (c < 0x10000) {
			*out++ = 0xe0 | c >> 12;
		} else {
			*out++ = 0xf0 | c >> 18;
			*out++ = 0x80 | (c >> 12 & 0x3f);
		}
		*out++ = 0x80 | (c >> 6 & 0x3f);
	}
	*out++ = 0x80 | (c & 0x3f);
	return out;
}

/* Up to the first NUL. Control characters and halves of surrogate pairs become '?'. */
static void name_to_utf8(const uint16_t name[36], char *out)
{
	for (unsigned i = 0; i < 36 && name[i]; i++) {
		uint32_t c = name[i];

		if (c >= 0xd800 && c < 0xdc00 && i + 1 < 36 && name[i + 1] >= 0xdc00 &&
		    name[i + 1] < 0xe000)
			c = 0x10000 + ((c - 0xd800) << 10) + (name[++i] - 0xdc00);
		else if ((c >= 0xd800 && c < 0xe000) || c < 0x20 || (c >= 0x7f && c < 0xa0))
			c = '?';
		out = put_utf8(out, c);
	}
	*out = 0;
}

/* NULL, or what is wrong with the header at @lba */
static const char *gpt_check_header(const struct part_source *src, uint64_t lba,
				    const struct gpt_header *h)
{
	struct gpt_header zeroed = *h;
	uint64_t bytes, blocks;
	uint32_t crc;

	if (h->header_size < GPT_HEADER_SIZE_MIN || h->header_size > src->block_size)
		return "bad header size";
	zeroed.header_crc32 = 0;
	crc = crc32_ieee(0, &zeroed, GPT_HEADER_SIZE_MIN);
	crc = crc32_ieee(crc, (uint8_t *)src->buf + GPT_HEADER_SIZE_MIN,
			 h->header_size - GPT_HEADER_SIZE_MIN);
	if (crc != h->header_crc32)
		return "header checksum";
	if (h->my_lba != lba)
		return "header belongs elsewhere";
	if (h->first_usable_lba < 2 || h->first_usable_lba > h->last_usable_lba ||
	    h->last_usable_lba >= src->nr_blocks)
		return "usable area outside the disk";
	if (h->entry_size < sizeof(struct gpt_entry) || h->entry_size % 8 != 0 ||
	    h->nr_entries == 0 || h->nr_entries > GPT_ENTRIES_BYTES_MAX / h->entry_size)
		return "bad entry size or number";
	bytes = (uint64_t)h->nr_entries * h->entry_size;
	blocks = DIV_ROUND_UP(bytes, src->block_size);
	if (!range_inside(h->entries_lba, blocks, 2, src->nr_blocks))
		return "entries outside the disk";
	if (h->entries_lba <= h->last_usable_lba && h->first_usable_lba < h->entries_lba + blocks)
		return "entries inside the usable area";
	return NULL;
}

/* Are the entries what the header says? 0, -EIO, or -EBADMSG for a wrong checksum */
static int gpt_check_entries(const struct part_source *src, const struct gpt_header *h)
{
	uint64_t left = (uint64_t)h->nr_entries * h->entry_size;
	uint64_t lba = h->entries_lba;
	uint32_t crc = 0;

	while (left > 0) {
		size_t n = min_u64(left, src->block_size);
		int r = read_block(src, lba++);

		if (r < 0)
			return r;
		crc = crc32_ieee(crc, src->buf, n);
		left -= n;
	}
	return crc == h->entries_crc32 ? 0 : -EBADMSG;
}

/* Read entry @i, which may begin in one block and end in the next; *cached_lba is in the buffer */
static int gpt_read_entry(const struct part_source *src, const struct gpt_header *h, uint32_t i,
			  struct gpt_entry *ret, uint64_t *cached_lba)
{
	uint64_t at = (uint64_t)i * h->entry_size;
	uint8_t *dst = (uint8_t *)ret;
	size_t left = sizeof(*ret);

	while (left > 0) {
		uint64_t lba = h->entries_lba + at / src->block_size;
		size_t offset = at % src->block_size;
		size_t n = min_u64(left, src->block_size - offset);

		if (*cached_lba != lba) {
			int r = read_block(src, lba);

			if (r < 0)
				return r;
			*cached_lba = lba;
		}
		memcpy(dst, (uint8_t *)src->buf + offset, n);
		dst += n;
		at += n;
		left -= n;
	}
	return 0;
}

static int gpt_entries(struct scan *s, const struct gpt_header *h)
{
	static const uint8_t unused[16];
	uint64_t cached_lba = UINT64_MAX;

	for (uint32_t i = 0; i < h->nr_entries && i < MAX_PARTS; i++) {
		struct gpt_entry e;
		struct part p;
		int r = gpt_read_entry(s->src, h, i, &e, &cached_lba);

		if (r < 0)
			return log_err(r, "gpt: entry %u is unreadable", i + 1);
		if (memcmp(e.type_guid, unused, sizeof(unused)) == 0)
			continue;
		if (e.first_lba < h->first_usable_lba || e.last_lba > h->last_usable_lba ||
		    e.first_lba > e.last_lba) {
			log_warn("gpt: partition %u (%#lx-%#lx) is outside the usable area", i + 1,
				 e.first_lba, e.last_lba);
			continue;
		}
		memset(&p, 0, sizeof(p));
		p.first_lba = e.first_lba;
		p.nr_blocks = e.last_lba - e.first_lba + 1;
		p.index = i + 1;
		guid_to_uuid(e.unique_guid, p.uuid);
		name_to_utf8(e.name, p.label);
		r = s->found(s->ctx, &p);
		if (r)
			return r;
		cached_lba = UINT64_MAX; /* the callback may have used the buffer */
	}
	return 0;
}

/* A good table whose header is at @lba: 0 and the header, or -errno; @name is for the report */
static int gpt_read(const struct part_source *src, uint64_t lba, const char *name,
		    struct gpt_header *ret)
{
	struct gpt_header h;
	const char *wrong;
	int r = read_block(src, lba);

	if (r < 0)
		return log_err(r, "gpt: %s header at block %#lx is unreadable", name, lba);
	memcpy(&h, src->buf, sizeof(h));
	wrong = memcmp(h.signature, "EFI PART", 8) == 0 ? gpt_check_header(src, lba, &h)
							: "no signature";
	if (wrong)
		return log_err(-EBADMSG, "gpt: %s header at block %#lx: %s", name, lba, wrong);
	r = gpt_check_entries(src, &h);
	if (r < 0)
		return log_err(r, "gpt: entries of the %s header are %s", name,
			       r == -EBADMSG ? "damaged" : "unreadable");
	*ret = h;
	return 0;
}

/* The primary header is in block 1, the backup header in the last block (UEFI 2.10 §5.3.2) */
static int gpt_scan(struct scan *s)
{
	struct gpt_header h;

	if (gpt_read(s->src, 1, "primary", &h) < 0) {
		if (gpt_read(s->src, s->src->nr_blocks - 1, "backup", &h) < 0)
			return 0;
		log_warn("gpt: using the backup table");
	}
	return gpt_entries(s, &h);
}

/*---------------------------------------------------------------- MBR */

static bool is_extended(const struct mbr_entry *e)
{
	return e->type == 0x05 || e->type == 0x0f || e->type == 0x85;
}

/*
 * The entry that stands for the whole of a GPT disk (UEFI 2.10, table 5-4). Its boot flag "must be
 * ignored", and disks exist where it is neither 0 nor 0x80.
 */
static bool is_protective(const struct mbr_entry *e)
{
	return e->type == MBR_TYPE_GPT && e->start == 1;
}

/* Copy the four entries of the (extended) boot record in the buffer. False: it is none. */
static bool mbr_entries(const struct part_source *src, struct mbr_entry entries[4])
{
	const uint8_t *b = src->buf;
	bool plausible = true;

	if (b[MBR_MAGIC_AT] != 0x55 || b[MBR_MAGIC_AT + 1] != 0xaa)
		return false;
	memcpy(entries, b + MBR_ENTRIES_AT, 4 * sizeof(entries[0]));
	/* A file system's boot sector ends like an MBR, but has code or data here */
	for (unsigned i = 0; i < 4; i++) {
		if (is_protective(&entries[i]))
			return true;
		if (entries[i].boot & 0x7f)
			plausible = false;
	}
	return plausible;
}

static int mbr_found(struct scan *s, uint64_t first_lba, uint64_t nr_blocks, unsigned index)
{
	struct part p;

	if (!range_inside(first_lba, nr_blocks, 1, s->src->nr_blocks)) {
		log_warn("mbr: partition %u (%#lx, %#lx blocks) is outside the disk", index,
			 first_lba, nr_blocks);
		return 0;
	}
	memset(&p, 0, sizeof(p));
	p.first_lba = first_lba;
	p.nr_blocks = nr_blocks;
	p.index = index;
	p.mbr = true;
	p.mbr_signature = s->signature;
	return s->found(s->ctx, &p);
}

/* The partitions that one extended boot record names: starts count from the record itself */
static int ebr_partitions(struct scan *s, uint64_t lba, const struct mbr_entry entries[4],
			  uint64_t ext_start, uint64_t ext_end)
{
	for (unsigned i = 0; i < 4; i++) {
		const struct mbr_entry *e = &entries[i];
		int r;

		if (e->size == 0 || is_extended(e))
			continue;
		/* The third and fourth entry are garbage on some disks */
		if (i >= 2 && !range_inside(lba + e->start, e->size, ext_start, ext_end))
			continue;
		if (s->nr >= MAX_PARTS)
			return 0;
		s->nr++;
		if (e->type == 0)
			continue; /* deleted, keeps its number */
		if (e->start == 0 || !range_inside(lba + e->start, e->size, ext_start, ext_end)) {
			log_warn("mbr: partition %u leaves its extended partition", s->nr);
			continue;
		}
		r = mbr_found(s, lba + e->start, e->size, s->nr);
		if (r)
			return r;
	}
	return 0;
}

/*
 * The chain of extended boot records: each names its partitions and the next record, whose start
 * counts from the extended partition. A chain that comes back to itself ends there.
 */
static int ebr_chain(struct scan *s, const struct mbr_entry *ext)
{
	uint64_t start = ext->start, end = start + ext->size, lba = start;
	uint32_t seen[MAX_LOGICAL];

	for (unsigned n = 0; n < MAX_LOGICAL; n++) {
		struct mbr_entry entries[4];
		const struct mbr_entry *next = NULL;
		int r = read_block(s->src, lba);

		if (r < 0) {
			log_warn("mbr: extended boot record at block %#lx is unreadable", lba);
			return 0;
		}
		if (!mbr_entries(s->src, entries)) {
			log_warn("mbr: no extended boot record at block %#lx", lba);
			return 0;
		}
		seen[n] = lba - start;
		r = ebr_partitions(s, lba, entries, start, end);
		if (r)
			return r;
		for (unsigned i = 0; i < 4 && !next; i++)
			if (is_extended(&entries[i]) && entries[i].size)
				next = &entries[i];
		if (!next || next->start >= ext->size)
			return 0;
		for (unsigned i = 0; i <= n; i++)
			if (seen[i] == next->start) {
				log_warn("mbr: the chain of logical partitions is a loop");
				return 0;
			}
		lba = start + next->start;
	}
	log_warn("mbr: more than %u logical partitions", MAX_LOGICAL);
	return 0;
}

static int mbr_scan(struct scan *s, const struct mbr_entry entries[4])
{
	for (unsigned i = 0; i < 4; i++) {
		int r;

		if (entries[i].size == 0 || entries[i].type == 0 || is_extended(&entries[i]))
			continue;
		r = mbr_found(s, entries[i].start, entries[i].size, i + 1);
		if (r)
			return r;
	}
	s->nr = 4;
	for (unsigned i = 0; i < 4; i++) {
		int r;

		if (entries[i].size == 0 || entries[i].start == 0 || !is_extended(&entries[i]))
			continue;
		r = ebr_chain(s, &entries[i]);
		if (r)
			return r;
	}
	return 0;
}

int part_scan(const struct part_source *src, int (*found)(void *ctx, const struct part *p),
	      void *ctx)
{
	struct scan s = {.src = src, .found = found, .ctx = ctx};
	struct mbr_entry entries[4];
	int r;

	if (src->block_size < 512 || src->block_size > 4096 || !is_power_of_2(src->block_size) ||
	    src->nr_blocks < 2)
		return 0;
	r = read_block(src, 0);
	if (r < 0)
		return log_err(r, "partition table: block 0 is unreadable");
	if (!mbr_entries(src, entries))
		return 0;
	for (unsigned i = 0; i < 4; i++)
		if (entries[i].type == MBR_TYPE_GPT)
			return gpt_scan(&s);
	memcpy(&s.signature, (uint8_t *)src->buf + MBR_SIGNATURE_AT, sizeof(s.signature));
	return mbr_scan(&s, entries);
}
