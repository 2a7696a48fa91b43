// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/load/health.h"

#include <stdio.h>
#include <unistd.h>

#include "tools/load/owner.h"
#include "tools/media/device.h"
#include "tools/media/place.h"
#include "tools/util.h"

int health_read(struct health *h, const char *root, const char *config)
{
	uint64_t loaded = 0;
	int rc;

	*h = (struct health){ .root = root };
	rc = config_read(&h->config, root, config);
	read_number(root, "/sys/kernel/kexec_crash_loaded", 10, &loaded);
	read_number(root, "/sys/kernel/kexec_crash_size", 10, &h->reserved);
	h->loaded = loaded;
	h->recorded = loaded && record_read(&h->record, root);
	h->owner = owner_not_us(&h->config, root);
	h->other = owner_other(root);
	h->words = h->recorded ? h->record.words : h->config.words;
	cmdline_parse(&h->cl, h->words);
	found_targets(&h->found, root);
	found_files(&h->found, &h->cl, root);
	return rc;
}

void health_free(struct health *h)
{
	found_free(&h->found);
}

const char *health_word(const struct health *h, unsigned nr)
{
	static const char *const prefix[] = { [TARGET_LABEL] = "LABEL=", [TARGET_PARTLABEL] = "PARTLABEL=",
					      [TARGET_SERIAL] = "SERIAL=", [TARGET_ANY] = "" };
	static char word[160];
	const struct target_spec *spec = &h->cl.targets[nr];

	/* The others keep the whole word in their text */
	snprintf(word, sizeof(word), "%s%s", spec->kind < 7 && prefix[spec->kind] ? prefix[spec->kind] : "", spec->text);
	return word;
}

/* A serial line: there is nothing to look at but its name */
static bool line_target(const struct target_spec *spec, char *buf, size_t size)
{
	snprintf(buf, size, "the serial line %s", spec->text);
	return true;
}

static bool no_target(const struct health *h, const struct target_spec *spec, char *buf, size_t size)
{
	if (!*h->root && geteuid())
		snprintf(buf, size, "only root can read the disks: run capstub as root");
	else if (spec->file_at)
		snprintf(buf, size, "no disk of this machine has that file: was it moved, deleted or formatted anew, or is its file "
			 "system not mounted? Run 'capstub format' on it and load with the word that it prints");
	else if (spec->kind == TARGET_UUID || spec->kind == TARGET_LABEL)
		snprintf(buf, size, "no disk of this machine carries that label; if it was resized or replaced, run 'capstub "
			 "format' on it again and load anew");
	else if (spec->kind == TARGET_ANY)
		snprintf(buf, size, "no disk of this machine carries a label: run 'capstub format' on one");
	else
		snprintf(buf, size, "there is no such disk or partition, or it carries no label: run 'capstub format' on it");
	return false;
}

bool health_target(const struct health *h, unsigned nr, char *buf, size_t size, const struct target **ret_target)
{
	const struct target_spec *spec = &h->cl.targets[nr];
	const struct target *t;
	unsigned matches = spec->kind == TARGET_UART ? 0 : found_match(&h->found, spec, &t);
	struct device d;
	struct place file;

	*ret_target = NULL;
	if (spec->kind == TARGET_UART)
		return line_target(spec, buf, size);
	if (!matches)
		return no_target(h, spec, buf, size);
	if (matches > 1) {
		snprintf(buf, size, "%u targets match, and the stub would write to none: name one by UUID=", matches);
		return false;
	}
	*ret_target = t;
	if (t->status != LABEL_OK) {
		snprintf(buf, size, "%s: %s", t->path, label_problem(t));
		return false;
	}
	if (spec->file_at && place_problem(t)) {
		snprintf(buf, size, "%s %s", t->path, place_problem(t));
		return false;
	}
	if (spec->file_at && !place_look(&file, t->fd))
		d = file.d;
	else
		device_look(&d, t);
	if (d.reach == REACH_LOOP || d.reach == REACH_NEVER || d.reach == REACH_FORMAT) {
		snprintf(buf, size, "%s is on %s, which the stub %s: format another target", t->path, d.what,
			 d.reach == REACH_FORMAT ? "cannot write to" : "would not find");
		return false;
	}
	if (capstub_label_unsaved(&t->label)) {
		snprintf(buf, size, "%s, %s, holds a dump that was not saved (%s, %s)%s: run 'capstub save %s'", t->path,
			 human_bytes(t->end), state_name(t->label.state), human_time(t->label.crash_time),
			 h->cl.overwrite ? ", which the next crash replaces" : "", t->path);
		return h->cl.overwrite;
	}
	snprintf(buf, size, "%s, %s, %s", t->path, human_bytes(t->end), state_text(t->label.state, t->label.stop_code));
	return true;
}
