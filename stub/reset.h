/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order in which ways to reset the machine are tried. What they are is each architecture's; their
 * names are words of the command line (reset=).
 */
#ifndef STUB_RESET_H
#define STUB_RESET_H

struct reset_way {
	const char *name;
	/* Comes back when the machine was not reset within the time that this way needs, or has no such way */
	void (*go)(void);
};

/*
 * Try the @nr ways, at most 32, the one named @asked first (NULL or no name: none is), then the others as
 * they stand; the console names each. Comes back when none has worked. A fault in one may bring us here
 * again: each is tried once.
 */
void reset_try(const struct reset_way *ways, unsigned nr, const char *asked);

#endif
