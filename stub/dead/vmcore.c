// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The elfcorehdr: an ELF core header without the core, that kexec-tools or the kernel wrote when
 * the stub was loaded. Its program headers carry physical addresses of the dead kernel in p_offset
 * and p_paddr:
 *
 *	PT_NOTE	one per possible CPU, the kernel's crash_notes buffer: zero if the CPU was offline
 *	PT_NOTE	the VMCOREINFO note
 *	PT_LOAD	the kernel image, with its own virtual addresses; the same RAM is listed again below
 *	PT_LOAD	one per range of RAM; p_offset differs from p_paddr where purgatory moved the bytes
 *
 * Machines with thousands of CPUs have headers of half a MiB, so program headers are read on
 * demand, a few at a time. The layout is that of the System V ABI, chapters 4 and 5; the byte order
 * is the stub's own, little-endian.
 */
#include "stub/dead/vmcore.h"

#include <errno.h>
#include <string.h>

#include "stub/format/kdump.h"
#include "stub/format/note.h"
#include "stub/idle.h"
#include "stub/log.h"

#define ELF_CLASS32	1
#define ELF_CLASS64	2
#define ELF_DATA2LSB	1
#define ELF_ET_CORE	4
#define ELF_PN_XNUM	0xffff	/* the number is in sh_info of section header 0 */
#define ELF_PT_NULL	0
#define ELF_PT_LOAD	1
#define ELF_PT_NOTE	4
#define ELF_EM_X86_64	62
#define ELF_EM_AARCH64	183

struct elf64_ehdr {
	uint8_t  e_ident[16];		/* 0x00 magic, class, data, version */
	uint16_t e_type;		/* 0x10 */
	uint16_t e_machine;
	uint32_t e_version;
	uint64_t e_entry;		/* 0x18 */
	uint64_t e_phoff;		/* 0x20 */
	uint64_t e_shoff;		/* 0x28 */
	uint32_t e_flags;		/* 0x30 */
	uint16_t e_ehsize;
	uint16_t e_phentsize;		/* 0x36 */
	uint16_t e_phnum;		/* 0x38 */
	uint16_t e_shentsize;
	uint16_t e_shnum;
	uint16_t e_shstrndx;
};
_Static_assert(sizeof(struct elf64_ehdr) == 64, "Elf64_Ehdr size");
_Static_assert(offsetof(struct elf64_ehdr, e_phentsize) == 0x36, "Elf64_Ehdr layout");

struct elf32_ehdr {
	uint8_t  e_ident[16];		/* 0x00 */
	uint16_t e_type;		/* 0x10 */
	uint16_t e_machine;
	uint32_t e_version;
	uint32_t e_entry;		/* 0x18 */
	uint32_t e_phoff;		/* 0x1c */
	uint32_t e_shoff;		/* 0x20 */
	uint32_t e_flags;
	uint16_t e_ehsize;
	uint16_t e_phentsize;		/* 0x2a */
	uint16_t e_phnum;		/* 0x2c */
	uint16_t e_shentsize;
	uint16_t e_shnum;
	uint16_t e_shstrndx;
};
_Static_assert(sizeof(struct elf32_ehdr) == 52, "Elf32_Ehdr size");
_Static_assert(offsetof(struct elf32_ehdr, e_phentsize) == 0x2a, "Elf32_Ehdr layout");

struct elf64_phdr {
	uint32_t p_type;		/* 0x00 */
	uint32_t p_flags;
	uint64_t p_offset;		/* 0x08 */
	uint64_t p_vaddr;		/* 0x10 */
	uint64_t p_paddr;		/* 0x18 */
	uint64_t p_filesz;		/* 0x20 */
	uint64_t p_memsz;		/* 0x28 */
	uint64_t p_align;
};
_Static_assert(sizeof(struct elf64_phdr) == 56, "Elf64_Phdr size");

struct elf32_phdr {
	uint32_t p_type;		/* 0x00 */
	uint32_t p_offset;		/* 0x04 */
	uint32_t p_vaddr;
	uint32_t p_paddr;
	uint32_t p_filesz;
	uint32_t p_memsz;		/* 0x14 */
	uint32_t p_flags;
	uint32_t p_align;
};
_Static_assert(sizeof(struct elf32_phdr) == 32, "Elf32_Phdr size");

#define ADDR_LIMIT	BIT(52)		/* x86_64 and arm64 have at most 52 physical address bits */
#define MAX_PHDRS	131072u		/* the kernel's own limit is below 65536 */
#define MAX_PHOFF	MIB(16)
#define PHDR_BATCH	8u
#define NOTE_MAX	MIB(1)		/* of one segment and of one note */
#define NOTES_PER_SEGMENT 64u
#define MAX_REPORTS	4		/* lines about bad ranges, the rest is counted */

/* Linux's x86_64 kernel image mapping, Documentation/arch/x86/x86_64/mm.rst */
#define X86_64_KERNEL_MAP	0xffffffff80000000ULL

static const char vmcoreinfo_name[12] = "VMCOREINFO";	/* as in the note, padded to 4 */
#define VMCOREINFO_NAMESZ	11

/*---------------------------------------------------------------- program headers */

struct phdr {
	uint32_t type;
	uint64_t offset, vaddr, paddr, filesz, memsz;
};

struct phdr_iter {
	const struct vmcore *vc;
	uint32_t next;	    /* the one that phdr_next() returns */
	uint32_t first, nr; /* what is in the buffer */
	union {
		struct elf64_phdr p64[PHDR_BATCH];
		struct elf32_phdr p32[PHDR_BATCH];
	} buf;
};

static size_t phdr_size(const struct vmcore *vc)
{
	return vc->elf32 ? sizeof(struct elf32_phdr) : sizeof(struct elf64_phdr);
}

static void phdr_begin(struct phdr_iter *it, const struct vmcore *vc, uint32_t from)
{
	it->vc = vc;
	it->next = from;
	it->first = from;
	it->nr = 0;
}

static int phdr_fill(struct phdr_iter *it)
{
	const struct vmcore *vc = it->vc;
	size_t size = phdr_size(vc);
	uint32_t nr = min_u64(vc->nr_phdrs - it->next, PHDR_BATCH);
	int r = vc->read(&it->buf, vc->elfcorehdr + vc->phoff + (uint64_t)it->next * size,
			 nr * size);

	if (r < 0)
		return r;
	it->first = it->next;
	it->nr = nr;
	return 0;
}

/*
 * 1 and the next program header, 0 at the end, -EFAULT. There may be many, each with notes or a place to
 * be found among the ranges, so watchdogs are fed here.
 */
static int phdr_next(struct phdr_iter *it, struct phdr *ret)
{
	if (it->next >= it->vc->nr_phdrs)
		return 0;
	idle_busy();
	if (it->next - it->first >= it->nr) {
		int r = phdr_fill(it);

		if (r < 0)
			return r;
	}
	if (it->vc->elf32) {
		const struct elf32_phdr *p = &it->buf.p32[it->next - it->first];

		*ret = (struct phdr){p->p_type,	 p->p_offset, p->p_vaddr,
				     p->p_paddr, p->p_filesz, p->p_memsz};
	} else {
		const struct elf64_phdr *p = &it->buf.p64[it->next - it->first];

		*ret = (struct phdr){p->p_type,	 p->p_offset, p->p_vaddr,
				     p->p_paddr, p->p_filesz, p->p_memsz};
	}
	it->next++;
	return 1;
}

/*---------------------------------------------------------------- ELF header */

/* e_phnum is 16 bits wide: a larger number is in section header 0 (System V ABI, e_phnum) */
static int extended_phnum(struct vmcore *vc, uint64_t shoff, uint64_t size_limit)
{
	/* sh_info: Elf64_Shdr offset 44, Elf32_Shdr offset 28 */
	uint64_t at = shoff + (vc->elf32 ? 28 : 44);
	uint32_t nr;

	if (shoff == 0)
		return 0; /* a writer that knows nothing of it: really 65535 */
	if (shoff > MAX_PHOFF || (size_limit && !range_inside(at, sizeof(nr), 0, size_limit)))
		return log_err(-EINVAL, "elfcorehdr: section header at %#lx is outside",
			       shoff);
	if (vc->read(&nr, vc->elfcorehdr + at, sizeof(nr)) < 0)
		return log_err(-EFAULT, "elfcorehdr: section header at %#lx is unreadable",
			       shoff);
	vc->nr_phdrs = nr;
	return 0;
}

static int check_ident(const uint8_t ident[16], phys_addr_t hdr)
{
	if (memcmp(ident, "\177ELF", 4) != 0)
		return log_err(-EINVAL, "elfcorehdr: no ELF header at %#lx (%02x %02x %02x %02x)",
			       hdr, ident[0], ident[1], ident[2], ident[3]);
	if ((ident[4] != ELF_CLASS32 && ident[4] != ELF_CLASS64) || ident[5] != ELF_DATA2LSB ||
	    ident[6] != 1)
		return log_err(-EINVAL,
			       "elfcorehdr: ELF class %u, data %u, version %u are not supported",
			       ident[4], ident[5], ident[6]);
	return 0;
}

static int parse_ehdr(struct vmcore *vc, phys_addr_t hdr, uint64_t size_limit)
{
	union {
		struct elf64_ehdr e64;
		struct elf32_ehdr e32;
	} e;
	uint32_t type, phentsize;
	uint64_t shoff, fit;
	int r;

	if (hdr == 0 || hdr >= ADDR_LIMIT || (size_limit && size_limit < sizeof(e.e32)))
		return log_err(-EINVAL, "elfcorehdr: bad place %#lx, size %#lx", hdr,
			       size_limit);
	memset(&e, 0, sizeof(e));
	r = vc->read(&e, hdr, size_limit ? min_u64(size_limit, sizeof(e)) : sizeof(e));
	if (r < 0)
		return log_err(-EFAULT, "elfcorehdr: nothing readable at %#lx", hdr);
	r = check_ident(e.e64.e_ident, hdr);
	if (r < 0)
		return r;

	vc->elf32 = e.e64.e_ident[4] == ELF_CLASS32;
	type = e.e64.e_type; /* same place in both classes, like e_machine */
	vc->machine = e.e64.e_machine;
	vc->phoff = vc->elf32 ? e.e32.e_phoff : e.e64.e_phoff;
	vc->nr_phdrs = vc->elf32 ? e.e32.e_phnum : e.e64.e_phnum;
	shoff = vc->elf32 ? e.e32.e_shoff : e.e64.e_shoff;
	phentsize = vc->elf32 ? e.e32.e_phentsize : e.e64.e_phentsize;

	if (type != ELF_ET_CORE || phentsize != phdr_size(vc) || vc->phoff < sizeof(e.e32) ||
	    vc->phoff > MAX_PHOFF)
		return log_err(
			-EINVAL,
			"elfcorehdr: not a vmcore: type %u, program headers of %u bytes at %#lx",
			type, phentsize, vc->phoff);
	if (vc->nr_phdrs == ELF_PN_XNUM) {
		r = extended_phnum(vc, shoff, size_limit);
		if (r < 0)
			return r;
	}
	if (vc->nr_phdrs == 0 || vc->nr_phdrs > MAX_PHDRS)
		return log_err(-EINVAL, "elfcorehdr: %u program headers", vc->nr_phdrs);
	if (size_limit == 0)
		return 0;

	/* Cut short: what is there is still worth a dump */
	fit = vc->phoff >= size_limit ? 0 : (size_limit - vc->phoff) / phdr_size(vc);
	if (fit == 0)
		return log_err(-EINVAL,
			       "elfcorehdr: program headers at %#lx are outside its %#lx bytes",
			       vc->phoff, size_limit);
	if (fit < vc->nr_phdrs) {
		log_warn("elfcorehdr: only %u of %u program headers fit in its %#lx bytes",
			 (unsigned)fit, vc->nr_phdrs, size_limit);
		vc->nr_phdrs = fit;
		vc->cut = true;
	}
	return 0;
}

/*---------------------------------------------------------------- RAM ranges */

/* Take the first @bytes off the front of a range */
static void trim_front(struct memory_range *r, uint64_t bytes)
{
	r->start += bytes;
	r->source += bytes;
	if (r->virt)
		r->virt += bytes;
}

static void drop_range(struct vmcore *vc, const struct memory_range *r, uint64_t lost,
		       const char *why)
{
	vc->dropped_bytes += min_u64(lost, UINT64_MAX - vc->dropped_bytes);
	if (vc->dropped_ranges++ < MAX_REPORTS)
		log_warn("elfcorehdr: range %#lx-%#lx %s", r->start,
			 r->end, why);
}

/* Does @b continue @a in every respect? */
static bool continues(const struct memory_range *a, const struct memory_range *b)
{
	uint64_t len = a->end - a->start;

	return a->end == b->start && a->source + len == b->source &&
	       (a->virt ? b->virt && a->virt + len == b->virt : !b->virt);
}

/* Index of the first range that ends above @pa; nr_ranges: none */
static unsigned find_range(const struct vmcore *vc, phys_addr_t pa)
{
	return FIRST_ABOVE(vc->ranges, vc->nr_ranges, end, pa);
}

/* Put @r, which overlaps nothing, before ranges[at], joined with neighbours that it continues */
static bool place_range(struct vmcore *vc, unsigned at, const struct memory_range *r)
{
	struct memory_range *p = &vc->ranges[at];

	if (at > 0 && continues(p - 1, r)) {
		p[-1].end = r->end;
		if (at < vc->nr_ranges && continues(p - 1, p)) {
			p[-1].end = p->end;
			memmove(p, p + 1, (vc->nr_ranges - at - 1) * sizeof(*p));
			vc->nr_ranges--;
		}
		return true;
	}
	if (at < vc->nr_ranges && continues(r, p)) {
		p->start = r->start;
		p->source = r->source;
		p->virt = r->virt;
		return true;
	}
	if (vc->nr_ranges == vc->max_ranges)
		return false;
	memmove(p + 1, p, (vc->nr_ranges - at) * sizeof(*p));
	*p = *r;
	vc->nr_ranges++;
	return true;
}

/*
 * Add what of @r no earlier range covers, so that no frame is counted twice: the range listed first
 * keeps it. The kernel image comes last and is @expected to be covered already. The stub's own
 * memory is cut out.
 */
static void add_range(struct vmcore *vc, struct memory_range r, const struct memory_range *own,
		      bool expected)
{
	const struct memory_range whole = r;
	uint64_t lost = 0;
	bool overlap = false;

	while (r.start < r.end) {
		unsigned at = find_range(vc, r.start);
		struct memory_range piece = r;

		if (at < vc->nr_ranges && vc->ranges[at].start <= r.start) {
			overlap = true;
			trim_front(&r, min_u64(r.end, vc->ranges[at].end) - r.start);
			continue;
		}
		if (own->start <= r.start && r.start < own->end) {
			trim_front(&r, min_u64(r.end, own->end) - r.start);
			continue;
		}
		if (at < vc->nr_ranges)
			piece.end = min_u64(piece.end, vc->ranges[at].start);
		if (own->start > r.start)
			piece.end = min_u64(piece.end, own->start);
		if (!place_range(vc, at, &piece))
			lost += piece.end - piece.start;
		trim_front(&r, piece.end - piece.start);
	}
	if (lost)
		drop_range(vc, &whole, lost, "dropped: too many ranges");
	else if (overlap && !expected)
		drop_range(vc, &whole, 0, "overlaps another one: cut");
}

/* The RAM that a PT_LOAD describes. False: it is absurd. */
static bool load_range(const struct vmcore *vc, const struct phdr *p, struct memory_range *ret)
{
	uint64_t size = min_u64(p->memsz, p->filesz); /* only filesz bytes have contents */

	*ret = (struct memory_range){p->paddr, p->paddr + size, p->offset, p->vaddr};
	/* An address cut to 32 bits, or -1 for "none", says nothing about the direct map */
	if (vc->elf32 || ret->virt + size < size)
		ret->virt = 0;
	return size > 0 && range_inside(p->paddr, size, 0, ADDR_LIMIT) &&
	       range_inside(p->offset, size, 0, ADDR_LIMIT);
}

/* Does another PT_LOAD hold all of @image, at other virtual addresses unless @any_virt? */
static bool listed_again(const struct vmcore *vc, const struct phdr *image, uint32_t index)
{
	struct phdr_iter it;
	struct phdr p;

	phdr_begin(&it, vc, 0);
	while (phdr_next(&it, &p) > 0) {
		struct memory_range r;

		if (it.next - 1 == index || p.type != ELF_PT_LOAD || !load_range(vc, &p, &r))
			continue;
		if (range_inside(image->paddr, image->memsz, r.start, r.end) &&
		    image->vaddr - image->paddr != p.vaddr - p.paddr)
			return true;
	}
	return false;
}

/*
 * x86_64 has a mapping of its own for the kernel image, so the address tells. Elsewhere (arm64) it
 * is the first PT_LOAD, as every loader writes it, if the same RAM is listed again at another
 * distance between virtual and physical addresses, that of the linear map. Headers without such an
 * entry exist.
 */
static bool is_image(const struct vmcore *vc, const struct phdr *p, uint32_t index, bool first)
{
	struct memory_range r;

	if (vc->image.end || !load_range(vc, p, &r) || p->memsz != p->filesz)
		return false;
	if (vc->machine == ELF_EM_X86_64 && !vc->elf32)
		return p->vaddr >= X86_64_KERNEL_MAP;
	return first && p->offset == p->paddr && listed_again(vc, p, index);
}

static void set_image(struct vmcore *vc, const struct phdr *p)
{
	vc->image = (struct memory_range){p->paddr, p->paddr + p->memsz, p->offset, p->vaddr};
	/* --elf32-core-headers keeps the low half of an address of the upper 2 GiB */
	if (vc->elf32 && vc->machine == ELF_EM_X86_64)
		vc->image.virt = p->vaddr | 0xffffffff00000000ULL;
}

/* RAM that could exist is lost with its size, else nobody knows what is. An empty range is no loss. */
static void drop_absurd(struct vmcore *vc, const struct phdr *p, const struct memory_range *r)
{
	bool could = range_inside(p->paddr, p->memsz, 0, ADDR_LIMIT);

	vc->cut |= !could && p->memsz;
	drop_range(vc, r, could ? p->memsz : 0, "dropped: absurd");
}

static int parse_ranges(struct vmcore *vc, const struct memory_range *own)
{
	bool first = true;
	struct phdr_iter it;
	struct phdr p;
	int r;

	phdr_begin(&it, vc, 0);
	while ((r = phdr_next(&it, &p)) > 0) {
		struct memory_range range;

		if (p.type != ELF_PT_LOAD)
			continue; /* unused slots are PT_NULL */
		if (is_image(vc, &p, it.next - 1, first))
			set_image(vc, &p);
		else if (load_range(vc, &p, &range))
			add_range(vc, range, own, false);
		else if (!first || vc->machine != ELF_EM_AARCH64)
			drop_absurd(vc, &p, &range);
		/*
		 * kexec-tools 2.0.25 gets start and size of arm64's image wrong; its RAM is in the
		 * other entries
		 */
		first = false;
	}
	if (r < 0) {
		log_warn("elfcorehdr: program header %u is unreadable, the rest is lost", it.next);
		vc->nr_phdrs = it.next;
		vc->cut = true;
	}
	if (vc->image.end) {
		/* Nothing is left of it unless the RAM around it is missing from the header */
		struct memory_range image = vc->image;

		image.virt = 0;
		add_range(vc, image, own, true);
	}
	if (vc->dropped_ranges)
		log_warn("elfcorehdr: %u ranges were dropped or cut, %lu KiB are lost by it",
			 vc->dropped_ranges, vc->dropped_bytes >> 10);
	if (vc->nr_ranges == 0)
		return log_err(r < 0 ? -EFAULT : -ENODATA,
			       "elfcorehdr: no usable memory range in %u program headers",
			       vc->nr_phdrs);
	return 0;
}

/*---------------------------------------------------------------- notes */

struct note {
	phys_addr_t pa; /* of the note's header */
	phys_addr_t desc;
	uint32_t namesz, descsz, type;
	uint32_t size; /* header, name and descriptor, each padded to 4 */
	bool prstatus, vmcoreinfo;
};

struct note_iter {
	struct phdr_iter phdrs;
	phys_addr_t pa;	  /* next note of the current segment */
	uint64_t left;	  /* of the current segment */
	unsigned nr;	  /* notes seen in it */
	unsigned skipped; /* segments that are not in RAM or too large */
};

static void notes_begin(struct note_iter *it, const struct vmcore *vc, uint32_t from)
{
	phdr_begin(&it->phdrs, vc, from);
	it->left = 0;
	it->skipped = 0;
}

/*
 * Go to the next PT_NOTE segment that lies in RAM, as all of them do: an address elsewhere could be
 * a device's register. False: no more.
 */
static bool next_segment(struct note_iter *it)
{
	struct phdr p;

	while (phdr_next(&it->phdrs, &p) > 0) {
		uint64_t size = p.filesz ? p.filesz : p.memsz;

		if (p.type != ELF_PT_NOTE || size == 0)
			continue;
		if (size > 2 * NOTE_MAX || !vmcore_is_ram(it->phdrs.vc, p.offset, size)) {
			it->skipped++;
			continue;
		}
		it->pa = p.offset;
		it->left = size;
		it->nr = 0;
		return true;
	}
	return false;
}

/* The note at it->pa. False: the end of the segment, or nothing that looks like a note. */
static bool parse_note(const struct note_iter *it, struct note *n)
{
	const struct vmcore *vc = it->phdrs.vc;
	uint64_t size;
	struct elf_nhdr h;
	char name[12];

	if (it->nr >= NOTES_PER_SEGMENT || it->left < sizeof(h) ||
	    vmcore_read(vc, &h, it->pa, sizeof(h)) < 0)
		return false;
	size = note_size(&h, it->left);
	if (!size || h.n_descsz > NOTE_MAX)
		return false;

	memset(name, 0, sizeof(name));
	if (vmcore_read(vc, name, it->pa + sizeof(h), min_u64(h.n_namesz, sizeof(name))) < 0)
		return false;
	n->pa = it->pa;
	n->namesz = h.n_namesz;
	n->descsz = h.n_descsz;
	n->type = h.n_type;
	n->desc = it->pa + note_desc(&h);
	n->size = size;
	n->prstatus = h.n_type == NOTE_PRSTATUS && h.n_descsz > 0 && memcmp(name, "CORE", 5) == 0;
	n->vmcoreinfo = h.n_namesz == VMCOREINFO_NAMESZ &&
			memcmp(name, vmcoreinfo_name, VMCOREINFO_NAMESZ) == 0;
	return true;
}

/* The next note of any segment. False: no more. */
static bool notes_next(struct note_iter *it, struct note *ret)
{
	for (;;) {
		if (it->left > 0 && parse_note(it, ret)) {
			it->pa += ret->size;
			it->left -= ret->size;
			it->nr++;
			return true;
		}
		if (!next_segment(it))
			return false;
	}
}

static uint64_t vmcoreinfo_note_size(const struct vmcore *vc)
{
	if (vc->vmcoreinfo_size == 0)
		return 0;
	return sizeof(struct elf_nhdr) + sizeof(vmcoreinfo_name) + ALIGN_UP(vc->vmcoreinfo_size, 4);
}

static void parse_notes(struct vmcore *vc)
{
	struct note_iter it;
	struct note n;
	uint64_t room = KDUMP_NOTES_MAX;
	char byte;

	notes_begin(&it, vc, 0);
	while (notes_next(&it, &n)) {
		if (n.vmcoreinfo) {
			/* The first one that can be read counts */
			if (vc->vmcoreinfo_size == 0 && n.descsz > 0 &&
			    vmcore_read(vc, &byte, n.desc, 1) == 0 && byte) {
				vc->vmcoreinfo_pa = n.desc;
				vc->vmcoreinfo_size = n.descsz;
			}
			continue;
		}
		if (n.size > room) {
			log_warn("elfcorehdr: more than %u MiB of notes, the rest is left out",
				 (unsigned)(KDUMP_NOTES_MAX >> 20));
			break;
		}
		room -= n.size;
		vc->cpu_notes_size += n.size;
		vc->nr_cpus += n.prstatus;
	}
	if (it.skipped)
		log_warn("elfcorehdr: %u note segments are not in memory: ignored", it.skipped);
	vc->notes_size = vc->cpu_notes_size + vmcoreinfo_note_size(vc);
	if (vc->vmcoreinfo_size)
		vc->vmcoreinfo_offset =
			vc->cpu_notes_size + sizeof(struct elf_nhdr) + sizeof(vmcoreinfo_name);
	else
		log_warn("elfcorehdr: no VMCOREINFO note");
	if (vc->nr_cpus == 0)
		log_warn("elfcorehdr: no CPU left its registers");
}

/*
 * The kernel writes its notes to RAM. Does the header place one where it names none, and where none of ours
 * is: the image, the header and all that lies between? Then it lacks RAM.
 */
static bool notes_missed(const struct vmcore *vc, const struct memory_range *own)
{
	phys_addr_t start = min_u64(own->start, vc->elfcorehdr), source;
	phys_addr_t end = max_u64(own->end, vc->elfcorehdr + vc->phoff + (uint64_t)vc->nr_phdrs * phdr_size(vc));
	struct phdr_iter it;
	struct phdr p;

	phdr_begin(&it, vc, 0);
	while (phdr_next(&it, &p) > 0)
		if (p.type == ELF_PT_NOTE && (p.filesz || p.memsz) && p.offset && p.offset < ADDR_LIMIT &&
		    (p.offset < start || p.offset >= end) && vmcore_source(vc, p.offset, &source, NULL) < 0) {
			log_warn("elfcorehdr: a note at %#lx is outside of the RAM that it names", p.offset);
			return true;
		}
	return false;
}

/* Emit @len bytes: @valid from @pa, the rest is zero; what cannot be read is zero as well */
static int emit_memory(struct vmcore *vc, phys_addr_t pa, uint64_t valid, uint64_t len,
		       int (*emit)(void *ctx, const void *buf, size_t len), void *ctx)
{
	uint8_t buf[256];
	uint64_t done = 0;

	while (done < len) {
		size_t n = min_u64(len - done, sizeof(buf));
		size_t have = done < valid ? min_u64(valid - done, n) : 0;
		int r;

		memset(buf, 0, sizeof(buf));
		if (have && vmcore_read(vc, buf, pa + done, have) < 0)
			memset(buf, 0, sizeof(buf));
		r = emit(ctx, buf, n);
		if (r)
			return r;
		done += n;
	}
	return 0;
}

int vmcore_notes(struct vmcore *vc, int (*emit)(void *ctx, const void *buf, size_t len), void *ctx)
{
	uint64_t left = vc->cpu_notes_size;
	struct elf_nhdr h = {VMCOREINFO_NAMESZ, vc->vmcoreinfo_size, 0};
	struct note_iter it;
	struct note n;
	int r;

	notes_begin(&it, vc, 0);
	while (left > 0 && notes_next(&it, &n)) {
		if (n.vmcoreinfo)
			continue;
		if (n.size > left)
			break; /* not what vmcore_parse() saw */
		r = emit_memory(vc, n.pa, n.size, n.size, emit, ctx);
		if (r)
			return r;
		left -= n.size;
	}
	r = emit_memory(vc, 0, 0, left, emit, ctx);
	if (r || vc->vmcoreinfo_size == 0)
		return r;

	r = emit(ctx, &h, sizeof(h));
	if (r == 0)
		r = emit(ctx, vmcoreinfo_name, sizeof(vmcoreinfo_name));
	if (r == 0)
		r = emit_memory(vc, vc->vmcoreinfo_pa, vc->vmcoreinfo_size,
				ALIGN_UP(vc->vmcoreinfo_size, 4), emit, ctx);
	return r;
}

int vmcore_prstatus(struct vmcore *vc, unsigned nr, void *buf, size_t len)
{
	unsigned cpu = 0;
	uint32_t segment = 0;
	struct note_iter it;
	struct note n;

	/* Asked for one CPU after the other, start where the last one was found */
	if (nr >= vc->hint_cpu) {
		cpu = vc->hint_cpu;
		segment = vc->hint_phdr;
	}
	notes_begin(&it, vc, segment);
	segment = UINT32_MAX;
	while (notes_next(&it, &n)) {
		if (segment != it.phdrs.next - 1) {
			segment = it.phdrs.next - 1;
			vc->hint_cpu = cpu;
			vc->hint_phdr = segment;
		}
		if (!n.prstatus || cpu++ != nr)
			continue;
		len = min_u64(len, n.descsz);
		return vmcore_read(vc, buf, n.desc, len) < 0 ? -EFAULT : (int)len;
	}
	return -ENOENT;
}

int vmcore_copy_vmcoreinfo(struct vmcore *vc, char *buf, size_t size)
{
	size_t len = vc->vmcoreinfo_size;

	if (len == 0 || size == 0)
		return -ENODATA;
	if (len > size - 1)
		len = size - 1;
	if (vmcore_read(vc, buf, vc->vmcoreinfo_pa, len) < 0)
		return log_err(-ENODATA, "elfcorehdr: VMCOREINFO at %#lx became unreadable",
			       vc->vmcoreinfo_pa);
	len = vmcoreinfo_end(buf, len, len < vc->vmcoreinfo_size);
	return len > 0 ? (int)len : -ENODATA;
}

/*---------------------------------------------------------------- looking things up */

int vmcore_open(struct vmcore *vc, phys_addr_t hdr, uint64_t size_limit)
{
	*vc = (struct vmcore){
		.read = vc->read, .is_zero = vc->is_zero, .page_size = vc->page_size, .elfcorehdr = hdr,
		.max_ranges = vc->max_ranges, .ranges = vc->ranges,
	};
	return parse_ehdr(vc, hdr, size_limit);
}

int vmcore_sources(struct vmcore *vc, phys_addr_t own, void (*fn)(phys_addr_t start, phys_addr_t end))
{
	struct phdr_iter it;
	struct phdr p;
	int r;

	vc->nr_loads = 0;
	fn(vc->elfcorehdr, vc->elfcorehdr + vc->phoff + (uint64_t)vc->nr_phdrs * phdr_size(vc));
	phdr_begin(&it, vc, 0);
	while ((r = phdr_next(&it, &p)) > 0) {
		struct memory_range range;
		phys_addr_t end;

		if (p.type != ELF_PT_LOAD)
			continue;
		vc->nr_loads++;
		if (!load_range(vc, &p, &range))
			continue;
		end = range.source + (range.end - range.start);
		if (range.source == range.start && range.start <= own && own < range.end)
			end = min_u64(end, MIB(1));
		if (range.source < end)
			fn(range.source, end);
	}
	return r < 0 || vc->cut ? -ENODATA : 0;
}

int vmcore_parse(struct vmcore *vc, phys_addr_t own_start, phys_addr_t own_end)
{
	struct memory_range own = {.start = own_start, .end = max_u64(own_start, own_end)};
	int r;

	r = parse_ranges(vc, &own);
	if (r < 0)
		return r;
	parse_notes(vc);
	vc->cut |= notes_missed(vc, &own);
	return 0;
}

bool vmcore_is_ram(const struct vmcore *vc, phys_addr_t pa, uint64_t len)
{
	unsigned i = find_range(vc, pa);

	return i < vc->nr_ranges && range_inside(pa, len, vc->ranges[i].start, vc->ranges[i].end);
}

int vmcore_source(const struct vmcore *vc, phys_addr_t pa, phys_addr_t *ret_source,
		  uint64_t *ret_len)
{
	unsigned i = find_range(vc, pa);

	if (i >= vc->nr_ranges || pa < vc->ranges[i].start)
		return -ENOENT;
	*ret_source = vc->ranges[i].source + (pa - vc->ranges[i].start);
	if (ret_len)
		*ret_len = vc->ranges[i].end - pa;
	return 0;
}

int vmcore_read(const struct vmcore *vc, void *dst, phys_addr_t pa, size_t len)
{
	uint8_t *p = dst;

	while (len > 0) {
		phys_addr_t source;
		uint64_t n;
		int r = vmcore_source(vc, pa, &source, &n);

		if (r < 0)
			return r;
		n = min_u64(n, len);
		if (vc->read(p, source, n) < 0)
			return -EFAULT;
		p += n;
		pa += n;
		len -= n;
	}
	return 0;
}

static unsigned page_shift(const struct vmcore *vc)
{
	return is_power_of_2(vc->page_size) && vc->page_size >= 4096 ? __builtin_ctz(vc->page_size)
								     : 12;
}

uint64_t vmcore_max_pfn(const struct vmcore *vc)
{
	unsigned shift = page_shift(vc);
	unsigned i;

	for (i = vc->nr_ranges; i > 0; i--) {
		const struct memory_range *r = &vc->ranges[i - 1];
		uint64_t first = ALIGN_UP(r->start, BIT(shift)) >> shift;

		if (r->end >> shift > first)
			return r->end >> shift;
	}
	return 0;
}

bool vmcore_next_run(const struct vmcore *vc, uint64_t pfn, uint64_t *ret_pfn, uint64_t *ret_end)
{
	unsigned shift = page_shift(vc);
	unsigned i;

	if (pfn >= ADDR_LIMIT >> shift)
		return false;
	for (i = find_range(vc, pfn << shift); i < vc->nr_ranges; i++) {
		const struct memory_range *r = &vc->ranges[i];
		uint64_t first = max_u64(pfn, ALIGN_UP(r->start, BIT(shift)) >> shift);

		if (r->end >> shift > first) {
			*ret_pfn = first;
			*ret_end = r->end >> shift;
			return true;
		}
	}
	return false;
}
