// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capstub report: what a person reads first of a crash. Everything comes from the dump itself, so that neither
 * debug information nor the dead machine's files are needed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cmd/args.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/info.h"
#include "tools/media/memory.h"
#include "tools/report/story.h"
#include "tools/util.h"

static const char *path;
static bool as_json, as_html;

static const struct arg options[] = {
	{ "json", 'j', NULL, "For scripts: one JSON object", &as_json, NULL },
	{ "html", 'H', NULL, "For a browser: one page that needs nothing else", &as_html, NULL },
	{ 0 }
};

static void check_args(struct argp_state *state)
{
	if (as_json && as_html)
		argp_error(state, "--json and --html exclude each other");
}

static const struct args args = {
	.options = options, .paths = &path, .max = 1, .check = check_args,
	.usage = "DUMP", .which = "which DUMP? A target, or a saved vmcore", .too_many = "one DUMP at a time",
	.doc = "Show why and where a kernel died: reason, task, call traces and registers of all CPUs, blocked tasks, modules, the "
	       "end of the log. DUMP is a target with a capture, a kdump-compressed or an ELF vmcore, of capstub or makedumpfile.",
};

static int open_memory(const struct info *info, struct memory *m)
{
	const struct target *t = &info->t;

	if (info->has_dump)
		return memory_open_kdump(m, t->path, &info->dump);
	if (info->kind == KIND_ELF)
		return memory_open_elf(m, t->path, t->fd, t->bytes);
	*m = (struct memory){ 0 };
	return fail(-ENOMSG, "%s holds no dump (%s)%s%s", t->path, kind_text(info->kind),
		    kind_advice(info->kind) ? ": " : "", kind_advice(info->kind) ? kind_advice(info->kind) : "");
}

/* Where memory does not have them */
static void take_header(struct story *s, const struct kdump *k)
{
	if (!s->nodename[0])
		memcpy(s->nodename, k->hdr.nodename, UTS_LEN);
	if (!s->release[0])
		memcpy(s->release, k->hdr.release, UTS_LEN);
	if (!s->machine[0])
		memcpy(s->machine, k->hdr.machine, UTS_LEN);
	if (!s->crash_time)
		s->crash_time = k->hdr.tv_sec;
}

static void show(const struct story *s)
{
	if (as_json)
		story_json(s, stdout, path);
	else if (as_html)
		story_html(s, stdout);
	else
		story_text(s, stdout);
}

/* The log is the text that the stub put beside the dump; without it the story looks in memory */
static int report(const struct info *info)
{
	char *dmesg = NULL;
	size_t dmesg_len = 0;
	struct memory m;
	struct story s;
	int rc = open_memory(info, &m);

	if (!rc) {
		info_dmesg(info, &dmesg, &dmesg_len);
		story_collect(&s, &(struct story_sources){
			.vt = &m.vt, .info = &m.info, .arm64 = m.arm64, .notes = m.notes, .notes_len = m.notes_len,
			.dmesg = dmesg, .dmesg_len = dmesg_len, .label = label_readable(&info->t) ? &info->t.label : NULL,
		});
		if (info->has_dump)
			take_header(&s, &info->dump);
		show(&s);
		story_free(&s);
		free(dmesg);
	}
	memory_close(&m);
	return rc;
}

int report_main(int argc, char **argv)
{
	struct target t;
	struct info info;
	int rc;

	args_parse(&args, argc, argv);
	if (target_open(&t, path, O_RDONLY))
		return EXIT_FAILED;
	rc = info_collect(&info, &t);
	if (!rc)
		rc = report(&info);
	target_close(&t);
	return rc || info.damaged ? EXIT_FAILED : EXIT_OK;
}
