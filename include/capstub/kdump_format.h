/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kdump-compressed format, header version 6, as makedumpfile defines it (diskdump_mod.h) and crash,
 * libkdumpfile and drgn read it. Little-endian. Block = block_size bytes = page size of the dead
 * kernel.
 *
 *	block 0			struct disk_dump_header
 *	block 1			struct kdump_sub_header, then the notes at block_size + sizeof(sub-header)
 *	1 + sub_hdr_size	bitmap1 (frame is RAM), then bitmap2 (frame is stored); LSB first
 *	...			struct page_desc[popcount(bitmap2)] in pfn order
 *	...			page data, anywhere, addressed by page_desc
 */
#ifndef CAPSTUB_KDUMP_FORMAT_H
#define CAPSTUB_KDUMP_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define KDUMP_SIGNATURE		"KDUMP   "
#define KDUMP_HEADER_VERSION	6

#define KDUMP_COMPRESSED_ZLIB	0x01u
#define KDUMP_COMPRESSED_LZO	0x02u
#define KDUMP_COMPRESSED_SNAPPY	0x04u
#define KDUMP_INCOMPLETE	0x08u	/* status only */
#define KDUMP_EXCLUDED_VMEMMAP	0x10u	/* status only */
#define KDUMP_COMPRESSED_ZSTD	0x20u

#define KDUMP_UTS_LEN		65

struct disk_dump_header {
	char     signature[8];			/* 0 */
	int32_t  header_version;		/* 8 */
	char     sysname[KDUMP_UTS_LEN];	/* 12 */
	char     nodename[KDUMP_UTS_LEN];
	char     release[KDUMP_UTS_LEN];
	char     version[KDUMP_UTS_LEN];
	char     machine[KDUMP_UTS_LEN];
	char     domainname[KDUMP_UTS_LEN];
	uint8_t  rsvd402[6];
	int64_t  tv_sec;			/* 408 crash time */
	int64_t  tv_usec;			/* 416 */
	uint32_t status;			/* 424 */
	int32_t  block_size;			/* 428 */
	int32_t  sub_hdr_size;			/* 432 blocks */
	uint32_t bitmap_blocks;			/* 436 both bitmaps */
	uint32_t max_mapnr;			/* 440 obsolete, 32 bits */
	uint32_t total_ram_blocks;		/* 444 */
	uint32_t device_blocks;			/* 448 */
	uint32_t written_blocks;		/* 452 */
	uint32_t current_cpu;			/* 456 */
	int32_t  nr_cpus;			/* 460 */
};
_Static_assert(sizeof(struct disk_dump_header) == 464, "disk_dump_header size");
_Static_assert(offsetof(struct disk_dump_header, tv_sec) == 408, "disk_dump_header layout");
_Static_assert(offsetof(struct disk_dump_header, nr_cpus) == 460, "disk_dump_header layout");

struct kdump_sub_header {
	uint64_t phys_base;		/* 0 */
	int32_t  dump_level;		/* 8 */
	int32_t  split;			/* 12 */
	uint64_t start_pfn;		/* 16 */
	uint64_t end_pfn;		/* 24 */
	int64_t  offset_vmcoreinfo;	/* 32 */
	uint64_t size_vmcoreinfo;	/* 40 */
	int64_t  offset_note;		/* 48 */
	uint64_t size_note;		/* 56 */
	int64_t  offset_eraseinfo;	/* 64 */
	uint64_t size_eraseinfo;	/* 72 */
	uint64_t start_pfn_64;		/* 80 */
	uint64_t end_pfn_64;		/* 88 */
	uint64_t max_mapnr_64;		/* 96 */
};
_Static_assert(sizeof(struct kdump_sub_header) == 104, "kdump_sub_header size");

struct page_desc {
	int64_t  offset;		/* 0: missing (with KDUMP_INCOMPLETE) */
	uint32_t size;
	uint32_t flags;			/* 0: raw, size == block_size */
	uint64_t page_flags;		/* 0 */
};
_Static_assert(sizeof(struct page_desc) == 24, "page_desc size");

#endif
