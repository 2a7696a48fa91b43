// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capstub check: everything that can be known before a crash about why it would not be captured. Each check is a
 * function that says what it found; nothing is changed.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stub/format/crc.h"
#include "tools/cmd/args.h"
#include "tools/cmd/commands.h"
#include "tools/load/health.h"
#include "tools/load/kexec.h"
#include "tools/load/owner.h"
#include "tools/load/trial.h"
#include "tools/load/trust.h"
#include "tools/media/estimate.h"
#include "tools/media/pin.h"
#include "tools/setup/steps.h"
#include "tools/util.h"

enum severity { SEV_OK, SEV_NOTE, SEV_WARNING, SEV_ERROR };

static const char *const severities[] = { "ok", "note", "warning", "error" };

struct check_args {
	const char *config;
	const char *root;
	bool json;
};

struct checker {
	struct health h;
	struct json j;
	bool json;
	enum severity worst;
};

static struct check_args given = { .root = "" };

static const struct arg options[] = {
	{ "config", 'c', "FILE", "Instead of " CONFIG_FILE, &given.config, NULL },
	{ "json", 'j', NULL, "For scripts: one JSON object", &given.json, NULL },
	{ "root", 256, "DIR", NULL, &given.root, NULL },	/* another machine's /dev, /etc, /proc, /sys and /run */
	{ 0 }
};

static const struct args args = {
	.options = options,
	.doc = "Look for everything that would prevent the capture of a crash, and say what to do about it. Exit status 1: "
	       "something would.",
};

/* @what is for scripts; the text says what was found and what to do */
static __attribute__((format(printf, 4, 5))) void found(struct checker *c, enum severity sev, const char *what, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->worst = sev > c->worst ? sev : c->worst;
	if (!c->json) {
		printf("%-8s %s\n", severities[sev], text);
		return;
	}
	json_open(&c->j, NULL, '{');
	json_str(&c->j, "severity", severities[sev]);
	json_str(&c->j, "what", what);
	json_str(&c->j, "text", text);
	json_close(&c->j, '}');
}

/* The last counts, for the kernel; each tool that appends one thinks it is the only one */
static void check_crashkernel(struct checker *c)
{
	char *line = read_file(c->h.root, "/proc/cmdline", NULL), *word, *save, *last = NULL;
	unsigned nr = 0;

	for (word = line ? strtok_r(line, " \n", &save) : NULL; word; word = strtok_r(NULL, " \n", &save)) {
		/* ,high and ,low belong together */
		if (strncmp(word, "crashkernel=", 12) || strstr(word, ",low"))
			continue;
		nr++;
		last = word;
	}
	if (nr > 1)
		found(c, SEV_WARNING, "crashkernel", "the kernel's command line has crashkernel= %u times, and %s is what counts: "
		      "remove the others (/etc/default/grub, /etc/default/grub.d)", nr, last);
	free(line);
}

static void check_reservation(struct checker *c)
{
	uint64_t size = c->h.reserved;
	char set_up[PATH_MAX];

	snprintf(set_up, sizeof(set_up), "%s" STEPS_FILE, c->h.root);
	if (!size && !access(set_up, F_OK))
		found(c, SEV_ERROR, "reservation", "no memory is reserved yet: capstub setup has seen to it that the next boot does, so "
		      "reboot; if that was done, see whether crashkernel= is in /proc/cmdline, and if not, what the boot loader is told");
	else if (!size)
		found(c, SEV_ERROR, "reservation", "no memory is reserved: run 'capstub setup', or put crashkernel=1M on the kernel's "
		      "command line, and reboot");
	else if (size > 16 << 20)
		found(c, SEV_NOTE, "reservation", "%s are reserved, and crashkernel=1M is enough", human_bytes(size));
	else
		found(c, SEV_OK, "reservation", "%s are reserved", human_bytes(size));
}

/* The very plan that capstub load would make, or what the kernel itself would need. What is wrong with it has been said by whoever found it. */
static void check_plan(struct checker *c, const struct stub_image *img)
{
	bool by_file = kernel_locked(c->h.root) || c->h.config.call == CALL_FILE;
	struct machine m = { 0 };
	struct plan p = { 0 };

	if (!c->h.reserved)
		return;
	if (machine_read(&m, c->h.root, img->arch))
		found(c, geteuid() ? SEV_WARNING : SEV_ERROR, "plan", "what would be loaded cannot be planned: see the message above");
	else if (by_file && img->arch == ARCH_X86_64 && plan_file_needs(&m, img) > c->h.reserved)
		found(c, SEV_ERROR, "plan", "the stub does not fit as kexec_file_load loads it, which is the call for signed images: boot "
		      "with crashkernel=%lluK", (unsigned long long)(plan_file_needs(&m, img) >> 10));
	else if (plan_make(&p, &m, img, c->h.words))
		found(c, SEV_ERROR, "plan", "the stub does not fit: see the message above");
	else
		found(c, SEV_OK, "plan", "the stub fits, with %s for its buffers", human_bytes(p.left));
	if (c->h.recorded && c->h.record.elfcore_crc && p.elfcore_crc && c->h.record.elfcore_crc != p.elfcore_crc)
		found(c, SEV_WARNING, "memory", "memory or CPUs came or went since the stub was loaded, and what is new would not be in a "
		      "dump: run 'capstub load'");
	plan_free(&p);
	machine_free(&m);
}

/* Only a kernel that is locked down asks for a signature; one that is there is looked at all the same. */
static void check_signature(struct checker *c, const struct stub_image *img)
{
	bool locked = kernel_locked(c->h.root);
	enum severity bad = !locked ? SEV_NOTE : c->h.loaded ? SEV_WARNING : SEV_ERROR;
	char text[PATH_MAX + 160];
	enum trust trust = trust_look(img, c->h.root, text, sizeof(text));
	const char *enrol = trust_enrol(c->h.root);

	if (trust == TRUST_KNOWN)
		found(c, SEV_OK, "signature", "%s", text);
	else if (trust == TRUST_UNSIGNED && locked)
		found(c, bad, "signature", "kernel lockdown (Secure Boot) takes signed images only, and %s: sign it with 'capstub sign'; %s",
		      text, enrol);
	else if (trust == TRUST_CHANGED)
		found(c, bad, "signature", "%s: sign it again", text);
	else if (trust == TRUST_UNKNOWN)
		found(c, bad, "signature", "%s: %s", text, enrol);
	else if (secure_boot(c->h.root))
		found(c, SEV_NOTE, "signature", "%s; Secure Boot is on, and should the kernel be locked down it would not be loaded", text);
}

static void check_image(struct checker *c)
{
	const struct record *r = &c->h.record;
	struct stub_image img;
	const char *path = c->h.config.image[0] ? c->h.config.image : default_image();

	if (stub_image_read(&img, path))
		found(c, SEV_ERROR, "image", "%s cannot be loaded: see the message above", path);
	else {
		check_plan(c, &img);
		check_signature(c, &img);
	}
	if (img.arch && c->h.recorded && !strcmp(r->image, path) && crc32c(0, img.file, img.file_size) != r->image_crc)
		found(c, SEV_WARNING, "image", "%s was replaced since it was loaded: run 'capstub load'", path);
	stub_image_free(&img);
}

static void check_loaded(struct checker *c)
{
	if (kexec_disabled(c->h.root))
		found(c, c->h.loaded ? SEV_NOTE : SEV_ERROR, "refused", "%s", KEXEC_DISABLED);
	if (!c->h.loaded)
		found(c, SEV_ERROR, "loaded", "nothing is loaded: run 'capstub load', and 'capstub setup' once, so that it is at every boot");
	else if (!c->h.recorded)
		found(c, SEV_WARNING, "loaded", "something is loaded, but not by 'capstub load': another tool owns the reservation, or "
		      "kexec was run by hand");
	else if (c->h.config.words[0] && strcmp(c->h.config.words, c->h.record.words))
		found(c, SEV_WARNING, "loaded", "the stub was loaded with other words than the configuration has now: run 'capstub "
		      "load'");
	else
		found(c, SEV_OK, "loaded", "the stub is loaded since %s", human_time(c->h.record.time));
}

static void check_words(struct checker *c)
{
	const struct cmdline *cl = &c->h.cl;

	if (c->h.config.faults)
		found(c, SEV_WARNING, "config", "%u line(s) of the configuration were not understood: see the messages above",
		      c->h.config.faults);
	for (unsigned i = 0; i < cl->nr_complaints; i++)
		found(c, SEV_WARNING, "words", "the stub's command line: %s", cl->complaints[i]);
	if (!cl->console_given)
		found(c, SEV_NOTE, "console", "no console= word: the stub shows its messages only on the UART that the firmware "
		      "names; Console=ttyS0,115200 in " CONFIG_FILE " would name one");
}

static void check_size(struct checker *c, const struct target *t)
{
	struct estimate e;

	if (!estimate_dump(&e, c->h.root) || t->end >= e.raw)
		return;
	found(c, t->end < e.lzo ? SEV_WARNING : SEV_NOTE, "size", "%s has %s, and a dump of this machine would need about %s now, %s "
	      "with LZO: if it does not fit, the most valuable pages are what it gets", t->path, human_bytes(t->end),
	      human_bytes(e.raw), human_bytes(e.lzo));
}

/* One good target is enough to be protected; the others are there for when that fails. */
static void check_targets(struct checker *c)
{
	struct health *h = &c->h;
	bool any = false;
	char text[512];
	const struct target *t;

	if (!h->cl.nr_targets)
		found(c, SEV_ERROR, "target", "nothing says where a dump goes: run 'capstub setup --target=/dev/...', or write "
		      "Target=UUID=... into [Stub] of " CONFIG_FILE);
	for (unsigned i = 0; i < h->cl.nr_targets; i++)
		any |= health_target(h, i, text, sizeof(text), &t);
	for (unsigned i = 0; i < h->cl.nr_targets; i++) {
		bool good = health_target(h, i, text, sizeof(text), &t);
		bool unsaved = t && label_readable(t) && capstub_label_unsaved(&t->label);

		found(c, good ? unsaved ? SEV_WARNING : SEV_OK : any ? SEV_WARNING : SEV_ERROR, "target", "%s: %s", health_word(h, i),
		      text);
		if (t && good)
			check_size(c, t);
		if (t && !t->is_blk && !*h->root && !pin_is_set(t->fd))
			found(c, SEV_WARNING, "pinned", "%s may be moved, punched or deleted, and the stub would refuse it: run 'capstub "
			      "load', or 'chattr +i' it", t->path);
	}
}

/* Two that load at boot: whoever is last wins, and both think they are loaded. */
static void check_others(struct checker *c)
{
	const char *other = c->h.other;

	if (c->h.owner)
		found(c, SEV_WARNING, "owner", "the reservation is %s's, %s, so 'capstub load' refuses: 'capstub setup --replace' takes "
		      "it over", c->h.owner, other ? "which is enabled" : "by Owner=kdump");
	else if (other)
		found(c, SEV_WARNING, "others", "the reservation is capstub's, but %s.service is enabled too, and what is loaded last "
		      "wins: run 'systemctl disable --now %s'", other, other);
}

static void check_kernel(struct checker *c)
{
	char *post = read_file(c->h.root, "/sys/module/kernel/parameters/crash_kexec_post_notifiers", NULL);
	uint64_t panic = 1;

	if (post && *post == 'Y')
		found(c, SEV_NOTE, "notifiers", "crash_kexec_post_notifiers is set: code of the dying kernel runs before the stub, and if "
		      "that hangs there is no dump");
	free(post);
	read_number(c->h.root, "/proc/sys/kernel/panic", 10, &panic);
	if (!panic)
		found(c, SEV_NOTE, "panic", "kernel.panic is 0: should nothing be loaded when the kernel panics, the machine stays "
		      "dead; Panic=10 in [Load] of " CONFIG_FILE " reboots it");
}

/* What is well now shall be after the next boot, and after the next crash */
static void check_units(struct checker *c)
{
	if (c->h.recorded && !unit_enabled(c->h.root, "capstub-load.service"))
		found(c, SEV_WARNING, "units", "capstub-load.service is not enabled, so nothing is loaded after the next boot: run 'capstub "
		      "setup'");
	if (c->h.recorded && !unit_enabled(c->h.root, "capstub-save.service"))
		found(c, c->h.cl.overwrite ? SEV_NOTE : SEV_WARNING, "units", "capstub-save.service is not enabled, so a dump stays on its "
		      "target until somebody saves it%s: run 'capstub setup'", c->h.cl.overwrite ? "" :
		      ", and with overwrite=no there is no other one until then");
}

static void check_trial(struct checker *c)
{
	char text[512];
	int64_t when;

	if (trial_judge(&c->h, text, sizeof(text), &when) == TRIAL_BAD)
		found(c, SEV_WARNING, "test", "the last 'capstub test' failed: %s", text);
}

int check_main(int argc, char **argv)
{
	static struct checker c;

	args_parse(&args, argc, argv);
	c.json = given.json;
	c.j.f = stdout;
	if (health_read(&c.h, given.root, given.config)) {
		health_free(&c.h);
		return EXIT_FAILED;
	}
	if (given.json) {
		json_open(&c.j, NULL, '{');
		json_open(&c.j, "findings", '[');
	}
	check_reservation(&c);
	check_crashkernel(&c);
	check_image(&c);
	check_loaded(&c);
	check_words(&c);
	check_targets(&c);
	check_others(&c);
	check_kernel(&c);
	check_units(&c);
	check_trial(&c);
	if (given.json) {
		json_close(&c.j, ']');
		json_str(&c.j, "worst", severities[c.worst]);
		json_close(&c.j, '}');
	}
	health_free(&c.h);
	return c.worst == SEV_ERROR ? EXIT_FAILED : EXIT_OK;
}
