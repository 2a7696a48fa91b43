// SPDX-License-Identifier: GPL-2.0-or-later
#include "stub/format/uuid.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* Bit n: a hyphen stands before byte n */
#define HYPHENS		(1u << 4 | 1u << 6 | 1u << 8 | 1u << 10)

static int hex_digit(char c)
{
	if (!isxdigit((unsigned char)c))
		return -1;
	return isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

int parse_hex(const char **s, uint8_t *ret, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		int high = hex_digit((*s)[0]);
		int low = high < 0 ? -1 : hex_digit((*s)[1]);

		if (low < 0)
			return -EINVAL;
		ret[i] = high << 4 | low;
		*s += 2;
	}
	return 0;
}

int uuid_parse(const char *s, uint8_t ret[16])
{
	uint8_t uuid[16];

	for (unsigned i = 0; i < sizeof(uuid); i++)
		if ((HYPHENS >> i & 1 && *s++ != '-') || parse_hex(&s, uuid + i, 1) < 0)
			return -EINVAL;
	if (*s)
		return -EINVAL;
	memcpy(ret, uuid, sizeof(uuid));
	return 0;
}

void uuid_format(char text[UUID_TEXT], const uint8_t uuid[16])
{
	static const char digits[] = "0123456789abcdef";

	for (unsigned i = 0; i < 16; i++) {
		if (HYPHENS >> i & 1)
			*text++ = '-';
		*text++ = digits[uuid[i] >> 4];
		*text++ = digits[uuid[i] & 15];
	}
	*text = '\0';
}
