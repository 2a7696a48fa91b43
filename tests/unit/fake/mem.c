// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/fake/mem.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define MAX_PIECES 64

static struct piece {
	phys_addr_t pa;
	const uint8_t *bytes; /* NULL: reads fail */
	size_t len;
} pieces[MAX_PIECES];
static unsigned nr_pieces;
unsigned fake_mem_reads;

void fake_mem_reset(void)
{
	nr_pieces = 0;
	fake_mem_reads = 0;
}

void fake_mem_add(phys_addr_t pa, const void *bytes, size_t len)
{
	assert(nr_pieces < MAX_PIECES);
	pieces[nr_pieces++] = (struct piece){pa, bytes, len};
}

void fake_mem_fail(phys_addr_t pa, size_t len)
{
	fake_mem_add(pa, NULL, len);
}

int fake_mem_read(void *dst, phys_addr_t pa, size_t len)
{
	const struct piece *from = NULL;

	fake_mem_reads++;
	for (unsigned i = 0; i < nr_pieces; i++) {
		const struct piece *p = &pieces[i];

		if (!p->bytes && pa < p->pa + p->len && pa + len > p->pa)
			return -EFAULT;
		if (p->bytes && range_inside(pa, len, p->pa, p->pa + p->len))
			from = p;
	}
	if (!from)
		return -EFAULT;
	memcpy(dst, from->bytes + (pa - from->pa), len);
	return 0;
}
