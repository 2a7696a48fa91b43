/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stub's image as a loader sees it: what of the file is loaded, how much memory it wants, where it is entered. */
#ifndef TOOLS_LOAD_IMAGE_H
#define TOOLS_LOAD_IMAGE_H

#include "tools/load/machine.h"

struct stub_image {
	const char *path;
	char *file;			/* all of it */
	size_t file_size;
	enum arch arch;
	const char *data;		/* what is loaded, inside @file */
	size_t data_size;
	uint64_t memsz;			/* with BSS, stack and page tables; whole pages */
	uint64_t align;
	uint64_t entry;			/* distance from where it is loaded */
};

/*
 * Read @path and look whether it is an image of ours: both kinds have a seal, whose checksum must fit. 0, or -errno with
 * a message. stub_image_free() either way.
 */
int stub_image_read(struct stub_image *img, const char *path);
void stub_image_free(struct stub_image *img);

enum arch this_arch(void);
const char *default_image(void);	/* the one that was installed for it */
const char *arch_name(enum arch arch);	/* as uname(2) calls it */

#endif
