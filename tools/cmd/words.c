// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capstub words: the stub's command line with its own checksum at the end.
 *
 * kexec_file_load has no purgatory on arm64 (linux: arch/arm64/kernel/machine_kexec_file.c), so
 * nobody notices when the words were overwritten between loading and crash. With "check=" the stub
 * does: the CRC-32C of everything before that word, less the blanks between.
 */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stub/format/crc.h"
#include "tools/cmd/commands.h"
#include "tools/load/params.h"
#include "tools/util.h"

struct words {
	char text[WORDS_MAX + 1];
	size_t len;
};

static void add(struct words *w, const char *arg, struct argp_state *state)
{
	static const char check[] = "check=00000000";
	/* sizeof: a blank goes before it */
	size_t room = WORDS_MAX - sizeof(check) - w->len, len = strlen(arg);
	const char *p;

	for (p = arg; (p = strstr(p, "check=")); p++)
		if (p == arg || p[-1] == ' ')
			argp_error(state, "check= is there already");
	for (p = arg; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			argp_error(state, "the words hold a control character");
	if (len + !!w->len > room)
		argp_error(state, "more than %u bytes", WORDS_MAX);
	if (w->len)
		w->text[w->len++] = ' ';
	memcpy(w->text + w->len, arg, len);
	w->len += len;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_ARG:
		add(state->input, arg, state);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which WORDS? Those for the stub, as in dump=UUID=...");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "WORD...",
	.doc = "Print the stub's command line with check= at the end, by which the stub on arm64 "
	       "finds out whether it was damaged in memory. For kexec's --append; see "
	       "capstub-stub(7).",
};

int words_main(int argc, char **argv)
{
	struct words w = { .len = 0 };

	argp_parse(&argp, argc, argv, 0, NULL, &w);
	while (w.len && w.text[w.len - 1] == ' ')
		w.len--;
	w.text[w.len] = 0;
	if (!w.len) {
		fail(-EINVAL, "which WORDS? Those for the stub, as in dump=UUID=...");
		return EXIT_USAGE;
	}
	printf("%s check=%08x\n", w.text, crc32c(0, w.text, w.len));
	return EXIT_OK;
}
