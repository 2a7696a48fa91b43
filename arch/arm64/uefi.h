/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one thing wanted from UEFI: the RSDP in its configuration table (UEFI 2.9 §4.3, §4.6). Pure.
 */
#ifndef ARM64_UEFI_H
#define ARM64_UEFI_H

#include "arch/arm64/devtree.h"

/* Physical address of the ACPI 2.0 RSDP, or 0. @read as arch_read_mem() */
phys_addr_t efi_find_rsdp(const struct devtree_efi *efi,
			  int (*read)(void *dst, phys_addr_t pa, size_t len));

#endif
