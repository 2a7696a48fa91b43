// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What every virtio device needs, whatever its type and transport: reset and feature negotiation.
 * VIRTIO 1.1 §3.1.1.
 */
#include <errno.h>
#include <io.h>

#include "drivers/virtio/virtio.h"
#include "stub/log.h"
#include "stub/timeout.h"

#define VIRTIO_RESET_US \
	1000000 /* a reset waits for requests under way: a busy disk takes a while */
#define CONFIG_TRIES		16

int virtio_reset(struct virtio_dev *dev)
{
	uint8_t status;
	int rc;

	dev->ops->set_status(dev, 0);
	rc = poll_until_us(!(status = dev->ops->get_status(dev)) || status == VIRTIO_GONE,
			   VIRTIO_RESET_US);
	if (status == VIRTIO_GONE)
		return log_err(-ENODEV, "virtio %s: device is gone", dev->name);
	if (rc)
		return log_err(rc, "virtio %s: no reset within %u ms, status %#x", dev->name,
			       VIRTIO_RESET_US / 1000, status);
	return 0;
}

static void add_status(struct virtio_dev *dev, uint8_t bit)
{
	dev->ops->set_status(dev, dev->ops->get_status(dev) | bit);
}

int virtio_negotiate(struct virtio_dev *dev, uint64_t wanted, uint64_t *ret_features)
{
	uint64_t offered, features;

	add_status(dev, VIRTIO_ACKNOWLEDGE);
	add_status(dev, VIRTIO_DRIVER);

	offered = dev->ops->get_features(dev);
	/*
	 * §6.1: ACCESS_PLATFORM must be accepted when offered. ORDER_PLATFORM asks for the barriers
	 * that dma_wmb() and dma_rmb() are.
	 */
	wanted |= VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM;
	features = offered & wanted;
	if (dev->legacy) {
		/* The old interface has 32 bits and no confirmation */
		features = (uint32_t)features;
		dev->ops->set_features(dev, features);
		*ret_features = features;
		return 0;
	}

	if (!(features & VIRTIO_F_VERSION_1))
		return log_err(-EPROTO, "virtio %s: no VERSION_1 in features %#lx", dev->name,
			       offered);
	dev->ops->set_features(dev, features);
	add_status(dev, VIRTIO_FEATURES_OK);
	if (!(dev->ops->get_status(dev) & VIRTIO_FEATURES_OK))
		return log_err(-EPROTO, "virtio %s: refuses features %#lx out of %#lx", dev->name,
			       features, offered);
	*ret_features = features;
	return 0;
}

uint32_t virtio_config_read(struct virtio_dev *dev, unsigned off, unsigned size)
{
	const char *p = (const char *)dev->config + off;

	if (!range_inside(off, size, 0, dev->config_len))
		return 0xffffffff;
	return size == 1 ? mmio_read8(p) : size == 2 ? mmio_read16(p) : mmio_read32(p);
}

int virtio_config_read64(struct virtio_dev *dev, unsigned off, uint64_t *ret)
{
	for (unsigned n = 0; n < CONFIG_TRIES; n++) {
		uint32_t before = dev->ops->config_generation(dev);
		uint64_t low = dev->ops->config_read(dev, off, 4);
		uint64_t high = dev->ops->config_read(dev, off + 4, 4);

		if (dev->ops->config_generation(dev) == before) {
			*ret = high << 32 | low;
			return 0;
		}
	}
	return log_err(-EIO, "virtio %s: configuration keeps changing", dev->name);
}

void virtio_close(struct virtio_dev *dev)
{
	uint8_t status = dev->ops->get_status(dev);
	int rc = 0;

	if (status && status != VIRTIO_GONE)
		rc = virtio_reset(dev);
	dma_detach(&dev->dma, rc != -ETIMEDOUT);
}

unsigned virtio_type(const struct virtio_place *at)
{
	return at->pci ? virtio_pci_type(at->pci) : virtio_mmio_type(at->mmio);
}

int virtio_open(struct virtio_dev *dev, const struct virtio_place *at)
{
	return at->pci ? virtio_pci_open(dev, at->pci) : virtio_mmio_open(dev, at->mmio);
}
