/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report, for those who have a target or a dump open already. */
#ifndef TOOLS_CMD_REPORT_H
#define TOOLS_CMD_REPORT_H

#include "tools/cmd/info.h"
#include "tools/report/story.h"

/*
 * Put together what is known of a dump, and hand it to @tell, which may be called once or, when the dump
 * cannot be read at all, not. 0, what @tell returned, or -errno with a message.
 */
int report_tell(const struct info *info, int (*tell)(const struct story *s, void *ctx), void *ctx);

#endif
