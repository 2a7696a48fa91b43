/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host programs share besides the dump file. */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <stdbool.h>

extern bool host_quiet;			/* log.c: keep the lines to yourself */
extern char host_log_last[256];		/* the last line */

#endif
