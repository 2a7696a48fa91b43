/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks behind a virtio SCSI host over any transport. One at a time. */
#ifndef DRIVERS_VIRTIO_SCSI_H
#define DRIVERS_VIRTIO_SCSI_H

#include "drivers/virtio/virtio.h"
#include "stub/disk/blk.h"

/*
 * Take over the device at @at, of type VIRTIO_ID_SCSI, as stub/disk/devices.c wants it. A unit is target * 16384 +
 * logical unit.
 */
int virtio_scsi_probe(const struct virtio_place *at, unsigned *unit, struct blk_dev **ret_dev);

#endif
