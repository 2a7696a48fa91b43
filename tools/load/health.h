/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What capstub status and capstub check begin with: what is loaded, what should be, and which targets there are. */
#ifndef TOOLS_LOAD_HEALTH_H
#define TOOLS_LOAD_HEALTH_H

#include "stub/boot/cmdline.h"
#include "tools/load/config.h"
#include "tools/load/found.h"
#include "tools/load/record.h"

struct health {
	const char *root;
	bool loaded;		/* by anybody */
	uint64_t reserved;	/* bytes */
	bool recorded;		/* by capstub load, since boot */
	struct record record;
	struct config config;
	const char *words;	/* what is loaded, if that is known, else what the configuration says */
	const char *owner;	/* of the reservation, if not capstub; and the other one that is enabled, whoever owns it */
	const char *other;
	struct cmdline cl;	/* the same, as the stub reads it */
	struct found found;
};

/* Everything below @root; @config as for config_read(). 0 or -errno with a message; health_free() either way. */
int health_read(struct health *h, const char *root, const char *config);
void health_free(struct health *h);

/*
 * Can the @nr-th dump= word take a dump? A sentence for people goes to @buf: which device it is and what is on it, or what
 * is wrong and what to do. *ret_target is NULL for a serial line and when there is no one device.
 */
bool health_target(const struct health *h, unsigned nr, char *buf, size_t size, const struct target **ret_target);

/* The word as it stands on the command line, without dump=; lives until the next call */
const char *health_word(const struct health *h, unsigned nr);

#endif
