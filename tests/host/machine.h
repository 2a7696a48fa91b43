/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small dead x86_64 kernel in memory: page tables, mem_section, struct pages in the styles of
 * several kernel versions, and a log; with the class that each frame was given. Unit tests, fuzzers
 * and the corruption test run the stub's files over it.
 */
#ifndef HOST_MACHINE_H
#define HOST_MACHINE_H

#include "stub/dead/pages.h"

#define MACHINE_RAM	MIB(64)
#define MACHINE_PFNS	(MACHINE_RAM / 4096)
#define MACHINE_LOG_MAX	65536

/*
 * How struct page and VMCOREINFO look; the versions are those of mainline that brought the change
 */
enum machine_style {
	STYLE_4_19,		/* printk log_buf, no SECTION_SIZE_BITS */
	STYLE_5_10,		/* compound_order and compound_dtor, PG_slab, lockless log */
	STYLE_6_3,		/* struct folio's fields */
	STYLE_6_6,		/* PG_hugetlb in the second page */
	STYLE_6_10,		/* page types for slab and hugetlb */
	/* page types are numbers in the top byte; flags renumbered; unaccepted memory */
	STYLE_6_12,
	STYLE_NR
};

/* Where the array of mem_section is found */
enum machine_model {
	MODEL_EXTREME,		/* SYMBOL(mem_section) is the array of roots */
	MODEL_POINTER,		/* it is the pointer to that array */
	MODEL_FLAT,		/* it is the array of sections itself */
	MODEL_VMEMMAP,		/* SYMBOL(vmemmap) instead */
	MODEL_NR
};

struct machine {
	unsigned char *ram;
	struct vmcore vc;
	struct memory_range ranges[16];
	struct vmcoreinfo vi;
	enum machine_style style;
	enum machine_model model;
	uint64_t reads;
	uint64_t stray;		/* reads that were not wholly inside RAM */
	unsigned char class[MACHINE_PFNS];
	uint64_t vmemmap;	/* virtual address of frame 0's struct page */
	/* physical, for those who damage things */
	uint64_t pgd, vmemmap_pa, sections_pa, log_pa, log_len;
	char log[MACHINE_LOG_MAX];	/* what dmesg_emit() should print */
};

extern struct machine machine;

/* Build it anew. @seed decides what is where. @la57: five levels of page tables. */
void machine_build(enum machine_style style, enum machine_model model, bool la57, uint64_t seed);

/* Add a line to VMCOREINFO */
__attribute__((format(printf, 1, 2))) void machine_info(const char *fmt, ...);

/* Remove the line of VMCOREINFO that begins with "@entry=". False: there is none. */
bool machine_remove(const char *entry);

/* The next line's entry name ("NUMBER(PG_lru)") from *@pos on; false at the end. */
bool machine_next_entry(size_t *pos, char *ret, size_t size);

uint64_t machine_random(void);		/* a generator of its own, the same everywhere */
void machine_seed(uint64_t seed);

/*
 * An elfcorehdr in memory that nobody uses: all RAM from 1 MiB on, and the notes of @nr CPUs, each
 * with its stack pointer. What vmcore_parse() said of it; there is no image then.
 */
int machine_notes(const uint64_t *sp, unsigned nr);

struct machine_symbol {
	const char *name;
	uint64_t va;
};

#define MACHINE_KALLSYMS	0x5000u	/* bytes that machine_kallsyms() fills */

/*
 * The kernel's own symbol table at @pa of the image, and in VMCOREINFO where it is: names at @pa, one
 * token for each character, and per-CPU symbols that are absolute.
 */
void machine_kallsyms(const struct machine_symbol *syms, unsigned nr, uint64_t pa);

/*
 * 512 GiB of addresses behind each of which is the same page at @pa: what is read from there has no
 * end, and each page of it costs a walk. The three pages after it become tables. Four levels only.
 */
#define MACHINE_ENDLESS		0xffffd00000000000ULL
void machine_endless(uint64_t pa);

/* The struct page of @pfn in machine.ram */
unsigned char *machine_page(uint64_t pfn);

#endif
