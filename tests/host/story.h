/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The made-up machine of machine.h with a kernel that tells of itself: symbols, types, unwind tables, tasks,
 * a module, and two CPUs with stacks, of which CPU 1 panicked.
 */
#ifndef HOST_STORY_H
#define HOST_STORY_H

#include "tests/host/machine.h"
#include "tools/report/story.h"

/* Physical */
#define STORY_CODE	MIB(16)
#define STORY_SYMBOLS	(MIB(16) + 0x100000)
#define STORY_BTF	MIB(24)
#define STORY_ORC_IP	(MIB(24) + 0x10000)
#define STORY_ORC	(MIB(24) + 0x20000)
#define STORY_DATA	(MIB(24) + 0x30000)
#define STORY_TASKS	(MIB(24) + 0x40000)	/* one each 4 KiB: init_task, init, blocked, its thread, sh */
#define STORY_STACKS	(MIB(24) + 0x50000)	/* one each 16 KiB */
#define STORY_MODULE	(MIB(24) + 0x80000)	/* struct module, then its code at 0x1000, tables at 0x2000 */
#define STORY_END	(MIB(24) + 0x90000)

#define STORY_NR_ORC	1200u			/* entries; those behind the functions are never asked for */

/* Virtual address in the image's mapping */
static inline uint64_t story_va(uint64_t pa)
{
	return pa - 0x400000 + 0xffffffff80000000ULL;
}

extern uint8_t story_notes[4096];
extern size_t story_notes_len;

/* Build it. @new_orc: with the types of 6.4. @all: kallsyms has variables too, else code alone. */
void story_build(bool new_orc, bool all);

/* A word of physical memory */
void story_put64(uint64_t pa, uint64_t v);

void story_vtop(struct vtop *vt);
struct story_sources story_sources(struct vtop *vt);

#endif
