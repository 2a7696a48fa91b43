/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets of numbers as sorted, disjoint intervals: what of a stream has arrived. The number of
 * intervals is bounded, because what arrives may be hostile.
 */
#ifndef TOOLS_SPANS_H
#define TOOLS_SPANS_H

#include <stdbool.h>
#include <stdint.h>

#define SPANS_MAX	16384u

struct span {
	uint64_t from, to;	/* [from, to) */
};

struct spans {
	unsigned nr, room;
	struct span *v;
};

/*
 * A zero-initialised struct is the empty set. Ranges are half open; an empty one is in every set,
 * and adding or removing it does nothing. spans_free() leaves an empty set.
 */
void spans_free(struct spans *s);
/* False: too many intervals, nothing was changed */
bool spans_add(struct spans *s, uint64_t from, uint64_t to);
/* With too many intervals more than that is removed, from one that it is in the middle of */
void spans_remove(struct spans *s, uint64_t from, uint64_t to);
bool spans_has(const struct spans *s, uint64_t from, uint64_t to);
/* The first part of [from, to) that is not in the set; false: all of it is */
bool spans_gap(const struct spans *s, uint64_t from, uint64_t to, struct span *ret);
/* How many numbers of [from, to) are in the set */
uint64_t spans_count(const struct spans *s, uint64_t from, uint64_t to);

#endif
