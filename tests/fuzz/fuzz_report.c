/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The report over a made-up kernel with damage: symbols, types, unwind tables, tasks, modules, stacks, notes. First byte: which
 * kernel; or the rest is BTF. Else the rest: tests/host/patch.h.
 */
/* slow: 10 */
/* needs: tools/report/dead.c tools/report/symbols.c tools/report/scan.c tools/report/btf.c tools/report/orc.c tools/report/unwind.c tools/report/tasks.c tools/report/modules.c tools/report/story.c tools/report/why.c tools/report/text.c tools/report/json.c tools/report/html.c tools/report/host.c tools/util.c tests/host/story.c tests/host/machine.c stub/dead/kallsyms.c stub/dead/dmesg.c stub/dead/vmcore.c */
#include <stdlib.h>
#include <string.h>

#include "tests/host/patch.h"
#include "tests/host/story.h"
#include "tools/report/btf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_btf(const uint8_t *data, size_t size)
{
	static const char *const paths[] = { "pid", "thread_info.cpu", "comm", "", ".", "tasks.next.prev", "thread.sp" };
	uint8_t *copy = malloc(size + 1);
	struct btf_member m;
	struct btf b;
	uint64_t offset;

	memcpy(copy, data, size);
	if (btf_open(&b, copy, size))
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(paths); i++)
		btf_member(&b, "task_struct", paths[i], &m);
	btf_percpu(&b, "of_each_cpu", &offset);
	btf_close(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct { unsigned char *ram; struct vmcoreinfo vi; } kinds[2];
	static struct patch patch;
	static struct vtop vt;
	static FILE *out;
	const uint64_t areas[][2] = {
		{ STORY_SYMBOLS, 0x4010 }, { STORY_BTF, 0xa00 }, { STORY_ORC_IP, 0x100 }, { STORY_ORC, 0x100 },
		{ STORY_DATA, 0x200 }, { STORY_DATA + 0x800, 0x200 }, { STORY_TASKS, 0x5000 }, { STORY_STACKS, 0x10000 },
		{ STORY_MODULE, 0x500 }, { STORY_MODULE + 0x2000, 0x120 }, { machine.pgd, 4096 }, { MIB(18), 0x8000 },
	};
	unsigned head = (unsigned)patch_take(&data, &size, 1);
	struct story_sources from;
	struct story story;

	for (unsigned i = 0; !kinds[1].ram; i++) {
		machine.ram = NULL;
		story_build(!i, !i);
		kinds[i].ram = machine.ram;
		kinds[i].vi = machine.vi;
		out = fopen("/dev/null", "w");
	}
	if (head % 4 == 3) {
		look_at_btf(data, size);
		return 0;
	}
	/* What is looked for in the image takes long: without symbols, or with damage to them */
	machine.ram = kinds[head == 1].ram;
	machine.vi = kinds[head == 1].vi;
	from = story_sources(&vt);
	from.notes_len -= head / 64;
	patch_apply(&patch, data, size, areas + (head != 1), ARRAY_SIZE(areas) - (head != 1));
	machine.reads = 0;
	story_vtop(&vt);
	story_collect(&story, &from);
	story_text(&story, out);
	story_json(&story, out, "");
	story_html(&story, out);
	for (unsigned i = 0; i < story.nr_cpus; i++)
		if (story.cpus[i].nr_frames > FRAMES_MAX)
			abort();
	story_free(&story);
	patch_undo(&patch);
	if (machine.reads > 30000000)
		abort();
	return 0;
}
