/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dead kernel's log, from the lockless ring buffer (5.10+) or the older log_buf. Pure.
 */
#ifndef STUB_DMESG_H
#define STUB_DMESG_H

#include "stub/format/vtop.h"

/*
 * Emit the log as `dmesg` prints it ("[    1.234567] text\n"), oldest first, in pieces of whole
 * lines where they fit; @text is @emit's only until it returns, and need not be NUL-terminated.
 * @skip_to_last: only the last that many records (0: the last 2^20, a log of 32 MiB has no more).
 * Returns number of records, what @emit returned if that was negative, or -errno when there is no
 * readable log (logged); what was emitted stays valid.
 */
int dmesg_emit(struct vtop *vt, const struct vmcoreinfo *vi, unsigned skip_to_last,
	       int (*emit)(void *ctx, const char *text, size_t len), void *ctx);

/*
 * Call @range for each piece of memory that the log lives in (virtual address and bytes), for those
 * who want to keep it. Nothing is called when there is no readable log.
 */
void dmesg_ranges(struct vtop *vt, const struct vmcoreinfo *vi,
		  void (*range)(void *ctx, uint64_t va, uint64_t len), void *ctx);

#endif
