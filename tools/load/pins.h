/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TOOLS_LOAD_PINS_H
#define TOOLS_LOAD_PINS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Make the files that @words name as targets immutable (tools/media/pin.h), or no longer so. What does not work is said: it
 * is no reason not to load, because the stub looks at every extent itself.
 */
void pins_set(const char *words, bool on);

/* Target=@path of a file, as the stub has it: "UUID=...@0x...". False: it is not a file that is a target */
bool pins_word(const char *path, char *word, size_t size);

#endif
