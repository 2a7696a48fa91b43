// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which devices exist. The only file of stub/ that names drivers: a new one is a file in drivers/
 * and a row here.
 *
 * A disk is one that a driver started. virtio devices and AHCI controllers are started and stopped one
 * after the other; NVMe controllers take their time, so as many as there is memory for come up, and
 * are shut down, side by side. One disk is open at a time: they share one DMA area. What is not a
 * disk of ours is neither started nor reset; its DMA goes on as the dead kernel left it, into
 * memory that is not the stub's (the reservation was never given to a device).
 */
#include "stub/disk/devices.h"

#include <errno.h>
#include <stdio.h>

#include "drivers/blk/ahci.h"
#include "drivers/blk/nvme.h"
#include "drivers/blk/virtio_blk.h"
#include "drivers/blk/virtio_scsi.h"
#include "drivers/dma.h"
#include "drivers/iommu/iommu.h"
#include "drivers/pci.h"
#include "drivers/virtio/virtio.h"
#include "stub/idle.h"
#include "stub/log.h"
#include "stub/mem.h"

#define CLASS_NVME	0x010802

/* What each driver drives: PCI functions of a class, or virtio devices of a type, over whatever transport */
enum bus { BUS_PCI, BUS_VIRTIO };

static int probe_ahci(const struct virtio_place *at, unsigned *unit, struct blk_dev **ret_dev)
{
	return ahci_probe(at->pci, unit, ret_dev);
}

/*
 * Where probe is NULL, controllers come up side by side. Else it opens the first disk that is there to use
 * from number *@unit on, whatever state the device is in, and *@unit becomes its number. -ENOENT: there is
 * none left. Another -errno, said: disk *@unit cannot be used, or, when that is UNIT_NONE, the device. In
 * all these cases it does no DMA.
 */
static const struct disk_driver {
	enum bus bus;
	uint32_t id;		/* class code, or device type */
	const char *name;
	int (*probe)(const struct virtio_place *at, unsigned *unit, struct blk_dev **ret_dev);
} drivers[] = {
	{ BUS_PCI,	CLASS_NVME,		"nvme",		NULL },
	{ BUS_PCI,	AHCI_CLASS,		"ahci",		probe_ahci },
	{ BUS_VIRTIO,	VIRTIO_ID_BLOCK,	"virtio-blk",	virtio_blk_probe },
	{ BUS_VIRTIO,	VIRTIO_ID_SCSI,		"virtio-scsi",	virtio_scsi_probe },
};

/* Its device is behind @at; NULL: none */
static const struct disk_driver *driver_of(const struct virtio_place *at)
{
	unsigned type = virtio_type(at);

	for (unsigned i = 0; i < ARRAY_SIZE(drivers); i++)
		if (drivers[i].id == (drivers[i].bus == BUS_VIRTIO ? type : at->pci ? at->pci->class_code : 0))
			return &drivers[i];
	return NULL;
}

/*
 * A disk that is broken, or not ours to use, must not keep the others from being found; only if none
 * matches does it explain why (search_failed() in stub/disk/target.c).
 */
static void note(struct disk_iter *it, const char *name, int rc)
{
	if (rc == -EPROTOTYPE) {
		it->unsupported++;
	} else if (rc && rc != -ENOENT) {
		it->failures++;
		it->last_error = rc;
		log_warn("%s: could not be started (%d)", name, rc);
	}
}

/* The next function at or behind *pos, host << 32 | position; *pos is behind it then. -ENOENT: none is left. */
static int next_function(const struct boot_info *bi, uint64_t *pos, struct pci_dev *ret)
{
	for (; *pos >> 32 < bi->nr_pci_hosts; *pos = (*pos | UINT32_MAX) + 1) {
		if (!pci_find(&bi->pci_hosts[*pos >> 32], (uint32_t)*pos, ret)) {
			*pos = (*pos & ~(uint64_t)UINT32_MAX) + pci_position(ret) + 1;
			return 0;
		}
	}
	return -ENOENT;
}

/*
 * NVMe controllers that have cost their time in one search, as *pos: later ones leave them alone. Those that
 * there is no room for are tried again.
 */
static uint64_t dead[32];
static unsigned nr_dead;
static int dead_error;		/* of the last one */

static void bury(const struct boot_info *bi, const struct nvme *c, int rc)
{
	/* What the IOMMU has no room for, or was not waited for, may do better another time */
	if (rc == -EXDEV || rc == -EAGAIN || nr_dead == ARRAY_SIZE(dead))
		return;
	dead[nr_dead++] = (uint64_t)(c->pci.host - bi->pci_hosts) << 32 | pci_position(&c->pci);
	dead_error = rc;
}

static bool is_dead(uint64_t pos)
{
	for (unsigned i = 0; i < nr_dead; i++)
		if (dead[i] == pos)
			return true;
	return false;
}

static int next_nvme_function(const struct boot_info *bi, uint64_t *pos, struct pci_dev *ret)
{
	while (!next_function(bi, pos, ret))
		if (ret->class_code == CLASS_NVME && !is_dead(*pos - 1))
			return 0;
	return -ENOENT;
}

/* IOMMU_PAGES: two units, or one with functions on several buses */
#define IOMMU_PAGES	6
#define IOMMU_PAGES_LEAST 3

void disk_init(const struct boot_info *bi, int (*ram)(void *dst, phys_addr_t pa, size_t len))
{
	void *pages = NULL;
	size_t size = 0;

	nr_dead = 0;
	dead_error = 0;
	if (!dma_init())
		log_warn("no memory for the queues of a disk");
	if (iommu_named(bi))
		pages = mem_take_most("iommu tables", IOMMU_PAGES_LEAST * IOMMU_PAGE, IOMMU_PAGES * IOMMU_PAGE,
				      IOMMU_PAGE, MEM_ANY, &size);
	iommu_init(bi, ram, pages, (unsigned)(size / IOMMU_PAGE));
}

bool disk_keeps_memory(void)
{
	return dma_lost;
}

/* The next disk of the device at @at, from it->unit on. 0, or -ENOENT: it has no more. */
static int next_unit(struct disk_iter *it, const struct virtio_place *at, struct blk_dev **ret_dev)
{
	const struct disk_driver *driver = driver_of(at);
	char name[40];
	int rc = -ENOENT;

	if (!driver || !driver->probe)
		return rc;
	if (at->pci)
		snprintf(name, sizeof(name), "%s %s", driver->name, at->pci->name);
	else
		snprintf(name, sizeof(name), "%s mmio %#lx", driver->name, at->mmio->addr);
	while (it->unit != UNIT_NONE && !idle_deadline_over()) {
		if (dma_lost)
			it->unit = UNIT_NONE;
		rc = dma_lost ? -EBUSY : driver->probe(at, &it->unit, ret_dev);
		note(it, name, rc);
		it->now.unit = it->unit;
		if (rc == -ENOENT)
			break;
		it->unit += it->unit != UNIT_NONE;
		if (!rc)
			return 0;
	}
	return -ENOENT;
}

/* PCI functions, then the windows: each as often as it has disks */
static int next_one_by_one(struct disk_iter *it, const struct boot_info *bi, struct blk_dev **ret_dev)
{
	struct pci_dev pci;
	uint64_t pos;

	for (;; it->pci_pos = pos, it->unit = 0) {
		pos = it->pci_pos;
		if (next_function(bi, &pos, &pci))
			break;
		it->now = (struct disk_place){ .pci = pos - 1 };
		if (!next_unit(it, &(struct virtio_place){ .pci = &pci }, ret_dev))
			return 0;
	}
	for (; it->mmio < bi->nr_virtio_mmio; it->mmio++, it->unit = 0) {
		it->now = (struct disk_place){ .mmio = &bi->virtio_mmio[it->mmio] };
		if (!next_unit(it, &(struct virtio_place){ .mmio = it->now.mmio }, ret_dev))
			return 0;
	}
	return -ENOENT;
}

/* The next namespace of a controller that is up. Nonzero: it has no other to look at, and is on its way off. */
static int next_namespace(struct disk_iter *it, struct nvme *c, struct blk_dev **ret_dev)
{
	bool more = c->unit != UNIT_NONE && !c->broken;

	while (more) {
		int rc = nvme_open(c, c->unit, ret_dev, &more);

		it->now = (struct disk_place){ .nvme = c, .unit = c->unit };
		more &= !c->broken;
		c->unit = more ? c->unit + 1 : UNIT_NONE;
		if (!rc)
			return 0;
		note(it, c->name, rc);
	}
	if (it->kept.nvme == c)
		it->found &= !c->broken;
	c->keep = it->found && it->kept.nvme == c;
	if (!c->keep)
		nvme_stop(c);
	return -ENOENT;
}

static void fill_places(struct disk_iter *it, const struct boot_info *bi)
{
	struct pci_dev pci;

	for (unsigned i = 0; i < nvme_nr_places; i++)
		if (nvme_places[i].state == NVME_OFF && !nvme_places[i].broken && !next_nvme_function(bi, &it->nvme_pos, &pci))
			nvme_begin(&nvme_places[i], &pci);
}

/*
 * Whoever is up first is looked at first, and makes room for another. Until the target is found, the slowest is
 * waited for: it may have it. The overall deadline stops them all.
 */
static int next_nvme(struct disk_iter *it, const struct boot_info *bi, struct blk_dev **ret_dev)
{
	for (bool busy = true; busy; idle()) {
		bool over = idle_deadline_over();

		busy = false;
		if (!over)
			fill_places(it, bi);
		for (unsigned i = 0; i < nvme_nr_places; i++) {
			struct nvme *c = &nvme_places[i];

			busy |= c->error || c->broken || (c->state != NVME_OFF && !c->keep);
			nvme_step(c);
			if (over && !c->keep)
				nvme_stop(c);
			if (c->state == NVME_UP && !c->keep && !next_namespace(it, c, ret_dev))
				return 0;
			if (it->found)
				nvme_give_up_late(c);
			if (c->state != NVME_OFF || !(c->error || c->broken))
				continue;
			if (c->error)
				note(it, c->name, c->error);
			bury(bi, c, c->error ? c->error : -ETIMEDOUT);
			c->error = 0;
			c->broken = false;
		}
	}
	return -ENOENT;
}

static void take_places(struct disk_iter *it, const struct boot_info *bi)
{
	struct pci_dev pci;
	uint64_t pos = 0;
	unsigned n = 0;

	while (!next_nvme_function(bi, &pos, &pci))
		n++;
	it->failures += nr_dead;
	it->last_error = dead_error;
	nvme_init(n);
	if (n && !nvme_nr_places)
		note(it, "nvme", -ENOMEM);
	it->begun = true;
}

int disk_next(struct disk_iter *it, const struct boot_info *bi, struct blk_dev **ret_dev)
{
	if (!it->begun)
		take_places(it, bi);
	if (!next_one_by_one(it, bi, ret_dev) || !next_nvme(it, bi, ret_dev))
		return 0;
	return -ENOENT;
}

void disk_done(struct disk_iter *it, struct blk_dev *dev, bool keep)
{
	struct nvme *c = it->now.nvme;

	if (c)
		nvme_close(c);
	else
		blk_shutdown(dev);
	if (keep) {
		it->kept = it->now;
		it->found = !dev->failed && !(c && c->broken);
	}
}

int disk_reopen(struct disk_iter *it, const struct boot_info *bi, struct blk_dev **ret_dev)
{
	struct disk_place *k = &it->kept;
	struct virtio_place at = { .mmio = k->mmio };
	const struct disk_driver *driver;
	struct pci_dev pci;
	bool more;
	int rc;

	if (!it->found)
		return -ENODEV;
	if (!k->nvme) {
		unsigned unit = k->unit;

		if (!k->mmio && !next_function(bi, &k->pci, &pci))
			at.pci = &pci;
		driver = k->mmio || at.pci ? driver_of(&at) : NULL;
		rc = driver && driver->probe ? driver->probe(&at, &unit, ret_dev) : -ENODEV;
		if (rc || unit == k->unit)
			return rc;
		blk_shutdown(*ret_dev);
		return -ENODEV;
	}
	rc = nvme_open(k->nvme, k->unit, ret_dev, &more);
	if (rc)
		disk_forget(it);
	return rc;
}

void disk_forget(struct disk_iter *it)
{
	if (!it->found || !it->kept.nvme)
		return;
	nvme_stop(it->kept.nvme);
	while (nvme_step(it->kept.nvme))
		idle();
}

void disk_abort(void)
{
	dma_abort();
}

/* Mass storage, and what eMMC and SD cards hang on (PCI Code and ID Assignment 1.11, §1) */
static bool is_storage(const struct pci_dev *pci)
{
	return pci->class_code >> 16 == 0x01 || pci->class_code >> 8 == 0x0805;
}

/*
 * Found once more rather than remembered from the search: it costs nothing when all goes well, and
 * has no bound. Windows of virtio are for its disks alone.
 */
void disk_name_driverless(const struct boot_info *bi)
{
	static bool said;
	struct pci_dev pci;
	uint64_t pos = 0;

	if (said)
		return;
	said = true;
	while (!next_function(bi, &pos, &pci))
		if (is_storage(&pci) && !driver_of(&(struct virtio_place){ .pci = &pci }))
			log_warn("pci %s: %04x:%04x, class %06x: no driver", pci.name, pci.vendor, pci.device,
				 pci.class_code);
}
