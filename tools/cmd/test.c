// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capstub test: the only proof that a crash is captured is a crash. This one is announced, can be called off, and is
 * judged by 'capstub status' after the reboot.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/cmd/args.h"
#include "tools/cmd/commands.h"
#include "tools/load/trial.h"
#include "tools/util.h"

struct test_args {
	const char *config;
	const char *root;
	unsigned delay;
	bool yes;
};

static volatile sig_atomic_t called_off;

static void call_off(int sig)
{
	called_off = sig;
}

static struct test_args given = { .root = "", .delay = 10 };

static void parse_delay(const char *text, struct argp_state *state)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || n > 3600)
		argp_error(state, "--delay is a number of seconds, at most 3600");
	given.delay = (unsigned)n;
}

static const struct arg options[] = {
	{ "config", 'c', "FILE", "Instead of " CONFIG_FILE, &given.config, NULL },
	{ "delay", 'd', "SECONDS", "Time to think better of it [10]", NULL, parse_delay },
	{ "yes", 'y', NULL, "Do not ask", &given.yes, NULL },
	{ "root", 256, "DIR", NULL, &given.root, NULL },	/* another machine's /dev, /proc, /sys, /run and /var */
	{ 0 }
};

static const struct args args = {
	.options = options,
	.doc = "Panic this machine, to see that the crash is captured. Everything that runs on it ends at once. Asks first, counts "
	       "down, and refuses when 'capstub status' says that nothing would be captured. After the reboot 'capstub status' says "
	       "whether it was.",
};

/* An unsaved dump would be lost, or in the way: neither is worth a test */
static int check_targets(const struct health *h)
{
	bool any = false;
	char text[512];

	if (!h->recorded)
		return fail(-ENOENT, "the stub is not loaded, so nothing would be captured: run 'capstub check'");
	for (unsigned i = 0; i < h->cl.nr_targets; i++) {
		const struct target *t;

		any |= health_target(h, i, text, sizeof(text), &t);
		if (t && label_readable(t) && capstub_label_unsaved(&t->label))
			return fail(-EEXIST, "%s holds a dump that was not saved: run 'capstub collect' first", t->path);
	}
	return any ? 0 : fail(-ENOENT, "no target would be found, so nothing would be captured: run 'capstub check'");
}

static int confirm(void)
{
	char answer[16];

	if (given.yes)
		return 0;
	if (!isatty(STDIN_FILENO))
		return fail(-EPERM, "nobody is there to ask whether this machine may panic: add --yes if it may");
	printf("This panics the machine: what is not saved is lost, and all its services stop. Type 'panic' to go on: ");
	fflush(stdout);
	if (!fgets(answer, sizeof(answer), stdin) || strcmp(answer, "panic\n"))
		return fail(-ECANCELED, "nothing was done");
	return 0;
}

static int count_down(void)
{
	for (unsigned left = given.delay; left; left--) {
		printf("%spanic in %u s, Ctrl-C calls it off ", isatty(STDOUT_FILENO) ? "\r" : "", left);
		if (!isatty(STDOUT_FILENO))
			putchar('\n');
		fflush(stdout);
		sleep(1);
		if (called_off)
			return -ECANCELED;
	}
	putchar('\n');
	fflush(stdout);
	return 0;
}

/* Filesystems are flushed first; "c" works whatever kernel.sysrq allows to the keyboard (linux drivers/tty/sysrq.c) */
static int panic_now(void)
{
	char name[PATH_MAX];
	FILE *f;

	snprintf(name, sizeof(name), "%s/proc/sysrq-trigger", given.root);
	f = fopen(name, "r+e");
	if (!f)
		return fail(-errno, "%s: %m: only root can have the kernel panic, and only if it has CONFIG_MAGIC_SYSRQ", name);
	sync();
	fputs("c", f);
	fclose(f);
	return fail(-EIO, "the kernel did not panic: is it locked down, or a container?");
}


int test_main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = call_off };
	static struct health h;
	int rc;

	args_parse(&args, argc, argv);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	rc = health_read(&h, given.root, given.config);
	if (!rc)
		rc = check_targets(&h);
	if (!rc)
		rc = confirm();
	if (!rc && count_down())
		rc = fail(-ECANCELED, "called off: nothing was done");
	if (!rc)
		rc = trial_begin(&h);
	if (!rc) {
		rc = panic_now();
		trial_cancel(&h);
	}
	health_free(&h);
	return rc ? EXIT_FAILED : EXIT_OK;
}
