/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why the dead kernel died, out of its log (stub/format/reason.h), for who can read it at once: on
 * the console before anything is tried, and at the end of a dump over a line.
 */
#ifndef STUB_REPORT_H
#define STUB_REPORT_H

#include "stub/dead/capture.h"

/*
 * Call @show for each line that says why, the reason first, without its line end; @registers: with
 * what comes before the call trace. Of a log that does not say why the last lines, of none nothing.
 */
void report_show(struct capture *c, bool registers,
		 void (*show)(void *ctx, const char *text, size_t len), void *ctx);

#endif
