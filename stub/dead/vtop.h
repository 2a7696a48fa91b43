/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtual to physical in the dead kernel, from VMCOREINFO alone. Pure. One implementation per
 * architecture of the dump, arch/<arch>/vtop.c, same names; host programs for both build it twice.
 */
#ifndef STUB_VTOP_H
#define STUB_VTOP_H

#include "stub/dead/vmcoreinfo.h"

struct vtop {
	const struct vmcore *vc;
	/* physical address of the kernel's top table; 0: no walk possible */
	uint64_t pgd;
	unsigned levels;
	unsigned page_shift;
	/* kernel image mapping: pa = va - image_virt + image_phys */
	uint64_t image_virt, image_end;
	uint64_t image_phys;
	uint64_t phys_base;		/* kdump_sub_header.phys_base */
	uint64_t linear_virt, linear_end, linear_phys;	/* direct map; end 0: unknown */
	uint64_t pte_mask;		/* address bits of an entry (encryption bits cleared) */
	unsigned section_size_bits;	/* sparse memory: one mem_section covers 1 << this bytes */
	unsigned max_physmem_bits;	/* both from VMCOREINFO, else the architecture's default */
	unsigned prstatus_sp;		/* where struct elf_prstatus has the stack pointer */
	uint64_t arch[4];		/* anything else the implementation wants */
	struct { uint64_t va, pa, size; } cache;	/* last leaf found by a walk */
	const char *missing;		/* first VMCOREINFO entry that was missed; NULL: none */
};

/*
 * 0, or -ENOENT with vt->missing set: some kinds of address can then not be translated, the others
 * still can.
 */
int vtop_init(struct vtop *vt, const struct vmcore *vc, const struct vmcoreinfo *vi);

/*
 * 0, -ENOENT (not mapped), -EFAULT (a table is not in RAM or unreadable). *ret_len (may be NULL):
 * contiguous bytes from va.
 */
int vtop(struct vtop *vt, uint64_t va, phys_addr_t *ret_pa, uint64_t *ret_len);

/*
 * Call @table for each page that the kernel's page tables themselves occupy, [pa, pa + size). Stops
 * when it returns other than 0 and returns that. The number of tables looked at is bounded: damaged
 * tables may refer to each other in circles.
 */
int vtop_tables(struct vtop *vt, int (*table)(void *ctx, phys_addr_t pa, uint64_t size), void *ctx);

/* Read @len bytes at virtual address @va. 0 or -errno. Generic, stub/dead/vread.c. */
int vtop_read(struct vtop *vt, void *dst, uint64_t va, size_t len);

#endif
