// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * All lists here are rings that begin and end with their head. They are followed for a bounded number of
 * links: a damaged one may go on in a circle that does not hold the head.
 */
#include "tools/report/tasks.h"

#include <stdlib.h>
#include <string.h>

#include "tools/util.h"

#define TASKS_MAX	131072u

/* include/linux/sched.h: these have been so since 4.14 */
#define TASK_UNINTERRUPTIBLE	0x0002u
#define TASK_NOLOAD		0x0400u

struct layout {
	struct btf_member tasks, pid, tgid, state, comm, cpu, signal, thread_head, thread_node;
	bool has_cpu;
};

static bool find_layout(const struct btf *b, struct layout *l)
{
	/* include/linux/thread_info.h: part of the task since 5.16; before it was the task's own on x86_64 */
	l->has_cpu = btf_member(b, "task_struct", "thread_info.cpu", &l->cpu) ||
		     btf_member(b, "task_struct", "cpu", &l->cpu);
	return btf_member(b, "task_struct", "tasks", &l->tasks) && btf_member(b, "task_struct", "pid", &l->pid) &&
	       btf_member(b, "task_struct", "tgid", &l->tgid) && btf_member(b, "task_struct", "comm", &l->comm) &&
	       (btf_member(b, "task_struct", "__state", &l->state) || btf_member(b, "task_struct", "state", &l->state)) &&
	       btf_member(b, "task_struct", "signal", &l->signal) &&
	       btf_member(b, "task_struct", "thread_node", &l->thread_node) &&
	       btf_member(b, "signal_struct", "thread_head", &l->thread_head);
}

/*
 * x86_64: struct inactive_task_frame is on the stack where the task was switched from, and a return
 * address at its end. arm64: the registers are in the task.
 */
static bool find_stack(struct tasks *t, const struct dead *d)
{
	const struct btf *b = &d->btf;

	if (d->arm64)
		return btf_member(b, "task_struct", "thread.cpu_context.sp", &t->sp) &&
		       btf_member(b, "task_struct", "thread.cpu_context.fp", &t->fp) &&
		       btf_member(b, "task_struct", "thread.cpu_context.pc", &t->pc);
	return btf_member(b, "task_struct", "thread.sp", &t->sp) &&
	       btf_member(b, "inactive_task_frame", "bp", &t->fp) &&
	       btf_member(b, "inactive_task_frame", "ret_addr", &t->pc);
}

static bool read32(struct dead *d, uint64_t va, uint32_t *ret)
{
	return !vtop_read(d->vt, ret, va, sizeof(*ret));
}

static bool add(struct tasks *t, struct dead *d, const struct layout *l, uint64_t va)
{
	struct task task = { .va = va, .cpu = -1 };
	uint32_t cpu;

	if (t->nr >= TASKS_MAX || !read32(d, va + l->pid.offset, &task.pid) || !read32(d, va + l->tgid.offset, &task.tgid) ||
	    !read32(d, va + l->state.offset, &task.state) ||
	    vtop_read(d->vt, task.comm, va + l->comm.offset, COMM_LEN - 1)) {
		t->cut = true;
		return false;
	}
	if (l->has_cpu && read32(d, va + l->cpu.offset, &cpu) && cpu <= INT16_MAX)
		task.cpu = (int)cpu;
	if (t->nr == t->room) {
		t->room = t->room ? t->room * 2 : 256;
		t->v = must_grow(t->v, t->room, sizeof(*t->v));
	}
	t->v[t->nr++] = task;
	return true;
}

/* The threads of @leader, which is one itself */
static bool add_threads(struct tasks *t, struct dead *d, const struct layout *l, uint64_t leader)
{
	uint64_t signal, node, head;

	if (!add(t, d, l, leader))
		return false;
	if (dead_read64(d, leader + l->signal.offset, &signal) ||
	    dead_read64(d, head = signal + l->thread_head.offset, &node))
		return true;
	while (node != head) {
		uint64_t task = node - l->thread_node.offset;

		if (task != leader && !add(t, d, l, task))
			return false;
		if (dead_read64(d, node, &node))
			return true;
		if (t->nr >= TASKS_MAX || (task == leader && node == task + l->thread_node.offset))
			break;
	}
	return true;
}

void tasks_collect(struct tasks *t, struct dead *d)
{
	uint64_t init = dead_symbol(d, "init_task"), node, head;
	struct layout l;

	*t = (struct tasks){ 0 };
	if (!init || !find_layout(&d->btf, &l) || dead_read64(d, head = init + l.tasks.offset, &node))
		return;
	t->has_stack = find_stack(t, d);
	while (node != head) {
		if (!add_threads(t, d, &l, node - l.tasks.offset))
			return;
		if (dead_read64(d, node, &node)) {
			t->cut = true;
			return;
		}
	}
}

void tasks_free(struct tasks *t)
{
	free(t->v);
}

const struct task *tasks_find(const struct tasks *t, uint32_t pid)
{
	for (unsigned i = 0; i < t->nr; i++)
		if (t->v[i].pid == pid)
			return &t->v[i];
	return NULL;
}

bool task_blocked(const struct task *t)
{
	return t->state & TASK_UNINTERRUPTIBLE && !(t->state & TASK_NOLOAD);
}

unsigned task_unwind(struct dead *d, const struct tasks *all, const struct task *t, struct frame *frames,
		     unsigned max)
{
	struct registers r = { 0 };
	uint64_t at = t->va;

	if (!all->has_stack || dead_read64(d, at + all->sp.offset, &r.sp))
		return 0;
	if (!d->arm64)
		at = r.sp;
	if (dead_read64(d, at + all->fp.offset, &r.fp) || dead_read64(d, at + all->pc.offset, &r.pc))
		return 0;
	if (!d->arm64)
		r.sp += all->pc.offset + 8;
	return unwind(d, &r, frames, max);
}
