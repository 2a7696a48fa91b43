/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio device behind one of its transports, VIRTIO 1.1. Transports: drivers/virtio/virtio_pci.c,
 * drivers/virtio/virtio_mmio.c; device: drivers/blk/virtio_blk.c.
 */
#ifndef DRIVERS_VIRTIO_H
#define DRIVERS_VIRTIO_H

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

#define VIRTIO_ID_BLOCK			2

struct virtio_transport_ops {
	uint8_t (*get_status)(struct virtio_dev *dev);
	void (*set_status)(struct virtio_dev *dev, uint8_t status);
	uint64_t (*get_features)(struct virtio_dev *dev);
	void (*set_features)(struct virtio_dev *dev, uint64_t features);
	/*
	 * Largest size of queue @index (the only size when dev->fixed_queue_size), 0: no such queue
	 */
	unsigned (*queue_size)(struct virtio_dev *dev, unsigned index);
	/* Tell the device where @vq is. 0 or -errno. */
	int (*queue_enable)(struct virtio_dev *dev, unsigned index, const struct virtq *vq);
	void (*notify)(struct virtio_dev *dev, unsigned index);
	/*
	 * A field of @size 1, 2 or 4 bytes of the device's configuration; all ones beyond its end
	 */
	uint32_t (*config_read)(struct virtio_dev *dev, unsigned off, unsigned size);
	uint32_t (*config_generation)(struct virtio_dev *dev);
	/* Is the device still there at all? */
	bool (*present)(struct virtio_dev *dev);
	/*
	 * The device has been reset for the last time: take its right to do DMA away. False: this
	 * bus has no means to.
	 */
	bool (*close)(struct virtio_dev *dev);
};

struct virtio_dev {
	const struct virtio_transport_ops *ops;
	char name[24];			/* "0000:00:04.0", "mmio 0xa003e00" */
	bool legacy;			/* before 1.0: no FEATURES_OK, queue given by page number */
	bool fixed_queue_size;		/* legacy PCI */
	bool coherent;
	bool has_queue;			/* it was told where a queue is */
	/* PCI: common configuration; MMIO, legacy ports in memory: all registers */
	void *common;
	void *config;
	uint32_t config_len;
	void *notify;			/* PCI: register of queue 0 */
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
 * Give up: reset, so that the device forgets the queue, and no more DMA. Bounded, whatever state
 * the device is in; it must be opened again before any other use.
 */
void virtio_close(struct virtio_dev *dev);

/*
 * Bind a transport. 0, -ENODEV: no virtio block device there, or another -errno, logged. On 0
 * registers can be used, but the device has not been reset and is in whatever state it was left in.
 * @dev is the caller's, may be copied, and needs no release when it was never started.
 */
int virtio_pci_open(struct virtio_dev *dev, const struct pci_dev *pci);
int virtio_mmio_open(struct virtio_dev *dev, const struct virtio_mmio_spec *spec);

#endif
