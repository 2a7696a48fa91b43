// SPDX-License-Identifier: GPL-2.0-or-later
/* No virtio-iommu, for tests of the others */
#include "drivers/iommu/virtio_iommu.h"

const struct iommu_ops virtio_iommu_ops = { .kind = "none" };
