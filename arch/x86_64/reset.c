/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ways to reset the machine, the best first: what the firmware names, the chipset's reset control
 * register, the keyboard controller, a triple fault. Each gets a moment to act before the next is
 * tried; behind the last there is none. EFI's ResetSystem is not among them: it is code of
 * the firmware's, at addresses that the dead kernel gave it, and a call of it has no bound.
 */
#include <io.h>

#include "arch/x86_64/x86.h"
#include "stub/arch.h"
#include "stub/boot/boot_info.h"
#include "stub/reset.h"
#include "stub/timeout.h"

#define SETTLE_US	50000

#define PCI_CONFIG_ADDRESS	0xcf8
#define PCI_CONFIG_DATA		0xcfc
#define PCI_CONFIG_ENABLE	BIT(31)

/*
 * ICH datasheet §13.7.5: RST_CPU on its 0 to 1 edge, SYS_RST chooses a hard reset, FULL_RST also
 * cycles power
 */
#define RST_CNT			0xcf9
#define RST_CNT_SYS_RST		0x02
#define RST_CNT_RST_CPU		0x04
#define RST_CNT_FULL_RST	0x08

#define KBC_STATUS		0x64	/* read */
#define KBC_COMMAND		0x64	/* write */
#define KBC_STATUS_IBF		0x02	/* input buffer full */
#define KBC_PULSE_RESET		0xfe
#define KBC_WAIT_US		10000

static const struct boot_info *boot;

void reset_init(const struct boot_info *bi)
{
	boot = bi;
}

/*
 * ACPI 6.4 §4.8.3.6: the register may lie in I/O space, memory, or configuration space of a
 * function on bus 0.
 */
static void reset_by_firmware_table(void)
{
	const struct reset_spec *r;
	void *reg;

	if (!boot)
		return;
	r = &boot->reset;
	switch (r->method) {
	case RESET_IO:
		pio_write8((uint16_t)r->addr, r->value);
		break;
	case RESET_MMIO:
		/* The window that always has room: nobody reads configuration space any more. */
		reg = arch_map_config(r->addr);
		if (!reg)
			return;
		mmio_write8(reg, r->value);
		break;
	case RESET_PCI_CONFIG:
		pio_write32(PCI_CONFIG_ADDRESS,
			    PCI_CONFIG_ENABLE | FIELD_GET(GENMASK(36, 32), r->addr) << 11 |
				    FIELD_GET(GENMASK(18, 16), r->addr) << 8 | (r->addr & 0xfc));
		pio_write8(PCI_CONFIG_DATA + (r->addr & 3), r->value);
		break;
	default:
		return;
	}
	delay_us(SETTLE_US);
}

static void reset_by_chipset(void)
{
	uint8_t v = pio_read8(RST_CNT) & ~(RST_CNT_SYS_RST | RST_CNT_RST_CPU | RST_CNT_FULL_RST);

	pio_write8(RST_CNT, v | RST_CNT_SYS_RST);
	delay_us(50);
	pio_write8(RST_CNT, v | RST_CNT_SYS_RST | RST_CNT_RST_CPU);
	delay_us(SETTLE_US);
	pio_write8(RST_CNT, v | RST_CNT_SYS_RST);
	pio_write8(RST_CNT, v | RST_CNT_SYS_RST | RST_CNT_RST_CPU | RST_CNT_FULL_RST);
	delay_us(SETTLE_US);
}

static void reset_by_keyboard(void)
{
	(void)poll_until_us(!(pio_read8(KBC_STATUS) & KBC_STATUS_IBF), KBC_WAIT_US);
	pio_write8(KBC_COMMAND, KBC_PULSE_RESET);
	delay_us(SETTLE_US);
}

noreturn void reset_triple_fault(void)
{
	static const struct desc_ptr none;

	lidt(&none);
	__asm__ volatile("int3");
	arch_halt();
}

noreturn void arch_reset(void)
{
	static const struct reset_way ways[] = {
		{ "acpi", reset_by_firmware_table },
		{ "cf9", reset_by_chipset },
		{ "kbd", reset_by_keyboard },
		{ "triple", reset_triple_fault },
	};

	reset_try(ways, ARRAY_SIZE(ways), boot ? boot->reset_first : NULL);
	reset_triple_fault();
}

noreturn void arch_halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}
