// SPDX-License-Identifier: GPL-2.0-or-later
/* What a machine check means: every combination that the manuals name, and the confused ones */
/* needs: arch/x86_64/mce.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "arch/x86_64/mce.h"

#define V	(MC_STATUS_VAL | MC_STATUS_EN)
#define ADDR	(MC_STATUS_ADDRV | MC_STATUS_MISCV)
#define UC	(V | MC_STATUS_UC)
#define PCC	(UC | MC_STATUS_PCC)
#define OVER	MC_STATUS_OVER
#define SRAO	(UC | MC_STATUS_S)
#define SRAR	(SRAO | MC_STATUS_AR | ADDR)
#define BOTH	(MCG_STATUS_RIPV | MCG_STATUS_EIPV)
#define RIPV	MCG_STATUS_RIPV
#define EIPV	MCG_STATUS_EIPV
#define PAGE	0x12345000ULL		/* what is being read */
#define PAGES(lsb) (MC_MISC_PHYSICAL << 6 | (lsb))
#define PHYS	PAGES(6)	/* an address of a cache line */
#define LINEAR	(1 << 6 | 6)

enum { INTEL, INTEL_OLD, AMD, AMD_OLD };

static const struct {
	const char *name;
	unsigned cpu;
	uint64_t mcg;
	bool reading;
	struct mce_bank banks[2];
	enum mce_verdict verdict;
} cases[] = {
	{ "nothing in the banks", INTEL, RIPV, false, {}, MCE_NONE },
	{ "nothing in the banks, cannot go on", INTEL, 0, false, {}, MCE_FATAL },
	{ "nothing in the banks while reading, cannot go on", INTEL, EIPV, true, {}, MCE_FATAL },
	{ "corrected", INTEL, RIPV, false, { { V, 0, 0 } }, MCE_GO_ON },
	{ "corrected, older CPU", INTEL_OLD, RIPV, false, { { V, 0, 0 } }, MCE_GO_ON },
	{ "corrected, several", INTEL, RIPV, true, { { V | OVER, 0, 0 }, { V, 0, 0 } }, MCE_GO_ON },
	{ "corrected, but cannot go on", INTEL, EIPV, false, { { V, 0, 0 } }, MCE_FATAL },
	{ "reporting was off", INTEL, RIPV, false, { { MC_STATUS_VAL | MC_STATUS_UC | MC_STATUS_PCC, 0, 0 } }, MCE_GO_ON },
	{ "UCNA", INTEL, RIPV, false, { { UC | ADDR, PAGE, PHYS } }, MCE_GO_ON },
	{ "UCNA with more lost", INTEL, RIPV, false, { { UC | OVER, 0, 0 } }, MCE_GO_ON },
	{ "SRAO", INTEL, RIPV, false, { { SRAO | ADDR | 0xc0, PAGE, PHYS } }, MCE_GO_ON },
	{ "SRAO of the page being read", INTEL, RIPV, true, { { SRAO | ADDR | 0xc0, PAGE, PHYS } }, MCE_GO_ON },
	{ "SRAO, cannot go on", INTEL, 0, false, { { SRAO, 0, 0 } }, MCE_FATAL },
	{ "SRAO, cannot go on, while reading", INTEL, EIPV, true, { { SRAO, 0, 0 } }, MCE_FATAL },
	{ "SRAR of the page being read", INTEL, BOTH, true, { { SRAR | 0x134, PAGE + 0xfc0, PHYS } }, MCE_PAGE_LOST },
	{ "SRAR, cannot go on there", INTEL, EIPV, true, { { SRAR | 0x134, PAGE, PHYS } }, MCE_PAGE_LOST },
	{ "SRAR, whole page", INTEL, BOTH, true, { { SRAR | 0x134, PAGE, PAGES(12) } }, MCE_PAGE_LOST },
	{ "SRAR, 2 MiB", INTEL, BOTH, true, { { SRAR, ALIGN_DOWN(PAGE, 1 << 21), PAGES(21) } }, MCE_PAGE_LOST },
	{ "SRAR of another page", INTEL, BOTH, true, { { SRAR | 0x134, PAGE + 0x1000, PHYS } }, MCE_FATAL },
	{ "SRAR, address not physical", INTEL, BOTH, true, { { SRAR | 0x134, PAGE + 0x1000, LINEAR } }, MCE_PAGE_LOST },
	{ "SRAR without an address", INTEL, BOTH, true, { { SRAR & ~ADDR, 0, 0 } }, MCE_PAGE_LOST },
	{ "SRAR outside a read", INTEL, BOTH, false, { { SRAR | 0x134, PAGE, PHYS } }, MCE_FATAL },
	{ "SRAR on another CPU", INTEL, RIPV, false, { { SRAR | 0x134, PAGE, PHYS } }, MCE_GO_ON },
	{ "SRAR on another CPU, while reading", INTEL, RIPV, true, { { SRAR | 0x134, PAGE, PHYS } }, MCE_GO_ON },
	{ "SRAR, neither RIPV nor EIPV", INTEL, 0, true, { { SRAR | 0x150, PAGE, PHYS } }, MCE_FATAL },
	{ "SRAR with more lost", INTEL, BOTH, true, { { SRAR | OVER, PAGE, PHYS } }, MCE_FATAL },
	{ "SRAR beside SRAO", INTEL, BOTH, true, { { SRAO, PAGE, 0 }, { SRAR, PAGE, PHYS } }, MCE_PAGE_LOST },
	{ "SRAR beside PCC", INTEL, BOTH, true, { { SRAR, PAGE, PHYS }, { PCC, 0, 0 } }, MCE_FATAL },
	{ "PCC", INTEL, RIPV, false, { { PCC, 0, 0 } }, MCE_FATAL },
	{ "PCC while reading", INTEL, BOTH, true, { { PCC, 0, 0 } }, MCE_FATAL },
	{ "UC, older CPU", INTEL_OLD, RIPV, false, { { UC, 0, 0 } }, MCE_FATAL },
	{ "UC, older CPU, reading", INTEL_OLD, RIPV, true, { { UC, 0, 0 } }, MCE_PAGE_LOST },
	{ "UC, older CPU, bits without meaning", INTEL_OLD, RIPV, true, { { SRAO, 0, 0 } }, MCE_PAGE_LOST },
	{ "UC, older CPU, more lost", INTEL_OLD, RIPV, true, { { UC | OVER, 0, 0 } }, MCE_FATAL },
	{ "AMD corrected", AMD, RIPV, false, { { MC_STATUS_VAL, 0, 0 } }, MCE_GO_ON },
	{ "AMD deferred", AMD, RIPV, false, { { MC_STATUS_VAL | MC_STATUS_DEFERRED, 0, 0 } }, MCE_GO_ON },
	{ "AMD deferred, UC too", AMD, RIPV, true, { { UC | MC_STATUS_DEFERRED, 0, 0 } }, MCE_GO_ON },
	{ "AMD UC outside a read", AMD, BOTH, false, { { UC, 0, 0 } }, MCE_FATAL },
	{ "AMD UC while reading", AMD, EIPV, true, { { UC | ADDR, PAGE + 0x5000, PHYS } }, MCE_PAGE_LOST },
	{ "AMD more lost", AMD, BOTH, true, { { UC | OVER, 0, 0 } }, MCE_PAGE_LOST },
	{ "AMD more lost, no overflow recovery", AMD_OLD, BOTH, true, { { UC | OVER, 0, 0 } }, MCE_FATAL },
	{ "AMD PCC, reporting off", AMD, BOTH, true, { { MC_STATUS_VAL | MC_STATUS_UC | MC_STATUS_PCC, 0, 0 } }, MCE_FATAL },
	{ "AMD bit 55 is another", AMD, RIPV, false, { { V | MC_STATUS_AR, 0, 0 } }, MCE_GO_ON },
};

static void verdicts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mce_event e = {
			.amd = cases[i].cpu == AMD || cases[i].cpu == AMD_OLD,
			.overflow_recov = cases[i].cpu == AMD,
			.cap = 10 | (cases[i].cpu == INTEL ? MCG_CAP_SER_P : 0),
			.status = cases[i].mcg | MCG_STATUS_MCIP,
			.reading = cases[i].reading,
			.pa = PAGE + 0x800,
		};
		enum mce_verdict worst = MCE_NONE;

		for (unsigned b = 0; b < 2; b++) {
			enum mce_verdict v = mce_judge(&e, &cases[i].banks[b]);

			worst = v > worst ? v : worst;
		}
		worst = mce_conclude(&e, worst);
		if (worst != cases[i].verdict)
			fail_msg("%s: %d, expected %d", cases[i].name, worst, cases[i].verdict);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(verdicts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
