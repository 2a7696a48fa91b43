// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/report/symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/util.h"

struct load {
	struct symbols *s;
	struct kallsyms k;
};

void symbols_add(struct symbols *s, uint64_t va, const char *name, uint32_t module)
{
	size_t len = strlen(name) + 1;

	if (s->nr == s->room) {
		s->room = s->room ? s->room * 2 : 4096;
		s->v = must_grow(s->v, s->room, sizeof(*s->v));
	}
	while (s->names_room - s->names_len < len) {
		s->names_room = s->names_room ? s->names_room * 2 : 65536;
		s->names = must_grow(s->names, s->names_room, 1);
	}
	if (s->names_len > UINT32_MAX - len)
		return;
	memcpy(s->names + s->names_len, name, len);
	s->v[s->nr++] = (struct symbol){ va, (uint32_t)s->names_len, module };
	s->names_len += len;
}

/* Addresses come when the rule is known by which they are written */
static bool add(void *ctx, unsigned nr, const char *name)
{
	struct load *l = ctx;

	symbols_add(l->s, nr, name, 0);
	return true;
}

/* The names' places ascend as the table does */
static int by_va(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->va != y->va)
		return x->va < y->va ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

void symbols_sort(struct symbols *s)
{
	if (s->nr)
		qsort(s->v, s->nr, sizeof(*s->v), by_va);
}

int symbols_load(struct symbols *s, struct vtop *vt, const struct kallsyms_tables *at, uint64_t stext)
{
	struct load l = { .s = s };
	size_t good = 0;
	int rc = kallsyms_open(&l.k, vt, at, stext);

	if (rc)
		return rc;
	kallsyms_each(&l.k, add, &l);
	for (size_t i = 0; i < s->nr; i++) {
		struct symbol sym = s->v[i];

		if (!kallsyms_address(&l.k, (unsigned)sym.va, &sym.va))
			s->v[good++] = sym;
	}
	s->nr = good;
	symbols_sort(s);
	return s->nr ? 0 : -ENOENT;
}

void symbols_free(struct symbols *s)
{
	free(s->v);
	free(s->names);
}

const struct symbol *symbols_find(const struct symbols *s, const char *name)
{
	for (size_t i = 0; i < s->nr; i++)
		if (!strcmp(s->names + s->v[i].name, name))
			return &s->v[i];
	return NULL;
}

const struct symbol *symbols_at(const struct symbols *s, uint64_t va)
{
	size_t i = FIRST_ABOVE(s->v, s->nr, va, va);

	if (!i)
		return NULL;
	/* One without a name ends those of a module, where the next one may begin */
	for (i--; i && s->v[i - 1].va == s->v[i].va && s->names[s->v[i - 1].name]; i--)
		;
	return &s->v[i];
}
