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

#include "drivers/dma_area.h"
#include "drivers/blk/nvme.h"
#include "drivers/pci.h"
#include "drivers/virtio/virtio.h"
#include "drivers/blk/virtio_blk.h"
#include "stub/log.h"

/*
 * probe: 0 with disk number @unit of the controller (*ret_more: there are others after it),
 * -ENODEV: not mine, -ENOENT: mine, but there is no such disk, -EPROTOTYPE: mine, and formatted in a
 * way that cannot be written to, anything else: mine, and it could not be started (said by the
 * driver).
 */
struct pci_driver {
	const char *name;
	int (*probe)(const struct pci_dev *pci, unsigned unit, struct blk_dev **ret_dev,
		     bool *ret_more);
};

struct mmio_driver {
	const char *name;
	int (*probe)(const struct virtio_mmio_spec *spec, struct blk_dev **ret_dev);
};

/* One disk per function: there is no unit 1 */
static int probe_virtio_pci(const struct pci_dev *pci, unsigned unit, struct blk_dev **ret_dev,
			    bool *ret_more)
{
	struct virtio_dev dev;
	int rc = virtio_pci_open(&dev, pci);

	if (rc)
		return rc;
	if (unit)
		return -ENOENT;
	*ret_more = false;
	return virtio_blk_start(&dev, ret_dev);
}

static int probe_virtio_mmio(const struct virtio_mmio_spec *spec, struct blk_dev **ret_dev)
{
	struct virtio_dev dev;
	int rc = virtio_mmio_open(&dev, spec);

	return rc ? rc : virtio_blk_start(&dev, ret_dev);
}

/* The first that does not say -ENODEV has it */
static const struct pci_driver pci_drivers[] = {
	{ "nvme",		nvme_probe },
	{ "virtio-blk",		probe_virtio_pci },
};

static const struct mmio_driver mmio_drivers[] = {
	{ "virtio-blk",		probe_virtio_mmio },
};

/*
 * A disk that is broken, or not ours to use, must not keep the others from being found; only if
 * none matches does it explain why (search_failed() in stub/disk/target.c)
 */
static void count_failure(struct disk_iter *it, const char *driver, const char *where, int rc)
{
	if (rc == -EPROTOTYPE) {
		it->unsupported++;
		return;
	}
	it->failures++;
	it->last_error = rc;
	log_warn("%s %s: could not be started (%d)", driver, where, rc);
}

/*
 * The function at it->devfn: 0, or -ENOENT when there is nothing (more) for us. Either way the
 * iterator stands behind what was tried, so that no disk is started twice and a failure cannot
 * loop.
 */
static int start_function(struct disk_iter *it, const struct pci_dev *pci, struct blk_dev **ret_dev)
{
	for (unsigned i = 0; i < ARRAY_SIZE(pci_drivers); i++) {
		bool more = false;
		int rc = pci_drivers[i].probe(pci, it->unit, ret_dev, &more);

		if (rc == -ENODEV)
			continue;
		if (rc && rc != -ENOENT)
			count_failure(it, pci_drivers[i].name, pci->name, rc);
		it->unit = more ? it->unit + 1 : 0;
		it->devfn = pci_position(pci) + (more ? 0 : 1);
		return rc ? -ENOENT : 0;
	}
	it->unit = 0;
	it->devfn = pci_position(pci) + 1;
	return -ENOENT;
}

/*
 * From it->devfn on, all functions of one host bridge. -ENOENT: none is left, the iterator is ready
 * for the next bridge.
 */
static int next_pci(struct disk_iter *it, const struct pci_host *host, struct blk_dev **ret_dev)
{
	struct pci_dev pci;

	while (!pci_find(host, it->devfn, &pci)) {
		/* A disk that is gone must not hand its unit number on to the next one */
		if (pci_position(&pci) != it->devfn)
			it->unit = 0;
		it->devfn = pci_position(&pci);
		do {
			if (!start_function(it, &pci, ret_dev))
				return 0;
		} while (it->devfn == pci_position(&pci));
	}
	it->devfn = 0;
	it->unit = 0;
	return -ENOENT;
}

static int next_mmio(struct disk_iter *it, const struct virtio_mmio_spec *spec,
		     struct blk_dev **ret_dev)
{
	for (unsigned i = 0; i < ARRAY_SIZE(mmio_drivers); i++) {
		int rc = mmio_drivers[i].probe(spec, ret_dev);

		if (rc == -ENODEV)
			continue;
		if (rc)
			count_failure(it, mmio_drivers[i].name, "mmio", rc);
		return rc ? -ENOENT : 0;
	}
	return -ENOENT;
}

void disk_init(void)
{
	if (!dma_area_init())
		log_warn("no memory for the queues of a disk");
}

bool disk_keeps_memory(void)
{
	return dma_area_lost;
}

/*
 * In the same order each time, PCI before virtio-mmio: "the first target with a label" then means
 * the same one in every crash, and reopen_disk() can count.
 */
int disk_next(struct disk_iter *it, const struct boot_info *bi, struct blk_dev **ret_dev)
{
	if (!dma_area)
		return -ENOENT;
	if (dma_area_lost) {
		it->failures++;
		it->last_error = -EBUSY;
		log_warn("a disk that cannot be stopped still knows our memory: no other is tried");
		return -ENOENT;
	}
	for (; it->bus < bi->nr_pci_hosts; it->bus++)
		if (!next_pci(it, &bi->pci_hosts[it->bus], ret_dev))
			return 0;
	while (it->bus - bi->nr_pci_hosts < bi->nr_virtio_mmio) {
		unsigned n = it->bus++ - bi->nr_pci_hosts;

		if (!next_mmio(it, &bi->virtio_mmio[n], ret_dev))
			return 0;
	}
	return -ENOENT;
}
