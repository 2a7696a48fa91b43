// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The files of one capture over a line: see tools/recv/recv_store.h. Everything that decides where a byte goes was checked in
 * store_parse_meta(): frames are looked up in the ranges of RAM, and there is nowhere else to write.
 */
#include "tools/recv/recv_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "stub/bits.h"
#include "tools/media/outfile.h"
#include "tools/util.h"

#define META_NAME	".meta"
#define ZERO_NAME	".zero"
#define EXCLUDED_NAME	".excluded"
#define NEW_NAME	"vmcore.part"
#define DESC_BATCH	1024u
#define COPY_BUF	(1u << 16)
#define ZLIB_LEVEL	1	/* what makedumpfile -c takes */
/*
 * One frame can call all of memory zero, and the final file has a descriptor for each such page. A
 * kernel has at least one page of its own (struct pages) for 64 others.
 */
#define ZEROS_FREE	(1u << 22)
#define ZEROS_PER_PAGE	256u

/*---------------------------------------------------------------- meta */

int store_parse_meta(const uint8_t *blob, size_t len, struct serial_meta *m, struct store_range *ranges)
{
	uint64_t next = 0, index = 0;

	if (len < sizeof(*m))
		return -EINVAL;
	memcpy(m, blob, sizeof(*m));
	if (m->version != SERIAL_VERSION || m->page_size < SERIAL_UNIT || m->page_size > 65536 || !is_power_of_2(m->page_size) ||
	    !m->nr_ranges || m->nr_ranges > SERIAL_MAX_RANGES || len != sizeof(*m) + m->nr_ranges * 16 ||
	    m->nr_passes > SERIAL_MAX_PASSES || m->nr_vital > m->nr_passes || m->notes_bytes > KDUMP_NOTES_MAX || m->nr_cpus > 65536)
		return -EINVAL;
	if (!range_inside(m->vmcoreinfo_offset, m->vmcoreinfo_bytes, 0, m->notes_bytes))
		return -EINVAL;
	for (unsigned i = 0; i < m->nr_ranges; i++) {
		struct store_range *r = &ranges[i];

		memcpy(&r->pfn, blob + sizeof(*m) + i * 16, 8);
		memcpy(&r->nr, blob + sizeof(*m) + i * 16 + 8, 8);
		r->index = index;
		/* Sorted, disjoint, not empty, and bounded in sum and place */
		if (!r->nr || r->pfn < next || r->pfn > (1ULL << 40) || r->nr > STORE_MAX_PAGES - index)
			return -EINVAL;
		next = r->pfn + r->nr;
		index += r->nr;
	}
	if (m->max_pfn != next || next > (1ULL << 36))
		return -EINVAL;
	for (unsigned i = 0; i < 6; i++)
		m->uts[i][64] = '\0';
	return 0;
}

/* Number of @pfn's descriptor. False: not RAM. */
static bool lookup(const struct store *s, uint64_t pfn, uint64_t *ret_index)
{
	unsigned i = FIRST_ABOVE(s->ranges, s->meta.nr_ranges, pfn, pfn);
	const struct store_range *r = &s->ranges[i - !!i];

	if (!i || pfn - r->pfn >= r->nr)
		return false;
	*ret_index = r->index + (pfn - r->pfn);
	return true;
}

/* The other way round: the frame of descriptor @index, and how many follow in its range */
static void find_frame(const struct store *s, uint64_t index, uint64_t *ret_pfn, uint64_t *ret_run)
{
	/* There is one: the first range has descriptor 0 */
	const struct store_range *r = &s->ranges[FIRST_ABOVE(s->ranges, s->meta.nr_ranges, index, index) - 1];

	*ret_pfn = r->pfn + (index - r->index);
	*ret_run = r->nr - (index - r->index);
}

/*---------------------------------------------------------------- open */

static int write_failed(struct store *s, int rc)
{
	s->failed = true;
	return fail(rc, "%s: cannot write: %s", s->dir, strerror(-rc));
}

static int write_headers(struct store *s, int fd, bool incomplete)
{
	struct disk_dump_header h;
	struct kdump_sub_header sub;
	int rc;

	kdump_header(&h, &s->meta, &s->at, KDUMP_COMPRESSED_ZLIB | (incomplete ? KDUMP_INCOMPLETE : 0));
	kdump_sub_header(&sub, &s->meta, &s->at);
	rc = write_at(fd, &sub, sizeof(sub), s->meta.page_size);
	return rc ? rc : write_at(fd, &h, sizeof(h), 0);
}

/* Set the bits of all RAM in the bitmap at @offset; the file has zeros there. */
static int write_ram_bitmap(struct store *s, int fd, uint64_t offset)
{
	uint8_t *buf = must_alloc(1, COPY_BUF);
	int rc = 0;

	for (unsigned i = 0; i < s->meta.nr_ranges && !rc; i++) {
		uint64_t pfn = s->ranges[i].pfn, end = pfn + s->ranges[i].nr;

		while (pfn < end && !rc) {
			uint64_t first = ALIGN_DOWN(pfn, COPY_BUF * 8), stop = min_u64(end, first + COPY_BUF * 8);
			uint64_t from = (pfn - first) / 8, to = DIV_ROUND_UP(stop - first, 8);

			/* A byte at either end may hold another range's bits */
			rc = read_at(fd, buf + from, to - from, offset + first / 8 + from);
			set_bits(buf, pfn - first, stop - first);
			if (!rc)
				rc = write_at(fd, buf + from, to - from, offset + first / 8 + from);
			pfn = stop;
		}
	}
	free(buf);
	return rc;
}

/* A new vmcore: the header last, so that nobody opens it too early */
static int create_vmcore(struct store *s)
{
	int rc = ftruncate(s->fd, (off_t)s->data_at) ? -errno : 0;

	s->data_end = s->data_at;
	if (!rc)
		rc = write_ram_bitmap(s, s->fd, s->at.bitmap1);
	if (!rc)
		rc = write_ram_bitmap(s, s->fd, s->at.bitmap2);
	if (!rc)
		rc = write_headers(s, s->fd, true);
	return rc;
}

static bool same_meta(struct store *s, const uint8_t *meta, size_t len)
{
	uint8_t old[STORE_META_MAX];
	struct stat st;
	int fd = file_ours(s->dirfd, META_NAME, O_RDONLY);
	bool same;

	if (fd < 0)
		return false;
	same = !fstat(fd, &st) && (size_t)st.st_size == len && len <= sizeof(old) && !read_at(fd, old, len, 0) &&
	       !memcmp(old, meta, len);
	close(fd);
	return same;
}

static int open_marks(struct store *s, bool fresh)
{
	int rc = marks_open(&s->zero, s->dirfd, ZERO_NAME, s->nr_pages, fresh);

	return rc ? rc : marks_open(&s->excluded, s->dirfd, EXCLUDED_NAME, s->nr_pages, fresh);
}

static void close_files(struct store *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	marks_close(&s->zero);
	marks_close(&s->excluded);
}

static int open_vmcore(struct store *s, const uint8_t *meta, size_t len)
{
	struct stat st;
	int rc;

	/* .meta is written last: when it is there, the rest is whole */
	if (same_meta(s, meta, len)) {
		s->fd = file_ours(s->dirfd, "vmcore", O_RDWR);
		if (s->fd >= 0 && !open_marks(s, false) && !fstat(s->fd, &st) &&
		    (uint64_t)st.st_size >= s->data_at) {
			s->data_end = (uint64_t)st.st_size;
			return 0;
		}
		close_files(s);
	}
	if (!faccessat(s->dirfd, "vmcore", F_OK, AT_SYMLINK_NOFOLLOW))
		return -EEXIST;
	s->fd = file_fresh(s->dirfd, "vmcore");
	rc = s->fd < 0 ? s->fd : open_marks(s, true);
	if (!rc)
		rc = create_vmcore(s);
	return rc ? rc : outfile_write(s->dirfd, s->dir, META_NAME, true, meta, len);
}

int store_open(struct store *s, const char *dir, const uint8_t *meta, size_t len)
{
	int rc;

	memset(s, 0, sizeof(*s));
	s->fd = s->zero.fd = s->excluded.fd = -1;
	rc = store_parse_meta(meta, len, &s->meta, s->ranges);
	if (rc)
		return rc;
	s->units_per_page = s->meta.page_size / SERIAL_UNIT;
	s->nr_pages = s->ranges[s->meta.nr_ranges - 1].index + s->ranges[s->meta.nr_ranges - 1].nr;
	kdump_plan(&s->at, &s->meta, UINT64_MAX);	/* store_parse_meta() has bounds for all of it */
	s->data_at = kdump_data(&s->at, s->nr_pages);
	s->dirfd = dir_ours(dir, true);
	if (s->dirfd < 0)
		return fail(s->dirfd, "%s: %s", dir, strerror(-s->dirfd));
	s->dir = strdup(dir);
	if (!s->dir)
		s->dir = must_alloc(1, 1);
	s->buf_size = compressBound(s->meta.page_size);
	s->buf = must_alloc(1, s->buf_size);
	for (unsigned i = 0; i < STORE_PARTIALS; i++)
		s->partial[i].data = s->units_per_page > 1 ? must_alloc(1, s->meta.page_size) : NULL;
	rc = open_vmcore(s, meta, len);
	if (rc) {
		fail(rc, "%s: cannot create vmcore: %s", dir, strerror(-rc));
		store_close(s);
	}
	return rc;
}

void store_close(struct store *s)
{
	if (!s->dir)
		return;
	close_files(s);
	close(s->dirfd);
	for (unsigned i = 0; i < STORE_PARTIALS; i++)
		free(s->partial[i].data);
	free(s->buf);
	free(s->dir);
	memset(s, 0, sizeof(*s));
}

/*---------------------------------------------------------------- pages */

static uint64_t desc_at(const struct store *s, uint64_t index)
{
	return s->at.table + index * sizeof(struct page_desc);
}

static int store_page(struct store *s, uint64_t index, const uint8_t *data)
{
	struct page_desc desc;
	uLongf len = s->buf_size;
	uint32_t size = s->meta.page_size;
	int rc = read_at(s->fd, &desc, sizeof(desc), desc_at(s, index));

	if (rc || desc.offset)
		return rc ? write_failed(s, rc) : 0;
	desc = (struct page_desc){ .offset = (int64_t)s->data_end, .size = size };
	if (compress2(s->buf, &len, data, size, ZLIB_LEVEL) == Z_OK && len < size) {
		desc.size = (uint32_t)len;
		desc.flags = KDUMP_COMPRESSED_ZLIB;
		data = s->buf;
	}
	rc = write_at(s->fd, data, desc.size, s->data_end);
	if (!rc)
		rc = write_at(s->fd, &desc, sizeof(desc), desc_at(s, index));
	if (rc)
		return write_failed(s, rc);
	s->data_end += desc.size;
	return 0;
}

/* The page that @pfn's units are collected in; an old unfinished one gives way. */
static struct store_partial *partial(struct store *s, uint64_t pfn, uint64_t *ret_dropped, bool *ret_lost)
{
	struct store_partial *p;

	*ret_lost = false;
	for (unsigned i = 0; i < STORE_PARTIALS; i++)
		if (s->partial[i].have && s->partial[i].pfn == pfn)
			return &s->partial[i];
	for (unsigned i = 0; i < STORE_PARTIALS; i++) {
		p = &s->partial[i];
		if (!p->have) {
			p->pfn = pfn;
			return p;
		}
	}
	p = &s->partial[s->next_partial++ % STORE_PARTIALS];
	*ret_dropped = p->pfn;
	*ret_lost = true;
	p->have = 0;
	p->pfn = pfn;
	return p;
}

static int store_part(struct store *s, uint64_t index, uint64_t unit, const uint8_t *data, uint64_t *ret_dropped)
{
	unsigned n = s->units_per_page, part = (unsigned)(unit % n);
	bool lost;
	struct store_partial *p = partial(s, unit / n, ret_dropped, &lost);
	int rc = 0;

	if (data)
		memcpy(p->data + part * SERIAL_UNIT, data, SERIAL_UNIT);
	else
		memset(p->data + part * SERIAL_UNIT, 0, SERIAL_UNIT);
	p->have |= 1u << part;
	if (p->have == (uint32_t)GENMASK(n - 1, 0)) {
		rc = store_page(s, index, p->data);
		p->have = 0;
	}
	return rc ? rc : lost ? -EAGAIN : 0;
}

int store_unit(struct store *s, uint64_t unit, const uint8_t *data, uint64_t *ret_dropped)
{
	uint64_t index;

	if (s->failed)
		return -EIO;
	if (!lookup(s, unit / s->units_per_page, &index))
		return -ENOENT;
	if (s->units_per_page > 1)
		return store_part(s, index, unit, data, ret_dropped);
	return data ? store_page(s, index, data) : store_zeros(s, unit, 1);
}

static int mark_zero(struct store *s, uint64_t index, uint64_t nr)
{
	int rc = marks_set(&s->zero, index, nr);

	return rc ? write_failed(s, rc) : 0;
}

static int mark_excluded(struct store *s, uint64_t index, uint64_t nr)
{
	int rc = marks_set(&s->excluded, index, nr);

	return rc ? write_failed(s, rc) : 0;
}

/* @each for the parts of [pfn, pfn + nr) that are RAM */
static int over_ram(struct store *s, uint64_t pfn, uint64_t nr, int (*each)(struct store *s, uint64_t index, uint64_t nr))
{
	for (unsigned i = 0; i < s->meta.nr_ranges; i++) {
		const struct store_range *r = &s->ranges[i];
		uint64_t from = max_u64(pfn, r->pfn), to = min_u64(pfn + nr, r->pfn + r->nr);
		int rc = from < to ? each(s, r->index + (from - r->pfn), to - from) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

int store_zeros(struct store *s, uint64_t pfn, uint64_t nr)
{
	return s->failed ? -EIO : over_ram(s, pfn, nr, mark_zero);
}

int store_excluded(struct store *s, uint64_t pfn, uint64_t nr)
{
	return s->failed ? -EIO : over_ram(s, pfn, nr, mark_excluded);
}

/*---------------------------------------------------------------- notes, text */

int store_notes(struct store *s, uint64_t offset, const void *buf, size_t len)
{
	int rc;

	if (!range_inside(offset, len, 0, s->meta.notes_bytes))
		return -EINVAL;
	rc = s->failed ? -EIO : write_at(s->fd, buf, len, s->at.notes + offset);
	return rc ? write_failed(s, rc) : 0;
}

int store_text(struct store *s, const char *name, uint64_t total, uint64_t offset, const void *buf, size_t len)
{
	int fd = file_ours(s->dirfd, name, O_WRONLY | O_CREAT), rc;

	if (fd < 0)
		return write_failed(s, fd);
	rc = write_at(fd, buf, len, offset);
	/* A log that was longer the first time */
	if (!rc && ftruncate(fd, (off_t)min_u64(total, (uint64_t)lseek(fd, 0, SEEK_END))))
		rc = -errno;
	close(fd);
	return rc ? write_failed(s, rc) : 0;
}

int store_replace(struct store *s, const char *name, const void *buf, size_t len)
{
	int fd = file_fresh(s->dirfd, ".part"), rc;

	if (fd < 0)
		return write_failed(s, fd);
	rc = write_at(fd, buf, len, 0);
	close(fd);
	if (!rc && renameat(s->dirfd, ".part", s->dirfd, name))
		rc = -errno;
	return rc ? write_failed(s, rc) : 0;
}

/*---------------------------------------------------------------- end */

/* What became of some pages: of one, or of a whole stretch of which nothing came but its marks */
struct run {
	uint64_t index, nr;
	enum { RUN_DATA, RUN_ZERO, RUN_EXCLUDED, RUN_MISSING } is;
	struct page_desc desc;		/* RUN_DATA */
};

/* Walks over descriptors and marks together. */
struct walk {
	struct store *s;
	uint64_t index, from, to;	/* next one, and the stretch that is loaded */
	int zero, excluded;		/* enum mark_level, of the stretch */
	bool some_descs;
	struct page_desc descs[MARKS_STRETCH];
	uint8_t zero_bits[MARKS_STRETCH / 8], excluded_bits[MARKS_STRETCH / 8];
};

/* Descriptors that nobody wrote are a hole in the file, which is not read */
static int walk_load(struct walk *w)
{
	struct store *s = w->s;
	off_t start, data;

	w->from = w->index;
	w->to = w->from + min_u64(MARKS_STRETCH, s->nr_pages - w->from);
	start = (off_t)desc_at(s, w->from);
	data = lseek(s->fd, start, SEEK_DATA);
	w->some_descs = data < 0 ? errno != ENXIO : (uint64_t)data < desc_at(s, w->to);
	w->zero = marks_get(&s->zero, w->from / MARKS_STRETCH, w->zero_bits);
	w->excluded = marks_get(&s->excluded, w->from / MARKS_STRETCH, w->excluded_bits);
	if (w->zero < 0 || w->excluded < 0)
		return -EIO;
	if (!w->some_descs)
		return 0;
	return read_at(s->fd, w->descs, (w->to - w->from) * sizeof(*w->descs), (uint64_t)start);
}

static bool marked(int level, const uint8_t *bits, uint64_t i)
{
	return level == MARKED_ALL || (level == MARKED_SOME && bits[i / 8] >> i % 8 & 1);
}

/* 1 with the next run, 0 at the end, -errno */
static int walk_next(struct walk *w, struct run *ret)
{
	uint64_t i;

	if (w->index == w->s->nr_pages)
		return 0;
	if (w->index >= w->to) {
		int rc = walk_load(w);

		if (rc)
			return rc;
	}
	i = w->index - w->from;
	*ret = (struct run){ .index = w->index, .nr = 1 };
	if (w->some_descs)
		ret->desc = w->descs[i];
	else if (w->zero != MARKED_SOME && w->excluded != MARKED_SOME)
		ret->nr = w->to - w->from;
	ret->is = ret->desc.offset ? RUN_DATA :
		  marked(w->zero, w->zero_bits, i) ? RUN_ZERO :
		  marked(w->excluded, w->excluded_bits, i) ? RUN_EXCLUDED : RUN_MISSING;
	w->index += ret->nr;
	return 1;
}

int store_count(struct store *s, struct store_counts *ret)
{
	struct walk *w = must_alloc(1, sizeof(*w));
	struct store_counts c = { 0 };
	struct run r;
	int rc;

	w->s = s;
	while ((rc = walk_next(w, &r)) == 1) {
		c.stored += r.is == RUN_DATA || r.is == RUN_ZERO ? r.nr : 0;
		c.zero += r.is == RUN_ZERO ? r.nr : 0;
		c.excluded += r.is == RUN_EXCLUDED ? r.nr : 0;
		c.missing += r.is == RUN_MISSING ? r.nr : 0;
	}
	free(w);
	if (!rc)
		*ret = c;
	return rc;
}

/* The new file while it is written: three ascending streams, each with a buffer of its own */
struct final {
	struct store *s;
	int fd;
	uint64_t zero_at, data_end;
	uint64_t next;			/* descriptor */
	struct page_desc descs[DESC_BATCH];
	unsigned nr_descs;
	uint8_t bits[4096];
	uint64_t bits_at;		/* frame of the first bit */
};

static int flush_bits(struct final *f)
{
	uint64_t at = f->s->at.bitmap2 + f->bits_at / 8;
	uint64_t len = min_u64(sizeof(f->bits), f->s->at.bitmap_len - f->bits_at / 8);
	int rc = write_at(f->fd, f->bits, len, at);

	memset(f->bits, 0, sizeof(f->bits));
	return rc;
}

static int put_bits(struct final *f, uint64_t pfn, uint64_t nr)
{
	const uint64_t room = sizeof(f->bits) * 8;
	int rc = 0;

	while (nr && !rc) {
		uint64_t first = ALIGN_DOWN(pfn, room), n = min_u64(nr, first + room - pfn);

		if (first != f->bits_at) {
			rc = flush_bits(f);
			f->bits_at = first;
		}
		set_bits(f->bits, pfn - first, pfn - first + n);
		pfn += n;
		nr -= n;
	}
	return rc;
}

static int flush_descs(struct final *f)
{
	int rc = write_at(f->fd, f->descs, f->nr_descs * sizeof(*f->descs), desc_at(f->s, f->next));

	f->next += f->nr_descs;
	f->nr_descs = 0;
	return rc;
}

static int put_descs(struct final *f, const struct page_desc *desc, uint64_t nr)
{
	int rc = 0;

	for (; nr && !rc; nr--) {
		f->descs[f->nr_descs++] = *desc;
		rc = f->nr_descs == DESC_BATCH ? flush_descs(f) : 0;
	}
	return rc;
}

static int put_data(struct final *f, struct page_desc desc)
{
	uint8_t buf[65536];
	int rc;

	if (desc.size > sizeof(buf))
		return -EINVAL;
	rc = read_at(f->s->fd, buf, desc.size, (uint64_t)desc.offset);
	if (!rc)
		rc = write_at(f->fd, buf, desc.size, f->data_end);
	desc.offset = (int64_t)f->data_end;
	f->data_end += desc.size;
	return rc ? rc : put_descs(f, &desc, 1);
}

/* @nr frames from @pfn on, which lie in one range of RAM */
static int put_frames(struct final *f, const struct run *r, uint64_t pfn, uint64_t nr)
{
	const struct page_desc zero = { .offset = (int64_t)f->zero_at, .size = f->s->meta.page_size };
	int rc = r->is == RUN_EXCLUDED ? 0 : put_bits(f, pfn, nr);

	if (rc || r->is == RUN_EXCLUDED)
		return rc;
	if (r->is == RUN_DATA)
		return put_data(f, r->desc);
	if (r->is == RUN_ZERO)
		return put_descs(f, &zero, nr);
	/* What is missing is a hole in the table */
	rc = flush_descs(f);
	f->next += nr;
	return rc;
}

static int put_run(struct final *f, const struct run *r)
{
	uint64_t index = r->index, end = r->index + r->nr, pfn, left;
	int rc = 0;

	while (index < end && !rc) {
		find_frame(f->s, index, &pfn, &left);
		left = min_u64(left, end - index);
		rc = put_frames(f, r, pfn, left);
		index += left;
	}
	return rc;
}

static int write_final(struct final *f, const struct store_counts *c, bool incomplete)
{
	struct store *s = f->s;
	struct walk *w = must_alloc(1, sizeof(*w));
	uint8_t *notes = must_alloc(1, s->meta.notes_bytes + 1);
	struct run r;
	int rc;

	w->s = s;
	/* The zero page is a hole */
	f->zero_at = kdump_data(&s->at, c->stored + c->missing);
	f->data_end = f->zero_at + s->meta.page_size;
	rc = ftruncate(f->fd, (off_t)f->data_end) ? -errno : 0;
	if (!rc)
		rc = read_at(s->fd, notes, s->meta.notes_bytes, s->at.notes);
	if (!rc)
		rc = write_at(f->fd, notes, s->meta.notes_bytes, s->at.notes);
	free(notes);
	if (!rc)
		rc = write_ram_bitmap(s, f->fd, s->at.bitmap1);
	while (!rc && (rc = walk_next(w, &r)) == 1)
		rc = put_run(f, &r);
	free(w);
	if (!rc)
		rc = flush_bits(f);
	if (!rc)
		rc = flush_descs(f);
	return rc ? rc : write_headers(s, f->fd, incomplete);
}

int store_finish(struct store *s, bool complete, uint64_t unreadable, struct store_counts *ret)
{
	struct store_counts c;
	struct final *f;
	int rc = s->failed ? -EIO : store_count(s, &c);

	if (rc)
		return rc;
	if (c.zero > ZEROS_FREE + ZEROS_PER_PAGE * (c.stored - c.zero))
		return fail(-EFBIG, "%s: %llu pages without contents beside %llu with some are not "
			    "believed, the working vmcore stays", s->dir, (unsigned long long)c.zero,
			    (unsigned long long)(c.stored - c.zero));
	/* They stay promised, without contents, as in a dump on a disk */
	complete = complete && c.missing <= unreadable;
	f = must_alloc(1, sizeof(*f));
	f->s = s;
	f->fd = file_fresh(s->dirfd, NEW_NAME);
	rc = f->fd < 0 ? f->fd : write_final(f, &c, !complete);
	if (!rc && (fsync(f->fd) || renameat(s->dirfd, NEW_NAME, s->dirfd, "vmcore")))
		rc = -errno;
	if (f->fd >= 0)
		close(f->fd);
	free(f);
	if (rc) {
		unlinkat(s->dirfd, NEW_NAME, 0);
		return fail(rc, "%s: cannot write the final vmcore, the working one stays: %s", s->dir, strerror(-rc));
	}
	unlinkat(s->dirfd, ZERO_NAME, 0);
	unlinkat(s->dirfd, EXCLUDED_NAME, 0);
	unlinkat(s->dirfd, META_NAME, 0);
	fsync(s->dirfd);
	c.missing -= min_u64(c.missing, unreadable);
	*ret = c;
	return 0;
}
