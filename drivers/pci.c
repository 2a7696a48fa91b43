// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * PCI configuration access and the few services every driver needs. Called by stub/disk/devices.c
 * (search) and by the drivers. Specifications: PCI Local Bus 3.0, PCI Express Base 4.0, PCI
 * Firmware 3.2 (ECAM, MCFG).
 */
#include <errno.h>
#include <io.h>
#include <stdio.h>

#include "drivers/pci.h"
#include "stub/arch.h"
#include "stub/log.h"
#include "stub/timeout.h"

/* Type 0 header, PCI 3.0 §6.1 */
enum pci_reg {
	PCI_ID			= 0x00,
	PCI_COMMAND		= 0x04,
	PCI_STATUS		= 0x06,
	PCI_CLASS_REVISION	= 0x08,
	PCI_CACHE_LATENCY	= 0x0c,
	PCI_HEADER_TYPE		= 0x0e,
	PCI_BAR0		= 0x10,
	PCI_SECONDARY		= 0x19,	/* type 1 header, PCI-to-PCI Bridge 1.2 §3.2.5 */
	PCI_SUBORDINATE		= 0x1a,
	PCI_CAPABILITIES	= 0x34,
	PCI_INTERRUPT		= 0x3c,
};

#define COMMAND_IO		BIT(0)
#define COMMAND_MEMORY		BIT(1)
#define COMMAND_MASTER		BIT(2)
#define COMMAND_INTX_DISABLE	BIT(10)
#define STATUS_CAPABILITIES	BIT(4)
#define HEADER_TYPE		GENMASK(6, 0)
#define HEADER_MULTI_FUNCTION	BIT(7)
#define NR_BARS			6
#define BAR_IO			BIT(0)
#define BAR_TYPE		GENMASK(2, 1)
#define BAR_TYPE_32		0
#define BAR_TYPE_64		2

/* Legacy access, PCI 3.0 §3.2.2.3.2 */
#define CONFIG_ADDRESS		0xcf8
#define CONFIG_DATA		0xcfc
#define CONFIG_ENABLE		BIT(31)

/* Offsets inside capabilities */
#define PM_CSR			4		/* PCI Power Management 1.2 §3.2.4 */
#define PM_CSR_STATE		GENMASK(1, 0)
#define MSI_CONTROL		2		/* PCI 3.0 §6.8.1.3 */
#define MSI_ENABLE		BIT(0)
#define MSIX_CONTROL		2		/* PCI 3.0 §6.8.2.3 */
#define MSIX_ENABLE		BIT(15)
#define PCIE_FLAGS		2		/* PCIe 4.0 §7.5.3.2 */
#define PCIE_FLAGS_TYPE		GENMASK(7, 4)
#define PCIE_DEVCAP		4		/* PCIe 4.0 §7.5.3.3-5 */
#define PCIE_DEVCAP_FLR		BIT(28)
#define PCIE_DEVCTL		8
#define PCIE_DEVCTL_FLR		BIT(15)
#define PCIE_DEVSTA		10
#define PCIE_DEVSTA_PENDING	BIT(5)

#define MASTER_US		10000		/* a configuration write: microseconds at most */
#define D3_TO_D0_US		10000		/* PM 1.2 §5.6.1 */
#define FLR_PENDING_US		100000		/* PCIe 4.0 §6.6.2, implementation note */
#define FLR_WAIT_US		100000		/* PCIe 4.0 §6.6.2: "within 100 ms" */
#define FLR_READY_US		1000000		/* §6.6.1: some answer with retry status */
#define MAX_EXT_CAPABILITIES	64
#define MAX_CAPABILITIES	48		/* (256 - 64) / 4: more means a loop */

static void *ecam(const struct pci_dev *dev, unsigned off)
{
	/* PCI Firmware 3.2 §4.1.2: the MCFG address is that of bus 0, a function has 4 KiB */
	char *page = arch_map_config(dev->host->ecam + ((uint64_t)pci_position(dev) << 12));

	return page ? page + (off & 0xfff) : NULL;
}

static uint16_t select_port(const struct pci_dev *dev, unsigned off)
{
	pio_write32(CONFIG_ADDRESS,
		    (uint32_t)(CONFIG_ENABLE | pci_position(dev) << 8 | (off & 0xfc)));
	return (uint16_t)(CONFIG_DATA + (off & 3));
}

uint32_t pci_read32(const struct pci_dev *dev, unsigned off)
{
	void *reg;

	if (dev->host->ecam) {
		reg = ecam(dev, off);
		return reg ? mmio_read32(reg) : 0xffffffff;
	}
	/* The ports reach the first 256 bytes only; drivers here need no more */
	return off < 256 ? pio_read32(select_port(dev, off)) : 0xffffffff;
}

/* Narrow reads are narrow: there are registers that answer to their own width alone (QEMU's i6300esb) */
uint16_t pci_read16(const struct pci_dev *dev, unsigned off)
{
	void *reg;

	if (dev->host->ecam) {
		reg = ecam(dev, off);
		return reg ? mmio_read16(reg) : 0xffff;
	}
	return off < 256 ? pio_read16(select_port(dev, off)) : 0xffff;
}

uint8_t pci_read8(const struct pci_dev *dev, unsigned off)
{
	void *reg;

	if (dev->host->ecam) {
		reg = ecam(dev, off);
		return reg ? mmio_read8(reg) : 0xff;
	}
	return off < 256 ? pio_read8(select_port(dev, off)) : 0xff;
}

/* Narrow writes have to be narrow: the other half may hold bits that clear when 1 is written */
void pci_write16(const struct pci_dev *dev, unsigned off, uint16_t v)
{
	void *reg;

	if (dev->host->ecam) {
		reg = ecam(dev, off);
		if (reg)
			mmio_write16(reg, v);
	} else if (off < 256) {
		pio_write16(select_port(dev, off), v);
	}
}

void pci_write32(const struct pci_dev *dev, unsigned off, uint32_t v)
{
	void *reg;

	if (dev->host->ecam) {
		reg = ecam(dev, off);
		if (reg)
			mmio_write32(reg, v);
	} else if (off < 256) {
		pio_write32(select_port(dev, off), v);
	}
}

/*
 * Is there a function? PCI 3.0 §6.2.1: vendor 0xffff is what an empty slot reads as; 0 and 1 are
 * error answers.
 */
static bool probe_id(struct pci_dev *dev)
{
	uint32_t id = pci_read32(dev, PCI_ID);

	dev->vendor = (uint16_t)id;
	dev->device = (uint16_t)(id >> 16);
	return dev->vendor != 0xffff && dev->vendor > 1;
}

/* May this device have functions other than 0? PCI 3.0 §3.2.2.3.4: function 0 says so. */
static bool is_multi_function(const struct pci_dev *dev)
{
	struct pci_dev first = *dev;

	first.devfn &= ~7;
	return probe_id(&first) && pci_read8(&first, PCI_HEADER_TYPE) & HEADER_MULTI_FUNCTION;
}

static void describe(struct pci_dev *dev)
{
	dev->class_code = pci_read32(dev, PCI_CLASS_REVISION) >> 8;
	snprintf(dev->name, sizeof(dev->name), "%04x:%02x:%02x.%x", dev->host->segment, dev->bus,
		 dev->devfn >> 3, dev->devfn & 7);
}

int pci_find(const struct pci_host *host, uint32_t from, struct pci_dev *ret_dev)
{
	uint32_t end = ((uint32_t)host->bus_end + 1) << 8;
	uint32_t pos = (uint32_t)max_u64(from, (uint32_t)host->bus_start << 8);

	while (pos < end) {
		struct pci_dev dev = {
			.host = host, .bus = (uint8_t)(pos >> 8), .devfn = (uint8_t)pos};
		bool there = pos & 7 ? is_multi_function(&dev) : true;

		if (there && probe_id(&dev)) {
			describe(&dev);
			*ret_dev = dev;
			return 0;
		}
		/* Nothing at function 0, or no others: on to the next device */
		pos = there && pos & 7 ? pos + 1 : (pos | 7) + 1;
	}
	return -ENOENT;
}

/* Bus numbers are as they were set up: a bridge is on a lower bus than what is behind it (Bridge 1.2 §6.6 there) */
int pci_find_bridge(const struct pci_host *host, uint8_t bus, struct pci_bridge *ret)
{
	struct pci_bridge b;

	for (uint32_t pos = 0; !pci_find(host, pos, &b.dev) && b.dev.bus < bus; pos = pci_position(&b.dev) + 1) {
		unsigned pcie;

		if ((pci_read8(&b.dev, PCI_HEADER_TYPE) & HEADER_TYPE) != 1 || pci_read8(&b.dev, PCI_SECONDARY) != bus)
			continue;
		pcie = pci_find_cap(&b.dev, PCI_CAP_PCIE, 0);
		b.type = pcie ? (int)FIELD_GET(PCIE_FLAGS_TYPE, pci_read16(&b.dev, pcie + PCIE_FLAGS)) : BRIDGE_PCI;
		b.last_bus = pci_read8(&b.dev, PCI_SUBORDINATE);
		*ret = b;
		return 0;
	}
	return -ENOENT;
}

unsigned pci_find_cap(const struct pci_dev *dev, enum pci_cap_id id, unsigned prev)
{
	unsigned off;

	if (!(pci_read16(dev, PCI_STATUS) & STATUS_CAPABILITIES))
		return 0;
	/*
	 * PCI 3.0 §6.7: the two low bits are reserved, pointers lie beyond the header, 0 ends the
	 * list
	 */
	off = prev ? pci_read8(dev, prev + 1) : pci_read8(dev, PCI_CAPABILITIES);
	for (unsigned n = 0; n < MAX_CAPABILITIES; n++) {
		off &= ~3u;
		if (off < 0x40)
			return 0;
		if (pci_read8(dev, off) == id)
			return off;
		off = pci_read8(dev, off + 1);
	}
	return 0;
}

int pci_bar(const struct pci_dev *dev, unsigned index, struct pci_bar *ret_bar)
{
	uint32_t low, high = 0;
	struct pci_bar bar;

	if (index >= NR_BARS || pci_read8(dev, PCI_HEADER_TYPE) & HEADER_TYPE)
		return -ENODEV;

	/* PCI 3.0 §6.2.5.1 */
	low = pci_read32(dev, PCI_BAR0 + 4 * index);
	if (low & BAR_IO) {
		bar = (struct pci_bar){ .addr = low & GENMASK(31, 2), .io = true };
	} else {
		if (FIELD_GET(BAR_TYPE, low) == BAR_TYPE_64) {
			if (index == NR_BARS - 1)
				return -ENODEV;
			high = pci_read32(dev, PCI_BAR0 + 4 * (index + 1));
		} else if (FIELD_GET(BAR_TYPE, low) != BAR_TYPE_32) {
			return -ENODEV;
		}
		bar = (struct pci_bar){ .addr = (uint64_t)high << 32 | (low & GENMASK(31, 4)) };
	}
	/* 0: never assigned; all ones: the function is gone */
	if (!bar.addr || low == 0xffffffff)
		return -ENODEV;
	*ret_bar = bar;
	return 0;
}

/* Registers that a reset or a change of power state loses */
struct pci_saved {
	uint32_t bars[NR_BARS];
	uint32_t cache_latency;
	uint32_t interrupt;
	uint16_t command;
	uint16_t devctl;
};

static void save(const struct pci_dev *dev, struct pci_saved *s)
{
	unsigned pcie = pci_find_cap(dev, PCI_CAP_PCIE, 0);

	for (unsigned i = 0; i < NR_BARS; i++)
		s->bars[i] = pci_read32(dev, PCI_BAR0 + 4 * i);
	s->cache_latency = pci_read32(dev, PCI_CACHE_LATENCY);
	s->interrupt = pci_read32(dev, PCI_INTERRUPT);
	s->command = pci_read16(dev, PCI_COMMAND);
	s->devctl = pcie ? pci_read16(dev, pcie + PCIE_DEVCTL) : 0;
}

static void restore(const struct pci_dev *dev, const struct pci_saved *s)
{
	unsigned pcie = pci_find_cap(dev, PCI_CAP_PCIE, 0);

	/* Payload sizes and error reporting must agree with the port above */
	if (pcie)
		pci_write16(dev, pcie + PCIE_DEVCTL, s->devctl & (uint16_t)~PCIE_DEVCTL_FLR);
	for (unsigned i = 0; i < NR_BARS; i++)
		pci_write32(dev, PCI_BAR0 + 4 * i, s->bars[i]);
	pci_write32(dev, PCI_CACHE_LATENCY, s->cache_latency);
	pci_write32(dev, PCI_INTERRUPT, s->interrupt);
	/* Decoding last, when the addresses are right again */
	pci_write16(dev, PCI_COMMAND,
		    (s->command & (uint16_t)~COMMAND_MASTER) | COMMAND_INTX_DISABLE);
}

static void power_up(const struct pci_dev *dev)
{
	unsigned pm = pci_find_cap(dev, PCI_CAP_PM, 0);
	struct pci_saved saved;
	uint16_t csr;

	if (!pm)
		return;
	csr = pci_read16(dev, pm + PM_CSR);
	if (!(csr & PM_CSR_STATE))
		return;
	/* PM 1.2 §5.4.1: configuration is readable in D3hot, and may be lost on the way to D0 */
	log_info("pci %s: in power state D%u, waking it", dev->name,
		 (unsigned)(csr & PM_CSR_STATE));
	save(dev, &saved);
	pci_write16(dev, pm + PM_CSR, csr & (uint16_t)~PM_CSR_STATE);
	delay_us(D3_TO_D0_US);
	restore(dev, &saved);
}

int pci_wake(const struct pci_dev *dev)
{
	unsigned msi, msix;
	uint16_t command;

	power_up(dev);

	msi = pci_find_cap(dev, PCI_CAP_MSI, 0);
	if (msi)
		pci_write16(dev, msi + MSI_CONTROL,
			    pci_read16(dev, msi + MSI_CONTROL) & (uint16_t)~MSI_ENABLE);
	msix = pci_find_cap(dev, PCI_CAP_MSIX, 0);
	if (msix)
		pci_write16(dev, msix + MSIX_CONTROL,
			    pci_read16(dev, msix + MSIX_CONTROL) & (uint16_t)~MSIX_ENABLE);

	command = pci_read16(dev, PCI_COMMAND);
	if (command == 0xffff)
		return log_err(-ENODEV, "pci %s: function is gone", dev->name);
	pci_write16(dev, PCI_COMMAND, command | COMMAND_IO | COMMAND_MEMORY | COMMAND_INTX_DISABLE);
	return 0;
}

bool pci_present(const struct pci_dev *dev)
{
	return pci_read16(dev, PCI_ID) == dev->vendor;
}

/*
 * The write may be posted on its way (PCIe 4.0 §7.2.2: an ECAM write need not have completed when
 * the CPU goes on), so only what is read back counts. That answer also pushes ahead of it what the
 * function has written to memory so far (§2.4.1: completions do not pass posted requests).
 */
int pci_set_master(const struct pci_dev *dev, bool on)
{
	uint16_t command = pci_read16(dev, PCI_COMMAND);
	int rc;

	if (command != 0xffff)
		pci_write16(dev, PCI_COMMAND,
			    on ? command | COMMAND_MASTER : command & (uint16_t)~COMMAND_MASTER);
	rc = poll_until_us((command = pci_read16(dev, PCI_COMMAND)) == 0xffff ||
				   !(command & COMMAND_MASTER) == !on,
			   MASTER_US);
	if (command == 0xffff)
		return -ENODEV;
	return rc ? log_err(rc, "pci %s: command stays %#x", dev->name, command) : 0;
}

/* PCIe 4.0 §7.6.3: extended capabilities from 0x100 on; identifier, version, next */
static unsigned find_ext_cap(const struct pci_dev *dev, unsigned id)
{
	unsigned off = 0x100;

	for (unsigned n = 0; n < MAX_EXT_CAPABILITIES && off >= 0x100 && off % 4 == 0; n++) {
		uint32_t head = pci_read32(dev, off);

		if (!head || head == 0xffffffff)
			return 0;
		if ((head & 0xffff) == id)
			return off;
		off = head >> 20;
	}
	return 0;
}

void pci_disable_ats(const struct pci_dev *dev)
{
	static const struct {
		unsigned id, control;	/* offset of the control register */
		uint16_t enable;
	} caps[] = {
		{ 0x13, 4, BIT(0) },	/* page requests, §10.5.2 */
		{ 0x1b, 6, BIT(0) },	/* PASID, §7.8.8 */
		{ 0x0f, 6, BIT(15) },	/* ATS, §10.5.1 */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(caps); i++) {
		unsigned off = find_ext_cap(dev, caps[i].id);

		if (off)
			pci_write16(dev, off + caps[i].control,
				    pci_read16(dev, off + caps[i].control) & (uint16_t)~caps[i].enable);
	}
}

int pci_flr(const struct pci_dev *dev)
{
	unsigned pcie = pci_find_cap(dev, PCI_CAP_PCIE, 0);
	struct pci_saved saved;

	if (!pcie || !(pci_read32(dev, pcie + PCIE_DEVCAP) & PCIE_DEVCAP_FLR))
		return -EOPNOTSUPP;

	/*
	 * PCIe 4.0 §6.6.2: no new requests, then let those under way end; a function that hangs
	 * will not
	 */
	save(dev, &saved);
	pci_write16(dev, PCI_COMMAND, COMMAND_INTX_DISABLE);
	(void)poll_until_us(!(pci_read16(dev, pcie + PCIE_DEVSTA) & PCIE_DEVSTA_PENDING),
			    FLR_PENDING_US);

	pci_write16(dev, pcie + PCIE_DEVCTL, saved.devctl | (uint16_t)PCIE_DEVCTL_FLR);
	delay_us(FLR_WAIT_US);
	if (poll_until_us(pci_present(dev), FLR_READY_US))
		return log_err(-ENODEV, "pci %s: gone after a function level reset",
			       dev->name);
	restore(dev, &saved);
	return 0;
}
