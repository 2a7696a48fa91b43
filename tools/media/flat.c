// SPDX-License-Identifier: GPL-2.0-or-later
/* The flattened format: see tools/media/flat.h. Everything in it is big-endian. */
#include "tools/media/flat.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stub/bits.h"
#include "tools/util.h"

#define HEADER_BYTES	4096u
#define RECORD_BYTES	(1u << 20)	/* readers keep a table of all records: not too small */

struct flat_header {
	char magic[16];
	uint64_t type, version;
	uint8_t rsvd[HEADER_BYTES - 32];
};

struct flat_record {
	uint64_t offset, bytes;	/* both -1: the end */
};

static int put(const struct flat *f, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(f->fd, p, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int flat_begin(struct flat *f, int fd)
{
	const struct flat_header h = { .magic = "makedumpfile", .type = htobe64(1), .version = htobe64(1) };

	*f = (struct flat){ .fd = fd, .record = must_alloc(sizeof(struct flat_record) + RECORD_BYTES, 1) };
	return put(f, &h, sizeof(h));
}

static int put_record(struct flat *f)
{
	struct flat_record r = { htobe64(f->at), htobe64(f->len) };
	size_t len = f->len;

	if (!len)
		return 0;
	memcpy(f->record, &r, sizeof(r));
	f->end = f->at + len;
	f->len = 0;
	return put(f, f->record, sizeof(r) + len);
}

int flat_write(struct flat *f, const void *buf, size_t len, uint64_t offset)
{
	const uint8_t *p = buf;
	int rc = 0;

	while (!rc && len) {
		size_t n;

		if (f->len == RECORD_BYTES || offset != f->at + f->len)
			rc = put_record(f);
		if (!f->len)
			f->at = offset;
		n = min_u64(len, RECORD_BYTES - f->len);
		memcpy(f->record + sizeof(struct flat_record) + f->len, p, n);
		f->len += n;
		offset += n;
		p += n;
		len -= n;
	}
	return rc;
}

int flat_end(struct flat *f, uint64_t bytes)
{
	static const struct flat_record end = { UINT64_MAX, UINT64_MAX };
	int rc = put_record(f);

	/* Zeros at the end: the last one says how long the file is */
	if (!rc && f->end < bytes)
		rc = flat_write(f, "", 1, bytes - 1);
	if (!rc)
		rc = put_record(f);
	return rc ? rc : put(f, &end, sizeof(end));
}

void flat_free(struct flat *f)
{
	free(f->record);
	f->record = NULL;
}
