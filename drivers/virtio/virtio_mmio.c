// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio over memory-mapped registers, VIRTIO 1.1 §4.2.2 (version 2) and §4.2.4 (version 1,
 * "legacy", which is what QEMU offers unless told otherwise). Bound by stub/disk/devices.c, for each
 * window that the device tree or virtio_mmio.device= names; used through virtio_transport_ops by
 * virtio.c and virtio_blk.c.
 *
 * All control registers are read and written with 32 bits, whatever they hold (§4.2.2.2). There is
 * one set of queue registers for all queues: QUEUE_SEL says whose, and must be written first each
 * time.
 */
#include <errno.h>
#include <io.h>
#include <stdio.h>
#include <string.h>

#include "drivers/virtio/virtio.h"
#include "drivers/virtio/virtio_ring.h"
#include "stub/arch.h"
#include "stub/log.h"
#include "stub/timeout.h"

enum virtio_mmio_reg {
	MAGIC_VALUE		= 0x000,
	VERSION			= 0x004,
	DEVICE_ID		= 0x008,
	DEVICE_FEATURES		= 0x010,
	DEVICE_FEATURES_SEL	= 0x014,
	DRIVER_FEATURES		= 0x020,
	DRIVER_FEATURES_SEL	= 0x024,
	GUEST_PAGE_SIZE		= 0x028,	/* legacy */
	QUEUE_SEL		= 0x030,
	QUEUE_NUM_MAX		= 0x034,
	QUEUE_NUM		= 0x038,
	QUEUE_ALIGN		= 0x03c,	/* legacy */
	QUEUE_PFN		= 0x040,	/* legacy */
	QUEUE_READY		= 0x044,
	QUEUE_NOTIFY		= 0x050,
	STATUS			= 0x070,
	QUEUE_DESC_LOW		= 0x080,
	QUEUE_DESC_HIGH		= 0x084,
	QUEUE_DRIVER_LOW	= 0x090,
	QUEUE_DRIVER_HIGH	= 0x094,
	QUEUE_DEVICE_LOW	= 0x0a0,
	QUEUE_DEVICE_HIGH	= 0x0a4,
	CONFIG_GENERATION	= 0x0fc,
	CONFIG			= 0x100,
};

#define MAGIC		0x74726976	/* "virt" */
#define VERSION_LEGACY	1
#define VERSION_MODERN	2
#define LEGACY_PAGE	4096
/* After a reset, which has been waited for (virtio_reset()): in practice the first look finds 0 */
#define QUEUE_RESET_US	100000

static uint32_t reg_read(const struct virtio_dev *dev, enum virtio_mmio_reg reg)
{
	return mmio_read32((const char *)dev->common + reg);
}

static void reg_write(struct virtio_dev *dev, enum virtio_mmio_reg reg, uint32_t v)
{
	mmio_write32((char *)dev->common + reg, v);
}

static uint8_t get_status(struct virtio_dev *dev)
{
	return (uint8_t)reg_read(dev, STATUS);
}

static void set_status(struct virtio_dev *dev, uint8_t status)
{
	reg_write(dev, STATUS, status);
}

/*
 * 64 bits through a 32-bit window: the selector chooses the half (§4.2.2.2: written before each
 * read). The legacy interface has no upper half, and VERSION_1 is in it.
 */
static uint64_t get_features(struct virtio_dev *dev)
{
	uint64_t features;

	reg_write(dev, DEVICE_FEATURES_SEL, 0);
	features = reg_read(dev, DEVICE_FEATURES);
	if (dev->legacy)
		return features;
	reg_write(dev, DEVICE_FEATURES_SEL, 1);
	return features | (uint64_t)reg_read(dev, DEVICE_FEATURES) << 32;
}

static void set_features(struct virtio_dev *dev, uint64_t features)
{
	reg_write(dev, DRIVER_FEATURES_SEL, 0);
	reg_write(dev, DRIVER_FEATURES, (uint32_t)features);
	if (dev->legacy)
		return;
	reg_write(dev, DRIVER_FEATURES_SEL, 1);
	reg_write(dev, DRIVER_FEATURES, (uint32_t)(features >> 32));
}

static unsigned queue_size(struct virtio_dev *dev, unsigned index)
{
	reg_write(dev, QUEUE_SEL, index);
	return reg_read(dev, QUEUE_NUM_MAX);
}

/*
 * The legacy device is told one page number and derives the rest: descriptors, available ring and,
 * at the next multiple of QUEUE_ALIGN, used ring (§2.6.2). That is how virtq_init() lays a queue
 * out. QUEUE_PFN makes the queue known, so it comes last.
 */
static int enable_legacy(struct virtio_dev *dev, const struct virtq *vq)
{
	uint64_t pfn = dma_addr(vq->dma, vq->desc) / LEGACY_PAGE;

	if (pfn > UINT32_MAX)
		return log_err(-ERANGE, "virtio %s: legacy device cannot reach the queue",
			       dev->name);
	/* §4.2.4: the unit of QUEUE_PFN; lost by the reset, so not before it is through */
	reg_write(dev, GUEST_PAGE_SIZE, LEGACY_PAGE);
	reg_write(dev, QUEUE_NUM, vq->size);
	reg_write(dev, QUEUE_ALIGN, VIRTQ_ALIGN);
	reg_write(dev, QUEUE_PFN, (uint32_t)pfn);
	return 0;
}

/* Two halves in any order: nothing looks at them before QUEUE_READY */
static void write_address(struct virtio_dev *dev, enum virtio_mmio_reg low, const void *p)
{
	uint64_t addr = dma_addr(&dev->dma, p);

	reg_write(dev, low, (uint32_t)addr);
	reg_write(dev, low + 4, (uint32_t)(addr >> 32));
}

static int queue_enable(struct virtio_dev *dev, struct virtq *vq)
{
	reg_write(dev, QUEUE_SEL, vq->index);
	if (dev->legacy)
		return enable_legacy(dev, vq);

	/*
	 * §4.2.3.2, steps 2-7. A queue that stays enabled would go on using the dead kernel's
	 * rings.
	 */
	if (poll_until_us(!reg_read(dev, QUEUE_READY), QUEUE_RESET_US))
		return log_err(-EBUSY, "virtio %s: queue is in use after reset", dev->name);
	reg_write(dev, QUEUE_NUM, vq->size);
	write_address(dev, QUEUE_DESC_LOW, vq->desc);
	write_address(dev, QUEUE_DRIVER_LOW, vq->avail);
	write_address(dev, QUEUE_DEVICE_LOW, vq->used);
	reg_write(dev, QUEUE_READY, 1);
	return 0;
}

/* §4.2.3.3: the value is the queue. The caller has ordered its stores before (virtq_commit()). */
static void notify(struct virtio_dev *dev, const struct virtq *vq)
{
	reg_write(dev, QUEUE_NOTIFY, vq->index);
}

static uint32_t config_generation(struct virtio_dev *dev)
{
	return dev->legacy ? 0 : reg_read(dev, CONFIG_GENERATION);
}

/*
 * The magic never changes while the device is there; status 0 might just be a device that was reset
 */
static bool present_mmio(struct virtio_dev *dev)
{
	return reg_read(dev, MAGIC_VALUE) == MAGIC;
}

/* There is no switch for DMA on this bus: the reset has to do */
static void reset_mmio(struct dma_dev *dma)
{
	(void)virtio_reset(container_of(dma, struct virtio_dev, dma));
}

static const struct virtio_transport_ops virtio_mmio_ops = {
	.get_status		= get_status,
	.set_status		= set_status,
	.get_features		= get_features,
	.set_features		= set_features,
	.queue_size		= queue_size,
	.queue_enable		= queue_enable,
	.notify			= notify,
	.config_read		= virtio_config_read,
	.config_generation	= config_generation,
	.present		= present_mmio,
};

/*
 * §4.2.3.1: magic, then a device in the slot (0: empty). An empty slot is the rule and not worth a
 * message: QEMU's virt machine has 32 of them, a few in use.
 */
unsigned virtio_mmio_type(const struct virtio_mmio_spec *spec)
{
	struct virtio_dev dev = { 0 };

	if (spec->size < CONFIG || !IS_ALIGNED(spec->addr, 4))
		return 0;
	dev.common = arch_map_mmio(spec->addr, CONFIG);
	return dev.common && present_mmio(&dev) ? reg_read(&dev, DEVICE_ID) : 0;
}

int virtio_mmio_open(struct virtio_dev *dev, const struct virtio_mmio_spec *spec)
{
	uint32_t version;

	memset(dev, 0, sizeof(*dev));
	snprintf(dev->name, sizeof(dev->name), "mmio %#lx", spec->addr);
	dev->config_len = (uint32_t)(min_u64(spec->size, 4096) - CONFIG);
	dev->common = arch_map_mmio(spec->addr, CONFIG + dev->config_len);
	if (!dev->common)
		return log_err(-ENOMEM, "virtio %s: registers cannot be mapped", dev->name);
	dev->config = (char *)dev->common + CONFIG;
	dev->dma = (struct dma_dev){ .name = dev->name, .coherent = spec->dma_coherent,
				     .last = UINT64_MAX, .reset = reset_mmio };
	dev->ops = &virtio_mmio_ops;
	version = reg_read(dev, VERSION);
	if (version != VERSION_LEGACY && version != VERSION_MODERN)
		return log_err(-EPROTO, "virtio %s: version %u is not known here", dev->name,
			       version);
	dev->legacy = version == VERSION_LEGACY;
	return 0;
}
