// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A kdump-compressed dump has no table from page frame to descriptor: a frame's descriptor has the
 * number of bits that are set before it in bitmap2. Those are counted once, piece by piece, so that a
 * look-up reads one piece. Pages that were decompressed stay in a small cache, because what is read is
 * near to what was read before.
 */
#include "tools/media/memory.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stub/format/note.h"
#include "tools/util.h"

#define PIECE		4096u			/* bytes of bitmap2 */
#define CACHE_BYTES	MIB(8)
/* x86_64: __START_KERNEL_map, where the kernel image is linked */
#define IMAGE_VIRT	0xffffffff80000000ULL
#define IMAGE_MAX	MIB(64)
#define NOTES_MAX	MIB(16)
#define PHDRS_MAX	BIT(20)

/*---------------------------------------------------------------- kdump-compressed */

static int load_bits(struct memory *m, uint64_t piece)
{
	uint64_t bytes = (m->dump->max_mapnr + 7) / 8, at = piece * PIECE;
	uint64_t len = min_u64(PIECE, bytes - at);

	if (m->bits_at == piece)
		return 0;
	m->bits_at = UINT64_MAX;
	memset(m->bits, 0, PIECE);
	if (read_at(m->fd, m->bits, len, m->dump->bitmap2 + at))
		return -EIO;
	if (at + len == bytes && m->dump->max_mapnr % 8)
		m->bits[len - 1] &= (uint8_t)((1u << m->dump->max_mapnr % 8) - 1);
	m->bits_at = piece;
	return 0;
}

/* Bits set in the first @nr of the piece at hand */
static uint64_t count_bits(const struct memory *m, unsigned nr)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < nr / 8; i++)
		count += (unsigned)__builtin_popcount(m->bits[i]);
	if (nr % 8)
		count += (unsigned)__builtin_popcount(m->bits[nr / 8] & ((1u << nr % 8) - 1));
	return count;
}

static int count_ranks(struct memory *m)
{
	uint64_t pieces = DIV_ROUND_UP(m->dump->max_mapnr, PIECE * 8), sum = 0;

	m->ranks = must_alloc(pieces, sizeof(*m->ranks));
	for (uint64_t i = 0; i < pieces; i++) {
		int rc = load_bits(m, i);

		if (rc)
			return fail(rc, "%s: reading the bitmap failed", m->path);
		m->ranks[i] = sum;
		sum += count_bits(m, PIECE * 8);
	}
	return 0;
}

/* Number of the frame's descriptor. -ENOENT: it is not in the dump. */
static int find_page(struct memory *m, uint64_t pfn, uint64_t *ret_index)
{
	unsigned bit = (unsigned)(pfn % (PIECE * 8));

	if (pfn >= m->dump->max_mapnr)
		return -ENOENT;
	if (load_bits(m, pfn / (PIECE * 8)))
		return -EIO;
	if (!(m->bits[bit / 8] >> bit % 8 & 1))
		return -ENOENT;
	*ret_index = m->ranks[pfn / (PIECE * 8)] + count_bits(m, bit);
	return 0;
}

static const uint8_t *get_page(struct memory *m, uint64_t pfn)
{
	uint64_t slot = pfn % (CACHE_BYTES / m->page), index;
	uint8_t *page = m->cache + slot * m->page;

	if (m->cached[slot] == pfn + 1)
		return page;
	m->cached[slot] = 0;
	if (find_page(m, pfn, &index) || index >= m->dump->nr_descs || kdump_page(m->dump, index, page))
		return NULL;
	m->cached[slot] = pfn + 1;
	return page;
}

static int read_kdump(void *ctx, void *dst, phys_addr_t pa, size_t len)
{
	struct memory *m = ctx;
	uint8_t *to = dst;

	while (len) {
		size_t n = min_u64(len, m->page - pa % m->page);
		const uint8_t *page = get_page(m, pa / m->page);

		if (!page)
			return -EIO;
		memcpy(to, page + pa % m->page, n);
		to += n;
		pa += n;
		len -= n;
	}
	return 0;
}

/*---------------------------------------------------------------- ELF */

static int read_elf(void *ctx, void *dst, phys_addr_t pa, size_t len)
{
	struct memory *m = ctx;
	uint8_t *to = dst;

	while (len) {
		size_t i = FIRST_ABOVE(m->ranges, m->nr_ranges, start, pa), n;
		const struct memory_range *r = i ? &m->ranges[i - 1] : NULL;

		if (!r || pa >= r->end)
			return -EIO;
		n = min_u64(len, r->end - pa);
		if (read_at(m->fd, to, n, r->source + (pa - r->start)))
			return -EIO;
		to += n;
		pa += n;
		len -= n;
	}
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct memory_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* The image is there twice, and in a file for gdb every page that has two addresses: once is enough */
static void make_disjoint(struct memory *m)
{
	uint64_t end = 0;
	unsigned nr = 0;

	qsort(m->ranges, m->nr_ranges, sizeof(*m->ranges), by_start);
	for (unsigned i = 0; i < m->nr_ranges; i++) {
		struct memory_range r = m->ranges[i];

		if (r.end <= end)
			continue;
		if (r.start < end) {
			r.source += end - r.start;
			r.virt += r.virt ? end - r.start : 0;
			r.start = end;
		}
		end = r.end;
		m->ranges[nr++] = r;
	}
	m->nr_ranges = nr;
}

static void add_load(struct memory *m, const Elf64_Phdr *p)
{
	if (!p->p_filesz || p->p_filesz > p->p_memsz || p->p_paddr > UINT64_MAX - p->p_filesz ||
	    p->p_offset > m->limit)
		return;
	m->ranges[m->nr_ranges++] = (struct memory_range){
		p->p_paddr, p->p_paddr + min_u64(p->p_filesz, m->limit - p->p_offset), p->p_offset,
		p->p_vaddr,
	};
}

static void add_notes(struct memory *m, const Elf64_Phdr *p)
{
	if (p->p_filesz > NOTES_MAX - m->notes_len || !range_inside(p->p_offset, p->p_filesz, 0, m->limit))
		return;
	m->notes = must_grow(m->notes, m->notes_len + p->p_filesz + 1, 1);
	if (!read_at(m->fd, m->notes + m->notes_len, p->p_filesz, p->p_offset))
		m->notes_len += p->p_filesz;
}

static void find_vmcoreinfo(struct memory *m)
{
	uint64_t size;

	for (size_t at = 0; at + sizeof(struct elf_nhdr) <= m->notes_len; at += size) {
		const struct elf_nhdr *n = (const void *)(m->notes + at);
		size_t len;

		size = note_size(n, m->notes_len - at);
		if (!size)
			return;
		if (n->n_namesz != sizeof("VMCOREINFO") || memcmp(n + 1, "VMCOREINFO", n->n_namesz))
			continue;
		len = min_u64(n->n_descsz, sizeof(m->info.text) - 1);
		memcpy(m->info.text, m->notes + at + note_desc(n), len);
		m->info.len = vmcoreinfo_end(m->info.text, len, len < n->n_descsz);
	}
}

static int read_phdrs(struct memory *m, const Elf64_Ehdr *e)
{
	uint64_t nr = e->e_phnum;
	Elf64_Shdr sh;
	Elf64_Phdr p;

	/* gABI: with 65535 headers or more, their number is in the first section header */
	if (nr == PN_XNUM && !read_at(m->fd, &sh, sizeof(sh), e->e_shoff))
		nr = sh.sh_info;
	if (e->e_phentsize != sizeof(p) || nr > PHDRS_MAX || !range_inside(e->e_phoff, nr * sizeof(p), 0, m->limit))
		return fail(-EINVAL, "%s: damaged ELF header", m->path);
	m->ranges = must_alloc(nr, sizeof(*m->ranges));
	for (uint64_t i = 0; i < nr; i++) {
		if (read_at(m->fd, &p, sizeof(p), e->e_phoff + i * sizeof(p)))
			return fail(-EIO, "%s: reading the program headers failed", m->path);
		if (p.p_type == PT_LOAD)
			add_load(m, &p);
		else if (p.p_type == PT_NOTE)
			add_notes(m, &p);
	}
	make_disjoint(m);
	find_vmcoreinfo(m);
	return 0;
}

/*---------------------------------------------------------------- both */

/* The tables' decoder; phys_base of the header where VMCOREINFO has none */
static void open_tables(struct memory *m, int (*read)(void *, void *, phys_addr_t, size_t))
{
	m->vt = (struct vtop){
		.read = read, .ctx = m, .kernel = &m->kernel, .page_size = (uint32_t)m->page,
		.ranges = m->ranges, .nr_ranges = m->nr_ranges,
	};
	(m->arm64 ? vtop_arm64 : vtop_x86_64)(&m->vt, &m->info);
}

int memory_open_kdump(struct memory *m, const char *path, const struct kdump *dump)
{
	int rc;

	*m = (struct memory){
		.path = path, .dump = dump, .fd = dump->fd, .limit = dump->limit, .bits_at = UINT64_MAX,
		.page = (uint64_t)dump->hdr.block_size, .arm64 = !strcmp(dump->hdr.machine, "aarch64"),
	};
	if (!m->arm64 && strcmp(dump->hdr.machine, "x86_64"))
		return fail(-ENOTSUP, "%s: machine '%s': only x86_64 and aarch64 are known", path,
			    dump->hdr.machine);
	m->bits = must_alloc(PIECE, 1);
	m->cache = must_alloc(CACHE_BYTES, 1);
	m->cached = must_alloc(CACHE_BYTES / m->page, sizeof(*m->cached));
	rc = kdump_vmcoreinfo(dump, path, &m->info);
	if (!rc)
		rc = kdump_notes(dump, path, &m->notes, &m->notes_len);
	if (!rc)
		rc = count_ranks(m);
	if (rc)
		return rc;
	if (!m->arm64)
		m->kernel = (struct memory_range){
			dump->sub.phys_base, dump->sub.phys_base + IMAGE_MAX, dump->sub.phys_base, IMAGE_VIRT,
		};
	open_tables(m, read_kdump);
	return 0;
}

int memory_open_elf(struct memory *m, const char *path, int fd, uint64_t limit)
{
	Elf64_Ehdr e;
	int rc;

	*m = (struct memory){ .path = path, .fd = fd, .limit = limit, .page = 4096 };
	rc = limit < sizeof(e) ? -ENODATA : read_at(fd, &e, sizeof(e), 0);
	if (rc)
		return fail(rc, "%s: reading the ELF header failed: %s", path, strerror(-rc));
	if (e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_ident[EI_DATA] != ELFDATA2LSB ||
	    (e.e_machine != EM_X86_64 && e.e_machine != EM_AARCH64))
		return fail(-ENOTSUP, "%s is a dump of another architecture: only x86_64 and aarch64 are known",
			    path);
	m->arm64 = e.e_machine == EM_AARCH64;
	rc = read_phdrs(m, &e);
	if (!rc)
		open_tables(m, read_elf);
	return rc;
}

void memory_close(struct memory *m)
{
	free(m->notes);
	free(m->ranges);
	free(m->ranks);
	free(m->bits);
	free(m->cache);
	free(m->cached);
}
