// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/idle.c tests/unit/fake/clock.c tools/load/machine.c tools/load/elfcore.c tools/load/params.c tools/load/plan.c tools/util.c */
/* needs: stub/boot/cmdline.c stub/dead/vmcore.c tests/unit/fake/mem.c tests/unit/fake/log.c */
/*
 * From what a machine says of itself to the segments that are loaded: what stub/ makes of them is what counts. The
 * trees are those of real machines, cut to what is read.
 */
#include <elf.h>
#include <errno.h>
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "capstub/boot_params.h"
#include "stub/boot/cmdline.h"
#include "stub/dead/vmcore.h"
#include "tests/unit/fake/mem.h"
#include "tools/load/elfcore.h"
#include "tools/load/plan.h"

static char root[] = "/tmp/test-load-XXXXXX";
static char image_file[158928];

/* ---- Trees ---- */

static void put(const char *path, const void *data, size_t len)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *p = full + sizeof(root); (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		mkdir(full, 0755);
	}
	f = fopen(full, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	fclose(f);
}

static void put_text(const char *path, const char *text)
{
	put(path, text, strlen(text));
}

static void clear(void)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -rf %s/*", root);
	assert_int_equal(system(cmd), 0);
}

static void put_cpu(unsigned nr, uint64_t notes)
{
	char path[80], text[32];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/crash_notes", nr);
	snprintf(text, sizeof(text), "%llx\n", (unsigned long long)notes);
	put_text(path, text);
	strcat(path, "_size");
	put_text(path, "368\n");
}

struct kcore {
	Elf64_Ehdr e;
	Elf64_Phdr p[4];
	char notes[64];
};

static void put_kcore(uint64_t image, uint64_t image_virt, uint64_t ram, uint64_t ram_virt)
{
	struct kcore k = {
		.e = { .e_ident = ELFMAG, .e_phoff = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 4 },
		.p = {
			{ .p_type = PT_NOTE, .p_offset = offsetof(struct kcore, notes), .p_filesz = sizeof(k.notes) },
			/* vmalloc: no one physical address */
			{ .p_type = PT_LOAD, .p_vaddr = 0xffffc90000000000, .p_paddr = UINT64_MAX, .p_memsz = 1ULL << 45 },
			{ .p_type = image ? PT_LOAD : PT_NULL, .p_vaddr = image_virt, .p_paddr = image, .p_memsz = 0x2c58000 },
			{ .p_type = PT_LOAD, .p_vaddr = ram_virt, .p_paddr = ram, .p_memsz = 0x1ff00000 },
		},
		.notes = "xx\nNUMBER(kimage_voffset)=0xffff800048000000\nend",
	};

	put("/proc/kcore", &k, sizeof(k));
}

/* QEMU's PC with 512 MiB, Debian 12 */
static void small_pc(const char *reserved)
{
	char iomem[1024];

	clear();
	snprintf(iomem, sizeof(iomem),
		 "00000000-00000fff : Reserved\n"
		 "00001000-0009fbff : System RAM\n"
		 "0009fc00-0009ffff : Reserved\n"
		 "000f0000-000fffff : Reserved\n"
		 "  000f0000-000fffff : System ROM\n"
		 "00100000-1ffdefff : System RAM\n"
		 "  0d000000-0de02406 : Kernel code\n"
		 "  0e000000-0e9b5fff : Kernel rodata\n"
		 "  0ea00000-0ec3e83f : Kernel data\n"
		 "  0f0f2000-0f5fffff : Kernel bss\n"
		 "  %s : Crash kernel\n"
		 "1ffdf000-1fffffff : Reserved\n"
		 "b0000000-bfffffff : PCI MMCONFIG 0000 [bus 00-ff]\n", reserved);
	put_text("/proc/iomem", iomem);
	put_text("/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu nx pdpe1gb rdtscp lm\n");
	put_text("/sys/kernel/vmcoreinfo", "000000001de2a000 1024\n");
	put_cpu(0, 0x1fe1c600);
	put_cpu(1, 0x1fe5c600);
	put_kcore(0xd000000, 0xffffffff8d000000, 0x100000, 0xffff91d8c0100000);
}

/* A server whose crashkernel= is above 4 GiB, with the kernel's default 256 MiB below */
static void server(void)
{
	char bp[4096] = { 0 };
	uint64_t rsdp = 0x6f7fe014;

	clear();
	put_text("/proc/iomem",
		 "00000000-00000fff : Reserved\n"
		 "00001000-0008efff : System RAM\n"
		 "0008f000-0008ffff : ACPI Non-volatile Storage\n"
		 "00090000-0009ffff : System RAM\n"
		 "000a0000-000fffff : Reserved\n"
		 "00100000-5fffefff : System RAM\n"
		 "  4f000000-5effffff : Crash kernel\n"
		 "6ffff000-6fffffff : System RAM\n"
		 "fed00000-fed003ff : HPET 0\n"
		 "100000000-107fffffff : System RAM\n"
		 "  b0c000000-b0ce02406 : Kernel code\n"
		 "  b0da00000-b0dc3e83f : Kernel data\n"
		 "  b0e0f2000-b0e5fffff : Kernel bss\n"
		 "  107b000000-107b0fffff : Crash kernel\n"
		 "1080000000-10ffffffff : System RAM (kmem)\n");
	put_text("/sys/kernel/vmcoreinfo", "0x00000001055aa000 1000\n");
	put_text("/sys/kernel/crash_elfcorehdr_size", "921600\n");
	for (unsigned i = 0; i < 128; i++)
		put_cpu(i, 0x107f400000 + i * 0x40000);
	memcpy(bp + 0x70, &rsdp, sizeof(rsdp));
	put("/sys/kernel/boot_params/data", bp, sizeof(bp));
}

/* ---- Images: plan_make() looks at their numbers alone ---- */

static struct stub_image x86_image(void)
{
	struct setup_header *h = &((struct boot_params *)image_file)->hdr;

	memset(image_file, 'i', sizeof(image_file));
	*h = (struct setup_header){ .header = BOOT_HEADER_MAGIC, .cmdline_size = 2047 };
	return (struct stub_image){ .arch = ARCH_X86_64, .file = image_file, .data = image_file + 1024,
				    .data_size = sizeof(image_file) - 1024, .memsz = 252 << 10, .align = 4096, .entry = 0x200 };
}

static struct stub_image arm64_image(void)
{
	return (struct stub_image){ .arch = ARCH_ARM64, .file = image_file, .data = image_file,
				    .data_size = sizeof(image_file), .memsz = 320 << 10, .align = 2 << 20 };
}

/* ---- Judging ---- */

static uint8_t *copies[NR_SEGS];

/* Everything as it lies in memory when the stub starts */
static void load(const struct plan *p)
{
	fake_mem_reset();
	for (unsigned i = 0; i < NR_SEGS; i++) {
		size_t size = p->seg[i].at.end - p->seg[i].at.start;

		free(copies[i]);
		copies[i] = calloc(1, size);
		memcpy(copies[i], p->seg[i].data, p->seg[i].data_size);
		fake_mem_add(p->seg[i].at.start, copies[i], size);
	}
}

static void check_places(const struct plan *p, const struct range *within)
{
	uint64_t sum = within->end - within->start;

	for (unsigned i = 0; i < NR_SEGS; i++) {
		const struct range *a = &p->seg[i].at;

		assert_true(within->start <= a->start && a->start < a->end && a->end <= within->end);
		assert_true(IS_ALIGNED(a->start, 4096) && IS_ALIGNED(a->end, 4096));
		assert_true(p->seg[i].data_size <= a->end - a->start);
		for (unsigned k = 0; k < i; k++)
			assert_true(a->end <= p->seg[k].at.start || p->seg[k].at.end <= a->start);
		sum -= a->end - a->start;
	}
	assert_int_equal(p->left, sum);
}

/* The same words verify, and no longer once the byte at @off of segment @seg is another */
static bool verifies_with(const struct cmdline *cl, unsigned seg, size_t off)
{
	bool good;

	copies[seg][off] ^= 0x10;
	good = cmdline_verify(cl, fake_mem_read);
	copies[seg][off] ^= 0x10;
	return good;
}

static void check_vmcore(const struct machine *m, const struct plan *p, uint64_t hdr, uint64_t size)
{
	static uint8_t zero[16 << 20];
	static struct memory_range ranges[64];
	static struct vmcore vc;
	const struct range *r = machine_reservation(m);
	uint64_t sum = 0, want = 0;

	/* Notes are looked at too; they are empty before the crash */
	fake_mem_add(m->notes.v[0].start & ~0xffffULL, zero, sizeof(zero));
	vc = (struct vmcore){ .read = fake_mem_read, .page_size = 4096, .ranges = ranges, .max_ranges = 64 };
	assert_int_equal(vmcore_open(&vc, hdr, size), 0);
	assert_int_equal(vmcore_parse(&vc, p->seg[SEG_IMAGE].at.start, p->seg[SEG_IMAGE].at.end), 0);
	assert_int_equal(vc.dropped_ranges, 0);
	assert_true(vc.nr_ranges <= m->ram.nr);	/* those that touch are one */
	for (unsigned i = 0; i < vc.nr_ranges; i++) {
		assert_true(vc.ranges[i].source == vc.ranges[i].start);
		assert_true(vc.ranges[i].virt == (m->direct_map ? vc.ranges[i].start + m->direct_map : 0));
		assert_true(vc.ranges[i].end <= r->start || r->end <= vc.ranges[i].start);
		sum += vc.ranges[i].end - vc.ranges[i].start;
	}
	for (unsigned i = 0; i < m->ram.nr; i++)
		want += m->ram.v[i].end - m->ram.v[i].start;
	assert_int_equal(sum, want);
	assert_int_equal(vc.image.start, m->image_map ? m->image.start : 0);
	assert_true(vc.image.virt == (m->image_map ? m->image.start + m->image_map : 0));
	assert_int_equal(vc.nr_phdrs, m->notes.nr + 1 + !!m->image_map + m->ram.nr);
}

/* boot_params and the command line, as the stub reads them from %rsi */
static const struct boot_params *check_x86(const struct plan *p, const struct stub_image *img, struct cmdline *cl)
{
	const struct boot_params *bp = (void *)copies[SEG_PARAMS];
	const uint8_t *jump = copies[SEG_PARAMS] + (p->entry - p->seg[SEG_PARAMS].at.start);
	uint64_t rsi, rax, line = bp->hdr.cmd_line_ptr | (uint64_t)bp->ext_cmd_line_ptr << 32;

	assert_int_equal(bp->hdr.header, BOOT_HEADER_MAGIC);
	assert_int_equal(line, p->seg[SEG_PARAMS].at.start + 4096);
	assert_memory_equal(jump, "\x48\xbe", 2);
	assert_memory_equal(jump + 10, "\x48\xb8", 2);
	assert_memory_equal(jump + 20, "\xff\xe0", 2);
	memcpy(&rsi, jump + 2, 8);
	memcpy(&rax, jump + 12, 8);
	assert_int_equal(rsi, p->seg[SEG_PARAMS].at.start);
	assert_int_equal(rax, p->seg[SEG_IMAGE].at.start + img->entry);
	cmdline_parse(cl, (char *)copies[SEG_PARAMS] + 4096);
	assert_int_equal(cl->nr_complaints, 0);
	assert_true(cmdline_verify(cl, fake_mem_read));
	return bp;
}

/* ---- Tests ---- */

static void test_pc(void **state)
{
	struct stub_image img = x86_image();
	const struct boot_params *bp;
	const struct e820_entry *map;
	struct machine m;
	struct cmdline cl;
	struct plan p;
	size_t end;

	(void)state;
	small_pc("1f000000-1f0fffff");
	assert_int_equal(machine_read(&m, root, ARCH_X86_64), 0);
	assert_int_equal(m.ram.nr, 3);
	assert_int_equal(m.ram.v[1].end, 0x1f000000);
	assert_int_equal(m.ram.v[2].start, 0x1f100000);
	assert_int_equal(m.image.start, 0xd000000);
	assert_int_equal(m.image.end, 0xf600000);
	assert_int_equal(m.image_map, 0xffffffff80000000);
	assert_int_equal(m.direct_map, 0xffff91d8c0000000);
	assert_int_equal(m.notes.nr, 2);
	assert_int_equal(m.notes.v[1].end - m.notes.v[1].start, 368);
	assert_true(m.huge_tables);
	assert_int_equal(m.rsdp, 0);

	assert_int_equal(plan_make(&p, &m, &img, "dump=any level=17"), 0);
	check_places(&p, machine_reservation(&m));
	assert_false(p.hotplug);
	load(&p);
	bp = check_x86(&p, &img, &cl);
	assert_int_equal(cl.nr_targets, 1);
	assert_int_equal(cl.level, 17);
	assert_int_equal(cl.nr_verify, 2);
	assert_int_equal(bp->e820_entries, 1);
	map = (void *)(copies[SEG_PARAMS] + OFFSET_E820_TABLE);
	assert_int_equal(map->addr, 0x1f000000);
	assert_int_equal(map->size, 0x100000);
	assert_int_equal(map->type, E820_RAM);
	assert_int_equal(cl.elfcorehdr, p.seg[SEG_ELFCORE].at.start);
	/* One changed byte is enough, wherever it is */
	end = 4096 + (size_t)(strstr((char *)copies[SEG_PARAMS] + 4096, " verify=0x") - (char *)copies[SEG_PARAMS] - 4096);
	for (size_t i = 0; i < end; i++)
		assert_false(verifies_with(&cl, SEG_PARAMS, i));
	for (size_t i = 0; i < p.seg[SEG_ELFCORE].data_size; i++)
		assert_false(verifies_with(&cl, SEG_ELFCORE, i));
	check_vmcore(&m, &p, cl.elfcorehdr, cl.elfcorehdr_size);
	plan_free(&p);
	machine_free(&m);
}

static void test_server(void **state)
{
	struct stub_image img = x86_image();
	const struct boot_params *bp;
	struct machine m;
	struct cmdline cl;
	struct plan p;

	(void)state;
	server();
	assert_int_equal(machine_read(&m, root, ARCH_X86_64), 0);
	assert_int_equal(machine_reservation(&m)->start, 0x107b000000);
	assert_int_equal(m.rsdp, 0x6f7fe014);
	assert_int_equal(m.notes.nr, 128);
	assert_int_equal(m.direct_map, 0);	/* no /proc/kcore */
	assert_int_equal(m.ram_end, 0x1100000000);
	assert_int_equal(m.hotplug_size, 921600);
	assert_int_equal(plan_make(&p, &m, &img, "dump=any"), 0);
	check_places(&p, machine_reservation(&m));
	/* The kernel will rewrite it: there is room, and nobody expects the bytes of today */
	assert_true(p.hotplug);
	assert_true(p.seg[SEG_ELFCORE].at.end - p.seg[SEG_ELFCORE].at.start >= p.seg[SEG_ELFCORE].data_size + 64 * 56);
	load(&p);
	bp = check_x86(&p, &img, &cl);
	assert_int_equal(cl.nr_verify, 1);
	assert_true(verifies_with(&cl, SEG_ELFCORE, 100));
	assert_int_equal(bp->e820_entries, 2);
	assert_int_equal(bp->acpi_rsdp_addr, 0x6f7fe014);
	check_vmcore(&m, &p, cl.elfcorehdr, cl.elfcorehdr_size);
	plan_free(&p);
	machine_free(&m);
}

/* Reservations from nothing to enough: what is said to be needed is enough, and what is less is refused. */
static void test_room(void **state)
{
	struct stub_image img = x86_image();
	uint64_t needs = 0;

	(void)state;
	for (uint64_t kib = 64; kib <= 1024; kib += 64) {
		char reserved[64];
		struct machine m;
		struct plan p;
		int rc;

		snprintf(reserved, sizeof(reserved), "1f000000-%llx", (unsigned long long)(0x1f000000 + (kib << 10) - 1));
		small_pc(reserved);
		/* 60 GiB, of which each needs a page table of its own */
		if (kib % 128)
			put_text("/proc/cpuinfo", "flags\t\t: fpu nx lm\n");
		assert_int_equal(machine_read(&m, root, ARCH_X86_64), 0);
		m.ram_end = kib % 128 ? 60ULL << 30 : m.ram_end;
		rc = plan_make(&p, &m, &img, "dump=any");
		needs = plan_needs(&p, &m);
		assert_int_equal(rc, kib << 10 < needs ? -ENOMEM : 0);
		assert_true(needs > KIB(384) && needs <= (kib % 128 ? KIB(576) : KIB(512)));
		plan_free(&p);
		machine_free(&m);
	}
}

static void *board(size_t *ret_size)
{
	char *tree = calloc(1, 8192);
	int chosen;

	assert_int_equal(fdt_create_empty_tree(tree, 8192), 0);
	fdt_setprop_u32(tree, 0, "#address-cells", 2);
	fdt_setprop_u32(tree, 0, "#size-cells", 2);
	fdt_setprop_string(tree, 0, "compatible", "linux,dummy-virt");
	chosen = fdt_add_subnode(tree, 0, "chosen");
	fdt_setprop_string(tree, chosen, "bootargs", "root=/dev/vda1 crashkernel=1M");
	fdt_setprop_string(tree, chosen, "stdout-path", "/pl011@9000000");
	fdt_setprop_u64(tree, chosen, "kaslr-seed", 0x1234);
	fdt_setprop_u64(tree, chosen, "linux,initrd-start", 0x48000000);
	assert_int_equal(fdt_pack(tree), 0);
	*ret_size = fdt_totalsize(tree);
	return tree;
}

static void virt(void)
{
	size_t size;
	void *tree = board(&size);

	clear();
	put_text("/proc/iomem",
		 "09000000-09000fff : pl011@9000000\n"
		 "40000000-5fffffff : System RAM\n"
		 "  42010000-4329ffff : Kernel code\n"
		 "  432a0000-4399ffff : reserved\n"
		 "  439a0000-43c9ffff : Kernel data\n"
		 "  5b400000-5b4fffff : Crash kernel\n");
	put_text("/sys/kernel/vmcoreinfo", "0x0000000045b62000 1024\n");
	put_cpu(0, 0x5fd8a600);
	put_kcore(0, 0, 0x40000000, 0xffff000000000000);
	put("/sys/firmware/fdt", tree, size);
	free(tree);
}

static void check_range(const void *tree, const char *name, struct range r)
{
	int len;
	const fdt64_t *p = fdt_getprop(tree, fdt_path_offset(tree, "/chosen"), name, &len);

	assert_non_null(p);
	assert_int_equal(len, 16);
	assert_int_equal(fdt64_ld(p), r.start);
	assert_int_equal(fdt64_ld(p + 1), r.end - r.start);
}

static void test_arm64(void **state)
{
	struct stub_image img = arm64_image();
	struct machine m;
	struct cmdline cl;
	struct plan p;
	const uint8_t *jump;
	const char *line;
	uint64_t v[2];
	char *tree;
	int chosen;

	(void)state;
	virt();
	assert_int_equal(machine_read(&m, root, ARCH_ARM64), 0);
	assert_int_equal(m.image_map, 0xffff800048000000);
	assert_int_equal(m.image.end, 0x43ca0000);
	assert_int_equal(plan_make(&p, &m, &img, "dump=any console=ttyAMA0"), 0);
	check_places(&p, machine_reservation(&m));
	assert_int_equal(p.seg[SEG_IMAGE].at.start, 0x5b400000);
	load(&p);

	tree = (char *)copies[SEG_PARAMS];
	assert_int_equal(fdt_check_full(tree, p.seg[SEG_PARAMS].data_size), 0);
	chosen = fdt_path_offset(tree, "/chosen");
	assert_null(fdt_getprop(tree, chosen, "kaslr-seed", NULL));
	assert_null(fdt_getprop(tree, chosen, "linux,initrd-start", NULL));
	assert_non_null(fdt_getprop(tree, chosen, "stdout-path", NULL));
	check_range(tree, "linux,usable-memory-range", *machine_reservation(&m));
	check_range(tree, "linux,elfcorehdr", (struct range){ p.seg[SEG_ELFCORE].at.start,
							       p.seg[SEG_ELFCORE].at.start + p.seg[SEG_ELFCORE].data_size });
	line = fdt_getprop(tree, chosen, "bootargs", NULL);
	cmdline_parse(&cl, line);
	assert_int_equal(cl.nr_complaints, 0);
	assert_int_equal(cl.nr_targets, 1);
	assert_int_equal(cl.nr_verify, 3);
	assert_true(cmdline_verify(&cl, fake_mem_read));
	/* All of the tree but the words that say so */
	for (size_t i = 0; i < fdt_totalsize(tree); i++)
		if (tree + i < strstr(line, "verify=") || tree + i >= line + strlen(line) + 1)
			assert_false(verifies_with(&cl, SEG_PARAMS, i));
	jump = copies[SEG_PARAMS] + (p.entry - p.seg[SEG_PARAMS].at.start);
	assert_true(IS_ALIGNED(p.entry, 8));
	memcpy(v, jump + 16, sizeof(v));
	assert_int_equal(v[0], p.seg[SEG_PARAMS].at.start);
	assert_int_equal(v[1], p.seg[SEG_IMAGE].at.start);
	check_vmcore(&m, &p, p.seg[SEG_ELFCORE].at.start, p.seg[SEG_ELFCORE].data_size);
	plan_free(&p);
	machine_free(&m);
}

/* Kernels with pages of 64 KiB, where crashkernel= has to be larger */
static void test_large_pages(void **state)
{
	struct stub_image img = arm64_image();
	struct machine m;
	struct plan p;

	(void)state;
	virt();
	assert_int_equal(machine_read(&m, root, ARCH_ARM64), 0);
	m.page_size = 65536;
	assert_int_equal(plan_make(&p, &m, &img, "dump=any"), 0);
	check_places(&p, machine_reservation(&m));
	for (unsigned i = 0; i < NR_SEGS; i++)
		assert_true(IS_ALIGNED(p.seg[i].at.start, 65536) && IS_ALIGNED(p.seg[i].at.end, 65536));
	plan_free(&p);
	machine_free(&m);
}

/* Words of every length up to the limit, on both architectures: they arrive whole, or are refused. */
static void test_long_words(void **state)
{
	(void)state;
	for (unsigned arm = 0; arm < 2; arm++) {
		struct stub_image img = arm ? arm64_image() : x86_image();
		struct machine m;
		size_t longest = 0;

		if (arm)
			virt();
		else
			small_pc("1f000000-1f0fffff");
		assert_int_equal(machine_read(&m, root, img.arch), 0);
		for (size_t len = 1700; len < 2050; len++) {
			char words[2100];
			struct cmdline cl;
			struct plan p;
			int rc;

			memset(words, 'x', len);
			words[len] = '\0';
			for (size_t i = 100; i < len; i += 100)
				words[i] = ' ';
			rc = plan_make(&p, &m, &img, words);
			assert_true(rc == 0 || rc == -E2BIG);
			if (!rc) {
				assert_int_equal(longest, len == 1700 ? 0 : len - 1);
				longest = len;
				load(&p);
				cmdline_parse(&cl, arm ? fdt_getprop(copies[SEG_PARAMS], fdt_path_offset(copies[SEG_PARAMS],
								     "/chosen"), "bootargs", NULL) :
					      (char *)copies[SEG_PARAMS] + 4096);
				assert_int_equal(cl.nr_verify, arm ? 3 : 2);
				assert_true(cmdline_verify(&cl, fake_mem_read));
			}
			plan_free(&p);
		}
		assert_true(longest > 1850);
		machine_free(&m);
	}
}

static void test_bad_trees(void **state)
{
	struct machine m;

	(void)state;
	/* What a user who is not root sees */
	clear();
	put_text("/proc/iomem", "00000000-00000000 : System RAM\n  00000000-00000000 : Crash kernel\n");
	assert_int_equal(machine_read(&m, root, ARCH_X86_64), -EACCES);
	machine_free(&m);
	clear();
	assert_int_equal(machine_read(&m, root, ARCH_X86_64), -ENOENT);
	machine_free(&m);
	/* crashkernel= was not given */
	put_text("/proc/iomem", "00001000-0009fbff : System RAM\n00100000-1ffdefff : System RAM\n");
	assert_int_equal(machine_read(&m, root, ARCH_X86_64), -ENOMEM);
	machine_free(&m);
	/* No CPU */
	put_text("/proc/iomem", "00100000-1ffdefff : System RAM\n  1f000000-1f0fffff : Crash kernel\n");
	assert_int_equal(machine_read(&m, root, ARCH_X86_64), -ENOENT);
	machine_free(&m);
	/* A tree that is none */
	virt();
	put_text("/sys/firmware/fdt", "not a device tree, but long enough to be looked at as one ..........");
	assert_int_equal(machine_read(&m, root, ARCH_ARM64), 0);
	{
		struct stub_image img = arm64_image();
		struct plan p;

		assert_int_equal(plan_make(&p, &m, &img, "dump=any"), -EINVAL);
		plan_free(&p);
	}
	machine_free(&m);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	clear();
	for (unsigned i = 0; i < NR_SEGS; i++)
		free(copies[i]);
	return rmdir(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pc),	   cmocka_unit_test(test_server), cmocka_unit_test(test_room),
		cmocka_unit_test(test_arm64),	   cmocka_unit_test(test_long_words),
		cmocka_unit_test(test_large_pages),
		cmocka_unit_test(test_bad_trees),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
