// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/report/modules.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "tools/report/btf.h"
#include "tools/report/orc.h"
#include "tools/report/symbols.h"
#include "tools/util.h"

#define MODULES_MAX	4096u
#define SYMBOLS_MAX	262144u		/* of all modules together */
#define ORC_MAX		4194304u	/* the same of entries */
#define NAMES_MAX	MIB(4)

struct layout {
	struct btf_member list, name, base, size, taints;
	struct btf_member kallsyms, symtab, num_symtab, strtab;
	struct btf_member num_orcs, orc_ip, orc;
	bool has_symbols, has_orc, has_taints;
};

/* struct module has mem[MOD_TEXT], the first of them, since 6.4; core_layout before */
static bool find_layout(const struct btf *b, struct layout *l)
{
	struct btf_member mem;

	if (!btf_member(b, "module", "list", &l->list) || !btf_member(b, "module", "name", &l->name))
		return false;
	if (btf_member(b, "module", "mem", &mem) && btf_member(b, "module_memory", "base", &l->base) &&
	    btf_member(b, "module_memory", "size", &l->size)) {
		l->base.offset += mem.offset;
		l->size.offset += mem.offset;
	} else if (!btf_member(b, "module", "core_layout.base", &l->base) ||
		   !btf_member(b, "module", "core_layout.size", &l->size)) {
		return false;
	}
	l->has_taints = btf_member(b, "module", "taints", &l->taints);
	l->has_symbols = btf_member(b, "module", "kallsyms", &l->kallsyms) &&
			 btf_member(b, "mod_kallsyms", "symtab", &l->symtab) &&
			 btf_member(b, "mod_kallsyms", "num_symtab", &l->num_symtab) &&
			 btf_member(b, "mod_kallsyms", "strtab", &l->strtab);
	l->has_orc = btf_member(b, "module", "arch.num_orcs", &l->num_orcs) &&
		     btf_member(b, "module", "arch.orc_unwind_ip", &l->orc_ip) &&
		     btf_member(b, "module", "arch.orc_unwind", &l->orc);
	return true;
}

static uint32_t read32(struct dead *d, uint64_t va)
{
	uint32_t v = 0;

	return vtop_read(d->vt, &v, va, sizeof(v)) ? 0 : v;
}

static uint64_t read64(struct dead *d, uint64_t va)
{
	uint64_t v = 0;

	return dead_read64(d, va, &v) ? 0 : v;
}

/* Code alone: a symbol of type FUNC or NOTYPE inside it, with a name that is not the compiler's own */
static void add_symbols(struct dead *d, const struct layout *l, uint64_t va, const struct module *m, uint32_t nr,
			uint32_t *left)
{
	uint64_t kallsyms = read64(d, va + l->kallsyms.offset), strtab = read64(d, kallsyms + l->strtab.offset);
	uint32_t count = (uint32_t)min_u64(read32(d, kallsyms + l->num_symtab.offset), *left);
	Elf64_Sym *syms = must_alloc(count, sizeof(*syms));
	char name[64];

	*left -= count;
	dead_read(d, syms, read64(d, kallsyms + l->symtab.offset), count * sizeof(*syms));
	for (uint32_t i = 1; i < count; i++) {
		const Elf64_Sym *s = &syms[i];

		if (!range_inside(s->st_value, 0, m->base, m->base + m->size) || s->st_name > NAMES_MAX)
			continue;
		dead_read(d, name, strtab + s->st_name, sizeof(name) - 1);
		name[sizeof(name) - 1] = 0;
		if (name[0] && name[0] != '$' && strncmp(name, ".L", 2))
			symbols_add(&d->symbols, s->st_value, name, nr + 1);
	}
	/* What lies behind is another's */
	symbols_add(&d->symbols, m->base + m->size, "", 0);
	free(syms);
}

static void add_orc(struct dead *d, const struct layout *l, uint64_t va, const struct module *m,
		    uint32_t *left)
{
	uint32_t nr = read32(d, va + l->num_orcs.offset);
	struct orc_table *t;

	if (nr > *left)
		return;
	*left -= nr;
	d->orc = must_grow(d->orc, d->nr_orc + 1, sizeof(*d->orc));
	t = &d->orc[d->nr_orc++];
	orc_load(d, t, read64(d, va + l->orc_ip.offset), read64(d, va + l->orc.offset), nr);
	t->start = m->base;
	t->end = m->base + m->size;
	/* Of a small table the entries do not tell */
	t->new_types = d->orc[0].nr > t->nr ? d->orc[0].new_types : t->new_types;
}

/* kernel/panic.c, taint_flags: those of a module are among them */
static void read_taints(struct dead *d, uint64_t va, char *ret)
{
	static const char letters[] = "GFSRMBUDAWCIOELKXTNJ";
	uint64_t taints = read64(d, va);
	unsigned nr = 0;

	for (unsigned i = 0; i < sizeof(letters) - 1; i++)
		if (taints >> i & 1)
			ret[nr++] = i ? letters[i] : 'P';
	ret[nr] = 0;
}

struct module *modules_collect(struct dead *d, unsigned *ret_nr)
{
	uint64_t head = dead_symbol(d, "modules"), node;
	struct module *v = NULL;
	struct layout l = { 0 };
	uint32_t symbols = SYMBOLS_MAX, entries = ORC_MAX;
	unsigned nr = 0;

	*ret_nr = 0;
	if (!head || !find_layout(&d->btf, &l) || dead_read64(d, head, &node))
		return NULL;
	while (node != head && nr < MODULES_MAX) {
		uint64_t va = node - l.list.offset;
		struct module m = { 0 };

		if (vtop_read(d->vt, m.name, va + l.name.offset, sizeof(m.name) - 1))
			break;
		m.base = read64(d, va + l.base.offset);
		m.size = read32(d, va + l.size.offset);
		if (l.has_taints)
			read_taints(d, va + l.taints.offset, m.taints);
		v = must_grow(v, nr + 1, sizeof(*v));
		v[nr] = m;
		if (l.has_symbols)
			add_symbols(d, &l, va, &m, nr, &symbols);
		if (l.has_orc && !d->arm64)
			add_orc(d, &l, va, &m, &entries);
		nr++;
		if (dead_read64(d, node, &node))
			break;
	}
	symbols_sort(&d->symbols);
	*ret_nr = nr;
	return v;
}
