// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests in flight and the order between data and descriptors. See stub/send/out.h.
 *
 * Every data request has a sequence number. A block of the descriptor table that was left behind by
 * the sweep waits until all data requests up to the number current at that moment are complete,
 * then it is written. Requests complete in any order.
 *
 * The life of a slot: FREE, FILLING (bytes or segments are added), BUSY (the device has it), FREE.
 * Of a descriptor block: FREE, CURRENT (the sweep puts entries into it), WAITING (for data),
 * WRITING, FREE. There are no interrupts and nothing runs by itself: everything moves in advance(),
 * which is called whenever something was sent and whenever something is waited for.
 *
 * That a block waits in memory until its data is safe is also what makes failures cheap: the
 * entries for data that could not be written are still here to be zeroed, and need no write of
 * their own.
 */
#include "stub/send/out.h"

#include <errno.h>
#include <string.h>

#include "stub/arch.h"
#include "stub/log.h"
#include "stub/mem.h"
#include "stub/overlay.h"
#include "stub/timeout.h"

/*
 * 16 requests of ours at most, well below BLK_MAX_INFLIGHT; a disk that takes fewer at a time says
 * so, and blk_submit() waits. Stream buffers: one is filled while the other is written; of the same
 * memory, two large ones cost less than three small ones, above all where a request has to wake
 * other threads (virtual machines). A block of the table describes 170 pages; the more of them may
 * wait, the less often the sweep waits for data.
 */
#define OUT_ALIGN	4096u
#define OUT_BUF_LEAST	12288u	/* of a stream buffer; each request costs the same time, whatever its size */
#define OUT_BUF_GOOD	131072u
#define OUT_NR_BUFS	2
#define OUT_NR_RAW	6	/* gather requests in flight */
#define OUT_RAW_SEGS	24
#define OUT_NR_DESC	8	/* descriptor blocks in memory */
#define OUT_MAX_FAILURES 64	/* failed data requests before the target counts as broken */

enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_BUSY };

/* A data request: stream buffer or gather list */
struct slot {
	enum slot_state state;
	bool raw;
	uint64_t seq;
	uint64_t offset;	/* bytes from the start of the target */
	uint32_t len;
	unsigned nr_segs;
	struct blk_seg *segs;
	struct blk_req req;
};

enum desc_state { DESC_FREE, DESC_CURRENT, DESC_WAITING, DESC_WRITING };

/* A 4-KiB block of the page_desc table */
struct desc_block {
	enum desc_state state;
	bool dirty;
	uint64_t nr;		/* block number within the table */
	uint64_t after_seq;	/* data requests up to this one come first */
	struct blk_seg seg;
	struct blk_req req;
};

static uint8_t (*desc_bufs)[OUT_ALIGN];
static struct blk_seg raw_segs[OUT_NR_RAW][OUT_RAW_SEGS];
static struct blk_seg stream_segs[OUT_NR_BUFS];
static struct slot slots[OUT_NR_BUFS + OUT_NR_RAW];
static struct desc_block descs[OUT_NR_DESC];

static struct {
	struct target *t;
	uint8_t *stream_bufs;	/* OUT_NR_BUFS of buf_size */
	uint8_t *spare;		/* zeros while headers are written, then the buffer of second tries */
	uint32_t page_size;
	uint32_t buf_size;
	uint32_t max_segs;
	bool strict;
	int error;		/* sticky */
	uint64_t next_seq;
	unsigned failures;
	uint64_t stored;	/* descriptors put that were not there before, less those that were lost since */
	uint64_t lost;
	/* Since the last descriptor was put: */
	uint64_t failed_next;		/* where the table goes on behind a block that could not be written */
	uint64_t bad_start, bad_end;	/* data that could not be written */
	struct slot *stream;	/* being filled */
	uint64_t stream_offset;
	struct slot *raw;	/* being filled */
	uint64_t table_offset;
	bool table_fresh;
	struct desc_block *desc;	/* current block */
} out;

/* The last of all who take memory for a dump to a disk: stream buffers may have what is left. */
static int take_memory(uint32_t max_bytes)
{
	uint32_t good = (uint32_t)min_u64(OUT_BUF_GOOD, max_bytes);
	size_t got;

	desc_bufs = mem_take("page descriptors", OUT_NR_DESC * sizeof(*desc_bufs), OUT_ALIGN, MEM_ANY);
	out.stream_bufs = mem_take_most("stream buffers", OUT_NR_BUFS * min_u64(OUT_BUF_LEAST, good),
					OUT_NR_BUFS * good, OUT_NR_BUFS * OUT_ALIGN, MEM_ANY, &got);
	if (!desc_bufs || !out.stream_bufs)
		return -ENOMEM;
	out.buf_size = (uint32_t)got / OUT_NR_BUFS;
	return 0;
}

int out_init(struct target *t, uint32_t page_size, void *spare)
{
	memset(&out, 0, sizeof(out));
	out.t = t;
	out.page_size = page_size;
	out.spare = spare;
	out.max_segs = (uint32_t)min_u64(OUT_RAW_SEGS, t->dev->max_segs);
	out.strict = true;
	out.next_seq = 1;
	memset(slots, 0, sizeof(slots));
	memset(descs, 0, sizeof(descs));
	for (unsigned i = 0; i < ARRAY_SIZE(slots); i++) {
		slots[i].raw = i >= OUT_NR_BUFS;
		slots[i].segs = slots[i].raw ? raw_segs[i - OUT_NR_BUFS] : &stream_segs[i];
	}
	return take_memory(t->dev->max_bytes);
}

static uint8_t *stream_buf(const struct slot *s)
{
	return out.stream_bufs + (size_t)(s - slots) * out.buf_size;
}

void out_strict(bool strict)
{
	out.strict = strict;
}

/* Bytes from the start of block @nr of the table to the first descriptor that begins in it */
static uint64_t first_desc(uint64_t nr)
{
	uint64_t pos = nr * OUT_ALIGN;

	return DIV_ROUND_UP(pos, sizeof(struct page_desc)) * sizeof(struct page_desc) - pos;
}

/* Descriptors that begin in @d. Their 8-byte fields do not straddle blocks. */
static uint64_t count_descs(const struct desc_block *d)
{
	uint64_t count = 0;

	for (uint64_t at = first_desc(d->nr); at + sizeof(int64_t) <= OUT_ALIGN; at += sizeof(struct page_desc))
		count += *(int64_t *)(desc_bufs[d - descs] + at) != 0;
	return count;
}

/*
 * Blocks that are still here when the target was given up are counted as not on the disk, though
 * some may have got there: better to claim too few pages than too many.
 */
static uint64_t never_written(void)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < OUT_NR_DESC; i++)
		if (descs[i].state != DESC_FREE)
			count += count_descs(&descs[i]);
	return count;
}

uint64_t out_stored(void)
{
	return out.stored - min_u64(out.stored, never_written());
}

uint64_t out_lost(void)
{
	return out.lost + never_written();
}

/* @count descriptors that were put are not, or will not be, on the disk */
static void lose(uint64_t count)
{
	out.lost += count;
	out.stored -= min_u64(out.stored, count);
}

/* The first failure counts; what follows it are its consequences */
static int fail(int rc)
{
	if (!out.error)
		out.error = rc;
	return out.error;
}

/*
 * Zero the descriptor at @pos of the table, in both blocks if it straddles two. A size left behind
 * would make readers take block 0 for it.
 */
static void zero_desc(uint64_t pos)
{
	for (unsigned i = 0; i < OUT_NR_DESC; i++) {
		uint64_t block = descs[i].nr * OUT_ALIGN, start = max_u64(pos, block);
		uint64_t end = min_u64(pos + sizeof(struct page_desc), block + OUT_ALIGN);

		if ((descs[i].state == DESC_CURRENT || descs[i].state == DESC_WAITING) && start < end)
			memset(desc_bufs[i] + (start - block), 0, end - start);
	}
}

/*
 * The data at [start, start+len) did not reach the disk: zero the descriptors that point there.
 * They are all still in memory, because a block of them is written only after its data completed;
 * the one for the page being written now is yet to come, so the place is remembered for it. Entries
 * are 24 bytes and may straddle two blocks, their 8-byte fields do not; the size field may be in
 * the other block, so an entry counts as hit by page_size: at worst a good neighbour is dropped
 * too.
 */
static void drop_descs(uint64_t start, uint64_t len)
{
	out.bad_start = out.bad_end ? min_u64(out.bad_start, start) : start;
	out.bad_end = max_u64(out.bad_end, start + len);
	for (unsigned i = 0; i < OUT_NR_DESC; i++) {
		struct desc_block *d = &descs[i];
		uint64_t pos = d->nr * OUT_ALIGN;

		if (d->state != DESC_CURRENT && d->state != DESC_WAITING)
			continue;
		for (uint64_t at = first_desc(d->nr); at + sizeof(int64_t) <= OUT_ALIGN;
		     at += sizeof(struct page_desc)) {
			int64_t *offset = (int64_t *)(desc_bufs[i] + at);

			if (*offset && (uint64_t)*offset < start + len && (uint64_t)*offset + out.page_size > start) {
				zero_desc(pos + at);
				lose(1);
			}
		}
	}
}

static int fill_request(struct blk_req *req, enum blk_op op, uint64_t offset, uint32_t len, const struct blk_seg *segs,
			unsigned nr_segs)
{
	memset(req, 0, sizeof(*req));
	req->op = op;
	req->nr_blocks = len / out.t->dev->block_size;
	req->segs = segs;
	req->nr_segs = nr_segs;
	return target_lba(out.t, offset, len, &req->lba);
}

/*
 * A gather request failed: a page of old memory that cannot be read (poison makes the device's own
 * read fail), or a bad spot on the disk. Find out which by going through a buffer, 4 KiB at a time,
 * so that only what is really bad is lost. target_rw() polls the device but not us: no request is
 * looked at twice, and this does not recurse.
 */
static void retry_in_pieces(struct slot *s)
{
	uint64_t offset = s->offset;

	for (unsigned i = 0; i < s->nr_segs && !out.t->dev->failed; i++) {
		for (uint32_t done = 0; done < s->segs[i].len; done += OUT_ALIGN, offset += OUT_ALIGN) {
			int rc = overlay_read(out.spare, s->segs[i].pa + done, OUT_ALIGN);

			if (!rc)
				rc = target_rw(out.t, BLK_WRITE, offset, out.spare, OUT_ALIGN);
			if (rc)
				drop_descs(offset, OUT_ALIGN);
		}
	}
}

/*
 * Before pages there is nothing to be saved by going on: a dump without its header or with a hole
 * in a bitmap cannot be read. Later a bad spot costs the pages in it, until so many fail that the
 * disk is evidently broken and every further try only keeps the machine down. A stream buffer holds
 * pieces of several compressed pages, so all that touch it are dropped.
 */
static void data_failed(struct slot *s)
{
	int rc = s->req.status;

	if (out.t->dev->failed || out.strict) {
		fail(rc);
		return;
	}
	log_warn("%s: write of %u bytes at %lu failed (%d)", out.t->name, (unsigned)s->len, s->offset, rc);
	if (++out.failures > OUT_MAX_FAILURES)
		fail(rc);
	if (s->raw)
		retry_in_pieces(s);
	else
		drop_descs(s->offset, s->len);
}

/*
 * Lowest sequence number not yet complete; *ret_filling: its request is still being filled here.
 * Those count too: descriptors of pages in it may already stand in a block that waits.
 */
static uint64_t oldest_seq(bool *ret_filling)
{
	uint64_t oldest = out.next_seq;

	*ret_filling = false;
	for (unsigned i = 0; i < ARRAY_SIZE(slots); i++) {
		if (slots[i].state == SLOT_FREE || slots[i].seq >= oldest)
			continue;
		oldest = slots[i].seq;
		*ret_filling = slots[i].state == SLOT_FILLING;
	}
	return oldest;
}

static void submit_desc(struct desc_block *d)
{
	unsigned i = (unsigned)(d - descs);
	int rc;

	d->seg = (struct blk_seg){ virt_to_phys(desc_bufs[i]), OUT_ALIGN };
	rc = fill_request(&d->req, BLK_WRITE, out.table_offset + d->nr * OUT_ALIGN, OUT_ALIGN, &d->seg, 1);
	if (!rc)
		rc = blk_submit(out.t->dev, &d->req);
	if (rc)
		fail(rc);
	d->state = rc ? DESC_FREE : DESC_WRITING;
}

/*
 * Blocks of the table are written one after the other: the second half of an entry that straddles
 * two, on the disk without the first, would be a size with offset 0, and readers would take block 0
 * for that page. The other way round it is a page without a size, missing.
 */
static bool desc_may_go(const struct desc_block *d, uint64_t oldest)
{
	for (unsigned i = 0; i < OUT_NR_DESC; i++)
		if ((descs[i].state == DESC_WAITING || descs[i].state == DESC_WRITING) && descs[i].nr < d->nr)
			return false;
	return d->after_seq < oldest && !out.error;
}

/*
 * The descriptors of a block that cannot be written stay zero on the disk: those pages are missing,
 * no others
 */
static void desc_done(struct desc_block *d)
{
	uint64_t next = (d->nr + 1) * OUT_ALIGN;

	d->state = DESC_FREE;
	if (!d->req.status)
		return;
	log_warn("%s: write of page descriptors %lu.. failed (%d)", out.t->name,
		 (d->nr * OUT_ALIGN / sizeof(struct page_desc)), d->req.status);
	lose(count_descs(d));
	/* The entry that begins in the block before may have its size here */
	if (first_desc(d->nr) >= sizeof(int64_t) && *(int64_t *)desc_bufs[d - descs])
		lose(1);
	/* And the end of its last entry, which is in the next block or still on its way there */
	zero_desc((next - 1) / sizeof(struct page_desc) * sizeof(struct page_desc));
	out.failed_next = next;
	if (out.t->dev->failed || ++out.failures > OUT_MAX_FAILURES)
		fail(d->req.status);
}

/*
 * Look at what completed, start what may go now. Data first: a failure must have zeroed its
 * descriptors before the block that holds them is free to go. 0, or the sticky error.
 */
static int advance(void)
{
	bool filling;
	uint64_t oldest;
	int rc = blk_poll(out.t->dev);

	for (unsigned i = 0; i < ARRAY_SIZE(slots); i++) {
		struct slot *s = &slots[i];

		if (s->state != SLOT_BUSY || s->req.status == -EINPROGRESS)
			continue;
		if (s->req.status)
			data_failed(s);
		s->state = SLOT_FREE;
	}
	oldest = oldest_seq(&filling);
	for (unsigned i = 0; i < OUT_NR_DESC; i++) {
		struct desc_block *d = &descs[i];

		if (d->state == DESC_WRITING && d->req.status != -EINPROGRESS)
			desc_done(d);
		else if (d->state == DESC_WAITING && desc_may_go(d, oldest))
			submit_desc(d);
	}
	return rc < 0 ? fail(rc) : out.error;
}

/*
 * The number is given out when filling begins, not when the request is sent: what retires in
 * between must wait for it (retire_desc()). NULL: out.error is set.
 */
static struct slot *get_slot(bool raw)
{
	for (;;) {
		for (unsigned i = 0; i < ARRAY_SIZE(slots); i++) {
			struct slot *s = &slots[i];

			if (s->state == SLOT_FREE && s->raw == raw) {
				s->state = SLOT_FILLING;
				s->seq = out.next_seq++;
				s->len = 0;
				s->nr_segs = 0;
				return s;
			}
		}
		/* Bounded: every request in flight has a deadline in blk.c */
		if (advance())
			return NULL;
		idle();
	}
}

static int send_slot(struct slot *s)
{
	int rc = fill_request(&s->req, BLK_WRITE, s->offset, s->len, s->segs, s->nr_segs);

	if (!rc)
		rc = blk_submit(out.t->dev, &s->req);
	if (rc) {
		s->state = SLOT_FREE;
		return fail(rc);
	}
	s->state = SLOT_BUSY;
	return advance();
}

/* A stream that was not ended goes on in its slot: callers end one before they start another */
int out_stream_start(uint64_t offset)
{
	out.stream_offset = offset;
	return out.error;
}

uint64_t out_stream_offset(void)
{
	return out.stream_offset;
}

static int send_stream(void)
{
	struct slot *s = out.stream;

	out.stream = NULL;
	s->segs[0] = (struct blk_seg){ virt_to_phys(stream_buf(s)), s->len };
	s->nr_segs = 1;
	return send_slot(s);
}

int out_stream_write(const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len && !out.error) {
		struct slot *s = out.stream;
		uint32_t piece;

		if (!s) {
			s = out.stream = get_slot(false);
			if (!s)
				break;
			s->offset = out.stream_offset;
		}
		piece = (uint32_t)min_u64(len, out.buf_size - s->len);
		memcpy(stream_buf(s) + s->len, p, piece);
		s->len += piece;
		out.stream_offset += piece;
		p += piece;
		len -= piece;
		if (s->len == out.buf_size)
			send_stream();
	}
	return out.error;
}

/* Requests are whole blocks of the disk, and what comes next begins at a 4-KiB boundary again */
int out_stream_end(void)
{
	struct slot *s = out.stream;
	uint32_t rest;

	if (!s || out.error)
		return out.error;
	rest = (uint32_t)(ALIGN_UP(s->len, OUT_ALIGN) - s->len);
	memset(stream_buf(s) + s->len, 0, rest);
	s->len += rest;
	out.stream_offset += rest;
	return send_stream();
}

int out_raw_end(void)
{
	struct slot *s = out.raw;

	if (!s || out.error)
		return out.error;
	out.raw = NULL;
	return send_slot(s);
}

/*
 * A request is one run of blocks on the disk, but may come from many places in memory: pages that
 * follow each other in the dump share it until it is as large as the device allows, and pages that
 * follow each other in memory as well share a segment. Whatever does not fit the request at work
 * begins a new one.
 */
int out_raw(uint64_t offset, phys_addr_t pa, uint32_t len)
{
	while (len && !out.error) {
		struct slot *s = out.raw;
		struct blk_seg *last;
		uint32_t piece;

		if (s && (s->offset + s->len != offset || s->len == out.t->dev->max_bytes)) {
			out_raw_end();
			continue;
		}
		if (!s) {
			s = out.raw = get_slot(true);
			if (!s)
				break;
			s->offset = offset;
		}
		piece = (uint32_t)min_u64(len, out.t->dev->max_bytes - s->len);
		last = s->nr_segs ? &s->segs[s->nr_segs - 1] : NULL;
		if (last && last->pa + last->len == pa) {
			last->len += piece;
		} else if (s->nr_segs == out.max_segs) {
			out_raw_end();
			continue;
		} else {
			s->segs[s->nr_segs++] = (struct blk_seg){ pa, piece };
		}
		s->len += piece;
		offset += piece;
		pa += piece;
		len -= piece;
	}
	return out.error;
}

/* Through the spare buffer and waited for: few pages are like this */
int out_copied(uint64_t offset, phys_addr_t pa, uint32_t len)
{
	int rc = out_raw_end();

	for (uint32_t done = 0; done < len && !rc; done += OUT_ALIGN) {
		rc = overlay_read(out.spare, pa + done, OUT_ALIGN);
		if (!rc)
			rc = target_rw(out.t, BLK_WRITE, offset + done, out.spare, OUT_ALIGN);
		if (rc && !out.t->dev->failed) {
			drop_descs(offset, len);
			return out.error;
		}
	}
	return rc ? fail(rc) : out.error;
}

/*
 * The same page of zeros again and again, as the source of every segment: up to 24 of them go in
 * one request
 */
int out_zeros(uint64_t offset, uint64_t len)
{
	memset(out.spare, 0, OUT_ALIGN);
	for (uint64_t done = 0; done < len && !out.error; done += OUT_ALIGN)
		out_raw(offset + done, virt_to_phys(out.spare), OUT_ALIGN);
	return out_drain();
}

/*
 * A sweep ascends and is drained before the next one starts. So no block that is still waiting here
 * is ever asked for again, and one that is read back is on the disk with what earlier sweeps put
 * there.
 */
int out_desc_start(uint64_t table_offset, bool fresh)
{
	out.table_offset = table_offset;
	out.table_fresh = fresh;
	out.desc = NULL;
	return out.error;
}

/*
 * Leave the current block behind: it is written as soon as its data is on the disk, which is
 * whatever has a sequence number by now. One without entries of this sweep need not be written at
 * all.
 */
static void retire_desc(void)
{
	struct desc_block *d = out.desc;

	if (!d)
		return;
	out.desc = NULL;
	d->after_seq = out.next_seq - 1;
	d->state = d->dirty ? DESC_WAITING : DESC_FREE;
}

/* Make block @nr of the table the current one. NULL: out.error is set. */
static struct desc_block *get_desc(uint64_t nr)
{
	struct desc_block *d = out.desc;
	bool filling;
	unsigned i;
	int rc = 0;

	if (d && d->nr == nr)
		return d;
	retire_desc();
	for (i = 0; ; i = (i + 1) % OUT_NR_DESC) {
		if (descs[i].state == DESC_FREE)
			break;
		if (i != OUT_NR_DESC - 1)
			continue;
		/*
		 * All wait for data. If that is still being gathered here, nobody else will send
		 * it.
		 */
		oldest_seq(&filling);
		if (filling && (out_raw_end() || out_stream_end()))
			return NULL;
		if (advance())
			return NULL;
		idle();
	}
	d = &descs[i];
	*d = (struct desc_block){ .state = DESC_CURRENT, .nr = nr };
	if (out.table_fresh)
		memset(desc_bufs[i], 0, OUT_ALIGN);
	else
		rc = target_rw(out.t, BLK_READ, out.table_offset + nr * OUT_ALIGN, desc_bufs[i], OUT_ALIGN);
	if (rc) {
		d->state = DESC_FREE;
		fail(rc);
		return NULL;
	}
	out.desc = d;
	return d;
}

/* Is the data of @desc among what failed since the last descriptor was put? */
static bool data_lost(const struct page_desc *desc)
{
	return (uint64_t)desc->offset < out.bad_end && (uint64_t)desc->offset + desc->size > out.bad_start;
}

int out_desc_put(uint64_t index, const struct page_desc *desc)
{
	uint64_t pos = index * sizeof(*desc);
	const uint8_t *p = (const uint8_t *)desc;
	size_t len = sizeof(*desc);

	/*
	 * 4096 is not a multiple of 24: an entry may end in the next block. While a block was waited
	 * for, the data may have failed, or the block with the first part.
	 */
	out.failed_next = 0;
	while (len && !out.error) {
		struct desc_block *d = get_desc(pos / OUT_ALIGN);
		size_t at = pos % OUT_ALIGN, piece = min_u64(len, OUT_ALIGN - at);

		if (!d || data_lost(desc) || (len < sizeof(*desc) && pos == out.failed_next))
			break;
		if (len == sizeof(*desc))
			out.stored += !*(int64_t *)(desc_bufs[d - descs] + at);
		memcpy(desc_bufs[d - descs] + at, p, piece);
		d->dirty = true;
		pos += piece;
		p += piece;
		len -= piece;
	}
	/* The first part, if it was there, was dropped and counted when the data failed */
	out.lost += data_lost(desc) && len == sizeof(*desc);
	/* Good for one descriptor: the data of the next one is sent after this */
	out.bad_start = out.bad_end = 0;
	return out.error;
}

bool out_desc_has(uint64_t index)
{
	uint64_t pos = index * sizeof(struct page_desc);
	struct desc_block *d = get_desc(pos / OUT_ALIGN);

	return d && *(int64_t *)(desc_bufs[d - descs] + pos % OUT_ALIGN);
}

int out_desc_end(void)
{
	retire_desc();
	return out.error;
}

static bool busy(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(slots); i++)
		if (slots[i].state == SLOT_BUSY)
			return true;
	for (unsigned i = 0; i < OUT_NR_DESC; i++)
		if (descs[i].state == DESC_WAITING || descs[i].state == DESC_WRITING)
			return true;
	return false;
}

/* After this the buffers lent to the device are ours again, or the device is abandoned */
int out_drain(void)
{
	if (out_raw_end() || (out.stream && out_stream_end()))
		return out.error;
	while (busy())
		if (advance())
			break;
	return out.error;
}
