// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capstub setup: from an installed package to a machine that captures its crashes. Memory is reserved at the next boot, the
 * configuration names a target, the services are enabled. What it changes is remembered (tools/setup/steps.h), and --remove
 * takes back that and nothing else. Whatever can be wrong is found out before the first change.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/cmd/args.h"
#include "tools/cmd/commands.h"
#include "tools/load/config.h"
#include "tools/load/found.h"
#include "tools/load/machine.h"
#include "tools/load/owner.h"
#include "tools/load/trust.h"
#include "tools/load/words.h"
#include "tools/media/place.h"
#include "tools/setup/boot.h"
#include "tools/setup/steps.h"
#include "tools/util.h"

struct setup_args {
	const char *crashkernel;
	const char *target;
	const char *root;
	bool format, replace, remove;
};

struct setup {
	const struct setup_args *a;
	struct steps done;
	struct config others;		/* what the configuration says without us */
	char word[128];			/* the target as Target= has it; "": the configuration names one already */
};

static struct setup_args given = { .root = "" };

static void parse_size(const char *text, struct argp_state *state)
{
	/* The kernel's own syntax has ranges, offsets and suffixes; what it must not have is an end of a quoted word */
	if (!isdigit((unsigned char)*text) || text[strspn(text, "0123456789KMGkmgx:,@-higlow")] || strlen(text) > 50)
		argp_error(state, "'%s' is nothing that crashkernel= takes", text);
	given.crashkernel = text;
}

static void check_args(struct argp_state *state)
{
	if (given.remove && (given.crashkernel || given.target || given.format || given.replace))
		argp_error(state, "--remove undoes all of it: no other option but --root goes with it");
	if (given.format && (!given.target || *given.target != '/'))
		argp_error(state, "--format makes a target of a device: which one? --target=/dev/...");
}

static const struct arg options[] = {
	{ "target", 't', "WHERE", "Where a dump goes: a device that 'capstub format' has labelled, or what dump= takes in "
	  "capstub-stub(7) (default: what the configuration says, else the one labelled device)", &given.target, NULL },
	{ "format", 'f', NULL, "If the device that --target names has no label, format it first. All on it is lost",
	  &given.format, NULL },
	{ "crashkernel", 'k', "SIZE", "Memory to reserve [1M; with Secure Boot 2M, on arm64 3M]", NULL, parse_size },
	{ "replace", 256, NULL, "Take the reservation from kdump-tools or kdump: its service is disabled", &given.replace, NULL },
	{ "remove", 'r', NULL, "Undo what setup did", &given.remove, NULL },
	{ "root", 257, "DIR", "Set up the system in DIR", &given.root, NULL },
	{ 0 }
};

static const struct args args = {
	.options = options, .check = check_args,
	.doc = "Set this machine up to capture its crashes: reserve memory by the boot loader's configuration, name the target in "
	       SETUP_FILE ", enable capstub-load.service and capstub-save.service, and run 'capstub check'.",
};

static int label_word(struct setup *s, const struct target *t)
{
	/* Of a file with its address: a path may not be there yet when the stub is loaded */
	snprintf(s->word, sizeof(s->word), "%s", place_word(t));
	return 0;
}

static int device_word(struct setup *s, const char *path)
{
	char *argv[] = { "capstub format", (char *)path, NULL };
	struct target t;
	int rc = target_open(&t, path, O_RDONLY);

	if (rc)
		return rc;
	if (t.status != LABEL_OK && s->a->format) {
		target_close(&t);
		if (format_main(2, argv) != EXIT_OK)
			return -EIO;
		rc = target_open(&t, path, O_RDONLY);
		if (rc)
			return rc;
	}
	if (t.status == LABEL_NONE)
		rc = fail(-ENOENT, "%s is no target yet: add --format, and all on it is lost", path);
	else if (t.status != LABEL_OK)
		rc = fail(-ENOENT, "%s: %s", path, label_problem(&t));
	else
		rc = label_word(s, &t);
	target_close(&t);
	return rc;
}

/* No target was named: is there a choice? */
static int only_word(struct setup *s)
{
	const struct target *one = NULL;
	struct found f;
	unsigned nr = 0;
	int rc = 0;

	found_targets(&f, s->a->root);
	for (unsigned i = 0; i < f.nr; i++)
		if (f.v[i].status == LABEL_OK) {
			one = &f.v[i];
			nr++;
		}
	if (nr == 1)
		rc = label_word(s, one);
	else if (!nr)
		rc = fail(-ENOENT, "no disk of this machine is a target yet: name a partition of about the size of the memory in use, as in "
			  "'capstub setup --target=/dev/nvme0n1p4 --format'; all on it is lost");
	else
		rc = fail(-EEXIST, "%u disks of this machine are targets: say which, as in 'capstub setup --target=%s'", nr, one->path);
	found_free(&f);
	return rc;
}

static int choose_target(struct setup *s)
{
	char word[160], complaint[128], *text;
	bool known;

	if (s->a->target && *s->a->target == '/')
		return device_word(s, s->a->target);
	if (s->a->target) {
		snprintf(word, sizeof(word), "dump=%s", s->a->target);
		if (strlen(s->a->target) >= sizeof(s->word))
			return fail(-EINVAL, "--target=%s: too long", s->a->target);
		if (words_complaint(word, complaint, sizeof(complaint)))
			return fail(-EINVAL, "--target=%s: %s; or name a device, as in --target=/dev/nvme0n1p4", s->a->target, complaint);
		strcpy(s->word, s->a->target);
		return 0;
	}
	text = strstr(s->others.words, "dump=") ? NULL : read_file(s->a->root, SETUP_FILE, NULL);
	known = strstr(s->others.words, "dump=") || (text && strstr(text, "\nTarget="));
	free(text);
	return known ? 0 : only_word(s);
}

/*
 * The serial console of the running kernel, the last one on its command line, if the stub can have it too. False: none.
 */
static bool find_console(const struct setup *s, char *ret, size_t size)
{
	char *line = read_file(s->a->root, "/proc/cmdline", NULL), *save, complaint[128];
	bool found = false;

	for (char *word = line ? strtok_r(line, " \n", &save) : NULL; word; word = strtok_r(NULL, " \n", &save)) {
		if (strncmp(word, "console=", 8) || strpbrk(word, "\"'$`\\") || words_complaint(word, complaint, sizeof(complaint)))
			continue;
		snprintf(ret, size, "%s", word + 8);
		found = true;
	}
	free(line);
	return found;
}

/* Only what nobody has said elsewhere. */
static int write_config(struct setup *s)
{
	const char *words = s->others.words;
	char text[1024], console[64], name[PATH_MAX];
	int len;

	snprintf(name, sizeof(name), "%s" SETUP_FILE, s->a->root);
	if (!s->word[0] && !access(name, F_OK))
		return 0;
	len = snprintf(text, sizeof(text), "# Written by capstub setup; 'capstub setup --remove' takes it away. See capstub.conf(5).\n[Stub]\n");
	if (s->word[0])
		len += snprintf(text + len, sizeof(text) - (size_t)len, "Target=\nTarget=%s\n", s->word);
	if (!strstr(words, "console=") && find_console(s, console, sizeof(console)))
		len += snprintf(text + len, sizeof(text) - (size_t)len, "Console=%s\n", console);
	/* capstub-save.service saves what there is at boot: what it could not save is worth more than the next dump */
	if (!strstr(words, "overwrite="))
		len += snprintf(text + len, sizeof(text) - (size_t)len, "Overwrite=no\n");
	if (s->others.panic_s < 0)
		snprintf(text + len, sizeof(text) - (size_t)len, "[Load]\nPanic=10\n");
	return steps_write_file(&s->done, SETUP_FILE, text);
}

/*
 * A kernel that takes signed images only is loaded by kexec_file_load(2), which writes an elfcorehdr of 900 KiB where memory
 * can be added, and begins image and device tree on borders of 2 MiB on arm64.
 */
static const char *default_size(const char *root)
{
	if (!secure_boot(root) && !kernel_locked(root))
		return "1M";
	return this_arch() == ARCH_ARM64 ? "3M" : "2M";
}

/* Not asked for and there already: theirs, and it stays */
static int reserve(struct setup *s)
{
	const char *theirs = boot_reserves(&s->done);

	if (theirs && !s->a->crashkernel) {
		note("%s already: it is left as it is", theirs);
		return 0;
	}
	if (theirs)
		note("%s too, and the last one on the kernel's command line is what counts: remove it there", theirs);
	return boot_reserve(&s->done, s->a->crashkernel ? s->a->crashkernel : default_size(s->a->root));
}

static int enable(struct setup *s, const char *unit)
{
	int rc;

	if (unit_enabled(s->a->root, unit))
		return 0;
	rc = steps_remember(&s->done, STEP_ENABLED, unit, "");
	return rc ? rc : steps_systemctl(&s->done, true, false, unit);
}

static int take_over(struct setup *s)
{
	const char *other = owner_other(s->a->root);
	char unit[64];
	int rc;

	if (!other)
		return 0;
	snprintf(unit, sizeof(unit), "%s.service", other);
	rc = steps_remember(&s->done, STEP_DISABLED, unit, "");
	if (!rc)
		rc = steps_systemctl(&s->done, false, true, unit);
	if (!rc)
		note("%s is disabled; 'capstub setup --remove' enables it again", unit);
	return rc;
}

/* Memory that is reserved by now can be used at once. A failure is what 'capstub check' then says. */
static void load_now(struct setup *s)
{
	char *argv[] = { "systemctl", "reload-or-restart", "capstub-load.service", "capstub-reload.path", NULL };
	uint64_t reserved = 0;

	read_number(s->a->root, "/sys/kernel/kexec_crash_size", 10, &reserved);
	if (steps_live(&s->done) && reserved)
		steps_run(&s->done, false, argv);
	else
		puts("Memory is reserved at the next boot: reboot, then 'capstub check' says whether a crash would be captured.");
}

static int set_up(struct setup *s)
{
	char *check[] = { "capstub check", "--root", (char *)s->a->root, NULL };
	int rc = config_read_others(&s->others, s->a->root);

	if (rc)
		return rc;
	if ((!s->a->replace || s->others.owner == OWNER_KDUMP) && owner_check(&s->others, s->a->root))
		return -EBUSY;
	rc = choose_target(s);
	if (rc)
		return rc;
	if (s->a->replace)
		rc = take_over(s);
	if (!rc)
		rc = write_config(s);
	if (!rc)
		rc = reserve(s);
	if (!rc)
		rc = enable(s, "capstub-load.service");
	if (!rc)
		rc = enable(s, "capstub-save.service");
	if (rc) {
		note("setup is not done: run it again when that is solved, or 'capstub setup --remove' to undo what it did");
		return rc;
	}
	load_now(s);
	check_main(3, check);
	return 0;
}

static int take_back(struct setup *s)
{
	bool boot;
	int rc;

	if (!s->done.nr) {
		note("capstub setup has set up nothing here: there is nothing to undo");
		return 0;
	}
	rc = steps_undo(&s->done, &boot);
	if (boot && boot_refresh(&s->done))
		rc = -EIO;
	if (!rc)
		puts("What capstub setup did is undone. The memory is free again after the next boot.");
	return rc;
}

int setup_main(int argc, char **argv)
{
	static struct setup s = { .a = &given };
	int rc;

	args_parse(&args, argc, argv);
	/* A folder is what stands before /etc, so "/" is none */
	if (!strcmp(given.root, "/"))
		given.root = "";
	if (!*given.root && geteuid()) {
		fail(-EPERM, "only root can set up this machine: run capstub setup as root");
		return EXIT_FAILED;
	}
	rc = steps_read(&s.done, given.root);
	if (!rc)
		rc = given.remove ? take_back(&s) : set_up(&s);
	steps_free(&s.done);
	return rc ? EXIT_FAILED : EXIT_OK;
}
