/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much room a dump of this machine would need if it crashed now. */
#ifndef TOOLS_ESTIMATE_H
#define TOOLS_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

struct estimate {
	uint64_t memory;	/* RAM of the machine */
	uint64_t raw, lzo;	/* bytes of a target at level=31, without and with compression */
};

/* By /proc/meminfo below @root. False: it cannot be read. */
bool estimate_dump(struct estimate *e, const char *root);

#endif
