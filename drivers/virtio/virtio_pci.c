// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio over PCI, VIRTIO 1.1 §4.1: by capabilities (1.x), or by the I/O ports of BAR 0 (§4.1.4.8,
 * legacy), which are memory on machines whose CPU knows no ports. A transitional device has both
 * and is driven the modern way. Bound by stub/disk/devices.c, used through virtio_transport_ops by
 * virtio.c and virtio_blk.c.
 *
 * BARs are where the dead kernel or the firmware put them, and the device may be in any state:
 * running, half reset, or never touched. Until virtio_reset() it may go on with DMA for the dead
 * kernel, so it must not be believed before, and it must not be told of a queue of ours.
 */
#include <cpu.h>
#include <errno.h>
#include <io.h>
#include <stdio.h>
#include <string.h>

#include "drivers/virtio/virtio.h"
#include "drivers/virtio/virtio_ring.h"
#include "stub/arch.h"
#include "stub/log.h"

#define VIRTIO_VENDOR		0x1af4
#define DEVICE_MODERN		0x1040	/* §4.1.2: and the device type */
#define DEVICE_MODERN_LAST	0x107f
#define DEVICE_TRANSITIONAL_BLK	0x1001	/* §4.1.2.1: in no order */
#define DEVICE_TRANSITIONAL_SCSI 0x1004

/* struct virtio_pci_cap, §4.1.4 */
enum virtio_pci_cap {
	CAP_LEN			= 2,
	CAP_CFG_TYPE		= 3,
	CAP_BAR			= 4,
	CAP_OFFSET		= 8,
	CAP_LENGTH		= 12,
	CAP_NOTIFY_MULTIPLIER	= 16,
};
/*
 * A capability may be longer than specified here, never shorter (§4.1.4.1). A function has few of
 * them; the bound is for a list that goes in a circle.
 */
#define CAP_MIN_LEN		16
#define CAP_NOTIFY_LEN		20
#define MAX_VENDOR_CAPS		16

enum virtio_pci_cfg_type {
	CFG_COMMON	= 1,
	CFG_NOTIFY	= 2,
	CFG_DEVICE	= 4,
};

/* struct virtio_pci_common_cfg, §4.1.4.3 */
enum common_reg {
	DEVICE_FEATURE_SELECT	= 0,
	DEVICE_FEATURE		= 4,
	DRIVER_FEATURE_SELECT	= 8,
	DRIVER_FEATURE		= 12,
	DEVICE_STATUS		= 20,	/* 8 bits */
	CONFIG_GENERATION	= 21,	/* 8 bits */
	QUEUE_SELECT		= 22,	/* 16 bits, as the next ones */
	QUEUE_SIZE		= 24,
	QUEUE_ENABLE		= 28,
	QUEUE_NOTIFY_OFF	= 30,
	QUEUE_DESC		= 32,	/* 64 bits, as the next ones */
	QUEUE_DRIVER		= 40,
	QUEUE_DEVICE		= 48,
	COMMON_LEN		= 56,
};

/* Legacy ports, §4.1.4.8; MSI-X is off, so the configuration follows at 20 */
enum legacy_reg {
	LEGACY_DEVICE_FEATURES	= 0,
	LEGACY_DRIVER_FEATURES	= 4,
	LEGACY_QUEUE_PFN	= 8,
	LEGACY_QUEUE_SIZE	= 12,
	LEGACY_QUEUE_SELECT	= 14,
	LEGACY_QUEUE_NOTIFY	= 16,
	LEGACY_STATUS		= 18,
	LEGACY_CONFIG		= 20,
};
#define LEGACY_CONFIG_LEN	64
#define LEGACY_LEN		(LEGACY_CONFIG + LEGACY_CONFIG_LEN)
#define LEGACY_PAGE		4096
#define DEVICE_CONFIG_MAX	256	/* more than any field we read */

/* --- modern --- */

static void *common(const struct virtio_dev *dev, enum common_reg reg)
{
	return (char *)dev->common + reg;
}

static uint8_t modern_get_status(struct virtio_dev *dev)
{
	return mmio_read8(common(dev, DEVICE_STATUS));
}

static void modern_set_status(struct virtio_dev *dev, uint8_t status)
{
	mmio_write8(common(dev, DEVICE_STATUS), status);
}

/* 64 bits through a 32-bit window, §4.1.4.3: the select register chooses the half */
static uint64_t modern_get_features(struct virtio_dev *dev)
{
	uint64_t features;

	mmio_write32(common(dev, DEVICE_FEATURE_SELECT), 0);
	features = mmio_read32(common(dev, DEVICE_FEATURE));
	mmio_write32(common(dev, DEVICE_FEATURE_SELECT), 1);
	return features | (uint64_t)mmio_read32(common(dev, DEVICE_FEATURE)) << 32;
}

static void modern_set_features(struct virtio_dev *dev, uint64_t features)
{
	mmio_write32(common(dev, DRIVER_FEATURE_SELECT), 0);
	mmio_write32(common(dev, DRIVER_FEATURE), (uint32_t)features);
	mmio_write32(common(dev, DRIVER_FEATURE_SELECT), 1);
	mmio_write32(common(dev, DRIVER_FEATURE), (uint32_t)(features >> 32));
}

uint32_t virtio_pci_accepted(struct virtio_dev *dev)
{
	mmio_write32(common(dev, DRIVER_FEATURE_SELECT), 0);
	return mmio_read32(common(dev, DRIVER_FEATURE));
}

static unsigned modern_queue_size(struct virtio_dev *dev, unsigned index)
{
	mmio_write16(common(dev, QUEUE_SELECT), (uint16_t)index);
	return mmio_read16(common(dev, QUEUE_SIZE));
}

/*
 * The device says at which offset it wants to be notified about a queue, and multiplier and length
 * come from another capability: each is checked against the other before it is mapped. The register
 * may be anywhere in a large BAR, so it alone is mapped, and only now.
 */
static int modern_queue_enable(struct virtio_dev *dev, struct virtq *vq)
{
	uint64_t off;

	mmio_write16(common(dev, QUEUE_SELECT), vq->index);
	/* §4.1.4.4: where this queue is notified */
	off = (uint64_t)mmio_read16(common(dev, QUEUE_NOTIFY_OFF)) * dev->notify_multiplier;
	if (!range_inside(off, 2, 0, dev->notify_len) || !IS_ALIGNED(dev->notify_base + off, 2))
		return log_err(-EPROTO, "virtio %s: notification at %#lx, outside its structure",
			       dev->name, off);
	vq->notify = arch_map_mmio(dev->notify_base + off, 2);
	if (!vq->notify)
		return log_err(-ENOMEM, "virtio %s: registers cannot be mapped", dev->name);

	/*
	 * May be smaller than what the device offered (§4.1.4.3); all of these before QUEUE_ENABLE
	 */
	mmio_write16(common(dev, QUEUE_SIZE), vq->size);
	mmio_write64(common(dev, QUEUE_DESC), dma_addr(&dev->dma, vq->desc));
	mmio_write64(common(dev, QUEUE_DRIVER), dma_addr(&dev->dma, vq->avail));
	mmio_write64(common(dev, QUEUE_DEVICE), dma_addr(&dev->dma, vq->used));
	/* §4.1.5.1.3: enabled last */
	mmio_write16(common(dev, QUEUE_ENABLE), 1);
	return 0;
}

/*
 * §4.1.5.2: the value is the queue, unless NOTIFICATION_DATA was negotiated, which we never accept
 */
static void modern_notify(struct virtio_dev *dev, const struct virtq *vq)
{
	(void)dev;
	mmio_write16(vq->notify, vq->index);
}

static uint32_t modern_config_generation(struct virtio_dev *dev)
{
	return mmio_read8(common(dev, CONFIG_GENERATION));
}

static bool present_pci(struct virtio_dev *dev)
{
	return pci_present(&dev->pci);
}

static const struct virtio_transport_ops virtio_pci_modern_ops = {
	.get_status		= modern_get_status,
	.set_status		= modern_set_status,
	.get_features		= modern_get_features,
	.set_features		= modern_set_features,
	.queue_size		= modern_queue_size,
	.queue_enable		= modern_queue_enable,
	.notify			= modern_notify,
	.config_read		= virtio_config_read,
	.config_generation	= modern_config_generation,
	.present		= present_pci,
};

/* --- legacy --- */

/* Where the host bridge turns memory accesses into ports, dev->common is port 0 of the device. */
#define LEGACY_ACCESS(width)								\
static uint##width##_t legacy_read##width(const struct virtio_dev *dev, unsigned reg)	\
{											\
	return dev->common ? mmio_read##width(dev->common + reg) :			\
			     pio_read##width((uint16_t)(dev->port + reg));		\
}											\
											\
static void legacy_write##width(const struct virtio_dev *dev, unsigned reg,		\
				uint##width##_t v)					\
{											\
	if (dev->common)								\
		mmio_write##width(dev->common + reg, v);				\
	else										\
		pio_write##width((uint16_t)(dev->port + reg), v);			\
}

LEGACY_ACCESS(8)
LEGACY_ACCESS(16)
LEGACY_ACCESS(32)

static uint8_t legacy_get_status(struct virtio_dev *dev)
{
	return legacy_read8(dev, LEGACY_STATUS);
}

static void legacy_set_status(struct virtio_dev *dev, uint8_t status)
{
	legacy_write8(dev, LEGACY_STATUS, status);
}

static uint64_t legacy_get_features(struct virtio_dev *dev)
{
	return legacy_read32(dev, LEGACY_DEVICE_FEATURES);
}

static void legacy_set_features(struct virtio_dev *dev, uint64_t features)
{
	legacy_write32(dev, LEGACY_DRIVER_FEATURES, (uint32_t)features);
}

static unsigned legacy_queue_size(struct virtio_dev *dev, unsigned index)
{
	legacy_write16(dev, LEGACY_QUEUE_SELECT, (uint16_t)index);
	return legacy_read16(dev, LEGACY_QUEUE_SIZE);
}

/*
 * One page number for the whole queue, whose size is the device's to choose (§4.1.5.1.3.1); rings
 * follow in the layout of §2.6.2. The write makes the queue known.
 */
static int legacy_queue_enable(struct virtio_dev *dev, struct virtq *vq)
{
	uint64_t pfn = dma_addr(&dev->dma, vq->desc) / LEGACY_PAGE;

	if (pfn > UINT32_MAX)
		return log_err(-ERANGE, "virtio %s: legacy device cannot reach the queue",
			       dev->name);
	legacy_write16(dev, LEGACY_QUEUE_SELECT, vq->index);
	legacy_write32(dev, LEGACY_QUEUE_PFN, (uint32_t)pfn);
	return 0;
}

static void legacy_notify(struct virtio_dev *dev, const struct virtq *vq)
{
	legacy_write16(dev, LEGACY_QUEUE_NOTIFY, vq->index);
}

static uint32_t legacy_config_read(struct virtio_dev *dev, unsigned off, unsigned size)
{
	unsigned reg = LEGACY_CONFIG + off;

	if (!range_inside(off, size, 0, dev->config_len))
		return 0xffffffff;
	return size == 1 ? legacy_read8(dev, reg) : size == 2 ? legacy_read16(dev, reg) :
								legacy_read32(dev, reg);
}

/*
 * The legacy interface has none (§2.4.4, which advises to read until two reads agree). One has to
 * do: the only field of 64 bits that we need, the capacity, changes only when somebody resizes the
 * disk at that very moment.
 */
static uint32_t legacy_config_generation(struct virtio_dev *dev)
{
	(void)dev;
	return 0;
}

static const struct virtio_transport_ops virtio_pci_legacy_ops = {
	.get_status		= legacy_get_status,
	.set_status		= legacy_set_status,
	.get_features		= legacy_get_features,
	.set_features		= legacy_set_features,
	.queue_size		= legacy_queue_size,
	.queue_enable		= legacy_queue_enable,
	.notify			= legacy_notify,
	.config_read		= legacy_config_read,
	.config_generation	= legacy_config_generation,
	.present		= present_pci,
};

/* --- finding the structures --- */

struct cfg_place {
	unsigned cap;		/* 0: not found */
	phys_addr_t addr;
	uint32_t len;
};

/*
 * First usable structure of a type, §4.1.4.1: the driver takes the first it supports; ports are
 * not. Everything in a capability is checked: the BAR exists and is memory, the sum does not wrap
 * around, the registers are aligned (cap 0 in what is returned: none). That the structure ends
 * inside the BAR cannot be known without sizing it, which would mean writing to a BAR of a device
 * that may be running.
 */
static struct cfg_place find_cfg(const struct pci_dev *pci, enum virtio_pci_cfg_type type,
				 uint32_t min_len)
{
	unsigned cap = 0;

	for (unsigned n = 0; n < MAX_VENDOR_CAPS; n++) {
		struct pci_bar bar;
		uint32_t off, len;

		cap = pci_find_cap(pci, PCI_CAP_VENDOR, cap);
		if (!cap)
			break;
		if (pci_read8(pci, cap + CAP_LEN) <
			    (type == CFG_NOTIFY ? CAP_NOTIFY_LEN : CAP_MIN_LEN) ||
		    pci_read8(pci, cap + CAP_CFG_TYPE) != type)
			continue;
		off = pci_read32(pci, cap + CAP_OFFSET);
		len = pci_read32(pci, cap + CAP_LENGTH);
		if (len < min_len || pci_bar(pci, pci_read8(pci, cap + CAP_BAR), &bar) || bar.io)
			continue;
		if (bar.addr + off < bar.addr || !IS_ALIGNED(off, type == CFG_NOTIFY ? 2 : 4))
			continue;
		return (struct cfg_place){ .cap = cap, .addr = bar.addr + off, .len = len };
	}
	return (struct cfg_place){ 0 };
}

/*
 * 0, -ENODEV: no such capabilities. Whatever type the device is, it has some configuration; how much
 * of it there is, is checked field by field.
 */
static int open_modern(struct virtio_dev *dev)
{
	struct cfg_place place_common = find_cfg(&dev->pci, CFG_COMMON, COMMON_LEN);
	struct cfg_place place_notify = find_cfg(&dev->pci, CFG_NOTIFY, 2);
	struct cfg_place place_device = find_cfg(&dev->pci, CFG_DEVICE, 4);

	if (!place_common.cap || !place_notify.cap || !place_device.cap)
		return -ENODEV;

	dev->notify_base = place_notify.addr;
	dev->notify_len = place_notify.len;
	dev->notify_multiplier = pci_read32(&dev->pci, place_notify.cap + CAP_NOTIFY_MULTIPLIER);
	dev->config_len = (uint32_t)min_u64(place_device.len, DEVICE_CONFIG_MAX);
	dev->common = arch_map_mmio(place_common.addr, COMMON_LEN);
	dev->config = arch_map_mmio(place_device.addr, dev->config_len);
	if (!dev->common || !dev->config)
		return log_err(-ENOMEM, "virtio %s: registers cannot be mapped", dev->name);
	dev->ops = &virtio_pci_modern_ops;
	return 0;
}

/* BAR 0 of ports is what makes a device legacy or transitional (§4.1.4.8) */
static int open_legacy(struct virtio_dev *dev)
{
	const struct pci_host *host = dev->pci.host;
	struct pci_bar bar;

	if (pci_bar(&dev->pci, 0, &bar) || !bar.io)
		return log_err(-EPROTO, "virtio %s: no registers", dev->name);
	if (range_inside(bar.addr, LEGACY_LEN, 0, host->io_ports))
		dev->common = arch_map_mmio(host->io + bar.addr, LEGACY_LEN);
	if (!dev->common && (!ARCH_HAS_PIO || bar.addr > 0x10000 - LEGACY_LEN))
		return log_err(-EOPNOTSUPP, "virtio %s: no way to its ports at %#lx", dev->name,
			       bar.addr);
	dev->port = (uint16_t)bar.addr;
	dev->config_len = LEGACY_CONFIG_LEN;
	dev->legacy = true;
	dev->fixed_queue_size = true;
	dev->ops = &virtio_pci_legacy_ops;
	return 0;
}

/* Of transitional devices those that may hold disks */
unsigned virtio_pci_type(const struct pci_dev *pci)
{
	if (pci->vendor != VIRTIO_VENDOR)
		return 0;
	if (pci->device > DEVICE_MODERN && pci->device <= DEVICE_MODERN_LAST)
		return pci->device - DEVICE_MODERN;
	return pci->device == DEVICE_TRANSITIONAL_BLK  ? VIRTIO_ID_BLOCK
	       : pci->device == DEVICE_TRANSITIONAL_SCSI ? VIRTIO_ID_SCSI
							 : 0;
}

int virtio_pci_open(struct virtio_dev *dev, const struct pci_dev *pci)
{
	int rc;

	memset(dev, 0, sizeof(*dev));
	dev->pci = *pci;
	dev->dma = (struct dma_dev){ .name = dev->name, .pci = &dev->pci,
				     .coherent = pci->host->dma_coherent, .last = UINT64_MAX };
	snprintf(dev->name, sizeof(dev->name), "%s", pci->name);
	/*
	 * Registers answer after this, and interrupts of the dead kernel are off; DMA is left as it
	 * was
	 */
	rc = pci_wake(pci);
	if (!rc) {
		rc = open_modern(dev);
		if (rc == -ENODEV)
			rc = open_legacy(dev);
	}
	/*
	 * That a device failed here is no reason to let it go on with what the dead kernel told it
	 */
	if (rc)
		dma_detach(&dev->dma, false);
	return rc;
}
