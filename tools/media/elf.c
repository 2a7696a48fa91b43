// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ELF core from a kdump-compressed dump, for gdb, which finds memory by virtual address.
 *
 *	Elf64_Ehdr
 *	Elf64_Shdr	only with 65535 program headers or more: one that holds their number
 *	Elf64_Phdr[]	one PT_NOTE, then a PT_LOAD for each piece of virtual memory whose pages are
 *			stored; several may name the same bytes (direct map, image, vmalloc)
 *	notes		NT_PRSTATUS of each CPU, the one that panicked first; VMCOREINFO
 *	pages		each stored page once, in order of physical address; zero pages are holes
 *
 * A page that is not in the dump is in no PT_LOAD: gdb says that it cannot be read, and not that
 * it is zero.
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stub/format/note.h"
#include "tools/media/elf.h"
#include "tools/media/memory.h"
#include "tools/util.h"

/*
 * A page has two or three addresses at most: direct map, image or vmalloc. Tables that give it
 * more on average are damaged, and must not make the headers outgrow the dump.
 */
#define SEGMENTS_PER_PAGE	4
#define SEGMENTS_SLACK		1024
#define TABLES_SLACK		65	/* more page tables than stored pages: they are damaged */
#define IMAGE_MAX		MIB(64)
#define PR_PID_OFFSET	32		/* pr_pid in struct elf_prstatus, 64-bit */

/* Stored pages that follow each other in physical memory, and so in the file */
struct run {
	uint64_t pa, len;
	uint64_t offset;	/* relative to the first page's place in the file */
	uint64_t index;		/* descriptor of its first page */
};

struct segment {
	uint64_t va, pa, len, offset;
};

struct elf {
	struct elf_job *job;
	uint64_t page;
	struct run *runs;
	size_t nr_runs, room_runs;
	struct memory mem;
	struct vtop_window map;		/* the mapping that pages are being joined to */
	struct vtop_window longest;
	struct segment *segs;
	size_t nr_segs, room_segs;
	size_t max_segs;
	bool cut;		/* max_segs was reached, or tables refer to each other */
	uint64_t *lost;		/* pfns of what cannot be decompressed, ascending */
	size_t nr_lost, room_lost;
};

/* @next keeps the place: both lists ascend */
static bool is_lost(const struct elf *e, uint64_t pfn, size_t *next)
{
	while (*next < e->nr_lost && e->lost[*next] < pfn)
		++*next;
	return *next < e->nr_lost && e->lost[*next] == pfn;
}

static void add_page(struct elf *e, uint64_t pa, uint64_t index)
{
	struct run *last = e->nr_runs ? &e->runs[e->nr_runs - 1] : NULL;
	uint64_t offset = last ? last->offset + last->len : 0;

	if (last && last->pa + last->len == pa) {
		last->len += e->page;
		return;
	}
	if (e->nr_runs == e->room_runs) {
		e->room_runs = e->room_runs ? e->room_runs * 2 : 1024;
		e->runs = must_grow(e->runs, e->room_runs, sizeof(*e->runs));
	}
	e->runs[e->nr_runs++] = (struct run){
		.pa = pa, .len = e->page, .offset = offset, .index = index,
	};
}

/* What is in the dump, as few pieces as possible */
static int find_runs(struct elf *e)
{
	struct kdump_walk w;
	struct kdump_page p;
	size_t next_lost = 0;
	int rc;

	e->nr_runs = 0;
	e->job->pages = 0;
	kdump_walk_start(&w, e->job->dump);
	while ((rc = kdump_walk_next(&w, &p)) == 1)
		if (p.state == PAGE_STORED && !is_lost(e, p.pfn, &next_lost)) {
			add_page(e, p.pfn * e->page, p.index);
			e->job->pages++;
		}
	return rc ? fail(rc, "%s: reading the page descriptors failed", e->job->path) : 0;
}

/* First run that ends behind @pa */
static size_t find_run(const struct elf *e, uint64_t pa)
{
	size_t i = FIRST_ABOVE(e->runs, e->nr_runs, pa, pa);

	return i && e->runs[i - 1].pa + e->runs[i - 1].len > pa ? i - 1 : i;
}

/* PT_LOADs for what is stored of [pa, pa + len) */
static void add_segments(struct elf *e, uint64_t va, uint64_t pa, uint64_t len)
{
	uint64_t end = len > UINT64_MAX - pa ? UINT64_MAX : pa + len;
	size_t i;

	for (i = find_run(e, pa); i < e->nr_runs && e->runs[i].pa < end; i++) {
		const struct run *r = &e->runs[i];
		uint64_t from = r->pa > pa ? r->pa : pa;
		uint64_t to = r->pa + r->len < end ? r->pa + r->len : end;

		if (e->nr_segs >= e->max_segs) {
			e->cut = true;
			return;
		}
		if (e->nr_segs == e->room_segs) {
			e->room_segs = e->room_segs ? e->room_segs * 2 : 1024;
			e->segs = must_grow(e->segs, e->room_segs, sizeof(*e->segs));
		}
		e->segs[e->nr_segs++] = (struct segment){
			va + (from - pa), from, to - from, r->offset + (from - r->pa),
		};
	}
}

static int by_pa(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	return x->pa < y->pa ? -1 : x->pa > y->pa;
}

static int by_va(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	return x->va < y->va ? -1 : x->va > y->va;
}

/*
 * Stored pages that no table maps (or all but the image, without tables): they get the address
 * that the direct map would give them, which is the longest mapping there is; else their physical
 * one.
 */
static void add_unmapped(struct elf *e, uint64_t linear)
{
	size_t i, s = 0, nr = e->nr_segs;
	struct segment *sorted = must_alloc(nr, sizeof(*sorted));

	if (nr)
		memcpy(sorted, e->segs, nr * sizeof(*sorted));
	qsort(sorted, nr, sizeof(*sorted), by_pa);
	for (i = 0; i < e->nr_runs; i++) {
		uint64_t at = e->runs[i].pa, end = at + e->runs[i].len;

		for (; s < nr && sorted[s].pa < end; s++) {
			if (sorted[s].pa > at)
				add_segments(e, at + linear, at, sorted[s].pa - at);
			if (sorted[s].pa + sorted[s].len > at)
				at = sorted[s].pa + sorted[s].len;
		}
		if (at < end)
			add_segments(e, at + linear, at, end - at);
	}
	free(sorted);
}

/* Mappings come by ascending address: neighbours are joined, so that there are few segments */
static int add_mapping(void *ctx, uint64_t va, phys_addr_t pa, uint64_t len)
{
	struct elf *e = ctx;
	struct vtop_window *m = &e->map;

	if (m->size && m->va + m->size == va && m->pa + m->size == pa) {
		m->size += len;
		return 0;
	}
	add_segments(e, m->va, m->pa, m->size);
	if (m->size > e->longest.size)
		e->longest = *m;
	*m = (struct vtop_window){ va, pa, len };
	return e->cut;
}

/* Without tables the image is still known: it lies linear from a 2-MiB boundary below _stext. */
static void add_image(struct elf *e)
{
	uint64_t stext, pa;
	int64_t voffset;

	if (vmcoreinfo_symbol(&e->mem.info, "_stext", &stext))
		return;
	stext = ALIGN_DOWN(stext, MIB(2));
	if (!vmcoreinfo_number(&e->mem.info, "kimage_voffset", &voffset))
		pa = stext - (uint64_t)voffset;		/* arm64 */
	else if (vtop(&e->mem.vt, stext, &pa, NULL))
		return;
	add_segments(e, stext, pa, IMAGE_MAX);
}

static void find_segments(struct elf *e)
{
	struct vtop_visit visit = {
		.leaf = add_mapping, .ctx = e,
		.left = (unsigned)min_u64(e->job->dump->nr_descs + TABLES_SLACK, UINT32_MAX),
	};

	e->nr_segs = 0;
	e->max_segs = e->job->pages * SEGMENTS_PER_PAGE + SEGMENTS_SLACK;
	e->map = e->longest = (struct vtop_window){ 0 };
	e->cut = false;
	vtop_visit(&e->mem.vt, &visit);
	add_mapping(e, 0, 0, 0);
	e->job->identity = !e->longest.size;
	if (e->job->identity)
		add_image(e);
	/* At most one for each page that has none yet: no limit needed, and no page is left out */
	e->max_segs = SIZE_MAX;
	add_unmapped(e, e->longest.va - e->longest.pa);
	if (e->nr_segs)
		qsort(e->segs, e->nr_segs, sizeof(*e->segs), by_va);
	e->job->segments = e->nr_segs;
	if (e->cut || !visit.left)
		note("%s: its page tables are damaged: not all of its virtual memory is mapped in the ELF "
		     "file",
		     e->job->path);
}

/* One note; NULL at the end or where the notes are damaged */
static const struct elf_nhdr *next_note(const struct elf *e, size_t *at, size_t *ret_len)
{
	const struct elf_nhdr *n = (const void *)(e->mem.notes + *at);
	size_t left = e->mem.notes_len - *at;

	*ret_len = left < sizeof(*n) ? 0 : note_size(n, left);
	*at += *ret_len;
	return *ret_len ? n : NULL;
}

/* "CORE", with its NUL, and long enough to hold the pid */
static bool is_prstatus(const struct elf_nhdr *n)
{
	return n->n_type == NOTE_PRSTATUS && n->n_namesz == 5 && n->n_descsz >= PR_PID_OFFSET + 4 &&
	       !memcmp(n + 1, "CORE", 5);
}

static uint32_t note_pid(const struct elf_nhdr *n)
{
	uint32_t pid;

	memcpy(&pid, (const uint8_t *)n + note_desc(n) + PR_PID_OFFSET, sizeof(pid));
	return pid;
}

/*
 * The kernel's report of a panic or oops has "CPU: 2 [UID: 0] PID: 345 Comm: sh"; the last one
 * counts.
 */
static bool panic_task(const struct elf_job *job, unsigned *cpu, unsigned *pid)
{
	const char *p = job->dmesg, *end = p ? p + job->dmesg_len : NULL;
	bool found = false;

	while (p && p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *c, *d;
		char line[256];
		size_t len = (size_t)((nl ? nl : end) - p);

		if (len >= sizeof(line))
			len = sizeof(line) - 1;
		memcpy(line, p, len);
		line[len] = 0;
		c = strstr(line, "CPU: ");
		d = c ? strstr(c, " PID: ") : NULL;
		found |= d && sscanf(c, "CPU: %u", cpu) == 1 && sscanf(d, " PID: %u", pid) == 1;
		p = nl ? nl + 1 : end;
	}
	return found;
}

/*
 * gdb shows the first NT_PRSTATUS's registers, so the panicking CPU's goes first: the note with
 * the pid of the report; for the idle task (pid 0, on every CPU) the CPU's number tells.
 */
static void order_notes(struct elf *e)
{
	unsigned cpu = 0, pid = 0, index = 0;
	size_t at = 0, start, len;
	const struct elf_nhdr *n;
	uint8_t *copy;

	if (!panic_task(e->job, &cpu, &pid))
		return;
	for (start = 0; (n = next_note(e, &at, &len)); start = at, index++)
		if (is_prstatus(n) && note_pid(n) == pid && (pid || index == cpu))
			break;
	if (!n || !start)
		return;
	copy = must_alloc(len, 1);
	memcpy(copy, e->mem.notes + start, len);
	memmove(e->mem.notes + len, e->mem.notes, start);
	memcpy(e->mem.notes, copy, len);
	free(copy);
}

/*
 * gdb tells threads by pid and takes two notes with one pid for one thread; the idle task has pid
 * 0 on every CPU. As QEMU does in its dumps, such CPUs get a number of their own: above any real
 * pid.
 */
static void number_idle(struct elf *e)
{
	const struct elf_nhdr *n;
	size_t at = 0, len;
	uint32_t fresh = 1u << 22;	/* PID_MAX_LIMIT */

	while ((n = next_note(e, &at, &len)))
		if (is_prstatus(n) && note_pid(n) == 0) {
			memcpy((uint8_t *)n + note_desc(n) + PR_PID_OFFSET, &fresh, sizeof(fresh));
			fresh++;
		}
}

/* p_offset and p_vaddr agree modulo the page size, as the gABI wants it (Program Header) */
static int write_headers(struct elf *e, struct outfile *out)
{
	size_t nr = e->nr_segs + 1, i, shdrs = nr >= PN_XNUM;
	uint64_t phoff = sizeof(Elf64_Ehdr) + shdrs * sizeof(Elf64_Shdr);
	uint64_t notes = phoff + nr * sizeof(Elf64_Phdr), data = notes + e->mem.notes_len;
	Elf64_Shdr shdr = { .sh_info = (uint32_t)nr };
	Elf64_Phdr ph = { .p_type = PT_NOTE, .p_offset = notes, .p_filesz = e->mem.notes_len };
	Elf64_Ehdr eh = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			    EV_CURRENT},
		.e_type = ET_CORE,
		.e_version = EV_CURRENT,
		.e_phoff = phoff,
		.e_ehsize = sizeof(eh),
		.e_phentsize = sizeof(ph),
		.e_phnum = shdrs ? PN_XNUM : (uint16_t)nr,
		.e_shoff = shdrs ? sizeof(eh) : 0,
		.e_shnum = (uint16_t)shdrs,
		.e_shentsize = shdrs ? sizeof(shdr) : 0,
	};
	int rc;

	eh.e_machine = strcmp(e->job->dump->hdr.machine, "aarch64") ? EM_X86_64 : EM_AARCH64;
	data = (data + e->page - 1) & ~(e->page - 1);
	rc = outfile_append(out, &eh, sizeof(eh));
	if (!rc && shdrs)
		rc = outfile_append(out, &shdr, sizeof(shdr));
	if (!rc)
		rc = outfile_append(out, &ph, sizeof(ph));
	for (i = 0; i < e->nr_segs && !rc; i++) {
		const struct segment *s = &e->segs[i];

		ph = (Elf64_Phdr){
			.p_type = PT_LOAD, .p_flags = PF_R | PF_W | PF_X,
			.p_offset = data + s->offset, .p_vaddr = s->va, .p_paddr = s->pa,
			.p_filesz = s->len, .p_memsz = s->len, .p_align = e->page,
		};
		rc = outfile_append(out, &ph, sizeof(ph));
	}
	if (!rc)
		rc = outfile_append(out, e->mem.notes, e->mem.notes_len);
	return rc ? rc : outfile_append_zeros(out, data - out->bytes);
}

static void add_lost(struct elf *e, uint64_t pfn)
{
	if (e->nr_lost == e->room_lost) {
		e->room_lost = e->room_lost ? e->room_lost * 2 : 64;
		e->lost = must_grow(e->lost, e->room_lost, sizeof(*e->lost));
	}
	e->lost[e->nr_lost++] = pfn;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	return !p[0] && !memcmp(p, p + 1, len - 1);
}

/* An unreadable page becomes zeros here and leaves the file in the next round of write_all() */
static int write_run(struct elf *e, const struct run *r, struct outfile *out, uint8_t *buf,
		     size_t *ret_lost)
{
	uint64_t pa;
	int rc = 0;

	for (pa = r->pa; pa < r->pa + r->len && !rc; pa += e->page) {
		if (kdump_page(e->job->dump, r->index + (pa - r->pa) / e->page, buf)) {
			++*ret_lost;
			add_lost(e, pa / e->page);
			memset(buf, 0, e->page);
		}
		rc = is_zero(buf, e->page) ? outfile_append_zeros(out, e->page) :
					     outfile_append(out, buf, e->page);
	}
	return rc;
}

/* *ret_lost: pages that turned out to be unreadable, noted in e->lost */
static int write_pages(struct elf *e, struct outfile *out, size_t *ret_lost)
{
	uint8_t *buf = must_alloc(e->page, 1);
	struct progress p;
	uint64_t done = 0;
	size_t i;
	int rc = 0;

	*ret_lost = 0;
	progress_start(&p, "converting", e->job->pages * e->page);
	for (i = 0; i < e->nr_runs && !rc; i++) {
		rc = write_run(e, &e->runs[i], out, buf, ret_lost);
		done += e->runs[i].len;
		progress_step(&p, done);
	}
	progress_end(&p);
	free(buf);
	return rc;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/*
 * A page that cannot be decompressed shows only when it is read, after the headers were written:
 * then all is written once more without those pages. The second time none is new.
 */
static int write_all(struct elf *e, struct outfile *out)
{
	size_t lost;
	int rc;

	do {
		rc = outfile_rewind(out);
		if (!rc)
			rc = find_runs(e);
		if (rc)
			return rc;
		find_segments(e);
		rc = write_headers(e, out);
		if (!rc)
			rc = write_pages(e, out, &lost);
		if (e->nr_lost)
			qsort(e->lost, e->nr_lost, sizeof(*e->lost), by_number);
	} while (!rc && lost);
	e->job->lost = e->nr_lost;
	return rc;
}

/* Headers need the runs, the runs need the descriptors, the addresses need the page tables */
int elf_write(struct elf_job *job, struct outfile *out)
{
	struct elf e = { .job = job, .page = (uint64_t)job->dump->hdr.block_size };
	int rc = memory_open_kdump(&e.mem, job->path, job->dump);
	char text[24];

	if (!rc)
		rc = find_runs(&e);
	if (!rc) {
		if (!vmcoreinfo_string(&e.mem.info, "KERNELOFFSET", text, sizeof(text)))
			job->kernel_offset = strtoull(text, NULL, 16);
		order_notes(&e);
		number_idle(&e);
		rc = write_all(&e, out);
	}
	memory_close(&e.mem);
	free(e.runs);
	free(e.segs);
	free(e.lost);
	return rc;
}
