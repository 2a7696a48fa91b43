/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kdump-compressed dump with its pages compressed in another way, for readers that do not know how it was. */
#ifndef TOOLS_REPACK_H
#define TOOLS_REPACK_H

#include "tools/media/kdump.h"
#include "tools/media/outfile.h"

/* "none", "lzo", "zlib", "zstd": 0 and the kdump flag, or -EINVAL */
int repack_method(const char *name, uint32_t *ret);

struct repack_job {
	const char *path;		/* of the dump, for messages */
	const struct kdump *dump;
	uint32_t method;		/* kdump flag, 0: not compressed */
	uint64_t lost;			/* ret: pages that are damaged, and missing in the new dump */
};

/* Write the dump to @out from its start; its status is INCOMPLETE if the old one's is, or pages were lost. 0 or -errno, said */
int repack_write(struct repack_job *job, struct outfile *out);

#endif
