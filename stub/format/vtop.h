/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtual to physical in a dead kernel, from VMCOREINFO alone. Pure: one walker for page tables, and for
 * each architecture of a dump a decoder that says how its tables are laid out. The stub has its own
 * architecture's (stub/dead/vtop.h), the host tool both. All that is read is hostile.
 */
#ifndef STUB_FORMAT_VTOP_H
#define STUB_FORMAT_VTOP_H

#include "stub/format/vmcoreinfo.h"

/*
 * RAM [start, end) in physical addresses of the dead kernel; its bytes are found at source (differs
 * for backup)
 */
struct memory_range {
	phys_addr_t start;
	phys_addr_t end;
	phys_addr_t source;
	/* p_vaddr of start; 0: not known. virt - start is the direct map offset */
	uint64_t virt;
};

/* [va, va + size) is at pa */
struct vtop_window {
	uint64_t va, pa, size;
};

/* What an entry of a table refers to, beside its address */
enum { VTOP_TABLE = 1, VTOP_LEAF = 2 };

struct vtop {
	/* By the caller. Reads RAM alone, at any alignment: 0 or -errno */
	int (*read)(void *ctx, void *dst, phys_addr_t pa, size_t len);
	void *ctx;
	const struct memory_range *kernel;	/* its text and data, with its p_vaddr; end 0: unknown */
	const struct memory_range *ranges;
	unsigned nr_ranges;
	uint32_t page_size;		/* if VMCOREINFO has none */

	/* By the decoder, once: */
	const char *missing;		/* first VMCOREINFO entry that was missed; NULL: none */
	/* physical address of the kernel's top table; 0: no walk possible */
	uint64_t pgd;
	unsigned levels;
	unsigned page_shift;
	unsigned va_bits;		/* the kernel's half begins at -BIT(this); 0: not known */
	unsigned table_bits;		/* of addresses that the top table was laid out for */
	uint64_t tag;			/* bits of an address that count for nothing */
	/* Of an entry for BIT(shift) bytes: address + VTOP_TABLE or VTOP_LEAF, 0: it refers to nothing. Never a table at page_shift. */
	uint64_t (*entry)(const struct vtop *vt, uint64_t entry, unsigned shift);
	uint64_t pte_mask;		/* address bits (encryption bits cleared) */
	uint64_t pa_high;		/* more of them, which belong so far to the left: */
	unsigned pa_high_shift;

	/* Known without a walk, or where one fails. Size 0: not known. */
	struct vtop_window image;
	struct vtop_window linear;	/* direct map */
	struct vtop_window cache;	/* last leaf found by a walk */
	uint64_t phys_base;		/* kdump_sub_header.phys_base */
	unsigned section_size_bits;	/* sparse memory: one mem_section covers 1 << this bytes */
	unsigned max_physmem_bits;	/* both from VMCOREINFO, else the architecture's default */
	unsigned prstatus_sp;		/* where struct elf_prstatus has the stack pointer */
};

/*
 * The decoders. All that is not the caller's is 0 before. 0, or -ENOENT with vt->missing set: some kinds of address can then not be translated,
 * the others still can.
 */
int vtop_x86_64(struct vtop *vt, const struct vmcoreinfo *vi);
int vtop_arm64(struct vtop *vt, const struct vmcoreinfo *vi);

/*
 * 0, -ENOENT (not mapped), -EFAULT (a table is not in RAM or unreadable). *ret_len (may be NULL):
 * contiguous bytes from va.
 */
int vtop(struct vtop *vt, uint64_t va, phys_addr_t *ret_pa, uint64_t *ret_len);

/* Read @len bytes at virtual address @va. 0 or -errno. */
int vtop_read(struct vtop *vt, void *dst, uint64_t va, size_t len);

/*
 * Everything that the kernel's half of the page tables refers to. Both calls may be NULL; what they
 * return other than 0 ends the visit.
 */
struct vtop_visit {
	/* a page that the tables themselves occupy, [pa, pa + size) */
	int (*table)(void *ctx, phys_addr_t pa, uint64_t size);
	/* a mapping, by ascending @va */
	int (*leaf)(void *ctx, uint64_t va, phys_addr_t pa, uint64_t size);
	void *ctx;
	/* so many tables are looked at: damaged ones may refer to each other in circles */
	unsigned left;
};

int vtop_visit(const struct vtop *vt, struct vtop_visit *visit);

/* Tables alone. What @table returned other than 0. */
int vtop_tables(struct vtop *vt, int (*table)(void *ctx, phys_addr_t pa, uint64_t size), void *ctx);

/* For the decoders: find @va by the tables alone. The result replaces vt->cache. As vtop(). */
int vtop_walk(struct vtop *vt, uint64_t va);

#endif
