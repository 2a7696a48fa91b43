/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TOOLS_LOAD_WORDS_H
#define TOOLS_LOAD_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Look at the stub's command line with the stub's own parser. That has nobody to ask when it finds a typing error after
 * the crash, so it is here that somebody can be told: each is a note. 0, or -EINVAL with a message for a line that the
 * stub would write nowhere with.
 */
int words_check(const char *words);

/* What the stub would say of one word, without the word itself. False: nothing */
bool words_complaint(const char *word, char *buf, size_t size);

#endif
