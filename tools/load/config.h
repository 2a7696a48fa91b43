/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /etc/capstub.conf: what is loaded at boot and how dumps are saved, in the syntax of systemd.syntax(7). A line that
 * cannot be understood is named and leaves the default in place: a typing error must not cost the protection.
 * capstub.conf(5) describes every key.
 */
#ifndef TOOLS_LOAD_CONFIG_H
#define TOOLS_LOAD_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "tools/load/params.h"

#define CONFIG_FILE	"/etc/capstub.conf"

/* What capstub setup writes, and takes away */
#define SETUP_FILE	CONFIG_FILE ".d/50-setup.conf"

enum which_call { CALL_AUTO, CALL_LOAD, CALL_FILE };
enum which_owner { OWNER_AUTO, OWNER_CAPSTUB, OWNER_KDUMP };

#define MIN_FREE_DEFAULT	UINT64_MAX

struct config {
	char words[WORDS_MAX + 1];	/* of the stub; "" when no Target= is given */
	char image[PATH_MAX];		/* "": the one that was installed */
	enum which_call call;
	enum which_owner owner;		/* of the reservation: tools/load/owner.h */
	int64_t panic_s;		/* for kernel.panic; -1: leave it */
	char directory[PATH_MAX];	/* where dumps are saved */
	bool elf;			/* ... and in which format */
	uint64_t keep;			/* newest dumps that are kept there; 0: all */
	uint64_t max_size;		/* bytes that all of them may take there; 0: no limit */
	uint64_t min_free;		/* bytes that a dump must leave; MIN_FREE_DEFAULT: what fits the file system */
	unsigned faults;		/* lines that were not understood, said */
};

/*
 * Read @path, or CONFIG_FILE below @root if it is NULL, then what ends in .conf in the folder of that name with .d, in the
 * order of names: a later assignment counts. No file is no error unless it was named. 0, or -errno with a message.
 */
int config_read(struct config *c, const char *root, const char *path);

/* The same of CONFIG_FILE, but for what capstub setup wrote */
int config_read_others(struct config *c, const char *root);

/* "auto", "load", "file"; false: none of them */
bool parse_call(const char *text, enum which_call *ret);

#endif
