// SPDX-License-Identifier: GPL-2.0-or-later
/* What an SError means */
/* needs: arch/arm64/ras.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "arch/arm64/ras.h"

#define EC_SERROR	(0x2fULL << 26 | 1u << 25)
#define ASYNC(aet)	(EC_SERROR | (aet) << 10 | DFSC_ASYNC)

static const struct {
	const char *name;
	uint64_t esr;
	bool ras;
	enum serror_verdict guarded, outside;
} cases[] = {
	{ "corrected", ASYNC(AET_CE), true, SERROR_GO_ON, SERROR_GO_ON },
	{ "restartable", ASYNC(AET_UEO), true, SERROR_GO_ON, SERROR_GO_ON },
	{ "recoverable", ASYNC(AET_UER), true, SERROR_GO_ON, SERROR_GO_ON },
	{ "unrecoverable", ASYNC(AET_UEU), true, SERROR_GO_ON, SERROR_FATAL },
	{ "uncontainable", ASYNC(AET_UC), true, SERROR_FATAL, SERROR_FATAL },
	{ "reserved", ASYNC(5), true, SERROR_FATAL, SERROR_FATAL },
	{ "uncategorized", EC_SERROR, true, SERROR_GO_ON, SERROR_GO_ON },
	{ "implementation's own", ASYNC(AET_UC) | ESR_SERROR_IDS, true, SERROR_GO_ON, SERROR_GO_ON },
	{ "no RAS", ASYNC(AET_UC), false, SERROR_GO_ON, SERROR_GO_ON },
};

static void verdicts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		if (serror_judge(cases[i].esr, cases[i].ras, true) != cases[i].guarded)
			fail_msg("%s, inside a read", cases[i].name);
		if (serror_judge(cases[i].esr, cases[i].ras, false) != cases[i].outside)
			fail_msg("%s, outside", cases[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(verdicts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
