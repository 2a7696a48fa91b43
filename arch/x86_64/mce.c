/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See mce.h. The stub has one thread and one thing that it does with memory which is not its own:
 * reading it, by routines that can be left at any instruction. So there are only three answers. An
 * error that has not reached us is noted; one that came with the bytes of such a read costs those
 * bytes; and with everything else nobody knows what we are going to write, and to where.
 *
 * A check that is broadcast (all but LMCE, SDM 3B §16.3.1.5) reaches the halted CPUs too. They still run
 * the dead kernel's handler with the dead kernel's tables: Linux looks whether it is crashing on another
 * CPU and then only clears MCG_STATUS (mce_check_crashing_cpu()), all others wait for each other and
 * time out. The banks that they share with us they leave alone. LMCE stays as the dead kernel set it.
 */
/* Called from exception_handle() */
#pragma GCC target("general-regs-only")

#include "arch/x86_64/mce.h"

/* Is the address of the error, if there is one, in the page that was being read? SDM 3B §16.3.2.4 */
static bool in_page_read(const struct mce_event *e, const struct mce_bank *b)
{
	uint64_t shift = max_u64(FIELD_GET(MC_MISC_LSB, b->misc), 12);

	if ((b->status & (MC_STATUS_ADDRV | MC_STATUS_MISCV)) != (MC_STATUS_ADDRV | MC_STATUS_MISCV) ||
	    FIELD_GET(MC_MISC_MODE, b->misc) != MC_MISC_PHYSICAL)
		return true;
	return b->addr >> shift == e->pa >> shift;
}

/*
 * AMD has no action-required bit: uncorrected and not deferred is used. Where a CPU of Intel without
 * recovery says UC without PCC, it is taken for that too. Lost errors (OVER) may have been of our own
 * data. Without EIPV, but with RIPV, the data was used on another CPU (SDM 3B §16.9.3.2, table 16-20).
 */
enum mce_verdict mce_judge(const struct mce_event *e, const struct mce_bank *b)
{
	bool ser = !e->amd && (e->cap & MCG_CAP_SER_P);
	uint64_t s = b->status;

	if (!(s & MC_STATUS_VAL))
		return MCE_NONE;
	if (!e->amd && !(s & MC_STATUS_EN))
		return MCE_GO_ON;
	if (s & MC_STATUS_PCC)
		return MCE_FATAL;
	if (!(s & MC_STATUS_UC) || (e->amd && (s & MC_STATUS_DEFERRED)) || (ser && !(s & MC_STATUS_AR)))
		return MCE_GO_ON;
	if ((s & MC_STATUS_OVER) && !(e->amd && e->overflow_recov))
		return MCE_FATAL;
	if (ser && (e->status & (MCG_STATUS_RIPV | MCG_STATUS_EIPV)) == MCG_STATUS_RIPV)
		return MCE_GO_ON;
	if (!e->reading || !(e->status & (MCG_STATUS_RIPV | MCG_STATUS_EIPV)))
		return MCE_FATAL;
	return ser && !in_page_read(e, b) ? MCE_FATAL : MCE_PAGE_LOST;
}

/*
 * A read that is given up does not go on at the interrupted instruction; everything else does, and
 * needs RIPV. No bank at all: the error is another package's.
 */
enum mce_verdict mce_conclude(const struct mce_event *e, enum mce_verdict worst)
{
	return worst == MCE_PAGE_LOST || (e->status & MCG_STATUS_RIPV) ? worst : MCE_FATAL;
}
