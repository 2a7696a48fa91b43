// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/boot/cmdline.c */
/* Any command line: bounded results, printable complaints, and kexec's own word always arrives. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "stub/boot/cmdline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cmdline cl;

static void check_uart(const struct uart_spec *u)
{
	assert(u->type <= UART_PL011);
	assert(u->baud == 0 || (u->baud >= 50 && u->baud <= 16000000));
	assert(u->type == UART_NONE ? u->addr == 0 : u->addr != 0 && u->addr < BIT(52));
	if (u->type == UART_16550_IO)
		assert(u->addr <= 0x10000 - 8);
}

static void check(void)
{
	assert(cl.nr_targets <= CMDLINE_MAX_TARGETS);
	for (unsigned i = 0; i < cl.nr_targets; i++) {
		const struct target_spec *t = &cl.targets[i];

		assert(t->kind <= TARGET_ANY);
		assert(memchr(t->text, 0, sizeof(t->text)) && t->text[0]);
		if (t->kind == TARGET_UART)
			check_uart(&t->uart);
		if (t->mbr)
			assert(t->kind == TARGET_PARTUUID && t->mbr_index > 0);
	}
	assert(cl.level <= 31);
	assert(cl.compress == 0 || cl.compress == 2);
	assert(cl.after <= AFTER_GDB);
	assert(memchr(cl.serve.text, 0, sizeof(cl.serve.text)) && cl.serve_timeout_s);
	assert(!cl.serve.text[0] || cl.serve.kind == TARGET_UART);
	check_uart(&cl.serve.uart);
	assert(memchr(cl.console_name, 0, sizeof(cl.console_name)));
	assert(cl.console_given == (cl.console_name[0] || cl.console_spec.type != UART_NONE));
	assert(!cl.console_name[0] || cl.console_spec.type == UART_NONE);
	check_uart(&cl.console_spec);
	assert(cl.elfcorehdr < BIT(52) &&
	       range_inside(cl.elfcorehdr, cl.elfcorehdr_size, 0, BIT(52)));
	assert(cl.rsdp < BIT(52));
	assert(cl.nr_virtio_mmio <= BOOT_MAX_VIRTIO_MMIO);
	for (unsigned i = 0; i < cl.nr_virtio_mmio; i++)
		assert(cl.virtio_mmio[i].size >= 0x100 &&
		       range_inside(cl.virtio_mmio[i].addr, cl.virtio_mmio[i].size, 1, BIT(52)));
	assert(cl.nr_complaints <= ARRAY_SIZE(cl.complaints));
	for (unsigned i = 0; i < cl.nr_complaints; i++) {
		const char *c = cl.complaints[i];
		size_t len = strnlen(c, sizeof(cl.complaints[i]));

		assert(len > 0 && len < sizeof(cl.complaints[i]));
		for (size_t k = 0; k < len; k++)
			assert(c[k] >= 0x20 && c[k] < 0x7f);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char added[] = " elfcorehdr=508276K";
	char *text = malloc(size + sizeof(added));

	memcpy(text, data, size);
	text[size] = 0;
	memset(&cl, 0xa5, sizeof(cl));
	cmdline_parse(&cl, text);
	check();

	memcpy(text + strlen(text), added, sizeof(added));
	cmdline_parse(&cl, text);
	check();
	assert(cl.elfcorehdr == 508276 * 1024ULL && cl.elfcorehdr_size == 0);
	free(text);
	return 0;
}
