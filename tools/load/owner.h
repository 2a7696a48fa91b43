/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose is the reservation? The kernel has one, and whoever loads into it last has it. kdump-tools (Debian) and kdump
 * (Fedora, openSUSE) load at boot too, and nobody would notice that half of the time the wrong one ran.
 */
#ifndef TOOLS_LOAD_OWNER_H
#define TOOLS_LOAD_OWNER_H

#include "tools/load/config.h"

/* Is @unit, "capstub-load.service", enabled on the machine below @root, whatever for? */
bool unit_enabled(const char *root, const char *unit);

/* A service of the machine below @root that is enabled and loads at boot, without .service; NULL: there is none */
const char *owner_other(const char *root);

/* Who is to load, by Owner= and by what is enabled: NULL: capstub, else the other one's name */
const char *owner_not_us(const struct config *c, const char *root);

/* 0, or -EBUSY with a message that says who it is and what to do, when capstub is not to touch what is loaded. */
int owner_check(const struct config *c, const char *root);

#endif
