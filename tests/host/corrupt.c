/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Damage to a real dump: `corrupt [-n SEEDS] [-s FIRST] DUMP`. For each seed the data that old
 * memory answers is changed at random (struct pages, mem_section, page tables, log buffer, whatever
 * is read), and everything that reads it runs: page classes in two passes, what is worth most, log. Then each
 * line of VMCOREINFO is removed in turn. Fails on a read outside RAM, on more work than a bound, on
 * a crash, and when less VMCOREINFO loses a page that more of it keeps.
 */
/* needs: stub/idle.c tests/unit/fake/clock.c tests/host/dumpfile.c tests/host/log.c stub/dead/vmcore.c stub/dead/pages.c stub/dead/dmesg.c stub/dead/select.c stub/dead/kallsyms.c tests/unit/fake/arena.c */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stub/dead/dmesg.h"
#include "stub/dead/select.h"
#include "tests/host/dumpfile.h"
#include "tests/host/host.h"

static struct vtop vt;
static uint64_t state, rate, stray, emitted, damaged;
static unsigned mode;

static uint64_t rnd(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15ULL;	/* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* Is this where a range's contents are? In an ELF core that is not where the range is. */
static bool is_source(phys_addr_t at, size_t len)
{
	for (unsigned i = 0; i < dump_vmcore.nr_ranges; i++) {
		const struct memory_range *r = &dump_vmcore.ranges[i];

		if (range_inside(at, len, r->source, r->source + (r->end - r->start)))
			return true;
	}
	return false;
}

/* Called behind each read of old memory: notice a wrong one, spoil some. */
static void spoil(void *dst, phys_addr_t at_source, size_t len)
{
	unsigned char *p = dst;
	uint64_t at, v;

	if (!is_source(at_source, len))
		stray++;
	if (!rate || rnd() % rate || len < 8)
		return;
	damaged++;
	at = rnd() % (len / 8) * 8;
	v = rnd();
	switch (mode) {
	case 0:		/* one bit */
		p[at + v % 8] ^= 1 << (v >> 3) % 8;
		break;
	case 1:		/* one word */
		memcpy(p + at, &v, 8);
		break;
	case 2:		/* a plausible address: inside RAM, or inside the kernel's half */
		v = v % 2 ? v % (dump_max_pfn() * dump_vmcore.page_size)
			  : v | 0xffff800000000000ULL;
		memcpy(p + at, &v, 8);
		break;
	default:	/* all of it */
		for (size_t i = 0; i < len; i++)
			p[i] = rnd();
	}
}

static int count_text(void *ctx, const char *text, size_t len)
{
	(void)ctx;
	(void)text;
	emitted += len;
	return 0;
}

static void run_all(unsigned level, unsigned char *excluded)
{
	uint64_t counts[PAGE_NR_CLASSES] = { 0 }, pfn, end, total = 0;
	struct select *s;

	vtop_init(&vt, &dump_vmcore, &dump_vmcoreinfo);
	pages_init(&dump_vmcore, &dump_vmcoreinfo, &vt, level, NULL);
	for (unsigned pass = 0; pass < 2; pass++) {
		pages_restart();
		for (pfn = 0; vmcore_next_run(&dump_vmcore, pfn, &pfn, &end); ) {
			for (; pfn < end; pfn++) {
				enum page_class class = pages_class(pfn);

				if (class >= PAGE_NR_CLASSES)
					errx(1, "class %d", class);
				counts[class] += !pass;
				total += !pass;
				if (excluded)
					excluded[pfn] = pages_excluded(class);
			}
		}
		if (!pass && !excluded)
			pages_check(counts, total);
	}
	if (excluded)
		return;
	s = select_take(&dump_vmcore, &dump_vmcoreinfo, &vt);
	select_build(s);
	for (pfn = 0; pfn < dump_max_pfn(); pfn += 997)
		if ((unsigned)select_pass(s, pfn, pfn % PAGE_NR_CLASSES) >= SELECT_NR_PASSES)
			errx(1, "pass of pfn %#" PRIx64, pfn);
	emitted = 0;
	dmesg_emit(&vt, &dump_vmcoreinfo, 0, count_text, NULL);
	dmesg_emit(&vt, &dump_vmcoreinfo, 20, count_text, NULL);
}

static void damage(uint64_t first, uint64_t seeds)
{
	/*
	 * Per frame one read and a failed walk in each pass; what is worth most: 16 M; the log
	 */
	const uint64_t bound = 24 * dump_max_pfn() + 16000000 + 40 * (1 << 20);
	uint64_t most = 0;

	for (uint64_t seed = first; seed < first + seeds; seed++) {
		static const uint64_t rates[] = { 1000, 100, 20, 5 };

		state = seed * 77777;
		rate = rates[seed / 4 % 4];
		mode = seed % 4;
		dump_reads = 0;
		alarm(120);
		run_all(seed % 3 ? LEVEL_MAX : rnd() % 32, NULL);
		most = max_u64(most, dump_reads);
		if (stray || dump_reads > bound || emitted > MIB(512))
			errx(1,
			     "seed %" PRIu64 ": %" PRIu64 " reads outside RAM, %" PRIu64
			     " reads, %" PRIu64 " bytes of log",
			     seed, stray, dump_reads, emitted);
	}
	rate = 0;
	printf("%" PRIu64 " seeds, %" PRIu64 " reads damaged, at most %" PRIu64
	       " reads in a run, none outside RAM\n",
	       seeds, damaged, most);
}

/* Every entry removed in turn: what is left out then is left out with all of them, too. */
static void less_vmcoreinfo(void)
{
	struct vmcoreinfo all = dump_vmcoreinfo, *vi = &dump_vmcoreinfo;
	uint64_t max = dump_max_pfn(), lines = 0, lowered = 0;
	unsigned char *full = calloc(1, max + 1), *less = calloc(1, max + 1);

	run_all(LEVEL_MAX, full);
	for (const char *line = all.text, *nl; (nl = strchr(line, '\n')); line = nl + 1) {
		size_t at = line - all.text, len = nl + 1 - line;

		*vi = all;
		memmove(vi->text + at, vi->text + at + len, all.len + 1 - at - len);
		vi->len -= len;
		host_log_last[0] = 0;
		memset(less, 0, max);
		run_all(LEVEL_MAX, less);
		for (uint64_t pfn = 0; pfn < max; pfn++)
			if (less[pfn] && !full[pfn])
				errx(1, "without %.*s pfn %#" PRIx64 " is lost", (int)len - 1, line,
				     pfn);
		lines++;
		if (memcmp(full, less, max)) {
			lowered++;
			if (!host_log_last[0])
				errx(1, "without %.*s: no reason given", (int)len - 1, line);
			printf("without %.*s: %s\n", (int)len - 1, line, host_log_last);
		}
	}
	*vi = all;
	printf("%" PRIu64 " entries removed in turn, %" PRIu64
	       " of them matter to the page classes, no page lost\n",
	       lines, lowered);
	free(full);
	free(less);
}

int main(int argc, char **argv)
{
	uint64_t seeds = 1000, first = 0;
	int opt;

	while ((opt = getopt(argc, argv, "n:s:")) != -1) {
		switch (opt) {
		case 'n': seeds = strtoull(optarg, NULL, 0); break;
		case 's': first = strtoull(optarg, NULL, 0); break;
		default: return 2;
		}
	}
	if (optind + 1 != argc)
		errx(2, "usage: corrupt [-n SEEDS] [-s FIRST] DUMP");
	host_quiet = true;
	dump_open(argv[optind]);
	dump_read_hook = spoil;
	less_vmcoreinfo();
	damage(first, seeds);
	return 0;
}
