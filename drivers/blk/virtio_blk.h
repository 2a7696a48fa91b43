/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio block device over any transport. One at a time. */
#ifndef DRIVERS_VIRTIO_BLK_H
#define DRIVERS_VIRTIO_BLK_H

#include "drivers/virtio/virtio.h"
#include "stub/disk/blk.h"

/*
 * Take the device over (reset first, whatever state it is in) and start it. @dev, which a
 * transport's open filled, is copied. 0 with the disk, or -errno: the device is reset and can do no
 * DMA.
 */
int virtio_blk_start(const struct virtio_dev *dev, struct blk_dev **ret_dev);

#endif
