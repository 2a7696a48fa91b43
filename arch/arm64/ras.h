/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an SError means for the stub. Pure. Arm ARM DDI 0487, "ESR_EL1, ISS encoding for an SError
 * interrupt", and the RAS extension, DDI 0587.
 */
#ifndef ARCH_ARM64_RAS_H
#define ARCH_ARM64_RAS_H

#include "stub/bits.h"

#define ESR_SERROR_IDS	BIT(24)		/* the rest is the implementation's own */
#define ESR_SERROR_AET	GENMASK(12, 10)
#define ESR_SERROR_DFSC	GENMASK(5, 0)
#define DFSC_ASYNC	0x11		/* only then does AET say something */
#define AET_UC		0		/* uncontainable */
#define AET_UEU		1		/* the program cannot go on */
#define AET_UEO		2		/* restartable: the program can go on */
#define AET_UER		3		/* recoverable: it can, once what is broken is taken away */
#define AET_CE		6		/* corrected */

#define ID_AA64PFR0_RAS	GENMASK(31, 28)

/* ERR<n>STATUS */
#define ERR_STATUS_AV	BIT(31)		/* ERR<n>ADDR is valid */
#define ERR_STATUS_V	BIT(30)

enum serror_verdict {
	SERROR_GO_ON,
	SERROR_FATAL,
};

/*
 * @ras: the CPU has the extension. @guarded: it was taken inside a read of old memory, which fails for
 * it, whatever it was.
 */
enum serror_verdict serror_judge(uint64_t esr, bool ras, bool guarded);

#endif
