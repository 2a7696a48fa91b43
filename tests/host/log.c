/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stub's log for host programs: standard error. */
#include "stub/log.h"

#include <stdio.h>

#include "tests/host/host.h"

bool host_quiet;
char host_log_last[256];

void log_print(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	vsnprintf(host_log_last, sizeof(host_log_last), fmt, ap);
	va_end(ap);
	if (!host_quiet)
		fprintf(stderr, "%s\n", host_log_last);
}
