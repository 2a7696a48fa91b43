/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the stub is told, in one segment: on x86_64 boot_params and the command line, on arm64 a device tree with the
 * command line in it. Behind it a few instructions: kexec_load(2) jumps to an address and sets no register, while the
 * boot protocols want one that points at all this. Pure.
 *
 * The command line is the caller's words and what goes with them: where the elfcorehdr is, and verify= words by which
 * the stub finds out whether this segment and the elfcorehdr were overwritten since (stub/boot/cmdline.h).
 */
#ifndef TOOLS_LOAD_PARAMS_H
#define TOOLS_LOAD_PARAMS_H

#include "stub/bits.h"
#include "tools/load/image.h"
#include "tools/load/machine.h"

#define WORDS_MAX	2047	/* what the stub keeps of its command line; it would take longer ones for damaged */

/* Addresses of everything. What moves must not change the segment's size. */
struct layout {
	uint64_t image;
	uint64_t params;
	struct range elfcore;
	uint32_t elfcore_crc;
	bool verify_elfcore;	/* not if the kernel is going to rewrite it */
};

struct params {
	uint8_t *data;		/* for free() */
	size_t size;
	uint64_t entry;		/* distance of the instructions from its start */
};

/*
 * 0, or -errno with a message: -E2BIG when @words are too long, -EINVAL when the device tree cannot be used.
 * Called twice, with addresses of 0 to learn the size.
 */
int params_build(struct params *p, const struct machine *m, const struct stub_image *img, const struct layout *at,
		 const char *words);

#endif
