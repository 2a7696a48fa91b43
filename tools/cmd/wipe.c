// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capstub wipe: take back the permission to write. Only the label goes; what else is on the target
 * may be somebody's by now, and is not looked at.
 */
#include <errno.h>
#include <fcntl.h>

#include "tools/cmd/args.h"
#include "tools/cmd/commands.h"
#include "tools/media/inuse.h"
#include "tools/media/place.h"
#include "tools/media/target.h"
#include "tools/util.h"

static const char *path;
static bool force;

static const struct arg options[] = {
	{ "force", 'f', NULL, "Even if the target holds a dump that was not saved", &force, NULL },
	{ 0 }
};

static const struct args args = {
	.options = options, .paths = &path, .max = 1,
	.usage = "TARGET", .which = "which TARGET?", .too_many = "one TARGET at a time",
	.doc = "Remove the capstub label of TARGET, its last 4 KiB, and nothing else: the stub will "
	       "not write there any more.",
};

/* A damaged label is one too: the next `capstub` may know how to read it. In use is never overruled. */
static int check_target(const struct target *t)
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

static int wipe(void)
{
	struct target t;
	char uuid[UUID_TEXT];
	int rc = target_open(&t, path, O_RDWR | O_EXCL);

	if (rc)
		return rc;
	uuid_format(uuid, t.label.uuid);
	rc = check_target(&t);
	if (!rc)
		rc = place_wipe(&t);
	if (!rc)
		rc = target_wipe_label(&t);
	/* It may be moved and deleted from here on */
	t.pinned &= rc;
	if (!rc)
		printf("%s: label %s removed, %u bytes at %llu are zeros now\n", path, uuid, CAPSTUB_LABEL_SIZE,
		       (unsigned long long)(t.end - CAPSTUB_LABEL_SIZE));
	target_close(&t);
	return rc;
}

int wipe_main(int argc, char **argv)
{
	args_parse(&args, argc, argv);
	return wipe() ? EXIT_FAILED : EXIT_OK;
}
