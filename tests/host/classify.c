/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stub's page classifier over a dump file, on the host.
 *
 *	classify [-l LEVEL] DUMP			counts by class
 *	classify -l LEVEL -c KDUMP [-v] DUMP		as makedumpfile -d LEVEL did?
 *	classify -l LEVEL -o FILE DUMP			write bitmap2
 *	classify -l LEVEL -t DUMP			time to classify and compress
 *	classify -l LEVEL -p DUMP			what of it goes where
 *
 * Exit status 0: equal; 1: not.
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

static const char *const names[PAGE_NR_CLASSES] = {
	"kernel", "zero", "cache", "cache_private", "user", "free", "offline", "hwpoison"
};

static struct vtop vt;
static unsigned char work[LZO1X_1_11_MEM_COMPRESS], out[2 * 65536];
static unsigned char class_of_word;	/* keeps the compiler from dropping the timed loop */

/* CPU time: other programs on the machine do not count */
static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static bool zero_page(const void *page, size_t size)
{
	const uint64_t *w = page;

	for (size_t i = 0; i < size / 8; i += 4)
		if (w[i] | w[i + 1] | w[i + 2] | w[i + 3])
			return false;
	return true;
}

/* Class of each frame of RAM; returns the number of frames */
static uint64_t count(uint64_t counts[PAGE_NR_CLASSES], unsigned char *classes)
{
	uint64_t pfn = 0, end, total = 0;

	memset(counts, 0, PAGE_NR_CLASSES * sizeof(*counts));
	pages_restart();
	while (vmcore_next_run(&dump_vmcore, pfn, &pfn, &end)) {
		total += end - pfn;
		for (; pfn < end; pfn++) {
			enum page_class class = pages_class(pfn);

			counts[class]++;
			if (classes)
				classes[pfn] = class;
		}
	}
	return total;
}

static int compare(const unsigned char *classes, const char *path, bool verbose)
{
	uint64_t lost = 0, kept = 0, stored = 0, max = dump_max_pfn();
	struct bitmap theirs;

	bitmap_open(path, &theirs);
	for (uint64_t pfn = 0; pfn < max; pfn++) {
		bool ram = dump_has_page(pfn);
		bool ours = ram && !pages_excluded(classes[pfn]), other = bitmap_test(&theirs, pfn);

		stored += ours;
		if (ours == other)
			continue;
		if (ours)
			kept++;
		else
			lost++;
		if (verbose)
			printf("pfn %#" PRIx64 ": %s here, as %s\n", pfn,
			       ours ? "kept" : "left out", names[classes[pfn]]);
	}
	printf("stored %" PRIu64 ", kept here only %" PRIu64 ", left out here only %" PRIu64 "\n",
	       stored, kept, lost);
	return kept || lost;
}

static void write_bitmap(const unsigned char *classes, const char *path)
{
	uint64_t max = dump_max_pfn(), bytes = DIV_ROUND_UP(max, 8);
	unsigned char *bits = calloc(1, bytes);
	FILE *f = fopen(path, "w");

	for (uint64_t pfn = 0; pfn < max; pfn++)
		if (dump_has_page(pfn) && !pages_excluded(classes[pfn]))
			bits[pfn / 8] |= 1 << pfn % 8;
	if (!f || fwrite(bits, 1, bytes, f) != bytes || fclose(f))
		err(2, "%s", path);
	free(bits);
}

/* Both passes of the dump loop without the disk: what the CPU has to do for a dump */
static void timed(void)
{
	uint64_t counts[PAGE_NR_CLASSES], pfn = 0, end, total, zero = 0, kept = 0, raw = 0,
					  bytes = 0;
	size_t size = dump_vmcore.page_size;
	double start = now(), classified;

	total = count(counts, NULL);
	classified = now();
	pages_restart();
	while (vmcore_next_run(&dump_vmcore, pfn, &pfn, &end)) {
		for (; pfn < end; pfn++) {
			lzo_uint len = sizeof(out);
			const void *page;

			if (pages_excluded(pages_class(pfn)) || !(page = dump_page(pfn)))
				continue;
			kept++;
			if (zero_page(page, size)) {
				zero++;
				continue;
			}
			lzo1x_1_11_compress(page, size, out, &len, work);
			class_of_word ^= out[len / 2];
			raw += len >= size;
			bytes += min_u64(len, size);
		}
	}
	printf("%" PRIu64 " pages, %" PRIu64 " kept, %" PRIu64 " zero, %" PRIu64 " raw, %" PRIu64
	       " bytes\n",
	       total, kept, zero, raw, bytes);
	printf("classify %.3f s, %.0f pages/s; again and compress %.3f s; all %.0f pages/s\n",
	       classified - start, total / (classified - start), now() - classified,
	       total / (now() - start));
}

/*
 * Each round does one thing more with each page that is kept, so that differences are what that thing costs, without a clock
 * in the loop. The first one brings the file into memory.
 */
static void profile(void)
{
	static const char *const steps[] = { "classify", "look for zeros", "copy", "compress" };
	static unsigned char copy[65536];
	size_t size = dump_vmcore.page_size;
	double before = 0;

	for (unsigned round = 0; round <= ARRAY_SIZE(steps); round++) {
		unsigned last = round ? round - 1 : 1;
		uint64_t pfn = 0, end;
		double start = now(), took;

		pages_restart();
		while (vmcore_next_run(&dump_vmcore, pfn, &pfn, &end)) {
			for (; pfn < end; pfn++) {
				lzo_uint len = sizeof(out);
				const void *page;

				if (pages_excluded(pages_class(pfn)) || last < 1 || !(page = dump_page(pfn)) ||
				    zero_page(page, size) || last < 2)
					continue;
				memcpy(copy, page, size);
				class_of_word ^= copy[pfn % size];
				if (last < 3)
					continue;
				lzo1x_1_11_compress(copy, size, out, &len, work);
				class_of_word ^= out[len / 2];
			}
		}
		took = now() - start;
		if (round)
			printf("%s %.3f s\n", steps[last], took - before);
		before = round ? took : 0;
	}
}

int main(int argc, char **argv)
{
	uint64_t counts[PAGE_NR_CLASSES], total;
	const char *other = NULL, *output = NULL, *reason;
	bool verbose = false, timing = false, stages = false;
	unsigned char *classes;
	unsigned level = 31;
	int opt;

	while ((opt = getopt(argc, argv, "l:c:o:vtp")) != -1) {
		switch (opt) {
		case 'l': level = atoi(optarg); break;
		case 'c': other = optarg; break;
		case 'o': output = optarg; break;
		case 'v': verbose = true; break;
		case 't': timing = true; break;
		case 'p': stages = true; break;
		default: return 2;
		}
	}
	if (optind + 1 != argc)
		errx(2, "usage: classify [-l LEVEL] [-c KDUMP [-v] | -o FILE | -t | -p] DUMP");

	dump_open(argv[optind]);
	vtop_init(&vt, &dump_vmcore, &dump_vmcoreinfo);
	level = pages_init(&dump_vmcore, &dump_vmcoreinfo, &vt, level, &reason);
	if (*reason)
		printf("level %u because of %s\n", level, reason);
	if (timing)
		timed();
	if (stages)
		profile();
	if (timing || stages)
		return 0;

	classes = calloc(1, dump_max_pfn() + 1);
	total = count(counts, classes);
	for (unsigned i = 0; i < PAGE_NR_CLASSES; i++)
		if (!other && counts[i])
			printf("%-14s %10" PRIu64 "\n", names[i], counts[i]);
	if (!other)
		printf("%-14s %10" PRIu64 "\n", "total", total);
	if (output)
		write_bitmap(classes, output);
	if (pages_check(counts, total) != level)
		return 1;
	return other ? compare(classes, other, verbose) : 0;
}
