/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is a target free to be written, and what does it hold now? */
#ifndef TOOLS_INUSE_H
#define TOOLS_INUSE_H

#include <stdbool.h>

#include "tools/media/target.h"

/*
 * Mounted, swap, held by RAID, LVM or dm (the target or one of its partitions), behind a loop
 * device: -EBUSY with a message that names which, else 0.
 */
int inuse_check(const struct target *t);

struct signatures {
	unsigned nr;
	char first[32];		/* libblkid's word for it: "crypto_LUKS", "gpt" */
};

/*
 * Look for filesystem, swap, RAID, LVM, crypto and partition-table signatures by libblkid. Every
 * one found is reported with its place. With @wipe they are also erased, so that nobody takes the
 * target for one later. 0 or -errno with a message.
 */
int inuse_signatures(const struct target *t, bool wipe, struct signatures *ret);

#endif
