// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capstub info: what is on a target, for people and (--json) for scripts. The keys of the JSON form
 * are listed in docs/capstub.8 and stay as they are.
 *
 * Three parts: collecting (info_collect(), used by `save` too), the JSON form (also written by
 * `save`, as info.json), and the form for people. Everything that is shown was written after a
 * panic or comes from a file that somebody sent, so text goes through json_text() or print_text(),
 * and figures are shown as they are but never used as a size without a bound.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cmd/args.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/info.h"
#include "tools/media/inuse.h"
#include "tools/media/place.h"
#include "tools/report/why.h"
#include "tools/util.h"

/* A screen of it: what people look for stands at the end */
#define TAIL_LINES	20
/* the kernel's own limit for log_buf is 2 GiB; no dump has that */
#define DMESG_MAX	(64u << 20)

/* In the order of enum label_status. The names are part of the JSON form. */
static const char *const label_names[] = {
	"ok", "none", "bad-crc", "bad-version", "bad-size", "bad-fields", "foreign", "unreadable",
};

static const char *path;
static bool as_json, only_dmesg, only_log;

static const struct arg options[] = {
	{ "json", 'j', NULL, "For scripts: one JSON object", &as_json, NULL },
	{ "dmesg", 'd', NULL, "Only the whole dmesg of the dead kernel", &only_dmesg, NULL },
	{ "log", 'l', NULL, "Only the stub's own log of the capture", &only_log, NULL },
	{ 0 }
};

static void check_args(struct argp_state *state)
{
	if (as_json + only_dmesg + only_log > 1)
		argp_error(state, "--json, --dmesg and --log exclude each other");
}

static const struct args args = {
	.options = options, .paths = &path, .max = 1, .check = check_args,
	.usage = "TARGET", .which = "which TARGET? A dump target, or a saved vmcore",
	.too_many = "one TARGET at a time",
	.doc = "Show the label, the result of the last capture and the end of the dead kernel's "
	       "dmesg. TARGET is a block device or an image file; a saved vmcore is described too.",
};

/*
 * Where the dump may lie: as the label says, or up to the log area when the capture was cut or the
 * label is damaged. dump_bytes is written at the end of a capture only. Without a label it is a
 * saved file, all of it.
 */
static uint64_t dump_limit(const struct target *t)
{
	uint64_t room = t->end < CAPSTUB_TARGET_MIN ? t->bytes : t->end - CAPSTUB_LOG_OFFSET;

	if (t->status == LABEL_NONE)
		return t->bytes;
	if (t->status != LABEL_OK || t->label.state == CAPSTUB_DUMPING)
		return room;
	return t->label.dump_bytes;
}

/* Who has the target now: for people by a message for each signature, and the first of them for scripts */
static void find_owner(struct info *info)
{
	struct signatures found;

	if (info->t.status != LABEL_FOREIGN)
		return;
	inuse_signatures(&info->t, false, &found);
	strcpy(info->foreign, found.nr ? found.first : "unknown");
}

/*
 * Three sources, each optional: the label, the dump header, the descriptors. What one of them says
 * wrong must not keep the others from being shown, because this is what people run after a crash.
 *
 * A damaged label does not hide the dump (it may be all that is left to save); a label that says
 * "empty" does, because what may lie there is no dump of this label's.
 */
int info_collect(struct info *info, const struct target *t)
{
	const struct capstub_label *l = &t->label;
	int rc = -ENOMSG;

	*info = (struct info){ .t = *t, .kind = KIND_TARGET };
	if (t->status != LABEL_NONE && t->status != LABEL_OK) {
		info->damaged = true;
		fail(0, "%s: %s", t->path, label_problem(t));
		find_owner(info);
	}
	if (!label_readable(t) || l->state != CAPSTUB_EMPTY)
		rc = kdump_open(&info->dump, t->path, t->fd, dump_limit(t));
	info->has_dump = rc == 0;
	info->damaged |= rc && rc != -ENOMSG && rc != -ENOTSUP;
	if (t->status == LABEL_NONE)
		info->kind = kind_of(t->fd, t->bytes);
	/* Where no label has the figures, they are counted: a walk over the descriptors */
	if (info->has_dump &&
	    (t->status != LABEL_OK || l->state == CAPSTUB_DUMPING || !l->pages_stored)) {
		rc = kdump_count(&info->dump, t->path, &info->counts);
		info->counted = rc == 0;
		info->damaged |= rc != 0;
	}
	return 0;
}

/*
 * @len comes from a label whose CRC was right, but a bound costs nothing. *ret is the caller's to
 * free(), with a NUL that is not counted.
 */
static int read_text(const struct info *info, const char *what, uint64_t offset, uint64_t len,
		     char **ret, size_t *ret_len)
{
	char *buf;
	int rc;

	if (len > DMESG_MAX)
		len = DMESG_MAX;
	buf = must_alloc(len + 1, 1);
	rc = len ? read_at(info->t.fd, buf, len, offset) : 0;
	if (rc) {
		free(buf);
		return fail(rc, "%s: reading %s failed: %s", info->t.path, what, strerror(-rc));
	}
	*ret = buf;
	*ret_len = len;
	return 0;
}

/* Of a damaged label offset and length are not used: the text is "", which is no error */
int info_dmesg(const struct info *info, char **ret, size_t *ret_len)
{
	const struct capstub_label *l = &info->t.label;
	bool ok = label_readable(&info->t);

	return read_text(info, "dmesg", l->dmesg_offset, ok ? l->dmesg_bytes : 0, ret, ret_len);
}

int info_log(const struct info *info, char **ret, size_t *ret_len)
{
	bool ok = label_readable(&info->t);

	return read_text(info, "the stub's log", info->t.end - CAPSTUB_LOG_OFFSET,
			 ok ? info->t.label.log_bytes : 0, ret, ret_len);
}

static void json_why(struct json *j, const char *dmesg, size_t len)
{
	size_t reason_len;
	const char *reason = why_reason(dmesg, len, &reason_len);
	struct why w;

	if (reason)
		json_text(j, "reason", reason, reason_len);
	else
		json_null(j, "reason");
	json_open(j, "call_trace", '[');
	why_start(&w, dmesg, len);
	while (w.found && why_next(&w))
		if (why_in_trace(&w)) {
			const char *text = reason_message(w.line, w.end);

			json_text(j, NULL, text, (size_t)(w.end - text));
		}
	json_close(j, ']');
}

/* Seconds for arithmetic, ISO 8601 for people */
static void json_time(struct json *j, const char *key, const char *key_utc, int64_t t)
{
	time_t when = (time_t)t;
	char text[64];
	struct tm tm;

	json_i64(j, key, t);
	if (t && gmtime_r(&when, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		json_str(j, key_utc, text);
	else
		json_null(j, key_utc);
}

/* Before the first capture there is no result: 0 would read as success */
static void json_stop(struct json *j, const struct capstub_label *l)
{
	if (l->state == CAPSTUB_EMPTY && !l->stop_code) {
		json_null(j, "stop_code");
		json_null(j, "stop_name");
		json_null(j, "stop_text");
		return;
	}
	json_u64(j, "stop_code", l->stop_code);
	json_str(j, "stop_name", stop_name(l->stop_code));
	json_str(j, "stop_text", stop_text(l->stop_code));
}

/*
 * How the last capture ended and how long it took. Also for damaged labels, whose strings need not
 * end: hence strnlen().
 */
static void json_result(struct json *j, const struct capstub_label *l)
{
	json_stop(j, l);
	json_u64(j, "dump_level", l->dump_level);
	json_u64(j, "dump_level_asked", l->dump_level_asked);
	json_u64(j, "compress", l->compress);
	json_str(j, "compress_name", compress_name(l->compress));
	json_time(j, "crash_time", "crash_time_utc", l->crash_time);
	json_text(j, "release", l->release, strnlen(l->release, sizeof(l->release)));
	json_text(j, "machine", l->machine, strnlen(l->machine, sizeof(l->machine)));
	json_u64(j, "dump_bytes", l->dump_bytes);
	json_u64(j, "dmesg_bytes", l->dmesg_bytes);
	json_u64(j, "log_bytes", l->log_bytes);
	json_u64(j, "page_size", l->page_size);
	json_u64(j, "elapsed_us", l->elapsed_us);
	json_u64(j, "first_block_us", l->first_block_us);
	json_u64(j, "data_us", l->data_us);
}

/* Pages and bytes; ratios are null rather than a division by zero */
static void json_pages(struct json *j, const struct capstub_label *l)
{
	unsigned i;

	json_u64(j, "pages_total", l->pages_total);
	json_u64(j, "pages_stored", l->pages_stored);
	json_u64(j, "pages_missing", l->pages_missing);
	json_u64(j, "pages_unreadable", l->pages_unreadable);
	json_u64(j, "ram_missing_bytes", l->ram_missing);
	json_u64(j, "data_bytes_raw", l->data_bytes_raw);
	json_u64(j, "data_bytes_stored", l->data_bytes_stored);
	if (l->data_bytes_stored)
		json_double(j, "compression_ratio",
			    (double)l->data_bytes_raw / l->data_bytes_stored);
	else
		json_null(j, "compression_ratio");
	if (l->data_us)
		json_double(j, "data_bytes_per_second", l->data_bytes_stored * 1e6 / l->data_us);
	else
		json_null(j, "data_bytes_per_second");
	json_open(j, "pages_by_class", '{');
	for (i = 0; i < CAPSTUB_NR_CLASSES; i++)
		json_u64(j, class_names[i], l->pages_by_class[i]);
	json_close(j, '}');
}

/* A damaged label is shown too: "status" says how far to trust it */
static void json_label(struct json *j, const struct target *t)
{
	const struct capstub_label *l = &t->label;
	struct capstub_extents head;
	char uuid[UUID_TEXT];

	if (t->status == LABEL_NONE) {
		json_null(j, "label");
		return;
	}
	uuid_format(uuid, l->uuid);
	json_open(j, "label", '{');
	json_str(j, "status", label_names[t->status]);
	json_u64(j, "version", l->version);
	json_str(j, "uuid", uuid);
	json_text(j, "name", l->name, strnlen(l->name, sizeof(l->name)));
	json_u64(j, "target_bytes", l->target_bytes);
	json_u64(j, "state", l->state);
	json_str(j, "state_name", state_name(l->state));
	json_u64(j, "captures", l->captures);
	if (place_has_map(t, &head)) {
		json_open(j, "file", '{');
		json_str(j, "word", place_word(t));
		json_u64(j, "pieces", head.nr);
		json_bool(j, "in_place", !place_problem(t));
		json_close(j, '}');
	}
	json_result(j, l);
	json_pages(j, l);
	json_close(j, '}');
}

/* The dump header speaks for itself, whatever the label says */
static void json_dump(struct json *j, const struct info *info)
{
	const struct kdump *k = &info->dump;

	if (!info->has_dump) {
		json_null(j, "dump");
		return;
	}
	json_open(j, "dump", '{');
	json_str(j, "format", "kdump-compressed");
	json_i64(j, "header_version", k->hdr.header_version);
	json_u64(j, "status", k->hdr.status);
	json_bool(j, "incomplete", k->hdr.status & KDUMP_INCOMPLETE);
	json_i64(j, "page_size", k->hdr.block_size);
	json_u64(j, "max_pfn", k->max_mapnr);
	json_i64(j, "nr_cpus", k->hdr.nr_cpus);
	json_i64(j, "dump_level", k->sub.dump_level);
	json_time(j, "crash_time", "crash_time_utc", k->hdr.tv_sec);
	json_str(j, "release", k->hdr.release);
	json_str(j, "machine", k->hdr.machine);
	json_str(j, "nodename", k->hdr.nodename);
	json_u64(j, "pages_selected", k->nr_descs);
	if (info->counted) {
		json_u64(j, "pages_stored", info->counts.stored);
		json_u64(j, "pages_missing", info->counts.missing);
		json_u64(j, "pages_damaged", info->counts.bad);
		json_u64(j, "pages_compressed", info->counts.compressed);
		json_u64(j, "bytes", info->counts.end);
	}
	json_close(j, '}');
}

/* Only in the file that `save` writes: `info` cannot know what became of a copy */
static void json_saved(struct json *j, const struct saved *saved)
{
	if (!saved)
		return;
	json_open(j, "saved", '{');
	json_str(j, "file", saved->file);
	json_u64(j, "bytes", saved->bytes);
	json_u64(j, "crc32c", saved->crc);
	json_bool(j, "complete", saved->complete);
	json_close(j, '}');
}

void info_json(const struct info *info, FILE *f, const char *dmesg, size_t dmesg_len,
	       const struct saved *saved)
{
	const char *line = last_lines(dmesg, dmesg_len, TAIL_LINES), *end = dmesg + dmesg_len, *nl;
	struct json j = { .f = f };

	json_open(&j, NULL, '{');
	json_str(&j, "path", info->t.path);
	json_str(&j, "kind", kind_name(info->kind));
	json_u64(&j, "bytes", info->t.bytes);
	json_bool(&j, "damaged", info->damaged);
	if (info->foreign[0])
		json_str(&j, "foreign", info->foreign);
	else
		json_null(&j, "foreign");
	json_why(&j, dmesg, dmesg_len);
	json_label(&j, &info->t);
	json_dump(&j, info);
	json_saved(&j, saved);
	/*
	 * Line by line, because that is how it is looked at: no need to take a string apart again
	 */
	json_open(&j, "dmesg_tail", '[');
	for (; line < end; line = nl + 1) {
		nl = memchr(line, '\n', (size_t)(end - line));
		if (!nl)
			nl = end;
		json_text(&j, NULL, line, (size_t)(nl - line));
	}
	json_close(&j, ']');
	json_close(&j, '}');
}

/* "Release:    TEXT", with whatever a dead kernel put there made harmless */
static void row(const char *name, const char *text)
{
	printf("%-11s ", name);
	print_text(stdout, text, strlen(text));
	putchar('\n');
}

/* Only classes that occur: eight lines of zeros tell nobody anything */
static void print_classes(const struct capstub_label *l)
{
	unsigned i;

	for (i = 0; i < CAPSTUB_NR_CLASSES; i++)
		if (l->pages_by_class[i])
			printf("  %-14s %12" PRIu64 "  %10s\n", class_names[i],
			       l->pages_by_class[i],
			       human_bytes(l->pages_by_class[i] * l->page_size));
}

/* MISSING in capitals: it is the one word here that must not be overlooked */
static void print_pages(const struct capstub_label *l)
{
	printf("%-11s %" PRIu64 " in RAM (%s), %" PRIu64 " stored (%s)", "Pages:", l->pages_total,
	       human_bytes(l->pages_total * l->page_size), l->pages_stored,
	       human_bytes(l->pages_stored * l->page_size));
	if (l->pages_missing)
		printf(", %" PRIu64 " MISSING", l->pages_missing);
	if (l->pages_unreadable)
		printf(", %" PRIu64 " unreadable", l->pages_unreadable);
	putchar('\n');
	if (l->ram_missing)
		printf("%-11s at least %s of RAM are not in the dump\n", "MISSING:", human_bytes(l->ram_missing));
	print_classes(l);
	if (l->data_bytes_stored)
		printf("%-11s %s of pages stored as %s (%s), ratio %.2f\n", "Data:",
		       human_bytes(l->data_bytes_raw), human_bytes(l->data_bytes_stored),
		       compress_name(l->compress),
		       (double)l->data_bytes_raw / l->data_bytes_stored);
}

/*
 * Everything that stems from the last capture. From here on labels are label_readable(), and their
 * strings are known to end (label_fields_ok()); a capture that was cut has zeros where finish() would have
 * written.
 */
static void print_result(const struct capstub_label *l)
{
	printf("%-11s stop code %u (%s): %s\n", "Result:", l->stop_code, stop_name(l->stop_code),
	       stop_text(l->stop_code));
	row("Crashed:", human_time(l->crash_time));
	printf("%-11s ", "Kernel:");
	print_text(stdout, l->release, strlen(l->release));
	putchar(' ');
	print_text(stdout, l->machine, strlen(l->machine));
	printf("\n%-11s %s, level %u", "Dump:", human_bytes(l->dump_bytes), l->dump_level);
	if (l->dump_level != l->dump_level_asked)
		printf(" (%u was asked for: see --log)", l->dump_level_asked);
	putchar('\n');
	if (l->pages_total)
		print_pages(l);
	if (l->elapsed_us) {
		printf("%-11s %s in all, first block after %s, pages in %s", "Time:",
		       human_us(l->elapsed_us), human_us(l->first_block_us), human_us(l->data_us));
		if (l->data_us)
			printf(" (%s/s of memory, %s/s to the disk)",
			       human_bytes((uint64_t)(l->pages_stored * l->page_size * 1e6 /
						      l->data_us)),
			       human_bytes((uint64_t)(l->data_bytes_stored * 1e6 / l->data_us)));
		putchar('\n');
	}
}

/* Identity first, then the result, if there has been a capture */
static void print_label(const struct target *t)
{
	const struct capstub_label *l = &t->label;
	struct capstub_extents head;
	char uuid[UUID_TEXT];

	uuid_format(uuid, l->uuid);
	row("UUID:", uuid);
	if (l->name[0])
		row("Name:", l->name);
	printf("%-11s %s: %s\n", "State:", state_name(l->state),
	       state_text(l->state, l->stop_code));
	if (place_has_map(t, &head)) {
		printf("%-11s in %u pieces, dump=%s\n", "File:", head.nr, place_word(t));
		if (place_problem(t))
			note("%s %s", t->path, place_problem(t));
	}
	printf("%-11s %u since format\n", "Captures:", l->captures);
	if (l->state != CAPSTUB_EMPTY || l->stop_code)
		print_result(l);
}

/*
 * Of a file without a label, and of a capture that was cut: what the headers and descriptors say.
 * kdump_open() has terminated the strings.
 */
static void print_dump(const struct info *info)
{
	const struct kdump *k = &info->dump;

	if (!label_readable(&info->t)) {
		row("Crashed:", human_time(k->hdr.tv_sec));
		printf("%-11s ", "Kernel:");
		print_text(stdout, k->hdr.release, strlen(k->hdr.release));
		putchar(' ');
		print_text(stdout, k->hdr.machine, strlen(k->hdr.machine));
		printf("\n%-11s %d\n", "CPUs:", k->hdr.nr_cpus);
		printf("%-11s level %d%s\n", "Dump:", k->sub.dump_level,
		       k->hdr.status & KDUMP_INCOMPLETE ? ", marked INCOMPLETE" : "");
	}
	if (!info->counted)
		return;
	printf("%-11s %" PRIu64 " selected, %" PRIu64 " readable (%s, %" PRIu64 " compressed)",
	       "Found:", k->nr_descs, info->counts.stored,
	       human_bytes(info->counts.stored * (uint64_t)k->hdr.block_size),
	       info->counts.compressed);
	if (info->counts.missing)
		printf(", %" PRIu64 " MISSING", info->counts.missing);
	if (info->counts.bad)
		printf(", %" PRIu64 " with a DAMAGED descriptor", info->counts.bad);
	printf("; %s used\n", human_bytes(info->counts.end));
}

/* The report of the crash; where the log has none, its end */
static void print_log(const char *dmesg, size_t len)
{
	const char *tail = last_lines(dmesg, len, TAIL_LINES);
	struct why w;

	why_start(&w, dmesg, len);
	printf("\n%s of the dead kernel's log (--dmesg shows all):\n",
	       w.found ? "The crash in the words" : "Last lines");
	while (why_next(&w)) {
		if (w.found ? !report_has(&w.report, w.nr) : w.line < tail)
			continue;
		print_text(stdout, w.line, (size_t)(w.end - w.line));
		putchar('\n');
	}
}

/*
 * A damaged label is not printed: info_collect() said what is wrong with it, and to people a wrong
 * figure is worse than none. --json has it, beside its status.
 */
static void print_info(const struct info *info, const char *dmesg, size_t dmesg_len)
{
	size_t len;
	const char *reason = why_reason(dmesg, dmesg_len, &len);

	if (reason) {
		printf("%-11s ", "Reason:");
		print_text(stdout, reason, len);
		putchar('\n');
	}
	printf("%-11s %s, %s (%s)\n", "Target:", info->t.path, human_bytes(info->t.bytes),
	       kind_text(info->kind));
	if (label_readable(&info->t))
		print_label(&info->t);
	if (info->has_dump)
		print_dump(info);
	if (kind_advice(info->kind))
		row("Next:", kind_advice(info->kind));
	if (dmesg_len)
		print_log(dmesg, dmesg_len);
}

/* --dmesg and --log: the bare text for a pager or grep, nothing around it */
static int only_text(const struct info *info)
{
	size_t len;
	char *text;
	int rc = only_dmesg ? info_dmesg(info, &text, &len) : info_log(info, &text, &len);

	if (rc)
		return rc;
	if (!len)
		rc = fail(-ENODATA, "%s holds no %s%s", info->t.path,
			  only_dmesg ? "dmesg" : "log of the stub",
			  info->kind == KIND_KDUMP && only_dmesg ?
			  ": try 'makedumpfile --dump-dmesg'" : "");
	print_text(stdout, text, len);
	free(text);
	return rc;
}

/*
 * -EBADMSG when something is damaged, so that scripts see it without reading JSON. What can be
 * shown is shown before that.
 */
static int show(const struct target *t)
{
	struct info info;
	char *dmesg;
	size_t len;
	int rc = info_collect(&info, t);

	if (!rc && (only_dmesg || only_log))
		return only_text(&info);
	if (!rc)
		rc = info_dmesg(&info, &dmesg, &len);
	if (rc)
		return rc;
	if (as_json)
		info_json(&info, stdout, dmesg, len, NULL);
	else
		print_info(&info, dmesg, len);
	free(dmesg);
	if (info.kind == KIND_UNKNOWN)
		return fail(-ENOMSG, "%s %s", t->path, label_problem(t));
	return info.damaged ? -EBADMSG : 0;
}

int info_main(int argc, char **argv)
{
	struct target t;
	int rc;

	args_parse(&args, argc, argv);
	rc = target_open(&t, path, O_RDONLY);
	if (rc)
		return EXIT_FAILED;
	rc = show(&t);
	target_close(&t);
	return rc ? EXIT_FAILED : EXIT_OK;
}
