// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/setup/boot.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/load/machine.h"
#include "tools/util.h"

#define GRUB_FILE	"/etc/default/grub.d/capstub.cfg"
#define KERNEL_FILE	"/etc/kernel/cmdline"

static bool is_there(const struct steps *s, const char *path)
{
	char name[PATH_MAX];

	snprintf(name, sizeof(name), "%s%s", s->root, path);
	return !access(name, F_OK);
}

/* Debian reads /etc/default/grub.d, others do not */
static bool has_grub(const struct steps *s)
{
	return is_there(s, "/usr/sbin/update-grub");
}

/* It changes GRUB's entries and whatever else a distribution has, and what new kernels get */
static bool has_grubby(const struct steps *s)
{
	return !has_grub(s) && is_there(s, "/usr/sbin/grubby");
}

/* systemd-boot, and unified kernel images */
static bool has_kernel_install(const struct steps *s)
{
	return is_there(s, KERNEL_FILE) || (!has_grub(s) && !has_grubby(s) && is_there(s, "/usr/bin/kernel-install") &&
		(is_there(s, "/boot/loader") || is_there(s, "/efi/loader") || is_there(s, "/boot/efi/loader")));
}

/* The last crashkernel= of a file outside comments; "": none */
static void find_word(const struct steps *s, const char *path, char *buf, size_t size)
{
	char *text = read_file(s->root, path, NULL), *save;

	*buf = '\0';
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save))
		for (char *at = line; line[strspn(line, " \t")] != '#' && (at = strstr(at, "crashkernel=")); at++)
			snprintf(buf, size, "%.*s", (int)strcspn(at, " \t\"'"), at);
	free(text);
}

/* What somebody made of a file that was ours is theirs */
static bool own_word(const struct steps *s, const char *path, const char *word)
{
	for (unsigned i = 0; i < s->nr; i++)
		if (s->v[i].kind == STEP_WORD && !strcmp(s->v[i].what, path) && !strcmp(s->v[i].value, word))
			return true;
	return steps_ours(s, path);
}

static const char *reserves(const struct steps *s, const char *path)
{
	static char text[PATH_MAX + 128];
	char word[100];

	find_word(s, path, word, sizeof(word));
	snprintf(text, sizeof(text), "%s has %s", path, word);
	return *word && !own_word(s, path, word) ? text : NULL;
}

const char *boot_reserves(const struct steps *s)
{
	const char *found = NULL;
	char pattern[PATH_MAX];
	glob_t files;

	if (has_grub(s)) {
		found = reserves(s, "/etc/default/grub");
		snprintf(pattern, sizeof(pattern), "%s/etc/default/grub.d/*.cfg", s->root);
		if (!glob(pattern, 0, NULL, &files)) {
			for (size_t i = 0; i < files.gl_pathc; i++) {
				const char *one = reserves(s, files.gl_pathv[i] + strlen(s->root));

				found = one ? one : found;
			}
			globfree(&files);
		}
	}
	if (!found && has_kernel_install(s))
		found = reserves(s, KERNEL_FILE);
	for (unsigned i = 0; has_grubby(s) && i < s->nr; i++)
		if (s->v[i].kind == STEP_GRUBBY)
			return found;
	return found || !has_grubby(s) ? found : reserves(s, "/proc/cmdline");
}

/* kernel-install goes by the running kernel's line where there is no file: so the file begins as that one */
static int make_kernel_file(struct steps *s, const char *word)
{
	char *line = read_file(s->root, "/proc/cmdline", NULL), *save, *text = NULL;
	size_t len;
	FILE *f = line ? open_memstream(&text, &len) : NULL;
	int rc;

	if (!f) {
		free(line);
		return fail(-ENOENT, "%s is not there: write the kernel's command line with %s into it, and run 'kernel-install add' "
			    "for each kernel", KERNEL_FILE, word);
	}
	for (char *w = strtok_r(line, " \n", &save); w; w = strtok_r(NULL, " \n", &save))
		if (strncmp(w, "BOOT_IMAGE=", 11) && strncmp(w, "initrd=", 7) && strncmp(w, "crashkernel=", 12))
			fprintf(f, "%s ", w);
	fprintf(f, "%s\n", word);
	fclose(f);
	free(line);
	rc = steps_write_file(s, KERNEL_FILE, text);
	free(text);
	return rc;
}

/* Debian's update-grub reads the folder; one that another system has under that name may not. */
static int check_grub(const struct steps *s, const char *word)
{
	char *text = has_grub(s) ? read_file(s->root, "/boot/grub/grub.cfg", NULL) : NULL;
	int rc = !text || strstr(text, word) ? 0 :
		 fail(-EIO, "update-grub has not put %s into /boot/grub/grub.cfg: add it to GRUB_CMDLINE_LINUX in /etc/default/grub, then run "
		      "update-grub and capstub setup again", word);

	free(text);
	return rc;
}

int boot_reserve(struct steps *s, const char *size)
{
	char word[64], args[80], text[256];
	char *grubby[] = { "grubby", "--update-kernel=ALL", args, NULL };
	bool any = false;
	int rc = 0;

	snprintf(word, sizeof(word), "crashkernel=%s", size);
	if (has_grub(s)) {
		any = true;
		snprintf(text, sizeof(text), "# Written by capstub setup; 'capstub setup --remove' takes it away.\n"
			 "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX %s\"\n", word);
		rc = steps_write_file(s, GRUB_FILE, text);
	}
	if (!rc && has_grubby(s)) {
		any = true;
		snprintf(args, sizeof(args), "--args=%s", word);
		rc = steps_remember(s, STEP_GRUBBY, word, "");
		if (!rc)
			rc = steps_run(s, true, grubby);
	}
	if (!rc && has_kernel_install(s)) {
		any = true;
		rc = is_there(s, KERNEL_FILE) && !steps_ours(s, KERNEL_FILE) ? steps_add_word(s, KERNEL_FILE, word) :
		     make_kernel_file(s, word);
	}
	if (!rc && !any)
		return fail(-ENOENT, "no boot loader that is known here (update-grub, grubby, kernel-install): put %s on the kernel's "
			    "command line by its own means, and run capstub setup again", word);
	if (!rc)
		rc = boot_refresh(s);
	return rc ? rc : check_grub(s, word);
}

/* Entries, or unified images, are made anew for each kernel that is installed */
static int kernel_install(const struct steps *s)
{
	char path[PATH_MAX], image[2][320];
	struct dirent *e;
	DIR *dir;
	int rc = 0;

	if (!is_there(s, "/usr/bin/kernel-install"))
		return fail(-ENOENT, "kernel-install is not here: have the boot loader take %s", KERNEL_FILE);
	snprintf(path, sizeof(path), "%s/usr/lib/modules", s->root);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		char *argv[] = { "kernel-install", "add", e->d_name, NULL, NULL };

		snprintf(image[0], sizeof(image[0]), "/boot/vmlinuz-%s", e->d_name);
		snprintf(image[1], sizeof(image[1]), "/usr/lib/modules/%s/vmlinuz", e->d_name);
		for (unsigned i = 0; i < 2 && !argv[3]; i++)
			if (e->d_name[0] != '.' && is_there(s, image[i]))
				argv[3] = image[i];
		if (argv[3] && steps_run(s, true, argv))
			rc = -EIO;
	}
	if (dir)
		closedir(dir);
	return rc;
}

int boot_refresh(const struct steps *s)
{
	char *grub[] = { "/usr/sbin/update-grub", NULL };
	int rc = has_grub(s) ? steps_run(s, true, grub) : 0, two = has_kernel_install(s) ? kernel_install(s) : 0;

	return rc ? rc : two;
}
