/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Linux/x86 boot protocol, version 2.15 (Documentation/arch/x86/boot.rst and zero-page.rst):
 * the setup header in our own file, and boot_params, which the loader fills. Every field is named
 * as there.
 */
#ifndef ARCH_BOOT_PARAMS_H
#define ARCH_BOOT_PARAMS_H

#define BOOT_PROTOCOL_VERSION	0x020f
#define BOOT_HEADER_MAGIC	0x53726448	/* "HdrS" */
#define BOOT_CMDLINE_SIZE	2047		/* without the NUL */

#define LOADED_HIGH		0x01

#define XLF_KERNEL_64		0x01		/* 64-bit entry at 0x200 */
#define XLF_CAN_BE_LOADED_ABOVE_4G 0x02
#define XLF_EFI_KEXEC		0x10		/* kexec on EFI machines, with efi_info */
#define XLF_5LEVEL		0x20		/* may be entered with 5-level paging */
#define XLF_5LEVEL_ENABLED	0x40		/* ... and stays with it */

/* Offsets in the file and in boot_params */
#define OFFSET_SETUP_SECTS	0x1f1
#define OFFSET_BOOT_FLAG	0x1fe
#define OFFSET_JUMP		0x200
#define OFFSET_MAGIC		0x202
#define OFFSET_LOADFLAGS	0x211
#define OFFSET_KERNEL_ALIGNMENT	0x230
#define OFFSET_XLOADFLAGS	0x236
#define OFFSET_CMDLINE_SIZE	0x238
#define OFFSET_PREF_ADDRESS	0x258
#define OFFSET_INIT_SIZE	0x260
#define OFFSET_HEADER_END	0x26c

#ifndef __ASSEMBLY__

#include "stub/bits.h"

/* What the stub reads of boot_params, 4096 bytes in all. The gaps are named by their offset. */
struct boot_params {
	uint8_t  rsvd000[0x070];
	uint64_t acpi_rsdp_addr;	/* 0x070 */
	uint8_t  rsvd078[0x0c8 - 0x078];
	uint32_t ext_cmd_line_ptr;	/* 0x0c8 upper half of cmd_line_ptr */
	uint8_t  rsvd0cc[0x1c0 - 0x0cc];
	uint32_t efi_loader_signature;	/* 0x1c0 "EL64" */
	uint8_t  rsvd1c4[0x1e8 - 0x1c4];
	uint8_t  e820_entries;		/* 0x1e8 */
	uint8_t  rsvd1e9[0x202 - 0x1e9];
	uint32_t header;		/* 0x202 copied from our file by the loader */
	uint16_t version;		/* 0x206 */
	uint8_t  rsvd208[0x228 - 0x208];
	uint32_t cmd_line_ptr;		/* 0x228 */
	uint8_t  rsvd22c[0x238 - 0x22c];
	uint32_t cmdline_size;		/* 0x238 */
	uint8_t  rsvd23c[0x250 - 0x23c];
	uint64_t setup_data;		/* 0x250 */
} __attribute__((packed));

_Static_assert(offsetof(struct boot_params, acpi_rsdp_addr) == 0x070, "boot_params");
_Static_assert(offsetof(struct boot_params, ext_cmd_line_ptr) == 0x0c8, "boot_params");
_Static_assert(offsetof(struct boot_params, efi_loader_signature) == 0x1c0, "boot_params");
_Static_assert(offsetof(struct boot_params, e820_entries) == 0x1e8, "boot_params");
_Static_assert(offsetof(struct boot_params, header) == OFFSET_MAGIC, "boot_params");
_Static_assert(offsetof(struct boot_params, cmd_line_ptr) == 0x228, "boot_params");
_Static_assert(offsetof(struct boot_params, cmdline_size) == OFFSET_CMDLINE_SIZE, "boot_params");
_Static_assert(offsetof(struct boot_params, setup_data) == 0x250, "boot_params");

/* The memory map, behind the fields above */
#define OFFSET_E820_TABLE	0x2d0
#define E820_MAX		128
#define E820_RAM		1

struct e820_entry {
	uint64_t addr;
	uint64_t size;
	uint32_t type;
} __attribute__((packed));

_Static_assert(sizeof(struct e820_entry) == 20, "e820_entry");

/* setup_data: a list in physical memory */
#define SETUP_EFI		4
#define SETUP_DATA_MAX		16	/* entries looked at: the list may be a circle */

struct setup_data {
	uint64_t next;
	uint32_t type;
	uint32_t len;
};

_Static_assert(sizeof(struct setup_data) == 16, "setup_data");

/*
 * SETUP_EFI's payload begins with this: physical addresses from before the firmware was told
 * virtual ones
 */
struct efi_setup_data {
	uint64_t fw_vendor;
	uint64_t rsvd8;
	uint64_t tables;		/* 0x10 EFI configuration table */
	uint64_t smbios;
};

_Static_assert(offsetof(struct efi_setup_data, tables) == 0x10, "efi_setup_data");

#endif
#endif
