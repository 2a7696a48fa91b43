// SPDX-License-Identifier: GPL-2.0-or-later
/* System V ABI, chapters 4 and 5, as linux kernel/crash_core.c crash_prepare_elf64_headers() uses it. */
#include "tools/load/elfcore.h"

#include <elf.h>
#include <string.h>

#include "tools/util.h"

/* p_offset is the physical address: all stays where it is. @map: virtual less physical address, 0: not known */
static void add(Elf64_Phdr **p, uint32_t type, struct range r, uint64_t map)
{
	*(*p)++ = (Elf64_Phdr){
		.p_type = type,
		.p_flags = type == PT_LOAD ? PF_R | PF_W | PF_X : 0,
		.p_offset = r.start,
		.p_vaddr = map ? r.start + map : 0,
		.p_paddr = r.start,
		.p_filesz = r.end - r.start,
		.p_memsz = r.end - r.start,
	};
}

void *elfcore_build(const struct machine *m, size_t *ret_size)
{
	bool image = m->image_map && m->image.end;
	size_t nr = m->notes.nr + (size_t)!!m->vmcoreinfo.end + image + m->ram.nr;
	size_t size = sizeof(Elf64_Ehdr) + nr * sizeof(Elf64_Phdr);
	Elf64_Ehdr *e;
	Elf64_Phdr *p;

	if (nr >= PN_XNUM) {
		fail(0, "%zu CPUs and pieces of memory are more than an elfcorehdr can have", nr);
		return NULL;
	}
	e = must_alloc(1, size);
	memcpy(e->e_ident, ELFMAG, SELFMAG);
	e->e_ident[EI_CLASS] = ELFCLASS64;
	e->e_ident[EI_DATA] = ELFDATA2LSB;
	e->e_ident[EI_VERSION] = EV_CURRENT;
	e->e_type = ET_CORE;
	e->e_machine = m->arch == ARCH_X86_64 ? EM_X86_64 : EM_AARCH64;
	e->e_version = EV_CURRENT;
	e->e_phoff = sizeof(*e);
	e->e_ehsize = sizeof(*e);
	e->e_phentsize = sizeof(*p);
	e->e_phnum = (uint16_t)nr;

	p = (Elf64_Phdr *)(e + 1);
	for (unsigned i = 0; i < m->notes.nr; i++)
		add(&p, PT_NOTE, m->notes.v[i], 0);
	if (m->vmcoreinfo.end)
		add(&p, PT_NOTE, m->vmcoreinfo, 0);
	if (image)
		add(&p, PT_LOAD, m->image, m->image_map);
	for (unsigned i = 0; i < m->ram.nr; i++)
		add(&p, PT_LOAD, m->ram.v[i], m->direct_map);
	*ret_size = size;
	return e;
}
