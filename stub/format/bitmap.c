// SPDX-License-Identifier: GPL-2.0-or-later
#include "stub/format/bitmap.h"

#include <string.h>

void set_bits(uint8_t *bits, uint64_t from, uint64_t to)
{
	for (; from < to && from % 8; from++)
		bits[from / 8] |= (uint8_t)(1u << from % 8);
	if (from < to)
		memset(bits + from / 8, 0xff, (to - from) / 8);
	for (from += (to - from) / 8 * 8; from < to; from++)
		bits[from / 8] |= (uint8_t)(1u << from % 8);
}
