// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sets of numbers as intervals: see tools/recv/spans.h.
 *
 * Intervals are sorted, not empty, and never touch each other (two that do are joined), so that a
 * stream that arrives in order is one interval however long it is, and a look-up is a binary
 * search. Memory grows with the number of gaps only.
 */
#include "tools/recv/spans.h"

#include <stdlib.h>
#include <string.h>

#include "stub/bits.h"
#include "tools/util.h"

void spans_free(struct spans *s)
{
	free(s->v);
	*s = (struct spans){ 0 };
}

/* First interval that ends at or after @at: the first one that [at, ...) can touch */
static unsigned find(const struct spans *s, uint64_t at)
{
	return at ? FIRST_ABOVE(s->v, s->nr, to, at - 1) : 0;
}

/* Room for one more interval before number @at; its contents are the caller's to write */
static void open_gap(struct spans *s, unsigned at)
{
	if (s->nr == s->room) {
		s->room = s->room ? 2 * s->room : 16;
		s->v = must_grow(s->v, s->room, sizeof(*s->v));
	}
	memmove(&s->v[at + 1], &s->v[at], (s->nr - at) * sizeof(*s->v));
	s->nr++;
}

bool spans_add(struct spans *s, uint64_t from, uint64_t to)
{
	unsigned first = find(s, from), last = first;

	if (from >= to)
		return true;
	/* "<=": an interval that begins where the new one ends is joined too */
	while (last < s->nr && s->v[last].from <= to)
		last++;
	if (first == last) {
		/*
		 * A sender that leaves a gap after every piece cannot make us use memory without
		 * bound; the bound is on new intervals alone, so what closes gaps is always taken.
		 */
		if (s->nr >= SPANS_MAX)
			return false;
		open_gap(s, first);
		s->v[first] = (struct span){ from, to };
		return true;
	}
	/* [first, last) are touched: they become one */
	if (s->v[first].from < from)
		from = s->v[first].from;
	if (s->v[last - 1].to > to)
		to = s->v[last - 1].to;
	s->v[first] = (struct span){ from, to };
	memmove(&s->v[first + 1], &s->v[last], (s->nr - last) * sizeof(*s->v));
	s->nr -= last - first - 1;
	return true;
}

/*
 * Cutting a piece out of the middle makes two of one. Without room for that the shorter one of the
 * two goes as well: what is missing has to be noted, and too much of it only arrives once more.
 */
void spans_remove(struct spans *s, uint64_t from, uint64_t to)
{
	for (unsigned i = find(s, from); from < to && i < s->nr && s->v[i].from < to;) {
		struct span *v = &s->v[i], old = *v;

		if (old.to <= from) {
			i++;
		} else if (old.from < from && old.to > to) {
			if (s->nr >= SPANS_MAX) {
				if (from - old.from < old.to - to)
					v->from = to;
				else
					v->to = from;
				return;
			}
			open_gap(s, i);
			s->v[i].to = from;
			s->v[i + 1] = (struct span){ to, old.to };
			return;
		} else if (old.from < from) {
			v->to = from;
			i++;
		} else if (old.to > to) {
			v->from = to;
			return;
		} else {
			memmove(v, v + 1, (s->nr - i - 1) * sizeof(*v));
			s->nr--;
		}
	}
}

bool spans_gap(const struct spans *s, uint64_t from, uint64_t to, struct span *ret)
{
	unsigned i = find(s, from);

	/* find() also gives an interval that ends just before */
	if (i < s->nr && s->v[i].to == from)
		i++;
	if (i < s->nr && s->v[i].from <= from) {
		from = s->v[i].to;
		i++;
	}
	if (from >= to)
		return false;
	ret->from = from;
	ret->to = i < s->nr && s->v[i].from < to ? s->v[i].from : to;
	return true;
}

bool spans_has(const struct spans *s, uint64_t from, uint64_t to)
{
	struct span gap;

	return !spans_gap(s, from, to, &gap);
}

uint64_t spans_count(const struct spans *s, uint64_t from, uint64_t to)
{
	uint64_t sum = 0;

	for (unsigned i = find(s, from); i < s->nr && s->v[i].from < to; i++) {
		uint64_t a = s->v[i].from > from ? s->v[i].from : from,
			 b = s->v[i].to < to ? s->v[i].to : to;

		if (a < b)
			sum += b - a;
	}
	return sum;
}
