// SPDX-License-Identifier: GPL-2.0-or-later
/* The story for scripts. The keys are listed in docs/capstub.8 and stay as they are. */
#include <inttypes.h>
#include <string.h>

#include "tools/report/story.h"
#include "tools/util.h"

static void text(struct json *j, const char *key, const char *value)
{
	if (value && value[0])
		json_str(j, key, value);
	else
		json_null(j, key);
}

/* Addresses do not fit into the numbers that most readers of JSON have */
static void address(struct json *j, const char *key, uint64_t value)
{
	char hex[24];

	snprintf(hex, sizeof(hex), "%#" PRIx64, value);
	json_str(j, key, hex);
}

static void trace(struct json *j, const struct story *s, const struct frame *frames, unsigned nr)
{
	json_open(j, "trace", '[');
	for (unsigned i = 0; i < nr; i++) {
		struct place p;
		bool known = story_place(s, &frames[i], &p);

		json_open(j, NULL, '{');
		address(j, "address", frames[i].pc);
		text(j, "function", known ? p.name : NULL);
		if (known)
			json_u64(j, "offset", p.offset);
		text(j, "module", known ? p.module : NULL);
		json_bool(j, "guess", frames[i].guess);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void cpu(struct json *j, const struct story *s, const struct cpu *c)
{
	json_open(j, NULL, '{');
	json_u64(j, "cpu", c->nr);
	json_bool(j, "panicked", c->panicked);
	json_u64(j, "pid", c->pid);
	text(j, "comm", c->comm);
	json_bool(j, "user", c->user);
	trace(j, s, c->frames, c->nr_frames);
	json_open(j, "registers", '{');
	for (unsigned i = 0; i < c->regs.nr; i++)
		address(j, register_name(s->dead.arm64, i), c->regs.r[i]);
	json_close(j, '}');
	json_close(j, '}');
}

static void blocked(struct json *j, const struct story *s)
{
	json_open(j, "blocked", '[');
	for (unsigned i = 0; i < s->nr_blocked; i++) {
		const struct blocked *b = &s->blocked[i];

		json_open(j, NULL, '{');
		json_u64(j, "pid", b->task->pid);
		text(j, "comm", b->task->comm);
		trace(j, s, b->frames, b->nr_frames);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void modules(struct json *j, const struct story *s)
{
	json_open(j, "modules", '[');
	for (unsigned i = 0; i < s->nr_modules; i++) {
		json_open(j, NULL, '{');
		text(j, "name", s->modules[i].name);
		address(j, "base", s->modules[i].base);
		json_u64(j, "size", s->modules[i].size);
		text(j, "taint", s->modules[i].taints);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void memory(struct json *j, const struct capstub_label *l)
{
	if (!l || !l->pages_total) {
		json_null(j, "pages_by_class");
		return;
	}
	json_open(j, "pages_by_class", '{');
	for (unsigned i = 0; i < CAPSTUB_NR_CLASSES; i++)
		json_u64(j, story_class(i), l->pages_by_class[i]);
	json_close(j, '}');
	json_u64(j, "page_size", l->page_size);
}

static void tail(struct json *j, const struct story *s)
{
	const char *line = last_lines(s->dmesg, s->dmesg_len, STORY_TAIL), *end = s->dmesg + s->dmesg_len, *nl;

	json_open(j, "dmesg_tail", '[');
	for (; line < end; line = nl + 1) {
		nl = memchr(line, '\n', (size_t)(end - line));
		if (!nl)
			nl = end;
		json_text(j, NULL, line, (size_t)(nl - line));
	}
	json_close(j, ']');
}

void story_json(const struct story *s, FILE *f, const char *path)
{
	struct json j = { .f = f };

	json_open(&j, NULL, '{');
	json_str(&j, "path", path);
	if (s->reason)
		json_text(&j, "reason", s->reason, s->reason_len);
	else
		json_null(&j, "reason");
	text(&j, "host", s->nodename);
	text(&j, "release", s->release);
	text(&j, "version", s->version);
	text(&j, "machine", s->machine);
	json_i64(&j, "crash_time", s->crash_time);
	json_u64(&j, "uptime_us", s->uptime_us);
	if (s->taint_known)
		json_str(&j, "taint", s->taint);
	else
		json_null(&j, "taint");
	json_i64(&j, "panic_cpu", s->panic_cpu);
	json_u64(&j, "tasks", s->tasks.nr);
	json_open(&j, "cpus", '[');
	for (unsigned i = 0; i < s->nr_cpus; i++)
		cpu(&j, s, &s->cpus[i]);
	json_close(&j, ']');
	json_u64(&j, "tasks_blocked", s->all_blocked);
	blocked(&j, s);
	modules(&j, s);
	memory(&j, s->label);
	tail(&j, s);
	json_close(&j, '}');
}
