// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CRC-32C and CRC-32, both reflected, initial value and final XOR of all ones. A CRC is linear, so
 * the table entry of a byte is the XOR of the entries of its bits: eight constants make the whole
 * table, and the compiler computes it.
 */
#include "stub/format/crc.h"

/* Reflected polynomial 0x82f63b78 shifted in for bit 7, 6, ... 0 of the index */
#define C(i)								\
	(((i) & 0x80 ? 0x82f63b78u : 0) ^ ((i) & 0x40 ? 0x417b1dbcu : 0) ^	\
	 ((i) & 0x20 ? 0x20bd8edeu : 0) ^ ((i) & 0x10 ? 0x105ec76fu : 0) ^	\
	 ((i) & 0x08 ? 0x8ad958cfu : 0) ^ ((i) & 0x04 ? 0xc79a971fu : 0) ^	\
	 ((i) & 0x02 ? 0xe13b70f7u : 0) ^ ((i) & 0x01 ? 0xf26b8303u : 0))
#define C4(i)	C(i), C((i) + 1), C((i) + 2), C((i) + 3)
#define C16(i)	C4(i), C4((i) + 4), C4((i) + 8), C4((i) + 12)
#define C64(i)	C16(i), C16((i) + 16), C16((i) + 32), C16((i) + 48)

static const uint32_t crc32c_table[256] = { C64(0), C64(64), C64(128), C64(192) };

uint32_t crc32c(uint32_t crc, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	crc = ~crc;
	for (; len > 0; len--)
		crc = crc32c_table[(crc ^ *p++) & 0xff] ^ (crc >> 8);
	return ~crc;
}

/*
 * Half a byte at a time: GPT is the only user and reads 16 KiB, so 64 bytes of table do. Polynomial
 * 0xedb88320 for bit 3, 2, 1, 0 of the index.
 */
#define N(i)								\
	(((i) & 8 ? 0xedb88320u : 0) ^ ((i) & 4 ? 0x76dc4190u : 0) ^		\
	 ((i) & 2 ? 0x3b6e20c8u : 0) ^ ((i) & 1 ? 0x1db71064u : 0))
#define N4(i)	N(i), N((i) + 1), N((i) + 2), N((i) + 3)

static const uint32_t crc32_table[16] = { N4(0), N4(4), N4(8), N4(12) };

uint32_t crc32_ieee(uint32_t crc, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	crc = ~crc;
	for (; len > 0; len--) {
		crc ^= *p++;
		crc = crc32_table[crc & 0xf] ^ (crc >> 4);
		crc = crc32_table[crc & 0xf] ^ (crc >> 4);
	}
	return ~crc;
}
