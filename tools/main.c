// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capstub, the host program: one table of subcommands. Each has its own options (argp), its own
 * file, and gets argv beginning with its name. Exit status: tools/util.h.
 */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cmd/commands.h"
#include "tools/util.h"

static const struct command {
	const char *name;
	const char *summary;
	int (*main)(int argc, char **argv);
} commands[] = {
	{ "setup", "set this machine up to capture its crashes, or undo that", setup_main },
	{ "format", "write a label: make a partition, disk or image a dump target", format_main },
	{ "info", "show what a target or a saved dump holds", info_main },
	{ "report", "show why and where a kernel died, from its dump", report_main },
	{ "save", "copy a dump off its target, then mark it saved", save_main },
	{ "collect", "save every dump that was not saved", collect_main },
	{ "wipe", "remove a label: the stub will never write there again", wipe_main },
	{ "words", "print the stub's command line with its checksum", words_main },
	{ "load", "load the stub, to be run when the kernel panics", load_main },
	{ "unload", "unload it", unload_main },
	{ "sign", "sign the stub for Secure Boot, or prepare it for being signed", sign_main },
	{ "status", "show what is loaded, and whether its targets are there", status_main },
	{ "check", "look for everything that would prevent a capture", check_main },
	{ "test", "panic this machine, to see that the crash is captured", test_main },
	{ "recv", "receive dumps over serial lines", recv_main },
};

#define NR_COMMANDS	(sizeof(commands) / sizeof(commands[0]))

const char *argp_program_version = "capstub " CAPSTUB_VERSION;

static const struct command *chosen;
static int chosen_index;	/* of the command in argv */

/* Options before the command's name are this program's own: --help, --usage and --version */
static error_t parse(int key, char *arg, struct argp_state *state)
{
	unsigned i;

	switch (key) {
	case ARGP_KEY_ARG:
		for (i = 0; i < NR_COMMANDS && !chosen; i++)
			if (!strcmp(arg, commands[i].name))
				chosen = &commands[i];
		if (!chosen)
			argp_error(state, "there is no command '%s'", arg);
		/* The rest belongs to the command */
		chosen_index = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which command?");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The command list in --help comes from the table above. argp frees what is not @text. */
static char *help_filter(int key, const char *text, void *input)
{
	char *out = NULL;
	size_t len;
	FILE *f;
	unsigned i;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	f = open_memstream(&out, &len);
	if (!f)
		return (char *)text;
	fputs("Commands:\n", f);
	for (i = 0; i < NR_COMMANDS; i++)
		fprintf(f, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fputs("\n'capstub COMMAND --help' shows the options of one. The manual is capstub(8).", f);
	fclose(f);
	return out;
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "COMMAND [OPTION...] ...",
	.doc = "Prepare dump targets for the capstub capture stub and fetch what it captured.\v ",
	.help_filter = help_filter,
};

/* A full disk behind '>' must not look like success to a script that keeps what was printed */
static int check_stdout(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	fail(-EIO, "standard output cannot be written");
	return EXIT_FAILED;
}

int main(int argc, char **argv)
{
	char name[32];

	argp_err_exit_status = EXIT_USAGE;
	/* In order: options behind the command's name are the command's */
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, NULL);
	/* Usage messages of a command begin with "capstub NAME" */
	snprintf(name, sizeof(name), "capstub %s", chosen->name);
	argv[chosen_index] = name;
	return check_stdout(chosen->main(argc - chosen_index, argv + chosen_index));
}
