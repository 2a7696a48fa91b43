// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The dump: layout, the two passes, and the order of writes that keeps the target readable at every
 * instant. The format is kdump-compressed, version 6 (include/capstub/kdump_format.h).
 *
 *	label: empty, one more capture		an older dump is gone from here on; the label no longer
 *						vouches for the head (stub/format/vouch.h)
 *	block 0: zeros				its header too
 *	dmesg, label again			the part that most people read is safe first
 *	notes, bitmaps, zeroed descriptors	pass 1: which frames are RAM, which are kept
 *	block 0: header, INCOMPLETE		from here on readers open the target
 *	label: dumping				vouches for the head up to the descriptors
 *	data, then descriptors, batch by batch	pass 2
 *	block 0: header, INCOMPLETE cleared	only if nothing is missing, and all of it is flushed
 *	log, label: complete or incomplete	vouches for both ends
 *
 * Memory does not grow with RAM: bitmap2 is streamed out in pass 1 and read back in pass 2, block
 * by block. It is not computed twice because devices of the dead machine may still be writing to
 * struct pages between the passes.
 *
 * Errors: a function that returns int gives 0 or the -errno that ends the writing. What only makes
 * the dump smaller (target full, deadline) is kept in d->full and d->stop, and finish() turns all
 * of it into the stop code.
 *
 * target_block has one user at a time: a header, a block of a bitmap on its way out, then the block
 * of bitmap2 that a sweep is looking at.
 */
#include "stub/send/dump.h"

#include <errno.h>
#include <lzo/lzo1x.h>
#include <string.h>

#include <cpu.h>

#include "stub/arch.h"
#include "stub/dead/dmesg.h"
#include "stub/format/bitmap.h"
#include "stub/format/kdump.h"
#include "stub/format/stopcode.h"
#include "stub/format/vouch.h"
#include "stub/idle.h"
#include "stub/log.h"
#include "stub/mem.h"
#include "stub/overlay.h"
#include "stub/send/out.h"
#include "stub/dead/pages.h"
#include "stub/dead/select.h"

/*
 * BLOCK is what the target is written in, whatever its own block size and the page size: bitmaps
 * are streamed in it, and d->at.table and dmesg begin at a multiple of it
 */
#define BLOCK			4096u
#define PFNS_PER_BLOCK		(BLOCK * 8u)	/* frames in one block of a bitmap */
#define PROGRESS_US		5000000
#define PROGRESS_CHECK_PAGES	256		/* look at the clock this often */
#define ZERO_PAGE_TRIES		4
#define GAP_BLOCKS		256		/* of a bitmap without RAM: zeros in large requests */
#define ZERO_PIECE		MIB(64)		/* of zeros between two looks at the clock */

/* One running dump */
struct dump {
	struct capture *c;
	struct target *t;
	struct select *select;
	struct capstub_label *label;
	struct serial_meta meta;
	struct kdump_layout at;
	uint64_t data;		/* where data begins, and the end of the room for the dump proper */
	uint64_t limit;
	unsigned level;
	bool compress;
	uint32_t page_size;
	uint64_t kept;		/* bits in bitmap2 = descriptors */
	uint64_t done;		/* pages looked at, for progress */
	uint64_t data_next;	/* raw: offset of the next page */
	uint64_t zero_offset;	/* of the shared zero page; 0: none */
	bool full;
	uint64_t progress_us;	/* next progress line */
	uint64_t pass_start_us;
	enum capstub_stop stop;	/* why it is incomplete, while the target still works */
};

#define ABORT_TIMEOUT_US	5000000	/* for a request of dump_abort() */

/* For dump_abort(): between the first label and the closing of the dump */
static struct dump *running;

/* The page being compressed; lent to out.c when nothing is compressed */
static uint8_t *page_buf;
static uint8_t *lzo_buf;
static uint8_t *lzo_work;

/* From the arena, for the dead kernel's page size; the stream buffers have what is left. */
static int take_memory(struct dump *d)
{
	int rc;

	page_buf = mem_take("page", d->page_size, BLOCK, MEM_ANY);
	if (d->compress) {
		lzo_buf = mem_take("lzo output", KDUMP_LZO_MAX(d->page_size), 64, MEM_ANY);
		lzo_work = mem_take("lzo dictionary", LZO_WORK_SIZE, 64, MEM_ANY);
	}
	if (!page_buf || (d->compress && (!lzo_buf || !lzo_work)))
		return -ENOMEM;
	rc = out_init(d->t, d->page_size, page_buf);
	mem_close();
	return rc;
}

/*
 * For a capture that would take longer than people want to wait for the machine (deadline=). True
 * once and for all: d->stop is set, what is stored by now is closed in good order.
 */
static bool deadline_over(struct dump *d)
{
	if (!idle_deadline_over())
		return false;
	if (d->stop == STOP_OK)
		log_warn("the deadline of %u s passed", (unsigned)d->c->cl->deadline_s);
	d->stop = STOP_DEADLINE;
	return true;
}

/* ---- label, dmesg ---- */

static struct vouch_src ends(struct dump *d)
{
	return (struct vouch_src){ target_read_block, d->t, target_block, d->t->end };
}

/*
 * Wipe the result of the last capture; identity, size and count stay. The stop code is
 * "interrupted" until finish() knows better, so that a power cut or a hang at any later moment
 * leaves the truth. A tail that cannot be read is not vouched for, and no reason not to dump.
 */
static int begin_label(struct dump *d)
{
	struct capstub_label *l = d->label;
	struct vouch_src src = ends(d);

	memset(&l->stop_code, 0, sizeof(*l) - offsetof(struct capstub_label, stop_code));
	l->state = CAPSTUB_EMPTY;
	l->captures++;
	l->stop_code = STOP_INTERRUPTED;
	l->dump_level_asked = d->c->cl->level;
	l->compress = d->compress ? KDUMP_COMPRESSED_LZO : 0;
	l->crash_time = d->c->crash_time;
	memcpy(l->release, d->c->release, sizeof(l->release));
	strncpy(l->machine, ARCH_MACHINE, sizeof(l->machine) - 1);
	l->page_size = d->page_size;
	vouch_tail(&l->vouch, &src, VOUCH_TAIL_BUSY);
	return target_write_label(d->t);
}

/* The log is read twice, to count and to write, rather than held: it may be many MiB */
static int count_text(void *ctx, const char *text, size_t len)
{
	(void)text;
	*(uint64_t *)ctx += len;
	return 0;
}

/*
 * Cut at what was counted: the area below the log is that long, and old memory may have changed in
 * between
 */
static int stream_text(void *ctx, const char *text, size_t len)
{
	uint64_t *left = ctx;

	len = min_u64(len, *left);
	*left -= len;
	return out_stream_write(text, len);
}

/*
 * dmesg goes directly below the log area, so that it takes no more than it needs. At most an eighth
 * of the target. What dmesg_emit() returns is not asked for: no log, or one that breaks off, is
 * reported there, and its part is as good as it gets. From here on d->limit is the end of the
 * room for the dump.
 */
static int write_dmesg(struct dump *d)
{
	uint64_t top = target_room(d->t), bytes = 0, left;
	int rc;

	d->limit = top;
	dmesg_emit(&d->c->vt, d->c->vi, 0, count_text, &bytes);
	bytes = min_u64(bytes, ALIGN_DOWN(top / 8, BLOCK));
	if (!bytes)
		return 0;
	d->limit = top - ALIGN_UP(bytes, BLOCK);
	left = bytes;
	rc = out_stream_start(d->limit);
	if (!rc)
		dmesg_emit(&d->c->vt, d->c->vi, 0, stream_text, &left);
	rc = out_stream_end();
	if (rc || (rc = out_drain()))
		return rc;
	d->label->dmesg_offset = d->limit;
	d->label->dmesg_bytes = bytes - left;
	return target_write_label(d->t);
}

/* ---- headers ---- */

/*
 * Block 0. The header fits a sector, so readers see the old one or the new one. With INCOMPLETE
 * they take a descriptor that is all zeros for a missing page; without it they expect data for
 * every one.
 */
static int write_header(struct dump *d, bool incomplete)
{
	memset(target_block, 0, BLOCK);
	kdump_header((struct disk_dump_header *)target_block, &d->meta, &d->at,
		     (d->compress ? KDUMP_COMPRESSED_LZO : 0) | (incomplete ? KDUMP_INCOMPLETE : 0));
	return target_rw(d->t, BLK_WRITE, 0, target_block, BLOCK);
}

static int emit_note(void *ctx, const void *buf, size_t len)
{
	(void)ctx;
	return out_stream_write(buf, len);
}

/* Block 1 and what follows: the sub-header, then the merged ELF notes */
static int write_sub_header(struct dump *d)
{
	struct kdump_sub_header sub;
	int rc = out_stream_start(d->page_size);

	kdump_sub_header(&sub, &d->meta, &d->at);
	if (!rc)
		rc = out_stream_write(&sub, sizeof(sub));
	if (!rc)
		rc = vmcore_notes(&d->c->vc, emit_note, NULL);
	return rc ? rc : out_stream_end();
}

/* ---- pass 1 ---- */

/* Bitmap block for frames from @first on: those that are RAM. Returns their number. */
static uint64_t ram_block(const struct dump *d, uint64_t first)
{
	uint64_t pfn = first, end, count = 0;

	memset(target_block, 0, BLOCK);
	while (vmcore_next_run(&d->c->vc, pfn, &pfn, &end) && pfn < first + PFNS_PER_BLOCK) {
		end = min_u64(end, first + PFNS_PER_BLOCK);
		set_bits(target_block, (unsigned)(pfn - first), (unsigned)(end - first));
		count += end - pfn;
		pfn = end;
	}
	return count;
}

/*
 * The same for those that the level keeps; counts classes. Pages that nobody must read (poison,
 * offline) are left out at every level. Zero pages stay in: finding them costs reading every page,
 * which pass 2 does anyway.
 */
static uint64_t kept_block(struct dump *d, uint64_t first)
{
	uint64_t pfn = first, end, count = 0, *counts = d->label->pages_by_class;
	bool each = d->level & ~LEVEL_ZERO;	/* to be looked at */

	memset(target_block, 0, BLOCK);
	while (vmcore_next_run(&d->c->vc, pfn, &pfn, &end) && pfn < first + PFNS_PER_BLOCK) {
		end = min_u64(end, first + PFNS_PER_BLOCK);
		count += end - pfn;
		while (pfn < end) {
			uint64_t stop = each ? pfn : pages_kept_until(pfn, end);

			set_bits(target_block, (unsigned)(pfn - first), (unsigned)(stop - first));
			d->kept += stop - pfn;
			counts[PAGE_KERNEL] += stop - pfn;
			for (pfn = stop, stop = each ? end : min_u64(stop + 1, end); pfn < stop; pfn++) {
				enum page_class class = pages_class(pfn);

				counts[class]++;
				if (pages_excluded(class))
					continue;
				target_block[(pfn - first) / 8] |= (uint8_t)(1u << (pfn - first) % 8);
				d->kept++;
			}
		}
	}
	return count;
}

/*
 * By the clock and not by the page, so that a slow console costs the same on any disk. @done and
 * @total are pages.
 */
static void progress(struct dump *d, const char *what, uint64_t done, uint64_t total)
{
	uint64_t now = arch_time_us(), elapsed = now - d->pass_start_us;
	uint64_t mib = done * d->page_size >> 20, rate;

	if (now < d->progress_us || !done || !total)
		return;
	d->progress_us = now + PROGRESS_US;
	arch_report();
	rate = max_u64(1, mib * 1000 / max_u64(1, elapsed / 1000));
	log_console("%s: %u %% of %lu MiB, %lu MiB/s, %lu s to go", what, (unsigned)(done * 100 / total),
		    (total * d->page_size >> 20), rate,
		    (((total - done) * d->page_size >> 20) / rate));
}

/* -ETIMEDOUT with d->stop set when the deadline passed */
static int write_zeros(struct dump *d, uint64_t offset, uint64_t len)
{
	int rc = 0;

	for (uint64_t done = 0; done < len && !rc; done += ZERO_PIECE)
		rc = deadline_over(d) ? -ETIMEDOUT : out_zeros(offset + done, min_u64(len - done, ZERO_PIECE));
	return rc;
}

/*
 * First block of a bitmap from @block on that has RAM in it, or its number of blocks: the address
 * space may have gaps that are larger than all RAM by far
 */
static uint64_t next_block(const struct dump *d, uint64_t block)
{
	uint64_t pfn, end, nr = d->at.bitmap_len / BLOCK;

	if (!vmcore_next_run(&d->c->vc, block * PFNS_PER_BLOCK, &pfn, &end))
		return nr;
	return min_u64(pfn / PFNS_PER_BLOCK, nr);
}

/*
 * One bitmap, written block by block, padded with zeros to whole blocks of the dump. bitmap1 (@kept
 * false) counts the RAM, bitmap2 what is kept. Drained, because bitmap2 is read back later.
 */
static int write_bitmap(struct dump *d, uint64_t offset, bool kept)
{
	uint64_t blocks = d->at.bitmap_len / BLOCK, looked = 0;
	int rc = out_stream_start(offset);

	for (uint64_t i = 0, next; i < blocks && !rc; i++) {
		next = next_block(d, i);
		if (next - i >= GAP_BLOCKS) {
			rc = out_stream_end();
			if (!rc)
				rc = write_zeros(d, offset + i * BLOCK, (next - i) * BLOCK);
			if (!rc)
				rc = out_stream_start(offset + next * BLOCK);
			i = next - 1;
			continue;
		}
		if (kept)
			looked += kept_block(d, i * PFNS_PER_BLOCK);
		else
			d->label->pages_total += ram_block(d, i * PFNS_PER_BLOCK);
		idle_busy();
		rc = out_stream_write(target_block, BLOCK);
		progress(d, "looking at pages", looked, d->label->pages_total);
		if (deadline_over(d))
			return -ETIMEDOUT;
	}
	if (!rc)
		rc = out_stream_end();
	return rc ? rc : out_drain();
}

/*
 * bitmap2 is written again when its counts show that the struct pages were misread: a dump that is
 * too large is better than one that lacks what it should hold.
 */
static int write_bitmaps(struct dump *d)
{
	int rc = write_bitmap(d, d->at.bitmap1, false);

	while (!rc) {
		unsigned level;

		d->kept = 0;
		memset(d->label->pages_by_class, 0, sizeof(d->label->pages_by_class));
		pages_restart();
		rc = write_bitmap(d, d->at.bitmap2, true);
		level = rc ? d->level : pages_check(d->label->pages_by_class, d->label->pages_total);
		if (level == d->level && !pages_misread())
			break;
		d->level = level;	/* without struct pages: this ends */
	}
	return rc;
}

/*
 * Everything up to the moment when readers can open the target. The table is zeroed and flushed
 * before the header: descriptors of an older dump, left standing there, would be taken for this
 * one's. And the label says "dumping" only when there is something to open.
 */
static int write_frame(struct dump *d)
{
	struct vouch_src src = ends(d);
	int rc;

	if (!kdump_plan(&d->at, &d->meta, d->limit))
		return -ENOSPC;
	rc = write_sub_header(d);
	if (!rc)
		rc = write_bitmaps(d);
	if (rc)
		return rc;
	/* One descriptor for each bit of bitmap2, and room for at least one page of data */
	d->data = kdump_data(&d->at, d->kept);
	if (!range_inside(d->data, d->page_size, 0, d->limit))
		return -ENOSPC;
	rc = write_zeros(d, d->at.table, d->data - d->at.table);
	if (!rc)
		rc = blk_flush(d->t->dev);
	if (!rc)
		rc = write_header(d, true);
	if (!rc)
		rc = blk_flush(d->t->dev);
	if (rc)
		return rc;
	/* Nothing but one bit of the header changes below the descriptors from here on */
	vouch_head(&d->label->vouch, &src, (uint32_t)min_u64(d->at.table, CAPSTUB_HEAD_MAX));
	d->label->state = CAPSTUB_DUMPING;
	d->label->dump_level = d->level;
	return target_write_label(d->t);
}

/* ---- pass 2 ---- */

/*
 * All zero pages share this one; it is on the disk before anything points at it. A bad spot is
 * stepped over: one unlucky block must not cost every zero page of the dump.
 */
static int store_zero_page(struct dump *d)
{
	int rc = 0;

	if (!(d->level & LEVEL_ZERO))
		return 0;
	memset(target_block, 0, BLOCK);
	for (unsigned i = 0; i < ZERO_PAGE_TRIES; i++) {
		uint64_t at = d->data_next;

		if (!range_inside(at, d->page_size, 0, d->limit))
			return -ENOSPC;
		d->data_next += d->page_size;
		rc = 0;
		for (uint32_t done = 0; done < d->page_size && !rc; done += BLOCK)
			rc = target_rw(d->t, BLK_WRITE, at + done, target_block, BLOCK);
		if (!rc) {
			d->zero_offset = at;
			return 0;
		}
	}
	return rc;
}

static int put_zero(struct dump *d, uint64_t index)
{
	struct page_desc desc = { .offset = (int64_t)d->zero_offset, .size = d->page_size };

	d->label->pages_by_class[PAGE_ZERO]++;
	return out_desc_put(index, &desc);
}

/*
 * Zero-copy: the device reads the old page itself, at some later moment. Whatever of the dead
 * machine still writes to it can at worst change this page.
 */
static int put_raw(struct dump *d, uint64_t index, phys_addr_t source)
{
	struct page_desc desc = { .offset = (int64_t)d->data_next, .size = d->page_size };
	int zero = d->zero_offset ? d->c->vc.is_zero(source, d->page_size) : 0, rc;
	bool copy;

	if (zero < 0) {
		d->label->pages_unreadable++;
		return 0;
	}
	if (zero)
		return put_zero(d, index);
	if (!range_inside(d->data_next, d->page_size, 0, d->limit)) {
		d->full = true;
		return 0;
	}
	copy = overlay_touches(source, d->page_size) || source + d->page_size - 1 > d->t->dev->dma_last;
	rc = copy ? out_copied(d->data_next, source, d->page_size) : out_raw(d->data_next, source, d->page_size);
	d->data_next += d->page_size;
	d->label->data_bytes_raw += d->page_size;
	d->label->data_bytes_stored += d->page_size;
	return rc ? rc : out_desc_put(index, &desc);
}

/*
 * A page that does not shrink is stored raw: flags 0, size the page size (kdump format). Compressed
 * pages are packed without gaps, so only the offset of the stream says where the next one goes.
 */
static int put_compressed(struct dump *d, uint64_t index, phys_addr_t source)
{
	struct page_desc desc = { .size = d->page_size };
	const uint8_t *data = page_buf;
	lzo_uint size = 0;
	/* In place: most pages of most machines are zero, and need no copy */
	int rc = d->zero_offset ? d->c->vc.is_zero(source, d->page_size) : 0;

	if (rc == 1)
		return put_zero(d, index);
	if (rc || d->c->vc.read(page_buf, source, d->page_size)) {
		d->label->pages_unreadable++;
		return 0;
	}
	if (lzo1x_1_11_compress(page_buf, d->page_size, lzo_buf, &size, lzo_work) == LZO_E_OK && size < d->page_size) {
		desc.size = (uint32_t)size;
		desc.flags = KDUMP_COMPRESSED_LZO;
		data = lzo_buf;
	}
	/* The stream is padded to whole blocks at its end */
	if (!range_inside(out_stream_offset(), desc.size, 0, d->limit - BLOCK)) {
		d->full = true;
		return 0;
	}
	desc.offset = (int64_t)out_stream_offset();
	rc = out_stream_write(data, desc.size);
	d->label->data_bytes_raw += d->page_size;
	d->label->data_bytes_stored += desc.size;
	return rc ? rc : out_desc_put(index, &desc);
}

/*
 * One page of bitmap2. A page that cannot be read is counted and left out: its descriptor stays
 * zero. Only errors of the target are returned.
 */
static int put_page(struct dump *d, uint64_t index, uint64_t pfn)
{
	phys_addr_t source;
	uint64_t len;

	if (vmcore_source(&d->c->vc, pfn * d->page_size, &source, &len) || len < d->page_size) {
		d->label->pages_unreadable++;
		return 0;
	}
	return d->compress ? put_compressed(d, index, source) : put_raw(d, index, source);
}

/* Is @pfn of pass @rank? rank < 0: whatever it is. Struct pages need not be looked at for the vital passes. */
static bool belongs(const struct dump *d, int rank, uint64_t pfn)
{
	return rank < 0 ||
	       (int)select_pass(d->select, pfn, rank < SELECT_NR_VITAL ? PAGE_KERNEL : pages_class(pfn)) == rank;
}

/*
 * Frames of one block of bitmap2 that belong to @rank (or all, rank < 0) and are not in the dump yet;
 * *index runs over the set bits, taken or not, because it is what ties a descriptor to its frame.
 * @fresh: nothing is in the dump yet.
 */
static int sweep_block(struct dump *d, uint64_t first, int rank, bool fresh, uint64_t *index)
{
	int rc = deadline_over(d) ? -ETIMEDOUT : target_rw(d->t, BLK_READ, d->at.bitmap2 + first / 8, target_block, BLOCK);

	if (rc && d->stop == STOP_OK && !d->t->dev->failed)
		d->stop = STOP_READ_ERROR;
	for (unsigned bit = 0; bit < PFNS_PER_BLOCK && !rc && !d->full; bit++) {
		uint64_t pfn = first + bit;

		/*
		 * The table has room for what pass 1 counted: more bits than that are a disk that
		 * does not keep data
		 */
		if (!(target_block[bit / 8] & 1u << bit % 8) || *index >= d->kept)
			continue;
		if (belongs(d, rank, pfn) && (fresh || !out_desc_has(*index))) {
			/* A disk that is faster than we are is never waited for */
			idle_busy();
			rc = put_page(d, *index, pfn);
			if (!(++d->done % PROGRESS_CHECK_PAGES)) {
				progress(d, "dumping", min_u64(d->done, d->kept), d->kept);
				if (deadline_over(d))
					return -ETIMEDOUT;
			}
		}
		(*index)++;
	}
	return rc;
}

/*
 * However it ends, what is on its way is waited for: where the disk still takes writes, those pages
 * are saved. A deadline in the middle of it is a good end.
 */
static int sweep(struct dump *d, int rank, bool fresh)
{
	uint64_t index = 0, nr = d->at.bitmap_len / BLOCK;
	int rc = out_desc_start(d->at.table, d->kept, fresh, d->zero_offset), ended;

	pages_restart();
	for (uint64_t i = next_block(d, 0); i < nr && !rc && !d->full; i = next_block(d, i + 1))
		rc = sweep_block(d, i * PFNS_PER_BLOCK, rank, fresh, &index);
	/* What fails after the deadline is not tried for long (stub/send/out.c) */
	if (rc && !d->t->dev->failed && deadline_over(d))
		rc = -ETIMEDOUT;
	ended = out_desc_end();
	return rc && d->stop != STOP_DEADLINE ? rc : ended;
}

/*
 * All pages in one sweep when they surely fit, even if none shrinks; else the most valuable first,
 * one sweep for each pass of stub/dead/select.h, until the target is full. Sweeps after the first
 * find descriptors in the table. Passes come from struct pages, which may have changed from sweep to sweep: the last one takes
 * whatever is not there yet.
 */
static int write_pages(struct dump *d)
{
	bool fits;
	int rc;

	d->data_next = d->data;
	out_strict(false);
	rc = store_zero_page(d);
	if (rc)
		return rc;
	rc = out_stream_start(d->data_next);
	fits = (d->limit - d->data_next) / d->page_size > d->kept;
	if (!rc && fits)
		return sweep(d, -1, true);
	log_info("the target may be too small: the most valuable pages first");
	select_build(d->select);
	for (int rank = 0; rank < SELECT_NR_PASSES && !rc && !d->full && d->stop == STOP_OK; rank++) {
		bool last = rank == SELECT_NR_PASSES - 1;

		if (last)
			d->label->pages_unreadable = 0;	/* it looks at all of them again */
		rc = sweep(d, last ? -1 : rank, rank == 0);
	}
	if (d->full)
		d->stop = STOP_SPACE;
	return rc;
}

/* ---- end ---- */

/*
 * The log area: what this capture said. Written late, and again a failure of it changes nothing.
 * The text is rounded up to whole blocks in place: log_text() promises zeros behind it.
 */
static void write_log(struct dump *d)
{
	size_t len;
	const char *text = log_text(&len);

	len = min_u64(len, VOUCH_LOG);
	if (len && !target_rw(d->t, BLK_WRITE, d->t->end - CAPSTUB_LOG_OFFSET, (void *)(uintptr_t)text, ALIGN_UP(len, BLOCK)))
		d->label->log_bytes = len;
}

/* What capstub info shows of the label, in one line for who has only the console */
static void summary(const struct dump *d, enum capstub_stop stop)
{
	const struct capstub_label *l = d->label;
	const uint64_t *class = l->pages_by_class;
	uint64_t ms = max_u64(1, l->data_us / 1000);
	uint64_t percent = l->data_bytes_stored * 100 / max_u64(1, l->data_bytes_raw);

	log_info("%lu of %lu pages stored, %lu missing, %lu unreadable; "
		 "kernel %lu, zero %lu, cache %lu, private %lu, user %lu, free %lu; "
		 "%lu KiB (data %u %%), %lu ms (%lu MiB/s), level %u: %s",
		 l->pages_stored, l->pages_total, l->pages_missing, l->pages_unreadable,
		 class[PAGE_KERNEL], class[PAGE_ZERO], class[PAGE_CACHE],
		 class[PAGE_CACHE_PRIVATE], class[PAGE_USER], class[PAGE_FREE],
		 l->dump_bytes >> 10, (unsigned)percent, l->elapsed_us / 1000,
		 (l->pages_stored * d->page_size >> 20) * 1000 / ms, d->level, stop_name(stop));
}

/* What the label says of it all, but for what lies at the ends */
static void fill_result(struct dump *d, bool has_frame, enum capstub_stop stop)
{
	struct capstub_label *l = d->label;
	uint64_t stored = out_stored(), missing = d->kept - min_u64(d->kept, stored);

	l->state = has_frame && stop == STOP_OK ? CAPSTUB_COMPLETE : CAPSTUB_INCOMPLETE;
	l->stop_code = stop;
	l->dump_level = d->level;
	l->dump_bytes = has_frame ? ALIGN_UP(max_u64(d->data_next, d->compress ? out_stream_offset() : 0), BLOCK) : 0;
	l->pages_stored = stored;
	l->pages_missing = missing - min_u64(missing, l->pages_unreadable);
	l->data_us = has_frame ? arch_time_us() - d->pass_start_us : 0;
	l->elapsed_us = arch_time_us();
}

/*
 * Close the dump as it is, on every way out. The header loses INCOMPLETE only if no descriptor was
 * left zero; the label says "complete" also when the only pages missing are those that could not be
 * read from memory, because no second try would have found them.
 */
static enum capstub_stop finish(struct dump *d, bool has_frame, enum capstub_stop stop)
{
	struct capstub_label *l = d->label;
	uint64_t stored = out_stored(), missing = d->kept - min_u64(d->kept, stored);
	struct vouch_src src = ends(d);
	int rc;

	running = NULL;
	arch_report();
	l->pages_unreadable += out_unreadable();
	if (stop == STOP_OK && missing > l->pages_unreadable)
		stop = out_lost() ? STOP_WRITE_ERROR : STOP_SPACE;
	l->ram_missing = ram_missing(d->c);
	if (stop == STOP_OK && l->ram_missing)
		stop = STOP_RAM_MISSING;
	/* What the header vouches for comes before it; what a lost flush may have lost is not vouched for */
	if (has_frame && !missing && (blk_flush(d->t->dev) || write_header(d, false)))
		stop = target_stop_code(d->t, -EIO);
	fill_result(d, has_frame, stop);
	summary(d, stop);
	write_log(d);
	/* Data and header before the label that vouches for them. What it says of an end that cannot be read stays true */
	rc = blk_flush(d->t->dev);
	if (!rc) {
		if (target_renew(d->t))
			log_warn("%s: its map could not be written", d->t->name);
		vouch_head(&l->vouch, &src, CAPSTUB_HEAD_MAX);
		vouch_tail(&l->vouch, &src, CAPSTUB_TAIL_MAX);
	}
	if (rc || target_write_label(d->t))
		stop = log_err(target_stop_code(d->t, -EIO), "%s: the result could not be written", d->t->name);
	return stop;
}

/*
 * The header stays INCOMPLETE, and the label vouches for what it vouched for while dumping: the log's first
 * block is in neither end. What is in flight goes on: no descriptor on the disk points at it.
 */
void dump_abort(enum capstub_stop stop)
{
	struct dump *d = running;

	if (!d || d->t->dev->failed)
		return;
	running = NULL;
	blk_timeout_us = min_u64(blk_timeout_us, ABORT_TIMEOUT_US);
	d->label->pages_unreadable += out_unreadable();
	fill_result(d, d->label->state == CAPSTUB_DUMPING, stop);
	summary(d, stop);
	write_log(d);
	target_write_label(d->t);
}

static enum capstub_stop stop_for(const struct dump *d, int rc)
{
	if (d->stop != STOP_OK)
		return d->stop;
	return rc == -ENOSPC ? STOP_TARGET_TOO_SMALL : target_stop_code(d->t, rc);
}

/*
 * The order of the list at the top. A failure before the header is written leaves block 0 zeroed:
 * no reader takes the target for a dump then, and the label tells why.
 */
static enum capstub_stop run(struct dump *d)
{
	bool has_frame = false;
	int rc = begin_label(d);

	if (rc)
		return log_err(target_stop_code(d->t, rc), "%s: the label could not be written (%d)", d->t->name, rc);
	running = d;
	d->label->first_block_us = arch_time_us();
	/* Before dmesg and bitmaps go over the old dump, its header has to go */
	memset(target_block, 0, BLOCK);
	rc = target_rw(d->t, BLK_WRITE, 0, target_block, BLOCK);
	if (!rc)
		rc = blk_flush(d->t->dev);
	if (!rc)
		rc = write_dmesg(d);
	if (!rc) {
		rc = write_frame(d);
		has_frame = d->label->state == CAPSTUB_DUMPING;
	}
	d->pass_start_us = arch_time_us();
	if (!rc)
		rc = write_pages(d);
	if (rc == -ENOSPC)
		log_warn("%s: %lu MiB do not even hold the headers", d->t->name,
			 (d->t->end >> 20));
	/* What a deadline or an error left on its way, too: the label vouches for what is there in the end */
	out_drain();
	return finish(d, has_frame, rc ? stop_for(d, rc) : d->stop);
}

/*
 * Whatever only reads memory comes before the first write. The spare block is page_buf: it is used
 * for pages only when out_raw() is not.
 */
enum capstub_stop dump_to_target(struct capture *c, struct target *t)
{
	struct dump d = {
		.c = c, .t = t, .label = t->label, .compress = c->cl->compress != 0, .page_size = c->vc.page_size,
		.pass_start_us = arch_time_us(),
		.progress_us = arch_time_us() + PROGRESS_US,
	};
	enum capstub_stop stop;

	if (!c->cl->overwrite && capstub_label_unsaved(t->label)) {
		blk_shutdown(t->dev);
		return log_err(STOP_UNSAVED_DUMP, "%s holds an unsaved dump: run capstub save", t->name);
	}
	d.level = pages_init(&c->vc, c->vi, &c->vt, c->cl->level, NULL);
	capture_meta(c, d.level, &d.meta);
	d.select = select_take(&c->vc, c->vi, &c->vt);
	log_info("dumping to %s: level %u%s, %s", t->name, d.level, d.level == c->cl->level ? "" : " (lowered)",
		 d.compress ? "lzo" : "raw");
	if (!d.select || take_memory(&d))
		stop = log_err(STOP_ASSERT, "no memory for a dump to a disk");
	else
		stop = deadline_over(&d) ? d.stop : run(&d);	/* too late: what the target holds stays there */
	blk_shutdown(t->dev);
	return stop;
}
