/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-iommu on PCI, VIRTIO 1.2 §5.13. The base of a unit is viot_find_unit()'s. */
#ifndef DRIVERS_VIRTIO_IOMMU_H
#define DRIVERS_VIRTIO_IOMMU_H

#include "drivers/iommu/iommu.h"

#define VIRTIO_ID_IOMMU		23

extern const struct iommu_ops virtio_iommu_ops;

#endif
