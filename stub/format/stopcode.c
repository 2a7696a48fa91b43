// SPDX-License-Identifier: GPL-2.0-or-later
#include "stub/format/stopcode.h"

const char *stop_name(uint32_t code)
{
	switch (code) {
#define STOP_NAME(nr, sym, name, text) case STOP_##sym: return name;
	CAPSTUB_STOP_CODES(STOP_NAME)
#undef STOP_NAME
	}
	return "unknown";
}

const char *stop_text(uint32_t code)
{
	switch (code) {
#define STOP_TEXT(nr, sym, name, text) case STOP_##sym: return text;
	CAPSTUB_STOP_CODES(STOP_TEXT)
#undef STOP_TEXT
	}
	return "this version of capstub does not know the code";
}
