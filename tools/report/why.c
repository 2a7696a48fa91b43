// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/report/why.h"

#include <string.h>

void why_start(struct why *w, const char *dmesg, size_t len)
{
	struct reason r = { 0 };

	reason_feed(&r, dmesg, len);
	reason_feed(&r, "\n", 1);
	*w = (struct why){ .next = dmesg, .log_end = dmesg + len };
	w->found = reason_find(&r, &w->report);
}

bool why_next(struct why *w)
{
	const char *nl;

	if (w->next >= w->log_end)
		return false;
	nl = memchr(w->next, '\n', (size_t)(w->log_end - w->next));
	w->line = w->next;
	w->end = nl ? nl : w->log_end;
	w->next = w->end + 1;
	w->nr++;
	return true;
}

bool why_in_trace(const struct why *w)
{
	return w->nr != w->report.reason && report_has(&w->report, w->nr);
}

const char *why_reason(const char *dmesg, size_t len, size_t *ret_len)
{
	const char *text;
	struct why w;

	why_start(&w, dmesg, len);
	while (w.found && why_next(&w))
		if (w.nr == w.report.reason) {
			text = reason_message(w.line, w.end);
			*ret_len = (size_t)(w.end - text);
			return text;
		}
	return NULL;
}
