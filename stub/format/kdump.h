/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Headers of a kdump-compressed dump (include/capstub/kdump_format.h) that is not split, and where its
 * areas are: what the stub writes to a disk and the host program makes of a dump that came over a line.
 * Both say of a dump what SERIAL_META does, so that is what they are made of. Pure.
 */
#ifndef STUB_KDUMP_H
#define STUB_KDUMP_H

#include "capstub/kdump_format.h"
#include "capstub/serial.h"
#include "stub/bits.h"

#define KDUMP_NOTES_MAX		(32u << 20)	/* all together: 8192 CPUs need 3 MiB */
#define KDUMP_LZO_MAX(n)	((n) + (n) / 16 + 64 + 3)	/* of a page that does not shrink: LZO.FAQ */
#define KDUMP_DATA_ALIGN	4096u	/* of the first page of data, whatever the page size */

/* Bytes from the start of the dump. Each area is padded to the dead kernel's pages, as makedumpfile does it. */
struct kdump_layout {
	uint64_t notes;		/* directly behind the sub-header */
	uint64_t bitmap1, bitmap2;
	uint64_t bitmap_len;	/* of one */
	uint64_t table;		/* of descriptors */
};

/* False: not all of that ends below @limit. Numbers in @m may be as absurd as an elfcorehdr makes them. */
bool kdump_plan(struct kdump_layout *ret, const struct serial_meta *m, uint64_t limit);

/* Where data may begin behind a table of @nr descriptors */
static inline uint64_t kdump_data(const struct kdump_layout *at, uint64_t nr)
{
	return at->table + ALIGN_UP(nr * sizeof(struct page_desc), KDUMP_DATA_ALIGN);
}

/* @status: how pages are compressed, and KDUMP_INCOMPLETE */
void kdump_header(struct disk_dump_header *ret, const struct serial_meta *m, const struct kdump_layout *at,
		  uint32_t status);
void kdump_sub_header(struct kdump_sub_header *ret, const struct serial_meta *m, const struct kdump_layout *at);

#endif
