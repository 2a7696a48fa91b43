// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/report/orc.h"

#include <stdlib.h>
#include <string.h>

#include "tools/util.h"

#define ENTRY		6u		/* struct orc_entry is packed */
#define ENTRIES_MAX	BIT(22)		/* a kernel has some 400000 */
#define SAMPLES		4096u

/* Bits 8 to 10 of the last word are the type; before 6.4 they were two, and bit 10 the end of a stack */
static unsigned type_bits(const struct orc_table *t, size_t i)
{
	return t->entries[i * ENTRY + 5] & 7;
}

/*
 * Numbers of types changed in 6.4: a call was 0 and became 2. Calls are what most entries are, so they
 * tell which it is.
 */
static bool has_new_types(const struct orc_table *t)
{
	size_t step = t->nr / SAMPLES + 1, old = 0, new = 0;

	for (size_t i = 0; i < t->nr; i += step) {
		old += type_bits(t, i) == 0;
		new += type_bits(t, i) == 2;
	}
	return new > old;
}

static uint64_t place(const struct orc_table *t, size_t i)
{
	return t->ip_va + i * 4 + (uint64_t)(int64_t)t->ip[i];
}

void orc_load(struct dead *d, struct orc_table *t, uint64_t ip_va, uint64_t entries, size_t nr)
{
	*t = (struct orc_table){ .ip_va = ip_va };
	if (!nr || nr > ENTRIES_MAX)
		return;
	t->ip = must_alloc(nr, sizeof(*t->ip));
	t->entries = must_alloc(nr, ENTRY);
	if (!dead_read(d, t->ip, ip_va, nr * 4) || !dead_read(d, t->entries, entries, nr * ENTRY))
		return;
	t->nr = nr;
	t->start = place(t, 0);
	t->end = place(t, nr - 1);
	t->new_types = has_new_types(t);
}

void orc_free(struct orc_table *t)
{
	free(t->ip);
	free(t->entries);
}

static enum orc_type type_of(const struct orc_table *t, size_t i)
{
	static const enum orc_type old[] = { ORC_CALL, ORC_REGS, ORC_REGS_PARTIAL, ORC_NONE };
	unsigned type = type_bits(t, i);

	if (t->new_types)
		return type <= ORC_REGS_PARTIAL ? type : ORC_NONE;
	return type & 4 ? ORC_END : old[type];
}

static void decode(const struct orc_table *t, size_t i, struct orc *ret)
{
	const uint8_t *e = t->entries + i * ENTRY;

	memcpy(&ret->sp_offset, e, 2);
	memcpy(&ret->bp_offset, e + 2, 2);
	ret->sp_reg = e[4] & 15;
	ret->bp_reg = e[4] >> 4;
	ret->type = type_of(t, i);
}

/* The last entry that begins at @ip or before it */
bool orc_find(const struct dead *d, uint64_t ip, struct orc *ret)
{
	for (unsigned n = 0; n < d->nr_orc; n++) {
		const struct orc_table *t = &d->orc[n];
		size_t low = 0, high = t->nr;

		if (!t->nr || ip < t->start || ip >= t->end)
			continue;
		while (low < high) {
			size_t mid = low + (high - low) / 2;

			if (place(t, mid) > ip)
				high = mid;
			else
				low = mid + 1;
		}
		if (!low)
			continue;
		decode(t, low - 1, ret);
		return true;
	}
	return false;
}
