/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz input as damage to the made-up machine of machine.h: changed words of memory, then lines of
 * VMCOREINFO that come before the real ones and so replace them. Undone afterwards, since building
 * the machine anew takes long.
 */
#ifndef HOST_PATCH_H
#define HOST_PATCH_H

#include <string.h>

#include "tests/host/machine.h"

#define PATCH_MAX 32u

struct patch {
	unsigned nr;
	struct {
		uint64_t pa, old;
	} saved[PATCH_MAX];
	struct vmcoreinfo vi;
};

/* Take @n bytes off the input; zeros when it is at its end */
static inline uint64_t patch_take(const uint8_t **data, size_t *size, size_t n)
{
	uint64_t v = 0;

	if (n > *size)
		n = *size;
	memcpy(&v, *data, n);
	*data += n;
	*size -= n;
	return v;
}

/* @areas: start and length pairs of physical memory that the input may change, @nr of them */
static inline void patch_apply(struct patch *p, const uint8_t *data, size_t size,
			       const uint64_t (*areas)[2], unsigned nr)
{
	struct vmcoreinfo *vi = &machine.vi;

	p->vi = *vi;
	p->nr = patch_take(&data, &size, 1) % (PATCH_MAX + 1);
	for (unsigned i = 0; i < p->nr; i++) {
		const uint64_t *area = areas[patch_take(&data, &size, 1) % nr];
		uint64_t where = area[0] + patch_take(&data, &size, 3) % (area[1] - 7),
			 value = patch_take(&data, &size, 8);

		p->saved[i].pa = where;
		memcpy(&p->saved[i].old, machine.ram + where, 8);
		memcpy(machine.ram + where, &value, 8);
	}
	if (size > sizeof(vi->text) / 4)
		size = sizeof(vi->text) / 4;
	if (!size || vi->len + size + 2 > sizeof(vi->text))
		return;
	memmove(vi->text + size + 1, vi->text, vi->len + 1);
	memcpy(vi->text, data, size);
	vi->text[size] = '\n';
	for (size_t i = 0; i < size; i++)
		if (!vi->text[i])
			vi->text[i] = '\n';
	vi->len += size + 1;
}

static inline void patch_undo(struct patch *p)
{
	while (p->nr--)
		memcpy(machine.ram + p->saved[p->nr].pa, &p->saved[p->nr].old, 8);
	machine.vi = p->vi;
}

#endif
