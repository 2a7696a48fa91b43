// SPDX-License-Identifier: GPL-2.0-or-later
/* A machine without IOMMUs, or with one that refuses, for tests of who attaches devices. */
#include "tests/unit/fake/iommu.h"

#include <errno.h>

int fake_iommu_rc;
phys_addr_t fake_iommu_limit = UINT64_MAX;
unsigned fake_iommu_attached, fake_iommu_most = UINT32_MAX;

bool iommu_named(const struct boot_info *bi)
{
	(void)bi;
	return false;
}

void iommu_init(const struct boot_info *bi, int (*ram)(void *dst, phys_addr_t pa, size_t len), void *pages,
		unsigned nr_pages)
{
	(void)bi;
	(void)ram;
	(void)pages;
	(void)nr_pages;
}

int iommu_attach(const struct iommu_requester *r, phys_addr_t *ret_limit)
{
	(void)r;
	*ret_limit = fake_iommu_limit;
	if (fake_iommu_attached >= fake_iommu_most)
		return -EXDEV;
	fake_iommu_attached += !fake_iommu_rc;
	return fake_iommu_rc;
}

void iommu_detach(const struct iommu_requester *r)
{
	(void)r;
	fake_iommu_attached--;
}
