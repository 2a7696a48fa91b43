/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deadlines. Every wait on hardware uses one of these; units are in the names. What happens while
 * the stub waits is in stub/idle.h.
 */
#ifndef STUB_TIMEOUT_H
#define STUB_TIMEOUT_H

#include <errno.h>

#include "stub/arch.h"
#include "stub/idle.h"

struct deadline {
	uint64_t at_us;		/* on arch_time_us()'s clock */
};

/* In @us, or sooner when the overall deadline is long over (stub/idle.h) */
static inline struct deadline deadline_in_us(uint64_t us)
{
	return (struct deadline){ idle_until_us(us) };
}

static inline bool deadline_passed(struct deadline d)
{
	return arch_time_us() >= d.at_us;
}

/*
 * Evaluate @cond until it is true: 0, or -ETIMEDOUT after @timeout_us; sooner, but not before
 * IDLE_LATE_US, when the overall deadline passed more than IDLE_GRACE_US ago. The condition is
 * looked at once more after the deadline, so that a long stall between two looks is not taken for a
 * dead device.
 */
#define poll_until_us(cond, timeout_us) ({				\
	struct deadline __d = deadline_in_us(timeout_us);		\
	int __ret = 0;							\
	while (!(cond)) {						\
		if (deadline_passed(__d)) {				\
			__ret = (cond) ? 0 : -ETIMEDOUT;		\
			break;						\
		}							\
		idle();							\
	}								\
	__ret;								\
})

/* All of @us, whatever time it is: it is the hardware that needs it */
static inline void delay_us(uint64_t us)
{
	struct deadline d = { arch_time_us() + us };

	while (!deadline_passed(d))
		idle();
}

#endif
