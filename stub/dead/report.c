// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See stub/dead/report.h. The log is gone through twice, because only then is it known which lines
 * count: it may be many MiB.
 */
#include "stub/dead/report.h"

#include <string.h>

#include "stub/dead/dmesg.h"
#include "stub/format/reason.h"

#define TAIL_RECORDS	12u	/* some 100 ms at 115200 baud */
#define REGISTER_LINES	32u	/* from the reason to the call trace */

struct shown {
	struct report report;	/* reason 0: all that comes is shown */
	bool registers;
	unsigned nr;		/* of the line */
	bool in_line;		/* the last piece ended in the middle of one */
	void (*show)(void *ctx, const char *text, size_t len);
	void *ctx;
};

static int look_at_text(void *ctx, const char *text, size_t len)
{
	reason_feed(ctx, text, len);
	return 0;
}

static bool wanted(const struct shown *s)
{
	const struct report *r = &s->report;

	return !r->reason || report_has(r, s->nr) ||
	       (s->registers && s->nr > r->reason && s->nr < r->trace &&
		s->nr < r->reason + REGISTER_LINES);
}

static int show_text(void *ctx, const char *text, size_t len)
{
	struct shown *s = ctx;

	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t line = end ? (size_t)(end - text) : len;

		s->nr += !s->in_line;
		s->in_line = !end;
		if (wanted(s))
			s->show(s->ctx, text, line);
		line += end != NULL;
		text += line;
		len -= line;
	}
	return 0;
}

void report_show(struct capture *c, bool registers,
		 void (*show)(void *ctx, const char *text, size_t len), void *ctx)
{
	struct shown s = { .registers = registers, .show = show, .ctx = ctx };
	struct reason reason = { 0 };
	bool found;

	if (!c->vi->len || dmesg_emit(&c->vt, c->vi, 0, look_at_text, &reason) < 0)
		return;
	found = reason_find(&reason, &s.report);
	dmesg_emit(&c->vt, c->vi, found ? 0 : TAIL_RECORDS, show_text, &s);
}
