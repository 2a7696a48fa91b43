/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hardware watchdogs that the dead kernel left running. What a driver does with one: tell that it
 * runs, feed it, once give it more time. Never stop it, never start it: a stub that hangs must still
 * be reset, and a machine that had no watchdog gets none. Which drivers exist is a table in
 * stub/watchdog.c.
 */
#ifndef DRIVERS_WATCHDOG_H
#define DRIVERS_WATCHDOG_H

#include "stub/boot/boot_info.h"

/*
 * The time that a watchdog is given once. Longer than the stub is ever away from idle() or than a BMC
 * that is busy takes, and not so long that somebody walks to the machine first.
 */
#define WATCHDOG_GOAL_MS	300000

struct watchdog_env {
	const struct boot_info *bi;
	/* any physical memory, as arch_read_mem(): firmware tables */
	int (*read)(void *dst, phys_addr_t pa, size_t len);
	/* RAM of the dead kernel alone, -errno for anything else */
	int (*ram)(void *dst, phys_addr_t pa, size_t len);
	bool keep;		/* its time is left as it is */
};

/* From being fed to the reset, in milliseconds; 0: not known */
struct watchdog_time {
	uint32_t was_ms;
	uint32_t now_ms;
};

struct watchdog {
	const char *name;
	uint32_t period_ms;	/* fed this often, oftener when its time is short */
	/*
	 * 0: one runs, has been fed and, unless env->keep, given more time. -ENOENT: there is none, it does
	 * not run, or its registers are not to be believed. Later calls of feed() are for this one.
	 */
	int (*probe)(const struct watchdog_env *env, struct watchdog_time *ret);
	/*
	 * From idle(): never waits, never logs. True: not done yet, call again soon. One that cannot be fed
	 * any more does nothing.
	 */
	bool (*feed)(void);
};

extern const struct watchdog wdat_watchdog, itco_watchdog, i6300esb_watchdog, gwdt_watchdog,
	sp805_watchdog, ipmi_watchdog;

/*
 * Registers whose address a table or another register told: I/O ports or device memory. Never RAM,
 * never ours, whatever was told.
 */
struct watchdog_reg {
	uint16_t port;
	void *mem;		/* NULL: ports */
};

/*
 * @len bytes of registers, accessed @align bytes at a time at most. 0, or -EINVAL: they cannot be
 * there.
 */
int watchdog_map(const struct watchdog_env *env, bool io, uint64_t addr, size_t len, unsigned align,
		 struct watchdog_reg *ret);

/* @size 1, 2 or 4; @off from where watchdog_map() was told */
uint32_t watchdog_read(const struct watchdog_reg *reg, unsigned off, unsigned size);
void watchdog_write(const struct watchdog_reg *reg, unsigned off, unsigned size, uint32_t v);

#endif
