/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI and PCI Express configuration space, as far as a polled driver of one function needs it.
 * Everything was set up by the dead kernel or the firmware and is used as found: bus numbers, BARs,
 * bridges.
 */
#ifndef DRIVERS_PCI_H
#define DRIVERS_PCI_H

#include "stub/bits.h"
#include "stub/boot/boot_info.h"

struct pci_dev {
	const struct pci_host *host;
	uint8_t bus;
	uint8_t devfn;		/* device << 3 | function */
	uint16_t vendor;
	uint16_t device;
	uint32_t class_code;	/* base class << 16 | subclass << 8 | programming interface */
	char name[16];		/* "0000:00:04.0" */
};

struct pci_bar {
	phys_addr_t addr;
	bool io;		/* I/O ports */
};

/* Capability identifiers (PCI Code and ID Assignment 1.11, §2) */
enum pci_cap_id {
	PCI_CAP_PM	= 0x01,
	PCI_CAP_MSI	= 0x05,
	PCI_CAP_VENDOR	= 0x09,
	PCI_CAP_PCIE	= 0x10,
	PCI_CAP_MSIX	= 0x11,
};

/*
 * Configuration space; reads of what is not there are all ones. Offsets are aligned to the access.
 */
uint8_t pci_read8(const struct pci_dev *dev, unsigned off);
uint16_t pci_read16(const struct pci_dev *dev, unsigned off);
uint32_t pci_read32(const struct pci_dev *dev, unsigned off);
void pci_write16(const struct pci_dev *dev, unsigned off, uint16_t v);
void pci_write32(const struct pci_dev *dev, unsigned off, uint32_t v);

/*
 * First function at or after @from (bus << 8 | devfn) behind @host. 0, or -ENOENT: no more.
 * PCI-to-PCI bridges are among them; their buses are found because every bus number of the host is
 * looked at.
 */
int pci_find(const struct pci_host *host, uint32_t from, struct pci_dev *ret_dev);

/* PCIe 4.0 §7.5.3.2: Device/Port Type; bridges that have no such capability are conventional */
enum pci_bridge_type { BRIDGE_PCI = -1, BRIDGE_PCIE_TO_PCI = 7, BRIDGE_PCI_TO_PCIE = 8 };

struct pci_bridge {
	struct pci_dev dev;
	int type;		/* enum pci_bridge_type, or a port or whatever else it says */
	uint8_t last_bus;	/* behind it */
};

/* The bridge that @bus is directly behind. 0, or -ENOENT: it is a root bus, or nobody knows. */
int pci_find_bridge(const struct pci_host *host, uint8_t bus, struct pci_bridge *ret);

static inline uint32_t pci_position(const struct pci_dev *dev)
{
	return (uint32_t)dev->bus << 8 | dev->devfn;
}

/* Offset of the first capability @id after @prev (0: from the start); 0 if there is none. */
unsigned pci_find_cap(const struct pci_dev *dev, enum pci_cap_id id, unsigned prev);

/* Base address register @index. 0, or -ENODEV when it was never assigned or is malformed. */
int pci_bar(const struct pci_dev *dev, unsigned index, struct pci_bar *ret_bar);

/*
 * Make the function answer: power state D0, address decoding on; and silence it: INTx, MSI and
 * MSI-X off, since the dead kernel's vectors must not fire. Bus mastering is left as it is. 0, or
 * -ENODEV when the function is gone.
 */
int pci_wake(const struct pci_dev *dev);

/*
 * Is the function still there? Registers of a device that was pulled out may read as all ones, or
 * (on some hosts and in virtual machines) as zeros, which could be a device that was reset; its
 * configuration space is certain.
 */
bool pci_present(const struct pci_dev *dev);

/*
 * The function asks no IOMMU for translations of its own any more (ATS, page requests, PASIDs): what the dead
 * kernel's tables told it is void. Only where configuration space is reached by ECAM.
 */
void pci_disable_ats(const struct pci_dev *dev);

/*
 * Let the function do DMA, or not; for drivers/dma.c alone. 0: it has come into force; -ENODEV: the
 * function is gone; -ETIMEDOUT: the bit does not change.
 */
int pci_set_master(const struct pci_dev *dev, bool on);

/*
 * Function level reset; BARs and decoding are as before when it returns, bus mastering is off. 0,
 * -EOPNOTSUPP when the function cannot do it, or -ENODEV when it did not come back.
 */
int pci_flr(const struct pci_dev *dev);

#endif
