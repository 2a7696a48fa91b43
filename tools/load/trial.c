// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/load/trial.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/load/machine.h"
#include "tools/util.h"

#define BOOT_ID	"/proc/sys/kernel/random/boot_id"

const char *trial_name(enum trial_result result)
{
	static const char *const names[] = { "none", "pending", "good", "partly", "bad", "unknown" };

	return names[result];
}

static void boot_id(const char *root, char *buf, size_t size)
{
	char *text = read_file(root, BOOT_ID, NULL);

	snprintf(buf, size, "%.*s", text ? (int)strcspn(text, " \n") : 7, text ? text : "unknown");
	free(text);
}

/* First line: when, and in which boot. Then one for each target: its UUID and how often it has captured, or "line" */
int trial_begin(const struct health *h)
{
	char name[PATH_MAX], id[64], uuid[UUID_TEXT], text[512];
	FILE *f;

	snprintf(name, sizeof(name), "%s/var/lib/capstub", h->root);
	mkdir(name, 0755);
	snprintf(name, sizeof(name), "%s" TRIAL_FILE, h->root);
	boot_id(h->root, id, sizeof(id));
	f = fopen(name, "we");
	if (!f)
		return fail(-errno, "%s: %m", name);
	fprintf(f, "%" PRId64 " %s\n", (int64_t)time(NULL), id);
	for (unsigned i = 0; i < h->cl.nr_targets; i++) {
		const struct target *t;
		bool good = health_target(h, i, text, sizeof(text), &t);

		if (good && !t) {
			fputs("line\n", f);
		} else if (good) {
			uuid_format(uuid, t->label.uuid);
			fprintf(f, "%s %" PRIu32 "\n", uuid, t->label.captures);
		}
	}
	if (fflush(f) || fsync(fileno(f)) || fclose(f))
		return fail(-EIO, "%s cannot be written: %m", name);
	return 0;
}

void trial_cancel(const struct health *h)
{
	char name[PATH_MAX];

	snprintf(name, sizeof(name), "%s" TRIAL_FILE, h->root);
	unlink(name);
}

static const struct target *find_target(const struct health *h, const char *text)
{
	uint8_t uuid[16];

	for (unsigned i = 0; !uuid_parse(text, uuid) && i < h->found.nr; i++)
		if (label_readable(&h->found.v[i]) && !memcmp(h->found.v[i].label.uuid, uuid, 16))
			return &h->found.v[i];
	return NULL;
}

/* What the label says of a capture that was begun after the test */
static enum trial_result judge_capture(const struct target *t, char *buf, size_t size)
{
	const struct capstub_label *l = &t->label;
	bool good = !l->stop_code && l->state != CAPSTUB_DUMPING;

	snprintf(buf, size, "%s in %s on %s%s%s", human_bytes(l->dump_bytes), human_us(l->elapsed_us), t->path,
		 good ? ", complete" : ", but not all of it: ", good ? "" : l->state == CAPSTUB_DUMPING ? "the capture was cut" :
		 stop_text(l->stop_code));
	return good ? TRIAL_GOOD : TRIAL_PARTLY;
}

/* The first target that has captured anything since is the one; else it depends on who could have. */
static enum trial_result judge_targets(const struct health *h, char *lines, char *buf, size_t size)
{
	enum trial_result result = TRIAL_BAD;
	char *save;

	snprintf(buf, size, "the machine has rebooted, and nothing was captured: see what the console said, 'capstub check', and STOP CODES "
		 "in capstub-stub(7)");
	for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char uuid[UUID_TEXT];
		uint32_t captures = 0;
		const struct target *t = NULL;

		if (sscanf(line, "%36s %" SCNu32, uuid, &captures) == 2)
			t = find_target(h, uuid);
		if (t && t->label.captures > captures + 1) {
			snprintf(buf, size, "%s has captured it, and %u more since", t->path, t->label.captures - captures - 1);
			return TRIAL_GOOD;
		}
		if (t && t->label.captures > captures)
			return judge_capture(t, buf, size);
		if (t && t->label.captures == captures)
			continue;
		result = TRIAL_UNKNOWN;
		if (!strcmp(line, "line"))
			snprintf(buf, size, "it went over a serial line: whoever received it has it");
		else
			snprintf(buf, size, "the target %s is not there any more, or was formatted since", uuid);
	}
	return result;
}

enum trial_result trial_judge(const struct health *h, char *buf, size_t size, int64_t *ret_time)
{
	char *text = read_file(h->root, TRIAL_FILE, NULL), *rest = text ? strchr(text, '\n') : NULL;
	char id[64], was[64] = "";
	enum trial_result result = TRIAL_NONE;

	*buf = '\0';
	boot_id(h->root, id, sizeof(id));
	if (rest && sscanf(text, "%" SCNd64 " %63s", ret_time, was) == 2) {
		result = !strcmp(id, was) ? TRIAL_PENDING : judge_targets(h, rest + 1, buf, size);
		if (result == TRIAL_PENDING)
			snprintf(buf, size, "begun, but the machine has not rebooted since");
	}
	free(text);
	return result;
}
