// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The generic watchdog of Arm servers (Arm BSA, DEN 0094, ch. "Generic watchdog"; versions 0 and 1).
 * Counts the generic timer's ticks; the first timeout is an interrupt, the second one the reset.
 */
#include <errno.h>

#include "drivers/watchdog/watchdog.h"

/* Generic Timer Description Table (ACPI 6.4 §5.2.24): where the list of timers is, and one of its entries */
struct gtdt_list {
	uint32_t nr;			/* 88 */
	uint32_t offset;		/* 92 from the start of the table */
};
#define GTDT_LIST_AT	88
#define GTDT_MAX_TIMERS	64u

struct gtdt_watchdog {
	uint8_t  type;			/* 0 */
	uint16_t length;		/* 1 */
	uint8_t  rsvd3;
	uint64_t refresh;		/* 4 */
	uint64_t control;		/* 12 */
	uint32_t gsiv;			/* 20 */
	uint32_t flags;			/* 24 bit 2: secure */
} __attribute__((packed));
_Static_assert(sizeof(struct gtdt_watchdog) == 28, "GTDT watchdog size");
#define GTDT_WATCHDOG	1
#define GTDT_SECURE	BIT(2)
#define GTDT_HEAD	4		/* of any timer: type, length */

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

static int start(const struct watchdog_env *env, phys_addr_t control_frame, phys_addr_t refresh_frame,
		 struct watchdog_time *ret)
{
	uint32_t hz = env->bi->counter_hz, status;
	struct watchdog_reg control;
	uint64_t wor, goal;
	bool wide;

	if (!hz || watchdog_map(env, false, control_frame, FRAME_LEN, 4, &control) ||
	    watchdog_map(env, false, refresh_frame, FRAME_LEN, 4, &refresh))
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

/* Those of the secure world are among them, whose registers are not for us: touching them may fault */
static int probe_gtdt(const struct watchdog_env *env, struct watchdog_time *ret)
{
	const struct acpi_table *t = &env->bi->acpi[ACPI_GTDT];
	struct gtdt_list list;
	struct gtdt_watchdog w;
	uint32_t at;

	if (!t->pa || t->len < GTDT_LIST_AT + sizeof(list) || env->read(&list, t->pa + GTDT_LIST_AT, sizeof(list)))
		return -ENOENT;
	at = list.offset;
	for (uint32_t i = 0; i < min_u64(list.nr, GTDT_MAX_TIMERS) && at < t->len; i++, at += w.length) {
		size_t len = min_u64(sizeof(w), t->len - at);

		if (len < GTDT_HEAD || env->read(&w, t->pa + at, len) || w.length < GTDT_HEAD ||
		    w.length > t->len - at)
			break;
		if (w.type == GTDT_WATCHDOG && w.length >= sizeof(w) && !(w.flags & GTDT_SECURE) &&
		    !start(env, w.control, w.refresh, ret))
			return 0;
	}
	return -ENOENT;
}

static int probe(const struct watchdog_env *env, struct watchdog_time *ret)
{
	const struct boot_info *bi = env->bi;

	for (unsigned i = 0; i < bi->nr_watchdogs; i++) {
		const struct watchdog_spec *w = &bi->watchdogs[i];

		if (w->type == WATCHDOG_GWDT && !start(env, w->control, w->refresh, ret))
			return 0;
	}
	return probe_gtdt(env, ret);
}

const struct watchdog gwdt_watchdog = { "SBSA generic watchdog", 1000, probe, feed };
