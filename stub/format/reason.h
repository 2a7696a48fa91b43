/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a kernel died: the lines of its log that say so. Pure; used for the console and by the host
 * tool. The log is fed as it comes, and only numbers of lines are kept, since it may be large and
 * memory small: who wants to show them goes through it a second time.
 */
#ifndef STUB_REASON_H
#define STUB_REASON_H

#include <stdbool.h>
#include <stddef.h>

/* Numbers of lines, the first of the log is 1; 0: there is none */
struct report {
	unsigned reason;	/* "Kernel panic - not syncing: ...", "BUG: ...", "Oops: ..." */
	unsigned cpu;		/* "CPU: 1 PID: 345 Comm: sh ..." */
	unsigned ip;		/* "RIP: 0010:...", "pc : ..." */
	unsigned trace, end;	/* first and last line of the call trace */
};

#define REASON_HEAD	80u	/* so much of a line is looked at */

struct reason {
	struct report panic;	/* the first one: there is no second, but for damage */
	struct report oops;	/* the last one before: BUG, Oops, Unable to handle, ... */
	struct report soft;	/* the same of what kernels survive if they may: WARNING, hung task */
	struct report *now;	/* whose CPU and call trace come */
	bool general;		/* "Fatal exception": what was before says more than the panic's words */
	unsigned lines;
	size_t len;
	char line[REASON_HEAD];
};

/* A struct reason of zeros is a log without lines. Pieces may begin and end anywhere. */
void reason_feed(struct reason *r, const char *text, size_t len);

/* After the last piece: the report that says best why. False: there is none. */
bool reason_find(const struct reason *r, struct report *ret);

/* Is line @nr one of those to show? */
bool report_has(const struct report *r, unsigned nr);

/* Where the message begins in a line such as "[   10.000001] Kernel panic" */
const char *reason_message(const char *line, const char *end);

#endif
