// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/load/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/util.h"

#define FOLDER	"/run/capstub"
#define FILE_NAME FOLDER "/loaded"

void record_write(const struct record *r)
{
	FILE *f;

	mkdir(FOLDER, 0755);
	f = fopen(FILE_NAME ".new", "we");
	if (!f || fprintf(f, "%" PRId64 " %08" PRIx32 " %08" PRIx32 "\n%s\n%s\n", r->time, r->image_crc, r->elfcore_crc, r->image,
			  r->words) < 0 ||
	    fclose(f) || rename(FILE_NAME ".new", FILE_NAME))
		note(FILE_NAME ": %m; capstub status will not know what is loaded");
}

void record_remove(void)
{
	unlink(FILE_NAME);
}

bool record_read(struct record *r, const char *root)
{
	char *text = read_file(root, FILE_NAME, NULL), *save, *image, *words;
	bool good = text && sscanf(text, "%" SCNd64 " %" SCNx32 " %" SCNx32, &r->time, &r->image_crc, &r->elfcore_crc) == 3 &&
		    strtok_r(text, "\n", &save) &&
		    (image = strtok_r(NULL, "\n", &save)) && (words = strtok_r(NULL, "\n", &save));

	if (good) {
		snprintf(r->image, sizeof(r->image), "%s", image);
		snprintf(r->words, sizeof(r->words), "%s", words);
	}
	free(text);
	return good;
}
