// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/cmd/args.h"

struct parsing {
	const struct args *args;
	unsigned nr;
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct parsing *p = state->input;
	const struct args *a = p->args;

	switch (key) {
	case ARGP_KEY_ARG:
		if (!a->max)
			return ARGP_ERR_UNKNOWN;
		if (p->nr == a->max)
			argp_error(state, "%s", a->too_many);
		a->paths[p->nr++] = value;
		return 0;
	case ARGP_KEY_NO_ARGS:
		if (a->which)
			argp_error(state, "%s", a->which);
		return 0;
	case ARGP_KEY_END:
		if (a->check)
			a->check(state);
		return 0;
	}
	for (const struct arg *o = a->options; o->name; o++) {
		if (o->key != key)
			continue;
		if (o->parse)
			o->parse(value, state);
		else if (o->value)
			*(const char **)o->to = value;
		else
			*(bool *)o->to = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

unsigned args_parse(const struct args *args, int argc, char **argv)
{
	struct argp_option options[ARGS_MAX + 1] = { 0 };
	const struct argp argp = {
		.options = args->options->name ? options : NULL,
		.parser = parse, .args_doc = args->usage, .doc = args->doc,
	};
	struct parsing p = { .args = args };

	for (unsigned i = 0; i < ARGS_MAX && args->options[i].name; i++) {
		const struct arg *o = &args->options[i];

		options[i] = (struct argp_option){ o->name, o->key, o->value, o->doc ? 0 : OPTION_HIDDEN, o->doc, 0 };
	}
	argp_parse(&argp, argc, argv, 0, NULL, &p);
	return p.nr;
}
