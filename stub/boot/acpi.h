/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few ACPI tables the stub needs: MCFG (PCI ECAM), SPCR (console), FADT (reset register, PSCI
 * flags). ACPI 6.4. Pure: physical memory is read through a callback; every length and checksum is
 * checked.
 */
#ifndef STUB_ACPI_H
#define STUB_ACPI_H

#include "stub/boot/boot_info.h"

/*
 * Fill bi->pci_hosts, bi->firmware_console, bi->reset from the tables below bi->rsdp. @read as
 * arch_read_mem(). 0, or -EINVAL / -EFAULT when the RSDP or the (X|R)SDT is unusable; a single bad
 * table is reported and skipped.
 */
int acpi_discover(struct boot_info *bi, int (*read)(void *dst, phys_addr_t pa, size_t len));

/*
 * Look for an RSDP in the BIOS area (ACPI 6.4 §5.2.5.1): EBDA's first KiB and 0xe0000-0xfffff. 0 if
 * there is none.
 */
phys_addr_t acpi_find_rsdp(int (*read)(void *dst, phys_addr_t pa, size_t len));

#endif
