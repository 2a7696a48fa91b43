// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which watchdogs exist, and when they are fed. A new one is a file in drivers/watchdog/ and a row
 * here.
 */
#include "stub/watchdog.h"

#include <cpu.h>

#include "drivers/watchdog/watchdog.h"
#include "stub/arch.h"
#include "stub/idle.h"
#include "stub/log.h"

#define SHORTEST_MS	100		/* between two meals, however short the time is said to be */

/*
 * The firmware's own description comes before the driver that knows the registers by itself: they are
 * the same ones, and what feeding them takes on this machine is in the former. NULL: not in this
 * image, whose machines have no I/O ports, or no generic timer.
 */
static const struct watchdog *const watchdogs[] = {
	&wdat_watchdog,
	ARCH_HAS_PIO ? &itco_watchdog : NULL,
	&i6300esb_watchdog,
	ARCH_HAS_PIO ? NULL : &gwdt_watchdog,
	ARCH_HAS_PIO ? NULL : &sp805_watchdog,
	&ipmi_watchdog,
};

/* period_us 0: this one does not run */
static struct meal {
	uint64_t due_us;
	uint32_t period_us;
} meals[ARRAY_SIZE(watchdogs)];

static void say(const char *name, const struct watchdog_time *t)
{
	if (!t->now_ms)
		log_info("watchdog: %s runs, its time is not known", name);
	else if (t->now_ms == t->was_ms)
		log_info("watchdog: %s runs, %u s", name, t->now_ms / 1000);
	else
		log_info("watchdog: %s runs, %u s (it had %u)", name, t->now_ms / 1000, t->was_ms / 1000);
}

/* At least four meals in its time */
static uint32_t period_us(const struct watchdog *w, uint32_t time_ms)
{
	uint32_t ms = w->period_ms;

	if (time_ms && time_ms / 4 < ms)
		ms = time_ms / 4;
	return (ms > SHORTEST_MS ? ms : SHORTEST_MS) * 1000;
}

void watchdog_init(const struct boot_info *bi, const struct cmdline *cl,
		   int (*ram)(void *dst, phys_addr_t pa, size_t len))
{
	const struct watchdog_env env = {
		.bi = bi, .read = arch_read_mem, .ram = ram, .keep = cl->watchdog == WATCHDOG_KEEP,
	};

	if (cl->watchdog == WATCHDOG_LEAVE)
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(watchdogs); i++) {
		struct watchdog_time t = { 0 };

		meals[i].period_us = 0;
		if (!watchdogs[i] || (watchdogs[i] == &itco_watchdog && meals[0].period_us) ||
		    watchdogs[i]->probe(&env, &t))
			continue;
		say(watchdogs[i]->name, &t);
		meals[i].due_us = 0;
		meals[i].period_us = period_us(watchdogs[i], t.now_ms);
	}
}

void watchdog_hook(uint64_t now_us)
{
	if (idle_grace_over())
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(watchdogs); i++) {
		if (!meals[i].period_us || now_us < meals[i].due_us)
			continue;
		if (!watchdogs[i]->feed())
			meals[i].due_us = now_us + meals[i].period_us;
	}
}
