// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The watchdog of Intel's 6300ESB, which virtual machines have (Intel 300641-004, ch. 16). Two
 * counters one after the other; the end of the second one resets. Its three writable registers take
 * one write after two magic bytes.
 */
#include <errno.h>
#include <io.h>

#include "drivers/pci.h"
#include "drivers/watchdog/watchdog.h"

#define INTEL		0x8086
#define ESB		0x25ab
#define PCI_COMMAND	0x04
#define COMMAND_MEMORY	BIT(1)
#define ESB_CONFIG	0x60		/* 16 bits wide, and answers to no other width */
#define CONFIG_NO_REBOOT BIT(5)
#define CONFIG_1MHZ	BIT(2)		/* else the PCI clock / 2^15: about a kHz */
#define ESB_LOCK	0x68		/* 8 bits wide */
#define LOCK_ENABLE	BIT(1)

#define ESB_PRELOAD1	0x00
#define ESB_PRELOAD2	0x04
#define PRELOAD		GENMASK(19, 0)
#define ESB_RELOAD	0x0c
#define RELOAD_WDT	BIT(8)
#define ESB_LEN		0x10
#define UNLOCK_1	0x80
#define UNLOCK_2	0x86

static char *regs;

static void unlock(void)
{
	mmio_write8(regs + ESB_RELOAD, UNLOCK_1);
	mmio_write8(regs + ESB_RELOAD, UNLOCK_2);
}

static bool feed(void)
{
	unlock();
	mmio_write16(regs + ESB_RELOAD, RELOAD_WDT);
	return false;
}

/* QEMU has preload registers that read as 0: not known, and set all the same */
static int start(const struct watchdog_env *env, const struct pci_dev *pci, struct watchdog_time *ret)
{
	uint16_t config = pci_read16(pci, ESB_CONFIG);
	uint8_t lock = pci_read8(pci, ESB_LOCK);
	struct watchdog_reg reg;
	struct pci_bar bar;
	uint32_t one, two;

	if (config == 0xffff || lock == 0xff || config & CONFIG_NO_REBOOT || !(lock & LOCK_ENABLE) ||
	    !(pci_read16(pci, PCI_COMMAND) & COMMAND_MEMORY) || pci_bar(pci, 0, &bar) || bar.io ||
	    watchdog_map(env, false, bar.addr, ESB_LEN, 4, &reg))
		return -ENOENT;
	regs = reg.mem;
	one = mmio_read32(regs + ESB_PRELOAD1);
	two = mmio_read32(regs + ESB_PRELOAD2);
	if (one == UINT32_MAX || two == UINT32_MAX)
		return -ENOENT;
	ret->was_ms = (uint32_t)((one & PRELOAD) + (two & PRELOAD));
	if (config & CONFIG_1MHZ)
		ret->was_ms /= 1000;
	ret->now_ms = ret->was_ms;
	if (!env->keep && !(config & CONFIG_1MHZ) && ret->was_ms < WATCHDOG_GOAL_MS) {
		unlock();
		mmio_write32(regs + ESB_PRELOAD1, WATCHDOG_GOAL_MS / 2);
		unlock();
		mmio_write32(regs + ESB_PRELOAD2, WATCHDOG_GOAL_MS / 2);
		ret->now_ms = WATCHDOG_GOAL_MS;
	}
	feed();
	return 0;
}

static int probe(const struct watchdog_env *env, struct watchdog_time *ret)
{
	const struct boot_info *bi = env->bi;
	struct pci_dev pci;

	for (unsigned i = 0; i < bi->nr_pci_hosts; i++)
		for (uint32_t pos = 0; !pci_find(&bi->pci_hosts[i], pos, &pci); pos = pci_position(&pci) + 1)
			if (pci.vendor == INTEL && pci.device == ESB && !start(env, &pci, ret))
				return 0;
	return -ENOENT;
}

const struct watchdog i6300esb_watchdog = { "i6300esb", 1000, probe, feed };
