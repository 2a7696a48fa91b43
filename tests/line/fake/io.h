/* SPDX-License-Identifier: GPL-2.0-or-later */
/* <io.h> for the line simulator: there are no registers, and waiting costs simulated time only. */
#ifndef LINE_IO_H
#define LINE_IO_H

void sim_relax(void);

static inline void cpu_relax(void)
{
	sim_relax();
}

#endif
