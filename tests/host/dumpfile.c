/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See dumpfile.h. An ELF core is an elfcorehdr whose p_offset are offsets in the file, so
 * vmcore_parse() reads it as it is. For a kdump-compressed file the ranges are made from bitmap1
 * and the VMCOREINFO text is where the sub-header says.
 */
#include "tests/host/dumpfile.h"

#include <elf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <lzo/lzo1x.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capstub/kdump_format.h"

/* Address 0 is no place for an elfcorehdr: the file's beginning is seen here as well. */
#define ELF_HEADER_AT	BIT(50)

#define MAX_RANGES	4096u

static struct memory_range ranges[MAX_RANGES];
struct vmcore dump_vmcore = { .max_ranges = MAX_RANGES, .ranges = ranges };
struct vmcoreinfo dump_vmcoreinfo;
void (*dump_read_hook)(void *dst, phys_addr_t pa, size_t len);
uint64_t dump_reads;

static struct {
	const unsigned char *map;
	uint64_t size;
	bool kdump;
	uint32_t block;
	const unsigned char *bitmap1, *bitmap2;
	uint64_t max_pfn;
	const struct page_desc *desc;
	uint32_t *rank;			/* stored pages before each 512 frames */
	unsigned char *cache;
	uint64_t cached;		/* frame in the cache */
} file;

static const unsigned char *map_file(const char *path, uint64_t *ret_size)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	void *p;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < 8192)
		errx(2, "%s: cannot be read or too short", path);
	p = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		err(2, "%s: mmap", path);
	close(fd);
	*ret_size = st.st_size;
	return p;
}

static bool bit(const unsigned char *map, uint64_t nr)
{
	return map[nr / 8] >> nr % 8 & 1;
}

/*
 * Header of a kdump-compressed file; *ret_bitmap: where bitmap1 is, *ret_half: bytes of one bitmap
 */
static const struct kdump_sub_header *kdump_header(const char *path, const unsigned char *map,
						   uint64_t size, const unsigned char **ret_bitmap,
						   uint64_t *ret_half)
{
	const struct disk_dump_header *h = (const void *)map;
	const struct kdump_sub_header *s;
	uint64_t at, block = h->block_size, half;

	if (memcmp(h->signature, KDUMP_SIGNATURE, 8) || !is_power_of_2(block) || block < 4096 ||
	    block > 65536)
		errx(2, "%s: not a kdump-compressed file", path);
	s = (const void *)(map + block);
	at = (1 + (uint64_t)h->sub_hdr_size) * block;
	half = (uint64_t)h->bitmap_blocks * block / 2;
	if (at + 2 * half > size || s->max_mapnr_64 > half * 8)
		errx(2, "%s: bitmaps do not fit", path);
	*ret_bitmap = map + at;
	*ret_half = half;
	return s;
}

void bitmap_open(const char *path, struct bitmap *b)
{
	uint64_t size, half;
	const unsigned char *map = map_file(path, &size), *bitmap;
	const struct kdump_sub_header *s = kdump_header(path, map, size, &bitmap, &half);

	b->bits = bitmap + half;
	b->nr = s->max_mapnr_64;
}

bool dump_has_ram(uint64_t pfn)
{
	if (file.kdump)
		return pfn < file.max_pfn && bit(file.bitmap1, pfn);
	return vmcore_is_ram(&dump_vmcore, pfn * dump_vmcore.page_size, dump_vmcore.page_size);
}

bool dump_has_page(uint64_t pfn)
{
	return file.kdump ? pfn < file.max_pfn && bit(file.bitmap2, pfn) : dump_has_ram(pfn);
}

uint64_t dump_max_pfn(void)
{
	return file.kdump ? file.max_pfn : vmcore_max_pfn(&dump_vmcore);
}

static uint64_t desc_index(uint64_t pfn)
{
	uint64_t at = pfn / 512 * 512, index = file.rank[pfn / 512], word;

	for (; at + 64 <= pfn; at += 64) {
		memcpy(&word, file.bitmap2 + at / 8, 8);
		index += __builtin_popcountll(word);
	}
	if (pfn > at) {
		memcpy(&word, file.bitmap2 + at / 8, 8);
		index += __builtin_popcountll(word & (BIT(pfn - at) - 1));
	}
	return index;
}

static const void *kdump_page(uint64_t pfn)
{
	const struct page_desc *d;
	lzo_uint len = file.block;

	if (!dump_has_page(pfn))
		return NULL;
	d = &file.desc[desc_index(pfn)];
	if (d->offset <= 0 || !range_inside(d->offset, d->size, 0, file.size))
		return NULL;
	if (!d->flags)
		return d->size == file.block ? file.map + d->offset : NULL;
	if (d->flags != KDUMP_COMPRESSED_LZO)
		errx(2, "page %#llx: compression %u is not supported here", (unsigned long long)pfn,
		     d->flags);
	if (file.cached != pfn) {
		file.cached = ~0ULL;
		if (lzo1x_decompress_safe(file.map + d->offset, d->size, file.cache, &len, NULL) !=
			    LZO_E_OK ||
		    len != file.block)
			return NULL;
		file.cached = pfn;
	}
	return file.cache;
}

const void *dump_page(uint64_t pfn)
{
	phys_addr_t source;
	uint64_t len, size = dump_vmcore.page_size;

	if (file.kdump)
		return kdump_page(pfn);
	if (vmcore_source(&dump_vmcore, pfn * size, &source, &len) < 0 || len < size ||
	    !range_inside(source, size, 0, file.size))
		return NULL;
	return file.map + source;
}

static int read_elf(void *dst, phys_addr_t pa, size_t len)
{
	dump_reads++;
	if (pa >= ELF_HEADER_AT)
		pa -= ELF_HEADER_AT;
	if (!range_inside(pa, len, 0, file.size))
		return -EFAULT;
	memcpy(dst, file.map + pa, len);
	if (dump_read_hook)
		dump_read_hook(dst, pa, len);
	return 0;
}

static int read_kdump(void *dst, phys_addr_t pa, size_t len)
{
	unsigned char *p = dst;
	phys_addr_t at = pa;
	size_t left = len;

	dump_reads++;
	while (left) {
		size_t offset = at % file.block, n = min_u64(left, file.block - offset);
		const unsigned char *page = kdump_page(at / file.block);

		if (!page)
			return -EFAULT;
		memcpy(p, page + offset, n);
		p += n;
		at += n;
		left -= n;
	}
	if (dump_read_hook)
		dump_read_hook(dst, pa, len);
	return 0;
}

static void add_runs(struct vmcore *vc)
{
	for (uint64_t pfn = 0; pfn < file.max_pfn; pfn++) {
		struct memory_range *r = &ranges[vc->nr_ranges];

		if (!bit(file.bitmap1, pfn))
			continue;
		if (vc->nr_ranges == MAX_RANGES)
			errx(2, "too many ranges");
		r->start = r->source = pfn * file.block;
		while (pfn < file.max_pfn && bit(file.bitmap1, pfn))
			pfn++;
		r->end = pfn * file.block;
		r->virt = 0;
		vc->nr_ranges++;
	}
}

static void open_kdump(const char *path)
{
	struct vmcore *vc = &dump_vmcore;
	struct vmcoreinfo *vi = &dump_vmcoreinfo;
	const struct disk_dump_header *h = (const void *)file.map;
	const struct kdump_sub_header *s;
	uint64_t half, count = 0;

	s = kdump_header(path, file.map, file.size, &file.bitmap1, &half);
	file.kdump = true;
	file.block = h->block_size;
	file.bitmap2 = file.bitmap1 + half;
	file.max_pfn = s->max_mapnr_64;
	file.desc = (const void *)(file.bitmap2 + half);
	file.cache = malloc(file.block);
	file.cached = ~0ULL;
	file.rank = calloc(half / 64 + 1, sizeof(*file.rank));
	for (uint64_t i = 0; i < half / 64; i++) {
		uint64_t words[8];

		memcpy(words, file.bitmap2 + i * 64, 64);
		file.rank[i] = count;
		for (unsigned k = 0; k < 8; k++)
			count += __builtin_popcountll(words[k]);
	}
	if ((const unsigned char *)(file.desc + count) > file.map + file.size)
		errx(2, "%s: page descriptors do not fit", path);

	vc->read = read_kdump;
	vc->page_size = file.block;
	vc->machine = strcmp(h->machine, "aarch64") ? 62 : 183;
	add_runs(vc);
	if (s->size_vmcoreinfo &&
	    range_inside(s->offset_vmcoreinfo, s->size_vmcoreinfo, 0, file.size)) {
		vi->len = min_u64(s->size_vmcoreinfo, sizeof(vi->text) - 1);
		memcpy(vi->text, file.map + s->offset_vmcoreinfo, vi->len);
		vi->len = strlen(vi->text);
	}
}

/*
 * An elfcorehdr's notes are in the dead kernel's memory and vmcore.c insists on that; those of a
 * core are in the file only, so the text is found here.
 */
static void find_vmcoreinfo(struct vmcoreinfo *vi)
{
	const Elf64_Ehdr *e = (const void *)file.map;
	const Elf64_Phdr *p = (const void *)(file.map + e->e_phoff);

	for (unsigned i = 0; i < e->e_phnum; i++, p++) {
		uint64_t at = p->p_offset, end = at + p->p_filesz;

		while (p->p_type == PT_NOTE && end <= file.size && at + sizeof(Elf64_Nhdr) <= end) {
			const Elf64_Nhdr *n = (const void *)(file.map + at);
			uint64_t desc = at + sizeof(*n) + ALIGN_UP(n->n_namesz, 4);

			if (n->n_namesz == sizeof("VMCOREINFO") && desc + n->n_descsz <= end &&
			    !strcmp((const char *)(n + 1), "VMCOREINFO")) {
				vi->len = min_u64(n->n_descsz, sizeof(vi->text) - 1);
				memcpy(vi->text, file.map + desc, vi->len);
				vi->len = strlen(vi->text);
				return;
			}
			at = desc + ALIGN_UP(n->n_descsz, 4);
		}
	}
}

void dump_open(const char *path)
{
	struct vmcore *vc = &dump_vmcore;
	struct vmcoreinfo *vi = &dump_vmcoreinfo;
	char text[16];
	int r;

	file.map = map_file(path, &file.size);
	if (!memcmp(file.map, KDUMP_SIGNATURE, 8)) {
		open_kdump(path);
		return;
	}
	vc->read = read_elf;
	vc->page_size = 4096;
	r = vmcore_open(vc, ELF_HEADER_AT, 0);
	if (!r)
		r = vmcore_parse(vc, 0, 0);
	if (r < 0)
		errx(2, "%s: vmcore_parse: %s", path, strerror(-r));
	find_vmcoreinfo(vi);
	if (vmcoreinfo_string(vi, "PAGESIZE", text, sizeof(text)) == 0)
		vc->page_size = atoi(text);
}
