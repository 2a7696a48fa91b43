// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See ras.h. SErrors are taken around reads of old memory only, so what comes inside one is most likely the
 * read's: it is given up, and that is enough unless the error may have gone anywhere (UC). What comes
 * before it belongs to a device, to the dead kernel, or to something that the stub did meanwhile.
 *
 * A CPU without the extension, and a syndrome of the implementation's own, say nothing of how far it
 * went. Many such machines answer a hole in the address space like that, so it is no reason to end a
 * dump.
 */
#pragma GCC target("general-regs-only")

#include "arch/arm64/ras.h"

enum serror_verdict serror_judge(uint64_t esr, bool ras, bool guarded)
{
	if (!ras || (esr & ESR_SERROR_IDS) || FIELD_GET(ESR_SERROR_DFSC, esr) != DFSC_ASYNC)
		return SERROR_GO_ON;
	switch (FIELD_GET(ESR_SERROR_AET, esr)) {
	case AET_UEO:
	case AET_UER:
	case AET_CE:
		return SERROR_GO_ON;
	case AET_UEU:
		return guarded ? SERROR_GO_ON : SERROR_FATAL;
	default:
		return SERROR_FATAL;
	}
}
