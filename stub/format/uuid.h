/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UUIDs as text: 8-4-4-4-12 hexadecimal digits (RFC 4122 §3), bytes in the order in which they are printed. */
#ifndef STUB_UUID_H
#define STUB_UUID_H

#include <stdint.h>

#define UUID_TEXT	37	/* with NUL */

/* @nr bytes as hexadecimal digits of either case without separator; steps over them. 0 or -EINVAL */
int parse_hex(const char **s, uint8_t *ret, unsigned nr);

/* All of @s. 0, or -EINVAL with @ret untouched */
int uuid_parse(const char *s, uint8_t ret[16]);
void uuid_format(char text[UUID_TEXT], const uint8_t uuid[16]);

#endif
