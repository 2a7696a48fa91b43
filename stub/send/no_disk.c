// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * In place of target.c and dump.c in the image for serial lines: with zlib and the protocol in it
 * there is no room for disks in a reservation of 1 MiB.
 */
#include "stub/send/dump.h"
#include "stub/log.h"
#include "stub/disk/target.h"

enum capstub_stop target_open(struct target *t, const struct boot_info *bi,
			      const struct target_spec *spec)
{
	(void)t;
	(void)bi;
	return log_err(STOP_NO_TARGET, "dump=%s: this image sends dumps over serial lines only",
		       spec->text);
}

enum capstub_stop dump_to_target(struct capture *c, struct target *t)
{
	(void)c;
	(void)t;
	return STOP_NO_TARGET;
}
