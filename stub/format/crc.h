/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CRC-32C (Castagnoli, RFC 3720 B.4) for labels and frames; CRC-32 (IEEE 802.3) for GPT. Start with
 * 0, feed pieces.
 */
#ifndef STUB_CRC_H
#define STUB_CRC_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *buf, size_t len);
uint32_t crc32_ieee(uint32_t crc, const void *buf, size_t len);

#endif
