/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deadlines. Every wait on hardware uses one of these; units are in the names.
 */
#ifndef STUB_TIMEOUT_H
#define STUB_TIMEOUT_H

#include <io.h>

#include "stub/arch.h"

struct deadline {
	uint64_t at_us;		/* on arch_time_us()'s clock */
};

static inline struct deadline deadline_in_us(uint64_t us)
{
	return (struct deadline){ arch_time_us() + us };
}

static inline bool deadline_passed(struct deadline d)
{
	return arch_time_us() >= d.at_us;
}

/*
 * Evaluate @cond until it is true: 0, or -ETIMEDOUT after @timeout_us. The condition is looked at
 * once more after the deadline, so that a long stall between two looks is not taken for a dead
 * device.
 */
#define poll_until_us(cond, timeout_us) ({				\
	struct deadline __d = deadline_in_us(timeout_us);		\
	int __ret = 0;							\
	while (!(cond)) {						\
		if (deadline_passed(__d)) {				\
			__ret = (cond) ? 0 : -ETIMEDOUT;		\
			break;						\
		}							\
		cpu_relax();						\
	}								\
	__ret;								\
})

static inline void delay_us(uint64_t us)
{
	struct deadline d = deadline_in_us(us);

	while (!deadline_passed(d))
		cpu_relax();
}

#endif
