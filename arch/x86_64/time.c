/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clock of all deadlines: the time stamp counter. Its rate comes from the CPU or the hypervisor
 * where they say it, else from the PIT, which costs 2 ms, some more on a busy host.
 */
#include <io.h>

#include "arch/x86_64/x86.h"
#include "stub/arch.h"

#define TSC_HZ_MIN	100000000ULL
#define TSC_HZ_MAX	20000000000ULL
/*
 * When nothing tells: too high makes deadlines longer than said, which costs time; too low would
 * cost the dump.
 */
#define TSC_HZ_ASSUMED	4000000000ULL

#define CPUID1_ECX_HYPERVISOR	BIT(31)
#define HV_ACCESS_FREQUENCY	BIT(11)	/* Hyper-V TLFS §2.4.4, leaf 0x40000003 EAX */

/* Intel 8254 and the port that gates its channel 2 (ICH datasheet §13.3, §13.7.1) */
#define PIT_HZ		1193182ULL
#define PIT_CHANNEL2	0x42
#define PIT_COMMAND	0x43
/* Channel 2, low then high byte, mode 0: output high at the end of the count */
#define PIT_CMD_CH2_MODE0 0xb0
#define NMI_SC		0x61
#define NMI_SC_GATE2	0x01
#define NMI_SC_SPEAKER	0x02
#define NMI_SC_OUT2	0x20
#define PIT_COUNT	1193	/* 1 ms */
#define PIT_RUNS	8
#define PIT_MIN_READS	5	/* fewer looks than this in 1 ms: nothing was counted */
#define PIT_MAX_READS	100000

static uint64_t last_tsc;
static uint64_t elapsed_tsc;
static uint64_t stalled_us;
static uint64_t us_per_tsc_32;	/* microseconds per tick, times 2^32 */
static uint64_t tsc_hz;
static const char *source;

uint32_t time_tsc_khz(void)
{
	return tsc_hz / 1000;
}

const char *time_source(void)
{
	return source;
}

/*
 * SDM 3B §19.7.3: leaf 0x15 gives TSC / crystal clock and perhaps the crystal's rate; leaf 0x16 the
 * base rate in MHz.
 */
static uint64_t hz_from_cpu(void)
{
	uint32_t max = cpuid(0).eax;
	struct cpuid_regs r;

	if (max < 0x15)
		return 0;
	r = cpuid(0x15);
	if (!r.eax || !r.ebx)
		return 0;
	if (r.ecx)
		return (uint64_t)r.ecx * r.ebx / r.eax;
	return max >= 0x16 ? (cpuid(0x16).eax & 0xffff) * 1000000ULL : 0;
}

/*
 * Leaf 0x40000010 EAX: kHz, of VMware's making and followed by others. Hyper-V has a register
 * instead.
 */
static uint64_t hz_from_hypervisor(void)
{
	uint32_t max;
	uint64_t hz;

	if (!(cpuid(1).ecx & CPUID1_ECX_HYPERVISOR))
		return 0;
	max = cpuid(0x40000000).eax;
	if (max >= 0x40000010 && max < 0x40010000)
		return cpuid(0x40000010).eax * 1000ULL;
	/* "Hv#1" is the interface's signature. */
	if (max >= 0x40000003 && cpuid(0x40000001).eax == 0x31237648 &&
	    (cpuid(0x40000003).eax & HV_ACCESS_FREQUENCY) && !rdmsr_safe(MSR_HV_TSC_FREQUENCY, &hz))
		return hz;
	return 0;
}

/* Ticks of the TSC while channel 2 counts PIT_COUNT down; 0 when it does not. */
static uint64_t pit_interval(void)
{
	unsigned reads = 0;
	uint64_t t0, t1;

	pio_write8(PIT_COMMAND, PIT_CMD_CH2_MODE0);
	pio_write8(PIT_CHANNEL2, PIT_COUNT & 0xff);
	pio_write8(PIT_CHANNEL2, PIT_COUNT >> 8);	/* counting begins here */
	t0 = rdtsc();
	do {
		if (++reads == PIT_MAX_READS)
			return 0;
	} while (!(pio_read8(NMI_SC) & NMI_SC_OUT2));
	t1 = rdtsc();
	return reads < PIT_MIN_READS ? 0 : t1 - t0;
}

/*
 * An SMI or a busy host only ever makes an interval longer, so the shortest is the best; it is
 * believed as soon as a second one comes within 1/128 of it.
 */
static uint64_t hz_from_pit(void)
{
	uint8_t saved = pio_read8(NMI_SC);
	uint64_t best = ~0ULL, ticks;
	unsigned i;

	pio_write8(NMI_SC, (saved & ~NMI_SC_SPEAKER) | NMI_SC_GATE2);
	for (i = 0; i < PIT_RUNS; i++) {
		ticks = pit_interval();
		if (!ticks) {
			best = 0;
			break;
		}
		bool agree = i && max_u64(best, ticks) - min_u64(best, ticks) <= best / 128;

		best = min_u64(best, ticks);
		if (agree)
			break;
	}
	pio_write8(NMI_SC, saved);
	return best * PIT_HZ / PIT_COUNT;
}

void time_init(void)
{
	static const struct {
		const char *name;
		uint64_t (*hz)(void);
	} sources[] = {
		{ "CPUID", hz_from_cpu },
		{ "hypervisor", hz_from_hypervisor },
		{ "PIT", hz_from_pit },
	};
	unsigned i;

	last_tsc = rdtsc();
	tsc_hz = TSC_HZ_ASSUMED;
	source = "assumed";
	for (i = 0; i < ARRAY_SIZE(sources); i++) {
		uint64_t hz = sources[i].hz();

		if (hz >= TSC_HZ_MIN && hz <= TSC_HZ_MAX) {
			tsc_hz = hz;
			source = sources[i].name;
			break;
		}
	}
	us_per_tsc_32 = (1000000ULL << 32) / tsc_hz;
}

/*
 * Monotonic, and never standing still: when the counter does not advance, each look counts a
 * microsecond, so that a wait ends all the same.
 */
uint64_t arch_time_us(void)
{
	uint64_t now = rdtsc();

	if (now > last_tsc)
		elapsed_tsc += now - last_tsc;
	else
		stalled_us++;
	last_tsc = now;
	return (uint64_t)((unsigned __int128)elapsed_tsc * us_per_tsc_32 >> 32) + stalled_us;
}
