// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/report/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/report/btf.h"
#include "tools/util.h"

#define IMAGE_MAX	MIB(64)
#define HOLE_MAX	MIB(8)
#define CHUNK		MIB(1)
#define NAMES_MAX	MIB(8)		/* of kallsyms; 3 MiB is usual */
#define MARKED		256u		/* a marker for each so many symbols */
#define PLACES		32u		/* where a name may stand; once or twice is usual */
#define TRIES		64u		/* of what looks like a table at first */
#define ORC_LEAST	1000u		/* a kernel has some 300000 */

/* Up to a hole that is larger than what a kernel gives back of its image when it has started */
static bool have_image(struct dead *d)
{
	size_t hole = 0;

	if (d->image || !d->stext)
		return d->image;
	d->image_va = ALIGN_DOWN(d->stext, MIB(2));
	d->image = must_alloc(IMAGE_MAX, 1);
	while (hole < HOLE_MAX && d->image_len < IMAGE_MAX && d->image_va + d->image_len < -CHUNK) {
		bool there = dead_read(d, d->image + d->image_len, d->image_va + d->image_len, CHUNK);

		hole = there ? 0 : hole + CHUNK;
		d->image_len += CHUNK;
	}
	return true;
}

static uint32_t get32(const struct dead *d, size_t at)
{
	uint32_t v = 0;

	if (range_inside(at, 4, 0, d->image_len))
		memcpy(&v, d->image + at, 4);
	return v;
}

static uint64_t get64(const struct dead *d, size_t at)
{
	return get32(d, at) | (uint64_t)get32(d, at + 4) << 32;
}

/*---------------------------------------------------------------- kallsyms */

/* Digits stand for themselves, and so 20 bytes of the tokens are always the same */
#define DIGITS	"0\0" "1\0" "2\0" "3\0" "4\0" "5\0" "6\0" "7\0" "8\0" "9"

/* Does a table of tokens begin at @start, with an index behind it that agrees? *ret_index: where */
static bool is_tokens(const struct dead *d, size_t start, size_t digits, size_t *ret_index)
{
	size_t at = start, ends[256];
	unsigned i;

	for (i = 0; i < 256 && at < d->image_len; i++) {
		if (i == '0' && at != digits)
			return false;
		ends[i] = at - start;
		at += strnlen((char *)d->image + at, d->image_len - at) + 1;
	}
	at = ALIGN_UP(at, 8);
	for (i = 0; i < 256; i++)
		if ((get32(d, at + 2 * i) & 0xffff) != ends[i])
			return false;
	*ret_index = at;
	return true;
}

/* Names of @nr symbols from @at on: where they end, and where number MARKED begins. 0: they do not. */
static size_t names_end(const struct dead *d, size_t at, uint32_t nr, size_t *ret_marked)
{
	size_t start = at;

	*ret_marked = 0;
	for (uint32_t i = 0; i < nr; i++) {
		size_t len;

		if (i == MARKED)
			*ret_marked = at - start;
		if (at + 2 > d->image_len || at - start > NAMES_MAX)
			return 0;
		len = d->image[at++];
		if (len >= 0x80)
			len = (len & 0x7f) | (size_t)d->image[at++] << 7;
		if (!len)
			return 0;
		at += len;
	}
	return at;
}

/*
 * In front of the tokens, with gaps up to the next 8 bytes: offsets, relative_base, num_syms, names,
 * markers; from 6.1 on something else may lie before the tokens. A marker is the place of every 256th
 * name, so the second one tells whether the count that comes right behind an address of the image is one.
 */
static int find_names(const struct dead *d, size_t tokens, struct kallsyms_tables *ret)
{
	unsigned tries = TRIES;

	for (size_t at = ALIGN_DOWN(tokens, 8); at >= 16 && tries; at -= 8) {
		uint64_t base = get64(d, at - 16), nr = get64(d, at - 8);
		size_t offsets, end, marked;

		if (nr < MARKED * 2 || nr > BIT(20) || base > d->stext || d->stext - base > MIB(16))
			continue;
		offsets = ALIGN_UP(nr * 4, 8);
		if (offsets > at - 16)
			continue;
		tries--;
		end = names_end(d, at, (uint32_t)nr, &marked);
		if (!end || get32(d, ALIGN_UP(end, 8)) || get32(d, ALIGN_UP(end, 8) + 4) != marked)
			continue;
		ret->names = d->image_va + at;
		ret->num_syms = ret->names - 8;
		ret->relative_base = ret->names - 16;
		ret->offsets = ret->names - 16 - offsets;
		return 0;
	}
	return -ENOENT;
}

int scan_kallsyms(struct dead *d, struct kallsyms_tables *ret)
{
	size_t index = 0;
	unsigned tries = TRIES;

	if (!have_image(d))
		return -ENOENT;
	for (const uint8_t *p = d->image; ; p++) {
		size_t digits, start;

		p = memmem(p, d->image_len - (size_t)(p - d->image), DIGITS, sizeof(DIGITS));
		if (!p || !tries--)
			return -ENOENT;
		digits = (size_t)(p - d->image);
		/* 48 tokens of 16 characters at most, on average, come before */
		for (start = ALIGN_DOWN(digits, 8); digits - start < 1024 && start >= 8; start -= 8)
			if (is_tokens(d, start, digits, &index)) {
				ret->token_table = d->image_va + start;
				ret->token_index = d->image_va + index;
				return find_names(d, start, ret);
			}
	}
}

/*---------------------------------------------------------------- what is exported */

/*
 * include/linux/export.h: struct kernel_symbol has the distances to the symbol and to its name. The
 * string may also be the end of a longer one, which the linker merged it with.
 */
uint64_t scan_export(struct dead *d, const char *name)
{
	size_t places[PLACES], nr = 0, len = strlen(name) + 1;
	const int32_t *words;
	const uint8_t *p;

	if (!have_image(d))
		return 0;
	words = (const int32_t *)d->image;
	for (p = d->image; nr < PLACES; p++) {
		p = memmem(p, d->image_len - (size_t)(p - d->image), name, len);
		if (!p)
			break;
		places[nr++] = (size_t)(p - d->image);
	}
	for (size_t at = 4; nr && at + 4 <= d->image_len; at += 4) {
		size_t to = at + (size_t)(int64_t)words[at / 4];

		if (to < places[0] || to > places[nr - 1])
			continue;
		for (size_t i = 0; i < nr; i++) {
			size_t value = at - 4 + (size_t)(int64_t)words[at / 4 - 1];

			if (to == places[i] && value < d->image_len)
				return d->image_va + value;
		}
	}
	return 0;
}

/*---------------------------------------------------------------- BTF and ORC */

bool scan_btf(struct dead *d, uint64_t *ret_va, size_t *ret_len)
{
	static const uint8_t magic[] = { BTF_MAGIC & 0xff, BTF_MAGIC >> 8, 1, 0, BTF_HEADER };

	if (!have_image(d))
		return false;
	for (const uint8_t *p = d->image; ; p++) {
		size_t len, left = d->image_len - (size_t)(p - d->image);

		p = memmem(p, left, magic, sizeof(magic));
		if (!p)
			return false;
		len = btf_size(p, d->image_len - (size_t)(p - d->image));
		if (len) {
			*ret_va = d->image_va + (size_t)(p - d->image);
			*ret_len = len;
			return true;
		}
	}
}

/* The places of code that the entries are for are distances from themselves, and ascend */
bool scan_orc(struct dead *d, uint64_t *ret_ip, uint64_t *ret_orc, size_t *ret_nr)
{
	const uint32_t *words;
	uint32_t stext;

	if (!have_image(d))
		return false;
	words = (const uint32_t *)d->image;
	stext = (uint32_t)(d->stext - d->image_va);
	for (size_t at = 0; at + 4 <= d->image_len; at += 4) {
		size_t i = 0;
		uint32_t last = stext;

		if (words[at / 4] != stext - (uint32_t)at)
			continue;
		for (; at + i * 4 + 4 <= d->image_len; i++) {
			uint32_t ip = words[at / 4 + i] + (uint32_t)(at + i * 4);

			if (ip < last || ip > at)
				break;
			last = ip;
		}
		if (i >= ORC_LEAST) {
			*ret_ip = d->image_va + at;
			*ret_orc = *ret_ip + i * 4;
			*ret_nr = i;
			return true;
		}
		at += i * 4;
	}
	return false;
}
