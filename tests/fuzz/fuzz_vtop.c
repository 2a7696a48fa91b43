/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address translation over a made-up machine with damaged page tables and VMCOREINFO. First byte:
 * four or five levels; then an address; the rest: tests/host/patch.h.
 */
/* needs: stub/idle.c tests/unit/fake/clock.c stub/dead/vmcore.c tests/host/machine.c tests/unit/fake/log.c */
#include <stdlib.h>

#include "tests/host/patch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int visit(void *ctx, phys_addr_t pa, uint64_t size)
{
	(void)pa;
	(void)size;
	return ++*(unsigned *)ctx > 131072 ? abort(), 1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct { unsigned char *ram; struct vmcoreinfo vi; uint64_t vmemmap; } kinds[2];
	static unsigned char buf[9000];
	static struct patch patch;
	static struct vtop vt;
	unsigned tables = 0;

	for (unsigned i = 0; !kinds[1].ram; i++) {
		machine.ram = NULL;
		machine_build(STYLE_5_10, MODEL_EXTREME, i, 1);
		kinds[i].ram = machine.ram;
		kinds[i].vi = machine.vi;
		kinds[i].vmemmap = machine.vmemmap;
	}
	const uint64_t areas[][2] = { { machine.pgd, 4096 }, { MIB(18), 0x8000 } };
	unsigned head = patch_take(&data, &size, 1);
	uint64_t va = patch_take(&data, &size, 8), pa, len;

	machine.ram = kinds[head % 2].ram;
	machine.vi = kinds[head % 2].vi;
	patch_apply(&patch, data, size, areas, ARRAY_SIZE(areas));
	machine.reads = 0;
	vtop_init(&vt, &machine.vc, &machine.vi);
	uint64_t addresses[] = {va, kinds[head % 2].vmemmap + va % MIB(70),
				0xffff888000000000 + va % MIB(64),
				0xffffffff80000000 + va % MIB(64), va | BIT(63)};

	for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
		if (vtop(&vt, addresses[i], &pa, &len) == 0 && !len)
			abort();
		vtop_read(&vt, buf, addresses[i], va % sizeof(buf));
	}
	if (vt.levels > 5)
		abort();
	vtop_tables(&vt, visit, &tables);
	patch_undo(&patch);
	if (machine.stray || machine.reads > 64 * 131072 + 100000)
		abort();
	return 0;
}
