/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one place where the stub waits. Every loop that looks at hardware until something happens
 * calls idle() between two looks, and so does delay_us(): what the machine needs meanwhile (a
 * watchdog fed, a UART emptied, a key looked at) is done there, and nowhere else.
 *
 * Here too is the overall deadline of the capture. Nothing is thrown out of the middle of its work
 * when it passes: the phases (opening targets, retries, passes) look at idle_deadline_over() and
 * end in good order. Single waits become shorter only when that has not happened a grace later.
 */
#ifndef STUB_IDLE_H
#define STUB_IDLE_H

#include "stub/bits.h"

/*
 * Called while something is waited for, and cheap enough for the tightest loop. The hooks run in
 * their order about every IDLE_PERIOD_US, not more often, and not from inside one of them: a hook
 * may wait itself.
 */
void idle(void);

/* The same from loops that do not wait but may take long: the CPU is not told that it may pause */
void idle_busy(void);

/* Twice as often as the fastest hook needs; watchdogs count in seconds, UART FIFOs in milliseconds */
#define IDLE_PERIOD_US		500

/*
 * What idle() does: a constant table that ends with NULL, in place of the one before (none at
 * first). @now_us is arch_time_us(). A hook does not log, because what is waited for may be the
 * console: it leaves a flag, which a phase looks at.
 */
typedef void idle_hook(uint64_t now_us);
void idle_set_hooks(idle_hook *const *hooks);

/* When the capture should be over, on arch_time_us()'s clock; 0: no such time (the default) */
void idle_set_deadline(uint64_t at_us);
bool idle_deadline_over(void);

/*
 * Past the overall deadline and this grace, no wait that begins takes longer than IDLE_LATE_US, and
 * none that began before goes on longer. That much each keeps: closing a dump and stopping a
 * device for good are still possible, they only have to be quick.
 */
#define IDLE_GRACE_US		60000000
#define IDLE_LATE_US		1000000

/* The overall deadline passed, and the grace after it: what hangs now may be reset by others */
bool idle_grace_over(void);

/* When a wait that begins now and may take @us ends, on arch_time_us()'s clock */
uint64_t idle_until_us(uint64_t us);

#endif
