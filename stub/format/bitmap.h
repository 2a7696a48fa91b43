/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bitmaps as in a dump: number n is bit n % 8 of byte n / 8 */
#ifndef STUB_BITMAP_H
#define STUB_BITMAP_H

#include <stdint.h>

/* Set bits [from, to). Runs are long: RAM comes in gigabytes. */
void set_bits(uint8_t *bits, uint64_t from, uint64_t to);

#endif
