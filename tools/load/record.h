/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What capstub load has loaded, kept in /run until the next boot: the kernel only tells that something is. */
#ifndef TOOLS_LOAD_RECORD_H
#define TOOLS_LOAD_RECORD_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "tools/load/params.h"

struct record {
	int64_t time;
	uint32_t image_crc;		/* CRC-32C of the file */
	uint32_t elfcore_crc;		/* ... of the elfcorehdr; 0: the kernel made its own, or follows what changes */
	char image[PATH_MAX];
	char words[WORDS_MAX + 1];
};

/* Failures are said, and change nothing of what is loaded. */
void record_write(const struct record *r);
void record_remove(void);
/* Below @root. False: capstub load has loaded nothing since boot */
bool record_read(struct record *r, const char *root);

#endif
