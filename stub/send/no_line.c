// SPDX-License-Identifier: GPL-2.0-or-later
/* In place of serial.c in the image for disks: see stub/send/no_disk.c. */
#include "stub/log.h"
#include "stub/send/serial.h"

enum capstub_stop serial_dump(struct capture *c, struct uart *u, const struct serial_options *opt)
{
	(void)c;
	(void)u;
	(void)opt;
	return log_err(STOP_NO_TARGET,
		       "this image writes to disks: load the one for serial lines (capstub-line)");
}

void serial_abort(void)
{
}
