// SPDX-License-Identifier: GPL-2.0-or-later
/* log_print() for tests: remembers what was said; FAKE_LOG=1 in the environment shows it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stub/log.h"
#include "tests/unit/fake/bus.h"

unsigned fake_log_lines[4];
char fake_log_last[256];
static char all[65536];
static size_t used;

void fake_log_reset(void)
{
	memset(fake_log_lines, 0, sizeof(fake_log_lines));
	fake_log_last[0] = all[0] = 0;
	used = 0;
}

bool fake_log_has(const char *text)
{
	return strstr(all, text) != NULL;
}

static void keep(const char *fmt, va_list ap)
{
	int n;

	vsnprintf(fake_log_last, sizeof(fake_log_last), fmt, ap);
	if (getenv("FAKE_LOG"))
		fprintf(stderr, "# %s\n", fake_log_last);
	n = snprintf(all + used, sizeof(all) - used, "%s\n", fake_log_last);
	if (n > 0 && (size_t)n < sizeof(all) - used)
		used += n;
}

void log_print(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	fake_log_lines[level]++;
	va_start(ap, fmt);
	keep(fmt, ap);
	va_end(ap);
}

void log_console(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	keep(fmt, ap);
	va_end(ap);
}
