// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The symbol table as scripts/kallsyms.c of Linux writes it: names in sorted order of address, each
 * a length and that many bytes; every byte stands for a token, a short string; the first character
 * of the expanded name is the symbol's type.
 *
 * A damaged table costs seconds at most: MAX_BYTES of names in MAX_SYMS names are looked at,
 * NAME_CHARS characters of each are expanded, and what is behind them is stepped over unread. That
 * is one read for every 128 bytes (131072), some 80 million characters, and two reads for each
 * symbol found.
 */
#include "stub/dead/kallsyms.h"

#include <errno.h>
#include <string.h>

#include "stub/idle.h"

#define MAX_SYMS	BIT(20)		/* a kernel has some 200000 */
#define MAX_BYTES	MIB(16)		/* which take 3 MiB */
#define NAME_CHARS	64u		/* longer names than those looked for cannot match */

#define NO_RULE	UINT32_MAX

/* The next byte of the names, or -errno */
static int next_byte(struct kallsyms *t)
{
	if (t->at == t->len) {
		int rc = vtop_read(t->vt, t->chunk, t->names, sizeof(t->chunk));

		if (rc)
			return rc;
		t->names += sizeof(t->chunk);
		t->at = 0;
		t->len = sizeof(t->chunk);
	}
	return t->chunk[t->at++];
}

/* Go on @len bytes further. */
static void skip(struct kallsyms *t, unsigned len)
{
	unsigned n = (unsigned)min_u64(len, t->len - t->at);

	t->at += n;
	t->names += len - n;
}

/*
 * Expand the next name, without its type, cut at @size - 1 characters. 0, -errno, or -E2BIG when
 * enough was looked at.
 */
static int next_name(struct kallsyms *t, char *name, size_t size)
{
	int len = next_byte(t), high;
	size_t n = 0;
	bool type = true;

	/* Since 6.1 a length above 127 takes two bytes */
	if (len >= 0x80) {
		high = next_byte(t);
		if (high < 0)
			return high;
		len = (len & 0x7f) | high << 7;
	}
	if (len < 0)
		return len;
	if (t->left < (unsigned)len + 2)
		return -E2BIG;
	t->left -= (unsigned)len + 2;
	for (; len && n < size - 1; len--) {
		int c = next_byte(t);

		if (c < 0)
			return c;
		/* An index beyond the table, or a token without an end, would be a damaged table */
		for (unsigned i = t->index[c]; i < KALLSYMS_TOKENS && t->tokens[i] && n < size - 1; i++) {
			if (!type)
				name[n++] = t->tokens[i];
			type = false;
		}
	}
	skip(t, (unsigned)len);
	name[n] = '\0';
	return 0;
}

int kallsyms_tables(const struct vmcoreinfo *vi, struct kallsyms_tables *ret)
{
	if (vmcoreinfo_symbol(vi, "kallsyms_num_syms", &ret->num_syms) ||
	    vmcoreinfo_symbol(vi, "kallsyms_names", &ret->names) ||
	    vmcoreinfo_symbol(vi, "kallsyms_token_table", &ret->token_table) ||
	    vmcoreinfo_symbol(vi, "kallsyms_token_index", &ret->token_index) ||
	    vmcoreinfo_symbol(vi, "kallsyms_offsets", &ret->offsets) ||
	    vmcoreinfo_symbol(vi, "kallsyms_relative_base", &ret->relative_base))
		return -ENOENT;
	return 0;
}

int kallsyms_open(struct kallsyms *t, struct vtop *vt, const struct kallsyms_tables *at, uint64_t stext)
{
	int rc;

	*t = (struct kallsyms){
		.vt = vt, .names = at->names, .offsets = at->offsets, .stext = stext,
		.left = MAX_BYTES, .len = 0, .rule = NO_RULE,
	};
	rc = vtop_read(vt, &t->nr, at->num_syms, sizeof(t->nr));
	if (!rc)
		rc = vtop_read(vt, &t->base, at->relative_base, sizeof(t->base));
	if (!rc)
		rc = vtop_read(vt, t->index, at->token_index, sizeof(t->index));
	if (!rc)
		rc = vtop_read(vt, t->tokens, at->token_table, sizeof(t->tokens));
	t->nr = (uint32_t)min_u64(t->nr, MAX_SYMS);
	return rc;
}

/*
 * With CONFIG_KALLSYMS_ABSOLUTE_PERCPU (x86_64 up to 6.14) offsets that are not negative are absolute
 * values, that is, per-CPU ones; elsewhere all are relative to the base.
 */
static int address(struct kallsyms *t, bool absolute_percpu, unsigned nr, uint64_t *ret)
{
	int32_t offset;
	int rc = vtop_read(t->vt, &offset, t->offsets + 4ULL * nr, sizeof(offset));

	if (rc)
		return rc;
	if (!absolute_percpu)
		*ret = t->base + (uint32_t)offset;
	else if (offset >= 0)
		*ret = (uint64_t)offset;
	else
		*ret = t->base - 1 - (uint64_t)(int64_t)offset;
	return 0;
}

int kallsyms_address(struct kallsyms *t, unsigned nr, uint64_t *ret)
{
	return address(t, t->rule == true, nr, ret);
}

/*
 * Where the first _stext comes out right by the absolute rule, that is the rule; it stands near the
 * table's start
 */
void kallsyms_each(struct kallsyms *t, bool (*each)(void *ctx, unsigned nr, const char *name), void *ctx)
{
	char name[NAME_CHARS];
	uint64_t va;

	for (unsigned i = 0; i < t->nr; i++) {
		idle_busy();
		if (next_name(t, name, sizeof(name)) || (!(i % 1024) && idle_deadline_over()))
			break;
		if (t->rule == NO_RULE && !strcmp(name, "_stext"))
			t->rule = !address(t, true, i, &va) && va == t->stext;
		if (!each(ctx, i, name))
			break;
	}
}

/* The numbers of the symbols first, their addresses when the rule is known */
struct search {
	struct kallsym *syms;
	unsigned nr, found;
};

static bool wanted(void *ctx, unsigned nr, const char *name)
{
	struct search *s = ctx;

	for (unsigned i = 0; i < s->nr; i++)
		if (!strcmp(s->syms[i].name, name)) {
			if (!s->syms[i].va) {
				s->syms[i].va = nr + 1;
				s->found++;
			}
			break;
		}
	return s->found < s->nr;
}

int kallsyms_find(struct vtop *vt, const struct vmcoreinfo *vi, struct kallsym *syms, unsigned nr)
{
	struct search s = { syms, nr, 0 };
	struct kallsyms_tables at;
	struct kallsyms t;
	uint64_t stext;
	int rc;

	if (kallsyms_tables(vi, &at) || vmcoreinfo_symbol(vi, "_stext", &stext))
		return -ENOENT;
	rc = kallsyms_open(&t, vt, &at, stext);
	if (rc)
		return rc;
	for (unsigned i = 0; i < nr; i++)
		syms[i].va = 0;
	kallsyms_each(&t, wanted, &s);
	for (unsigned i = 0; i < nr; i++)
		if (syms[i].va && kallsyms_address(&t, (unsigned)syms[i].va - 1, &syms[i].va))
			syms[i].va = 0;
	return (int)s.found;
}
