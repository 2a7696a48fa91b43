/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of the dead kernel, gathered once before anything is written.
 */
#ifndef STUB_CAPTURE_H
#define STUB_CAPTURE_H

#include "capstub/serial.h"
#include "capstub/stopcode.h"
#include "stub/boot/boot_info.h"
#include "stub/boot/cmdline.h"
#include "stub/dead/pages.h"
#include "stub/format/vmcoreinfo.h"
#include "stub/dead/vtop.h"

struct capture {
	const struct boot_info *bi;
	const struct cmdline *cl;
	struct vmcore vc;
	struct vmcoreinfo *vi;		/* len 0: the dead kernel left none */
	struct vtop vt;
	int64_t crash_time;		/* seconds since 1970; 0: unknown */
	char release[65];
	/* struct new_utsname of the dead kernel, or what could be found of it */
	struct {
		char sysname[65], nodename[65], release[65], version[65], machine[65],
			domainname[65];
	} uts;
};

/*
 * Find the elfcorehdr, and open the arena (stub/mem.h) with all that it leaves. STOP_OK, or why there is
 * nothing to dump, logged. @bi and @cl are referred to, not copied.
 */
enum capstub_stop capture_open(struct capture *c, const struct boot_info *bi,
			       const struct cmdline *cl);

/* Then fill @c from it. STOP_OK, or why there is nothing to dump, logged. Only reads old memory. */
enum capstub_stop capture_init(struct capture *c);

/*
 * What a dump of @level says of itself: in its headers (stub/format/kdump.h), and over a line, which adds
 * what only lines have.
 */
void capture_meta(const struct capture *c, unsigned level, struct serial_meta *ret);

/*
 * Bytes of RAM, at least, that are known to exist and are not among c->vc's ranges; 0: none. After
 * pages_init(). What the table of ranges could not take may be just what the kernel's own sections have
 * more, hence the larger of the two. Of headers that are cut off, or
 * that do not name where a note is, nobody knows more than that something is missing.
 */
static inline uint64_t ram_missing(const struct capture *c)
{
	uint64_t bytes = max_u64(c->vc.dropped_bytes, pages_unlisted());

	return bytes || !c->vc.cut ? bytes : c->vc.page_size;
}

#endif
