// SPDX-License-Identifier: GPL-2.0-or-later
/* capstub with the commands that need no library: what guests load the stub with. */
#include <string.h>

#include "tools/cmd/commands.h"

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "load"))
		return load_main(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "unload"))
		return unload_main(argc - 1, argv + 1);
	return 2;
}
