/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio device behind one of its transports, VIRTIO 1.1. Transports: drivers/virtio/virtio_pci.c,
 * drivers/virtio/virtio_mmio.c; device: drivers/blk/virtio_blk.c.
 */
#ifndef DRIVERS_VIRTIO_H
#define DRIVERS_VIRTIO_H

#include "drivers/dma.h"
#include "drivers/pci.h"
#include "stub/bits.h"

struct virtq;
struct virtio_dev;

/* Device status, §2.1 */
enum virtio_status {
	VIRTIO_ACKNOWLEDGE	= 0x01,
	VIRTIO_DRIVER		= 0x02,
	VIRTIO_DRIVER_OK	= 0x04,
	VIRTIO_FEATURES_OK	= 0x08,
	VIRTIO_NEEDS_RESET	= 0x40,
	VIRTIO_FAILED		= 0x80,
	VIRTIO_GONE		= 0xff,	/* what an absent device reads as */
};

/* Feature bits that belong to no device type, §6 */
#define VIRTIO_F_VERSION_1		BIT(32)
#define VIRTIO_F_ACCESS_PLATFORM	BIT(33)
#define VIRTIO_F_ORDER_PLATFORM		BIT(36)

/* Device types, §5; 0 is what an empty place has */
#define VIRTIO_ID_BLOCK			2
#define VIRTIO_ID_SCSI			8

struct virtio_transport_ops {
	uint8_t (*get_status)(struct virtio_dev *dev);
	void (*set_status)(struct virtio_dev *dev, uint8_t status);
	uint64_t (*get_features)(struct virtio_dev *dev);
	void (*set_features)(struct virtio_dev *dev, uint64_t features);
	/*
	 * Largest size of queue @index (the only size when dev->fixed_queue_size), 0: no such queue
	 */
	unsigned (*queue_size)(struct virtio_dev *dev, unsigned index);
	/* Tell the device where @vq is, and @vq how the device is notified of it. 0 or -errno. */
	int (*queue_enable)(struct virtio_dev *dev, struct virtq *vq);
	void (*notify)(struct virtio_dev *dev, const struct virtq *vq);
	/*
	 * A field of @size 1, 2 or 4 bytes of the device's configuration; all ones beyond its end
	 */
	uint32_t (*config_read)(struct virtio_dev *dev, unsigned off, unsigned size);
	uint32_t (*config_generation)(struct virtio_dev *dev);
	/* Is the device still there at all? */
	bool (*present)(struct virtio_dev *dev);
};

struct virtio_dev {
	const struct virtio_transport_ops *ops;
	char name[24];			/* "0000:00:04.0", "mmio 0xa003e00" */
	bool legacy;			/* before 1.0: no FEATURES_OK, queue given by page number */
	bool fixed_queue_size;		/* legacy PCI */
	struct dma_dev dma;		/* to be attached between reset and the first queue */
	/* PCI: common configuration; MMIO, legacy ports in memory: all registers */
	void *common;
	void *config;
	uint32_t config_len;
	uint16_t port;			/* legacy PCI: first I/O port */
	phys_addr_t notify_base;	/* PCI: notification structure */
	uint32_t notify_len;
	uint32_t notify_multiplier;
	struct pci_dev pci;
};

/*
 * Reset the device, whoever drove it before, and wait until it says so (§3.1.1 step 1). 0, -ENODEV:
 * gone, -ETIMEDOUT.
 */
int virtio_reset(struct virtio_dev *dev);

/*
 * §3.1.1 steps 2-6: acknowledge, and accept what the device offers of @wanted. 0 with the features
 * in force, or -errno. Only VERSION_1 and what the platform demands is added to @wanted here.
 */
int virtio_negotiate(struct virtio_dev *dev, uint64_t wanted, uint64_t *ret_features);

/* 64-bit field of the configuration, read consistently (§2.4.1) */
int virtio_config_read64(struct virtio_dev *dev, unsigned off, uint64_t *ret);

/*
 * Give up: reset, so that the device forgets its queues, and no more DMA. Bounded, whatever state
 * the device is in; it must be opened again before any other use.
 */
void virtio_close(struct virtio_dev *dev);

/* Where a device may be: one of the two */
struct virtio_place {
	const struct pci_dev *pci;
	const struct virtio_mmio_spec *mmio;
};

/* Which type of virtio device is there; 0: none. Changes nothing. */
unsigned virtio_type(const struct virtio_place *at);

/*
 * Bind the transport to the device at @at, which has a virtio_type(). 0, or -errno, logged, and the
 * device does no DMA. On 0 registers can be used, but it has not been reset and is in whatever state
 * it was left in. @dev is the caller's and stays where it is; it needs no release when it was never
 * started.
 */
int virtio_open(struct virtio_dev *dev, const struct virtio_place *at);

/*
 * config_read() of transports with mapped registers, §4.1.3.1 and §4.2.2.2: with the width of the field. The length of the structure
 * is the device's word: what it does not have reads as from an absent device.
 */
uint32_t virtio_config_read(struct virtio_dev *dev, unsigned off, unsigned size);

/* The two transports of virtio_type() and virtio_open() */
unsigned virtio_pci_type(const struct pci_dev *pci);
unsigned virtio_mmio_type(const struct virtio_mmio_spec *spec);
/* Features 0 to 31 that the driver before us has accepted; of the modern interface */
uint32_t virtio_pci_accepted(struct virtio_dev *dev);
int virtio_pci_open(struct virtio_dev *dev, const struct pci_dev *pci);
int virtio_mmio_open(struct virtio_dev *dev, const struct virtio_mmio_spec *spec);

#endif
