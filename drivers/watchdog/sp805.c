// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Arm's SP805 (ARM DDI 0270, ch. 3): counts down twice, an interrupt and then the reset. Writable
 * only between a magic word in its lock register and another one.
 */
#include <errno.h>

#include "drivers/watchdog/watchdog.h"

#define LOAD		0x000
#define CONTROL		0x008
#define CONTROL_INTEN	BIT(0)		/* this one lets it count */
#define CONTROL_RESEN	BIT(1)
#define INTCLR		0x00c		/* any write: clear the interrupt, begin anew */
#define LOCK		0xc00
#define LOCK_OPEN	0x1acce551
#define LOCK_CLOSE	1
#define PERIPH_ID0	0xfe0
#define PERIPH_ID1	0xfe4
#define SP805_LEN	0x1000

static struct watchdog_reg regs;

static void write_unlocked(unsigned off, uint32_t v)
{
	watchdog_write(&regs, LOCK, 4, LOCK_OPEN);
	watchdog_write(&regs, off, 4, v);
	watchdog_write(&regs, LOCK, 4, LOCK_CLOSE);
}

static bool feed(void)
{
	write_unlocked(INTCLR, 1);
	return false;
}

static uint32_t ms(uint64_t load, uint32_t hz)
{
	return hz ? (uint32_t)min_u64((load + 1) * 2000 / hz, UINT32_MAX) : 0;
}

static int start(const struct watchdog_env *env, const struct watchdog_spec *w,
		 struct watchdog_time *ret)
{
	uint64_t goal = min_u64((uint64_t)w->hz * (WATCHDOG_GOAL_MS / 2000), UINT32_MAX);
	uint32_t control, load;

	if (watchdog_map(env, false, w->control, SP805_LEN, 4, &regs) ||
	    (watchdog_read(&regs, PERIPH_ID0, 4) & 0xff) != 0x05 ||
	    (watchdog_read(&regs, PERIPH_ID1, 4) & 0xff) != 0x18)
		return -ENOENT;
	control = watchdog_read(&regs, CONTROL, 4);
	if (control == UINT32_MAX || !(control & CONTROL_INTEN) || !(control & CONTROL_RESEN))
		return -ENOENT;
	load = watchdog_read(&regs, LOAD, 4);
	ret->was_ms = ret->now_ms = ms(load, w->hz);
	if (!env->keep && load < goal) {
		write_unlocked(LOAD, (uint32_t)goal);
		ret->now_ms = ms(watchdog_read(&regs, LOAD, 4), w->hz);
	}
	feed();
	return 0;
}

static int probe(const struct watchdog_env *env, struct watchdog_time *ret)
{
	const struct boot_info *bi = env->bi;

	for (unsigned i = 0; i < bi->nr_watchdogs; i++)
		if (bi->watchdogs[i].type == WATCHDOG_SP805 && !start(env, &bi->watchdogs[i], ret))
			return 0;
	return -ENOENT;
}

const struct watchdog sp805_watchdog = { "SP805", 1000, probe, feed };
