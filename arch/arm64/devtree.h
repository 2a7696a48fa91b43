/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the stub takes from a flattened device tree (Devicetree Specification 0.4; Linux
 * Documentation/devicetree). Pure. The tree was written by a dead kernel's loader: after
 * devtree_check() libfdt is safe on it, and nothing here walks it more than a fixed number of
 * times, however it is made.
 */
#ifndef ARM64_DEVTREE_H
#define ARM64_DEVTREE_H

#include "stub/boot/boot_info.h"

/* Where the EFI stub of the dead kernel left the firmware's tables (Documentation/arm/uefi.rst) */
struct devtree_efi {
	phys_addr_t systab;	/* 0: no EFI */
	phys_addr_t mmap;
	uint32_t mmap_size;
	uint32_t desc_size;
};

/* Is there a whole, well-formed tree in the @len bytes at @fdt? 0 or -EINVAL. */
int devtree_check(const void *fdt, size_t len);

/*
 * /chosen and what is needed before the console: bi->cmdline, elfcorehdr, elfcorehdr_size, uarts,
 * firmware_console, reset (PSCI). *ret_efi is all zero without EFI.
 */
void devtree_early(const void *fdt, struct boot_info *bi, struct devtree_efi *ret_efi);

/*
 * Is the command line what its author wrote? "check=" and eight hexadecimal digits, the CRC-32C of
 * all that stands before that word and the spaces in front of it, says so; the last such word
 * counts. True also without one.
 */
bool devtree_cmdline_intact(const char *cmdline);

/*
 * The @nr-th range of linux,usable-memory-range, [start, end): memory that the loader gives to the
 * kernel it starts. False: there are no more.
 */
bool devtree_usable_memory(const void *fdt, unsigned nr, uint64_t *ret_start, uint64_t *ret_end);

/* bi->pci_hosts, bi->virtio_mmio, bi->watchdogs */
void devtree_buses(const void *fdt, struct boot_info *bi);

/* Does the tree describe a machine, or only carry /chosen, as on ACPI machines? */
bool devtree_has_hardware(const void *fdt);

/* clock-frequency of the architected timer: for firmware that left CNTFRQ_EL0 unset. 0: not said */
uint32_t devtree_timer_hz(const void *fdt);

#endif
