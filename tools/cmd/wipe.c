// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capstub wipe: take back the permission to write. Only the label goes; what else is on the target
 * may be somebody's by now, and is not looked at.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>

#include "tools/cmd/commands.h"
#include "tools/media/inuse.h"
#include "tools/media/target.h"
#include "tools/util.h"

struct wipe_args {
	const char *path;
	bool force;
};

static const struct argp_option options[] = {
	{ "force", 'f', NULL, 0, "Even if the target holds a dump that was not saved", 0 },
	{ 0 }
};

/* argp; wrong usage ends here with status 2 */
static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct wipe_args *a = state->input;

	switch (key) {
	case 'f':
		a->force = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->path)
			argp_error(state, "one TARGET at a time");
		a->path = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which TARGET?");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "TARGET",
	.doc = "Remove the capstub label of TARGET, its last 4 KiB, and nothing else: the stub will "
	       "not write there any more.",
};

/* A damaged label is one too: the next `capstub` may know how to read it. In use is never overruled. */
static int check_target(const struct target *t, bool force)
{
	int rc;

	if (t->status == LABEL_NONE)
		return fail(-ENOMSG, "%s carries no capstub label", t->path);
	rc = inuse_check(t);
	if (!rc)
		rc = target_lock(t);
	if (rc || force || !label_readable(t) || !capstub_label_unsaved(&t->label))
		return rc;
	return fail(-EEXIST, "%s holds a dump that was not saved (%s, %s): run 'capstub save %s' first, or "
		    "use --force", t->path, state_name(t->label.state), human_time(t->label.crash_time), t->path);
}

static int wipe(const struct wipe_args *a)
{
	struct target t;
	char uuid[UUID_TEXT];
	int rc = target_open(&t, a->path, O_RDWR | O_EXCL);

	if (rc)
		return rc;
	uuid_format(uuid, t.label.uuid);
	rc = check_target(&t, a->force);
	if (!rc)
		rc = target_wipe_label(&t);
	if (!rc)
		printf("%s: label %s removed, %u bytes at %llu are zeros now\n", a->path, uuid, CAPSTUB_LABEL_SIZE,
		       (unsigned long long)(t.end - CAPSTUB_LABEL_SIZE));
	target_close(&t);
	return rc;
}

int wipe_main(int argc, char **argv)
{
	struct wipe_args a = { 0 };

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	return wipe(&a) ? EXIT_FAILED : EXIT_OK;
}
