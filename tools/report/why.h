/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why the kernel died, and how it came there: a walk over the lines of its log. */
#ifndef TOOLS_REPORT_WHY_H
#define TOOLS_REPORT_WHY_H

#include "stub/format/reason.h"

struct why {
	struct report report;
	bool found;
	const char *line, *end, *next, *log_end;	/* the line at hand */
	unsigned nr;
};

void why_start(struct why *w, const char *dmesg, size_t len);
/* False: there is none */
bool why_next(struct why *w);
/* Is the line at hand one of those to show, but the reason? */
bool why_in_trace(const struct why *w);

/* The reason without the time in front: NULL, or *ret_len characters of @dmesg */
const char *why_reason(const char *dmesg, size_t len, size_t *ret_len);

#endif
