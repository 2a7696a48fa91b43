/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The image's own checksum, which tools/build/seal-image.py fills in. Not every loader leaves somebody behind who
 * compares the image with what was loaded: kexec_file_load on arm64 does not, nor does capstub load.
 */
#ifndef STUB_SEAL_H
#define STUB_SEAL_H

#include "stub/bits.h"
#include "stub/format/crc.h"

struct seal {
	char magic[8];		/* "\0CAPSEAL" */
	uint64_t size;		/* bytes covered, from the start of what is loaded */
	uint32_t crc;		/* CRC-32C */
	uint32_t left_out;	/* bytes from @crc on that it leaves out: these two words, and what signing changes */
};

_Static_assert(sizeof(struct seal) == 24, "seal");

/*
 * CRC-32C of [start, end), which holds @seal, less what it leaves out, up to @resume. To run before relocation changes
 * the image, so no pointer that is kept in memory may be used here.
 */
static inline uint32_t seal_crc(const struct seal *seal, const char *start, const char *resume, const char *end)
{
	uint32_t crc = crc32c(0, start, (size_t)((const char *)&seal->crc - start));

	return crc32c(crc, resume, (size_t)(end - resume));
}

#endif
