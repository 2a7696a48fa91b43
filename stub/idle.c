// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See stub/idle.h. Called by every wait of the stub, through stub/timeout.h or by itself; the
 * overall deadline is set by stub/main.c.
 */
#include "stub/idle.h"

#include <io.h>

#include "stub/arch.h"

#define CALLS_PER_LOOK	16	/* a look at the clock costs as much as a few calls */

static uint64_t overall_us;	/* 0: none */
static idle_hook *const *hooks;
static unsigned calls;
static uint64_t due_us;
static bool inside;

void idle_set_hooks(idle_hook *const *table)
{
	hooks = table;
}

/*
 * An exception inside a hook leaves @inside set, and the hooks alone for good: what crashed once
 * must not crash the way to the reset too.
 */
void idle_busy(void)
{
	uint64_t now;

	if (!hooks || inside || ++calls % CALLS_PER_LOOK)
		return;
	now = arch_time_us();
	if (now < due_us)
		return;
	inside = true;
	for (unsigned i = 0; hooks[i]; i++)
		hooks[i](now);
	inside = false;
	due_us = arch_time_us() + IDLE_PERIOD_US;
}

void idle(void)
{
	cpu_relax();
	idle_busy();
}

void idle_set_deadline(uint64_t at_us)
{
	overall_us = at_us;
}

bool idle_deadline_over(void)
{
	return overall_us && arch_time_us() >= overall_us;
}

bool idle_grace_over(void)
{
	return overall_us && arch_time_us() >= overall_us + IDLE_GRACE_US;
}

uint64_t idle_until_us(uint64_t us)
{
	uint64_t now = arch_time_us();

	if (!overall_us)
		return now + us;
	return min_u64(now + us, max_u64(overall_us + IDLE_GRACE_US, now + IDLE_LATE_US));
}
