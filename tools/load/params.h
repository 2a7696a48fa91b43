/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the stub is told, in one segment: on x86_64 boot_params and the command line, on arm64 a device tree with the
 * command line in it. Behind it a few instructions: kexec_load(2) jumps to an address and sets no register, while the
 * boot protocols want one that points at all this. Pure.
 *
 * The command line is the caller's words and what goes with them: where the elfcorehdr is, and verify= words by which
 * the stub finds out whether this segment and the elfcorehdr were overwritten since (stub/boot/cmdline.h).
 */
#ifndef TOOLS_LOAD_PARAMS_H
#define TOOLS_LOAD_PARAMS_H

#include "stub/bits.h"
#include "tools/load/image.h"
#include "tools/load/machine.h"

#define WORDS_MAX	2047	/* what the stub keeps of its command line */

/* Addresses of everything. What moves must not change the segment's size. */
struct layout {
	uint64_t image;
	uint64_t params;
	struct range elfcore;
	uint32_t elfcore_crc;
	bool verify_elfcore;	/* not if the kernel is going to rewrite it */
};

struct params {
	uint8_t *data;		/* for free() */
	size_t size;
	uint64_t entry;		/* distance of the instructions from its start */
};

/*
 * 0, or -errno with a message: -E2BIG when @words are too long, -EINVAL when the device tree cannot be used.
 * Called twice, with addresses of 0 to learn the size.
 */
int params_build(struct params *p, const struct machine *m, const struct stub_image *img, const struct layout *at,
		 const char *words);

/* The image's setup header, at 0x1f1 of its file and of boot_params (boot.rst "The Real-Mode Kernel Header") */
#define SETUP_HEADER_AT	0x1f1
#define SETUP_MAGIC	0x53726448	/* "HdrS" */

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

_Static_assert(SETUP_HEADER_AT + offsetof(struct setup_header, boot_flag) == 0x1fe, "setup_header");
_Static_assert(SETUP_HEADER_AT + offsetof(struct setup_header, cmd_line_ptr) == 0x228, "setup_header");
_Static_assert(SETUP_HEADER_AT + offsetof(struct setup_header, init_size) == 0x260, "setup_header");
_Static_assert(SETUP_HEADER_AT + sizeof(struct setup_header) == 0x26c, "setup_header");

/* The fields of boot_params that are set (Documentation/arch/x86/zero-page.rst) */
struct boot_params {
	uint8_t  rsvd000[0x070];
	uint64_t acpi_rsdp_addr;	/* 0x070 */
	uint8_t  rsvd078[0x0c8 - 0x078];
	uint32_t ext_cmd_line_ptr;	/* 0x0c8 */
	uint8_t  rsvd0cc[0x1e8 - 0x0cc];
	uint8_t  e820_entries;		/* 0x1e8 */
	uint8_t  rsvd1e9[SETUP_HEADER_AT - 0x1e9];
	struct setup_header hdr;	/* 0x1f1 */
	uint8_t  rsvd26c[0x2d0 - 0x26c];
	struct e820_entry {
		uint64_t addr;
		uint64_t size;
		uint32_t type;		/* 1: RAM */
	} __attribute__((packed)) e820_table[128];	/* 0x2d0 */
	uint8_t  rsvdcd0[4096 - 0xcd0];
} __attribute__((packed));

_Static_assert(offsetof(struct boot_params, e820_table) == 0x2d0, "boot_params");
_Static_assert(sizeof(struct boot_params) == 4096, "boot_params");

#endif
