/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tasks of a dead kernel, by its own description of struct task_struct. */
#ifndef TOOLS_REPORT_TASKS_H
#define TOOLS_REPORT_TASKS_H

#include "tools/report/btf.h"
#include "tools/report/unwind.h"

#define COMM_LEN	17u

struct task {
	uint64_t va;
	uint32_t pid, tgid;
	uint32_t state;
	int cpu;			/* -1: not known */
	char comm[COMM_LEN];
};

struct tasks {
	struct task *v;
	unsigned nr, room;
	bool cut;			/* the list is damaged, or too long: there are more */
	bool has_stack;			/* then in a task, and on x86_64 fp and pc on its stack: */
	struct btf_member sp, fp, pc;
};

/* Nothing where there are no types, or no list */
void tasks_collect(struct tasks *t, struct dead *d);
void tasks_free(struct tasks *t);

const struct task *tasks_find(const struct tasks *t, uint32_t pid);

/* Does it wait for something that nothing but that ends ("D")? */
bool task_blocked(const struct task *t);

/* Where a task that does not run waits. The number of frames. */
unsigned task_unwind(struct dead *d, const struct tasks *all, const struct task *t, struct frame *frames,
		     unsigned max);

#endif
