// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/idle.c tests/unit/fake/clock.c stub/dead/vmcore.c stub/dead/capture.c tests/unit/fake/arena.c tests/unit/fake/mem.c tests/unit/fake/log.c */
/*
 * The elfcorehdr parser on headers as kexec-tools and the kernel write them, built here with the
 * host's <elf.h>, and on broken ones.
 */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "stub/dead/capture.h"
#include "stub/overlay.h"
#include "tests/unit/fake/arena.h"
#include "tests/unit/fake/bus.h"
#include "tests/unit/fake/mem.h"

#define HDR	    0x3ff00000ULL /* where the header is */
#define PAGE_OFFSET 0xffff888000000000ULL
#define KERNEL_VIRT 0xffffffff81000000ULL
#define NOTES	    0x5000000ULL /* where the notes are, in RAM */

#define MAX_RANGES 4096u

static struct memory_range ranges[MAX_RANGES];
static struct vmcore vc;
static uint8_t header[65536 * 4] __attribute__((aligned(8)));
static uint8_t notes[65536];
static size_t notes_len;

/*---------------------------------------------------------------- building */

static Elf64_Ehdr *begin64(uint16_t machine)
{
	Elf64_Ehdr *e = (Elf64_Ehdr *)header;

	memset(header, 0, sizeof(header));
	memset(notes, 0, sizeof(notes));
	notes_len = 0;
	memcpy(e->e_ident, ELFMAG, SELFMAG);
	e->e_ident[EI_CLASS] = ELFCLASS64;
	e->e_ident[EI_DATA] = ELFDATA2LSB;
	e->e_ident[EI_VERSION] = EV_CURRENT;
	e->e_type = ET_CORE;
	e->e_machine = machine;
	e->e_version = EV_CURRENT;
	e->e_phoff = sizeof(*e);
	e->e_ehsize = sizeof(*e);
	e->e_phentsize = sizeof(Elf64_Phdr);
	fake_mem_reset();
	fake_mem_add(HDR, header, sizeof(header));
	fake_mem_add(NOTES, notes, sizeof(notes));
	fake_log_reset();
	memset(&vc, 0, sizeof(vc));
	vc.read = fake_mem_read;
	vc.page_size = 4096;
	vc.max_ranges = MAX_RANGES;
	vc.ranges = ranges;
	return e;
}

static Elf64_Phdr *add(uint32_t type, uint64_t paddr, uint64_t size, uint64_t offset,
		       uint64_t vaddr)
{
	Elf64_Ehdr *e = (Elf64_Ehdr *)header;
	Elf64_Phdr *p = (Elf64_Phdr *)(header + sizeof(*e)) + e->e_phnum++;

	*p = (Elf64_Phdr){.p_type = type,
			  .p_paddr = paddr,
			  .p_offset = offset,
			  .p_vaddr = vaddr,
			  .p_filesz = size,
			  .p_memsz = size};
	return p;
}

static Elf64_Phdr *ram(uint64_t start, uint64_t end)
{
	return add(PT_LOAD, start, end - start, start, PAGE_OFFSET + start);
}

/* Append a note to the area at NOTES */
static void note(const char *name, uint32_t type, const void *desc, uint32_t descsz)
{
	uint32_t h[3] = {strlen(name) + 1, descsz, type};

	memcpy(notes + notes_len, h, sizeof(h));
	memcpy(notes + notes_len + 12, name, h[0]);
	notes_len += 12 + (h[0] + 3) / 4 * 4;
	memcpy(notes + notes_len, desc, descsz);
	notes_len += (descsz + 3) / 4 * 4;
}

/* Every CPU has a buffer of its own, of which the kernel fills the beginning */
static void cpu_note(bool online, uint8_t fill)
{
	uint8_t regs[336];
	size_t start = notes_len;

	memset(regs, fill, sizeof(regs));
	if (online)
		note("CORE", NT_PRSTATUS, regs, sizeof(regs));
	notes_len = start + 512;
	add(PT_NOTE, NOTES + start, 512, NOTES + start, 0);
}

static void vmcoreinfo_note(const char *text, size_t len)
{
	size_t start = notes_len;

	note("VMCOREINFO", 0, text, len);
	add(PT_NOTE, NOTES + start, notes_len - start, NOTES + start, 0);
}

static int parse_at(phys_addr_t hdr, uint64_t size_limit, phys_addr_t own_start, phys_addr_t own_end)
{
	int r = vmcore_open(&vc, hdr, size_limit);

	return r ? r : vmcore_parse(&vc, own_start, own_end);
}

static int parse(void)
{
	return parse_at(HDR, 0, 0, 0);
}

/*
 * "start-end[@source][+virt]" of every range, in hexadecimal, virt as distance from PAGE_OFFSET +
 * start when known
 */
static const char *ranges_text(void)
{
	static char text[4096];
	size_t n = 0;

	text[0] = 0;
	for (unsigned i = 0; i < vc.nr_ranges && n < sizeof(text) - 100; i++) {
		const struct memory_range *r = &vc.ranges[i];

		n += sprintf(text + n, "%s%lx-%lx", i ? " " : "", r->start, r->end);
		if (r->source != r->start)
			n += sprintf(text + n, "@%lx", r->source);
		if (!r->virt)
			n += sprintf(text + n, "?");
		else if (r->virt != PAGE_OFFSET + r->start)
			n += sprintf(text + n, "!");
	}
	return text;
}

/*---------------------------------------------------------------- whole headers */

static const char vmcoreinfo[] =
	"OSRELEASE=6.1.0-test\nPAGESIZE=4096\nSYMBOL(init_uts_ns)=ffffffff82415a40\n";

/*
 * As kexec-tools writes it on x86_64: backup region, image, RAM below and above 4 GiB, one CPU
 * offline
 */
static void make_x86_64(void)
{
	begin64(EM_X86_64);
	cpu_note(true, 0x11);
	cpu_note(false, 0);
	cpu_note(true, 0x33);
	vmcoreinfo_note(vmcoreinfo, strlen(vmcoreinfo));
	add(PT_LOAD, 0x1000000, 0x2800000, 0x1000000, KERNEL_VIRT);
	add(PT_LOAD, 0x1000, 0x9ec00, 0x3f000000, PAGE_OFFSET + 0x1000);
	ram(0x100000, 0x3f000000);
	ram(0x40000000, 0xbffd0000);
	ram(0x100000000, 0x240000000);
}

static void test_x86_64(void **state)
{
	phys_addr_t source;
	uint64_t len, first, end;

	(void)state;
	make_x86_64();
	assert_int_equal(parse(), 0);
	assert_string_equal(
		ranges_text(),
		"1000-9fc00@3f000000 100000-3f000000 40000000-bffd0000 100000000-240000000");
	assert_int_equal(vc.machine, EM_X86_64);
	assert_false(vc.elf32);
	assert_int_equal(vc.dropped_ranges, 0);
	assert_true(vc.image.start == 0x1000000 && vc.image.end == 0x3800000 &&
		    vc.image.virt == KERNEL_VIRT);
	assert_int_equal(vc.nr_cpus, 2);
	assert_int_equal(fake_log_lines[0] + fake_log_lines[1], 0);

	/* the backup region is read where it was moved to, and ends inside a frame */
	assert_int_equal(vmcore_source(&vc, 0x2345, &source, &len), 0);
	assert_true(source == 0x3f001345 && len == 0x9fc00 - 0x2345);
	assert_int_equal(vmcore_source(&vc, 0x9fc00, &source, &len), -ENOENT);
	assert_int_equal(vmcore_source(&vc, 0xfff, &source, NULL), -ENOENT);
	assert_int_equal(vmcore_source(&vc, 0x23fffffff, &source, &len), 0);
	assert_true(source == 0x23fffffff && len == 1);
	assert_int_equal(vmcore_source(&vc, 0x240000000, &source, &len), -ENOENT);
	assert_int_equal(vmcore_source(&vc, UINT64_MAX, &source, &len), -ENOENT);

	assert_true(vmcore_is_ram(&vc, 0x9f000, 0xc00));
	assert_false(vmcore_is_ram(&vc, 0x9f000, 0xc01));
	assert_false(vmcore_is_ram(&vc, 0x240000000 - 1, UINT64_MAX));

	assert_true(vmcore_max_pfn(&vc) == 0x240000);
	assert_true(vmcore_next_run(&vc, 0, &first, &end) && first == 1 && end == 0x9f);
	assert_true(vmcore_next_run(&vc, end, &first, &end) && first == 0x100 && end == 0x3f000);
	assert_true(vmcore_next_run(&vc, 0x3effe, &first, &end) && first == 0x3effe &&
		    end == 0x3f000);
	assert_true(vmcore_next_run(&vc, end, &first, &end) && first == 0x40000 && end == 0xbffd0);
	assert_true(vmcore_next_run(&vc, end, &first, &end) && first == 0x100000 &&
		    end == 0x240000);
	assert_false(vmcore_next_run(&vc, end, &first, &end));
	assert_false(vmcore_next_run(&vc, UINT64_MAX, &first, &end));
}

/* The kernel's own loader lists the image first, at a place the linear map does not have */
static void test_arm64(void **state)
{
	(void)state;
	begin64(EM_AARCH64);
	cpu_note(true, 1);
	vmcoreinfo_note(vmcoreinfo, strlen(vmcoreinfo));
	add(PT_LOAD, 0x40210000, 0x1e00000, 0x40210000, 0xffffa00008010000);
	add(PT_LOAD, 0, 0x10000000, 0, 0xffff000000000000 - 0x40000000);
	add(PT_LOAD, 0x40000000, 0x1b400000, 0x40000000, 0xffff000000000000);
	add(PT_LOAD, 0x5b500000, 0x24b00000, 0x5b500000, 0xffff000000000000 + 0x1b500000);
	assert_int_equal(parse(), 0);
	assert_int_equal(vc.nr_ranges, 3);
	assert_int_equal(vc.dropped_ranges, 0);
	assert_true(vc.image.start == 0x40210000 && vc.image.end == 0x42010000 &&
		    vc.image.virt == 0xffffa00008010000);
	assert_true(vc.ranges[1].start == 0x40000000 && vc.ranges[1].end == 0x5b400000);
	assert_true(vc.ranges[1].virt == 0xffff000000000000);
}

/* Some loaders leave the image out: then the first range is RAM like the others */
static void test_arm64_without_image(void **state)
{
	(void)state;
	begin64(EM_AARCH64);
	add(PT_LOAD, 0x40000000, 0x1b400000, 0x40000000, 0xffff000000000000);
	add(PT_LOAD, 0x5b500000, 0x24b00000, 0x5b500000, 0xffff00001b500000);
	assert_int_equal(parse(), 0);
	assert_int_equal(vc.nr_ranges, 2);
	assert_true(vc.image.end == 0);
	assert_int_equal(vc.dropped_ranges, 0);
}

/* What kexec-tools 2.0.25 writes for the image of a 6.1 kernel: no warning, nothing added */
static void test_arm64_wrong_image(void **state)
{
	(void)state;
	begin64(EM_AARCH64);
	add(PT_LOAD, 0x47e021e00000, 0x42210000 - 0x47e021e00000, 0x47e021e00000, 0xffffc7e062210000);
	add(PT_LOAD, 0x40000000, 0x1b400000, 0x40000000, 0xffff000000000000);
	add(PT_LOAD, 0x47e021e00000, 0x42210000 - 0x47e021e00000, 0x47e021e00000, 0xffffc7e062210000);
	assert_int_equal(parse(), 0);
	assert_int_equal(vc.nr_ranges, 1);
	assert_true(vc.image.end == 0);
	assert_int_equal(vc.dropped_ranges, 1);
}

/* An image whose RAM nobody lists is still RAM: the part outside the other ranges is kept */
static void test_image_alone(void **state)
{
	(void)state;
	begin64(EM_X86_64);
	add(PT_LOAD, 0x1000000, 0x1000000, 0x1000000, KERNEL_VIRT);
	ram(0x1800000, 0x4000000);
	assert_int_equal(parse(), 0);
	assert_string_equal(ranges_text(), "1000000-1800000? 1800000-4000000");
	assert_int_equal(vc.dropped_ranges, 0);
	assert_true(vc.image.start == 0x1000000 && vc.image.end == 0x2000000);
}

/* The image mapping begins at -2 GiB; an entry with two sizes is something else */
static void test_image_limits(void **state)
{
	Elf64_Phdr *p;

	(void)state;
	begin64(EM_X86_64);
	p = add(PT_LOAD, 0x1000000, 0x1000000, 0x1000000, 0xffffffff80000000);
	ram(0x100000, 0x4000000);
	assert_int_equal(parse(), 0);
	assert_true(vc.image.end == 0x2000000);
	p->p_vaddr--;
	assert_int_equal(parse(), 0);
	assert_true(vc.image.end == 0);
	assert_int_equal(vc.dropped_ranges, 1);
	p->p_vaddr++;
	p->p_memsz++;
	assert_int_equal(parse(), 0);
	assert_true(vc.image.end == 0);
}

static void test_elf32(void **state)
{
	Elf32_Ehdr *e = (Elf32_Ehdr *)header;
	Elf32_Phdr *p = (Elf32_Phdr *)(header + sizeof(*e));
	char text[64];

	(void)state;
	begin64(EM_X86_64);
	note("VMCOREINFO", 0, "A=1\n", 4);
	memset(header, 0, sizeof(header));
	memcpy(e->e_ident, ELFMAG "\1\1\1", 7);
	e->e_type = ET_CORE;
	e->e_machine = EM_X86_64;
	e->e_phoff = sizeof(*e);
	e->e_phentsize = sizeof(*p);
	e->e_phnum = 4;
	p[0] = (Elf32_Phdr){PT_NOTE, NOTES, 0, NOTES, notes_len, notes_len, 0, 0};
	p[1] = (Elf32_Phdr){
		PT_LOAD, 0x1000000, (uint32_t)KERNEL_VIRT, 0x1000000, 0x2000000, 0x2000000, 7, 0};
	p[2] = (Elf32_Phdr){PT_LOAD, 0x3f000000, 0x1000, 0x1000, 0x9ec00, 0x9ec00, 7, 0};
	p[3] = (Elf32_Phdr){PT_LOAD, 0x100000, 0x100000, 0x100000, 0x3ef00000, 0x3ef00000, 7, 0};
	assert_int_equal(parse(), 0);
	assert_true(vc.elf32);
	/*
	 * addresses were cut to 32 bits, so the direct map is not known; the image's upper half is
	 */
	assert_string_equal(ranges_text(), "1000-9fc00@3f000000? 100000-3f000000?");
	assert_true(vc.image.start == 0x1000000 && vc.image.virt == KERNEL_VIRT);
	assert_int_equal(vc.dropped_ranges, 0);
	assert_int_equal(vmcore_copy_vmcoreinfo(&vc, text, sizeof(text)), 4);
}

/* Memory hot-plug leaves unused slots; the number of headers may need 32 bits */
static void test_many_headers(void **state)
{
	Elf64_Ehdr *e = begin64(EM_X86_64);
	Elf64_Shdr *sh = (Elf64_Shdr *)(header + sizeof(header) - sizeof(*sh));

	(void)state;
	for (int i = 0; i < 30; i++)
		memset(add(PT_NULL, 0, 0, 0, 0), i % 2 ? 0 : 0xff, 4 * (i % 2));
	ram(0x100000, 0x8000000);
	for (int i = 0; i < 30; i++)
		add(PT_NULL, 0x100000, 0x100000, 0x100000, 0);
	e->e_shoff = sizeof(header) - sizeof(*sh);
	sh->sh_info = e->e_phnum;
	e->e_phnum = PN_XNUM;
	assert_int_equal(parse(), 0);
	assert_int_equal(vc.nr_phdrs, 61);
	assert_string_equal(ranges_text(), "100000-8000000");

	sh->sh_info = 0x7fffffff;
	assert_int_equal(parse(), -EINVAL);
	sh->sh_info = 0;
	assert_int_equal(parse(), -EINVAL);
	e->e_shoff = UINT64_MAX - 8;
	assert_int_equal(parse(), -EINVAL);
	e->e_shoff = 8 << 20;
	assert_int_equal(parse(), -EFAULT);
}

/*---------------------------------------------------------------- broken headers */

static void test_bad_header(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		int rc;
	} cases[] = {
		{0, 'E', -EINVAL},
		{3, 0, -EINVAL},
		{EI_CLASS, ELFCLASSNONE, -EINVAL},
		{EI_CLASS, ELFCLASS32, -EINVAL}, /* e_phentsize does not fit then */
		{EI_CLASS, 3, -EINVAL},
		{EI_DATA, ELFDATA2MSB, -EINVAL},
		{EI_VERSION, 0, -EINVAL},
		{offsetof(Elf64_Ehdr, e_type), ET_EXEC, -EINVAL},
		{offsetof(Elf64_Ehdr, e_phentsize), 32, -EINVAL},
		{offsetof(Elf64_Ehdr, e_phentsize), 64, -EINVAL},
		{offsetof(Elf64_Ehdr, e_phnum), 0, -EINVAL},
		{offsetof(Elf64_Ehdr, e_phoff), 0, -EINVAL},
		{offsetof(Elf64_Ehdr, e_phoff) + 7, 0x80, -EINVAL},
		{offsetof(Elf64_Ehdr, e_phoff) + 2, 0x10,
		 -EFAULT}, /* 1 MiB further: nothing there */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		begin64(EM_X86_64);
		ram(0x100000, 0x200000);
		assert_int_equal(parse(), 0);
		header[cases[i].at] = cases[i].value;
		fake_log_reset();
		if (parse() != cases[i].rc)
			fail_msg("case %zu", i);
		assert_true(fake_log_lines[0] > 0);
		assert_int_equal(vc.nr_ranges, 0);
	}
}

static void test_bad_place(void **state)
{
	(void)state;
	make_x86_64();
	assert_int_equal(parse_at(0, 0, 0, 0), -EINVAL);
	assert_int_equal(parse_at(UINT64_MAX - 3, 0, 0, 0), -EINVAL);
	assert_int_equal(parse_at(BIT(52), 0, 0, 0), -EINVAL);
	assert_int_equal(parse_at(HDR - 4096, 0, 0, 0), -EFAULT);
	assert_int_equal(parse_at(HDR + 4, 0, 0, 0), -EINVAL);
}

/* Program headers beyond the size that kexec told are not believed, the others are */
static void test_size_limit(void **state)
{
	Elf64_Ehdr *e = (Elf64_Ehdr *)header;

	(void)state;
	make_x86_64();
	assert_int_equal(parse_at(HDR, 64 + 56 * e->e_phnum, 0, 0), 0);
	assert_int_equal(vc.nr_phdrs, e->e_phnum);
	assert_int_equal(fake_log_lines[1], 0);
	assert_int_equal(parse_at(HDR, 64 + 56 * e->e_phnum - 1, 0, 0), 0);
	assert_int_equal(vc.nr_phdrs, e->e_phnum - 1);
	assert_string_equal(ranges_text(), "1000-9fc00@3f000000 100000-3f000000 40000000-bffd0000");
	assert_int_equal(fake_log_lines[1], 1);
	assert_int_equal(parse_at(HDR, 64 + 56 * 4, 0, 0), -ENODATA);
	assert_int_equal(parse_at(HDR, 64 + 55, 0, 0), -EINVAL);
	assert_int_equal(parse_at(HDR, 63, 0, 0), -EINVAL);
	assert_int_equal(parse_at(HDR, 1, 0, 0), -EINVAL);
}

static void test_unreadable_tail(void **state)
{
	(void)state;
	begin64(EM_X86_64);
	for (int i = 0; i < 20; i++)
		ram(0x1000000ULL * (i + 1), 0x1000000ULL * (i + 1) + 0x800000);
	fake_mem_fail(HDR + 64 + 56 * 16, 8);
	assert_int_equal(parse(), 0);
	assert_int_equal(vc.nr_ranges, 16);
	assert_int_equal(vc.nr_phdrs, 16);
	fake_mem_fail(HDR + 64, 8);
	assert_int_equal(parse(), -EFAULT);
}

static void test_no_memory(void **state)
{
	(void)state;
	begin64(EM_X86_64);
	cpu_note(true, 1);
	assert_int_equal(parse(), -ENODATA);
	ram(0x1000, 0x1000);
	assert_int_equal(parse(), -ENODATA);
}

/*---------------------------------------------------------------- ranges */

/* In order of the header: start-end[@offset]; what comes out, and how many were complained about */
static const struct range_case {
	const char *in, *out;
	unsigned dropped;
} range_cases[] = {
	{"1000-2000", "1000-2000", 0},
	/* sorted and joined */
	{"5000-6000 1000-2000 3000-4000", "1000-2000 3000-4000 5000-6000", 0},
	{"1000-2000 2000-3000", "1000-3000", 0},
	{"2000-3000 1000-2000", "1000-3000", 0},
	{"1000-2000 3000-4000 2000-3000", "1000-4000", 0},
	{"1000-2000@9000 2000-3000@a000", "1000-3000@9000", 0},
	{"1000-2000 3000-4000 5000-6000 7000-8000 2000-3000", "1000-4000 5000-6000 7000-8000", 0},
	/* the source goes on elsewhere: not joined */
	{"1000-2000@9000 2000-3000", "1000-2000@9000 2000-3000", 0},
	{"1000-2000@9000 2000-3000@9000", "1000-2000@9000 2000-3000@9000", 0},
	/* overlaps: the first one keeps the frame */
	{"1000-4000 1000-4000", "1000-4000", 1},
	{"1000-4000 2000-3000", "1000-4000", 1},
	{"2000-3000 1000-4000", "1000-4000", 1},
	{"1000-3000 2000-4000", "1000-4000", 1},
	{"2000-4000 1000-3000", "1000-4000", 1},
	{"2000-3000@9000 1000-4000", "1000-2000 2000-3000@9000 3000-4000", 1},
	{"1000-4000 2000-3000@9000", "1000-4000", 1},
	{"1000-3000 2000-4000@8000", "1000-3000 3000-4000@9000", 1},
	{"2000-4000 1000-3000@8000", "1000-2000@8000 2000-4000", 1},
	{"1000-2000 3000-4000 5000-6000 0-8000@10000",
	 "0-1000@10000 1000-2000 2000-3000@12000 3000-4000 4000-5000@14000 5000-6000 6000-8000@16000",
	 1},
	/* absurd ones */
	{"1000-1000 2000-3000", "2000-3000", 1},
	{"fffffffffffff000-0 2000-3000", "2000-3000", 1},
	{"fffffffffffff000-1000 2000-3000", "2000-3000", 1},
	{"ffffffffff000-10000000001000 2000-3000", "2000-3000", 1},
	{"ffffffffff000-10000000000000 2000-3000", "2000-3000 ffffffffff000-10000000000000", 0},
	{"1000-2000@fffffffffffff800 2000-3000", "2000-3000", 1},
	{"5000-4000 2000-3000", "2000-3000", 1},
	/* not whole frames: bytes stay as they are */
	{"1001-1fff 2fff-3001", "1001-1fff 2fff-3001", 0},
};

static void add_ranges(const char *in)
{
	while (*in) {
		char *next;
		uint64_t start = strtoull(in, &next, 16);
		uint64_t end = strtoull(next + 1, &next, 16), offset = start;

		if (*next == '@')
			offset = strtoull(next + 1, &next, 16);
		add(PT_LOAD, start, end - start, offset, PAGE_OFFSET + start);
		in = *next ? next + 1 : next;
	}
}

static void test_ranges(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(range_cases); i++) {
		begin64(EM_X86_64);
		add_ranges(range_cases[i].in);
		assert_int_equal(parse(), 0);
		if (strcmp(ranges_text(), range_cases[i].out) ||
		    vc.dropped_ranges != range_cases[i].dropped)
			fail_msg("%s: %s, %u dropped", range_cases[i].in, ranges_text(),
				 vc.dropped_ranges);
	}
}

/* The stub's own memory is never dumped, wherever it lies in a range */
static void test_own_memory(void **state)
{
	static const struct {
		uint64_t start, end;
		const char *out;
	} cases[] = {
		{0, 0, "1000-9000"},
		{0x20000, 0x30000, "1000-9000"},
		{0x1000, 0x2000, "2000-9000"},
		{0x8000, 0x9000, "1000-8000"},
		{0x8000, 0xa000, "1000-8000"},
		{0, 0x2000, "2000-9000"},
		{0x3000, 0x4000, "1000-3000 4000-9000"},
		{0x3000, 0x3000, "1000-9000"},
		{0x4000, 0x3000, "1000-9000"},
		{0x3800, 0x3900, "1000-3800 3900-9000"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		begin64(EM_X86_64);
		add_ranges("1000-9000");
		assert_int_equal(parse_at(HDR, 0, cases[i].start, cases[i].end), 0);
		if (strcmp(ranges_text(), cases[i].out) || vc.dropped_ranges)
			fail_msg("case %zu: %s", i, ranges_text());
	}
	begin64(EM_X86_64);
	add_ranges("1000-9000");
	assert_int_equal(parse_at(HDR, 0, 0, 0x10000), -ENODATA);
}

/* Only p_filesz bytes have contents */
static void test_filesz(void **state)
{
	(void)state;
	begin64(EM_X86_64);
	ram(0x100000, 0x200000)->p_filesz = 0x80000;
	ram(0x300000, 0x400000)->p_memsz = 0x80000;
	ram(0x500000, 0x600000)->p_filesz = 0;
	assert_int_equal(parse(), 0);
	assert_string_equal(ranges_text(), "100000-180000 300000-380000");
	assert_int_equal(vc.dropped_ranges, 1);
}

/* kexec-tools marks memory outside the direct map with the address -1 */
static void test_no_virt(void **state)
{
	(void)state;
	begin64(EM_AARCH64);
	add(PT_LOAD, 0x1000, 0x1000, 0x1000, UINT64_MAX);
	add(PT_LOAD, 0x2000, 0x1000, 0x2000, PAGE_OFFSET + 0x2000);
	add(PT_LOAD, 0x3000, 0x1000, 0x3000, 0x42000);
	assert_int_equal(parse(), 0);
	assert_string_equal(ranges_text(), "1000-2000? 2000-3000 3000-4000!");
}

static void ignore(phys_addr_t start, phys_addr_t end)
{
	assert_true(start < end);
}

static void test_too_many_ranges(void **state)
{
	(void)state;
	begin64(EM_X86_64);
	vc.max_ranges = 4000;
	for (unsigned i = 0; i < vc.max_ranges + 88; i++)
		ram(0x10000ULL * i, 0x10000ULL * i + 0x8000);
	assert_int_equal(parse(), 0);
	assert_int_equal(vc.nr_ranges, vc.max_ranges);
	assert_int_equal(vc.dropped_ranges, 88);
	assert_true(vc.dropped_bytes == 88 * 0x8000);
	assert_true(fake_log_lines[1] < 10);
	assert_true(vc.ranges[3999].end == 0x10000ULL * 3999 + 0x8000);
	/* what continues a range still fits */
	ram(0x8000, 0x10000);
	assert_int_equal(parse(), 0);
	assert_int_equal(vc.nr_ranges, vc.max_ranges - 1);
	/* of a range that lies between others, what is new is lost, and no more */
	((Elf64_Ehdr *)header)->e_phnum = 4000;
	ram(3999 * 0x10000ULL, 4000 * 0x10000ULL + 0x123000);
	assert_int_equal(parse(), 0);
	assert_true(vc.dropped_bytes == 0);
	add(PT_LOAD, 3000 * 0x10000ULL + 0x9000, 3 * 0x10000 - 0x8000, 0, 0);
	assert_int_equal(parse(), 0);
	assert_true(vc.dropped_bytes == 0x7000 + 2 * 0x8000);
}

/* As many as a header of a machine with much memory taken out of use has: all are kept */
static void test_many_ranges(void **state)
{
	(void)state;
	for (unsigned nr = 300; nr <= MAX_RANGES; nr += MAX_RANGES - 300) {
		begin64(EM_X86_64);
		for (unsigned i = 0; i < nr; i++)
			ram(0x10000ULL * i, 0x10000ULL * i + 0x8000);
		assert_int_equal(vmcore_open(&vc, HDR, sizeof(header)), 0);
		assert_int_equal(vmcore_sources(&vc, 0, ignore), 0);
		assert_int_equal(vc.nr_loads, nr);
		assert_int_equal(vmcore_parse(&vc, 0, 0), 0);
		assert_int_equal(vc.nr_ranges, nr);
		assert_true(!vc.dropped_ranges && !vc.dropped_bytes && !vc.cut);
		for (unsigned i = 0; i < nr; i++)
			assert_true(vmcore_is_ram(&vc, 0x10000ULL * i, 0x8000));
	}
}

int overlay_read(void *dst, phys_addr_t pa, size_t len)
{
	return fake_mem_read(dst, pa, len);
}

int overlay_is_zero(phys_addr_t pa, size_t len)
{
	(void)pa;
	(void)len;
	return -ENOSYS;
}

/* So many fit into the share that the table gets of what is beside image and header at crashkernel=1M */
static void test_many_ranges_1m(void **state)
{
	static struct capture c;
	static struct boot_info bi;
	static struct cmdline cl;

	(void)state;
	begin64(EM_X86_64);
	for (unsigned i = 0; i < MAX_RANGES; i++)
		ram(0x10000ULL * i, 0x10000ULL * i + 0x8000);
	bi.elfcorehdr = HDR;
	bi.elfcorehdr_size = sizeof(header);
	bi.image_start = HDR - MIB(1);
	bi.image_end = bi.image_start + KIB(256);
	fake_arena_most = MIB(1) - KIB(256) - MAX_RANGES * sizeof(Elf64_Phdr) - KIB(64);
	assert_int_equal(capture_open(&c, &bi, &cl), STOP_OK);
	assert_int_equal(capture_init(&c), STOP_OK);
	assert_int_equal(c.vc.nr_ranges, MAX_RANGES);
	assert_true(!c.vc.dropped_ranges && !c.vc.dropped_bytes);
	/* With less, what does not fit is counted */
	fake_arena_most = KIB(64);
	assert_int_equal(capture_open(&c, &bi, &cl), STOP_OK);
	assert_int_equal(capture_init(&c), STOP_OK);
	assert_in_range(c.vc.nr_ranges, 64, KIB(64) / 3 / sizeof(*c.vc.ranges));
	assert_true(c.vc.dropped_bytes == (MAX_RANGES - c.vc.nr_ranges) * 0x8000ULL);
	fake_arena_most = SIZE_MAX;
}

static phys_addr_t sources_low, sources_high;

static void add_up(phys_addr_t start, phys_addr_t end)
{
	if (start == HDR)
		return;
	sources_low += min_u64(end, MIB(1)) - min_u64(start, MIB(1));
	sources_high += end - start - (min_u64(end, MIB(1)) - min_u64(start, MIB(1)));
}

/* A header that lists the stub's own memory: it goes on being the stub's, but for what only a copy could have saved */
static void test_own_source(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		begin64(EM_X86_64);
		ram(0x1000, MIB(512));
		add(PT_LOAD, MIB(900), MIB(3), MIB(300), 0);	/* elsewhere, and read from right beside the image */
		sources_low = sources_high = 0;
		assert_int_equal(vmcore_open(&vc, HDR, sizeof(header)), 0);
		assert_int_equal(vmcore_sources(&vc, i ? MIB(256) : MIB(600), add_up), 0);
		assert_int_equal(sources_low, MIB(1) - 0x1000);
		assert_int_equal(sources_high, MIB(3) + (i ? 0 : MIB(511)));
	}
}

/* Two sockets, 64 TiB apart: what lies between costs nothing */
static void test_far_apart(void **state)
{
	uint64_t pfn, end, far = 1ULL << 46;

	(void)state;
	begin64(EM_X86_64);
	ram(0x100000, 0x80000000);
	ram(far, far + 0x80000000);
	assert_int_equal(parse(), 0);
	assert_true(vmcore_max_pfn(&vc) == (far + 0x80000000) >> 12);
	assert_true(vmcore_next_run(&vc, 0, &pfn, &end) && pfn == 0x100 && end == 0x80000);
	assert_true(vmcore_next_run(&vc, end, &pfn, &end) && pfn == far >> 12 && end == (far + 0x80000000) >> 12);
	assert_false(vmcore_next_run(&vc, end, &pfn, &end));
}

/* What an entry that makes no sense costs: its bytes, or nobody knows how many, or nothing */
static void test_dropped_bytes(void **state)
{
	Elf64_Phdr *p;

	(void)state;
	begin64(EM_X86_64);
	ram(0x100000, 0x200000);
	p = ram(0x300000, 0x400000);
	p->p_filesz = 0;
	assert_int_equal(parse(), 0);
	assert_true(vc.dropped_bytes == 0x100000 && !vc.cut);
	p->p_memsz = 0;
	assert_int_equal(parse(), 0);
	assert_true(vc.dropped_bytes == 0 && !vc.cut);
	p->p_memsz = p->p_filesz = 1ULL << 60;
	assert_int_equal(parse(), 0);
	assert_true(vc.dropped_bytes == 0 && vc.cut);
	/* many of them do not add up to none */
	((Elf64_Ehdr *)header)->e_phnum = 1;
	for (unsigned i = 0; i < 4100; i++) {
		p = add(PT_LOAD, 0, 1ULL << 52, 1, 0);
		p->p_vaddr = i;
	}
	assert_int_equal(parse(), 0);
	assert_true(vc.dropped_bytes == UINT64_MAX);
	/* headers outside the header */
	begin64(EM_X86_64);
	ram(0x100000, 0x200000);
	ram(0x300000, 0x400000);
	assert_int_equal(parse_at(HDR, 64 + 56, 0, 0), 0);
	assert_true(vc.cut && vc.dropped_bytes == 0);
}

/* Frames of the dead kernel's size; those that are RAM in part only do not count */
static void test_frames(void **state)
{
	uint64_t first, end;

	(void)state;
	begin64(EM_AARCH64);
	add_ranges("1000-9fc00 100000-200000 210000-21ffff 230000-238000 238000-240000@500000");
	assert_int_equal(parse(), 0);
	vc.page_size = 65536;
	assert_true(vmcore_next_run(&vc, 0, &first, &end) && first == 1 && end == 9);
	assert_true(vmcore_next_run(&vc, 9, &first, &end) && first == 0x10 && end == 0x20);
	assert_false(vmcore_next_run(&vc, 0x20, &first, &end));
	assert_true(vmcore_max_pfn(&vc) == 0x20);
	vc.page_size = 4096;
	assert_true(vmcore_max_pfn(&vc) == 0x240);
	assert_true(vmcore_next_run(&vc, 0x210, &first, &end) && first == 0x210 && end == 0x21f);
	assert_true(vmcore_next_run(&vc, 0x230, &first, &end) && first == 0x230 && end == 0x238);
	assert_true(vmcore_next_run(&vc, 0x238, &first, &end) && first == 0x238 && end == 0x240);
	/* a page size that VMCOREINFO made up */
	vc.page_size = 12345;
	assert_true(vmcore_max_pfn(&vc) == 0x240);
	vc.page_size = 0;
	assert_true(vmcore_max_pfn(&vc) == 0x240);
	vc.page_size = 2048;
	assert_true(vmcore_max_pfn(&vc) == 0x240);
}

static void test_read(void **state)
{
	static const char low[] = "0123456789", moved[] = "ABCDEFGHIJ";
	char buf[32];

	(void)state;
	begin64(EM_X86_64);
	add_ranges("1000-100a 100a-1014@8000 1100-1200");
	fake_mem_add(0x1000, low, 10);
	fake_mem_add(0x8000, moved, 10);
	assert_int_equal(parse(), 0);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(vmcore_read(&vc, buf, 0x1005, 10), 0);
	assert_string_equal(buf, "56789ABCDE");
	assert_int_equal(vmcore_read(&vc, buf, 0x100f, 5), 0);
	assert_memory_equal(buf, "FGHIJ", 5);
	assert_int_equal(vmcore_read(&vc, buf, 0x100f, 6), -ENOENT);
	assert_int_equal(vmcore_read(&vc, buf, 0xfff, 2), -ENOENT);
	assert_int_equal(vmcore_read(&vc, buf, 0x1100, 1), -EFAULT);
	assert_int_equal(vmcore_read(&vc, buf, 0x5000, 0), 0);
}

/*---------------------------------------------------------------- notes */

static uint8_t merged[65536];
static size_t merged_len;

static int collect(void *ctx, const void *buf, size_t len)
{
	assert_ptr_equal(ctx, merged);
	assert_true(len <= sizeof(merged) - merged_len);
	memcpy(merged + merged_len, buf, len);
	merged_len += len;
	return 0;
}

static void collect_notes(void)
{
	merged_len = 0;
	assert_int_equal(vmcore_notes(&vc, collect, merged), 0);
	assert_int_equal(merged_len, vc.notes_size);
}

#define PRSTATUS_NOTE (12 + 8 + 336)

static void test_notes(void **state)
{
	uint8_t regs[400];
	char text[100];

	(void)state;
	make_x86_64();
	assert_int_equal(parse(), 0);
	collect_notes();
	/* both online CPUs, then VMCOREINFO, exactly as they were written */
	assert_int_equal(merged_len,
			 2 * PRSTATUS_NOTE + 12 + 12 + (sizeof(vmcoreinfo) - 1 + 3) / 4 * 4);
	assert_memory_equal(merged, notes, PRSTATUS_NOTE);
	assert_memory_equal(merged + PRSTATUS_NOTE, notes + 1024, PRSTATUS_NOTE);
	assert_memory_equal(merged + 2 * PRSTATUS_NOTE, notes + 1536,
			    merged_len - 2 * PRSTATUS_NOTE);
	assert_int_equal(vc.vmcoreinfo_size, sizeof(vmcoreinfo) - 1);
	assert_memory_equal(merged + vc.vmcoreinfo_offset, vmcoreinfo, sizeof(vmcoreinfo) - 1);

	assert_int_equal(vmcore_prstatus(&vc, 0, regs, sizeof(regs)), 336);
	assert_int_equal(regs[335], 0x11);
	assert_int_equal(vmcore_prstatus(&vc, 1, regs, 16), 16);
	assert_int_equal(regs[15], 0x33);
	assert_int_equal(vmcore_prstatus(&vc, 2, regs, 16), -ENOENT);
	assert_int_equal(vmcore_prstatus(&vc, 0, regs, 16), 16);
	assert_int_equal(regs[0], 0x11);

	assert_int_equal(vmcore_copy_vmcoreinfo(&vc, text, sizeof(text)), sizeof(vmcoreinfo) - 1);
	assert_string_equal(text, vmcoreinfo);
	assert_int_equal(vmcore_copy_vmcoreinfo(&vc, text, sizeof(vmcoreinfo)), sizeof(vmcoreinfo) - 1);
	assert_string_equal(text, vmcoreinfo);
	/* half a line would be a wrong number */
	assert_int_equal(vmcore_copy_vmcoreinfo(&vc, text, sizeof(vmcoreinfo) - 1), 35);
	assert_int_equal(vmcore_copy_vmcoreinfo(&vc, text, 40), 35);
	assert_string_equal(text, "OSRELEASE=6.1.0-test\nPAGESIZE=4096\n");
	assert_int_equal(vmcore_copy_vmcoreinfo(&vc, text, 36), 35);
	assert_int_equal(vmcore_copy_vmcoreinfo(&vc, text, 35), 21);
	assert_int_equal(vmcore_copy_vmcoreinfo(&vc, text, 5), -ENODATA);
	assert_int_equal(vmcore_copy_vmcoreinfo(&vc, text, 1), -ENODATA);
	assert_int_equal(vmcore_copy_vmcoreinfo(&vc, text, 0), -ENODATA);
}

/* More than one note for a CPU, names of other makers, and one that is not a register note */
static void test_several_notes(void **state)
{
	uint8_t regs[392], pac[16];
	size_t start;

	(void)state;
	begin64(EM_AARCH64);
	ram(0x100000, 0x8000000);
	memset(regs, 7, sizeof(regs));
	memset(pac, 9, sizeof(pac));
	for (int cpu = 0; cpu < 3; cpu++) {
		start = notes_len;
		note("CORE", NT_PRSTATUS, regs, sizeof(regs));
		note("LINUX", 0x406, pac, sizeof(pac));
		note("VMCOREINFO_XEN", 0, "X=1\n", 4);
		notes_len = start + 1024;
		add(PT_NOTE, NOTES + start, 1024, NOTES + start, 0);
	}
	assert_int_equal(parse(), 0);
	assert_int_equal(vc.nr_cpus, 3);
	assert_int_equal(vc.notes_size, 3 * (12 + 8 + 392 + 12 + 8 + 16 + 12 + 16 + 4));
	assert_int_equal(vc.vmcoreinfo_size, 0);
	assert_int_equal(vmcore_copy_vmcoreinfo(&vc, (char *)regs, 100), -ENODATA);
	collect_notes();
	assert_memory_equal(merged, notes, merged_len / 3);
	assert_int_equal(vmcore_prstatus(&vc, 2, regs, 1), 1);
	assert_int_equal(vmcore_prstatus(&vc, 3, regs, 1), -ENOENT);
}

/* One segment with a note whose sizes are patched; the good note before it must survive */
static void test_bad_notes(void **state)
{
	static const struct {
		uint32_t namesz, descsz;
		unsigned left; /* bytes of the segment behind the good note */
	} cases[] = {
		{5, 0xffffffff, 100},
		{0xffffffff, 4, 100},
		{0xfffffffd, 0xfffffffd, 100},
		{5, 0xfffffffd, 100},
		{0, 4, 100},
		{5, 81, 100},
		{81, 8, 100},
		{89, 0, 100},
		{5, 4, 11},
		{5, 4, 0},
		{5, 4, 23},
		{6, 79, 100},
		{0x80000000, 0x80000000, 100},
	};
	char desc[16] = "descriptor";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t h[3] = {cases[i].namesz, cases[i].descsz, NT_PRSTATUS};

		begin64(EM_X86_64);
		ram(0x100000, 0x8000000);
		note("CORE", NT_PRSTATUS, desc, sizeof(desc));
		memcpy(notes + notes_len, h, sizeof(h));
		memcpy(notes + notes_len + 12, "CORE", 5);
		add(PT_NOTE, NOTES, notes_len + cases[i].left, NOTES, 0);
		assert_int_equal(parse(), 0);
		/*
		 * { 5, 81 } and { 6, 79 } would end beyond the segment once padded: 100 - 12 - 8 =
		 * 80
		 */
		if (vc.nr_cpus != (cases[i].descsz == 79 ? 2 : 1))
			fail_msg("case %zu: %u CPUs", i, vc.nr_cpus);
		collect_notes();
		assert_memory_equal(merged, notes, notes_len);
	}
}

/* Only the kernel's own register notes count as a CPU */
static void test_no_prstatus(void **state)
{
	uint8_t regs[8] = {1, 2, 3};

	(void)state;
	begin64(EM_X86_64);
	ram(0x100000, 0x8000000);
	note("CORE", NT_PRPSINFO, regs, sizeof(regs));
	note("LINUX", NT_PRSTATUS, regs, sizeof(regs));
	note("CORE", NT_PRSTATUS, regs, 0);
	note("COREX", NT_PRSTATUS, regs, sizeof(regs));
	add(PT_NOTE, NOTES, 1024, NOTES, 0);
	assert_int_equal(parse(), 0);
	assert_int_equal(vc.nr_cpus, 0);
	assert_int_equal(vc.notes_size, notes_len);
	assert_int_equal(vmcore_prstatus(&vc, 0, regs, 8), -ENOENT);
	collect_notes();
	assert_memory_equal(merged, notes, notes_len);
}

/* Notes without end: a bounded number of each segment and of all bytes goes to the dump */
static void test_too_many_notes(void **state)
{
	static uint8_t large[MIB(1) + 32];
	static const uint32_t h[3] = {5, MIB(1), NT_PRSTATUS};

	(void)state;
	begin64(EM_X86_64);
	ram(0x100000, 0x8000000);
	for (int i = 0; i < 70; i++)
		note("CORE", NT_PRSTATUS, &i, 4);
	add(PT_NOTE, NOTES, notes_len, NOTES, 0);
	assert_int_equal(parse(), 0);
	assert_int_equal(vc.nr_cpus, 64);
	assert_int_equal(vc.notes_size, 64 * 24);

	begin64(EM_X86_64);
	ram(0x100000, 0x8000000);
	memcpy(large, h, sizeof(h));
	memcpy(large + 12, "CORE", 5);
	fake_mem_add(0x6000000, large, sizeof(large));
	for (int i = 0; i < 40; i++)
		add(PT_NOTE, 0x6000000, sizeof(large), 0x6000000, 0);
	assert_int_equal(parse(), 0);
	assert_int_equal(vc.nr_cpus, 31);
	assert_true(vc.notes_size == 31 * (MIB(1) + 20));
	assert_true(fake_log_has("more than 32 MiB"));
	/* one byte more than a note may have */
	large[4] = 1;
	assert_int_equal(parse(), 0);
	assert_int_equal(vc.nr_cpus, 0);
}

/* A segment outside RAM is not touched: it could be a device */
static void test_notes_outside(void **state)
{
	(void)state;
	begin64(EM_X86_64);
	ram(0x100000, 0x4000000);
	cpu_note(true, 1);
	add(PT_NOTE, 0, 512, 0, 0);
	add(PT_NOTE, UINT64_MAX - 100, 512, UINT64_MAX - 100, 0);
	add(PT_NOTE, 0x100000, UINT64_MAX, 0x100000, 0);
	fake_mem_fail(NOTES, 512);
	assert_int_equal(parse(), 0);
	assert_int_equal(vc.nr_cpus, 0);
	assert_int_equal(vc.notes_size, 0);
	assert_true(fake_log_has("4 note segments"));
}

/* The kernel wrote its notes to RAM: a header that does not name it names too little */
static void test_notes_missed(void **state)
{
	(void)state;
	begin64(EM_X86_64);
	ram(0x100000, 0x4000000);
	ram(0x6000000, 0x6100000);
	/* no RAM at all, or none that is missing because of it */
	add(PT_NOTE, 0, 512, 0, 0);
	add(PT_NOTE, UINT64_MAX - 100, 512, UINT64_MAX - 100, 0);
	add(PT_NOTE, 0x100000, UINT64_MAX, 0x100000, 0);
	add(PT_NOTE, 0x5000000, 0, 0x5000000, 0);
	/* beside the header, and in the memory that is ours */
	add(PT_NOTE, HDR + 64, 512, HDR + 64, 0);
	add(PT_NOTE, HDR - 0x1000, 512, HDR - 0x1000, 0);
	add(PT_NOTE, HDR - MIB(1), 512, HDR - MIB(1), 0);
	assert_int_equal(parse_at(HDR, 0, HDR - MIB(1), HDR - KIB(512)), 0);
	assert_false(vc.cut);
	cpu_note(true, 1);
	assert_int_equal(parse_at(HDR, 0, HDR - MIB(1), HDR - KIB(512)), 0);
	assert_true(vc.cut);
	assert_int_equal(vc.dropped_bytes, 0);
	ram(0x4000000, 0x6000000);
	assert_int_equal(parse_at(HDR, 0, HDR - MIB(1), HDR - KIB(512)), 0);
	assert_false(vc.cut);
	assert_int_equal(vc.nr_cpus, 1);
}

/* Notes in the backup region are read where purgatory moved them to */
static void test_notes_moved(void **state)
{
	uint8_t regs[336];

	(void)state;
	begin64(EM_X86_64);
	add(PT_LOAD, 0x1000, 0x9f000, NOTES, PAGE_OFFSET + 0x1000);
	memset(regs, 5, sizeof(regs));
	note("CORE", NT_PRSTATUS, regs, sizeof(regs));
	add(PT_NOTE, 0x1000, 512, 0x1000, 0);
	assert_int_equal(parse(), 0);
	assert_int_equal(vc.nr_cpus, 1);
	assert_int_equal(vmcore_prstatus(&vc, 0, regs, 1), 1);
	assert_int_equal(regs[0], 5);
}

static void test_vmcoreinfo_choice(void **state)
{
	char text[100];

	(void)state;
	begin64(EM_X86_64);
	ram(0x100000, 0x8000000);
	vmcoreinfo_note("", 0);
	vmcoreinfo_note("\0\0\0\0", 4);
	vmcoreinfo_note("FIRST=1\n", 8);
	vmcoreinfo_note("SECOND=2\n", 9);
	assert_int_equal(parse(), 0);
	assert_int_equal(vmcore_copy_vmcoreinfo(&vc, text, sizeof(text)), 8);
	assert_string_equal(text, "FIRST=1\n");
	assert_int_equal(vc.notes_size, 12 + 12 + 8);
	collect_notes();

	/* a descriptor that is longer than its text */
	begin64(EM_X86_64);
	ram(0x100000, 0x8000000);
	vmcoreinfo_note("A=1\nB=2\n\0C=3\n", 13);
	assert_int_equal(parse(), 0);
	assert_int_equal(vmcore_copy_vmcoreinfo(&vc, text, sizeof(text)), 8);
	assert_string_equal(text, "A=1\nB=2\n");

	/* gone between the two looks */
	fake_mem_fail(NOTES + 24, 4);
	assert_int_equal(vmcore_copy_vmcoreinfo(&vc, text, sizeof(text)), -ENODATA);
	collect_notes();
	assert_int_equal(merged[vc.vmcoreinfo_offset], 0);
}

/*
 * Whatever happens to the notes after parsing, the size holds and VMCOREINFO stays where it was
 * announced
 */
static void test_notes_change(void **state)
{
	static const uint32_t huge = 480, tiny = 4;
	uint8_t regs[8];

	(void)state;
	make_x86_64();
	assert_int_equal(parse(), 0);

	memcpy(notes + 4, &huge, 4); /* first CPU's note grew: 500 bytes */
	collect_notes();
	assert_memory_equal(merged + vc.vmcoreinfo_offset, vmcoreinfo, sizeof(vmcoreinfo) - 1);
	memcpy(notes + 4, &tiny, 4); /* shrank */
	collect_notes();
	assert_memory_equal(merged + vc.vmcoreinfo_offset, vmcoreinfo, sizeof(vmcoreinfo) - 1);
	memset(notes, 0, 1536); /* all gone */
	collect_notes();
	for (size_t i = 0; i < 2 * PRSTATUS_NOTE; i++)
		assert_int_equal(merged[i], 0);
	assert_memory_equal(merged + vc.vmcoreinfo_offset, vmcoreinfo, sizeof(vmcoreinfo) - 1);
	assert_int_equal(vmcore_prstatus(&vc, 0, regs, 8), -ENOENT);
	fake_mem_fail(NOTES, sizeof(notes)); /* unreadable */
	collect_notes();
	assert_int_equal(merged[vc.vmcoreinfo_offset], 0);
}

static int stop_after(void *ctx, const void *buf, size_t len)
{
	(void)buf;
	(void)len;
	return --*(int *)ctx ? 0 : -EIO;
}

static void test_emit_fails(void **state)
{
	int calls;

	(void)state;
	make_x86_64();
	assert_int_equal(parse(), 0);
	for (int n = 1; n < 7; n++) {
		calls = n;
		assert_int_equal(vmcore_notes(&vc, stop_after, &calls), -EIO);
		assert_int_equal(calls, 0);
	}
}

/* Thousands of CPUs: found in order, in linear time */
static void test_many_cpus(void **state)
{
	uint8_t regs[4];
	unsigned cpu;

	(void)state;
	begin64(EM_X86_64);
	ram(0x100000, 0x8000000);
	for (cpu = 0; cpu < 2000; cpu++) {
		uint32_t id = cpu;

		note("CORE", NT_PRSTATUS, &id, 4);
		add(PT_NOTE, NOTES + 24 * cpu, 24, NOTES + 24 * cpu, 0);
	}
	assert_int_equal(parse(), 0);
	assert_int_equal(vc.nr_cpus, 2000);
	fake_mem_reads = 0;
	for (cpu = 0; cpu < 2000; cpu++) {
		assert_int_equal(vmcore_prstatus(&vc, cpu, regs, 4), 4);
		assert_int_equal(regs[0] | regs[1] << 8, cpu);
	}
	assert_true(fake_mem_reads < 20 * 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_x86_64),
		cmocka_unit_test(test_arm64),
		cmocka_unit_test(test_arm64_without_image),
		cmocka_unit_test(test_arm64_wrong_image),
		cmocka_unit_test(test_image_alone),
		cmocka_unit_test(test_image_limits),
		cmocka_unit_test(test_elf32),
		cmocka_unit_test(test_many_headers),
		cmocka_unit_test(test_bad_header),
		cmocka_unit_test(test_bad_place),
		cmocka_unit_test(test_size_limit),
		cmocka_unit_test(test_unreadable_tail),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_own_memory),
		cmocka_unit_test(test_filesz),
		cmocka_unit_test(test_no_virt),
		cmocka_unit_test(test_too_many_ranges),
		cmocka_unit_test(test_many_ranges),
		cmocka_unit_test(test_many_ranges_1m),
		cmocka_unit_test(test_dropped_bytes),
		cmocka_unit_test(test_own_source),
		cmocka_unit_test(test_far_apart),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_several_notes),
		cmocka_unit_test(test_bad_notes),
		cmocka_unit_test(test_no_prstatus),
		cmocka_unit_test(test_too_many_notes),
		cmocka_unit_test(test_notes_outside),
		cmocka_unit_test(test_notes_missed),
		cmocka_unit_test(test_notes_moved),
		cmocka_unit_test(test_vmcoreinfo_choice),
		cmocka_unit_test(test_notes_change),
		cmocka_unit_test(test_emit_fails),
		cmocka_unit_test(test_many_cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
