// SPDX-License-Identifier: GPL-2.0-or-later
/* The story for people. All words of the dead kernel go through print_text(). */
#include <inttypes.h>
#include <string.h>

#include "tools/report/story.h"
#include "tools/report/why.h"
#include "tools/util.h"

static void words(FILE *f, const char *text)
{
	print_text(f, text, strlen(text));
}

static void row(FILE *f, const char *name, const char *text)
{
	if (!text[0])
		return;
	fprintf(f, "%-11s ", name);
	words(f, text);
	fputc('\n', f);
}

static void print_frames(const struct story *s, FILE *f, const struct frame *frames, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		struct place p;

		fprintf(f, " #%-2u [%016" PRIx64 "] ", i, frames[i].pc);
		if (story_place(s, &frames[i], &p)) {
			words(f, p.name);
			fprintf(f, "+%#" PRIx64, p.offset);
			if (p.module) {
				fputs(" [", f);
				words(f, p.module);
				fputc(']', f);
			}
		}
		fputs(frames[i].guess ? " ?\n" : "\n", f);
	}
	if (!nr)
		fputs("     no trace\n", f);
}

static void print_registers(const struct story *s, FILE *f, const struct registers *r)
{
	for (unsigned i = 0; i < r->nr; i++)
		fprintf(f, "%8s %016" PRIx64 "%s", register_name(s->dead.arm64, i), r->r[i],
			i % 3 == 2 || i + 1 == r->nr ? "\n" : "");
}

static void print_task(FILE *f, const char *comm, uint32_t pid)
{
	fprintf(f, "pid %u", pid);
	if (comm[0]) {
		fputs(" (", f);
		words(f, comm);
		fputc(')', f);
	}
}

static void print_cpu(const struct story *s, FILE *f, const struct cpu *c)
{
	fprintf(f, "\n%s %u, ", c->panicked ? "The CPU that panicked, CPU" : "CPU", c->nr);
	print_task(f, c->comm, c->pid);
	if (c->user)
		fputs(", in user space", f);
	fputs(":\n", f);
	if (!c->user)
		print_frames(s, f, c->frames, c->nr_frames);
	print_registers(s, f, &c->regs);
}

static void print_taint(const struct story *s, FILE *f)
{
	const char *between = "";

	if (!s->taint_known)
		return;
	fprintf(f, "%-11s ", "Taint:");
	words(f, s->taint[0] ? s->taint : "none");
	for (const char *p = s->taint; *p; p++)
		if (taint_text(*p)) {
			fprintf(f, "%s%s", *between ? between : ": ", taint_text(*p));
			between = ", ";
		}
	fputc('\n', f);
}

static void print_head(const struct story *s, FILE *f)
{
	if (s->reason) {
		fprintf(f, "%-11s ", "Reason:");
		print_text(f, s->reason, s->reason_len);
		fputc('\n', f);
	}
	row(f, "Host:", s->nodename);
	row(f, "Kernel:", s->release);
	row(f, "", s->version);
	row(f, "Machine:", s->machine);
	if (s->crash_time)
		row(f, "Crashed:", human_time(s->crash_time));
	if (s->uptime_us)
		fprintf(f, "%-11s %" PRIu64 " d %02u:%02u:%02u\n", "Uptime:", s->uptime_us / 86400000000,
			(unsigned)(s->uptime_us / 3600000000 % 24), (unsigned)(s->uptime_us / 60000000 % 60),
			(unsigned)(s->uptime_us / 1000000 % 60));
	print_taint(s, f);
	if (s->panic_cpu >= 0) {
		fprintf(f, "%-11s ", "Task:");
		if (s->nr_cpus && s->cpus[0].panicked)
			print_task(f, s->cpus[0].comm, s->cpus[0].pid);
		else
			print_task(f, s->panic_comm, s->panic_pid);
		fprintf(f, " on CPU %d\n", s->panic_cpu);
	}
	if (s->tasks.nr)
		fprintf(f, "%-11s %u%s, %u blocked\n", "Tasks:", s->tasks.nr, s->tasks.cut ? " and more" : "",
			s->all_blocked);
}

static void print_classes(const struct story *s, FILE *f)
{
	const struct capstub_label *l = s->label;

	if (!l || !l->pages_total)
		return;
	fprintf(f, "\nMemory: %" PRIu64 " pages (%s)\n", l->pages_total, human_bytes(l->pages_total * l->page_size));
	for (unsigned i = 0; i < CAPSTUB_NR_CLASSES; i++)
		if (l->pages_by_class[i])
			fprintf(f, "  %-14s %12" PRIu64 "  %10s\n", story_class(i), l->pages_by_class[i],
				human_bytes(l->pages_by_class[i] * l->page_size));
}

static void print_modules(const struct story *s, FILE *f)
{
	if (s->nr_modules)
		fputs("\nModules:", f);
	for (unsigned i = 0; i < s->nr_modules; i++) {
		fputc(' ', f);
		words(f, s->modules[i].name);
		if (s->modules[i].taints[0])
			fprintf(f, "(%s)", s->modules[i].taints);
	}
	if (s->nr_modules)
		fputc('\n', f);
}

static void print_blocked(const struct story *s, FILE *f)
{
	for (unsigned i = 0; i < s->nr_blocked; i++) {
		const struct blocked *b = &s->blocked[i];

		fputs("\nBlocked, ", f);
		print_task(f, b->task->comm, b->task->pid);
		fputs(":\n", f);
		print_frames(s, f, b->frames, b->nr_frames);
	}
	if (s->nr_blocked < s->all_blocked)
		fprintf(f, "\n%u more are blocked\n", s->all_blocked - s->nr_blocked);
}

void story_text(const struct story *s, FILE *f)
{
	const char *tail = last_lines(s->dmesg, s->dmesg_len, STORY_TAIL);

	print_head(s, f);
	for (unsigned i = 0; i < s->nr_cpus; i++)
		print_cpu(s, f, &s->cpus[i]);
	print_blocked(s, f);
	print_modules(s, f);
	print_classes(s, f);
	if (s->dmesg_len) {
		fputs("\nLast lines of its log:\n", f);
		print_text(f, tail, (size_t)(s->dmesg + s->dmesg_len - tail));
		if (s->dmesg[s->dmesg_len - 1] != '\n')
			fputc('\n', f);
	}
}
