/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the firmware says that a management controller's KCS interface is: in the SPMI table (IPMI
 * 2.0, appendix C3), or a structure of type 38 in SMBIOS (DMTF DSP0134 3.4, §7.39). Pure: memory is
 * read by env->read.
 */
#ifndef DRIVERS_WATCHDOG_IPMI_FIND_H
#define DRIVERS_WATCHDOG_IPMI_FIND_H

#include "drivers/watchdog/watchdog.h"

struct ipmi_kcs_place {
	bool io;
	uint64_t addr;		/* of the data register */
	unsigned spacing;	/* bytes from there to status and control: 1 to 16 */
};

/* 0, or -ENOENT. That it can be there is still to be checked: watchdog_map(). */
int ipmi_find_kcs(const struct watchdog_env *env, struct ipmi_kcs_place *ret);

#endif
