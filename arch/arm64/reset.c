// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ways to reset the machine: PSCI, and the register that the firmware's tables name. PSCI 1.1 §5.1.9; the
 * conduit is SMC where EL3 firmware answers and HVC where a hypervisor does. The wrong one is an undefined
 * instruction, or is answered with an error; both come back (exception.S).
 */
#include <io.h>

#include "arch/arm64/arm64.h"
#include "stub/boot/boot_info.h"
#include "stub/reset.h"
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

	if (!boot || boot->reset.method != RESET_MMIO)
		return;
	reg = arch_map_mmio(boot->reset.addr, 1);
	if (reg)
		mmio_write8(reg, boot->reset.value);
	delay_us(SETTLE_US);
}

/* By the conduit that the firmware's tables name, then by the other */
static void reset_by_psci(void)
{
	bool hvc = boot && boot->reset.method == RESET_PSCI_HVC;

	for (unsigned i = 0; i < 2; i++, hvc = !hvc) {
		if (hvc)
			psci_hvc(PSCI_SYSTEM_RESET);
		else
			psci_smc(PSCI_SYSTEM_RESET);
		delay_us(SETTLE_US);
	}
}

noreturn void arch_reset(void)
{
	static const struct reset_way ways[] = {
		{ "acpi", reset_by_firmware_table },
		{ "psci", reset_by_psci },
	};

	reset_try(ways, ARRAY_SIZE(ways), boot ? boot->reset_first : NULL);
	arch_halt();
}

noreturn void arch_halt(void)
{
	for (;;)
		__asm__ volatile("msr daifset, #0xf\n\twfi");
}
