/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of the stop codes, for the console and for the host tool */
#ifndef STUB_STOPCODE_H
#define STUB_STOPCODE_H

#include <stdint.h>

#include "capstub/stopcode.h"

/* The short name ("ok", "interrupted", ...; "unknown") and one sentence */
const char *stop_name(uint32_t code);
const char *stop_text(uint32_t code);

#endif
