/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dead kernel's memory as the elfcorehdr describes it: RAM ranges, CPU notes, VMCOREINFO. Pure:
 * memory is read through vc->read, so the same file runs in the stub (arch_read_mem) and in tests
 * and host programs (a dump file). Everything read is hostile.
 */
#ifndef STUB_VMCORE_H
#define STUB_VMCORE_H

#include "stub/format/vtop.h"

struct vmcore {
	/* 0 or -EFAULT, any alignment */
	int (*read)(void *dst, phys_addr_t pa, size_t len);
	int (*is_zero)(phys_addr_t pa, size_t len);	/* 1, 0, -EFAULT; may be NULL */

	phys_addr_t elfcorehdr;
	bool elf32;
	uint16_t machine;		/* e_machine: EM_X86_64, EM_AARCH64 */
	uint64_t phoff;
	uint32_t nr_phdrs;
	unsigned nr_loads;		/* PT_LOADs, known after vmcore_sources() */
	/* there is more: headers outside or unreadable, or of absurd size; notes outside of all ranges */
	bool cut;

	unsigned nr_ranges;		/* sorted by start, disjoint */
	unsigned max_ranges;		/* room in ranges: the caller's, before vmcore_parse() */
	struct memory_range *ranges;
	/* skipped: overlapping, absurd or too many; reported on the console */
	unsigned dropped_ranges;
	uint64_t dropped_bytes;		/* of those, RAM that no other range has; saturates */

	/* kernel text/data PT_LOAD: physical range and p_vaddr; end 0: unknown */
	struct memory_range image;

	unsigned nr_cpus;		/* non-empty NT_PRSTATUS notes */
	uint64_t notes_size;		/* of all notes merged, incl. VMCOREINFO */
	uint64_t vmcoreinfo_offset;	/* of the VMCOREINFO text inside the merged notes */
	uint64_t vmcoreinfo_size;	/* of that text; 0: none */

	/* of the dead kernel: from VMCOREINFO, else the stub's; set by the caller */
	uint32_t page_size;

	/* Of vmcore.c alone */
	uint64_t cpu_notes_size;	/* merged notes before the VMCOREINFO note */
	phys_addr_t vmcoreinfo_pa;	/* of the text */
	/* the segment hint_phdr begins with the note of CPU hint_cpu */
	unsigned hint_cpu;
	uint32_t hint_phdr;
};

/*
 * Find the program headers of the header at @hdr (@size_limit bytes at most, 0: unknown). vc->read
 * (and is_zero) set by the caller, and kept like ranges. 0, -EFAULT (unreadable), -EINVAL (no vmcore header).
 */
int vmcore_open(struct vmcore *vc, phys_addr_t hdr, uint64_t size_limit);

/*
 * Call @fn for every piece of memory that reading this vmcore will touch: the header itself, and
 * where the bytes of each PT_LOAD are, whatever vmcore_parse() is going to make of it. A header that lists
 * @own, an address in the stub's image, as RAM is wrong there: of such a range only what lies below 1 MiB
 * counts, where the loader's word is not enough. 0, or -ENODATA when the header is cut short or unreadable,
 * so that there may be more.
 */
int vmcore_sources(struct vmcore *vc, phys_addr_t own, void (*fn)(phys_addr_t start, phys_addr_t end));

/*
 * The second step after vmcore_open(): ranges and notes. @own: the stub's image; ranges that
 * overlap it are cut. 0, -EFAULT (unreadable), -ENODATA (no usable range).
 */
int vmcore_parse(struct vmcore *vc, phys_addr_t own_start, phys_addr_t own_end);

/*
 * Emit the merged notes in order, vc->notes_size bytes in total, in pieces: each CPU's NT_PRSTATUS
 * (and whatever other notes its segment has), then VMCOREINFO. What became unreadable or shorter
 * since vmcore_parse() is emitted as zeros, so that the size and vmcoreinfo_offset hold. Returns 0
 * or what @emit returned.
 */
int vmcore_notes(struct vmcore *vc, int (*emit)(void *ctx, const void *buf, size_t len), void *ctx);

/*
 * The @n-th CPU's NT_PRSTATUS descriptor (struct elf_prstatus of the dead kernel): copies at most
 * @len bytes, returns the number copied, -ENOENT past the last.
 */
int vmcore_prstatus(struct vmcore *vc, unsigned n, void *buf, size_t len);

/*
 * Copy the VMCOREINFO text, at most @size - 1 bytes, NUL-terminated, cut at a line end. Length or
 * -ENODATA.
 */
int vmcore_copy_vmcoreinfo(struct vmcore *vc, char *buf, size_t size);

/* Is [pa, pa+len) RAM of the dead kernel? One range must hold it. */
bool vmcore_is_ram(const struct vmcore *vc, phys_addr_t pa, uint64_t len);

/*
 * Where the bytes of @pa are to be read; *ret_len (may be NULL): how many follow in its range.
 * -ENOENT: not RAM.
 */
int vmcore_source(const struct vmcore *vc, phys_addr_t pa, phys_addr_t *ret_source,
		  uint64_t *ret_len);

/* Read RAM of the dead kernel: 0, -ENOENT (not RAM), -EFAULT. May cross adjacent ranges. */
int vmcore_read(const struct vmcore *vc, void *dst, phys_addr_t pa, size_t len);

/*
 * One past the highest page frame of RAM (max_mapnr). A frame counts only when it is RAM as a
 * whole.
 */
uint64_t vmcore_max_pfn(const struct vmcore *vc);

/*
 * First pfn >= @pfn that is wholly RAM, and *ret_end: one past the last of that run. False: no
 * more. A run stays inside one range, so the bytes of its frames follow each other at
 * vmcore_source() of the first.
 */
bool vmcore_next_run(const struct vmcore *vc, uint64_t pfn, uint64_t *ret_pfn, uint64_t *ret_end);

#endif
