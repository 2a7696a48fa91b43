/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ACPI table VIOT: which virtio-iommu translates for a function, under which endpoint number. ACPI 6.5
 * §5.2.34. Pure: memory is read through a callback; every offset in the table is checked.
 */
#ifndef DRIVERS_VIOT_H
#define DRIVERS_VIOT_H

#include "stub/bits.h"

/*
 * The unit (segment << 16 | bus << 8 | devfn of its own function) behind which requester @rid (bus << 8 | devfn) of
 * @segment is, from the table of @len bytes at @pa, and its endpoint number. 0; -ENOENT: the function is not behind a
 * unit, or is one; -EFAULT, -EINVAL: the table cannot be used. Errors are logged.
 */
int viot_find_unit(int (*read)(void *dst, phys_addr_t pa, size_t len), phys_addr_t pa, uint32_t len,
		   uint16_t segment, uint16_t rid, phys_addr_t *ret_unit, uint32_t *ret_endpoint);

#endif
