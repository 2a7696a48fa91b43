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
#define TOKENS_MAX	1536u		/* 256 tokens of 4 characters on average */

struct table {
	struct vtop *vt;
	uint64_t names;			/* where the next bytes are read from */
	uint64_t left;			/* of MAX_BYTES */
	uint64_t offsets, base;
	unsigned at, len;		/* in chunk */
	uint16_t index[256];
	uint8_t chunk[128];
	char tokens[TOKENS_MAX];
};

/* The next byte of the names, or -errno */
static int next_byte(struct table *t)
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
static void skip(struct table *t, unsigned len)
{
	unsigned n = (unsigned)min_u64(len, t->len - t->at);

	t->at += n;
	t->names += len - n;
}

/*
 * Expand the next name, without its type, cut at @size - 1 characters. 0, -errno, or -E2BIG when
 * enough was looked at.
 */
static int next_name(struct table *t, char *name, size_t size)
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
		const char *token;

		if (c < 0)
			return c;
		/* An index beyond the table, or a token without an end, would be a damaged table */
		for (token = t->tokens + t->index[c]; token < t->tokens + TOKENS_MAX && *token &&
		     n < size - 1; token++) {
			if (!type)
				name[n++] = *token;
			type = false;
		}
	}
	skip(t, (unsigned)len);
	name[n] = '\0';
	return 0;
}

static int open_table(struct table *t, const struct vmcoreinfo *vi)
{
	uint64_t tokens, index, base;
	int rc;

	if (vmcoreinfo_symbol(vi, "kallsyms_names", &t->names) ||
	    vmcoreinfo_symbol(vi, "kallsyms_token_table", &tokens) ||
	    vmcoreinfo_symbol(vi, "kallsyms_token_index", &index) ||
	    vmcoreinfo_symbol(vi, "kallsyms_offsets", &t->offsets) ||
	    vmcoreinfo_symbol(vi, "kallsyms_relative_base", &base))
		return -ENOENT;
	rc = vtop_read(t->vt, &t->base, base, sizeof(t->base));
	if (!rc)
		rc = vtop_read(t->vt, t->index, index, sizeof(t->index));
	if (!rc)
		rc = vtop_read(t->vt, t->tokens, tokens, sizeof(t->tokens));
	return rc;
}

/*
 * Address of symbol @nr. With CONFIG_KALLSYMS_ABSOLUTE_PERCPU (x86_64 up to 6.14) offsets that are
 * not negative are absolute values, that is, per-CPU ones; elsewhere all are relative to the base.
 */
static int address(struct table *t, bool absolute_percpu, unsigned nr, uint64_t *ret)
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

static struct kallsym *wanted(struct kallsym *syms, unsigned nr, const char *name)
{
	for (unsigned i = 0; i < nr; i++)
		if (!strcmp(syms[i].name, name))
			return &syms[i];
	return NULL;
}

int kallsyms_find(struct vtop *vt, const struct vmcoreinfo *vi, struct kallsym *syms, unsigned nr)
{
	struct table t = { .vt = vt, .left = MAX_BYTES };
	char name[NAME_CHARS];
	uint64_t va, stext;
	uint32_t count;
	unsigned found = 0;
	int rc;
	/*
	 * Where the first _stext comes out right by the absolute rule, that is the rule; it stands
	 * near the table's start
	 */
	bool absolute = false, judged = false;

	if (vmcoreinfo_symbol(vi, "kallsyms_num_syms", &va) ||
	    vmcoreinfo_symbol(vi, "_stext", &stext))
		return -ENOENT;
	rc = vtop_read(vt, &count, va, sizeof(count));
	if (!rc)
		rc = open_table(&t, vi);
	if (rc)
		return rc;
	for (unsigned i = 0; i < nr; i++)
		syms[i].va = 0;
	/* The numbers of the symbols first, their addresses when the rule is known */
	for (unsigned i = 0; i < min_u64(count, MAX_SYMS) && found < nr; i++) {
		struct kallsym *sym;

		idle_busy();
		if (next_name(&t, name, sizeof(name)))
			break;
		if (!judged && !strcmp(name, "_stext")) {
			absolute = !address(&t, true, i, &va) && va == stext;
			judged = true;
		}
		sym = wanted(syms, nr, name);
		if (sym && !sym->va) {
			sym->va = i + 1;
			found++;
		}
	}
	for (unsigned i = 0; i < nr; i++)
		if (syms[i].va && address(&t, absolute, (unsigned)syms[i].va - 1, &syms[i].va))
			syms[i].va = 0;
	return (int)found;
}
