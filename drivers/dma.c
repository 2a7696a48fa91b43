// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See drivers/dma.h. Bus addresses are physical addresses; the switches are PCI's bus mastering and,
 * before it is on and after it is off, the IOMMU, which may narrow what the device reaches, and fail.
 */
#include "drivers/dma.h"

#include <errno.h>

#include "drivers/iommu/iommu.h"
#include "stub/log.h"
#include "stub/mem.h"

/* virtio's legacy interface takes a page number of 32 bits (VIRTIO 1.1 §4.1.4.10) */
#define AREA_LAST	(BIT(44) - 1)

uint8_t *dma_area;
bool dma_lost;
static struct dma_dev *attached;	/* the first of them */

/* The pointer in the list to @dev, or to its end */
static struct dma_dev **find(const struct dma_dev *dev)
{
	struct dma_dev **p = &attached;

	while (*p && *p != dev)
		p = &(*p)->next;
	return p;
}

static int check_reach(const struct dma_dev *dev, phys_addr_t pa, size_t len)
{
	if (pa <= dev->last && len - 1 <= dev->last - pa)
		return 0;
	return log_err(-ERANGE, "%s: does not reach %#lx + %lu", dev->name, pa, len);
}

bool dma_init(void)
{
	if (!dma_area)
		dma_area = mem_take("disk queues", DMA_AREA_SIZE, DMA_PAGE_SIZE, AREA_LAST);
	return dma_area != NULL;
}

static struct iommu_requester requester(const struct dma_dev *dev)
{
	return (struct iommu_requester){ .host = dev->pci->host, .bus = dev->pci->bus, .devfn = dev->pci->devfn };
}

/* Devices that are not behind PCI have no IOMMU in any machine that the stub knows */
static int pass_iommu(struct dma_dev *dev)
{
	struct iommu_requester r;
	phys_addr_t limit;
	int rc;

	if (!dev->pci)
		return 0;
	r = requester(dev);
	pci_disable_ats(dev->pci);
	rc = iommu_attach(&r, &limit);
	if (!rc)
		dev->last = min_u64(dev->last, limit - 1);
	return rc;
}

static void leave_iommu(const struct dma_dev *dev)
{
	struct iommu_requester r = requester(dev);

	iommu_detach(&r);
}

int dma_attach(struct dma_dev *dev)
{
	int rc;

	if (dma_lost || *find(dev))
		return log_err(-EBUSY, "%s: DMA memory is in use", dev->name);
	if (!dma_area)
		return log_err(-ENOMEM, "%s: there is no memory for its queues", dev->name);
	rc = pass_iommu(dev);
	if (rc)
		return rc;
	rc = check_reach(dev, virt_to_phys(dma_area), DMA_AREA_SIZE);
	if (!rc && dev->own)
		rc = check_reach(dev, virt_to_phys(dev->own), dev->own_len);
	if (!rc && dev->pci)
		rc = pci_set_master(dev->pci, true);
	if (rc && dev->pci)
		leave_iommu(dev);
	if (rc)
		return rc;
	dev->next = attached;
	attached = dev;
	return 0;
}

bool dma_cut(const struct dma_dev *dev)
{
	return dev->pci && pci_set_master(dev->pci, false) != -ETIMEDOUT;
}

/*
 * A function that is gone reaches no memory either. A device that was never attached goes on, if it
 * goes on, with what the dead kernel told it, and knows nothing of ours.
 */
void dma_detach(struct dma_dev *dev, bool stopped)
{
	struct dma_dev **p = find(dev);

	stopped |= dma_cut(dev);
	if (!*p)
		return;
	*p = dev->next;
	/* Under the dead kernel's tables again, it reaches none of our memory whatever it still does */
	if (dev->pci)
		leave_iommu(dev);
	dma_lost |= !stopped;
	if (!stopped)
		log_warn("%s: cannot be stopped, DMA memory is lost", dev->name);
}

void dma_abort(void)
{
	while (attached) {
		if (attached->reset)
			attached->reset(attached);
		dma_detach(attached, true);
	}
}

int dma_map(const struct dma_dev *dev, phys_addr_t pa, size_t len, uint64_t *ret_bus)
{
	int rc = check_reach(dev, pa, len);

	if (rc)
		return rc;
	if (!dev->coherent)
		dma_clean(pa, len);
	*ret_bus = pa;
	return 0;
}

void dma_unmap(const struct dma_dev *dev, phys_addr_t pa, size_t len, bool written)
{
	if (!dev->coherent && written)
		dma_invalidate(pa, len);
}
