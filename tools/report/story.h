/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a person wants to know first of a machine that died, put together from its memory, the registers
 * of its CPUs and its log. What cannot be found is left out, and the rest is told.
 */
#ifndef TOOLS_REPORT_STORY_H
#define TOOLS_REPORT_STORY_H

#include <stdio.h>

#include "capstub/label.h"
#include "tools/report/modules.h"
#include "tools/report/tasks.h"
#include "tools/report/unwind.h"

#define UTS_LEN	65u

struct cpu {
	unsigned nr;
	uint32_t pid;			/* of the task that it ran; 0: idle */
	char comm[COMM_LEN];		/* "": not known */
	bool panicked;
	bool user;			/* it ran in user space */
	struct registers regs;
	struct frame frames[FRAMES_MAX];
	unsigned nr_frames;
};

struct blocked {
	const struct task *task;
	struct frame frames[FRAMES_MAX];
	unsigned nr_frames;
};

#define BLOCKED_MAX	64u

struct story {
	struct dead dead;
	char nodename[UTS_LEN], release[UTS_LEN], version[UTS_LEN], machine[UTS_LEN];	/* "": not known */
	int64_t crash_time;		/* 0: not known */
	uint64_t uptime_us;		/* 0: not known */
	const char *reason;		/* in dmesg; NULL: not known */
	size_t reason_len;
	char taint[64];			/* "": not tainted, or not known */
	bool taint_known;
	int panic_cpu;			/* -1: not known */
	uint32_t panic_pid;
	char panic_comm[COMM_LEN];
	struct cpu *cpus;		/* that left their registers; the one that panicked first */
	unsigned nr_cpus;
	struct tasks tasks;
	struct blocked *blocked;	/* at most BLOCKED_MAX */
	unsigned nr_blocked, all_blocked;
	struct module *modules;
	unsigned nr_modules;
	const char *dmesg;
	size_t dmesg_len, dmesg_room;	/* room: of what was read from memory */
	const struct capstub_label *label;	/* of a target, with the pages by class; NULL: none */
};

/* What @s is made of must live as long. @notes: those of the CPUs. */
struct story_sources {
	struct vtop *vt;
	const struct vmcoreinfo *info;
	bool arm64;
	const uint8_t *notes;
	size_t notes_len;
	const char *dmesg;		/* where there is none it is read from memory */
	size_t dmesg_len;
	const struct capstub_label *label;
};

void story_collect(struct story *s, const struct story_sources *from);
void story_free(struct story *s);

/* What @f is called. False: it is in no code that is known. */
struct place {
	const char *name;
	uint64_t offset;
	const char *module;		/* NULL: the kernel itself */
};

bool story_place(const struct story *s, const struct frame *f, struct place *ret);

/* What each letter of a taint means; NULL: not known */
const char *taint_text(char letter);
const char *story_class(unsigned class);	/* of label->pages_by_class */

#define STORY_TAIL	20u		/* lines of the log at the end */

/* The story to a file. Errors of @f are left for the caller to ask for. */
void story_text(const struct story *s, FILE *f);
void story_json(const struct story *s, FILE *f, const char *path);
void story_html(const struct story *s, FILE *f);

#endif
