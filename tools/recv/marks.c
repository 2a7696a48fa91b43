// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The file has a byte for each stretch, then its bits: see tools/recv/marks.h. Bits are written before
 * the byte that says that there are some, so a power cut loses marks and makes up none.
 */
#include "tools/recv/marks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stub/bits.h"
#include "tools/media/outfile.h"
#include "tools/util.h"

static uint64_t nr_stretches(const struct marks *m)
{
	return DIV_ROUND_UP(m->nr, MARKS_STRETCH);
}

static uint64_t bits_at(const struct marks *m, uint64_t stretch)
{
	return ALIGN_UP(nr_stretches(m), MARKS_STRETCH / 8) + stretch * (MARKS_STRETCH / 8);
}

int marks_open(struct marks *m, int dirfd, const char *name, uint64_t nr, bool fresh)
{
	struct stat st;
	int rc = 0;

	*m = (struct marks){ .nr = nr };
	m->fd = fresh ? file_fresh(dirfd, name) : file_ours(dirfd, name, O_RDWR);
	if (m->fd < 0)
		return m->fd;
	m->level = must_alloc(nr_stretches(m), 1);
	if (fresh)
		return ftruncate(m->fd, (off_t)bits_at(m, nr_stretches(m))) ? -errno : 0;
	if (fstat(m->fd, &st) || (uint64_t)st.st_size != bits_at(m, nr_stretches(m)))
		rc = -EINVAL;
	return rc ? rc : read_at(m->fd, m->level, nr_stretches(m), 0);
}

void marks_close(struct marks *m)
{
	if (m->fd >= 0)
		close(m->fd);
	free(m->level);
	*m = (struct marks){ .fd = -1 };
}

static int set_some(struct marks *m, uint64_t stretch, uint64_t from, uint64_t to)
{
	uint8_t bits[MARKS_STRETCH / 8] = { 0 };
	int rc = marks_get(m, stretch, bits);

	if (rc < 0 || rc == MARKED_ALL)
		return rc < 0 ? rc : 0;
	set_bits(bits, from, to);
	rc = write_at(m->fd, bits, sizeof(bits), bits_at(m, stretch));
	m->level[stretch] = MARKED_SOME;
	return rc ? rc : write_at(m->fd, &m->level[stretch], 1, stretch);
}

int marks_set(struct marks *m, uint64_t from, uint64_t nr)
{
	uint64_t to = from + nr, first = DIV_ROUND_UP(from, MARKS_STRETCH), end = to / MARKS_STRETCH;
	int rc = 0;

	if (to == m->nr)
		end = nr_stretches(m);
	if (first < end) {
		memset(m->level + first, MARKED_ALL, end - first);
		rc = write_at(m->fd, m->level + first, end - first, first);
	}
	/* What is left of the stretches at both ends, which may be one */
	for (uint64_t at = from; at < to && !rc;) {
		uint64_t stretch = at / MARKS_STRETCH, stop = min_u64(to, (stretch + 1) * MARKS_STRETCH);

		if (stretch >= first && stretch < end) {
			at = end * MARKS_STRETCH;
			continue;
		}
		rc = set_some(m, stretch, at % MARKS_STRETCH, stop - stretch * MARKS_STRETCH);
		at = stop;
	}
	return rc;
}

int marks_get(const struct marks *m, uint64_t stretch, uint8_t bits[MARKS_STRETCH / 8])
{
	int rc = 0;

	if (m->level[stretch] == MARKED_SOME)
		rc = read_at(m->fd, bits, MARKS_STRETCH / 8, bits_at(m, stretch));
	return rc ? rc : m->level[stretch];
}
