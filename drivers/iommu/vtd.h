/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Intel VT-d DMA remapping units (Virtualization Technology for Directed I/O 3.3) */
#ifndef DRIVERS_VTD_H
#define DRIVERS_VTD_H

#include "drivers/iommu/iommu.h"

extern const struct iommu_ops vtd_ops;

#endif
