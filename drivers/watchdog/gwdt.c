// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The generic watchdog of Arm servers (Arm BSA, DEN 0094, ch. "Generic watchdog"; versions 0 and 1).
 * Counts the generic timer's ticks; the first timeout is an interrupt, the second one the reset.
 */
#include <errno.h>

#include "drivers/watchdog/watchdog.h"

#define FRAME_LEN	0x1000
#define WRR		0x000		/* refresh frame: any write */
#define WCS		0x000		/* control frame */
#define WCS_EN		BIT(0)
#define WOR		0x008
#define WOR_HIGH	0x00c		/* version 1: bits 47:32 */
#define W_IIDR		0xfcc
#define IIDR_VERSION	GENMASK(19, 16)

static struct watchdog_reg refresh;

static bool feed(void)
{
	watchdog_write(&refresh, WRR, 4, 0);
	return false;
}

static uint64_t read_wor(const struct watchdog_reg *control, bool wide)
{
	uint64_t low = watchdog_read(control, WOR, 4);

	return wide ? (uint64_t)(watchdog_read(control, WOR_HIGH, 4) & 0xffff) << 32 | low : low;
}

/* Twice the offset */
static uint32_t ms(uint64_t ticks, uint32_t hz)
{
	return (uint32_t)min_u64(ticks * 2 / max_u64(hz / 1000, 1), UINT32_MAX);
}

static int start(const struct watchdog_env *env, const struct watchdog_spec *w,
		 struct watchdog_time *ret)
{
	uint32_t hz = env->bi->counter_hz, status;
	struct watchdog_reg control;
	uint64_t wor, goal;
	bool wide;

	if (!hz || watchdog_map(env, false, w->control, FRAME_LEN, 4, &control) ||
	    watchdog_map(env, false, w->refresh, FRAME_LEN, 4, &refresh))
		return -ENOENT;
	status = watchdog_read(&control, WCS, 4);
	if (status == UINT32_MAX || !(status & WCS_EN))
		return -ENOENT;
	wide = FIELD_GET(IIDR_VERSION, watchdog_read(&control, W_IIDR, 4)) > 0;
	wor = read_wor(&control, wide);
	ret->was_ms = ret->now_ms = ms(wor, hz);
	goal = min_u64((uint64_t)hz * (WATCHDOG_GOAL_MS / 2000), wide ? GENMASK(47, 0) : UINT32_MAX);
	/* Each write refreshes too; the high half first, so that what it counts is never less than before */
	if (!env->keep && wor < goal) {
		if (wide)
			watchdog_write(&control, WOR_HIGH, 4, (uint32_t)(goal >> 32));
		watchdog_write(&control, WOR, 4, (uint32_t)goal);
		ret->now_ms = ms(read_wor(&control, wide), hz);
	}
	feed();
	return 0;
}

static int probe(const struct watchdog_env *env, struct watchdog_time *ret)
{
	const struct boot_info *bi = env->bi;

	for (unsigned i = 0; i < bi->nr_watchdogs; i++)
		if (bi->watchdogs[i].type == WATCHDOG_GWDT && !start(env, &bi->watchdogs[i], ret))
			return 0;
	return -ENOENT;
}

const struct watchdog gwdt_watchdog = { "SBSA generic watchdog", 1000, probe, feed };
