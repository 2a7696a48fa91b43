// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ways to reset the machine: what the firmware tables name, then PSCI by either conduit. PSCI 1.1
 * §5.1.9; the conduit is SMC where EL3 firmware answers and HVC where a hypervisor does. The wrong
 * one is an undefined instruction, or is answered with an error; both come back (exception.S).
 */
#include <io.h>

#include "arch/arm64/arm64.h"
#include "stub/boot/boot_info.h"
#include "stub/timeout.h"

#define SETTLE_US	100000	/* what a reset may take to happen before the next way is tried */

static const struct boot_info *boot;

void reset_init(const struct boot_info *bi)
{
	boot = bi;
}

static void reset_by_firmware_table(void)
{
	void *reg;

	if (!boot)
		return;
	switch (boot->reset.method) {
	case RESET_PSCI_HVC:
		psci_hvc(PSCI_SYSTEM_RESET);
		break;
	case RESET_PSCI_SMC:
		psci_smc(PSCI_SYSTEM_RESET);
		break;
	case RESET_MMIO:
		reg = arch_map_mmio(boot->reset.addr, 1);
		if (reg)
			mmio_write8(reg, boot->reset.value);
		break;
	default:
		return;
	}
	delay_us(SETTLE_US);
}

static void reset_by_smc(void)
{
	psci_smc(PSCI_SYSTEM_RESET);
	delay_us(SETTLE_US);
}

static void reset_by_hvc(void)
{
	psci_hvc(PSCI_SYSTEM_RESET);
	delay_us(SETTLE_US);
}

noreturn void arch_reset(void)
{
	static unsigned next;

	/*
	 * A fault in one of them brings us here again (exception.c), and then it is the next one's
	 * turn.
	 */
	for (;;) {
		switch (next++) {
		case 0:
			reset_by_firmware_table();
			break;
		case 1:
			reset_by_smc();
			break;
		case 2:
			reset_by_hvc();
			break;
		default:
			arch_halt();
		}
	}
}

noreturn void arch_halt(void)
{
	for (;;)
		__asm__ volatile("msr daifset, #0xf\n\twfi");
}
