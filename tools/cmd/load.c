// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capstub load: the user half of kexec, for the stub alone. Everything is read, built and checked before the kernel is
 * asked, because from then on what was loaded before is gone.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capstub/boot_params.h"
#include "stub/format/crc.h"
#include "tools/cmd/args.h"
#include "tools/cmd/commands.h"
#include "tools/load/config.h"
#include "tools/load/kexec.h"
#include "tools/load/owner.h"
#include "tools/load/pins.h"
#include "tools/load/record.h"
#include "tools/load/trust.h"
#include "tools/load/words.h"
#include "tools/util.h"

struct load_args {
	const char *words;
	const char *image;
	const char *config;
	const char *root;
	enum which_call call;
	bool call_given;
	bool dry_run;
};

static struct load_args given;

static void parse_syscall(const char *value, struct argp_state *state)
{
	if (!parse_call(value, &given.call))
		argp_error(state, "--syscall is auto, load or file");
	given.call_given = true;
}

/* Another machine's /proc and /sys */
static void parse_root(const char *value, struct argp_state *state)
{
	(void)state;
	given.root = value;
	given.dry_run = true;
}

static const struct arg options[] = {
	{ "config", 'c', "FILE", "Instead of " CONFIG_FILE, &given.config, NULL },
	{ "words", 'w', "WORDS", "The stub's command line, as in capstub-stub(7), instead of what FILE says", &given.words, NULL },
	{ "image", 'i', "FILE", "The stub, instead of the one that was installed", &given.image, NULL },
	{ "syscall", 256, "auto|load|file",
	  "kexec_load(2), kexec_file_load(2), or the second where the first is refused [auto]", NULL, parse_syscall },
	{ "dry-run", 'n', NULL, "Show what would be loaded, and where", &given.dry_run, NULL },
	{ "root", 257, "DIR", NULL, NULL, parse_root },
	{ 0 }
};

static const struct args args = {
	.options = options,
	.doc = "Load the stub into the memory that crashkernel= reserved, to be run when the kernel panics. What was loaded "
	       "there before is replaced.",
};

static void show_plan(const struct plan *p, const struct machine *m)
{
	const struct range *r = machine_reservation(m);
	const char *line = (const char *)p->params.data + BOOT_PARAMS_SIZE;

	printf("reservation  %#" PRIx64 "-%#" PRIx64 "  %s\n", r->start, r->end, human_bytes(r->end - r->start));
	for (unsigned i = 0; i < NR_SEGS; i++)
		printf("%-11s  %#" PRIx64 "-%#" PRIx64 "  %s, %zu bytes loaded\n", p->seg[i].what, p->seg[i].at.start,
		       p->seg[i].at.end, human_bytes(p->seg[i].at.end - p->seg[i].at.start), p->seg[i].data_size);
	printf("entry        %#" PRIx64 "\n", p->entry);
	printf("left         %s for the kernel's page tables, then the stub's buffers\n", human_bytes(p->left));
	if (p->hotplug)
		puts("hotplug      the kernel follows by itself");
	if (m->arch == ARCH_X86_64)
		printf("words        %s\n", line);
}

static int load_segments(const struct load_args *a, const struct stub_image *img, const char *root, uint32_t *ret_elfcore_crc)
{
	struct machine m;
	struct plan p = { 0 };
	int rc = machine_read(&m, root, img->arch);

	if (!rc)
		rc = plan_make(&p, &m, img, a->words);
	if (!rc && a->dry_run)
		show_plan(&p, &m);
	else if (!rc)
		rc = kexec_load_plan(&p, a->call == CALL_AUTO);
	*ret_elfcore_crc = rc ? 0 : p.elfcore_crc;
	plan_free(&p);
	machine_free(&m);
	return rc;
}

/* On arm64 this call leaves nobody who looks whether the words were overwritten: check= lets the stub do it. */
static int load_file(const struct load_args *a, const struct stub_image *img)
{
	char *line = must_alloc(strlen(a->words) + 32, 1);
	int rc;

	strcpy(line, a->words);
	if (img->arch == ARCH_ARM64 && !strstr(line, "check="))
		sprintf(line + strlen(line), " check=%08x", crc32c(0, a->words, strlen(a->words)));
	if (a->dry_run)
		printf("words        %s\n", line);
	rc = a->dry_run ? 0 : kexec_load_file(img->path, line);
	free(line);
	return rc;
}

/*
 * kexec_load(2) first: its elfcorehdr takes less room. A kernel that refuses it may take a signed image by the other call.
 * What is sure to be refused there too is not tried, because that would unload what is loaded.
 */
static int load_image(const struct load_args *a, const struct stub_image *img, uint32_t *ret_elfcore_crc)
{
	char text[PATH_MAX + 160];
	enum trust trust = trust_look(img, a->root ? a->root : "", text, sizeof(text));
	int rc = a->call == CALL_FILE ? -ENOSYS : load_segments(a, img, a->root ? a->root : "", ret_elfcore_crc);

	if (a->call == CALL_LOAD || (a->call == CALL_AUTO && (a->dry_run || (rc != -EPERM && rc != -ENOSYS))))
		return rc;
	if (rc == -EPERM && (geteuid() || kexec_disabled("") || (!kernel_locked("") && !secure_boot(""))))
		return kexec_not_permitted();
	if (rc == -EPERM && trust < TRUST_UNKNOWN)
		return fail(-EPERM, "kernel lockdown (Secure Boot) takes signed images only, and %s: see 'capstub sign --help'", text);
	rc = load_file(a, img);
	if (!rc && trust != TRUST_UNSIGNED)
		puts(text);
	return rc;
}

static void write_record(const struct load_args *a, const struct stub_image *img, uint32_t elfcore_crc)
{
	struct record r = { .time = time(NULL), .image_crc = crc32c(0, img->file, img->file_size),
			    .elfcore_crc = elfcore_crc };

	/* Another folder is of no use to whoever reads it */
	if (!realpath(img->path, r.image))
		snprintf(r.image, sizeof(r.image), "%s", img->path);
	snprintf(r.words, sizeof(r.words), "%s", a->words);
	record_write(&r);
}

static int load(const struct load_args *a)
{
	enum arch arch = this_arch();
	struct stub_image img = { 0 };
	const char *path = a->image;
	uint32_t elfcore_crc = 0;
	int rc = words_check(a->words);

	if (!path)
		path = default_image();
	if (!rc)
		rc = stub_image_read(&img, path);
	if (!rc && !a->root && img.arch != arch)
		rc = fail(-ENOEXEC, "%s is for %s, and this machine is %s", path, arch_name(img.arch), arch_name(arch));
	if (!rc)
		rc = load_image(a, &img, &elfcore_crc);
	if (!rc && !a->dry_run) {
		write_record(a, &img, elfcore_crc);
		pins_set(a->words, true);
		printf("%s is loaded: %s\n", path, a->words);
	}
	stub_image_free(&img);
	return rc;
}

static bool something_loaded(void)
{
	uint64_t loaded = 0;

	return read_number("", "/sys/kernel/kexec_crash_loaded", 10, &loaded) && loaded;
}

/*
 * The kernel frees what is loaded before it knows whether it takes what replaces it (linux kernel/kexec.c
 * do_kexec_load()), so a load that fails late leaves nothing. Then what capstub load had loaded is loaded again, if that is
 * still the same file.
 */
static int load_or_restore(const struct load_args *a)
{
	bool was = !a->dry_run && something_loaded();
	struct record r;
	struct load_args old = { .words = r.words, .image = r.image };
	uint32_t crc = 0;
	char *file;
	size_t size;
	int rc = load(a);

	if (!rc || !was || something_loaded())
		return rc;
	file = record_read(&r, "") ? read_file("", r.image, &size) : NULL;
	if (file)
		crc = crc32c(0, file, size);
	free(file);
	if (!file || crc != r.image_crc || load(&old))
		note("what was loaded before is gone, and nothing is loaded now");
	return rc;
}

/* A machine with nothing loaded, or whose stub fails, shall come back too */
static void set_panic(int64_t seconds)
{
	FILE *f = seconds < 0 ? NULL : fopen("/proc/sys/kernel/panic", "we");

	if (seconds >= 0 && (!f || fprintf(f, "%lld\n", (long long)seconds) < 0 || fclose(f)))
		note("/proc/sys/kernel/panic: %m");
}

int load_main(int argc, char **argv)
{
	struct config c;
	int rc;

	args_parse(&args, argc, argv);
	rc = config_read(&c, given.root ? given.root : "", given.config);
	if (rc || (!given.dry_run && owner_check(&c, "")))
		return EXIT_FAILED;
	if (!given.words)
		given.words = c.words;
	if (!given.image && c.image[0])
		given.image = c.image;
	if (!given.call_given)
		given.call = c.call;
	if (!given.words[0]) {
		fail(-EINVAL, "nothing says where a dump goes: run 'capstub setup --target=/dev/...', or write "
		     "Target=UUID=... into [Stub] of %s, or give --words", given.config ? given.config : CONFIG_FILE);
		return EXIT_FAILED;
	}
	if (!given.dry_run)
		set_panic(c.panic_s);
	return load_or_restore(&given) ? EXIT_FAILED : EXIT_OK;
}
