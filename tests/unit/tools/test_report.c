// SPDX-License-Identifier: GPL-2.0-or-later
/* What a dead kernel tells of itself, over a made-up one: symbols, types, unwind tables, tasks, and the story of it all. */
/* needs: tools/report/dead.c tools/report/symbols.c tools/report/scan.c tools/report/btf.c tools/report/orc.c tools/report/unwind.c tools/report/tasks.c tools/report/modules.c tools/report/story.c tools/report/why.c tools/report/text.c tools/report/json.c tools/report/html.c tools/report/host.c tools/util.c tests/host/story.c tests/host/machine.c stub/dead/kallsyms.c stub/dead/dmesg.c stub/dead/vmcore.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/host/story.h"
#include "tools/report/btf.h"
#include "tools/report/orc.h"
#include "tools/report/scan.h"
#include "tools/report/symbols.h"

static struct vtop vt;
static struct story story;

static void collect(bool new_orc, bool all)
{
	struct story_sources from;

	story_build(new_orc, all);
	from = story_sources(&vt);
	story_collect(&story, &from);
}

/* "panic handle_crash? ..." */
static const char *names(const struct frame *frames, unsigned nr)
{
	static char text[1024];
	size_t len = 0;

	text[0] = 0;
	for (unsigned i = 0; i < nr; i++) {
		struct place p = { "-", 0, NULL };

		story_place(&story, &frames[i], &p);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s%s%s", i ? " " : "", p.module ? p.module : "",
					p.module ? ":" : "", p.name, frames[i].guess ? "?" : "");
	}
	return text;
}

#define CRASHED	"__crash_kexec panic? handle_crash asm_exc? faulty on_irq_stack entry_irq entry_syscall"

static void test_story(void **state)
{
	(void)state;
	for (unsigned new_orc = 0; new_orc < 2; new_orc++) {
		collect(new_orc, true);
		assert_int_equal(story.dead.orc[0].new_types, new_orc);
		assert_string_equal(story.nodename, "made-up");
		assert_string_equal(story.release, "6.1.0-made-up");
		assert_string_equal(story.version, "#1 SMP");
		assert_string_equal(story.machine, "x86_64");
		assert_int_equal(story.crash_time, 1750000000);
		assert_int_equal(story.uptime_us, 100250000);
		assert_string_equal(story.taint, "G        W  OE");
		assert_int_equal(story.panic_cpu, 1);
		assert_int_equal(story.nr_cpus, 2);
		assert_int_equal(story.cpus[0].nr, 1);
		assert_true(story.cpus[0].panicked);
		assert_string_equal(story.cpus[0].comm, "sh");
		assert_string_equal(names(story.cpus[0].frames, story.cpus[0].nr_frames), CRASHED);
		assert_string_equal(story.cpus[1].comm, "swapper/0");
		assert_string_equal(names(story.cpus[1].frames, story.cpus[1].nr_frames), "idle start_secondary");
		assert_int_equal(story.nr_modules, 1);
		assert_string_equal(story.modules[0].name, "made_up");
		assert_string_equal(story.modules[0].taints, "OE");
		story_free(&story);
	}
}

static void test_tasks(void **state)
{
	struct frame frames[FRAMES_MAX];
	const struct task *t;
	unsigned nr;

	(void)state;
	collect(true, true);
	assert_int_equal(story.tasks.nr, 4);
	assert_false(story.tasks.cut);
	assert_false(task_blocked(tasks_find(&story.tasks, 1)));
	assert_false(task_blocked(tasks_find(&story.tasks, 77)));	/* idle */
	t = tasks_find(&story.tasks, 78);
	assert_true(task_blocked(t));
	assert_int_equal(t->tgid, 77);
	nr = task_unwind(&story.dead, &story.tasks, t, frames, FRAMES_MAX);
	assert_string_equal(names(frames, nr), "schedule made_up:made_up_wait start_secondary");
	assert_int_equal(tasks_find(&story.tasks, 345)->cpu, 1);
	story_free(&story);
}

/* A kernel whose symbols are code alone: all else is found by what it looks like */
static void test_code_alone(void **state)
{
	(void)state;
	collect(false, false);
	assert_string_equal(names(story.cpus[0].frames, story.cpus[0].nr_frames), CRASHED);
	assert_int_equal(story.panic_cpu, 1);		/* the log says it */
	assert_int_equal(story.tasks.nr, 4);
	assert_int_equal(story.nr_modules, 0);
	story_free(&story);
}

/* Lists that do not come back to their head */
static void test_circles(void **state)
{
	struct story_sources from;
	uint64_t task = 0xffff888000000000ULL + STORY_TASKS + 0x1000;

	(void)state;
	story_build(true, true);
	story_put64(STORY_TASKS + 0x1000 + 0x40, task + 0x40);
	story_put64(STORY_DATA + 0x20, 0xffff888000000000ULL + STORY_MODULE + 8);
	story_put64(STORY_MODULE + 8, 0xffff888000000000ULL + STORY_MODULE + 8);
	from = story_sources(&vt);
	story_collect(&story, &from);
	assert_true(story.tasks.cut);
	assert_true(story.nr_modules <= 4096);
	story_free(&story);
}

static void test_symbols(void **state)
{
	const struct symbols *s = &story.dead.symbols;

	(void)state;
	collect(true, true);
	assert_string_equal(symbol_name(s, symbols_at(s, story_va(STORY_CODE) + 0x2fff)), "panic");
	assert_string_equal(symbol_name(s, symbols_at(s, story_va(STORY_CODE) + 0xc000)), "last_alias");
	assert_null(symbols_at(s, 0x6fff));
	assert_string_equal(symbol_name(s, symbols_at(s, 0x7000)), "cpu_variable");
	assert_null(symbols_find(s, "none"));
	assert_int_equal(dead_symbol(&story.dead, "panic"), story_va(STORY_CODE) + 0x2000);
	assert_int_equal(dead_symbol(&story.dead, "none"), 0);
	assert_false(dead_is_text(&story.dead, story_va(STORY_DATA)));
	assert_true(dead_is_text(&story.dead, 0xffff888000000000ULL + STORY_MODULE + 0x1044));
	assert_false(dead_is_text(&story.dead, 0xffff888000000000ULL + STORY_MODULE + 0x1100));
	story_free(&story);
}

static void test_orc(void **state)
{
	struct dead *d = &story.dead;
	uint64_t code = story_va(STORY_CODE);
	struct orc o;

	(void)state;
	collect(true, true);
	assert_true(orc_find(d, code + 0x2000, &o));
	assert_int_equal(o.sp_offset, 8);
	assert_true(orc_find(d, code + 0x200f, &o));
	assert_int_equal(o.sp_offset, 8);
	assert_true(orc_find(d, code + 0x2010, &o));
	assert_int_equal(o.sp_offset, 0x20);
	assert_true(orc_find(d, code + 0x3004, &o));
	assert_int_equal(o.bp_offset, -16);
	assert_int_equal(o.bp_reg, ORC_PREV_SP);
	assert_false(orc_find(d, code - 1, &o));
	assert_false(orc_find(d, UINT64_MAX, &o));
	assert_false(orc_find(d, 0, &o));
	story_free(&story);
}

static void test_btf(void **state)
{
	const struct btf *b = &story.dead.btf;
	struct btf_member m;
	struct btf other;
	uint64_t offset;
	uint8_t *copy;

	(void)state;
	collect(true, true);
	assert_true(btf_member(b, "task_struct", "pid", &m));		/* in a union without a name */
	assert_int_equal(m.offset, 0x14);
	assert_int_equal(m.size, 4);
	assert_true(btf_member(b, "task_struct", "thread_info.cpu", &m));
	assert_int_equal(m.offset, 8);
	assert_true(btf_member(b, "task_struct", "comm", &m));
	assert_int_equal(m.size, 16);
	assert_true(btf_member(b, "task_struct", "__state", &m));	/* const */
	assert_int_equal(m.size, 4);
	assert_false(btf_member(b, "task_struct", "none", &m));
	assert_false(btf_member(b, "task_struct", "pid.none", &m));
	assert_false(btf_member(b, "none", "pid", &m));
	assert_int_equal(btf_struct_size(b, "task_struct"), 0x200);
	assert_true(btf_percpu(b, "of_each_cpu", &offset));
	assert_int_equal(offset, 0x1230);
	assert_false(btf_percpu(b, "none", &offset));
	/* Cut anywhere it is none, or has fewer types */
	for (size_t len = 0; len < 2000; len += 7) {
		copy = malloc(len + 1);
		memcpy(copy, machine.ram + STORY_BTF, len);
		if (!btf_open(&other, copy, len))
			btf_close(&other);
	}
	story_free(&story);
}

/* kallsyms as kernels before 6.1 have it, found without VMCOREINFO: see scan.c for what lies where */
static void test_scan_kallsyms(void **state)
{
	uint64_t at = MIB(17) + 0x80000, stext = story_va(STORY_CODE), markers;
	uint64_t names, tokens;
	const unsigned nr = 600;
	struct story_sources from;
	size_t marked = 0;
	uint8_t *p;

	(void)state;
	story_build(true, false);
	memset(machine.ram + at, 0, 0x20000);
	for (unsigned i = 0; i < nr; i++) {
		int32_t offset = -1 - (int32_t)(i * 16);

		memcpy(machine.ram + at + i * 4, &offset, 4);
	}
	at += nr * 4;
	story_put64(at, stext);
	story_put64(at + 8, nr);
	names = at + 16;
	p = machine.ram + names;
	for (unsigned i = 0; i < nr; i++) {
		char name[16];

		snprintf(name, sizeof(name), i ? "Tf%u" : "T_stext", i);
		if (i == 256)
			marked = (size_t)(p - machine.ram - names);
		*p++ = (uint8_t)strlen(name);
		memcpy(p, name, strlen(name));
		p += strlen(name);
	}
	markers = ALIGN_UP((uint64_t)(p - machine.ram), 8);
	memcpy(machine.ram + markers + 4, &marked, 4);
	tokens = ALIGN_UP(markers + 12, 8);
	for (unsigned c = 0; c < 256; c++) {
		uint16_t index = (uint16_t)(c * 2);

		machine.ram[tokens + c * 2] = (uint8_t)(c ? c : 1);
		machine.ram[tokens + c * 2 + 1] = 0;
		memcpy(machine.ram + tokens + 512 + c * 2, &index, 2);
	}
	assert_true(machine_remove("SYMBOL(kallsyms_names)"));
	/* The other table is like this one, but nothing of it may be taken */
	memset(machine.ram + STORY_SYMBOLS, 0, MACHINE_KALLSYMS);
	from = story_sources(&vt);
	story_collect(&story, &from);
	assert_int_equal(story.dead.symbols.nr, nr);
	assert_string_equal(symbol_name(&story.dead.symbols, symbols_at(&story.dead.symbols, stext + 0x1005)), "f256");
	story_free(&story);
}

/* Notes of CPUs that are not the first ones: the kernel's own buffers tell which */
static void test_offline(void **state)
{
	struct story_sources from;

	(void)state;
	story_build(true, true);
	memset(machine.ram + STORY_DATA + 0x2000 + 0x40, 0, 4);
	from = story_sources(&vt);
	from.notes += from.notes_len / 2;
	from.notes_len /= 2;
	story_collect(&story, &from);
	assert_int_equal(story.nr_cpus, 1);
	assert_int_equal(story.cpus[0].nr, 1);
	assert_true(story.cpus[0].panicked);
	story_free(&story);
}

static char *output(void (*print)(FILE *f))
{
	size_t len;
	char *text;
	FILE *f = open_memstream(&text, &len);

	print(f);
	fclose(f);
	return text;
}

static void as_text(FILE *f)
{
	story_text(&story, f);
}

static void as_json(FILE *f)
{
	story_json(&story, f, "made-up.img");
}

static void as_html(FILE *f)
{
	story_html(&story, f);
}

static void test_output(void **state)
{
	static const char *const in_text[] = {
		"Reason:     Kernel panic - not syncing: made up\n", "Host:       made-up\n", "Uptime:     0 d 00:01:40\n",
		"Taint:      G        W  OE: the kernel warned before, module from outside the tree, unsigned module\n",
		"Task:       pid 345 (sh) on CPU 1\n", "Tasks:      4, 1 blocked\n", "] panic+0x30 ?\n", "] handle_crash+0x20\n",
		"Blocked, pid 78 (blocked\\x1b[1m):\n", "] made_up_wait+0x4 [made_up]\n", "Modules: made_up(OE)\n",
	};
	char *text;

	(void)state;
	collect(true, true);
	text = output(as_text);
	for (unsigned i = 0; i < ARRAY_SIZE(in_text); i++)
		if (!strstr(text, in_text[i]))
			fail_msg("no \"%s\" in:\n%s", in_text[i], text);
	free(text);
	text = output(as_json);
	assert_non_null(strstr(text, "\"function\": \"made_up_wait\""));
	assert_non_null(strstr(text, "\"panic_cpu\": 1"));
	free(text);
	/* Nothing of the dead kernel's is markup */
	memcpy(story.nodename, "<script>&", 10);
	text = output(as_html);
	assert_null(strstr(text, "<script"));
	assert_non_null(strstr(text, "&#60;script&#62;&#38; died</title>"));
	assert_non_null(strstr(text, "<summary><b>blocked\\x1b[1m</b>, pid 78</summary>"));
	assert_non_null(strstr(text, "<details open><summary>CPU 1, which panicked: <b>sh</b>, pid 345</summary>"));
	free(text);
	story_free(&story);
}

/* Nothing at all is known */
static void test_nothing(void **state)
{
	static struct vmcoreinfo none;
	struct story_sources from = { .vt = &vt, .info = &none };
	char *text;

	(void)state;
	story_build(true, true);
	story_vtop(&vt);
	story_collect(&story, &from);
	text = output(as_text);
	assert_string_equal(text, "");
	free(text);
	free(output(as_json));
	free(output(as_html));
	story_free(&story);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_story), cmocka_unit_test(test_tasks), cmocka_unit_test(test_code_alone),
		cmocka_unit_test(test_circles), cmocka_unit_test(test_symbols), cmocka_unit_test(test_orc),
		cmocka_unit_test(test_btf), cmocka_unit_test(test_scan_kallsyms), cmocka_unit_test(test_offline),
		cmocka_unit_test(test_output), cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
