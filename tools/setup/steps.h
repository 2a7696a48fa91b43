/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What capstub setup has changed on a machine, so that --remove can undo that and nothing else. Each step is on the disk
 * before it is done; to undo one that was not done changes nothing.
 */
#ifndef TOOLS_SETUP_STEPS_H
#define TOOLS_SETUP_STEPS_H

#include <limits.h>
#include <stdbool.h>

#define STEPS_FILE	"/var/lib/capstub/setup"

enum step_kind {
	STEP_FOLDER,	/* made: its path */
	STEP_FILE,	/* written: its path, and the CRC-32C of what was written */
	STEP_WORD,	/* added to the one line of a file: its path, and the word */
	STEP_GRUBBY,	/* a word given to grubby */
	STEP_ENABLED,	/* a unit */
	STEP_DISABLED,	/* a unit */
	NR_STEP_KINDS,
};

struct step {
	enum step_kind kind;
	char what[PATH_MAX];
	char value[256];
};

struct steps {
	const char *root;	/* "" for this machine: all paths are below it */
	unsigned nr;
	struct step *v;
};

/* None if there is no file. 0, or -errno with a message for one that makes no sense. steps_free() either way. */
int steps_read(struct steps *s, const char *root);
void steps_free(struct steps *s);

/* Write @text into a new file below the root, or replace it, together with the folder it is in. 0 or -errno, said. */
int steps_write_file(struct steps *s, const char *path, const char *text);

/* Add @word to the line that @path consists of. */
int steps_add_word(struct steps *s, const char *path, const char *word);

/* Remember a step that the caller is about to do. One of the same kind and name is replaced. */
int steps_remember(struct steps *s, enum step_kind kind, const char *what, const char *value);

/* Was @path written by capstub setup, and is it as it was written? */
bool steps_ours(const struct steps *s, const char *path);

/*
 * Undo all that files remember, the last step first. A file that somebody changed since stays, which is said. *ret_boot:
 * what the boot loader is made from was changed. 0, or -errno with a message: then what could not be undone is remembered.
 */
int steps_undo(struct steps *s, bool *ret_boot);

/* Enable or disable a unit, with @now also start or stop it where systemd runs. 0 or -errno, said. */
int steps_systemctl(const struct steps *s, bool enable, bool now, const char *unit);

/* Are units running that could be stopped? Not below another root, nor where systemd is not (sd_booted(3)) */
bool steps_live(const struct steps *s);

/*
 * Run @argv and wait: a program of this machine; with @inside one of the system below the root, by chroot(2). 0 or
 * -errno, said.
 */
int steps_run(const struct steps *s, bool inside, char *const argv[]);

#endif
