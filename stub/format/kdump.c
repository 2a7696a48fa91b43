// SPDX-License-Identifier: GPL-2.0-or-later
#include "stub/format/kdump.h"

#include <string.h>

/* The parts are compared before their sum, which could wrap around */
bool kdump_plan(struct kdump_layout *restrict ret, const struct serial_meta *m, uint64_t limit)
{
	uint64_t bs = m->page_size, notes_end = bs + sizeof(struct kdump_sub_header);

	ret->notes = notes_end;
	ret->bitmap_len = ALIGN_UP(DIV_ROUND_UP(m->max_pfn, 8), bs);
	ret->bitmap1 = ALIGN_UP(notes_end + m->notes_bytes, bs);
	ret->bitmap2 = ret->bitmap1 + ret->bitmap_len;
	ret->table = ret->bitmap2 + ret->bitmap_len;
	return m->notes_bytes < limit && ret->bitmap_len < limit && ret->table < limit;
}

/*
 * max_mapnr is too small for 16 TiB and obsolete since version 6: readers use max_mapnr_64 of the
 * sub-header
 */
void kdump_header(struct disk_dump_header *restrict ret, const struct serial_meta *m, const struct kdump_layout *at,
		  uint32_t status)
{
	*ret = (struct disk_dump_header){
		.header_version = KDUMP_HEADER_VERSION,
		.tv_sec = m->crash_time,
		.status = status,
		.block_size = (int32_t)m->page_size,
		.sub_hdr_size = (int32_t)(at->bitmap1 / m->page_size - 1),
		.bitmap_blocks = (uint32_t)(2 * at->bitmap_len / m->page_size),
		.max_mapnr = (uint32_t)min_u64(m->max_pfn, UINT32_MAX),
		.nr_cpus = (int32_t)m->nr_cpus,
	};
	_Static_assert(sizeof(m->uts) == 6 * KDUMP_UTS_LEN, "utsname fills the header's six fields");
	memcpy(ret->signature, KDUMP_SIGNATURE, sizeof(ret->signature));
	memcpy(ret->sysname, m->uts, sizeof(m->uts));
}

/* VMCOREINFO is one of the notes and not stored again: its offset points into them */
void kdump_sub_header(struct kdump_sub_header *restrict ret, const struct serial_meta *m, const struct kdump_layout *at)
{
	*ret = (struct kdump_sub_header){
		.phys_base = m->phys_base,
		.dump_level = (int32_t)m->dump_level,
		.offset_vmcoreinfo = m->vmcoreinfo_bytes ? (int64_t)(at->notes + m->vmcoreinfo_offset) : 0,
		.size_vmcoreinfo = m->vmcoreinfo_bytes,
		.offset_note = m->notes_bytes ? (int64_t)at->notes : 0,
		.size_note = m->notes_bytes,
		.max_mapnr_64 = m->max_pfn,
	};
}
