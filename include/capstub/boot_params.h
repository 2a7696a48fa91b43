/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Linux/x86 boot protocol, version 2.15 (Documentation/arch/x86/boot.rst and zero-page.rst):
 * the setup header in the image's file, and boot_params, which the loader fills. Every field is
 * named as there.
 */
#ifndef CAPSTUB_BOOT_PARAMS_H
#define CAPSTUB_BOOT_PARAMS_H

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

#include <stddef.h>
#include <stdint.h>

/* At 0x1f1 of the file and of boot_params (boot.rst "The Real-Mode Kernel Header") */
struct setup_header {
	uint8_t  setup_sects;		/* 0x1f1 */
	uint16_t root_flags;
	uint32_t syssize;
	uint16_t ram_size;
	uint16_t vid_mode;
	uint16_t root_dev;
	uint16_t boot_flag;		/* 0x1fe */
	uint8_t  jump[2];		/* its second byte and 0x202: where the header ends */
	uint32_t header;		/* 0x202 */
	uint16_t version;
	uint32_t realmode_swtch;
	uint16_t start_sys_seg;
	uint16_t kernel_version;
	uint8_t  type_of_loader;	/* 0x210 */
	uint8_t  loadflags;
	uint16_t setup_move_size;
	uint32_t code32_start;
	uint32_t ramdisk_image;
	uint32_t ramdisk_size;
	uint32_t bootsect_kludge;
	uint16_t heap_end_ptr;
	uint8_t  ext_loader_ver;
	uint8_t  ext_loader_type;
	uint32_t cmd_line_ptr;		/* 0x228 */
	uint32_t initrd_addr_max;
	uint32_t kernel_alignment;	/* 0x230 */
	uint8_t  relocatable_kernel;
	uint8_t  min_alignment;
	uint16_t xloadflags;
	uint32_t cmdline_size;		/* 0x238 */
	uint32_t hardware_subarch;
	uint64_t hardware_subarch_data;
	uint32_t payload_offset;
	uint32_t payload_length;
	uint64_t setup_data;
	uint64_t pref_address;
	uint32_t init_size;		/* 0x260 */
	uint32_t handover_offset;
	uint32_t kernel_info_offset;
} __attribute__((packed));

/* 4096 bytes in all. The gaps, of which nothing is used, are named by their offset. */
struct boot_params {
	uint8_t  rsvd000[0x070];
	uint64_t acpi_rsdp_addr;	/* 0x070 */
	uint8_t  rsvd078[0x0c8 - 0x078];
	uint32_t ext_cmd_line_ptr;	/* 0x0c8 upper half of cmd_line_ptr */
	uint8_t  rsvd0cc[0x1e8 - 0x0cc];
	uint8_t  e820_entries;		/* 0x1e8 */
	uint8_t  rsvd1e9[OFFSET_SETUP_SECTS - 0x1e9];
	struct setup_header hdr;	/* 0x1f1 */
} __attribute__((packed));
#define BOOT_PARAMS_SIZE	4096u

_Static_assert(offsetof(struct boot_params, ext_cmd_line_ptr) == 0x0c8, "boot_params");
_Static_assert(offsetof(struct boot_params, e820_entries) == 0x1e8, "boot_params");
_Static_assert(offsetof(struct boot_params, hdr.boot_flag) == OFFSET_BOOT_FLAG, "boot_params");
_Static_assert(offsetof(struct boot_params, hdr.header) == OFFSET_MAGIC, "boot_params");
_Static_assert(offsetof(struct boot_params, hdr.cmd_line_ptr) == 0x228, "boot_params");
_Static_assert(offsetof(struct boot_params, hdr.cmdline_size) == OFFSET_CMDLINE_SIZE, "boot_params");
_Static_assert(offsetof(struct boot_params, hdr.init_size) == OFFSET_INIT_SIZE, "boot_params");
_Static_assert(sizeof(struct boot_params) == OFFSET_HEADER_END, "boot_params");

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
