/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compare liblzo2's variants on the pages of a dump that a level keeps: `lzo [-l LEVEL] DUMP`. The
 * stub's choice rests on these figures: bytes stored, speed, and how much of the work memory is
 * really touched.
 */
/* needs: stub/idle.c tests/unit/fake/clock.c tests/host/dumpfile.c tests/host/log.c stub/dead/vmcore.c stub/dead/pages.c tests/unit/fake/arena.c */
#include <err.h>
#include <inttypes.h>
#include <lzo/lzo1x.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stub/dead/pages.h"
#include "tests/host/dumpfile.h"

#define WORK_SIZE (512 * 1024)

static const struct variant {
	const char *name;
	lzo_compress_t compress;
	size_t declared;
} variants[] = {
	{ "lzo1x_1", lzo1x_1_compress, LZO1X_1_MEM_COMPRESS },
	{ "lzo1x_1_11", lzo1x_1_11_compress, LZO1X_1_11_MEM_COMPRESS },
	{ "lzo1x_1_12", lzo1x_1_12_compress, LZO1X_1_12_MEM_COMPRESS },
	{ "lzo1x_1_15", lzo1x_1_15_compress, LZO1X_1_15_MEM_COMPRESS },
};

static struct vtop vt;
static unsigned char work[WORK_SIZE], out[2 * 65536];

/* CPU time: other programs on the machine do not count */
static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static bool zero_page(const void *page, size_t size)
{
	const unsigned char *p = page;

	return !*p && !memcmp(p, p + 1, size - 1);
}

static void measure(const struct variant *v, const void **pages, size_t nr)
{
	size_t size = dump_vmcore.page_size, touched = 0, raw = 0;
	uint64_t bytes = 0;
	double start;

	memset(work, 0xa5, sizeof(work));
	start = now();
	for (size_t i = 0; i < nr; i++) {
		lzo_uint len = sizeof(out);

		v->compress(pages[i], size, out, &len, work);
		bytes += len < size ? len : size;
		raw += len >= size;
	}
	start = now() - start;
	for (size_t i = 0; i < sizeof(work); i++)
		if (work[i] != 0xa5)
			touched = i + 1;
	printf("%-11s %11" PRIu64
	       " bytes, ratio %.4f, raw %zu, %.0f MB/s, %.0f pages/s, work memory %zu of %zu\n",
	       v->name, bytes, (double)bytes / ((double)nr * size), raw, nr * size / start / 1e6,
	       nr / start, touched, v->declared);
}

int main(int argc, char **argv)
{
	uint64_t pfn = 0, end;
	size_t nr = 0, max = 0;
	const void **pages;
	unsigned level = 31;
	int opt;

	while ((opt = getopt(argc, argv, "l:")) != -1) {
		if (opt != 'l')
			return 2;
		level = atoi(optarg);
	}
	if (optind + 1 != argc)
		errx(2, "usage: lzo [-l LEVEL] DUMP");
	dump_open(argv[optind]);
	vtop_init(&vt, &dump_vmcore, &dump_vmcoreinfo);
	pages_init(&dump_vmcore, &dump_vmcoreinfo, &vt, level, NULL);
	max = dump_max_pfn();
	pages = malloc(max * sizeof(*pages));
	while (vmcore_next_run(&dump_vmcore, pfn, &pfn, &end))
		for (; pfn < end; pfn++)
			if (!pages_excluded(pages_class(pfn)) && (pages[nr] = dump_page(pfn)) &&
			    !zero_page(pages[nr], dump_vmcore.page_size))
				nr++;
	printf("%zu pages that are not zero\n", nr);
	for (int round = 0; round < 2; round++)		/* the first warms the file up */
		for (size_t i = 0; i < sizeof(variants) / sizeof(*variants); i++)
			measure(&variants[i], pages, nr);
	return 0;
}
