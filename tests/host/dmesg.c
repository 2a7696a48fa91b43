/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stub's log reader over a dump file: `dmesg [-n LAST] DUMP` prints the dead kernel's log, to
 * be compared with makedumpfile --dump-dmesg.
 */
/* needs: stub/idle.c tests/unit/fake/clock.c tests/host/dumpfile.c tests/host/log.c stub/dead/vmcore.c stub/dead/dmesg.c */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stub/dead/dmesg.h"
#include "stub/dead/vtop.h"
#include "tests/host/dumpfile.h"

static struct vtop vt;

static int print(void *ctx, const char *text, size_t len)
{
	(void)ctx;
	return fwrite(text, 1, len, stdout) == len ? 0 : -1;
}

int main(int argc, char **argv)
{
	unsigned last = 0;
	int opt, n;

	while ((opt = getopt(argc, argv, "n:")) != -1) {
		if (opt != 'n')
			return 2;
		last = atoi(optarg);
	}
	if (optind + 1 != argc)
		errx(2, "usage: dmesg [-n LAST] DUMP");
	dump_open(argv[optind]);
	vtop_init(&vt, &dump_vmcore, &dump_vmcoreinfo);
	n = dmesg_emit(&vt, &dump_vmcoreinfo, last, print, NULL);
	if (n < 0)
		errx(1, "no log: %s", strerror(-n));
	return 0;
}
