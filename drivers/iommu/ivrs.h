/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ACPI table IVRS: which AMD IOMMU translates for a function, and under which number. AMD I/O
 * Virtualization Technology (IOMMU) Specification, 48882 rev. 3.07, §5.2. Pure: memory is read through a
 * callback; every length in the table is checked.
 */
#ifndef DRIVERS_IVRS_H
#define DRIVERS_IVRS_H

#include "stub/bits.h"

/*
 * Registers of the unit for device @id (bus << 8 | devfn) of @segment from the table of @len bytes at
 * @pa, and the device table entry that counts for it: its own number, or its alias. 0; -ENOENT: no
 * unit names it; -EFAULT, -EINVAL: the table cannot be used, said why.
 */
int ivrs_find_unit(int (*read)(void *dst, phys_addr_t pa, size_t len), phys_addr_t pa, uint32_t len,
		   uint16_t segment, uint16_t id, phys_addr_t *ret_regs, uint16_t *ret_alias);

#endif
