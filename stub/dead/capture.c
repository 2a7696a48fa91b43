// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is known of the dead kernel, gathered once before anything is written: RAM ranges and CPU
 * notes from the elfcorehdr, VMCOREINFO, address translation, names for the dump's header.
 * stub/main.c calls it; both ways out, stub/send/dump.c and stub/send/session.c, start from the struct capture
 * it fills.
 *
 * Only a missing or unusable elfcorehdr ends the capture. Everything else can be done without: no
 * VMCOREINFO costs dmesg and the choice of pages, an unknown utsname costs text in a header.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cpu.h>

#include "stub/arch.h"
#include "stub/dead/capture.h"
#include "stub/log.h"
#include "stub/mem.h"
#include "stub/overlay.h"

#define LEAST_RANGES	64u
#define SPARE_RANGES	16u

/*
 * Page frames and the dump's blocks are counted in the dead kernel's pages, which need not be those
 * the stub runs with: an arm64 kernel may be built with 4, 16 or 64 KiB. The buffers for a page are
 * static, so a size that no kernel of this architecture has is refused rather than believed.
 */
static uint32_t dead_page_size(const struct vmcoreinfo *vi)
{
	char value[16];
	uint64_t size;

	if (vmcoreinfo_string(vi, "PAGESIZE", value, sizeof(value))) {
		log_warn("VMCOREINFO has no PAGESIZE, %u is assumed", ARCH_PAGE_SIZE);
		return ARCH_PAGE_SIZE;
	}
	size = strtoull(value, NULL, 10);
	if (size < ARCH_PAGE_SIZE || size > ARCH_PAGE_SIZE_MAX || !is_power_of_2(size)) {
		log_warn("PAGESIZE=%s is not a page size of this architecture, %u is assumed",
			 value, ARCH_PAGE_SIZE);
		return ARCH_PAGE_SIZE;
	}
	return (uint32_t)size;
}

/*
 * struct uts_namespace holds struct new_utsname behind a kref, at OFFSET(uts_namespace.name) since
 * 5.15; before that, and in case of doubt, it is found by its release field, which must say what
 * OSRELEASE says. False leaves rubbish in c->uts, for fill_utsname() to replace.
 */
static bool read_utsname(struct capture *c)
{
	uint64_t va, offset = 0, last = 64;

	if (vmcoreinfo_symbol(c->vi, "init_uts_ns", &va))
		return false;
	if (!vmcoreinfo_offset(c->vi, "uts_namespace.name", &offset))
		last = offset;
	for (; offset <= last && offset < 4096; offset += 4) {
		if (vtop_read(&c->vt, &c->uts, va + offset, sizeof(c->uts)))
			return false;
		if (!strncmp(c->uts.release, c->release, sizeof(c->uts.release)))
			return true;
	}
	return false;
}

/*
 * Readers show these strings and compare some of them, so each is terminated whatever old memory
 * held
 */
static void fill_utsname(struct capture *c)
{
	bool known = c->release[0] && read_utsname(c);

	if (!known) {
		memset(&c->uts, 0, sizeof(c->uts));
		strcpy(c->uts.sysname, "Linux");
		memcpy(c->uts.release, c->release, sizeof(c->uts.release));
	}
	c->uts.sysname[64] = c->uts.nodename[64] = c->uts.version[64] = c->uts.domainname[64] =
		'\0';
	/*
	 * crash decides by this field whether the dump is for it, so it is never taken from old
	 * memory
	 */
	memset(c->uts.machine, 0, sizeof(c->uts.machine));
	strcpy(c->uts.machine, ARCH_MACHINE);
}

/* Of the ranges that are left after the elfcorehdr's own were checked and cut */
static uint64_t ram_mib(const struct vmcore *vc)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < vc->nr_ranges; i++)
		bytes += vc->ranges[i].end - vc->ranges[i].start;
	return bytes >> 20;
}

/*
 * CRASHTIME is appended by the kernel that panics (crash_save_vmcoreinfo()), so it is the time of
 * the crash by the dead kernel's clock: the stub has none of its own.
 */
static void read_vmcoreinfo(struct capture *c)
{
	char value[24];
	int len = vmcore_copy_vmcoreinfo(&c->vc, c->vi->text, sizeof(c->vi->text));

	c->vi->len = len > 0 ? (size_t)len : 0;
	if (!c->vi->len)
		log_warn("no VMCOREINFO: pages cannot be told apart, no dmesg");
	c->vc.page_size = dead_page_size(c->vi);
	if (vmcoreinfo_string(c->vi, "OSRELEASE", c->release, sizeof(c->release)))
		c->release[0] = '\0';
	if (!vmcoreinfo_string(c->vi, "CRASHTIME", value, sizeof(value)))
		c->crash_time = (int64_t)strtoull(value, NULL, 10);
}

/*
 * Where the dump is read from is not ours, whatever the loader says. That includes the first MiB
 * when part of the header is missing: its backup, if there is one, may be what is listed there.
 */
static void open_memory(struct vmcore *vc, phys_addr_t own)
{
	if (vmcore_sources(vc, own, mem_remove))
		mem_remove(0, MIB(1));
	mem_open();
}

/*
 * Where the header is: elfcorehdr=, which kexec appends on x86_64, or linux,elfcorehdr in the
 * device tree's /chosen, which it sets on arm64. The word wins, so that a person can correct a
 * loader.
 */
enum capstub_stop capture_open(struct capture *c, const struct boot_info *bi,
			       const struct cmdline *cl)
{
	phys_addr_t hdr = cl->elfcorehdr ? cl->elfcorehdr : bi->elfcorehdr;
	uint64_t size = cl->elfcorehdr ? cl->elfcorehdr_size : bi->elfcorehdr_size;
	int rc;

	c->bi = bi;
	c->cl = cl;
	c->vc.read = overlay_read;
	c->vc.is_zero = overlay_is_zero;
	if (!hdr)
		return log_err(STOP_NO_ELFCOREHDR,
			       "no elfcorehdr= on the command line or in the device tree");
	rc = vmcore_open(&c->vc, hdr, size);
	if (rc)
		return log_err(STOP_BAD_ELFCOREHDR, "elfcorehdr at %#lx: cannot be used (%d)", hdr,
			       rc);
	open_memory(&c->vc, bi->image_start);
	return STOP_OK;
}

/* memmap=show: what is not the arena's, which shows itself */
static void show_memory(const struct capture *c)
{
	log_info("memory: %#lx-%#lx image, stack, page tables", c->bi->image_start, c->bi->image_end);
	log_info("memory: %#lx elfcorehdr of %u program headers", c->vc.elfcorehdr, c->vc.nr_phdrs);
	for (const struct memory_range *r = c->vc.ranges; r < c->vc.ranges + c->vc.nr_ranges; r++)
		if (r->source != r->start)
			log_info("memory: %#lx-%#lx backup of %#lx", r->source, r->source + (r->end - r->start), r->start);
}

/*
 * A range for each PT_LOAD, and some for those that our own memory or another range cuts in two. A table
 * without end would leave no room for the buffers of a dump, hence a share of what there is.
 */
static bool take_memory(struct capture *c)
{
	size_t least = LEAST_RANGES * sizeof(*c->vc.ranges);
	size_t good = (c->vc.nr_loads + SPARE_RANGES) * sizeof(*c->vc.ranges);

	good = max_u64(least, min_u64(good, mem_left() / 3));
	c->vc.ranges = mem_take_most("RAM ranges", least, good, sizeof(*c->vc.ranges), MEM_ANY, &good);
	c->vc.max_ranges = good / sizeof(*c->vc.ranges);
	c->vi = mem_take("VMCOREINFO", sizeof(*c->vi), 8, MEM_ANY);
	return c->vc.ranges && c->vi;
}

enum capstub_stop capture_init(struct capture *c)
{
	int rc;

	if (!take_memory(c))
		return log_err(STOP_ASSERT, "no memory for what is known of the dead kernel");
	rc = vmcore_parse(&c->vc, c->bi->image_start, c->bi->image_end);
	if (rc == -ENODATA)
		return log_err(STOP_NO_MEMORY_RANGES, "elfcorehdr at %#lx: no usable memory range",
			       c->vc.elfcorehdr);
	if (rc)
		return log_err(STOP_BAD_ELFCOREHDR, "elfcorehdr at %#lx: cannot be used (%d)",
			       c->vc.elfcorehdr, rc);
	if (c->cl->show_memory)
		show_memory(c);
	read_vmcoreinfo(c);
	/*
	 * Not fatal: what cannot be translated is not looked at, and pages_init() lowers the level
	 * to match
	 */
	if (vtop_init(&c->vt, &c->vc, c->vi) && c->vi->len)
		log_warn("address translation is limited: VMCOREINFO lacks %s",
			 c->vt.missing ? c->vt.missing : "an entry");
	fill_utsname(c);
	log_info("dead kernel: Linux %s, %u CPU(s), %lu MiB of RAM in %u range(s), page size %u",
		 c->release[0] ? c->release : "(unknown release)", c->vc.nr_cpus,
		 ram_mib(&c->vc), c->vc.nr_ranges, (unsigned)c->vc.page_size);
	return STOP_OK;
}
