/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A panic on purpose, by capstub test: what the targets had captured before is remembered on the disk, and after the
 * reboot their labels tell whether the capture came through.
 */
#ifndef TOOLS_LOAD_TRIAL_H
#define TOOLS_LOAD_TRIAL_H

#include "tools/load/health.h"

#define TRIAL_FILE	"/var/lib/capstub/test"

enum trial_result {
	TRIAL_NONE,		/* never tested */
	TRIAL_PENDING,		/* the machine has not rebooted since */
	TRIAL_GOOD,		/* captured, all of it */
	TRIAL_PARTLY,		/* captured, but the stop code says what is missing */
	TRIAL_BAD,		/* rebooted, and nothing was captured */
	TRIAL_UNKNOWN,		/* nobody here can know: a serial line, or a target that was formatted since */
};

/* Remember what the targets of @h, which the stub would try, have captured by now. 0 or -errno, said. */
int trial_begin(const struct health *h);
/* It did not take place after all. */
void trial_cancel(const struct health *h);

/* How the last one went, as a sentence for people in @buf; *ret_time: when it was. */
enum trial_result trial_judge(const struct health *h, char *buf, size_t size, int64_t *ret_time);

/* For scripts: "good" */
const char *trial_name(enum trial_result result);

#endif
