/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way out to a disk: a kdump-compressed dump in its final form.
 */
#ifndef STUB_DUMP_H
#define STUB_DUMP_H

#include "stub/dead/capture.h"
#include "stub/disk/target.h"

/*
 * Dictionary of lzo1x_1_11: 2^11 entries. Its header asks for 8 bytes each, for builds with
 * pointers in the dictionary; Debian's has 16-bit offsets, and 12 KiB are worth a test that watches
 * it (tests/unit/send/test_lzo.c).
 */
#define LZO_WORK_SIZE	(2048 * 2)

/*
 * Write the dump, dmesg, log and result to @t (opened by target_open) and leave its disk shut down.
 * Whatever goes wrong, what was stored up to then stays readable. Returns the stop code that the
 * label has, or why it has none of this capture.
 */
enum capstub_stop dump_to_target(struct capture *c, struct target *t);

/*
 * From an exception that left memory, and the stack of dump_to_target(), as they were: a dump that is under
 * way ends here, with the log and a label that say so. Two writes and a flush, of some seconds each;
 * a disk that does not take them keeps the label that says "interrupted".
 */
void dump_abort(enum capstub_stop stop);

#endif
