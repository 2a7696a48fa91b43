// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The format is stepped through once to number the types, which is also when it is checked that each
 * lies inside the data; a type's number is then only an index. Types may refer to each other in
 * circles: every chain that is followed has a limit.
 */
#include "tools/report/btf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/util.h"

#define BTF_MAX		MIB(64)
#define CHAIN_MAX	32u	/* typedefs, const, volatile before a type */
#define DEPTH_MAX	8u	/* of unnamed structures inside each other */

enum kind {
	KIND_INT = 1, KIND_PTR, KIND_ARRAY, KIND_STRUCT, KIND_UNION, KIND_ENUM, KIND_FWD, KIND_TYPEDEF,
	KIND_VOLATILE, KIND_CONST, KIND_RESTRICT, KIND_FUNC, KIND_FUNC_PROTO, KIND_VAR, KIND_DATASEC,
	KIND_FLOAT, KIND_DECL_TAG, KIND_TYPE_TAG, KIND_ENUM64,
};

struct header {
	uint16_t magic;
	uint8_t version, flags;
	uint32_t hdr_len, type_off, type_len, str_off, str_len;
};
_Static_assert(sizeof(struct header) == BTF_HEADER, "struct btf_header");

struct type {
	uint32_t name, info, size;	/* size: or the type that it refers to */
};

struct member {
	uint32_t name, type, offset;	/* in bits; with kind_flag the upper 8 bits are a bit field's size */
};

struct array {
	uint32_t type, index_type, nr;
};

struct secinfo {
	uint32_t type, offset, size;
};

static unsigned kind(const struct type *t)
{
	return t->info >> 24 & 0x1f;
}

static unsigned vlen(const struct type *t)
{
	return t->info & 0xffff;
}

/* What is said of it in particular */
static const void *behind(const struct type *t)
{
	return t ? t + 1 : NULL;
}

/* What follows struct btf_type, in bytes; UINT32_MAX: not a kind that is known */
static uint32_t rest(const struct type *t)
{
	switch (kind(t)) {
	case KIND_PTR: case KIND_FWD: case KIND_TYPEDEF: case KIND_VOLATILE: case KIND_CONST:
	case KIND_RESTRICT: case KIND_FUNC: case KIND_FLOAT: case KIND_TYPE_TAG:
		return 0;
	case KIND_INT: case KIND_VAR: case KIND_DECL_TAG:
		return 4;
	case KIND_ARRAY:
		return 12;
	case KIND_STRUCT: case KIND_UNION: case KIND_DATASEC: case KIND_ENUM64:
		return 12 * vlen(t);
	case KIND_ENUM: case KIND_FUNC_PROTO:
		return 8 * vlen(t);
	default:
		return UINT32_MAX;
	}
}

static bool parse_header(const uint8_t *data, size_t len, struct header *h)
{
	if (len < sizeof(*h))
		return false;
	memcpy(h, data, sizeof(*h));
	return h->magic == BTF_MAGIC && h->version == 1 && !h->flags && h->hdr_len >= sizeof(*h) &&
	       h->hdr_len <= 1024 && !(h->type_off % 4) && h->type_len && h->str_len &&
	       range_inside(h->type_off, h->type_len, 0, len - h->hdr_len) &&
	       range_inside(h->str_off, h->str_len, 0, len - h->hdr_len) && len >= h->hdr_len;
}

size_t btf_size(const uint8_t *data, size_t len)
{
	struct header h;

	if (!parse_header(data, len, &h))
		return 0;
	return h.hdr_len + max_u64((uint64_t)h.type_off + h.type_len, (uint64_t)h.str_off + h.str_len);
}

void btf_close(struct btf *b)
{
	free(b->data);
	free(b->offsets);
	*b = (struct btf){ 0 };
}

/* Type number @n; NULL for void and what is not there */
static const struct type *get(const struct btf *b, uint32_t n)
{
	return n && n < b->nr ? (const struct type *)(b->types + b->offsets[n]) : NULL;
}

static const char *name_of(const struct btf *b, uint32_t name)
{
	return name < b->strings_len ? b->strings + name : "";
}

int btf_open(struct btf *b, uint8_t *data, size_t len)
{
	struct header h;
	size_t room = 0;

	*b = (struct btf){ .data = data };
	if (len > BTF_MAX || !parse_header(data, len, &h) || h.hdr_len % 4)
		goto damaged;
	b->types = data + h.hdr_len + h.type_off;
	b->types_len = h.type_len;
	b->strings = (const char *)data + h.hdr_len + h.str_off;
	b->strings_len = h.str_len;
	if (b->strings[h.str_len - 1])
		goto damaged;
	b->nr = 1;
	for (size_t at = 0; b->types_len - at >= sizeof(struct type); b->nr++) {
		const struct type *t = (const void *)(b->types + at);
		uint32_t more = rest(t);

		if (more > b->types_len - at - sizeof(*t))
			break;
		if (b->nr >= room) {
			room = room ? room * 2 : 65536;
			b->offsets = must_grow(b->offsets, room, sizeof(*b->offsets));
		}
		b->offsets[b->nr] = (uint32_t)at;
		at += sizeof(*t) + more;
	}
	if (b->nr > 1)
		return 0;
damaged:
	btf_close(b);
	return -EINVAL;
}

static uint32_t by_name(const struct btf *b, unsigned want, const char *name)
{
	for (uint32_t i = 1; i < b->nr; i++) {
		const struct type *t = get(b, i);

		if (kind(t) == want && !strcmp(name_of(b, t->name), name))
			return i;
	}
	return 0;
}

/* Behind typedefs and qualifiers */
static uint32_t real_type(const struct btf *b, uint32_t n)
{
	const struct type *t = get(b, n);

	for (unsigned i = 0; t && i < CHAIN_MAX; i++, t = get(b, n)) {
		switch (kind(t)) {
		case KIND_TYPEDEF: case KIND_VOLATILE: case KIND_CONST: case KIND_RESTRICT: case KIND_TYPE_TAG:
			n = t->size;
			break;
		default:
			return n;
		}
	}
	return 0;
}

static uint32_t size_of(const struct btf *b, uint32_t n)
{
	uint64_t nr = 1;

	for (unsigned i = 0; i < CHAIN_MAX; i++) {
		const struct type *t = get(b, n = real_type(b, n));
		const struct array *a = behind(t);

		if (!t)
			return 0;
		switch (kind(t)) {
		case KIND_PTR:
			return (uint32_t)min_u64(nr * 8, UINT32_MAX);
		case KIND_INT: case KIND_STRUCT: case KIND_UNION: case KIND_ENUM: case KIND_FLOAT: case KIND_ENUM64:
			return (uint32_t)min_u64(nr * t->size, UINT32_MAX);
		case KIND_ARRAY:
			nr = min_u64(nr * a->nr, UINT32_MAX);
			n = a->type;
			break;
		default:
			return 0;
		}
	}
	return 0;
}

/* @name: @len characters. *at has the offset of the structure in bits. @looks bounds what damage may cost. */
static bool find(const struct btf *b, uint32_t n, const char *name, size_t len, unsigned depth, unsigned *looks,
		 uint64_t *at, uint32_t *ret_type)
{
	const struct type *t = get(b, n);
	const struct member *m = behind(t);

	if (!t || (kind(t) != KIND_STRUCT && kind(t) != KIND_UNION) || depth > DEPTH_MAX)
		return false;
	for (unsigned i = 0; i < vlen(t) && *looks; i++, --*looks) {
		const char *s = name_of(b, m[i].name);
		bool flag = t->info >> 31, bits = flag && m[i].offset >> 24;
		uint64_t offset = *at + (flag ? m[i].offset & 0xffffff : m[i].offset);

		if (!*s && !bits) {
			uint64_t inner = offset;

			if (find(b, real_type(b, m[i].type), name, len, depth + 1, looks, &inner, ret_type)) {
				*at = inner;
				return true;
			}
			if (!*looks)
				return false;
		} else if (!bits && strnlen(s, len + 1) == len && !memcmp(s, name, len)) {
			*at = offset;
			*ret_type = m[i].type;
			return offset % 8 == 0;
		}
	}
	return false;
}

bool btf_member(const struct btf *b, const char *type, const char *path, struct btf_member *ret)
{
	uint32_t n = by_name(b, KIND_STRUCT, type);
	unsigned looks = 65536;
	uint64_t at = 0;

	for (;;) {
		const char *dot = strchr(path, '.');
		size_t len = dot ? (size_t)(dot - path) : strlen(path);

		if (!find(b, real_type(b, n), path, len, 0, &looks, &at, &n))
			return false;
		if (!dot)
			break;
		path = dot + 1;
	}
	*ret = (struct btf_member){ (uint32_t)(at / 8), size_of(b, n), n };
	return at / 8 < BIT(20);
}

uint32_t btf_struct_size(const struct btf *b, const char *type)
{
	return size_of(b, by_name(b, KIND_STRUCT, type));
}

bool btf_percpu(const struct btf *b, const char *name, uint64_t *ret)
{
	const struct type *sec = get(b, by_name(b, KIND_DATASEC, ".data..percpu"));
	const struct secinfo *s = behind(sec);

	for (unsigned i = 0; sec && i < vlen(sec); i++) {
		const struct type *var = get(b, s[i].type);

		if (var && kind(var) == KIND_VAR && !strcmp(name_of(b, var->name), name)) {
			*ret = s[i].offset;
			return true;
		}
	}
	return false;
}
