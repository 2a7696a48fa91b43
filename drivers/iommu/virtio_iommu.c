// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio-iommu, VIRTIO 1.2 §5.13: it has no tables in memory, only a queue of requests, and that is the dead
 * kernel's. To speak to it, it has to be reset, and then it knows of no domain any more. So that nobody's DMA goes
 * astray meanwhile, functions without a domain are blocked first (config.bypass, which a reset leaves alone:
 * §5.13.4); then ours get a domain that lets them reach all of memory. Others stay blocked.
 */
#include "drivers/iommu/virtio_iommu.h"

#include <errno.h>
#include <io.h>

#include "drivers/virtio/virtio.h"
#include "drivers/virtio/virtio_ring.h"
#include "stub/log.h"
#include "stub/timeout.h"

#define F_BYPASS_CONFIG		BIT(6)		/* §5.13.3 */
#define CONFIG_DOMAIN_FIRST	24u		/* §5.13.4, 32 bits */
#define CONFIG_BYPASS		36u		/* 8 bits */
#define T_ATTACH		1		/* §5.13.6 */
#define T_DETACH		2
#define ATTACH_F_BYPASS		BIT(0)
#define S_OK			0
#define STATUS_UNWRITTEN	0xff

#define QUEUE_SIZE		16u

/* ATTACH and DETACH, §5.13.6.3, §5.13.6.4: the device reads the first part and writes the second */
struct request {
	uint8_t  type;
	uint8_t  rsvd1[3];
	uint32_t domain;
	uint32_t endpoint;
	uint32_t flags;		/* DETACH: reserved */
	uint32_t rsvd16;
	uint8_t  rsvd20[108];	/* not in the same cache line */
	uint8_t  status;
	uint8_t  rsvd129[3];
};
_Static_assert(offsetof(struct request, status) == 128, "device-written half");
#define REQUEST_OUT		20u
#define REQUEST_IN		4u

/* Two pages of the unit's memory, the third has struct viommu */
struct queue_memory {
	uint8_t ring[ALIGN_UP(VIRTQ_BYTES(QUEUE_SIZE), 64)];
	struct request request;
};
_Static_assert(sizeof(struct queue_memory) <= 2 * IOMMU_PAGE, "queue and request fit two pages");

struct viommu {
	struct virtio_dev dev;
	struct virtq vq;
	struct queue_memory *mem;
	uint32_t domain;
	int error;		/* sticky */
	bool running;
	bool bypassed;		/* nobody drives it: everybody reaches everything */
};
_Static_assert(sizeof(struct viommu) <= IOMMU_PAGE, "the state fits a page");

static int send(struct viommu *v, uint8_t type, uint32_t endpoint, uint32_t flags)
{
	struct request *r = &v->mem->request;
	const struct dma_dev *dma = &v->dev.dma;
	unsigned token;
	int rc = 0;

	if (v->error)
		return v->error;
	*r = (struct request){ .type = type, .domain = v->domain, .endpoint = endpoint, .flags = flags,
			       .status = STATUS_UNWRITTEN };
	dma_give(dma, r, sizeof(*r));
	virtq_add(&v->vq, 0, dma_addr(dma, r), REQUEST_OUT, false);
	virtq_add(&v->vq, 0, dma_addr(dma, &r->status), REQUEST_IN, true);
	if (virtq_commit(&v->vq, 0))
		v->dev.ops->notify(&v->dev, &v->vq);
	if (poll_until_us((rc = virtq_pop(&v->vq, &token)) != 0, IOMMU_ACK_US) || rc < 0)
		return v->error = log_err(-ETIMEDOUT, "iommu: virtio-iommu %s does not answer", v->dev.name);
	dma_take(dma, r, sizeof(*r));
	return dma_load(&r->status) == S_OK ? 0 : log_err(-EIO, "iommu: virtio-iommu %s: request %u refused, status %u",
							   v->dev.name, type, r->status);
}

/* Functions without a domain reach nothing, from here on and through the reset. 0, or -errno: nothing was changed. */
static int block_others(struct viommu *v)
{
	uint8_t *bypass = (uint8_t *)v->dev.config + CONFIG_BYPASS;

	if (!mmio_read8(bypass))
		return 0;
	/* Only a driver that has accepted the feature may write here: the dead kernel's, in whose place we are */
	if (!(virtio_pci_accepted(&v->dev) & F_BYPASS_CONFIG))
		return -EOPNOTSUPP;
	mmio_write8(bypass, 0);
	return mmio_read8(bypass) ? -EIO : 0;
}

static int take_over(struct viommu *v)
{
	uint64_t features;
	int rc = virtio_reset(&v->dev);

	if (!rc)
		rc = virtio_negotiate(&v->dev, F_BYPASS_CONFIG, &features);
	if (!rc && !(features & F_BYPASS_CONFIG))
		rc = -EOPNOTSUPP;
	if (!rc)
		rc = dma_attach(&v->dev.dma);
	if (rc)
		return rc;
	virtq_init(&v->vq, &v->dev.dma, 0, v->mem->ring, QUEUE_SIZE);
	if (v->dev.ops->queue_size(&v->dev, 0) < QUEUE_SIZE)
		return -EOPNOTSUPP;
	rc = v->dev.ops->queue_enable(&v->dev, &v->vq);
	if (rc)
		return rc;
	v->dev.ops->set_status(&v->dev, v->dev.ops->get_status(&v->dev) | VIRTIO_DRIVER_OK);
	v->running = true;
	return 0;
}

static int start(struct viommu *v, const struct pci_dev *pci)
{
	int rc = virtio_pci_open(&v->dev, pci);

	if (rc)
		return rc;
	v->dev.dma.own = v->mem;
	v->dev.dma.own_len = sizeof(*v->mem);
	if (v->dev.legacy || v->dev.config_len <= CONFIG_BYPASS ||
	    !(v->dev.ops->get_features(&v->dev) & F_BYPASS_CONFIG))
		return log_err(-EOPNOTSUPP, "iommu: virtio-iommu %s: others cannot be blocked", v->dev.name);
	v->domain = v->dev.ops->config_read(&v->dev, CONFIG_DOMAIN_FIRST, 4);
	if (!(v->dev.ops->get_status(&v->dev) & VIRTIO_DRIVER_OK)) {
		v->bypassed = v->dev.ops->config_read(&v->dev, CONFIG_BYPASS, 1);
		return v->bypassed ? 0 : take_over(v);
	}
	rc = block_others(v);
	if (rc)
		return log_err(rc, "iommu: virtio-iommu %s: others cannot be blocked", v->dev.name);
	return take_over(v);
}

static int find_function(phys_addr_t at, struct pci_dev *ret)
{
	const struct pci_host *host = iommu_pci_host((uint16_t)(at >> 16), (uint8_t)(at >> 8));

	if (!host || pci_find(host, (uint16_t)at, ret) || pci_position(ret) != (uint16_t)at ||
	    virtio_pci_type(ret) != VIRTIO_ID_IOMMU)
		return log_err(-ENODEV, "iommu: there is no virtio-iommu at %#lx", at);
	return 0;
}

/* Its memory for good: a unit that was spoken to knows the queue until the machine is reset */
static int open_unit(struct iommu_unit *u)
{
	struct viommu *v = iommu_page_take();
	uint8_t *first = iommu_page_take(), *second = iommu_page_take();
	struct pci_dev pci;
	int rc;

	if (!v || second != first + IOMMU_PAGE) {
		iommu_page_give(v);
		iommu_page_give(first);
		iommu_page_give(second);
		return -ENOMEM;
	}
	u->state = v;
	v->mem = (struct queue_memory *)first;
	rc = find_function(u->base, &pci);
	if (!rc)
		rc = start(v, &pci);
	v->error = rc;
	return rc;
}

static int attach(struct iommu_unit *u, const struct iommu_requester *r, phys_addr_t *ret_limit)
{
	int rc = u->state ? ((struct viommu *)u->state)->error : open_unit(u);
	struct viommu *v = u->state;

	if (rc)
		return rc;
	if (v->bypassed)
		return 1;
	*ret_limit = UINT64_MAX;
	return send(v, T_ATTACH, r->lookup, ATTACH_F_BYPASS);
}

static void detach(struct iommu_unit *u, const struct iommu_requester *r)
{
	struct viommu *v = u->state;

	if (v && v->running)
		(void)send(v, T_DETACH, r->lookup, 0);
}

const struct iommu_ops virtio_iommu_ops = { .kind = "virtio-iommu", .blocks_others = true, .attach = attach, .detach = detach };
