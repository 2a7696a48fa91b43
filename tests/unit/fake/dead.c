// SPDX-License-Identifier: GPL-2.0-or-later
#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "stub/dead/dmesg.h"
#include "tests/unit/fake/dead.h"

#define HEADER_AT   0x100000u /* not RAM */
#define HIGH_SOURCE 0x80000u
#define NOTES_AT    (DEAD_LOW + 0x14000u)
#define NOTE_BYTES  1024u

phys_addr_t fake_dead_lost;
const char *fake_dead_log;
unsigned fake_dead_log_times;

static uint8_t low[DEAD_LOW_END - DEAD_LOW], high[DEAD_HIGH_END - DEAD_HIGH], header[4096];
static struct memory_range ranges[16];
static struct vmcoreinfo vi;
static struct capture capture;

uint8_t *fake_dead_ram(phys_addr_t pa)
{
	if (range_inside(pa, 1, DEAD_LOW, DEAD_LOW_END))
		return low + (pa - DEAD_LOW);
	assert(range_inside(pa, 1, DEAD_HIGH, DEAD_HIGH_END));
	return high + (pa - DEAD_HIGH);
}

static int read_mem(void *dst, phys_addr_t pa, size_t len)
{
	if (range_inside(pa, len, HEADER_AT, HEADER_AT + sizeof(header))) {
		memcpy(dst, header + (pa - HEADER_AT), len);
		return 0;
	}
	/* Only what the elfcorehdr calls RAM, where it says that the bytes are */
	if (range_inside(pa, len, HIGH_SOURCE, HIGH_SOURCE + sizeof(high)))
		pa = pa - HIGH_SOURCE + DEAD_HIGH;
	else
		assert(range_inside(pa, len, DEAD_LOW, DEAD_LOW_END));
	if (fake_dead_lost && pa < fake_dead_lost + 4096 && fake_dead_lost < pa + len)
		return -EFAULT;
	memcpy(dst, fake_dead_ram(pa), len);
	return 0;
}

int dmesg_emit(struct vtop *vt, const struct vmcoreinfo *info, unsigned skip_to_last,
	       int (*emit)(void *ctx, const char *text, size_t len), void *ctx)
{
	int r = 0;

	assert(vt == &capture.vt && info == &vi);
	if (!fake_dead_log)
		return -ENOENT;
	for (unsigned i = 0; i < (skip_to_last ? 1 : fake_dead_log_times) && r >= 0; i++)
		r = emit(ctx, fake_dead_log, strlen(fake_dead_log));
	return r < 0 ? r : 1;
}

static size_t put_note(phys_addr_t at, const char *name, uint32_t type, const void *desc,
		       size_t len)
{
	Elf64_Nhdr h = {(uint32_t)strlen(name) + 1, (uint32_t)len, type};
	uint8_t *p = fake_dead_ram(at);

	memcpy(p, &h, sizeof(h));
	strcpy((char *)p + sizeof(h), name);
	memcpy(p + sizeof(h) + ALIGN_UP(h.n_namesz, 4), desc, len);
	return sizeof(h) + ALIGN_UP(h.n_namesz, 4) + ALIGN_UP(len, 4);
}

static void put_entry(phys_addr_t table, unsigned i, uint64_t entry)
{
	memcpy(fake_dead_ram(table + 8 * i), &entry, 8);
}

/*
 * Word n of CPU c's registers: c + 1 in every byte of the upper half, n in every byte of the lower
 */
static void put_cpu(unsigned cpu, uint32_t pid)
{
	uint8_t prstatus[336] = {0};

	memcpy(prstatus + 32, &pid, 4);
	for (unsigned i = 0; i < 27; i++) {
		memset(prstatus + 112 + 8 * i, (int)i, 4);
		memset(prstatus + 112 + 8 * i + 4, (int)cpu + 1, 4);
	}
	put_note(NOTES_AT + cpu * NOTE_BYTES, "CORE", 1, prstatus, sizeof(prstatus));
}

static void build(unsigned cpus)
{
	static const char info[] =
		"OSRELEASE=6.1.0\nPAGESIZE=4096\nNUMBER(phys_base)=-436142080\n"
		"SYMBOL(swapper_pg_dir)=ffffffff9a002000\nSYMBOL(_stext)=ffffffff9a000000\nKERNELOFFSET=19000000\n";
	Elf64_Ehdr *e = (void *)header;
	Elf64_Phdr *p = (void *)(header + sizeof(*e));
	size_t len;

	for (unsigned i = 0; i < sizeof(low); i++)
		low[i] = (uint8_t)(i * 7 + i / 251);
	for (unsigned i = 0; i < sizeof(high); i++)
		high[i] = (uint8_t)(i * 5 + i / 241);
	memset(fake_dead_ram(0x12000), 0, 0x4000);
	memset(fake_dead_ram(NOTES_AT), 0, 0x2000);
	put_entry(0x12000, 402, 0x13067);
	put_entry(0x13000, 0, 0x14067);
	put_entry(0x14000, 0, 0x15067);
	put_entry(0x15000, 0, DEAD_FIRST | 0x67);
	put_entry(0x15000, 1, DEAD_SECOND | 0x67);
	put_entry(0x15000, 3, 0x30067);
	put_entry(0x15000, 4, DEAD_FOURTH | 0x67);
	for (unsigned i = 0; i < cpus; i++)
		put_cpu(i, i == 1 ? 345 : 0);
	*e = (Elf64_Ehdr){.e_type = ET_CORE,
			  .e_machine = EM_X86_64,
			  .e_version = 1,
			  .e_phoff = sizeof(*e),
			  .e_ehsize = 64,
			  .e_phentsize = 56,
			  .e_phnum = 7};
	memcpy(e->e_ident, "\177ELF\2\1\1", 7);
	for (unsigned i = 0; i < 3; i++)
		p[i] = (Elf64_Phdr){PT_NOTE,	0, NOTES_AT + i * NOTE_BYTES, 0, 0, NOTE_BYTES,
				    NOTE_BYTES, 0};
	len = put_note(NOTES_AT + 3 * NOTE_BYTES, "VMCOREINFO", 0, info, sizeof(info) - 1);
	p[3] = (Elf64_Phdr){PT_NOTE, 0, NOTES_AT + 3 * NOTE_BYTES, 0, 0, len, len, 0};
	p[4] = (Elf64_Phdr){PT_LOAD, 7, DEAD_LOW, DEAD_IMAGE, DEAD_LOW, 0x8000, 0x8000, 0};
	p[5] = (Elf64_Phdr){PT_LOAD,  7,	   DEAD_LOW,	0xffff888000000000ULL + DEAD_LOW,
			    DEAD_LOW, sizeof(low), sizeof(low), 0};
	p[6] = (Elf64_Phdr){PT_LOAD,	  7,
			    HIGH_SOURCE,  0xffff888000000000ULL + DEAD_HIGH,
			    DEAD_HIGH,	  sizeof(high),
			    sizeof(high), 0};
}

struct capture *fake_dead_open(unsigned cpus)
{
	struct capture *c = &capture;

	build(cpus);
	fake_dead_lost = 0;
	fake_dead_log = "[    1.000000] first\n[    2.000000] CPU: 0 PID: 7 Comm: x\n"
			"[    3.000000] CPU: 1 UID: 0 PID: 345 Comm: sh Not tainted\n";
	fake_dead_log_times = 1;
	memset(c, 0, sizeof(*c));
	c->vi = &vi;
	c->vc.max_ranges = ARRAY_SIZE(ranges);
	c->vc.ranges = ranges;
	c->vc.read = read_mem;
	assert(!vmcore_open(&c->vc, HEADER_AT, 0) && !vmcore_parse(&c->vc, 0, 0));
	assert(c->vc.nr_cpus == cpus);
	c->vc.page_size = 4096;
	vi.len = (size_t)vmcore_copy_vmcoreinfo(&c->vc, vi.text, sizeof(vi.text));
	assert(!vtop_init(&c->vt, &c->vc, &vi));
	return c;
}
