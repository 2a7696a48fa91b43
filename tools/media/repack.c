// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Headers, notes and bitmaps stay as they are; behind them come new descriptors, then the pages in
 * order of their frames. A file is written from its start to its end (tools/media/outfile.h), and the
 * descriptors of a large machine do not fit in memory: so each page is compressed twice, for its size
 * and for its contents. As in every dump, all pages of zeros are one.
 */
#include "tools/media/repack.h"

#include <errno.h>
#include <lzo/lzo1x.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "stub/bits.h"
#include "tools/util.h"

#define COPY_BYTES	65536u
/* What makedumpfile takes */
#define ZLIB_LEVEL	1
#define ZSTD_LEVEL	1

static const struct {
	const char *name;
	uint32_t method;
} methods[] = {
	{ "none", 0 }, { "lzo", KDUMP_COMPRESSED_LZO }, { "zlib", KDUMP_COMPRESSED_ZLIB }, { "zstd", KDUMP_COMPRESSED_ZSTD },
};

int repack_method(const char *name, uint32_t *ret)
{
	for (unsigned i = 0; i < ARRAY_SIZE(methods); i++)
		if (!strcmp(name, methods[i].name)) {
			*ret = methods[i].method;
			return 0;
		}
	return -EINVAL;
}

struct repack {
	struct repack_job *job;
	struct outfile *out;
	size_t page;
	uint8_t *raw, *packed, *work;
	size_t room;		/* in packed */
	uint64_t data_end;	/* of the new dump, while descriptors are written */
	uint64_t zero_at;	/* the page of zeros; 0: none yet */
	bool incomplete;	/* the header says so */
	bool holes;		/* some page is damaged */
	struct progress progress;
	uint64_t done;
};

/* Bytes in p->packed, 0: the page does not become smaller */
static size_t compress_page(struct repack *p)
{
	uLongf zlib_len = p->room;
	lzo_uint lzo_len = p->room;
	size_t len = 0;

	switch (p->job->method) {
	case KDUMP_COMPRESSED_ZLIB:
		len = compress2(p->packed, &zlib_len, p->raw, p->page, ZLIB_LEVEL) == Z_OK ? zlib_len : 0;
		break;
	case KDUMP_COMPRESSED_LZO:
		len = lzo1x_1_compress(p->raw, p->page, p->packed, &lzo_len, p->work) == LZO_E_OK ? lzo_len : 0;
		break;
	case KDUMP_COMPRESSED_ZSTD:
		len = ZSTD_compress(p->packed, p->room, p->raw, p->page, ZSTD_LEVEL);
		break;
	}
	return len < p->page ? len : 0;
}

/* The descriptor of a page, and its contents at *ret_data; all of zeros when it is not there */
static struct page_desc look(struct repack *p, const struct kdump_page *page, const void **ret_data)
{
	struct page_desc d = { 0 };
	size_t len;

	*ret_data = p->raw;
	if (kdump_page(p->job->dump, page->index, p->raw))
		return d;
	d.size = (uint32_t)p->page;
	d.offset = (int64_t)p->data_end;
	if (!p->raw[0] && !memcmp(p->raw, p->raw + 1, p->page - 1)) {
		if (p->zero_at)
			d.offset = (int64_t)p->zero_at;
		else
			p->zero_at = p->data_end;
	} else if ((len = compress_page(p))) {
		d.size = (uint32_t)len;
		d.flags = p->job->method;
		*ret_data = p->packed;
	}
	if ((uint64_t)d.offset == p->data_end)
		p->data_end += d.size;
	return d;
}

/* All pages: their descriptors, or what those say */
static int write_pages(struct repack *p, bool descs)
{
	struct kdump_walk w;
	struct kdump_page page;
	int rc, failed = 0;

	p->data_end = p->job->dump->data;
	p->zero_at = 0;
	kdump_walk_start(&w, p->job->dump);
	while (!failed && (rc = kdump_walk_next(&w, &page)) == 1) {
		const void *data;
		uint64_t end = p->data_end;
		struct page_desc d = look(p, &page, &data);

		if (descs) {
			p->job->lost += !d.size && page.state == PAGE_STORED;
			p->holes |= !d.size && page.state != PAGE_MISSING;
			failed = outfile_append(p->out, &d, sizeof(d));
		} else if (p->data_end != end) {
			failed = outfile_append(p->out, data, d.size);
		}
		progress_step(&p->progress, p->done += p->page);
	}
	if (failed || !rc)
		return failed;
	return fail(rc, "%s: reading the page descriptors failed: %s", p->job->path, strerror(-rc));
}

/* Up to the descriptors, with the new method in the header's status */
static int copy_headers(struct repack *p)
{
	const struct kdump *k = p->job->dump;
	uint32_t status = p->job->method | (k->hdr.status & KDUMP_EXCLUDED_VMEMMAP) | (p->incomplete ? KDUMP_INCOMPLETE : 0);
	uint8_t buf[COPY_BYTES];
	int rc = 0;

	for (uint64_t done = 0; !rc && done < k->descs; done += sizeof(buf)) {
		size_t len = min_u64(k->descs - done, sizeof(buf));

		rc = read_at(k->fd, buf, len, done);
		if (rc)
			return fail(rc, "%s: reading at byte %llu failed: %s", p->job->path,
				    (unsigned long long)done, strerror(-rc));
		if (!done)
			memcpy(buf + offsetof(struct disk_dump_header, status), &status, sizeof(status));
		rc = outfile_append(p->out, buf, len);
	}
	return rc;
}

/* Everything before the data, from the file's start */
static int write_table(struct repack *p)
{
	int rc = outfile_rewind(p->out);

	p->job->lost = p->done = 0;
	if (!rc)
		rc = copy_headers(p);
	return rc ? rc : write_pages(p, true);
}

int repack_write(struct repack_job *job, struct outfile *out)
{
	struct repack p = { .job = job, .out = out, .page = (size_t)job->dump->hdr.block_size };
	int rc;

	if (lzo_init() != LZO_E_OK)
		return fail(-ENOTSUP, "liblzo2 is not as it was when this program was built");
	p.room = max_u64(max_u64(compressBound(p.page), ZSTD_compressBound(p.page)), KDUMP_LZO_MAX(p.page));
	p.raw = must_alloc(p.page, 1);
	p.packed = must_alloc(p.room, 1);
	p.work = must_alloc(LZO1X_1_MEM_COMPRESS, 1);
	p.incomplete = job->dump->hdr.status & KDUMP_INCOMPLETE;
	progress_start(&p.progress, "compressing", 2 * job->dump->nr_descs * p.page);
	rc = write_table(&p);
	/* What cannot be decompressed shows after the header was written: then once more */
	if (!rc && p.holes && !p.incomplete) {
		p.incomplete = true;
		rc = write_table(&p);
	}
	if (!rc)
		rc = write_pages(&p, false);
	progress_end(&p.progress);
	free(p.raw);
	free(p.packed);
	free(p.work);
	return rc;
}
