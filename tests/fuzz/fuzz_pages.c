/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page classes and what is worth most over a made-up machine with damage: struct pages, mem_section, page
 * tables, VMCOREINFO. First byte: level, and which window of frames is classified; the rest:
 * tests/host/patch.h.
 */
/* slow: 2 */
/* needs: stub/idle.c tests/unit/fake/clock.c stub/dead/pages.c stub/dead/select.c stub/dead/kallsyms.c stub/dead/dmesg.c stub/dead/vmcore.c tests/host/machine.c tests/unit/fake/log.c tests/unit/fake/arena.c */
#include <stdlib.h>

#include "stub/dead/select.h"
#include "tests/host/patch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct patch patch;
	static struct vtop vt;
	struct select *s;
	uint64_t counts[PAGE_NR_CLASSES] = { 0 }, total = 0;

	if (!machine.ram)
		machine_build(STYLE_5_10, MODEL_EXTREME, false, 1);
	const uint64_t areas[][2] = {
		{machine.vmemmap_pa, MIB(1)}, {machine.sections_pa, 0x1100},
		{machine.pgd, 4096},	      {MIB(18), 0x8000},
		{machine.pgd + 0x10000, 512},
	};
	unsigned head = patch_take(&data, &size, 1);

	patch_apply(&patch, data, size, areas, ARRAY_SIZE(areas));
	machine.reads = 0;
	vtop_init(&vt, &machine.vc, &machine.vi);
	pages_init(&machine.vc, &machine.vi, &vt, head, NULL);
	for (uint64_t pfn = 256; pfn < MACHINE_PFNS; total++) {
		enum page_class class = pages_class(pfn);

		if (class >= PAGE_NR_CLASSES)
			abort();
		counts[class]++;
		/* all frames of one window, some of the others */
		pfn += pfn >> 10 == head >> 4 ? 1 : 1 + pfn % 97;
	}
	for (uint64_t pfn = 256; pfn < MACHINE_PFNS; pfn++) {
		uint64_t stop = pages_kept_until(pfn, MACHINE_PFNS);

		if (stop < pfn || stop > MACHINE_PFNS)
			abort();
		/* Nothing to be found here at these levels */
		if (head & LEVEL_MAX & ~LEVEL_ZERO)
			break;
		pfn = stop;
	}
	pages_check(counts, total);
	s = select_take(&machine.vc, &machine.vi, &vt);
	/* It looks through the whole image, which takes longer than all else here */
	if (size % 8 == 0)
		select_build(s);
	if ((unsigned)select_pass(s, head * 64, PAGE_USER) >= SELECT_NR_PASSES)
		abort();
	patch_undo(&patch);
	if (machine.stray || machine.reads > 17000000)
		abort();
	return 0;
}
