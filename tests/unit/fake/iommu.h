/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FAKE_IOMMU_H
#define FAKE_IOMMU_H

#include "drivers/iommu/iommu.h"

extern int fake_iommu_rc;		/* what attaching returns; 0: as without a unit */
extern phys_addr_t fake_iommu_limit;
extern unsigned fake_iommu_attached, fake_iommu_most;	/* no more than that */

#endif
