/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ACPI table IORT: which SMMUv3 translates for a function, under which StreamID. Arm DEN 0049E, IO
 * Remapping Table. Pure: memory is read through a callback; every offset in the table is checked.
 */
#ifndef DRIVERS_IORT_H
#define DRIVERS_IORT_H

#include "stub/bits.h"

/*
 * Registers of the SMMUv3 behind the root complex of @segment for requester @rid (bus << 8 | devfn), from
 * the table of @len bytes at @pa, and the StreamID. 0; -ENOENT: the function is not behind an SMMUv3;
 * -EFAULT, -EINVAL: the table cannot be used. Errors are logged.
 */
int iort_find_unit(int (*read)(void *dst, phys_addr_t pa, size_t len), phys_addr_t pa, uint32_t len,
		   uint32_t segment, uint16_t rid, phys_addr_t *ret_regs, uint32_t *ret_sid);

#endif
