// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The TCO timer of Intel's chipsets, "iTCO" in Linux, which counts five hardware versions that PCI
 * configuration space leads to (its version 5 is known to the DSDT alone, and those machines have a
 * WDAT). It counts down twice; the end of the second time resets. Specifications: Intel 290655 (ICH,
 * v1), 313056 (ICH8, v2), 332690 (100 Series, v4), 337347 (300 Series, v6), each "TCO registers".
 */
#include <errno.h>
#include <io.h>

#include "drivers/pci.h"
#include "drivers/watchdog/watchdog.h"

#define INTEL		0x8086
#define LPC_BRIDGE	(31 << 3)	/* device 31, function 0, class ISA bridge */
#define CLASS_ISA	0x060100
#define SMBUS		(31 << 3 | 4)	/* function 4 since v4 */
#define CLASS_SMBUS	0x0c0500

/* LPC bridge */
#define LPC_PMBASE	0x40
#define PMBASE		GENMASK(15, 7)
#define PMBASE_TCO	0x60
#define LPC_GEN_STA	0xd4		/* v1 */
#define GEN_STA_NO_REBOOT BIT(1)
#define LPC_RCBA	0xf0		/* v2 */
#define RCBA		GENMASK(31, 14)
#define RCBA_GCS	0x3410
#define GCS_NO_REBOOT	BIT(5)
#define LPC_PMC		0x44		/* v3 */
#define PMC		GENMASK(31, 9)
#define PMC_CFG		0x08
#define PMC_NO_REBOOT	BIT(4)
#define BASE_ENABLE	BIT(0)		/* of RCBA; I/O space in all the others */
#define PMC_ENABLE	BIT(1)

/* SMBus controller, v4 and v6 */
#define SMBUS_TCOBASE	0x50
#define TCOBASE		GENMASK(15, 5)
#define SMBUS_TCOCTL	0x54
#define TCOCTL_ENABLE	BIT(8)

#define TCO_RLD		0x00		/* any write: begin anew */
#define TCO_TMR_V1	0x01		/* 8 bits */
#define TMR_V1		GENMASK(5, 0)
#define TCO1_STS	0x04
#define STS_TIMEOUT	BIT(3)		/* has counted down once; 1 clears */
#define TCO1_CNT	0x08
#define CNT_NO_REBOOT	BIT(0)		/* v6; reserved, 0, before */
#define CNT_HALT	BIT(11)
#define TCO_TMR		0x12
#define TMR		GENMASK(9, 0)
#define TCO_LEN		0x20

static uint16_t tco;			/* first of its ports */
static unsigned version;		/* Linux's number; 4 for 6 as well */

static bool no_reboot(const struct watchdog_env *env, const struct pci_dev *lpc)
{
	bool v3 = version == 3;
	struct watchdog_reg reg;
	uint32_t base;

	if (version == 1)
		return pci_read32(lpc, LPC_GEN_STA) & GEN_STA_NO_REBOOT;
	base = pci_read32(lpc, v3 ? LPC_PMC : LPC_RCBA);
	return !(base & (v3 ? PMC_ENABLE : BASE_ENABLE)) ||
	       watchdog_map(env, false, v3 ? (base & PMC) + PMC_CFG : (base & RCBA) + RCBA_GCS, 4, 4, &reg) ||
	       watchdog_read(&reg, 0, 4) & (v3 ? PMC_NO_REBOOT : GCS_NO_REBOOT);
}

/* By the identity of the LPC bridge: ICH to ICH5 and 6300ESB; Bay Trail, Braswell, Avoton; others */
static unsigned version_of(uint16_t device)
{
	if (device >= 0x2400 && device < 0x2600)
		return 1;
	if (device == 0x0f1c || device == 0x229c || (device >= 0x1f38 && device <= 0x1f3b))
		return 3;
	return 2;
}

/* The function at @devfn of the first bus, if it is Intel's of this class */
static bool get_function(const struct watchdog_env *env, unsigned devfn, uint32_t class_code,
			 struct pci_dev *ret)
{
	static struct pci_host first_bus;
	const struct boot_info *bi = env->bi;

	for (unsigned i = 0; i < bi->nr_pci_hosts; i++) {
		first_bus = bi->pci_hosts[i];
		first_bus.bus_end = 0;
		if (!first_bus.segment && !first_bus.bus_start && !pci_find(&first_bus, devfn, ret) &&
		    pci_position(ret) == devfn && ret->vendor == INTEL && ret->class_code == class_code)
			return true;
	}
	return false;
}

static bool find_registers(const struct watchdog_env *env)
{
	struct watchdog_reg reg;
	struct pci_dev pci;
	uint32_t base;

	if (get_function(env, SMBUS, CLASS_SMBUS, &pci)) {
		version = 4;
		base = pci_read32(&pci, SMBUS_TCOBASE);
		if (!(pci_read32(&pci, SMBUS_TCOCTL) & TCOCTL_ENABLE))
			return false;
		tco = base & TCOBASE;
	} else if (get_function(env, LPC_BRIDGE, CLASS_ISA, &pci)) {
		version = version_of(pci.device);
		base = pci_read32(&pci, LPC_PMBASE);
		if (!(base & PMBASE) || no_reboot(env, &pci))
			return false;
		tco = (base & PMBASE) + PMBASE_TCO;
	} else {
		return false;
	}
	return base != UINT32_MAX && base & BASE_ENABLE && !watchdog_map(env, true, tco, TCO_LEN, 4, &reg);
}

static bool feed(void)
{
	if (version == 1) {
		/* Having counted down once is remembered there */
		pio_write16(tco + TCO1_STS, STS_TIMEOUT);
		pio_write8(tco + TCO_RLD, 1);
	} else {
		pio_write16(tco + TCO_RLD, 1);
	}
	return false;
}

/* Twice the timer; its ticks are 0.6 s, or 1 s with v3 */
static uint32_t ms(uint32_t ticks)
{
	return ticks * 2 * (version == 3 ? 1000 : 600);
}

static int probe(const struct watchdog_env *env, struct watchdog_time *ret)
{
	uint16_t cnt, timer, mask;
	uint32_t goal;

	if (!find_registers(env))
		return -ENOENT;
	cnt = pio_read16(tco + TCO1_CNT);
	if (cnt == 0xffff || cnt & (CNT_HALT | CNT_NO_REBOOT))
		return -ENOENT;
	mask = version == 1 ? TMR_V1 : TMR;
	timer = version == 1 ? pio_read8(tco + TCO_TMR_V1) : pio_read16(tco + TCO_TMR);
	ret->was_ms = ret->now_ms = ms(timer & mask);
	goal = WATCHDOG_GOAL_MS / ms(1);
	if (goal > mask)
		goal = mask;
	if (!env->keep && (timer & mask) < goal) {
		timer = (uint16_t)((timer & ~mask) | goal);
		if (version == 1)
			pio_write8(tco + TCO_TMR_V1, (uint8_t)timer);
		else
			pio_write16(tco + TCO_TMR, timer);
		ret->now_ms = ms(goal);
	}
	feed();
	return 0;
}

const struct watchdog itco_watchdog = { "iTCO", 1000, probe, feed };
