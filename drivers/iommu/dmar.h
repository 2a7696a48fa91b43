/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ACPI table DMAR: which DMA remapping unit translates for a function. Intel VT-d 3.3 §8. Pure:
 * memory and configuration space are read through callbacks; every length in the table is checked.
 */
#ifndef DRIVERS_DMAR_H
#define DRIVERS_DMAR_H

#include "stub/bits.h"

struct dmar_ops {
	/* as arch_read_mem() */
	int (*read)(void *dst, phys_addr_t pa, size_t len);
	/*
	 * Configuration space of segment @segment, one byte at @off; 0xff where there is nothing.
	 * For the bus numbers of bridges.
	 */
	uint8_t (*config)(void *ctx, uint16_t segment, uint8_t bus, uint8_t devfn, unsigned off);
	void *ctx;
};

/*
 * Registers of the unit that is responsible for function @bus:@devfn of @segment, from the table of
 * @len bytes at @pa. 0; -ENOENT: no unit names it, so its DMA is not translated; -EFAULT, -EINVAL:
 * the table cannot be used, said why.
 */
int dmar_find_unit(const struct dmar_ops *ops, phys_addr_t pa, uint32_t len, uint16_t segment,
		   uint8_t bus, uint8_t devfn, phys_addr_t *ret_regs);

#endif
