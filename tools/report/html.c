// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The story as one page that needs nothing else: no script, no picture, no font, and a policy that forbids the
 * browser to fetch any, because the words in it are a dead kernel's. What may be long is folded.
 */
#include <inttypes.h>
#include <string.h>

#include "tools/report/story.h"
#include "tools/util.h"

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
	"<meta name=\"viewport\" content=\"width=device-width\">\n<style>\n"
	"body { font: 15px/1.45 sans-serif; max-width: 62em; margin: 1.5em auto; padding: 0 1em; color: #222 }\n"
	"h1 { font-size: 1.35em; border-left: .35em solid #b22; padding-left: .6em; overflow-wrap: anywhere }\n"
	"h2 { font-size: 1.05em; margin: 1.4em 0 .4em }\n"
	"dl { display: grid; grid-template-columns: max-content 1fr; gap: .15em 1em; margin: 0 }\n"
	"dt { color: #666 }\ndd { margin: 0; overflow-wrap: anywhere }\n"
	"details { border: 1px solid #ccc; border-radius: 4px; margin: .4em 0; padding: .3em .8em }\n"
	"summary { cursor: pointer }\n"
	"pre { font: 13px/1.4 monospace; overflow-x: auto; margin: .5em 0 }\n"
	".address { color: #888 }\n.guess { color: #a60 }\n"
	".bar { display: flex; height: 1.6em; border-radius: 4px; overflow: hidden; margin: .5em 0 }\n"
	".key { display: inline-block; width: .9em; height: .9em; margin-right: .4em; vertical-align: -.1em }\n"
	"table { border-collapse: collapse }\ntd { padding: .1em 1.2em .1em 0 }\ntd.n { text-align: right }\n"
	"</style>\n";

/* One for each class, in their order */
static const char *const colours[CAPSTUB_NR_CLASSES] = {
	"#35618f", "#c9c9c9", "#7fb069", "#4f8a4b", "#e0a030", "#e6e0d0", "#8a6fb0", "#b22222",
};

static void escape(FILE *f, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '<' || c == '>' || c == '&' || c == '"' || c == '\'')
			fprintf(f, "&#%u;", c);
		else if ((c >= ' ' && c < 0x7f) || c == '\n' || c == '\t')
			fputc(c, f);
		else
			fprintf(f, "\\x%02x", c);
	}
}

static void words(FILE *f, const char *text)
{
	escape(f, text, strlen(text));
}

static void row(FILE *f, const char *name, const char *text)
{
	if (!text[0])
		return;
	fprintf(f, "<dt>%s</dt><dd>", name);
	words(f, text);
	fputs("</dd>\n", f);
}

static void print_task(FILE *f, const char *comm, uint32_t pid)
{
	if (comm[0]) {
		fputs("<b>", f);
		words(f, comm);
		fputs("</b>, ", f);
	}
	fprintf(f, "pid %u", pid);
}

static void print_frames(const struct story *s, FILE *f, const struct frame *frames, unsigned nr)
{
	fputs("<pre class=\"trace\">", f);
	for (unsigned i = 0; i < nr; i++) {
		struct place p;

		fprintf(f, "<span class=\"address\">%016" PRIx64 "</span> ", frames[i].pc);
		if (story_place(s, &frames[i], &p)) {
			words(f, p.name);
			fprintf(f, "+%#" PRIx64, p.offset);
			if (p.module) {
				fputs(" [", f);
				words(f, p.module);
				fputc(']', f);
			}
		}
		fputs(frames[i].guess ? " <span class=\"guess\">?</span>\n" : "\n", f);
	}
	fputs(nr ? "</pre>\n" : "no trace</pre>\n", f);
}

static void print_cpu(const struct story *s, FILE *f, const struct cpu *c)
{
	fprintf(f, "<details%s><summary>CPU %u%s: ", c->panicked ? " open" : "", c->nr,
		c->panicked ? ", which panicked" : "");
	print_task(f, c->comm, c->pid);
	fputs(c->user ? ", in user space</summary>\n" : "</summary>\n", f);
	if (!c->user)
		print_frames(s, f, c->frames, c->nr_frames);
	fputs("<details><summary>registers</summary><pre>", f);
	for (unsigned i = 0; i < c->regs.nr; i++)
		fprintf(f, "%8s %016" PRIx64 "%s", register_name(s->dead.arm64, i), c->regs.r[i],
			i % 3 == 2 ? "\n" : "  ");
	fputs("</pre></details>\n</details>\n", f);
}

static void print_taint(const struct story *s, FILE *f)
{
	if (!s->taint_known)
		return;
	fputs("<dt>Taint</dt><dd>", f);
	words(f, s->taint[0] ? s->taint : "none");
	for (const char *p = s->taint; *p; p++)
		if (taint_text(*p))
			fprintf(f, "<br>%c: %s", *p, taint_text(*p));
	fputs("</dd>\n", f);
}

static void print_head(const struct story *s, FILE *f)
{
	fputs(head, f);
	fputs("<title>", f);
	words(f, s->nodename[0] ? s->nodename : "A kernel");
	fputs(" died</title>\n</head>\n<body>\n<h1>", f);
	if (s->reason)
		escape(f, s->reason, s->reason_len);
	else
		fputs("The log does not say why", f);
	fputs("</h1>\n<dl>\n", f);
	row(f, "Host", s->nodename);
	row(f, "Kernel", s->release);
	row(f, "Version", s->version);
	row(f, "Machine", s->machine);
	if (s->crash_time)
		row(f, "Crashed", human_time(s->crash_time));
	if (s->uptime_us)
		fprintf(f, "<dt>Uptime</dt><dd>%" PRIu64 " d %02u:%02u:%02u</dd>\n", s->uptime_us / 86400000000,
			(unsigned)(s->uptime_us / 3600000000 % 24), (unsigned)(s->uptime_us / 60000000 % 60),
			(unsigned)(s->uptime_us / 1000000 % 60));
	print_taint(s, f);
	if (s->tasks.nr)
		fprintf(f, "<dt>Tasks</dt><dd>%u%s, %u blocked</dd>\n", s->tasks.nr, s->tasks.cut ? " and more" : "",
			s->all_blocked);
	fputs("</dl>\n", f);
}

static void print_classes(const struct capstub_label *l, FILE *f)
{
	uint64_t all = 0;

	for (unsigned i = 0; l && i < CAPSTUB_NR_CLASSES; i++)
		all += min_u64(l->pages_by_class[i], BIT(52));
	if (!all)
		return;
	fputs("<h2>Memory by class</h2>\n<div class=\"bar\">", f);
	for (unsigned i = 0; i < CAPSTUB_NR_CLASSES; i++)
		if (l->pages_by_class[i])
			fprintf(f, "<div title=\"%s\" style=\"width: %.3f%%; background: %s\"></div>", story_class(i),
				100.0 * (double)l->pages_by_class[i] / (double)all, colours[i]);
	fputs("</div>\n<table>\n", f);
	for (unsigned i = 0; i < CAPSTUB_NR_CLASSES; i++)
		if (l->pages_by_class[i])
			fprintf(f, "<tr><td><span class=\"key\" style=\"background: %s\"></span>%s</td><td class=\"n\">%" PRIu64
				" pages</td><td class=\"n\">%s</td></tr>\n", colours[i], story_class(i), l->pages_by_class[i],
				human_bytes(l->pages_by_class[i] * l->page_size));
	fputs("</table>\n", f);
}

static void print_modules(const struct story *s, FILE *f)
{
	if (!s->nr_modules)
		return;
	fprintf(f, "<h2>Modules</h2>\n<details><summary>%u</summary><p>", s->nr_modules);
	for (unsigned i = 0; i < s->nr_modules; i++) {
		words(f, s->modules[i].name);
		if (s->modules[i].taints[0])
			fprintf(f, " (%s)", s->modules[i].taints);
		fputc('\n', f);
	}
	fputs("</p></details>\n", f);
}

void story_html(const struct story *s, FILE *f)
{
	const char *tail = last_lines(s->dmesg, s->dmesg_len, STORY_TAIL);

	print_head(s, f);
	if (s->nr_cpus)
		fputs("<h2>CPUs</h2>\n", f);
	for (unsigned i = 0; i < s->nr_cpus; i++)
		print_cpu(s, f, &s->cpus[i]);
	if (s->nr_blocked)
		fputs("<h2>Blocked tasks</h2>\n", f);
	for (unsigned i = 0; i < s->nr_blocked; i++) {
		fputs("<details><summary>", f);
		print_task(f, s->blocked[i].task->comm, s->blocked[i].task->pid);
		fputs("</summary>\n", f);
		print_frames(s, f, s->blocked[i].frames, s->blocked[i].nr_frames);
		fputs("</details>\n", f);
	}
	print_classes(s->label, f);
	print_modules(s, f);
	if (s->dmesg_len) {
		fprintf(f, "<h2>The end of its log</h2>\n<pre>");
		escape(f, tail, (size_t)(s->dmesg + s->dmesg_len - tail));
		fputs("</pre>\n", f);
	}
	fputs("</body>\n</html>\n", f);
}
