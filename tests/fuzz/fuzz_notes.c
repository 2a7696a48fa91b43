// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/idle.c tests/unit/fake/clock.c stub/dead/vmcore.c tests/unit/fake/log.c */
/*
 * Hostile notes behind a good elfcorehdr, which may change between the look that announces their
 * size and the one that copies them: the dead machine's devices may still write to its memory.
 */
#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stub/dead/vmcore.h"
#include "stub/format/vmcoreinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HDR  0x1000ULL
#define BASE 0x100000ULL
#define SEGS 6

struct control {
	struct {
		uint16_t offset, len; /* of a PT_NOTE in the memory at BASE */
	} seg[SEGS];
	uint16_t change_at, change_len; /* these bytes change after the first look */
	uint8_t change_xor;
	uint8_t fail; /* they cannot be read any more */
};

static struct {
	Elf64_Ehdr e;
	Elf64_Phdr p[SEGS + 1];
} header;
static struct memory_range ranges[16];
static struct vmcore vc;
static struct vmcoreinfo vi;
static const uint8_t *blob;
static size_t blob_len;
static struct control ctl;
static bool changed;

static int read_mem(void *dst, phys_addr_t pa, size_t len)
{
	uint8_t *p = dst;

	if (range_inside(pa, len, HDR, HDR + sizeof(header))) {
		memcpy(dst, (uint8_t *)&header + (pa - HDR), len);
		return 0;
	}
	/* what the header calls RAM, and not a byte beyond */
	assert(range_inside(pa, len, BASE, BASE + 65536));
	for (size_t i = 0; i < len; i++) {
		size_t at = pa - BASE + i;
		bool hit = changed &&
			   range_inside(at, 1, ctl.change_at, ctl.change_at + ctl.change_len);

		if (hit && ctl.fail & 1)
			return -EFAULT;
		p[i] = (at < blob_len ? blob[at] : 0) ^ (hit ? ctl.change_xor : 0);
	}
	return 0;
}

static uint8_t merged[SEGS * 65536 + 65536];
static size_t merged_len;

static int collect(void *ctx, const void *buf, size_t len)
{
	(void)ctx;
	assert(merged_len + len <= vc.notes_size);
	memcpy(merged + merged_len, buf, len);
	merged_len += len;
	return 0;
}

/* The notes that a reader of the dump would find, by the rules of drgn and crash */
static unsigned count_prstatus(void)
{
	unsigned nr = 0;
	size_t at = 0;

	while (merged_len - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr h;
		size_t left = merged_len - at - sizeof(h), name, desc;

		memcpy(&h, merged + at, sizeof(h));
		name = ALIGN_UP((uint64_t)h.n_namesz, 4);
		desc = ALIGN_UP((uint64_t)h.n_descsz, 4);
		assert(name <= left && desc <= left - name);
		if (h.n_type == NT_PRSTATUS && h.n_descsz > 0 && h.n_namesz >= 4 &&
		    memcmp(merged + at + sizeof(h), "CORE", 4) == 0 &&
		    (h.n_namesz == 4 || merged[at + sizeof(h) + 4] == 0))
			nr++;
		at += sizeof(h) + name + desc;
	}
	assert(at == merged_len);
	return nr;
}

static void look_up(void)
{
	static const char *const names[] = {"x", "page", "page.flags", "PG_lru", "init_uts_ns", ""};
	char text[16];
	uint64_t u;
	int64_t n;
	int len = vmcore_copy_vmcoreinfo(&vc, vi.text, sizeof(vi.text));

	if (len < 0)
		return;
	assert((size_t)len == strlen(vi.text) && (size_t)len < sizeof(vi.text));
	vi.len = len;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		vmcoreinfo_symbol(&vi, names[i], &u);
		vmcoreinfo_size(&vi, names[i], &u);
		vmcoreinfo_offset(&vi, names[i], &u);
		vmcoreinfo_length(&vi, names[i], &u);
		vmcoreinfo_number(&vi, names[i], &n);
		memset(text, 'x', sizeof(text));
		if (vmcoreinfo_string(&vi, names[i], text, sizeof(text)) == 0)
			assert(strlen(text) < sizeof(text) && !strchr(text, '\n'));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t regs[32];
	unsigned cpus = 0;

	if (size < sizeof(ctl))
		return 0;
	memcpy(&ctl, data, sizeof(ctl));
	blob = data + sizeof(ctl);
	blob_len = size - sizeof(ctl);
	changed = false;

	memset(&header, 0, sizeof(header));
	memcpy(header.e.e_ident, ELFMAG "\2\1\1", 7);
	header.e.e_type = ET_CORE;
	header.e.e_machine = EM_X86_64;
	header.e.e_phoff = sizeof(header.e);
	header.e.e_phentsize = sizeof(Elf64_Phdr);
	header.e.e_phnum = SEGS + 1;
	for (int i = 0; i < SEGS; i++)
		header.p[i] = (Elf64_Phdr){.p_type = PT_NOTE,
					   .p_offset = BASE + ctl.seg[i].offset,
					   .p_filesz = ctl.seg[i].len};
	header.p[SEGS] = (Elf64_Phdr){.p_type = PT_LOAD,
				      .p_offset = BASE,
				      .p_paddr = BASE,
				      .p_filesz = 65536,
				      .p_memsz = 65536};
	vc = (struct vmcore){ .max_ranges = ARRAY_SIZE(ranges), .ranges = ranges };
	vc.read = read_mem;
	assert(vmcore_open(&vc, HDR, sizeof(header)) == 0 && vmcore_parse(&vc, 0, 0) == 0);

	merged_len = 0;
	assert(vmcore_notes(&vc, collect, NULL) == 0);
	assert(merged_len == vc.notes_size);
	assert(count_prstatus() == vc.nr_cpus);
	while (vmcore_prstatus(&vc, cpus, regs, sizeof(regs)) >= 0)
		cpus++;
	assert(cpus == vc.nr_cpus);
	look_up();

	changed = true;
	merged_len = 0;
	assert(vmcore_notes(&vc, collect, NULL) == 0);
	assert(merged_len == vc.notes_size);
	if (vc.vmcoreinfo_size) {
		assert(range_inside(vc.vmcoreinfo_offset, vc.vmcoreinfo_size, 24, vc.notes_size));
		assert(memcmp(merged + vc.vmcoreinfo_offset - 12, "VMCOREINFO\0", 12) == 0);
	}
	for (cpus = 0; cpus < 10; cpus++)
		vmcore_prstatus(&vc, cpus, regs, sizeof(regs));
	look_up();
	return 0;
}
