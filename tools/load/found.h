/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The targets of this machine, and which of them the stub's dump= words mean. The stub will look again by itself; this
 * is so that somebody can be told before the crash.
 */
#ifndef TOOLS_LOAD_FOUND_H
#define TOOLS_LOAD_FOUND_H

#include "stub/boot/cmdline.h"
#include "tools/media/target.h"

struct found {
	unsigned nr;
	struct target *v;	/* with a label of any state; open for reading */
};

/* With the files that @cl names, where they are. */
void found_files(struct found *f, const struct cmdline *cl, const char *root);

/* All block devices; with @root, which is for tests, the files in its /dev. found_free() */
void found_targets(struct found *f, const char *root);
void found_free(struct found *f);

/*
 * How many good labels of @f @spec names; *ret is the first. 1 with a label that is not good if there is none that is,
 * 0 and NULL if there is none at all. A spec that goes by the partition or disk rather
 * than by the label is looked up in /dev/disk and /sys.
 */
unsigned found_match(const struct found *f, const struct target_spec *spec, const struct target **ret);

#endif
