/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio block device over any transport. One at a time. */
#ifndef DRIVERS_VIRTIO_BLK_H
#define DRIVERS_VIRTIO_BLK_H

#include "drivers/virtio/virtio.h"
#include "stub/disk/blk.h"

/*
 * Take over the device at @at, of type VIRTIO_ID_BLOCK, as stub/disk/devices.c wants it: @unit 0 is its disk, and
 * there is no other.
 */
int virtio_blk_probe(const struct virtio_place *at, unsigned *unit, struct blk_dev **ret_dev);

#endif
