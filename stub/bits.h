/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bit, alignment and type helpers. They exist once, here; tests/unit/format/test_bits.c covers each.
 */
#ifndef STUB_BITS_H
#define STUB_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t phys_addr_t;

/* Bits h..l set, as the specifications write them: [h:l] */
#define GENMASK(h, l)	((~(uint64_t)0 >> (63 - (h))) & (~(uint64_t)0 << (l)))
#define BIT(n)		((uint64_t)1 << (n))
#define FIELD_GET(mask, value)	(((uint64_t)(value) & (mask)) >> __builtin_ctzll(mask))
#define FIELD_PREP(mask, value)	(((uint64_t)(value) << __builtin_ctzll(mask)) & (mask))

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define KIB(n)		((uint64_t)(n) * 1024)
#define MIB(n)		((uint64_t)(n) * 1024 * 1024)

/* a is a power of two */
#define ALIGN_DOWN(x, a)	((x) & ~((uint64_t)(a) - 1))
#define ALIGN_UP(x, a)		ALIGN_DOWN((x) + ((uint64_t)(a) - 1), a)
#define IS_ALIGNED(x, a)	(((x) & ((uint64_t)(a) - 1)) == 0)
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Index of the first element of sorted @array whose @field, 64 bits wide, is above @value; @nr: none */
#define FIRST_ABOVE(array, nr, field, value) \
	first_above(array, nr, sizeof(*(array)), offsetof(__typeof__(*(array)), field), value)

static inline size_t first_above(const void *array, size_t nr, size_t size, size_t field, uint64_t value)
{
	size_t low = 0;

	while (low < nr) {
		size_t mid = low + (nr - low) / 2;

		if (*(const uint64_t *)((const char *)array + mid * size + field) > value)
			nr = mid;
		else
			low = mid + 1;
	}
	return low;
}

static inline bool is_power_of_2(uint64_t x)
{
	return x && !(x & (x - 1));
}

/* [start, end): does it lie inside [in_start, in_end)? Safe against wrap-around. */
static inline bool range_inside(uint64_t start, uint64_t len, uint64_t in_start, uint64_t in_end)
{
	return start >= in_start && start <= in_end && len <= in_end - start;
}

#endif
