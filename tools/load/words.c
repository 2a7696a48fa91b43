// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/load/words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stub/boot/cmdline.h"
#include "tools/util.h"

int words_check(const char *words)
{
	static struct cmdline cl;

	for (const char *p = words; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return fail(-EINVAL, "the words hold a control character");
	cmdline_parse(&cl, words);
	for (unsigned i = 0; i < cl.nr_complaints; i++)
		note("%s", cl.complaints[i]);
	return cl.nr_targets ? 0 : fail(-EINVAL, "no good dump= word says where the dump goes: add dump=UUID=... as capstub "
					"format prints it, or dump=any");
}

bool words_complaint(const char *word, char *buf, size_t size)
{
	static struct cmdline cl;
	const char *why;

	cmdline_parse(&cl, word);
	if (!cl.nr_complaints)
		return false;
	why = strstr(cl.complaints[0], ": ");
	snprintf(buf, size, "%s", why ? why + 2 : cl.complaints[0]);
	return true;
}
