/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command lines of the subcommands: a table of options, no, one or more TARGETs. On top of argp(3). */
#ifndef TOOLS_ARGS_H
#define TOOLS_ARGS_H

#include <argp.h>
#include <stdbool.h>

#define ARGS_MAX	12u	/* options of a command */

struct arg {
	const char *name;
	int key;		/* a letter; above 255: it has none */
	const char *value;	/* what --help calls it; NULL: there is none */
	const char *doc;	/* NULL: not in --help */
	void *to;		/* bool *, which becomes true; const char ** for a value */
	void (*parse)(const char *value, struct argp_state *state);	/* instead */
};

struct args {
	const struct arg *options;	/* ends with one of zeros */
	const char *usage, *doc;	/* "TARGET" */
	const char *which;		/* said when there is none: "which TARGET?"; NULL: none is needed */
	const char **paths;
	unsigned max;			/* room in paths; 0: the command takes none */
	const char *too_many;		/* "one TARGET at a time" */
	void (*check)(struct argp_state *state);	/* at the end; may be NULL */
};

/* Wrong usage ends the program here, with status 2. The number of paths. */
unsigned args_parse(const struct args *args, int argc, char **argv);

#endif
