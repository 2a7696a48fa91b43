/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IOMMUs that still translate with the dead kernel's tables. One function at a time is given all of
 * memory, at its physical addresses; every other device stays translated as it was, because its DMA
 * may still be under way, and turning translation off would let it write anywhere. Where the unit would
 * forget how (virtio-iommu), they are blocked.
 *
 * drivers/dma.c calls iommu_attach() before a function may become bus master, and iommu_detach()
 * after it no longer is. Units are looked for in the firmware's tables when they are needed.
 */
#ifndef DRIVERS_IOMMU_H
#define DRIVERS_IOMMU_H

#include "stub/boot/boot_info.h"

#define IOMMU_PAGE	4096u
#define IOMMU_MAX_PAGES	16u
#define IOMMU_MAX_UNITS	4u
#define IOMMU_ACK_US	500000	/* for a unit to do what a register was written for: normally microseconds */

/* A function as its unit sees it: the requester ID in its transactions (PCIe 4.0 §2.2.6.2) */
struct iommu_requester {
	const struct pci_host *host;
	uint8_t bus;
	uint8_t devfn;
	uint32_t lookup;	/* the number that the unit looks it up under; filled by iommu_attach() */
};

struct iommu_unit;

struct iommu_ops {
	const char *kind;		/* "VT-d" */
	bool blocks_others;		/* else they stay translated as they were */
	/*
	 * Let @r reach all of memory. 1: nothing to do, it does already; 0: done, *ret_limit is one
	 * past the highest address it reaches; -errno: not done, said why, nothing is changed for
	 * anybody.
	 */
	int (*attach)(struct iommu_unit *u, const struct iommu_requester *r, phys_addr_t *ret_limit);
	/* @r, which does no DMA any more, is under the dead kernel's tables again. Bounded. */
	void (*detach)(struct iommu_unit *u, const struct iommu_requester *r);
};

/* A unit with functions of ours behind it */
struct iommu_unit {
	const struct iommu_ops *ops;
	phys_addr_t base;		/* of its registers, or whatever names it to its driver */
	void *regs;
	unsigned index;			/* for the driver's own state */
	void *state;			/* the same */
	unsigned users;			/* requester IDs attached; ops change nothing here */
	phys_addr_t limit;		/* of each of them */
};

/*
 * Once, before the first disk is started. @ram: reads RAM of the dead kernel, -errno for anything
 * else: the unit's tables are there, and nowhere else is looked. @pages: memory for tables and
 * queues, all zero.
 */
void iommu_init(const struct boot_info *bi, int (*ram)(void *dst, phys_addr_t pa, size_t len), void *pages,
		unsigned nr_pages);

/* Does the firmware name any unit? Without one no memory need be set aside. */
bool iommu_named(const struct boot_info *bi);

/*
 * What the function at @r needs so that physical addresses below *ret_limit are its bus addresses. Behind
 * a bridge to conventional PCI the bridge's requester ID is let through too, and who would share it does no DMA any more.
 * 0, also where there is no unit for it; -errno, said why: its DMA would go astray, do not start it.
 */
int iommu_attach(const struct iommu_requester *r, phys_addr_t *ret_limit);
void iommu_detach(const struct iommu_requester *r);

/* The host of a bus, NULL: there is none */
const struct pci_host *iommu_pci_host(uint16_t segment, uint8_t bus);

/* For the units' drivers: a page of zeros (NULL: used up), and memory of the dead kernel */
void *iommu_page_take(void);
void iommu_page_give(void *page);
int iommu_read_ram(void *dst, phys_addr_t pa, size_t len);

#endif
