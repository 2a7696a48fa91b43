// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Look-ups in the VMCOREINFO text (Linux, Documentation/admin-guide/kdump/vmcoreinfo.rst). The text
 * is hostile: a value counts only if it is a number up to the end of its line and fits. A look-up is
 * one pass over VMCOREINFO_MAX bytes at most, and nobody makes one for each element of something
 * that old memory describes.
 */
#include "stub/format/vmcoreinfo.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

size_t vmcoreinfo_end(char *text, size_t len, bool cut)
{
	char *end = memchr(text, 0, len);

	if (end)
		len = end - text;
	else if (cut)
		while (len > 0 && text[len - 1] != '\n')
			len--;
	text[len] = 0;
	return len;
}

/* End of the line at @p: its '\n' or the end of the text */
static const char *line_end(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', end - p);

	return nl ? nl : end;
}

/* Does [p, end) begin with @s? Steps over it. */
static bool skip_text(const char **p, const char *end, const char *s)
{
	size_t len = strlen(s);

	if ((size_t)(end - *p) < len || memcmp(*p, s, len) != 0)
		return false;
	*p += len;
	return true;
}

/*
 * Find the line "KIND(NAME)=", or "NAME=" when @kind is NULL. The first one counts. Returns the
 * value's first character and its length, or NULL.
 */
static const char *find(const struct vmcoreinfo *vi, const char *kind, const char *name,
			size_t *ret_len)
{
	const char *p = vi->text;
	const char *end = vi->text + strnlen(vi->text, min_u64(vi->len, sizeof(vi->text)));

	while (p < end) {
		const char *stop = line_end(p, end);
		const char *q = p;

		if ((!kind || (skip_text(&q, stop, kind) && skip_text(&q, stop, "("))) &&
		    skip_text(&q, stop, name) && skip_text(&q, stop, kind ? ")=" : "=")) {
			*ret_len = stop - q;
			return q;
		}
		p = stop + 1;
	}
	return NULL;
}

/* A whole value as a number without sign. 0 or -EINVAL. */
static int parse_number(const char *text, size_t len, int base, uint64_t *ret)
{
	char buf[24]; /* 20 decimal digits, or 0x and 16 more */
	char *end;
	uint64_t value;

	if (len == 0 || len >= sizeof(buf))
		return -EINVAL;
	memcpy(buf, text, len);
	buf[len] = 0;
	if (!isxdigit((unsigned char)buf[0])) /* strtoull() accepts blanks and signs */
		return -EINVAL;
	errno = 0;
	value = strtoull(buf, &end, base);
	if (errno || *end)
		return -EINVAL;
	*ret = value;
	return 0;
}

static int find_number(const struct vmcoreinfo *vi, const char *kind, const char *name, int base,
		       uint64_t *ret)
{
	size_t len;
	const char *text = find(vi, kind, name, &len);

	return text ? parse_number(text, len, base, ret) : -ENOENT;
}

int vmcoreinfo_symbol(const struct vmcoreinfo *vi, const char *name, uint64_t *ret)
{
	return find_number(vi, "SYMBOL", name, 16, ret);
}

int vmcoreinfo_size(const struct vmcoreinfo *vi, const char *name, uint64_t *ret)
{
	return find_number(vi, "SIZE", name, 10, ret);
}

int vmcoreinfo_offset(const struct vmcoreinfo *vi, const char *name, uint64_t *ret)
{
	return find_number(vi, "OFFSET", name, 10, ret);
}

int vmcoreinfo_length(const struct vmcoreinfo *vi, const char *name, uint64_t *ret)
{
	return find_number(vi, "LENGTH", name, 10, ret);
}

/* "%ld" as most are written, or "0x%lx" as arm64 does: 64 bits of which the top one is the sign */
int vmcoreinfo_number(const struct vmcoreinfo *vi, const char *name, int64_t *ret)
{
	size_t len;
	const char *text = find(vi, "NUMBER", name, &len);
	bool negative;
	uint64_t value;
	int r;

	if (!text)
		return -ENOENT;
	if (len > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		r = parse_number(text, len, 16, &value);
		if (r == 0)
			*ret = (int64_t)value;
		return r;
	}
	negative = len > 0 && text[0] == '-';
	r = parse_number(text + negative, len - negative, 10, &value);
	if (r < 0)
		return r;
	if (value > (uint64_t)INT64_MAX + negative)
		return -EINVAL;
	*ret = negative ? (int64_t)-value : (int64_t)value;
	return 0;
}

int vmcoreinfo_string(const struct vmcoreinfo *vi, const char *key, char *ret, size_t size)
{
	size_t len;
	const char *text = find(vi, NULL, key, &len);

	if (!text)
		return -ENOENT;
	if (size == 0)
		return -EINVAL;
	len = min_u64(len, size - 1);
	memcpy(ret, text, len);
	ret[len] = 0;
	return 0;
}
