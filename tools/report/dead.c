// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/report/dead.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/report/btf.h"
#include "tools/report/orc.h"
#include "tools/report/scan.h"
#include "tools/report/symbols.h"
#include "tools/util.h"

#define CHUNK		4096u
#define TEXT_MAX	MIB(64)
#define BTF_MAX		MIB(64)
#define LOOKS_MAX	BIT(18)

bool dead_read(struct dead *d, void *dst, uint64_t va, size_t len)
{
	uint8_t *to = dst;
	bool any = false;

	while (len) {
		size_t n = min_u64(len, CHUNK - va % CHUNK);

		if (vtop_read(d->vt, to, va, n))
			memset(to, 0, n);
		else
			any = true;
		to += n;
		va += n;
		len -= n;
	}
	return any;
}

int dead_read64(struct dead *d, uint64_t va, uint64_t *ret)
{
	return vtop_read(d->vt, ret, va, sizeof(*ret));
}

uint64_t dead_symbol(struct dead *d, const char *name)
{
	const struct symbol *s = symbols_find(&d->symbols, name);

	if (s || d->all_symbols)
		return s ? s->va : 0;
	return scan_export(d, name);
}

bool dead_percpu(struct dead *d, const char *name, uint64_t *ret)
{
	const struct symbol *s = symbols_find(&d->symbols, name);

	if (s)
		*ret = s->va;
	return s || (!d->arm64 && btf_percpu(&d->btf, name, ret));
}

bool dead_is_text(const struct dead *d, uint64_t va)
{
	const struct symbol *s;

	if ((va >= d->stext && va < d->etext) || (va >= d->sinittext && va < d->einittext))
		return true;
	s = symbols_at(&d->symbols, va);
	return s && s->module;
}

/* The difference of two symbols that name a table's borders; 0: there is no such table */
static size_t table_size(struct dead *d, const char *start, const char *end, uint64_t *ret_va)
{
	const struct symbol *from = symbols_find(&d->symbols, start), *to = symbols_find(&d->symbols, end);

	if (!from || !to || to->va <= from->va || to->va - from->va > BTF_MAX)
		return 0;
	*ret_va = from->va;
	return to->va - from->va;
}

static void open_btf(struct dead *d)
{
	uint64_t va;
	size_t len = table_size(d, "__start_BTF", "__stop_BTF", &va);
	uint8_t *data;

	if (!len && !scan_btf(d, &va, &len))
		return;
	data = must_alloc(len, 1);
	dead_read(d, data, va, len);
	btf_open(&d->btf, data, len);
}

static void open_orc(struct dead *d)
{
	uint64_t ip, entries;
	size_t nr = table_size(d, "__start_orc_unwind_ip", "__stop_orc_unwind_ip", &ip) / 4;
	const struct symbol *s = symbols_find(&d->symbols, "__start_orc_unwind");

	if (nr && s)
		entries = s->va;
	else if (!scan_orc(d, &ip, &entries, &nr))
		return;
	d->orc = must_alloc(1, sizeof(*d->orc));
	d->nr_orc = 1;
	orc_load(d, d->orc, ip, entries, nr);
}

void dead_open(struct dead *d, struct vtop *vt, const struct vmcoreinfo *info, bool arm64)
{
	struct kallsyms_tables at;
	const struct symbol *s;

	*d = (struct dead){ .vt = vt, .info = info, .arm64 = arm64, .looks = LOOKS_MAX };
	if (vmcoreinfo_symbol(info, "_stext", &d->stext))
		return;
	if (!kallsyms_tables(info, &at) || !scan_kallsyms(d, &at))
		symbols_load(&d->symbols, vt, &at, d->stext);
	s = symbols_find(&d->symbols, "_sinittext");
	if (s)
		d->sinittext = s->va;
	s = symbols_find(&d->symbols, "_einittext");
	if (s && s->va - d->sinittext <= TEXT_MAX)
		d->einittext = s->va;
	s = symbols_find(&d->symbols, "_etext");
	d->etext = s && s->va > d->stext ? s->va : d->stext + TEXT_MAX;
	d->all_symbols = symbols_find(&d->symbols, "init_task");
	open_btf(d);
	if (!arm64)
		open_orc(d);
}

void dead_close(struct dead *d)
{
	symbols_free(&d->symbols);
	btf_close(&d->btf);
	for (unsigned i = 0; i < d->nr_orc; i++)
		orc_free(&d->orc[i]);
	free(d->orc);
	free(d->image);
}
