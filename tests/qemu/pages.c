// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Compare every page of a dump with a copy of the machine's memory, through libkdumpfile.
 *
 *	pages [-m] [-x START-END]... [-r START-END]... DUMP [FILE@START]...
 *
 * FILE@START is a raw copy of physical memory that begins at START. -x: do not compare there (the
 * stub's own memory). -r: every page of this range must be in the dump, unless excluded by -x.
 * -m: pages of -r may be missing (they are counted), and so may those that the dump promises but had
 * no time or room for: their descriptor is all zeros, or was only begun ("empty"). Without FILE every present page is still read,
 * so that compressed data is unpacked and checked.
 *
 * Prints counts as key=value lines. Exit 0: all right; 1: wrong, unreadable or missing pages, or
 * nothing was compared; 2: the dump cannot be opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libkdumpfile/kdumpfile.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capstub/kdump_format.h"

#define MAX_PIECES 256

struct range {
	uint64_t start, end;
};

struct copy {
	uint64_t start, end;
	const uint8_t *data;
};

static struct range excluded[MAX_PIECES], required[MAX_PIECES];
static struct copy copies[MAX_PIECES];
static unsigned nr_excluded, nr_required, nr_copies;

static uint64_t present, compared, differing, unreadable, absent, missing, skipped, empty;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "pages: %s: %s\n", what, why);
	exit(2);
}

static void parse_range(const char *text, struct range *list, unsigned *count)
{
	char *end;

	if (*count == MAX_PIECES)
		die(text, "too many ranges");
	list[*count].start = strtoull(text, &end, 0);
	if (*end != '-')
		die(text, "not START-END");
	list[*count].end = strtoull(end + 1, &end, 0);
	if (*end || list[*count].end < list[*count].start)
		die(text, "not START-END");
	(*count)++;
}

static void map_copy(const char *word)
{
	const char *at = strrchr(word, '@');
	struct copy *c = &copies[nr_copies];
	char path[4096];
	struct stat st;
	int fd;

	if (!at || (size_t)(at - word) >= sizeof(path) || nr_copies == MAX_PIECES)
		die(word, "not FILE@START");
	memcpy(path, word, at - word);
	path[at - word] = '\0';
	fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &st))
		die(path, strerror(errno));
	c->start = strtoull(at + 1, NULL, 0);
	c->end = c->start + st.st_size;
	if (st.st_size) {
		c->data = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
		if (c->data == MAP_FAILED)
			die(path, strerror(errno));
		nr_copies++;
	}
	close(fd);
}

static bool overlaps(const struct range *list, unsigned count, uint64_t addr, uint64_t len)
{
	for (unsigned i = 0; i < count; i++)
		if (addr < list[i].end && addr + len > list[i].start)
			return true;
	return false;
}

/* The machine's own bytes at @addr, or NULL when no copy covers the whole page */
static const uint8_t *truth(uint64_t addr, uint64_t len)
{
	for (unsigned i = 0; i < nr_copies; i++)
		if (addr >= copies[i].start && addr < copies[i].end && len <= copies[i].end - addr)
			return copies[i].data + (addr - copies[i].start);
	return NULL;
}

static void complain(uint64_t *counter, uint64_t addr, const char *what)
{
	/* The first few say where to look; the count says how bad it is. */
	if ((*counter)++ < 8)
		fprintf(stderr, "pages: %#" PRIx64 ": %s\n", addr, what);
}

/* Descriptors come in steps (stub/send/out.c): until the last one they have an LZO stream of one byte, which is none */
static bool begun(int fd, uint64_t pfn)
{
	struct disk_dump_header h;
	struct page_desc desc;
	uint64_t index = 0, bitmap2, table;
	uint8_t byte;

	if (pread(fd, &h, sizeof(h), 0) != sizeof(h) || memcmp(h.signature, KDUMP_SIGNATURE, sizeof(h.signature)))
		return false;
	bitmap2 = (1 + (uint64_t)h.sub_hdr_size + h.bitmap_blocks / 2) * (uint64_t)h.block_size;
	table = (1 + (uint64_t)h.sub_hdr_size + h.bitmap_blocks) * (uint64_t)h.block_size;
	for (uint64_t i = 0; i <= pfn / 8; i++) {
		if (pread(fd, &byte, 1, (off_t)(bitmap2 + i)) != 1)
			return false;
		index += (unsigned)__builtin_popcount(i < pfn / 8 ? byte : byte & ((1u << pfn % 8) - 1));
	}
	return pread(fd, &desc, sizeof(desc), (off_t)(table + index * sizeof(desc))) == sizeof(desc) && desc.size == 1 &&
	       desc.flags == KDUMP_COMPRESSED_LZO;
}

static void check_page(int fd, kdump_ctx_t *ctx, uint64_t addr, uint8_t *buf, size_t page_size)
{
	const uint8_t *want;
	size_t len = page_size;
	kdump_status status;

	status = kdump_read(ctx, KDUMP_MACHPHYSADDR, addr, buf, &len);
	if (status == KDUMP_ERR_NODATA) {
		absent++;
		if (overlaps(required, nr_required, addr, page_size) &&
		    !overlaps(excluded, nr_excluded, addr, page_size))
			complain(&missing, addr, "not in the dump");
		kdump_clear_err(ctx);
		return;
	}
	/* libkdumpfile has no status of its own for a descriptor of zeros */
	if (status != KDUMP_OK && (!strcmp(kdump_get_err(ctx), "Wrong page size: 0") || begun(fd, addr / page_size))) {
		complain(&empty, addr, "empty");
		kdump_clear_err(ctx);
		return;
	}
	present++;
	if (status != KDUMP_OK || len != page_size) {
		complain(&unreadable, addr, kdump_get_err(ctx));
		kdump_clear_err(ctx);
		return;
	}
	want = truth(addr, page_size);
	if (!want || overlaps(excluded, nr_excluded, addr, page_size)) {
		skipped++;
		return;
	}
	compared++;
	if (memcmp(buf, want, page_size))
		complain(&differing, addr, "differs from the machine's memory");
}

int main(int argc, char **argv)
{
	kdump_num_t page_size, max_pfn;
	bool may_miss = false;
	const char *dump;
	kdump_ctx_t *ctx;
	uint8_t *buf;
	int fd, opt;

	while ((opt = getopt(argc, argv, "mx:r:")) != -1) {
		if (opt == 'm')
			may_miss = true;
		else if (opt == 'x')
			parse_range(optarg, excluded, &nr_excluded);
		else if (opt == 'r')
			parse_range(optarg, required, &nr_required);
		else
			die("usage", "pages [-m] [-x START-END]... [-r START-END]... DUMP [FILE@START]...");
	}
	if (optind >= argc)
		die("usage", "no DUMP");
	dump = argv[optind++];
	while (optind < argc)
		map_copy(argv[optind++]);

	fd = open(dump, O_RDONLY);
	if (fd < 0)
		die(dump, strerror(errno));
	ctx = kdump_new();
	if (!ctx)
		die(dump, "no memory");
	if (kdump_set_number_attr(ctx, KDUMP_ATTR_FILE_FD, fd) != KDUMP_OK ||
	    kdump_get_number_attr(ctx, KDUMP_ATTR_PAGE_SIZE, &page_size) != KDUMP_OK ||
	    kdump_get_number_attr(ctx, "max_pfn", &max_pfn) != KDUMP_OK)
		die(dump, kdump_get_err(ctx));
	buf = malloc(page_size);
	if (!buf)
		die(dump, "no memory");

	for (uint64_t pfn = 0; pfn < max_pfn; pfn++)
		check_page(fd, ctx, pfn * page_size, buf, page_size);
	/* What lies beyond the dump's last frame is missing too. */
	for (unsigned i = 0; i < nr_required; i++)
		for (uint64_t a = required[i].start; a < required[i].end; a += page_size)
			if (a >= max_pfn * page_size && !overlaps(excluded, nr_excluded, a, page_size))
				complain(&missing, a, "beyond the end of the dump");

	printf("present=%" PRIu64 "\ncompared=%" PRIu64 "\ndiffering=%" PRIu64 "\nunreadable=%" PRIu64
	       "\nmissing=%" PRIu64 "\nabsent=%" PRIu64 "\nskipped=%" PRIu64
	       "\nempty=%" PRIu64 "\n",
	       present, compared, differing, unreadable, missing, absent, skipped, empty);
	kdump_free(ctx);
	if (differing || unreadable || !present || (nr_copies && !compared))
		return 1;
	return (missing || empty) && !may_miss;
}
