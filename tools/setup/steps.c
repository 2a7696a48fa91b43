// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/setup/steps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stub/format/crc.h"
#include "tools/load/machine.h"
#include "tools/util.h"

static const char *const kinds[NR_STEP_KINDS] = { "folder", "file", "word", "grubby", "enabled", "disabled" };

/* Lives until the second call after this one */
static const char *below(const struct steps *s, const char *path)
{
	static char names[2][PATH_MAX];
	static unsigned turn;
	char *name = names[turn++ % 2];

	snprintf(name, PATH_MAX, "%s%s", s->root, path);
	return name;
}

/* All of it or nothing: the new file takes the name of the old one when it is on the disk. Keeps the mode. */
static int replace_file(const struct steps *s, const char *path, const char *text, size_t len)
{
	char name[PATH_MAX], temp[PATH_MAX + 8];
	struct stat st = { .st_mode = 0644 };
	FILE *f;
	int rc = 0;

	snprintf(name, sizeof(name), "%s%s", s->root, path);
	snprintf(temp, sizeof(temp), "%s.new", name);
	stat(name, &st);
	f = fopen(temp, "we");
	if (!f || fwrite(text, 1, len, f) != len || fflush(f) || fchmod(fileno(f), st.st_mode & 07777) || fsync(fileno(f)))
		rc = -errno;
	if (f && fclose(f) && !rc)
		rc = -errno;
	if (!rc && rename(temp, name))
		rc = -errno;
	if (!rc)
		return 0;
	unlink(temp);
	return fail(rc, "%s: %s%s", name, strerror(-rc), rc == -EACCES || rc == -EPERM ? ": run capstub setup as root" : "");
}

static struct step *find(const struct steps *s, enum step_kind kind, const char *what)
{
	for (unsigned i = 0; i < s->nr; i++)
		if (s->v[i].kind == kind && !strcmp(s->v[i].what, what))
			return &s->v[i];
	return NULL;
}

int steps_read(struct steps *s, const char *root)
{
	char *text, *save;

	*s = (struct steps){ .root = root };
	text = read_file(root, STEPS_FILE, NULL);
	if (!text)
		return errno == ENOENT ? 0 : fail(-errno, "%s: %m", below(s, STEPS_FILE));
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *kind = strsep(&line, "\t"), *what = strsep(&line, "\t");
		struct step step = { .kind = NR_STEP_KINDS };

		for (unsigned i = 0; i < NR_STEP_KINDS; i++)
			if (!strcmp(kind, kinds[i]))
				step.kind = (enum step_kind)i;
		if (!what || step.kind == NR_STEP_KINDS) {
			fail(-EINVAL, "%s: '%s' is no step of capstub setup: was it written by a newer one?",
			     below(s, STEPS_FILE), kind);
			free(text);
			return -EINVAL;
		}
		snprintf(step.what, sizeof(step.what), "%s", what);
		snprintf(step.value, sizeof(step.value), "%s", line ? line : "");
		s->v = must_grow(s->v, s->nr + 1, sizeof(*s->v));
		s->v[s->nr++] = step;
	}
	free(text);
	return 0;
}

void steps_free(struct steps *s)
{
	free(s->v);
}

/* With no step left, the file goes, and its folder if that is empty */
static int write_steps(const struct steps *s)
{
	char *text = NULL;
	size_t len;
	FILE *f;
	int rc;

	if (!s->nr) {
		rc = unlink(below(s, STEPS_FILE)) && errno != ENOENT ? fail(-errno, "%s: %m", below(s, STEPS_FILE)) : 0;
		rmdir(below(s, "/var/lib/capstub"));
		return rc;
	}
	f = open_memstream(&text, &len);
	if (!f)
		return fail(-ENOMEM, "no memory");
	for (unsigned i = 0; i < s->nr; i++)
		fprintf(f, "%s\t%s\t%s\n", kinds[s->v[i].kind], s->v[i].what, s->v[i].value);
	fclose(f);
	mkdir(below(s, "/var/lib/capstub"), 0755);
	rc = replace_file(s, STEPS_FILE, text, len);
	free(text);
	return rc;
}

int steps_remember(struct steps *s, enum step_kind kind, const char *what, const char *value)
{
	struct step *step = find(s, kind, what);

	if (!step) {
		s->v = must_grow(s->v, s->nr + 1, sizeof(*s->v));
		step = &s->v[s->nr++];
		*step = (struct step){ .kind = kind };
		snprintf(step->what, sizeof(step->what), "%s", what);
	}
	snprintf(step->value, sizeof(step->value), "%s", value);
	return write_steps(s);
}

static bool same(const struct steps *s, const struct step *step)
{
	size_t len;
	char *text = read_file(s->root, step->what, &len), crc[16];

	snprintf(crc, sizeof(crc), "%08x", text ? crc32c(0, text, len) : 0);
	free(text);
	return text && !strcmp(crc, step->value);
}

bool steps_ours(const struct steps *s, const char *path)
{
	const struct step *step = find(s, STEP_FILE, path);

	return step && same(s, step);
}

int steps_write_file(struct steps *s, const char *path, const char *text)
{
	char folder[PATH_MAX], crc[16];
	int rc = 0;

	if (!access(below(s, path), F_OK) && !steps_ours(s, path))
		return fail(-EEXIST, "%s is there, and not as capstub setup wrote it: move it away, or do without capstub setup",
			    below(s, path));
	snprintf(folder, sizeof(folder), "%s", path);
	*strrchr(folder, '/') = '\0';
	if (access(below(s, folder), F_OK)) {
		rc = steps_remember(s, STEP_FOLDER, folder, "");
		if (!rc && mkdir(below(s, folder), 0755))
			rc = fail(-errno, "%s: %m", below(s, folder));
	}
	snprintf(crc, sizeof(crc), "%08x", crc32c(0, text, strlen(text)));
	if (!rc)
		rc = steps_remember(s, STEP_FILE, path, crc);
	return rc ? rc : replace_file(s, path, text, strlen(text));
}

/* Where @word stands in @line, between blanks; NULL: nowhere */
static char *find_word(char *line, const char *word)
{
	size_t len = strlen(word);

	for (char *at = line; (at = strstr(at, word)); at++)
		if ((at == line || strchr(" \t", at[-1])) && (!at[len] || strchr(" \t\n", at[len])))
			return at;
	return NULL;
}

/* With the blank in front of it */
static int remove_word(const struct steps *s, const struct step *step)
{
	char *text = read_file(s->root, step->what, NULL), *at = text ? find_word(text, step->value) : NULL;
	int rc = 0;

	if (at) {
		size_t len = strlen(step->value);

		if (at > text)
			at--, len++;
		memmove(at, at + len, strlen(at + len) + 1);
		rc = replace_file(s, step->what, text, strlen(text));
	}
	free(text);
	return rc;
}

int steps_add_word(struct steps *s, const char *path, const char *word)
{
	const struct step *old = find(s, STEP_WORD, path);
	char *text, *more;
	size_t len;
	int rc = old && strcmp(old->value, word) ? remove_word(s, old) : 0;

	if (rc)
		return rc;
	text = read_file(s->root, path, NULL);
	if (!text)
		return fail(-errno, "%s: %m", below(s, path));
	if (find_word(text, word)) {
		free(text);
		return 0;
	}
	rc = steps_remember(s, STEP_WORD, path, word);
	for (len = strlen(text); len && strchr(" \t\n", text[len - 1]);)
		len--;
	if (!rc && asprintf(&more, "%.*s%s%s%s", (int)len, text, len ? " " : "", word, text[len] ? text + len : "") < 0)
		rc = fail(-ENOMEM, "no memory");
	else if (!rc) {
		rc = replace_file(s, path, more, strlen(more));
		free(more);
	}
	free(text);
	return rc;
}

int steps_run(const struct steps *s, bool inside, char *const argv[])
{
	int status = -1;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		if (inside && *s->root && (chroot(s->root) || chdir("/")))
			_exit(126);
		execvp(argv[0], argv);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0 && WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 126)
		return fail(-EPERM, "%s was not run, which takes root: run it in %s", argv[0], s->root);
	if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return fail(-ENOENT, "%s is not here: do by other means what it would have done", argv[0]);
	return fail(-EIO, "%s failed: see what it said, and run it again", argv[0]);
}

bool steps_live(const struct steps *s)
{
	return !*s->root && !access("/run/systemd/system", F_OK);
}

int steps_systemctl(const struct steps *s, bool enable, bool now, const char *unit)
{
	char root[PATH_MAX + 8];
	char *argv[] = { "systemctl", "--quiet", enable ? "enable" : "disable", (char *)unit, NULL, NULL };

	snprintf(root, sizeof(root), "--root=%s", s->root);
	argv[4] = *s->root ? root : now && steps_live(s) ? "--now" : NULL;
	return steps_run(s, false, argv);
}

static int undo(struct steps *s, const struct step *step, bool *ret_boot)
{
	const char *name = below(s, step->what);
	char word[300];
	char *grubby[] = { "grubby", "--update-kernel=ALL", word, NULL };

	switch (step->kind) {
	case STEP_FOLDER:
		if (rmdir(name) && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
			return fail(-errno, "%s: %m", name);
		return 0;
	case STEP_FILE:
		if (access(name, F_OK))
			return 0;
		if (!same(s, step)) {
			note("%s was changed since capstub setup wrote it, and stays: remove it if it is not needed", name);
			return 0;
		}
		*ret_boot |= !strstr(step->what, "capstub.conf");
		return unlink(name) ? fail(-errno, "%s: %m", name) : 0;
	case STEP_WORD:
		*ret_boot = true;
		return remove_word(s, step);
	case STEP_GRUBBY:
		snprintf(word, sizeof(word), "--remove-args=%.250s", step->what);
		return steps_run(s, true, grubby);
	default:
		return steps_systemctl(s, step->kind == STEP_DISABLED, true, step->what);
	}
}

int steps_undo(struct steps *s, bool *ret_boot)
{
	int rc = 0, one;

	*ret_boot = false;
	for (unsigned i = s->nr; i--;) {
		struct step step = s->v[i];

		one = undo(s, &step, ret_boot);
		if (!one) {
			memmove(&s->v[i], &s->v[i + 1], (s->nr - i - 1) * sizeof(step));
			s->nr--;
		}
		rc = rc ? rc : one;
	}
	one = write_steps(s);
	return rc ? rc : one;
}
