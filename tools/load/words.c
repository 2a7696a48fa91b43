// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/load/words.h"

#include <errno.h>

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
