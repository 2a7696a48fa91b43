// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/media/estimate.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "capstub/label.h"

/*
 * What the default level leaves in the dump is the kernel's own memory. As good as can be known
 * beforehand: what it is now, at its own size and at the half that LZO makes of it in the mean. Two
 * bitmaps, one bit a page, and one 24-byte descriptor a page of that come on top.
 */
bool estimate_dump(struct estimate *e, const char *root)
{
	static const char *const out_keys[] = { "MemFree", "Buffers", "Cached", "SwapCached", "AnonPages" };
	char path[PATH_MAX], line[128], name[64];
	unsigned long long kib;
	uint64_t out = 0, pages, rest;
	FILE *f;

	*e = (struct estimate){ 0 };
	snprintf(path, sizeof(path), "%s/proc/meminfo", root);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63[^:]: %llu", name, &kib) != 2)
			continue;
		if (!strcmp(name, "MemTotal"))
			e->memory = kib * 1024;
		for (unsigned i = 0; i < sizeof(out_keys) / sizeof(out_keys[0]); i++)
			if (!strcmp(name, out_keys[i]))
				out += kib * 1024;
	}
	if (f)
		fclose(f);
	if (!e->memory || out > e->memory)
		return false;
	pages = e->memory - out;
	rest = pages / 4096 * 24 + e->memory / 4096 / 4 + CAPSTUB_LOG_OFFSET + (1 << 20);
	e->raw = pages + rest;
	e->lzo = pages / 2 + rest;
	return true;
}
