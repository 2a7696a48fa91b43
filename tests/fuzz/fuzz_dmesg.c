/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log reader over a made-up machine with damage to the log, its variables and VMCOREINFO. First
 * byte: which kind of log, and how many of the last records; the rest: tests/host/patch.h.
 */
/* needs: stub/idle.c tests/unit/fake/clock.c stub/dead/dmesg.c stub/dead/vmcore.c tests/host/machine.c tests/unit/fake/log.c */
#include <stdlib.h>

#include "stub/dead/dmesg.h"
#include "tests/host/patch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count(void *ctx, const char *text, size_t len)
{
	(void)text;
	if (!len || len > 1024)
		abort();
	*(uint64_t *)ctx += len;
	return 0;
}

/* Only that it ends matters */
static void ignore(void *ctx, uint64_t va, uint64_t len)
{
	*(uint64_t *)ctx ^= va + len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct { unsigned char *ram; struct vmcoreinfo vi; } kinds[2];
	static struct patch patch;
	static struct vtop vt;
	uint64_t bytes = 0, sum = 0;

	for (unsigned i = 0; !kinds[1].ram; i++) {
		machine.ram = NULL;
		machine_build(i ? STYLE_4_19 : STYLE_5_10, MODEL_EXTREME, false, 1);
		kinds[i].ram = machine.ram;
		kinds[i].vi = machine.vi;
	}
	const uint64_t areas[][2] = {
		{machine.log_pa, 0xd000}, {machine.pgd + 0x10000, 512}, {MIB(18), 0x8000}};
	unsigned head = patch_take(&data, &size, 1);

	machine.ram = kinds[head % 2].ram;
	machine.vi = kinds[head % 2].vi;
	patch_apply(&patch, data, size, areas, ARRAY_SIZE(areas));
	machine.reads = 0;
	vtop_init(&vt, &machine.vc, &machine.vi);
	dmesg_emit(&vt, &machine.vi, head / 2, count, &bytes);
	dmesg_ranges(&vt, &machine.vi, ignore, &sum);
	patch_undo(&patch);
	/* a ring of 2^27 bytes, escaped and indented */
	if (machine.stray || machine.reads > 18000000 || bytes > BIT(27) * 16)
		abort();
	return 0;
}
