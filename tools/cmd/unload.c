// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capstub unload: nothing runs when the kernel panics. Whoever loaded it: the kernel does not tell. But not
 * where the reservation belongs to another service, which may have replaced what capstub load had loaded.
 */

#include "tools/cmd/args.h"
#include "tools/cmd/commands.h"
#include "tools/load/kexec.h"
#include "tools/load/owner.h"
#include "tools/load/pins.h"
#include "tools/load/record.h"
#include "tools/util.h"

static const struct arg options[] = { { 0 } };

static const struct args args = {
	.options = options,
	.doc = "Unload what was loaded to run when the kernel panics. The memory stays reserved.",
};

int unload_main(int argc, char **argv)
{
	struct config c;
	struct record r;

	args_parse(&args, argc, argv);
	if (config_read(&c, "", NULL) || owner_check(&c, "") || kexec_unload())
		return EXIT_FAILED;
	if (record_read(&r, ""))
		pins_set(r.words, false);
	record_remove();
	return EXIT_OK;
}
