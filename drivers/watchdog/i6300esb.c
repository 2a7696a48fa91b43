// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The watchdog of Intel's 6300ESB, which virtual machines have (Intel 300641-004, ch. 16). Two
 * counters one after the other; the end of the second one resets. Its three writable registers take
 * one write after two magic bytes.
 */
#include <errno.h>

#include "drivers/pci.h"
#include "drivers/watchdog/watchdog.h"

#define ESB_ID		0x25ab8086
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

static struct watchdog_reg regs;

static void write_unlocked(unsigned off, unsigned size, uint32_t v)
{
	watchdog_write(&regs, ESB_RELOAD, 1, UNLOCK_1);
	watchdog_write(&regs, ESB_RELOAD, 1, UNLOCK_2);
	watchdog_write(&regs, off, size, v);
}

static bool feed(void)
{
	write_unlocked(ESB_RELOAD, 2, RELOAD_WDT);
	return false;
}

/* QEMU has preload registers that read as 0: not known, and set all the same */
static int start(const struct watchdog_env *env, const struct pci_dev *pci, struct watchdog_time *ret)
{
	uint16_t config = pci_read16(pci, ESB_CONFIG);
	uint8_t lock = pci_read8(pci, ESB_LOCK);
	uint32_t one, two;
	struct pci_bar bar;

	if (config == 0xffff || lock == 0xff || config & CONFIG_NO_REBOOT || !(lock & LOCK_ENABLE) ||
	    !(pci_read16(pci, PCI_COMMAND) & COMMAND_MEMORY) || pci_bar(pci, 0, &bar) || bar.io ||
	    watchdog_map(env, false, bar.addr, ESB_LEN, 4, &regs))
		return -ENOENT;
	one = watchdog_read(&regs, ESB_PRELOAD1, 4);
	two = watchdog_read(&regs, ESB_PRELOAD2, 4);
	if (one == UINT32_MAX || two == UINT32_MAX)
		return -ENOENT;
	ret->was_ms = (uint32_t)((one & PRELOAD) + (two & PRELOAD));
	if (config & CONFIG_1MHZ)
		ret->was_ms /= 1000;
	ret->now_ms = ret->was_ms;
	if (!env->keep && !(config & CONFIG_1MHZ) && ret->was_ms < WATCHDOG_GOAL_MS) {
		write_unlocked(ESB_PRELOAD1, 4, WATCHDOG_GOAL_MS / 2);
		write_unlocked(ESB_PRELOAD2, 4, WATCHDOG_GOAL_MS / 2);
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
			if ((pci.vendor | (uint32_t)pci.device << 16) == ESB_ID && !start(env, &pci, ret))
				return 0;
	return -ENOENT;
}

const struct watchdog i6300esb_watchdog = { "i6300esb", 1000, probe, feed };
