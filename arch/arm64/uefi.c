// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * EFI system table -> configuration table -> RSDP.
 *
 * The dead kernel gave the firmware's runtime parts virtual addresses (SetVirtualAddressMap, UEFI
 * 2.9 §8.4), and the firmware then turned the configuration table's address into a virtual one. The
 * memory map that the kernel's EFI stub left behind says where each virtual range lies; tables
 * inside the configuration table keep physical addresses.
 */
#include "arch/arm64/uefi.h"

#include <efi.h>
#include <string.h>

#include "stub/log.h"

#define EFI_TABLES_MAX	256	/* configuration table entries looked at */
#define EFI_DESC_MAX	4096	/* memory descriptors looked at */
#define EFI_DESC_LEN_MAX 512

_Static_assert(sizeof(EFI_MEMORY_DESCRIPTOR) == 40, "UEFI 2.9 §7.2");
_Static_assert(sizeof(EFI_CONFIGURATION_TABLE) == 24, "UEFI 2.9 §4.6");
_Static_assert(offsetof(EFI_SYSTEM_TABLE, ConfigurationTable) == 112, "UEFI 2.9 §4.3");

typedef int (*read_fn)(void *dst, phys_addr_t pa, size_t len);

/*
 * What @va was before the firmware was moved; @va itself when no runtime range covers it (then
 * nothing was moved)
 */
static phys_addr_t to_physical(const struct devtree_efi *efi, read_fn read, uint64_t va)
{
	EFI_MEMORY_DESCRIPTOR d;

	if (efi->desc_size < sizeof(d) || efi->desc_size > EFI_DESC_LEN_MAX)
		return va;
	for (uint32_t i = 0; i < EFI_DESC_MAX && i < efi->mmap_size / efi->desc_size; i++) {
		if (read(&d, efi->mmap + (uint64_t)i * efi->desc_size, sizeof(d)))
			break;
		if (!(d.Attribute & EFI_MEMORY_RUNTIME) || !d.VirtualStart || va < d.VirtualStart)
			continue;
		if ((va - d.VirtualStart) / EFI_PAGE_SIZE < d.NumberOfPages)
			return d.PhysicalStart + (va - d.VirtualStart);
	}
	return va;
}

static phys_addr_t find_table(phys_addr_t tables, uint64_t nr, read_fn read)
{
	static const EFI_GUID acpi20 = ACPI_20_TABLE_GUID;
	EFI_CONFIGURATION_TABLE entry;

	for (uint64_t i = 0; i < nr && i < EFI_TABLES_MAX; i++) {
		if (read(&entry, tables + i * sizeof(entry), sizeof(entry)))
			break;
		if (!memcmp(&entry.VendorGuid, &acpi20, sizeof(acpi20)))
			return (uintptr_t)entry.VendorTable;
	}
	return 0;
}

phys_addr_t efi_find_rsdp(const struct devtree_efi *efi, read_fn read)
{
	EFI_SYSTEM_TABLE systab;
	uint64_t tables;
	phys_addr_t pa, rsdp;

	if (!efi->systab || read(&systab, efi->systab, sizeof(systab)))
		return 0;
	if (systab.Hdr.Signature != EFI_SYSTEM_TABLE_SIGNATURE) {
		log_warn("efi: no system table at %#lx", efi->systab);
		return 0;
	}
	tables = (uintptr_t)systab.ConfigurationTable;
	pa = to_physical(efi, read, tables);
	rsdp = find_table(pa, systab.NumberOfTableEntries, read);
	if (!rsdp)
		log_warn("efi: no ACPI table among %lu at %#lx", systab.NumberOfTableEntries, pa);
	return rsdp;
}
