// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/idle.c tests/unit/fake/clock.c stub/dead/vmcore.c tests/unit/fake/log.c */
/*
 * A hostile elfcorehdr. Input: struct control, then the header. The notes and all other memory are
 * the input again, repeated through the whole address space, so that any address has bytes of the
 * fuzzer's.
 */
#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stub/dead/vmcore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HDR 0x100000000ULL

struct control {
	uint8_t flags; /* FIX_*, USE_LIMIT, FAIL_READS */
	uint8_t page_shift;
	uint16_t limit;
	uint32_t own_start; /* in units of 1 KiB */
	uint16_t own_len;
	uint16_t fail_at; /* reads of the header there fail */
};

enum { FIX_64 = 1, FIX_32 = 2, USE_LIMIT = 4, FAIL_READS = 8 };

#define MAX_RANGES 256u

static struct memory_range ranges[MAX_RANGES];
static struct vmcore vc;
static struct control ctl;
static const uint8_t *blob;
static size_t blob_len;

/* Once the ranges are known nothing else may be read but them and the header */
static bool allowed(phys_addr_t pa, size_t len)
{
	if (range_inside(pa, len, HDR, HDR + MIB(40)))
		return true;
	for (unsigned i = 0; i < vc.nr_ranges; i++) {
		const struct memory_range *r = &vc.ranges[i];

		if (range_inside(pa, len, r->source, r->source + (r->end - r->start)))
			return true;
	}
	return false;
}

static int read_mem(void *dst, phys_addr_t pa, size_t len)
{
	uint8_t *p = dst;

	assert(len > 0 && len <= MIB(1) && allowed(pa, len));
	if (ctl.flags & FAIL_READS && range_inside(HDR + ctl.fail_at, 1, pa, pa + len))
		return -EFAULT;
	if (range_inside(pa, 1, HDR, HDR + MIB(40)) && pa + len > HDR + blob_len)
		return -EFAULT;
	for (size_t i = 0; i < len; i++)
		p[i] = blob_len ? blob[(pa + i) % blob_len] : 0;
	/* the header is not repeated but read as it is */
	if (range_inside(pa, len, HDR, HDR + blob_len))
		memcpy(dst, blob + (pa - HDR), len);
	return 0;
}

static uint64_t emitted;

static int count(void *ctx, const void *buf, size_t len)
{
	assert(ctx == &emitted && buf && len > 0);
	emitted += len;
	assert(emitted <= vc.notes_size);
	return 0;
}

static void check_ranges(phys_addr_t own_start, phys_addr_t own_end)
{
	uint64_t frames = 0, found = 0, pfn = 0, end = 0;

	assert(vc.nr_ranges > 0 && vc.nr_ranges <= MAX_RANGES);
	for (unsigned i = 0; i < vc.nr_ranges; i++) {
		const struct memory_range *r = &vc.ranges[i];
		uint64_t first = DIV_ROUND_UP(r->start, vc.page_size), last = r->end / vc.page_size;
		phys_addr_t source;
		uint64_t len;

		assert(r->start < r->end && r->end <= BIT(52));
		assert(r->source <= BIT(52) - (r->end - r->start));
		assert(i == 0 || vc.ranges[i - 1].end <= r->start);
		assert(r->end <= own_start || r->start >= own_end || own_start >= own_end);
		assert(!vmcore_source(&vc, r->start, &source, &len));
		assert(source == r->source && len == r->end - r->start);
		assert(vmcore_is_ram(&vc, r->start, len) && !vmcore_is_ram(&vc, r->start, len + 1));
		frames += last > first ? last - first : 0;
	}
	while (vmcore_next_run(&vc, end, &pfn, &end)) {
		assert(pfn < end && end <= vmcore_max_pfn(&vc));
		assert(vmcore_is_ram(&vc, pfn * vc.page_size, (end - pfn) * vc.page_size));
		found += end - pfn;
	}
	assert(found == frames);
	assert(end == vmcore_max_pfn(&vc));
}

/* Every PT_LOAD that makes sense is RAM at both ends, unless it is the stub's own */
static void check_loads(phys_addr_t own_start, phys_addr_t own_end)
{
	if (vc.elf32 || vc.nr_ranges == MAX_RANGES)
		return;
	for (uint32_t i = 0; i < vc.nr_phdrs && i < 64; i++) {
		Elf64_Phdr p;
		uint64_t len;

		if (read_mem(&p, HDR + vc.phoff + i * sizeof(p), sizeof(p)) < 0)
			return;
		len = min_u64(p.p_filesz, p.p_memsz);
		if (p.p_type != PT_LOAD || len == 0 || !range_inside(p.p_paddr, len, 0, BIT(52)) ||
		    !range_inside(p.p_offset, len, 0, BIT(52)))
			continue;
		for (int k = 0; k < 2; k++) {
			uint64_t at = k ? p.p_paddr + len - 1 : p.p_paddr;
			bool own = at >= own_start && at < own_end;

			assert(vmcore_is_ram(&vc, at, 1) == !own);
		}
	}
}

/* Bring the fields that everything depends on into order, so that the fuzzer need not guess them */
static void repair(uint8_t *header, size_t len)
{
	Elf64_Ehdr *e64 = (Elf64_Ehdr *)header;
	Elf32_Ehdr *e32 = (Elf32_Ehdr *)header;

	if (len < sizeof(*e64) || !(ctl.flags & (FIX_64 | FIX_32)))
		return;
	memcpy(header, ELFMAG "\2\1\1", 7);
	e64->e_type = ET_CORE;
	if (ctl.flags & FIX_64) {
		e64->e_phoff = sizeof(*e64);
		e64->e_phentsize = sizeof(Elf64_Phdr);
		if (e64->e_phnum != PN_XNUM)
			e64->e_phnum = (len - sizeof(*e64)) / sizeof(Elf64_Phdr);
	} else {
		header[EI_CLASS] = ELFCLASS32;
		e32->e_phoff = sizeof(*e32);
		e32->e_phentsize = sizeof(Elf32_Phdr);
		e32->e_phnum = (len - sizeof(*e32)) / sizeof(Elf32_Phdr);
	}
}

static void check_source(phys_addr_t start, phys_addr_t end)
{
	assert(start < end && end <= BIT(53));
}

static void check_notes(void)
{
	static char text[VMCOREINFO_MAX];
	uint8_t regs[64];
	unsigned cpus = 0;
	int r;

	assert(vc.notes_size <= MIB(34));
	if (vc.notes_size <= KIB(256)) {
		emitted = 0;
		assert(vmcore_notes(&vc, count, &emitted) == 0);
		assert(emitted == vc.notes_size);
	}
	while (cpus < 1000 && vmcore_prstatus(&vc, cpus, regs, sizeof(regs)) >= 0)
		cpus++;
	assert(cpus == min_u64(vc.nr_cpus, 1000));
	r = vmcore_copy_vmcoreinfo(&vc, text, sizeof(text));
	assert(r < 0 || (size_t)r == strlen(text));
	assert(r < 0 || vc.vmcoreinfo_size > 0);
	assert(vc.vmcoreinfo_size == 0 ||
	       range_inside(vc.vmcoreinfo_offset, vc.vmcoreinfo_size, 0, vc.notes_size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	phys_addr_t own_start, own_end;
	uint8_t *copy;

	if (size < sizeof(ctl))
		return 0;
	memcpy(&ctl, data, sizeof(ctl));
	blob_len = size - sizeof(ctl);
	copy = malloc(blob_len ? blob_len : 1);
	memcpy(copy, data + sizeof(ctl), blob_len);
	repair(copy, blob_len);
	blob = copy;
	own_start = KIB(ctl.own_start);
	own_end = own_start + KIB(ctl.own_len);

	vc = (struct vmcore){ .max_ranges = ARRAY_SIZE(ranges), .ranges = ranges };
	vc.read = read_mem;
	vc.page_size = 4096u << ctl.page_shift % 5;
	if (vmcore_open(&vc, HDR, ctl.flags & USE_LIMIT ? ctl.limit : 0) == 0 &&
	    vmcore_sources(&vc, own_start, check_source) <= 0 && vmcore_parse(&vc, own_start, own_end) == 0) {
		check_ranges(own_start, own_end);
		check_loads(own_start, own_end);
		check_notes();
	}
	free(copy);
	return 0;
}
