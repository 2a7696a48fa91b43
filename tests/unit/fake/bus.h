/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulated machine of the driver tests: register windows, I/O ports and a clock.
 *
 * fake/clock.c gives arch_time_us() alone, for tests of code that waits; fake/bus.c adds the
 * registers and arch_map_*(). fake/log.c is a log that a test can look into.
 */
#ifndef FAKE_BUS_H
#define FAKE_BUS_H

#include "stub/bits.h"
#include "stub/idle.h"

/* The clock: every look at it costs fake_step_us, so that each bounded wait ends. Starts at 0. */
extern uint64_t fake_now_us;
extern uint64_t fake_step_us;		/* default 10 */
extern void (*fake_tick)(void);		/* called at each look: simulated devices do work here */

/* For idle_set_hooks(): how often what waits or takes long has seen to the watchdogs */
extern unsigned fake_fed;
extern idle_hook *const fake_feeding[];

/* A window of registers, or of I/O ports when port is set */
struct fake_window {
	uint64_t base;
	uint64_t len;
	bool port;
	void *ctx;
	uint64_t (*read)(void *ctx, uint64_t off, unsigned size);
	void (*write)(void *ctx, uint64_t off, unsigned size, uint64_t v);
};

#define FAKE_MAX_WINDOWS 64

void fake_bus_reset(void);		/* no windows, counters and clock to 0 */
void fake_bus_add(const struct fake_window *w);
extern size_t fake_cleaned, fake_invalidated;	/* bytes, by dma_clean() and dma_invalidate() */
extern unsigned fake_stray;		/* accesses that no window answered (read as all ones) */

/* fake/log.c */
extern unsigned fake_log_lines[4];	/* by enum log_level */
extern char fake_log_last[256];
bool fake_log_has(const char *text);	/* since fake_log_reset() */
void fake_log_reset(void);

#endif
