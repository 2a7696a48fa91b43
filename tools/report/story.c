// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/report/story.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stub/dead/dmesg.h"
#include "stub/format/note.h"
#include "tools/report/symbols.h"
#include "tools/report/why.h"
#include "tools/util.h"

#define CPUS_MAX	8192u
#define DMESG_MAX	MIB(64)

/*---------------------------------------------------------------- what the kernel says of itself */

/* struct new_utsname begins with "Linux", within the first words of struct uts_namespace */
static void find_uts(struct story *s)
{
	char uts[64 + UTS_LEN * 6] = "";
	uint64_t va;
	unsigned at = 0;

	if (vmcoreinfo_symbol(s->dead.info, "init_uts_ns", &va))
		return;
	dead_read(&s->dead, uts, va, sizeof(uts));
	while (at < 64 && memcmp(uts + at, "Linux", 6))
		at++;
	if (at == 64)
		return;
	for (unsigned i = 1; i < 5; i++) {
		char *to[] = { NULL, s->nodename, s->release, s->version, s->machine };

		memcpy(to[i], uts + at + i * UTS_LEN, UTS_LEN - 1);
	}
}

static void find_crash_time(struct story *s)
{
	char text[24];

	if (!vmcoreinfo_string(s->dead.info, "CRASHTIME", text, sizeof(text)))
		s->crash_time = strtoll(text, NULL, 10);
	if (!s->release[0])
		vmcoreinfo_string(s->dead.info, "OSRELEASE", s->release, sizeof(s->release));
}

/*---------------------------------------------------------------- what its log says */

/* "[   12.345678]" in microseconds; 0: no such thing */
static uint64_t stamp(const char *line, const char *end)
{
	char text[32];
	unsigned long sec, usec;
	size_t len = min_u64((size_t)(end - line), sizeof(text) - 1);

	memcpy(text, line, len);
	text[len] = 0;
	return sscanf(text, "[%lu.%6lu", &sec, &usec) == 2 && sec < UINT32_MAX ? sec * 1000000 + usec : 0;
}

/* The characters of @line behind @word up to one of @ends; "" if it is not there. False: it is not. */
static bool word_behind(const char *line, const char *word, const char *const *ends, char *ret, size_t size)
{
	const char *from = strstr(line, word);
	size_t len;

	if (!from)
		return false;
	from += strlen(word);
	len = strlen(from);
	for (; *ends; ends++) {
		const char *end = strstr(from, *ends);

		if (end)
			len = min_u64(len, (size_t)(end - from));
	}
	len = min_u64(len, size - 1);
	memcpy(ret, from, len);
	while (len && ret[len - 1] == ' ')
		len--;
	ret[len] = 0;
	return true;
}

/* "CPU: 1 UID: 0 PID: 345 Comm: sh Kdump: loaded Tainted: G        W          6.12.1 #1" */
static void read_cpu_line(struct story *s, const char *text, size_t text_len)
{
	static const char *const comm_ends[] = { " Kdump:", " Not tainted", " Tainted:", NULL };
	const char *taint_ends[] = { s->release[0] ? s->release : "#", NULL };
	const char *cpu, *pid;
	char line[256];
	size_t len = min_u64(text_len, sizeof(line) - 1);

	memcpy(line, text, len);
	line[len] = 0;
	cpu = strstr(line, "CPU: ");
	pid = strstr(line, "PID: ");
	if (cpu && s->panic_cpu < 0)
		s->panic_cpu = (int)min_u64(strtoul(cpu + 5, NULL, 10), CPUS_MAX - 1);
	if (pid)
		s->panic_pid = (uint32_t)strtoul(pid + 5, NULL, 10);
	word_behind(line, "Comm: ", comm_ends, s->panic_comm, sizeof(s->panic_comm));
	s->taint_known = word_behind(line, " Tainted: ", taint_ends, s->taint, sizeof(s->taint)) ||
			 strstr(line, "Not tainted");
}

static int add_text(void *ctx, const char *text, size_t len)
{
	struct story *s = ctx;
	char *buf = (char *)s->dmesg;

	if (len > DMESG_MAX - s->dmesg_len)
		return -E2BIG;
	while (s->dmesg_room - s->dmesg_len < len) {
		s->dmesg_room = s->dmesg_room ? s->dmesg_room * 2 : 65536;
		s->dmesg = buf = must_grow(buf, s->dmesg_room, 1);
	}
	memcpy(buf + s->dmesg_len, text, len);
	s->dmesg_len += len;
	return 0;
}

static void read_log(struct story *s)
{
	struct why w;

	if (!s->dmesg_len) {
		s->dmesg = NULL;
		dmesg_emit(s->dead.vt, s->dead.info, 0, add_text, s);
	}
	s->reason = why_reason(s->dmesg, s->dmesg_len, &s->reason_len);
	why_start(&w, s->dmesg, s->dmesg_len);
	while (why_next(&w)) {
		uint64_t at = stamp(w.line, w.end);

		if (at && (!w.found || w.nr <= w.report.reason))
			s->uptime_us = at;
		if (w.found && w.nr == w.report.cpu)
			read_cpu_line(s, w.line, (size_t)(w.end - w.line));
	}
}

/*---------------------------------------------------------------- CPUs */

/*
 * Notes come in the order of the CPUs, but those without registers were left out when the dump was made:
 * the kernel's own buffers, *notes of each CPU's area, tell which. Where they cannot be found, CPUs are
 * numbered through.
 */
static unsigned next_cpu(struct story *s, unsigned cpu, uint64_t *notes, uint64_t offsets)
{
	uint64_t offset;
	uint32_t used;

	for (unsigned i = cpu; *notes && offsets && i < CPUS_MAX; i++) {
		if (dead_read64(&s->dead, offsets + i * 8ULL, &offset) ||
		    vtop_read(s->dead.vt, &used, *notes + offset, sizeof(used)))
			break;
		if (used)
			return i;
	}
	*notes = 0;
	return cpu;
}

static void add_cpu(struct story *s, unsigned nr, const uint8_t *prstatus, size_t len)
{
	struct cpu *c;
	const struct task *t;

	s->cpus = must_grow(s->cpus, s->nr_cpus + 1, sizeof(*s->cpus));
	c = &s->cpus[s->nr_cpus];
	*c = (struct cpu){ .nr = nr };
	if (!registers_of_note(&c->regs, s->dead.arm64, prstatus, len))
		return;
	s->nr_cpus++;
	memcpy(&c->pid, prstatus + 32, sizeof(c->pid));		/* pr_pid */
	c->panicked = s->panic_cpu == (int)nr;
	t = tasks_find(&s->tasks, c->pid);
	if (!c->pid)
		snprintf(c->comm, sizeof(c->comm), "swapper/%u", nr);
	else if (t)
		memcpy(c->comm, t->comm, sizeof(c->comm));
	else if (c->panicked && c->pid == s->panic_pid)
		memcpy(c->comm, s->panic_comm, sizeof(c->comm));
	c->user = registers_user(&c->regs, s->dead.arm64);
	if (!c->user)
		c->nr_frames = unwind(&s->dead, &c->regs, c->frames, FRAMES_MAX);
}

static void find_cpus(struct story *s, const uint8_t *notes, size_t notes_len)
{
	uint64_t buffers = dead_symbol(&s->dead, "crash_notes"), offsets = dead_symbol(&s->dead, "__per_cpu_offset");
	uint64_t size;
	unsigned cpu = 0;

	if (!buffers || dead_read64(&s->dead, buffers, &buffers))
		buffers = 0;
	for (size_t at = 0; at + sizeof(struct elf_nhdr) <= notes_len && s->nr_cpus < CPUS_MAX; at += size) {
		struct elf_nhdr n;

		memcpy(&n, notes + at, sizeof(n));
		size = note_size(&n, notes_len - at);
		if (!size)
			break;
		if (n.n_type != NOTE_PRSTATUS || n.n_namesz != 5 || memcmp(notes + at + sizeof(n), "CORE", 5))
			continue;
		cpu = next_cpu(s, cpu, &buffers, offsets);
		add_cpu(s, cpu++, notes + at + note_desc(&n), n.n_descsz);
	}
	for (unsigned i = 1; i < s->nr_cpus; i++)
		if (s->cpus[i].panicked) {
			struct cpu c = s->cpus[i];

			memmove(s->cpus + 1, s->cpus, i * sizeof(c));
			s->cpus[0] = c;
		}
}

/* Since 2.6.36 in every kernel: an atomic_t, -1 before a panic */
static void find_panic_cpu(struct story *s)
{
	uint64_t va = dead_symbol(&s->dead, "panic_cpu");
	int32_t cpu;

	s->panic_cpu = -1;
	if (va && !vtop_read(s->dead.vt, &cpu, va, sizeof(cpu)) && cpu >= 0 && cpu < (int)CPUS_MAX)
		s->panic_cpu = cpu;
}

static void find_blocked(struct story *s)
{
	for (unsigned i = 0; i < s->tasks.nr; i++) {
		const struct task *t = &s->tasks.v[i];
		struct blocked *b;

		if (!task_blocked(t) || s->all_blocked++ >= BLOCKED_MAX)
			continue;
		s->blocked = must_grow(s->blocked, s->nr_blocked + 1, sizeof(*s->blocked));
		b = &s->blocked[s->nr_blocked++];
		b->task = t;
		b->nr_frames = task_unwind(&s->dead, &s->tasks, t, b->frames, FRAMES_MAX);
	}
}

/*---------------------------------------------------------------- all of it */

void story_collect(struct story *s, const struct story_sources *from)
{
	*s = (struct story){ .dmesg = from->dmesg, .dmesg_len = from->dmesg_len, .label = from->label };
	dead_open(&s->dead, from->vt, from->info, from->arm64);
	s->modules = modules_collect(&s->dead, &s->nr_modules);
	find_uts(s);
	find_crash_time(s);
	find_panic_cpu(s);
	read_log(s);
	tasks_collect(&s->tasks, &s->dead);
	find_cpus(s, from->notes, from->notes_len);
	find_blocked(s);
}

void story_free(struct story *s)
{
	dead_close(&s->dead);
	tasks_free(&s->tasks);
	free(s->modules);
	free(s->blocked);
	free(s->cpus);
	if (s->dmesg_room)
		free((char *)s->dmesg);
}

bool story_place(const struct story *s, const struct frame *f, struct place *ret)
{
	uint64_t at = f->exact ? f->pc : f->pc - 1;
	const struct symbol *sym = symbols_at(&s->dead.symbols, at);

	if (!sym || !dead_is_text(&s->dead, at))
		return false;
	ret->name = symbol_name(&s->dead.symbols, sym);
	ret->offset = f->pc - sym->va;
	ret->module = sym->module && sym->module <= s->nr_modules ? s->modules[sym->module - 1].name : NULL;
	return true;
}

/* Documentation/admin-guide/tainted-kernels.rst */
const char *taint_text(char letter)
{
	static const struct { char letter; const char *text; } taints[] = {
		{ 'P', "proprietary module" }, { 'F', "module loaded by force" }, { 'S', "processor out of specification" },
		{ 'R', "module unloaded by force" }, { 'M', "machine check" }, { 'B', "bad page" },
		{ 'U', "asked for by user space" }, { 'D', "the kernel died before" }, { 'A', "ACPI table overridden" },
		{ 'W', "the kernel warned before" }, { 'C', "staging driver" }, { 'I', "firmware bug worked around" },
		{ 'O', "module from outside the tree" }, { 'E', "unsigned module" }, { 'L', "soft lockup before" },
		{ 'K', "live patch" }, { 'X', "of the distribution" }, { 'T', "structures in random order" },
		{ 'N', "test run inside the kernel" }, { 'J', "user space changed firmware" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(taints); i++)
		if (taints[i].letter == letter)
			return taints[i].text;
	return NULL;
}

const char *story_class(unsigned class)
{
	static const char *const names[CAPSTUB_NR_CLASSES] = CAPSTUB_CLASS_NAMES;

	return names[class];
}
