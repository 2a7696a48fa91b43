// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which unit translates for a function, and which driver speaks to that unit. See
 * drivers/iommu/iommu.h.
 */
#include "drivers/iommu/iommu.h"

#include <errno.h>
#include <string.h>

#include "drivers/iommu/amdvi.h"
#include "drivers/iommu/dmar.h"
#include "drivers/iommu/iort.h"
#include "drivers/iommu/ivrs.h"
#include "drivers/iommu/smmu_v3.h"
#include "drivers/iommu/viot.h"
#include "drivers/iommu/virtio_iommu.h"
#include "drivers/iommu/vtd.h"
#include "drivers/pci.h"
#include "stub/arch.h"
#include "stub/log.h"

#define MAX_ATTACHED	32
#define CLASS_BRIDGE	0x0604	/* PCI to PCI, PCI Code and ID Assignment 1.11 §1.7 */

/* A number that a unit lets through for us */
struct attached {
	struct iommu_requester r;	/* the function that needs it, or a bridge on its way */
	struct iommu_unit *unit;	/* NULL: free */
	uint16_t function;		/* that one's bus << 8 | devfn, behind the same host */
};

static uint16_t position(const struct iommu_requester *r)
{
	return (uint16_t)(r->bus << 8 | r->devfn);
}

static struct {
	const struct boot_info *bi;
	int (*ram)(void *dst, phys_addr_t pa, size_t len);
	uint8_t *pages;
	unsigned nr_pages;
	bool taken[IOMMU_MAX_PAGES];
	struct iommu_unit units[IOMMU_MAX_UNITS];
	struct attached attached[MAX_ATTACHED];
} iommu;

void iommu_init(const struct boot_info *bi, int (*ram)(void *dst, phys_addr_t pa, size_t len), void *pages,
		unsigned nr_pages)
{
	memset(&iommu, 0, sizeof(iommu));
	iommu.bi = bi;
	iommu.ram = ram;
	iommu.pages = pages;
	iommu.nr_pages = (unsigned)min_u64(nr_pages, IOMMU_MAX_PAGES);
}

bool iommu_named(const struct boot_info *bi)
{
	return bi->acpi[ACPI_DMAR].pa || bi->acpi[ACPI_IVRS].pa || bi->acpi[ACPI_IORT].pa || bi->acpi[ACPI_VIOT].pa || bi->nr_iommu_maps;
}

void *iommu_page_take(void)
{
	for (unsigned i = 0; i < iommu.nr_pages; i++) {
		if (iommu.taken[i])
			continue;
		iommu.taken[i] = true;
		return memset(iommu.pages + i * IOMMU_PAGE, 0, IOMMU_PAGE);
	}
	return NULL;
}

void iommu_page_give(void *page)
{
	if (page)
		iommu.taken[((uint8_t *)page - iommu.pages) / IOMMU_PAGE] = false;
}

int iommu_read_ram(void *dst, phys_addr_t pa, size_t len)
{
	return iommu.ram(dst, pa, len);
}

/*---------------------------------------------------------------- which unit */

const struct pci_host *iommu_pci_host(uint16_t segment, uint8_t bus)
{
	for (unsigned i = 0; i < iommu.bi->nr_pci_hosts; i++) {
		const struct pci_host *host = &iommu.bi->pci_hosts[i];

		if (host->segment == segment && bus >= host->bus_start && bus <= host->bus_end)
			return host;
	}
	return NULL;
}

/* A byte of any function's configuration space, for the bus numbers of bridges */
static uint8_t config_byte(void *ctx, uint16_t segment, uint8_t bus, uint8_t devfn, unsigned off)
{
	struct pci_dev dev = { .host = iommu_pci_host(segment, bus), .bus = bus, .devfn = devfn };

	(void)ctx;
	return dev.host ? pci_read8(&dev, off) : 0xff;
}

static int find_vtd(const struct acpi_table *t, struct iommu_requester *r, phys_addr_t *ret_base)
{
	static const struct dmar_ops ops = { arch_read_mem, config_byte, NULL };

	r->lookup = position(r);
	return dmar_find_unit(&ops, t->pa, t->len, r->host->segment, r->bus, r->devfn, ret_base);
}

static int find_amdvi(const struct acpi_table *t, struct iommu_requester *r, phys_addr_t *ret_base)
{
	uint16_t alias;
	int rc = ivrs_find_unit(arch_read_mem, t->pa, t->len, r->host->segment, position(r), ret_base, &alias);

	if (!rc)
		r->lookup = alias;
	return rc;
}

static int find_smmu_v3(const struct acpi_table *t, struct iommu_requester *r, phys_addr_t *ret_base)
{
	return iort_find_unit(arch_read_mem, t->pa, t->len, r->host->segment, position(r), ret_base, &r->lookup);
}

static int find_virtio_iommu(const struct acpi_table *t, struct iommu_requester *r, phys_addr_t *ret_base)
{
	return viot_find_unit(arch_read_mem, t->pa, t->len, r->host->segment, position(r), ret_base, &r->lookup);
}

/*
 * find: 0, the registers of the unit for @r and r->lookup; -ENOENT: none is named for it; -errno: the
 * table cannot be used
 */
static const struct kind {
	enum acpi_kind table;
	const struct iommu_ops *ops;
	size_t regs_len;
	int (*find)(const struct acpi_table *t, struct iommu_requester *r, phys_addr_t *ret_base);
} vtd = { ACPI_DMAR, &vtd_ops, 4096, find_vtd },
  amdvi = { ACPI_IVRS, &amdvi_ops, 0x4000, find_amdvi },
  smmu_v3 = { ACPI_IORT, &smmu_v3_ops, 4096, find_smmu_v3 },
  virtio_iommu = { ACPI_VIOT, &virtio_iommu_ops, 0, find_virtio_iommu };

static const struct kind *const kinds[] = { &vtd, &amdvi, &smmu_v3, &virtio_iommu };

/* Firmware without ACPI: iommu-map of the PCI host's node */
static int find_in_device_tree(struct iommu_requester *r, const struct kind **ret_kind, phys_addr_t *ret_base)
{
	for (unsigned i = 0; i < iommu.bi->nr_iommu_maps; i++) {
		const struct iommu_map *m = &iommu.bi->iommu_maps[i];
		uint32_t rid = position(r) & m->mask;

		if (m->host != r->host || rid < m->rid || rid - m->rid >= m->len)
			continue;
		*ret_kind = m->virtio ? &virtio_iommu : &smmu_v3;
		if (!m->virtio && !m->unit)
			return log_err(-ENOENT, "iommu: %02x:%02x.%x is behind an IOMMU of another kind: left as it is",
				       r->bus, r->devfn >> 3, r->devfn & 7);
		r->lookup = m->sid + (rid - m->rid);
		*ret_base = m->unit;
		return 0;
	}
	return -ENOENT;
}

/* 0, -ENOENT: no unit translates for @r, -errno: a table cannot be used */
static int find_unit(struct iommu_requester *r, const struct kind **ret_kind, phys_addr_t *ret_base)
{
	int rc;

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct acpi_table *t = &iommu.bi->acpi[kinds[i]->table];

		*ret_kind = kinds[i];
		rc = t->pa ? kinds[i]->find(t, r, ret_base) : -ENOENT;
		if (rc != -ENOENT)
			return rc;
	}
	return find_in_device_tree(r, ret_kind, ret_base);
}

/* The unit with @len bytes of registers at @base, mapped; 0: its driver does that. NULL: too many, or the address is absurd. */
static struct iommu_unit *get_unit(const struct iommu_ops *ops, phys_addr_t base, size_t len)
{
	for (unsigned i = 0; i < IOMMU_MAX_UNITS; i++) {
		struct iommu_unit *u = &iommu.units[i];

		if (u->ops == ops && u->base == base)
			return u;
		if (u->ops)
			continue;
		u->regs = len ? arch_map_mmio(base, len) : NULL;
		if (len && !u->regs)
			return NULL;
		u->ops = ops;
		u->base = base;
		u->index = i;
		return u;
	}
	return NULL;
}

/*---------------------------------------------------------------- requester IDs */

/* Whoever is attached has @r's number in @u. NULL: nobody. */
static struct attached *find_attached(const struct iommu_unit *u, const struct iommu_requester *r)
{
	for (struct attached *a = iommu.attached; a < iommu.attached + MAX_ATTACHED; a++)
		if (a->unit == u && (!u || a->r.lookup == r->lookup))
			return a;
	return NULL;
}

/* One number of function @of; several functions may have it. 0, 1 (it is not translated) or -errno */
static int attach_number(struct iommu_unit *u, const struct iommu_requester *of, const struct iommu_requester *r,
			 phys_addr_t *ret_limit)
{
	struct attached *same = find_attached(u, r), *a = find_attached(NULL, NULL);
	int rc;

	if (!a)
		return -ENOMEM;
	rc = same ? 0 : u->ops->attach(u, r, &u->limit);
	if (rc)
		return rc;
	*a = (struct attached){ .r = *r, .unit = u, .function = position(of) };
	u->users += !same;
	*ret_limit = min_u64(*ret_limit, u->limit);
	return 0;
}

/* The same, said */
static int attach_to(struct iommu_unit *u, const struct iommu_requester *of, const struct iommu_requester *r,
		     phys_addr_t *ret_limit)
{
	int rc = attach_number(u, of, r, ret_limit);

	if (rc < 0)
		return log_err(-EXDEV, "iommu: %s at %#lx: %02x:%02x.%x cannot be let through (%d)", u->ops->kind,
			       u->base, r->bus, r->devfn >> 3, r->devfn & 7, rc);
	log_info("iommu: %s at %#lx: %02x:%02x.%x %s", u->ops->kind, u->base, r->bus, r->devfn >> 3, r->devfn & 7,
		 rc ? "is not translated" : u->ops->blocks_others ? "passes through, others are blocked"
								  : "passes through, others as before");
	return rc;
}

static bool is_attached(const struct pci_dev *dev)
{
	for (const struct attached *a = iommu.attached; a < iommu.attached + MAX_ATTACHED; a++)
		if (a->unit && a->r.host == dev->host && a->function == pci_position(dev))
			return true;
	return false;
}

/*
 * Who shares a bridge's number would be let through with it, while it does what the dead kernel told it, at addresses that
 * are no longer translated. No more DMA for those, but for functions of ours; bridges have to go on.
 */
static void silence_behind(const struct pci_bridge *b, uint8_t first_bus, const struct pci_host *host)
{
	struct pci_dev dev;

	for (uint32_t pos = (uint32_t)first_bus << 8; !pci_find(host, pos, &dev) && dev.bus <= b->last_bus;
	     pos = pci_position(&dev) + 1)
		if (dev.class_code >> 8 != CLASS_BRIDGE && !is_attached(&dev))
			(void)pci_set_master(&dev, false);
}

/*
 * Bridges to conventional PCI put a requester ID of their own on what comes from behind them: their secondary bus and
 * function 0 where they lead from PCI Express to PCI (PCI Express to PCI/PCI-X Bridge 1.0 §2.3), else their own. Some do that for
 * some transactions alone, so all numbers on the way up are let through, as Linux does (pci_for_each_dma_alias()).
 */
static int attach_aliases(struct iommu_unit *u, const struct kind *kind, const struct iommu_requester *of,
			  phys_addr_t *ret_limit)
{
	struct pci_bridge b;
	int rc = 0;

	for (uint8_t bus = of->bus; rc >= 0 && !pci_find_bridge(of->host, bus, &b); bus = b.dev.bus) {
		struct iommu_requester r = { .host = of->host, .bus = b.dev.bus, .devfn = b.dev.devfn };
		const struct kind *same = kind;
		phys_addr_t base = u->base;

		if (b.type == BRIDGE_PCIE_TO_PCI)
			r = (struct iommu_requester){ .host = of->host, .bus = bus };
		else if (b.type != BRIDGE_PCI && b.type != BRIDGE_PCI_TO_PCIE)
			continue;
		/* DMAR may name the function alone; other tables say what number the unit has for the bridge */
		r.lookup = position(&r);
		if (kind != &vtd && (find_unit(&r, &same, &base) || same != kind || base != u->base))
			continue;
		silence_behind(&b, bus, of->host);
		if (r.lookup != of->lookup)
			rc = attach_to(u, of, &r, ret_limit);
	}
	return rc;
}

int iommu_attach(const struct iommu_requester *req, phys_addr_t *ret_limit)
{
	struct iommu_requester r = *req;
	const struct kind *kind;
	struct iommu_unit *u;
	phys_addr_t base;
	int rc = iommu.bi ? find_unit(&r, &kind, &base) : -ENOENT;

	*ret_limit = UINT64_MAX;
	if (rc == -ENOENT)
		return 0;
	u = rc ? NULL : get_unit(kind->ops, base, kind->regs_len);
	/* A table that cannot be read may have named a unit that is at work: better no DMA than stray DMA */
	if (!u)
		return log_err(-EXDEV, "iommu: the unit of %02x:%02x.%x cannot be used (%d)", r.bus, r.devfn >> 3,
			       r.devfn & 7, rc);
	rc = attach_to(u, &r, &r, ret_limit);
	if (!rc)
		rc = attach_aliases(u, kind, &r, ret_limit);
	if (rc < 0)
		iommu_detach(&r);
	return rc < 0 ? rc : 0;
}

void iommu_detach(const struct iommu_requester *r)
{
	for (struct attached *a = iommu.attached; a < iommu.attached + MAX_ATTACHED; a++) {
		struct iommu_unit *u = a->unit;

		if (!u || a->r.host != r->host || a->function != position(r))
			continue;
		a->unit = NULL;
		if (find_attached(u, &a->r))
			continue;
		u->ops->detach(u, &a->r);
		u->users--;
	}
}
