/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a target or a dump file holds: collected once, shown by `info`, saved as info.json by
 * `save`.
 */
#ifndef TOOLS_INFO_H
#define TOOLS_INFO_H

#include <stdbool.h>
#include <stdio.h>

#include "tools/media/kdump.h"
#include "tools/media/kind.h"
#include "tools/media/target.h"

struct info {
	struct target t;
	enum file_kind kind;
	bool damaged;			/* label or dump header; what is wrong was said */
	char foreign[32];		/* LABEL_FOREIGN: what is there now, "unknown" if it has no name */
	bool has_dump;
	struct kdump dump;		/* when has_dump */
	bool counted;
	struct kdump_counts counts;	/* when counted */
};

/*
 * Look at an open target. A damaged label or dump is reported on standard error and noted in
 * info->damaged; -errno only when nothing can be said at all.
 */
int info_collect(struct info *info, const struct target *t);

/* What `save` adds */
struct saved {
	const char *file;	/* name inside the directory */
	uint64_t bytes;
	uint32_t crc;		/* CRC-32C of the file as copied */
	bool complete;
};

/*
 * One JSON object to @f, with the last lines of @dmesg. @saved may be NULL: then there is no
 * "saved" in it. Errors of @f are left for the caller to ask for.
 */
void info_json(const struct info *info, FILE *f, const char *dmesg, size_t dmesg_len,
	       const struct saved *saved);

/*
 * Text that the stub left: dmesg of the dead kernel, or its own log. malloc()ed, *ret_len may be
 * 0. 0 or -errno with a message.
 */
int info_dmesg(const struct info *info, char **ret, size_t *ret_len);
int info_log(const struct info *info, char **ret, size_t *ret_len);

#endif
