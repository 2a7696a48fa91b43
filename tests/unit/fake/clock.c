// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A clock that advances only when somebody looks at it: waits are deterministic and take no time.
 */
#include "stub/arch.h"
#include "tests/unit/fake/bus.h"

uint64_t fake_now_us;
uint64_t fake_step_us = 10;
void (*fake_tick)(void);
unsigned fake_fed;

uint64_t arch_time_us(void)
{
	static bool inside;

	fake_now_us += fake_step_us;
	/* a device that looks at the clock itself must not be entered again */
	if (fake_tick && !inside) {
		inside = true;
		fake_tick();
		inside = false;
	}
	return fake_now_us;
}

static void feed(uint64_t now_us)
{
	(void)now_us;
	fake_fed++;
}

idle_hook *const fake_feeding[] = { feed, NULL };
