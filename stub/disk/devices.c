// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which devices exist. The only file of stub/ that names drivers: a new one is a file in drivers/
 * and a row here.
 *
 * A disk is one that a driver started, so the walk starts each in turn and its caller shuts it down
 * before the next: drivers keep their state in static storage and share one DMA area. What is not a
 * disk of ours is neither started nor reset; its DMA goes on as the dead kernel left it, into
 * memory that is not the stub's (the reservation was never given to a device).
 */
#include "stub/disk/devices.h"

#include <errno.h>

#include "drivers/blk/nvme.h"
#include "drivers/blk/virtio_blk.h"
#include "drivers/dma.h"
#include "drivers/iommu/iommu.h"
#include "drivers/pci.h"
#include "drivers/virtio/virtio.h"
#include "stub/log.h"
#include "stub/mem.h"

static int probe_nvme(const struct virtio_place *at, unsigned unit, struct blk_dev **ret_dev,
		      bool *ret_more)
{
	return nvme_probe(at->pci, unit, ret_dev, ret_more);
}

/* One disk per device: there is no unit 1 */
static int probe_virtio_blk(const struct virtio_place *at, unsigned unit, struct blk_dev **ret_dev,
			    bool *ret_more)
{
	*ret_more = false;
	return unit ? -ENOENT : virtio_blk_probe(at, ret_dev);
}

/*
 * What each driver drives: PCI functions of a class, or virtio devices of a type, over whatever
 * transport.
 *
 * probe: 0 with disk number @unit of the controller (*ret_more: there are others after it),
 * -ENOENT: there is no such disk, -EPROTOTYPE: it is formatted in a way that cannot be written to,
 * anything else: it could not be started (said by the driver).
 */
enum bus { BUS_PCI, BUS_VIRTIO };

static const struct disk_driver {
	const char *name;
	enum bus bus;
	uint32_t id;		/* class code, or device type */
	int (*probe)(const struct virtio_place *at, unsigned unit, struct blk_dev **ret_dev,
		     bool *ret_more);
} drivers[] = {
	{ "nvme",	BUS_PCI,	0x010802,		probe_nvme },
	{ "virtio-blk",	BUS_VIRTIO,	VIRTIO_ID_BLOCK,	probe_virtio_blk },
};

static const struct disk_driver *find_driver(const struct virtio_place *at)
{
	unsigned type = virtio_type(at);

	for (unsigned i = 0; i < ARRAY_SIZE(drivers); i++)
		if (drivers[i].bus == BUS_VIRTIO ? drivers[i].id == type :
						   at->pci && drivers[i].id == at->pci->class_code)
			return &drivers[i];
	return NULL;
}

/*
 * Disk number it->unit of the controller at @at: 0, or -ENOENT when there is none. it->unit is then
 * the next one to try there, 0: this controller is done. A disk that is broken, or not ours to use,
 * must not keep the others from being found; only if none matches does it explain why
 * (search_failed() in stub/disk/target.c).
 */
static int start_disk(struct disk_iter *it, const struct virtio_place *at, struct blk_dev **ret_dev)
{
	const struct disk_driver *driver = find_driver(at);
	bool more = false;
	int rc = driver ? driver->probe(at, it->unit, ret_dev, &more) : -ENOENT;

	if (rc == -EPROTOTYPE) {
		it->unsupported++;
	} else if (rc && rc != -ENOENT) {
		it->failures++;
		it->last_error = rc;
		log_warn("%s %s: could not be started (%d)", driver->name,
			 at->pci ? at->pci->name : "mmio", rc);
	}
	it->unit = more ? it->unit + 1 : 0;
	return rc ? -ENOENT : 0;
}

/*
 * From it->devfn on, all functions of one host bridge. The iterator stands behind what was tried,
 * so that no disk is started twice and a failure cannot loop. -ENOENT: none is left, it is ready
 * for the next bridge.
 */
static int next_pci(struct disk_iter *it, const struct pci_host *host, struct blk_dev **ret_dev)
{
	struct pci_dev pci;
	int rc;

	while (!pci_find(host, it->devfn, &pci)) {
		/* A disk that is gone must not hand its unit number on to the next one */
		if (pci_position(&pci) != it->devfn)
			it->unit = 0;
		rc = start_disk(it, &(struct virtio_place){ .pci = &pci }, ret_dev);
		it->devfn = pci_position(&pci) + !it->unit;
		if (!rc)
			return 0;
	}
	it->devfn = 0;
	it->unit = 0;
	return -ENOENT;
}

/* IOMMU_PAGES: two units, or one with functions on several buses */
#define IOMMU_PAGES	6
#define IOMMU_PAGES_LEAST 3

void disk_init(const struct boot_info *bi, int (*ram)(void *dst, phys_addr_t pa, size_t len))
{
	void *pages = NULL;
	size_t size = 0;

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

/*
 * In the same order each time, PCI before virtio-mmio: "the first target with a label" then means
 * the same one in every crash, and reopen_disk() can count.
 */
int disk_next(struct disk_iter *it, const struct boot_info *bi, struct blk_dev **ret_dev)
{
	if (dma_lost) {
		it->failures++;
		it->last_error = -EBUSY;
		log_warn("DMA memory is lost: no other disk is tried");
		return -ENOENT;
	}
	for (; it->bus < bi->nr_pci_hosts; it->bus++)
		if (!next_pci(it, &bi->pci_hosts[it->bus], ret_dev))
			return 0;
	while (it->bus - bi->nr_pci_hosts < bi->nr_virtio_mmio) {
		struct virtio_place at = { .mmio = &bi->virtio_mmio[it->bus - bi->nr_pci_hosts] };
		int rc = start_disk(it, &at, ret_dev);

		it->bus += !it->unit;
		if (!rc)
			return 0;
	}
	return -ENOENT;
}

void disk_abort(void)
{
	dma_abort();
}

/* Mass storage, and what eMMC and SD cards hang on (PCI Code and ID Assignment 1.11, §1) */
static bool is_storage(const struct pci_dev *pci)
{
	return pci->class_code >> 16 == 0x01 || pci->class_code >> 8 == 0x0805 ||
	       virtio_pci_type(pci) == VIRTIO_ID_SCSI;
}

/*
 * Found once more rather than remembered from the search: it costs nothing when all goes well, and
 * has no bound.
 */
void disk_name_driverless(const struct boot_info *bi)
{
	static bool said;
	struct pci_dev pci;

	if (said)
		return;
	said = true;
	for (unsigned i = 0; i < bi->nr_pci_hosts; i++)
		for (uint32_t pos = 0; !pci_find(&bi->pci_hosts[i], pos, &pci);
		     pos = pci_position(&pci) + 1)
			if (is_storage(&pci) && !find_driver(&(struct virtio_place){ .pci = &pci }))
				log_warn("pci %s: %04x:%04x, class %06x: no driver", pci.name,
					 pci.vendor, pci.device, pci.class_code);
	for (unsigned i = 0; i < bi->nr_virtio_mmio; i++)
		if (virtio_mmio_type(&bi->virtio_mmio[i]) == VIRTIO_ID_SCSI)
			log_warn("virtio mmio %#lx: no driver", bi->virtio_mmio[i].addr);
}
