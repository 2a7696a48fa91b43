/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a machine check means for the stub. Pure, so that the rules can be tested without one: Intel
 * SDM 3B chapter 16 (machine-check architecture), AMD APM 2 chapter 9.
 */
#ifndef ARCH_X86_MCE_H
#define ARCH_X86_MCE_H

#include "stub/bits.h"

#define MCG_CAP_COUNT		GENMASK(7, 0)
#define MCG_CAP_SER_P		BIT(24)	/* MC_STATUS_S and MC_STATUS_AR mean something */

#define MCG_STATUS_RIPV		BIT(0)	/* the interrupted program can go on where it was */
#define MCG_STATUS_EIPV		BIT(1)	/* the error has to do with the instruction that was interrupted */
#define MCG_STATUS_MCIP		BIT(2)	/* another one now shuts the CPU down */

/* IA32_MCi_STATUS, SDM 3B §16.3.2.2; the same places in AMD's MCA_STATUS but where it says so */
#define MC_STATUS_VAL		BIT(63)
#define MC_STATUS_OVER		BIT(62)	/* at least one more was lost */
#define MC_STATUS_UC		BIT(61)
#define MC_STATUS_EN		BIT(60)
#define MC_STATUS_MISCV		BIT(59)
#define MC_STATUS_ADDRV		BIT(58)
#define MC_STATUS_PCC		BIT(57)	/* processor context corrupt */
#define MC_STATUS_S		BIT(56)	/* Intel: signalled as an exception */
#define MC_STATUS_AR		BIT(55)	/* Intel: action required: somebody used the data */
#define MC_STATUS_DEFERRED	BIT(44)	/* AMD: nobody has used the data */

#define MC_MISC_LSB		GENMASK(5, 0)	/* lowest bit of the address that counts */
#define MC_MISC_MODE		GENMASK(8, 6)
#define MC_MISC_PHYSICAL	2

struct mce_bank {
	uint64_t status, addr, misc;
};

/* The exception as a whole */
struct mce_event {
	bool amd;		/* AMD and Hygon */
	bool overflow_recov;	/* AMD: CPUID 0x80000007 EBX bit 0 */
	uint64_t cap, status;	/* IA32_MCG_CAP, IA32_MCG_STATUS */
	/* It came in the middle of a read of old memory that can be given up, from this address on */
	bool reading;
	phys_addr_t pa;
};

/* The worst last */
enum mce_verdict {
	MCE_NONE,	/* the bank is empty */
	MCE_GO_ON,	/* corrected, or of data that we have not used */
	MCE_PAGE_LOST,	/* the read is given up, nothing else has suffered */
	MCE_FATAL,
};

/* What the bank says of it */
enum mce_verdict mce_judge(const struct mce_event *e, const struct mce_bank *b);

/* What all of them say: @worst is the worst of mce_judge() */
enum mce_verdict mce_conclude(const struct mce_event *e, enum mce_verdict worst);

#endif
