/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small dead x86_64 machine, as gdb is shown it: two pieces of RAM, the bytes of the second moved
 * elsewhere; three CPUs; a kernel that KASLR moved; page tables for a few pages. Each read of
 * anything but that is an assertion that fails.
 */
#ifndef FAKE_DEAD_H
#define FAKE_DEAD_H

#include "stub/dead/capture.h"

#define DEAD_LOW	0x10000u
#define DEAD_LOW_END	0x28000u
#define DEAD_HIGH	0x40000u
#define DEAD_HIGH_END	0x48000u
#define DEAD_KASLR	0x19000000u
#define DEAD_IMAGE	(0xffffffff81000000ULL + DEAD_KASLR)	/* at DEAD_LOW */
/* Five pages by the tables: in LOW, in HIGH, none, one that is no RAM, and again one in LOW */
#define DEAD_MAPPED	0xffffc90000000000ULL
#define DEAD_FIRST	0x1a000u
#define DEAD_SECOND	DEAD_HIGH
#define DEAD_FOURTH	0x1b000u

/* As the stub finds it; @cpus: how many left their registers, 0 to 3 */
struct capture *fake_dead_open(unsigned cpus);

/* A byte of RAM */
uint8_t *fake_dead_ram(phys_addr_t pa);

/* These pages cannot be read any more; 0: none */
extern phys_addr_t fake_dead_lost;

/* What dmesg_emit() emits, and how often; NULL: -ENOENT */
extern const char *fake_dead_log;
extern unsigned fake_dead_log_times;

#endif
