// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The clock of all deadlines: the virtual counter of the generic timer, which every exception level
 * and every hypervisor offers (Arm ARM D11). head.S zeroed its offset when it was ours.
 */
#include "arch/arm64/arm64.h"
#include "stub/arch.h"

#define HZ_MIN	100000ULL		/* slower is no clock for microseconds */
#define HZ_MAX	10000000000ULL
/*
 * When nothing tells: the rate of Armv8.6 (D11.1.2). Too high makes deadlines longer than said; too
 * low would cost the dump.
 */
#define HZ_ASSUMED	1000000000ULL

static uint64_t last_count;
static uint64_t elapsed;
static uint64_t stalled_us;
static uint64_t hz = HZ_ASSUMED;

static uint64_t counter(void)
{
	uint64_t v;

	/* The barrier keeps the read from being done ahead of what is being timed. */
	__asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(v) : : "memory");
	return v;
}

static bool plausible(uint64_t rate)
{
	return rate >= HZ_MIN && rate <= HZ_MAX;
}

void time_init(void)
{
	last_count = counter();
	time_set_rate(0);
}

uint64_t time_set_rate(uint64_t firmware_hz)
{
	uint64_t cntfrq;

	__asm__("mrs %0, cntfrq_el0" : "=r"(cntfrq));
	if (plausible(cntfrq))
		hz = cntfrq;
	else if (plausible(firmware_hz))
		hz = firmware_hz;
	return hz;
}

/*
 * Monotonic, and never standing still: when the counter does not advance, each look counts a
 * microsecond, so that a wait ends all the same. A counter of 50 MHz or less may well show the same
 * value twice, so that is done only after many looks.
 */
uint64_t arch_time_us(void)
{
	static unsigned looks;
	uint64_t now = counter();

	if (now > last_count) {
		elapsed += now - last_count;
		looks = 0;
	} else if (now < last_count || ++looks > 10000) {
		stalled_us++;
	}
	last_count = now;
	return elapsed / hz * 1000000 + elapsed % hz * 1000000 / hz + stalled_us;
}
