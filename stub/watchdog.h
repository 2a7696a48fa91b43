/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dead kernel's hardware watchdogs. Nobody feeds them any more, and a dump takes longer than their
 * time. Those that run are fed from idle(), and have their time lengthened once; what does not run is
 * left alone. When the overall deadline and its grace are over they are fed no more, so that a stub
 * that hangs ends in a reset all the same.
 */
#ifndef STUB_WATCHDOG_H
#define STUB_WATCHDOG_H

#include "stub/boot/cmdline.h"

/*
 * Look for watchdogs that run, say which on the console, feed them. @ram reads RAM of the dead kernel,
 * -errno for anything else.
 */
void watchdog_init(const struct boot_info *bi, const struct cmdline *cl,
		   int (*ram)(void *dst, phys_addr_t pa, size_t len));

/* For idle_set_hooks(), also before watchdog_init(): nothing to do then */
void watchdog_hook(uint64_t now_us);

#endif
