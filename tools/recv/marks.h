/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bit for each page of a large machine, in a file. A few bytes from a line may mark any number of
 * pages: whole stretches are one byte each, so that this costs neither time nor room.
 */
#ifndef TOOLS_MARKS_H
#define TOOLS_MARKS_H

#include <stdbool.h>
#include <stdint.h>

#include "stub/format/bitmap.h"

#define MARKS_STRETCH	32768u	/* numbers, a block of the file as bits */

enum mark_level { MARKED_NONE, MARKED_ALL, MARKED_SOME };

struct marks {
	int fd;
	uint64_t nr;
	uint8_t *level;		/* enum mark_level of each stretch, as in the file */
};

/* For numbers below @nr. @fresh: none is marked, else as an earlier run has left them. 0 or -errno */
int marks_open(struct marks *m, int dirfd, const char *name, uint64_t nr, bool fresh);
void marks_close(struct marks *m);

/* [from, from + nr) are marked. 0 or -errno */
int marks_set(struct marks *m, uint64_t from, uint64_t nr);
/* Those of a stretch; @bits are set with MARKED_SOME only. Or -errno */
int marks_get(const struct marks *m, uint64_t stretch, uint8_t bits[MARKS_STRETCH / 8]);

#endif
