/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file as target: where its blocks lie on the disk. The file, read as a file, has the layout of include/capstub/label.h,
 * and below its last 128 KiB this map; the stub reaches it by the address of the map's head on the disk, which is part of the
 * dump= word. All integers are little-endian.
 *
 *	END - 132 KiB - entries		struct capstub_extent[nr], padded with zeros to 4 KiB: here the room for the dump ends
 *	END - 132 KiB			struct capstub_extents, the head
 *	END - 128 KiB			as in every target
 *
 * From the entries to END the file is one piece on the disk, so that one address leads to all of it.
 */
#ifndef CAPSTUB_EXTENTS_H
#define CAPSTUB_EXTENTS_H

#include "capstub/label.h"

#define CAPSTUB_EXTENTS_MAGIC	"CAPSTUBF"
#define CAPSTUB_EXTENT_MAGIC	"CAPSTUBX"
#define CAPSTUB_EXTENTS_VERSION	1
#define CAPSTUB_EXTENTS_MAX	8192u
#define CAPSTUB_EXTENTS_OFFSET	(132u << 10)	/* distance of the head from END */
#define CAPSTUB_EXTENT_BLOCK	4096u

/* A piece of the file that is one piece of the disk; ascending, without gaps, from offset 0 to END */
struct capstub_extent {
	uint64_t offset;		/* bytes from the start of the file, a multiple of 4096 */
	uint64_t disk;			/* bytes from the start of the disk */
	uint32_t blocks;		/* of 4096 bytes */
	uint32_t crc32c;		/* of its first block, as whoever wrote the map left it; none for what the map is in */
};
_Static_assert(sizeof(struct capstub_extent) == 24, "extent size");

struct capstub_extents {
	char     magic[8];		/* 0x000 CAPSTUB_EXTENTS_MAGIC */
	uint32_t version;		/* 0x008 */
	uint32_t crc32c;		/* 0x00c of this block, with this field as 0, then of the entries with their padding */
	uint8_t  uuid[16];		/* 0x010 that of the label */
	uint64_t target_bytes;		/* 0x020 END */
	uint64_t disk;			/* 0x028 where this block is: one that was copied is none */
	uint32_t nr;			/* 0x030 1 .. CAPSTUB_EXTENTS_MAX */
	uint32_t rsvd34;
	char     path[1024];		/* 0x038 of the file when the map was written, NUL-terminated; for the host */
	uint8_t  rsvd438[4096 - 0x438];
};
_Static_assert(sizeof(struct capstub_extents) == 4096, "extents size");

/*
 * What `capstub format` writes to the first block of an extent, and a dump overwrites. Nobody parses it: that it is there is
 * the CRC in the map, and its contents make sure that it is nowhere else.
 */
struct capstub_extent_label {
	char     magic[8];		/* 0x000 CAPSTUB_EXTENT_MAGIC */
	uint32_t version;		/* 0x008 */
	uint32_t crc32c;		/* 0x00c of all 4096 bytes, with this field as 0 */
	uint8_t  uuid[16];		/* 0x010 */
	uint32_t index, nr;		/* 0x020 */
	struct capstub_extent at;	/* 0x028 its crc32c is 0 */
	uint8_t  nonce[16];		/* 0x040 of this formatting */
	uint8_t  rsvd50[4096 - 0x50];
};
_Static_assert(sizeof(struct capstub_extent_label) == CAPSTUB_EXTENT_BLOCK, "extent label size");

#endif
