/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arm System MMU, architecture version 3 (IHI 0070) */
#ifndef DRIVERS_SMMU_V3_H
#define DRIVERS_SMMU_V3_H

#include "drivers/iommu/iommu.h"

extern const struct iommu_ops smmu_v3_ops;

#endif
