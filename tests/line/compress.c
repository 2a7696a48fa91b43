// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/idle.c tests/unit/fake/clock.c tests/host/dumpfile.c stub/dead/vmcore.c stub/dead/pages.c tests/unit/fake/arena.c */
/*
 * Which compressor for a slow line: the pages of a level-31 dump, in windows of 1 to 64 pages, through every library that could be
 * linked. Zero pages are left out, as on the line. Prints a table: bytes, share of the contents, memory, speed.
 *
 *	compress CORE
 */
#include <err.h>
#include <inttypes.h>
#include <lzo/lzo1x.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>
#include <zstd.h>

#include "stub/bits.h"
#include "stub/log.h"
#include "stub/dead/pages.h"
#include "tests/host/dumpfile.h"
#include "tests/line/fake/io.h"

#define OUT_BYTES	(1u << 20)
#define SAMPLE		(64u * 4096u)	/* the largest window: all sizes see the same contents */
#define EVERY		16u	/* one in so many samples is compressed */

static uint8_t *pages;
static size_t nr_bytes;
static uint8_t out[OUT_BYTES];

/* One window of the kind's compressor: bytes, or 0 when it does not shrink. @a, @b: the kind's parameters */
struct kind {
	const char *name;
	size_t (*run)(const uint8_t *in, size_t len, int a, int b);
	int a, b;
	size_t memory;
};

void sim_relax(void)
{
}

void log_print(enum log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

void log_console(const char *fmt, ...)
{
	(void)fmt;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* @a: window bits, @b: memLevel */
static size_t run_zlib(const uint8_t *in, size_t len, int a, int b)
{
	static z_stream z;
	static int at_a, at_b;

	if (at_a != a || at_b != b) {
		if (z.state)
			deflateEnd(&z);
		memset(&z, 0, sizeof(z));
		if (deflateInit2(&z, 6, Z_DEFLATED, -a, b, Z_DEFAULT_STRATEGY) != Z_OK)
			errx(2, "deflateInit2");
		at_a = a;
		at_b = b;
	}
	deflateReset(&z);
	z.next_in = (uint8_t *)(uintptr_t)in;
	z.avail_in = (unsigned)len;
	z.next_out = out;
	z.avail_out = sizeof(out);
	deflate(&z, Z_FINISH);
	return z.total_out;
}

static size_t run_lzo(const uint8_t *in, size_t len, int a, int b)
{
	static uint8_t work[LZO1X_999_MEM_COMPRESS] __attribute__((aligned(16)));
	lzo_uint n = sizeof(out);

	(void)b;
	if (a == 999)
		lzo1x_999_compress(in, len, out, &n, work);
	else
		lzo1x_1_compress(in, len, out, &n, work);
	return n;
}

static ZSTD_CCtx *zstd;

static size_t run_zstd(const uint8_t *in, size_t len, int a, int b)
{
	(void)b;
	if (!zstd)
		zstd = ZSTD_createCCtx();
	return ZSTD_compressCCtx(zstd, out, sizeof(out), in, len, a);
}

static const struct kind kinds[] = {
	{ "lzo1x_1", run_lzo, 1, 0, LZO1X_1_MEM_COMPRESS },
	{ "lzo1x_999", run_lzo, 999, 0, LZO1X_999_MEM_COMPRESS },
	{ "zlib -6, 4-KiB window", run_zlib, 12, 5, (1 << 14) + (1 << 14) },
	{ "zlib -6, 8-KiB window", run_zlib, 13, 5, (1 << 15) + (1 << 14) },
	{ "zlib -6, 32-KiB window", run_zlib, 15, 8, (1 << 17) + (1 << 17) },
	{ "zstd -1", run_zstd, 1, 0, 0 },
	{ "zstd -6", run_zstd, 6, 0, 0 },
	{ "zstd -19", run_zstd, 19, 0, 0 },
};

static void collect(void)
{
	static uint8_t zero[65536];
	uint64_t pfn = 0, end;
	size_t size = dump_vmcore.page_size;

	pages = malloc(dump_max_pfn() * size);
	if (!pages)
		err(2, "memory");
	while (vmcore_next_run(&dump_vmcore, pfn, &pfn, &end)) {
		for (; pfn < end; pfn++) {
			const void *page;

			if (pages_excluded(pages_class(pfn)) || !(page = dump_page(pfn)) || !memcmp(page, zero, size))
				continue;
			memcpy(pages + nr_bytes, page, size);
			nr_bytes += size;
		}
	}
}

static void measure(const struct kind *k, size_t window)
{
	uint64_t in = 0, total = 0;
	double start = now();
	size_t memory = k->memory;

	for (size_t sample = 0; sample + SAMPLE <= nr_bytes; sample += SAMPLE * EVERY) {
		for (size_t at = sample; at < sample + SAMPLE; at += window) {
			in += window;
			total += min_u64(k->run(pages + at, window, k->a, k->b), window);
		}
	}
	start = now() - start;
	if (k->run == run_zstd) {
		memory = ZSTD_sizeof_CCtx(zstd);
		ZSTD_freeCCtx(zstd);
		zstd = NULL;
	}
	printf("%s|%zu|%.4f|%zu|%.1f\n", k->name, window / 4096, (double)total / (double)in, memory >> 10,
	       (double)in / start / 1e6);
}

int main(int argc, char **argv)
{
	static const unsigned windows[] = { 1, 2, 4, 16, 64 };
	struct vtop vt;

	if (argc != 2)
		errx(2, "usage: compress CORE");
	dump_open(argv[1]);
	vtop_init(&vt, &dump_vmcore, &dump_vmcoreinfo);
	pages_init(&dump_vmcore, &dump_vmcoreinfo, &vt, 31, NULL);
	collect();
	if (!nr_bytes || lzo_init() != LZO_E_OK)
		errx(2, "no pages");
	printf("contents|%zu\n", nr_bytes);
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		for (unsigned w = 0; w < ARRAY_SIZE(windows); w++)
			measure(&kinds[i], (size_t)windows[w] * 4096);
	return 0;
}
