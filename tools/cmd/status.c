// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capstub status: is this machine protected now? One screen, one exit status. `capstub check` says what else could be
 * wrong.
 */
#include <inttypes.h>
#include <string.h>

#include "tools/cmd/args.h"
#include "tools/cmd/commands.h"
#include "tools/load/trial.h"
#include "tools/util.h"

struct status_args {
	const char *config;
	const char *root;
	bool json;
};

static struct status_args given = { .root = "" };

static const struct arg options[] = {
	{ "config", 'c', "FILE", "Instead of " CONFIG_FILE, &given.config, NULL },
	{ "json", 'j', NULL, "For scripts: one JSON object", &given.json, NULL },
	{ "root", 256, "DIR", NULL, &given.root, NULL },	/* another machine's /dev, /proc, /sys and /run */
	{ 0 }
};

static const struct args args = {
	.options = options,
	.doc = "Show whether the stub is loaded, with which words, and whether it would find its targets. Exit status 0: a "
	       "crash now would be captured; 1: it would not.",
};

static void show_stub(const struct health *h)
{
	if (!h->loaded)
		printf("stub      not loaded%s\n", h->reserved ? ": run 'capstub load'" :
		       ", and no memory is reserved: run 'capstub setup', or boot with crashkernel=1M");
	else if (!h->recorded)
		printf("stub      something is loaded, but not by 'capstub load'\n");
	else
		printf("stub      loaded, %s, %s (CRC %08" PRIx32 ")\n", human_time(h->record.time), h->record.image,
		       h->record.image_crc);
	printf("reserved  %s%s%s\n", human_bytes(h->reserved), h->owner ? ", for " : "", h->owner ? h->owner : "");
	if (h->recorded || !h->loaded)
		printf("words     %s%s\n", h->words[0] ? h->words : "none: run 'capstub setup', or write Target= into " CONFIG_FILE,
		       h->loaded || !h->words[0] ? "" : " (not loaded)");
}

static void show_trial(const struct health *h, struct json *j)
{
	char text[512];
	int64_t when = 0;
	enum trial_result result = trial_judge(h, text, sizeof(text), &when);

	if (!j && result != TRIAL_NONE)
		printf("test      %s, %s: %s\n", human_time(when), trial_name(result), text);
	if (!j)
		return;
	json_open(j, "test", '{');
	json_str(j, "result", trial_name(result));
	json_i64(j, "time", when);
	json_str(j, "text", text);
	json_close(j, '}');
}

/* Returns whether any target can take a dump */
static bool show_targets(const struct health *h, struct json *j)
{
	bool any = false;

	for (unsigned i = 0; i < h->cl.nr_targets; i++) {
		const struct target *t;
		char text[512];
		bool good = health_target(h, i, text, sizeof(text), &t);

		any |= good;
		if (!j) {
			printf("target    %s %s: %s\n", good ? "ok " : "BAD", health_word(h, i), text);
			continue;
		}
		json_open(j, NULL, '{');
		json_str(j, "word", health_word(h, i));
		json_bool(j, "good", good);
		json_str(j, "text", text);
		if (t) {
			json_str(j, "device", t->path);
			json_u64(j, "bytes", t->end);
		}
		if (t && label_readable(t)) {
			json_str(j, "state", state_name(t->label.state));
			json_bool(j, "unsaved", capstub_label_unsaved(&t->label));
			json_i64(j, "crash_time", t->label.crash_time);
		}
		json_close(j, '}');
	}
	return any;
}

static bool show_json(const struct health *h)
{
	struct json j = { .f = stdout };
	bool any;

	json_open(&j, NULL, '{');
	json_bool(&j, "loaded", h->loaded);
	json_bool(&j, "by_capstub", h->recorded);
	json_u64(&j, "reserved", h->reserved);
	json_str(&j, "owner", h->owner ? h->owner : "capstub");
	json_str(&j, "words", h->words);
	if (h->recorded) {
		json_i64(&j, "time", h->record.time);
		json_str(&j, "image", h->record.image);
		json_u64(&j, "image_crc32c", h->record.image_crc);
	}
	json_open(&j, "targets", '[');
	any = show_targets(h, &j);
	json_close(&j, ']');
	show_trial(h, &j);
	json_bool(&j, "protected", any && h->recorded);
	json_close(&j, '}');
	return any;
}

int status_main(int argc, char **argv)
{
	static struct health h;
	bool any;
	int rc;

	args_parse(&args, argc, argv);
	rc = health_read(&h, given.root, given.config);
	if (!rc && !given.json)
		show_stub(&h);
	any = !rc && (given.json ? show_json(&h) : show_targets(&h, NULL));
	if (!rc && !given.json)
		show_trial(&h, NULL);
	health_free(&h);
	return any && h.recorded ? EXIT_OK : EXIT_FAILED;
}
