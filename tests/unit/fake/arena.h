/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FAKE_ARENA_H
#define FAKE_ARENA_H

#include <stddef.h>

/* The largest piece that there is. A test that sets it sets it back to SIZE_MAX. */
extern size_t fake_arena_most;

#endif
