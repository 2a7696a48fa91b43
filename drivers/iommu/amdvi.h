/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AMD IOMMUs (AMD I/O Virtualization Technology Specification, 48882 rev. 3.07) */
#ifndef DRIVERS_AMDVI_H
#define DRIVERS_AMDVI_H

#include "drivers/iommu/iommu.h"

extern const struct iommu_ops amdvi_ops;

#endif
