/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The capture: what is known of the dead kernel, and the dump of it to a target.
 */
#ifndef STUB_DUMP_H
#define STUB_DUMP_H

#include "stub/cmdline.h"
#include "stub/target.h"
#include "stub/vmcoreinfo.h"
#include "stub/vtop.h"

/*
 * Dictionary of lzo1x_1_11: 2^11 entries. Its header asks for 8 bytes each, for builds with
 * pointers in the dictionary; Debian's has 16-bit offsets, and 12 KiB are worth a test that watches
 * it (tests/unit/test_lzo.c).
 */
#define LZO_WORK_SIZE	(2048 * 2)

struct capture {
	const struct boot_info *bi;
	const struct cmdline *cl;
	struct vmcore vc;
	struct vmcoreinfo vi;		/* len 0: the dead kernel left none */
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
 * Fill @c from the elfcorehdr. STOP_OK, or why there is nothing to dump, logged. @bi and @cl are
 * referred to, not copied. Only reads memory.
 */
enum capstub_stop capture_init(struct capture *c, const struct boot_info *bi,
			       const struct cmdline *cl);

/*
 * Write the dump, dmesg, log and result to @t (opened by target_open) and leave its disk shut down.
 * Whatever goes wrong, what was stored up to then stays readable. Returns the stop code that the
 * label has, or why it has none of this capture.
 */
enum capstub_stop dump_to_target(struct capture *c, struct target *t);

/* One sentence and the short name for a stop code, from include/capstub/stopcode.h */
const char *stop_name(enum capstub_stop code);
const char *stop_text(enum capstub_stop code);

#endif
