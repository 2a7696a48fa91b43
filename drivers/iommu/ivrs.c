// SPDX-License-Identifier: GPL-2.0-or-later
#include "drivers/iommu/ivrs.h"

#include <errno.h>

#include "stub/log.h"

#define BLOCKS_AT	48u	/* 48882 §5.2.1: ACPI header, IVinfo, 8 reserved bytes */
#define MAX_BLOCKS	256u
#define MAX_ENTRIES	8192u	/* of one block */

/* I/O Virtualization Hardware Definition, 48882 §5.2.2. Later types have more fields before the entries. */
enum { IVHD_10 = 0x10, IVHD_11 = 0x11, IVHD_40 = 0x40 };

struct ivhd {
	uint8_t  type;		/* 0 */
	uint8_t  flags;
	uint16_t length;	/* 2 of the block with its entries */
	uint16_t device_id;	/* 4 of the IOMMU itself */
	uint16_t cap_offset;
	uint64_t base;		/* 8 of its registers */
	uint16_t segment;	/* 16 */
	uint16_t info;
	uint32_t features;
};
_Static_assert(sizeof(struct ivhd) == 24, "IVHD size");

/* Device entries, 48882 §5.2.2.5-7 */
enum {
	ENTRY_ALL = 1, ENTRY_SELECT = 2, ENTRY_RANGE = 3, ENTRY_RANGE_END = 4,
	ENTRY_ALIAS = 66, ENTRY_ALIAS_RANGE = 67, ENTRY_EXT = 70, ENTRY_EXT_RANGE = 71, ENTRY_HID = 240,
};

struct entry {
	uint8_t  type;		/* 0 */
	uint8_t  id[2];		/* 1 first or only device */
	uint8_t  data;
	uint8_t  rsvd4;
	uint8_t  alias[2];	/* 5 in alias entries */
	uint8_t  rsvd7;
};
_Static_assert(sizeof(struct entry) == 8, "IVHD device entry size");
#define HID_UID_LENGTH_AT	21	/* of an entry named by ACPI HID: the rest follows */

static uint16_t u16(const uint8_t b[2])
{
	return (uint16_t)(b[0] | b[1] << 8);
}

static unsigned block_header(uint8_t type)
{
	return type == IVHD_10 ? 24 : type == IVHD_11 || type == IVHD_40 ? 40 : 0;
}

/* The two upper bits of the type say how long an entry is; one kind has its length inside. 0: not in @left bytes */
static unsigned entry_size(int (*read)(void *dst, phys_addr_t pa, size_t len), phys_addr_t pa, uint32_t left,
			   uint8_t type)
{
	uint8_t uid;

	if (type != ENTRY_HID)
		return 4u << (type >> 6);
	return left <= HID_UID_LENGTH_AT || read(&uid, pa + HID_UID_LENGTH_AT, 1) ? 0 : HID_UID_LENGTH_AT + 1u + uid;
}

/* Does the block name @id? *ret_alias: the number that its transactions are looked up under. */
static bool block_names(int (*read)(void *dst, phys_addr_t pa, size_t len), phys_addr_t pa, const struct ivhd *b,
			uint16_t id, uint16_t *ret_alias)
{
	uint32_t at = block_header(b->type);
	bool named = false, in_range = false, range_alias = false;
	uint16_t start = 0, alias = 0;

	for (unsigned n = 0; n < MAX_ENTRIES && b->length - at >= 4; n++) {
		struct entry e = { 0 };
		unsigned size;

		if (read(&e, pa + at, min_u64(sizeof(e), b->length - at)))
			return named;
		size = entry_size(read, pa + at, b->length - at, e.type);
		if (!size || size > b->length - at)
			return named;
		at += size;
		switch (e.type) {
		case ENTRY_ALL:
			named = true;
			*ret_alias = id;
			break;
		case ENTRY_SELECT:
		case ENTRY_EXT:
		case ENTRY_ALIAS:
			if (u16(e.id) != id)
				break;
			named = true;
			*ret_alias = e.type == ENTRY_ALIAS ? u16(e.alias) : id;
			break;
		case ENTRY_RANGE:
		case ENTRY_EXT_RANGE:
		case ENTRY_ALIAS_RANGE:
			in_range = true;
			start = u16(e.id);
			range_alias = e.type == ENTRY_ALIAS_RANGE;
			alias = u16(e.alias);
			break;
		case ENTRY_RANGE_END:
			if (in_range && id >= start && id <= u16(e.id)) {
				named = true;
				*ret_alias = range_alias ? alias : id;
			}
			in_range = false;
			break;
		default:
			break;
		}
	}
	return named;
}

/*
 * A unit stands in the table once for each type that its firmware knows; the highest type of the
 * table is complete, and the others are there for older systems.
 */
int ivrs_find_unit(int (*read)(void *dst, phys_addr_t pa, size_t len), phys_addr_t pa, uint32_t len,
		   uint16_t segment, uint16_t id, phys_addr_t *ret_regs, uint16_t *ret_alias)
{
	uint8_t best = 0;

	for (int pass = 0; pass < 2; pass++) {
		uint32_t at = BLOCKS_AT;

		for (unsigned n = 0; n < MAX_BLOCKS && at < len && len - at >= 4; n++) {
			struct ivhd b = { 0 };
			uint16_t seg;

			if (read(&b, pa + at, min_u64(sizeof(b), len - at)))
				return log_err(-EFAULT, "iommu: IVRS is unreadable at %#lx", pa + at);
			if (b.length < 4 || b.length > len - at)
				return log_err(-EINVAL, "iommu: IVRS: a block of %u bytes at offset %u", b.length,
					       (unsigned)at);
			seg = b.segment;
			if (block_header(b.type) && b.length >= block_header(b.type)) {
				if (!pass && b.type > best)
					best = b.type;
				if (pass && b.type == best && seg == segment && b.base && IS_ALIGNED(b.base, 4096) &&
				    block_names(read, pa + at, &b, id, ret_alias)) {
					*ret_regs = b.base;
					return 0;
				}
			}
			at += b.length;
		}
	}
	return -ENOENT;
}
