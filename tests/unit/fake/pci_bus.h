/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A simulated PCI host with a few functions, reached by ECAM or by ports. Capabilities are put
 * there by the test.
 */
#ifndef FAKE_PCI_BUS_H
#define FAKE_PCI_BUS_H

#include "stub/boot/boot_info.h"

#define FAKE_CFG_SIZE	256
#define FAKE_ECAM	0xb0000000ULL

struct fake_pci_fn {
	uint8_t bus, devfn;
	bool gone;		/* reads as all ones */
	bool no_return;		/* does not come back from a function level reset */
	bool stuck_master;	/* its bus master bit does not change */
	uint64_t command_us;	/* a write of the command register arrives this much later */
	uint64_t command_at_us;
	uint16_t command;	/* on its way until command_at_us; that is 0: none is */
	unsigned flrs;
	unsigned d3_exits;
	unsigned cap_end;	/* where the next capability goes */
	unsigned cap_last;
	uint8_t cfg[FAKE_CFG_SIZE + 16];	/* more, for capabilities that end beyond it */
	void (*reset)(void *ctx);	/* on a function level reset */
	void *ctx;
};

/* One host with buses 0..bus_end; forgets all functions. */
struct pci_host fake_pci_host(bool ecam, uint8_t bus_end);
void fake_pci_add(struct fake_pci_fn *fn, uint16_t vendor, uint16_t device, uint32_t class_code);
void fake_pci_bar32(struct fake_pci_fn *fn, unsigned n, uint32_t addr, bool io);
void fake_pci_bar64(struct fake_pci_fn *fn, unsigned n, uint64_t addr);
/* Append a capability of @len bytes (header included); returns its offset */
unsigned fake_pci_cap(struct fake_pci_fn *fn, uint8_t id, unsigned len);

uint16_t fake_pci_get16(const struct fake_pci_fn *fn, unsigned off);
uint32_t fake_pci_get32(const struct fake_pci_fn *fn, unsigned off);
void fake_pci_set16(struct fake_pci_fn *fn, unsigned off, uint16_t v);
void fake_pci_set32(struct fake_pci_fn *fn, unsigned off, uint32_t v);

static inline bool fake_pci_is_master(const struct fake_pci_fn *fn)
{
	return !fn->gone && fake_pci_get16(fn, 4) & 4;
}

#endif
