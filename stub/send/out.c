// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests in flight, and the order between data and descriptors. See stub/send/out.h.
 *
 * Data goes out as it comes, in slots: FREE, FILLING (bytes or segments are added), BUSY (the device
 * has it), FREE. Each has a sequence number, and they complete in any order. There are no interrupts
 * and nothing runs by itself: everything moves in advance(), which is called whenever something was
 * sent and whenever something is waited for.
 *
 * Descriptors wait for their data in the log: not as they will be, 24 bytes each, but in the two
 * bytes that tell one from its neighbour. So a batch of 64 MiB of data and more has room beside the
 * image. A batch is closed, its data completes, the disk is told to flush, meanwhile the next batch
 * is filled; only then are its descriptors written. A disk without a volatile cache has nothing to
 * flush, and the rest is the same.
 *
 * 24 bytes are not written at once. Where a sector ends between the offset of a descriptor and its
 * size (one in 64), a power cut may leave either half, and both are lies: a reader takes the header
 * for a page at offset 0 (libkdumpfile), or whatever was in its buffer for a page of 0 bytes (crash).
 * So such a descriptor comes in three steps, with a flush between them: a size that cannot be, then
 * the offset, then the size; up to the last one both readers find the page missing or damaged. Each
 * step writes all of a chunk, which holds a whole number of descriptors and of sectors.
 *
 * That the log is kept until the last step is also what makes failures cheap: what could not be
 * written is known before the descriptors that would point there are made.
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
 * other threads (virtual machines).
 */
#define OUT_ALIGN	4096u
#define OUT_BUF_LEAST	12288u	/* of a stream buffer; each request costs the same time, whatever its size */
#define OUT_BUF_GOOD	131072u
#define OUT_NR_BUFS	2
#define OUT_NR_RAW	6	/* gather requests in flight */
#define OUT_RAW_SEGS	24

/*
 * A batch: so much data, as much as is written in that time, or a quarter of the log, whatever is
 * reached first: of four batches one is being filled and three are in one of the steps. The log holds
 * 50,000 pages of each then, which are 64 MiB when pages shrink to a third.
 */
#define BATCH_BYTES	MIB(64)
#define BATCH_US	1000000
#define BATCH_CHECK	64	/* descriptors between two looks at the clock */
#define FLUSH_TRIES	3
#define LOG_LEAST	KIB(12)	/* more than a chunk takes at worst, LOG_PUT_MAX words for each descriptor */
#define LOG_GOOD	KIB(384)

/* No disk writes less than a sector at once: of 64 descriptors, which fill 3, this one has its size in the next */
#define SECTOR		512u
#define TORN_EVERY	64u
#define TORN		21u
#define CHUNK_DESCS	512u
#define CHUNK_BYTES	(CHUNK_DESCS * sizeof(struct page_desc))
#define NR_CHUNKS	4	/* in flight, fewer where there is little memory */
#define NR_STEPS	3
_Static_assert(CHUNK_BYTES % OUT_ALIGN == 0 && CHUNK_DESCS % TORN_EVERY == 0, "chunks are made of blocks");
_Static_assert((TORN * sizeof(struct page_desc) + offsetof(struct page_desc, size)) % SECTOR == 0, "the torn one");

/* Failures after which the target counts as broken, and what looking for the bad spot may cost in all */
#define OUT_MAX_FAILURES 64
#define RETRY_MAX_PIECES 256
#define RETRY_MAX_US	60000000
#define MAX_BAD		16

enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_BUSY };

/* A data request: stream buffer or gather list */
struct slot {
	enum slot_state state;
	bool raw;
	uint64_t seq;
	uint64_t offset;	/* bytes from the start of the target */
	uint32_t len, room;	/* it may become so long */
	unsigned nr_segs;
	struct blk_seg *segs;
	struct blk_req req;
};

/* A piece of the table on its way, @sent of @len bytes are there, @piece are in flight */
struct chunk {
	bool busy;
	unsigned entries;	/* descriptors that are whole with it */
	uint64_t offset;
	uint32_t len, sent, piece;
	struct blk_seg seg;
	struct blk_req req;
};

/*
 * What the log is made of: words that begin a record. A larger one is the size of an LZO stream, and
 * the whole record of its descriptor.
 */
enum {
	LOG_JUMP,		/* then 4 words each: another descriptor, another offset */
	LOG_ZERO,		/* then how many, in a word */
	LOG_RAW,		/* the same, one behind the other */
	LOG_LZO,
	LOG_PUT_MAX = 11,	/* words for one descriptor */
};
_Static_assert(CHUNK_DESCS * LOG_PUT_MAX + LOG_PUT_MAX < LOG_LEAST / sizeof(uint16_t), "a chunk fits the log");

/* In the log: words before a record, what it is about, and how many descriptors of it lie behind us */
struct place {
	uint64_t pos;
	uint64_t index;
	uint64_t offset;
	uint32_t done;
};

/* Data that could not be written, or (@memory) not be read */
struct bad {
	uint64_t start, end;
	bool memory;
};

enum batch_state { BATCH_OPEN, BATCH_DATA, BATCH_FLUSH };

static struct blk_seg (*raw_segs)[OUT_RAW_SEGS];	/* OUT_NR_RAW */
static struct blk_seg stream_segs[OUT_NR_BUFS];
static struct slot slots[OUT_NR_BUFS + OUT_NR_RAW];
static struct chunk chunks[NR_CHUNKS];

static struct {
	struct target *t;
	uint8_t *stream_bufs;	/* OUT_NR_BUFS of buf_size */
	uint8_t (*chunk_bufs)[CHUNK_BYTES];
	unsigned nr_chunks;
	uint8_t *spare;		/* buffer of second tries */
	uint8_t *seen;		/* a block of the table, as earlier sweeps left it */
	uint64_t seen_at;
	uint32_t page_size;
	uint32_t buf_size;
	uint32_t max_segs;
	bool strict;
	bool broken;		/* no more descriptors either */
	int error;		/* sticky */
	uint64_t next_seq;
	unsigned failures;
	unsigned failed_pieces;
	uint64_t retry_us;
	struct slot *stream;	/* being filled */
	uint64_t stream_offset;
	struct slot *raw;	/* being filled */

	uint64_t table_offset;
	uint64_t table_len;
	uint64_t zero_offset;
	bool fresh;
	bool ending;		/* no more descriptors in this sweep */
	uint64_t put, stored;
	uint64_t unreadable;

	uint16_t *log;
	uint64_t log_words;
	uint64_t log_base;	/* the position that the first word has, or had a round ago */
	struct place head;
	uint16_t *run;		/* of the last record, how many; NULL: the next descriptor needs one of its own */
	uint16_t run_of;
	struct place at[NR_STEPS];	/* how far the steps are; the last one's is the log's tail */
	struct place limit[NR_STEPS];	/* how far they may go */
	struct place next[NR_STEPS];	/* and will, after the flush */

	enum batch_state batch;
	uint64_t batch_bytes;
	uint64_t batch_us;	/* when it began */
	uint64_t batch_seq;	/* data requests up to this one are of closed batches */
	unsigned flush_tries;
	struct blk_req flush;

	unsigned nr_bad;
	struct bad bad[MAX_BAD];
} out;

/* The last of all who take memory for a dump to a disk: stream buffers may have what is left. */
static int take_memory(uint32_t max_bytes)
{
	uint32_t good = (uint32_t)min_u64(OUT_BUF_GOOD, max_bytes);
	size_t got = 0, words = 0, chunk_bytes = 0, log;

	raw_segs = mem_take("segments", OUT_NR_RAW * sizeof(*raw_segs), 8, MEM_ANY);
	out.seen = mem_take("descriptors seen", OUT_ALIGN, OUT_ALIGN, MEM_ANY);
	out.chunk_bufs = mem_take_most("page descriptors", CHUNK_BYTES, NR_CHUNKS * CHUNK_BYTES, OUT_ALIGN, MEM_ANY, &chunk_bytes);
	/* Where it would take all there is, a third is for stream buffers */
	log = min_u64(LOG_GOOD, max_u64(LOG_LEAST, mem_left() / 3 * 2));
	out.log = mem_take_most("descriptor log", LOG_LEAST, log, OUT_ALIGN, MEM_ANY, &words);
	out.stream_bufs = mem_take_most("stream buffers", OUT_NR_BUFS * min_u64(OUT_BUF_LEAST, good),
					OUT_NR_BUFS * good, OUT_NR_BUFS * OUT_ALIGN, MEM_ANY, &got);
	if (!raw_segs || !out.seen || !out.chunk_bufs || !out.log || !out.stream_bufs)
		return -ENOMEM;
	out.nr_chunks = (unsigned)(chunk_bytes / CHUNK_BYTES);
	out.log_words = words / sizeof(*out.log);
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
	memset(chunks, 0, sizeof(chunks));
	if (take_memory(t->dev->max_bytes))
		return -ENOMEM;
	for (unsigned i = 0; i < ARRAY_SIZE(slots); i++) {
		slots[i].raw = i >= OUT_NR_BUFS;
		slots[i].segs = slots[i].raw ? raw_segs[i - OUT_NR_BUFS] : &stream_segs[i];
	}
	return 0;
}

static uint8_t *stream_buf(const struct slot *s)
{
	return out.stream_bufs + (size_t)(s - slots) * out.buf_size;
}

void out_strict(bool strict)
{
	out.strict = strict;
}

uint64_t out_stored(void)
{
	return out.stored;
}

uint64_t out_lost(void)
{
	return out.put - out.stored;
}

uint64_t out_unreadable(void)
{
	return out.unreadable;
}

/* The first failure counts; what follows it are its consequences */
static int fail(int rc)
{
	if (!out.error)
		out.error = rc;
	return out.error;
}

/* Can descriptors still be written? After a failure of data those of other data can. */
static bool alive(void)
{
	return !out.broken && !out.t->dev->failed;
}

/*
 * One more, of data or of the table. When there are so many that the disk is evidently broken, or
 * there is no more time for them, no more data is written.
 */
static bool too_many_failures(int rc)
{
	if (++out.failures <= OUT_MAX_FAILURES && !idle_deadline_over())
		return false;
	fail(rc);
	return true;
}

/*
 * The data at [start, start+len) is not on the disk: no descriptor may point there. When there is no
 * room to note one more place, good neighbours are given up with it.
 */
static void add_bad(uint64_t start, uint64_t len, bool memory)
{
	struct bad *b;

	for (unsigned i = 0; i < out.nr_bad; i++) {
		b = &out.bad[i];
		if (b->memory == memory && start <= b->end && start + len >= b->start)
			goto extend;
	}
	if (out.nr_bad < MAX_BAD) {
		out.bad[out.nr_bad++] = (struct bad){ start, start + len, memory };
		return;
	}
	b = &out.bad[MAX_BAD - 1];
	b->memory = false;
extend:
	b->start = min_u64(b->start, start);
	b->end = max_u64(b->end, start + len);
}

static const struct bad *find_bad(uint64_t start, uint64_t len)
{
	for (unsigned i = 0; i < out.nr_bad; i++)
		if (start < out.bad[i].end && start + len > out.bad[i].start)
			return &out.bad[i];
	return NULL;
}

/* Data comes in ascending order: what lies below that of the last step is asked for no more */
static void forget_bad(void)
{
	for (unsigned i = 0; i < out.nr_bad; i++)
		if (out.bad[i].end <= out.at[NR_STEPS - 1].offset)
			out.bad[i--] = out.bad[--out.nr_bad];
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

/* ---- data ---- */

/* 4 KiB of old memory through a buffer, waited for. False: noted as bad. */
static bool copy_piece(uint64_t offset, phys_addr_t pa)
{
	int unread = overlay_read(out.spare, pa, OUT_ALIGN);

	if (!unread && !target_rw(out.t, BLK_WRITE, offset, out.spare, OUT_ALIGN))
		return true;
	out.failed_pieces += !unread;
	add_bad(offset, OUT_ALIGN, unread);
	return false;
}

/*
 * A gather request failed: a page of old memory that cannot be read (poison makes the device's own
 * read fail), or a bad spot on the disk. Find out which by going through a buffer, 4 KiB at a time,
 * so that only what is really bad is lost. A disk that takes long for every failure would keep the
 * machine down for hours that way: there is a limit for all such searches together. target_rw() polls
 * the device but not us: no request is looked at twice, and this does not recurse.
 */
static void retry_in_pieces(struct slot *s)
{
	uint64_t offset = s->offset, start = arch_time_us();

	for (unsigned i = 0; i < s->nr_segs; i++) {
		for (uint32_t done = 0; done < s->segs[i].len; done += OUT_ALIGN, offset += OUT_ALIGN) {
			if (out.t->dev->failed || out.failed_pieces >= RETRY_MAX_PIECES || idle_deadline_over() ||
			    out.retry_us + arch_time_us() - start >= RETRY_MAX_US) {
				add_bad(offset, s->offset + s->len - offset, false);
				goto end;
			}
			copy_piece(offset, s->segs[i].pa + done);
		}
	}
end:
	out.retry_us += arch_time_us() - start;
}

/*
 * Before pages there is nothing to be saved by going on: a dump without its header or with a hole
 * in a bitmap cannot be read. Later a bad spot costs the pages in it. A stream buffer holds pieces of
 * several compressed pages, so all that touch it are dropped.
 */
static void data_failed(struct slot *s)
{
	int rc = s->req.status;

	if (out.t->dev->failed || out.strict) {
		fail(rc);
		return;
	}
	log_warn("%s: write of %u bytes at %lu failed (%d)", out.t->name, (unsigned)s->len, s->offset, rc);
	if (!too_many_failures(rc) && s->raw)
		retry_in_pieces(s);
	else
		add_bad(s->offset, s->len, false);
}

/* Lowest sequence number not yet complete, sent or not */
static uint64_t oldest_seq(void)
{
	uint64_t oldest = out.next_seq;

	for (unsigned i = 0; i < ARRAY_SIZE(slots); i++)
		if (slots[i].state != SLOT_FREE)
			oldest = min_u64(oldest, slots[i].seq);
	return oldest;
}

/* ---- the table ---- */

static uint16_t *log_word(uint64_t pos)
{
	uint64_t i = pos - out.log_base;

	return &out.log[i < out.log_words ? i : i - out.log_words];
}

static uint64_t log_get(uint64_t pos, unsigned words)
{
	uint64_t v = 0;

	while (words--)
		v = v << 16 | *log_word(pos + words);
	return v;
}

static void log_put(uint64_t v, unsigned words)
{
	for (; words--; v >>= 16)
		*log_word(out.head.pos++) = (uint16_t)v;
}

/* Is a jump at @p? Then where to. */
static bool jump(const struct place *p, struct place *ret)
{
	if (*log_word(p->pos) != LOG_JUMP)
		return false;
	*ret = (struct place){ p->pos + 9, log_get(p->pos + 1, 4), log_get(p->pos + 5, 4), 0 };
	return true;
}

static void send_piece(struct chunk *c)
{
	int rc;

	c->piece = (uint32_t)min_u64(min_u64(c->len - c->sent, out.t->dev->max_bytes), target_run(out.t, c->offset + c->sent));
	c->seg = (struct blk_seg){ virt_to_phys(out.chunk_bufs[c - chunks] + c->sent), c->piece };
	rc = fill_request(&c->req, BLK_WRITE, c->offset + c->sent, c->piece, &c->seg, 1);
	if (!rc)
		rc = blk_submit(out.t->dev, &c->req);
	c->busy = !rc;
	if (rc)
		out.broken = fail(rc);
}

/* Descriptors that cannot be written stay as they are on the disk: those pages are missing, no others */
static void piece_done(struct chunk *c)
{
	c->busy = false;
	if (c->req.status) {
		log_warn("%s: write of page descriptors at %lu failed (%d)", out.t->name, c->offset + c->sent,
			 c->req.status);
		out.broken |= too_many_failures(c->req.status);
		return;
	}
	c->sent += c->piece;
	if (c->sent < c->len)
		send_piece(c);
	else
		out.stored += c->entries;
}

/*
 * Has step @s a chunk to write? The first one waits until it is all in the log; the others find it
 * there.
 */
static bool has_chunk(unsigned s)
{
	struct place *at = &out.at[s];
	const struct place *limit = &out.limit[s];

	while (at->index < limit->index && jump(at, at))
		;
	if (at->index >= limit->index)
		return false;
	return s || at->index / CHUNK_DESCS < limit->index / CHUNK_DESCS ||
	       (out.ending && limit->index == out.head.index);
}

/*
 * Descriptors of the record at @at, and of those of LZO streams right behind it, into the chunk as step
 * @s has them, up to descriptor @end of it. Returns how many there are; the others' data is not on the
 * disk. Once for every page and step: the loops are simple ones.
 */
static unsigned put_descs(unsigned s, struct page_desc *chunk, struct place *at, uint32_t end)
{
	uint32_t first = at->index % CHUNK_DESCS, i = first, word = *log_word(at->pos), n;
	uint32_t step = word == LOG_ZERO ? 0 : out.page_size;
	uint64_t offset = word == LOG_ZERO ? out.zero_offset : at->offset;

	if (word >= LOG_LZO) {
		for (; i < end && word >= LOG_LZO; word = *log_word(++at->pos)) {
			chunk[i++] = (struct page_desc){ (int64_t)at->offset, word, KDUMP_COMPRESSED_LZO, 0 };
			at->offset += word;
		}
	} else {
		uint32_t run = *log_word(at->pos + 1);

		end = (uint32_t)min_u64(end, first + run - at->done);
		for (; i < end; i++, offset += step)
			chunk[i] = (struct page_desc){ (int64_t)offset, out.page_size, 0, 0 };
		at->offset += (uint64_t)(i - first) * step;
		at->done += i - first;
		if (at->done == run) {
			at->pos += 2;
			at->done = 0;
		}
	}
	at->index += n = i - first;
	end = i;
	for (i = first; i < end && out.nr_bad; i++) {
		const struct bad *bad = find_bad((uint64_t)chunk[i].offset, chunk[i].size);

		if (!bad)
			continue;
		chunk[i] = (struct page_desc){ 0 };
		out.unreadable += bad->memory && s == NR_STEPS - 1;
		n--;
	}
	for (i = ALIGN_DOWN(first, TORN_EVERY) + TORN; i < end && s < NR_STEPS - 1; i += TORN_EVERY)
		if (i >= first && chunk[i].size)
			chunk[i] = (struct page_desc){ s ? chunk[i].offset : 0, 1, KDUMP_COMPRESSED_LZO, 0 };
	return n;
}

static void write_chunk(unsigned s, struct chunk *c)
{
	uint8_t *buf = out.chunk_bufs[c - chunks];
	struct place *at = &out.at[s], to;
	uint64_t nr = at->index / CHUNK_DESCS, pos = nr * CHUNK_BYTES, limit = out.limit[s].index;
	unsigned entries = 0;
	int rc = 0;

	*c = (struct chunk){ .offset = out.table_offset + pos, .len = (uint32_t)min_u64(CHUNK_BYTES, out.table_len - pos) };
	if (out.fresh)
		memset(buf, 0, c->len);
	else
		rc = target_rw(out.t, BLK_READ, c->offset, buf, c->len);
	while (at->index < limit) {
		if (jump(at, &to)) {
			if (to.index / CHUNK_DESCS != nr)
				break;
			*at = to;
			continue;
		}
		if (at->index / CHUNK_DESCS != nr)
			break;
		entries += put_descs(s, (struct page_desc *)buf, at, (uint32_t)(min_u64((nr + 1) * CHUNK_DESCS, limit) - nr * CHUNK_DESCS));
	}
	if (s == NR_STEPS - 1) {
		c->entries = entries;
		forget_bad();
	}
	if (rc)
		out.broken |= too_many_failures(rc);
	else if (entries)
		send_piece(c);
}

/* The last step first: it makes room in the log. Called so often that it looks for work before all else */
static bool write_table(void)
{
	unsigned s = NR_STEPS - 1;
	bool busy = false;

	for (unsigned i = 0; i < out.nr_chunks; i++) {
		struct chunk *c = &chunks[i];

		if (c->busy && c->req.status != -EINPROGRESS)
			piece_done(c);
		while (!c->busy) {
			if (!has_chunk(s)) {
				if (!s)
					break;
				s--;
			} else if (alive()) {
				write_chunk(s, c);
			} else {
				break;
			}
		}
		busy |= c->busy;
	}
	return busy;
}

/*
 * Nothing of the table is in flight (@busy: that is not so), and all steps are as far as they may. A
 * flush covers what had completed before it was asked for; what it failed to do it may be asked
 * again.
 */
static void flush_batch(bool busy)
{
	int rc = 0;

	if (out.batch == BATCH_DATA && !busy && oldest_seq() > out.batch_seq) {
		for (unsigned s = 1; s < NR_STEPS; s++)
			out.next[s] = out.at[s - 1];
		out.flush = (struct blk_req){ .op = BLK_FLUSH };
		if (out.t->dev->has_flush)
			rc = blk_submit(out.t->dev, &out.flush);
		out.batch = BATCH_FLUSH;
	}
	if (out.batch != BATCH_FLUSH || out.flush.status == -EINPROGRESS)
		return;
	if (!rc)
		rc = out.flush.status;
	if (!rc) {
		memcpy(out.limit, out.next, sizeof(out.limit));
		out.batch = BATCH_OPEN;
		out.flush_tries = 0;
	} else if (++out.flush_tries < FLUSH_TRIES && !out.t->dev->failed) {
		log_warn("%s: flush failed (%d)", out.t->name, rc);
		out.batch = BATCH_DATA;
	} else {
		out.broken = fail(rc);
	}
}

/*
 * Look at what completed, start what may go now. Data first: a failure must be known before the
 * descriptors are made. 0, or the sticky error.
 */
static int advance(void)
{
	int rc = blk_poll(out.t->dev);

	for (unsigned i = 0; i < ARRAY_SIZE(slots); i++) {
		struct slot *s = &slots[i];

		if (s->state != SLOT_BUSY || s->req.status == -EINPROGRESS)
			continue;
		if (s->req.status)
			data_failed(s);
		s->state = SLOT_FREE;
	}
	if (alive())
		flush_batch(write_table());
	return rc < 0 ? fail(rc) : out.error;
}

/* ---- data, from outside ---- */

/*
 * For data at @offset. The number is given out when filling begins, not when the request is sent. NULL: out.error is set.
 */
static struct slot *get_slot(bool raw, uint64_t offset)
{
	for (;;) {
		for (unsigned i = 0; i < ARRAY_SIZE(slots); i++) {
			struct slot *s = &slots[i];

			if (s->state == SLOT_FREE && s->raw == raw) {
				s->state = SLOT_FILLING;
				s->seq = out.next_seq++;
				s->offset = offset;
				s->len = 0;
				s->room = (uint32_t)min_u64(raw ? out.t->dev->max_bytes : out.buf_size, target_run(out.t, offset));
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
		add_bad(s->offset, s->len, false);
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
			s = out.stream = get_slot(false, out.stream_offset);
			if (!s)
				break;
		}
		piece = (uint32_t)min_u64(len, s->room - s->len);
		memcpy(stream_buf(s) + s->len, p, piece);
		s->len += piece;
		out.stream_offset += piece;
		p += piece;
		len -= piece;
		if (s->len == s->room)
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

static int send_raw(void)
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

		if (s && (s->offset + s->len != offset || s->len == s->room)) {
			send_raw();
			continue;
		}
		if (!s) {
			s = out.raw = get_slot(true, offset);
			if (!s)
				break;
		}
		piece = (uint32_t)min_u64(len, s->room - s->len);
		last = s->nr_segs ? &s->segs[s->nr_segs - 1] : NULL;
		if (last && last->pa + last->len == pa) {
			last->len += piece;
		} else if (s->nr_segs == out.max_segs) {
			send_raw();
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

/* Waited for: few pages are like this */
int out_copied(uint64_t offset, phys_addr_t pa, uint32_t len)
{
	for (uint32_t done = 0; done < len && !out.error; done += OUT_ALIGN)
		if (!copy_piece(offset + done, pa + done))
			break;
	return out.t->dev->failed ? fail(out.t->dev->fail_code) : out.error;
}

/* The same zeros again and again, as the source of every segment: a request is as large as can be */
int out_zeros(uint64_t offset, uint64_t len)
{
	uint32_t piece;

	if (out_drain())
		return out.error;
	memset(out.stream_bufs, 0, out.buf_size);
	for (; len && !out.error; offset += piece, len -= piece) {
		piece = (uint32_t)min_u64(len, out.buf_size);
		out_raw(offset, virt_to_phys(out.stream_bufs), piece);
	}
	return out_drain();
}

static bool data_busy(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(slots); i++)
		if (slots[i].state == SLOT_BUSY)
			return true;
	return false;
}

/* After this the buffers lent to the device are ours again, or the device is abandoned */
int out_drain(void)
{
	if (send_raw() || out_stream_end())
		return out.error;
	while (data_busy())
		if (advance())
			break;
	return out.error;
}

/* ---- descriptors, from outside ---- */

/* The log is empty: a sweep ends before the next one starts */
int out_desc_start(uint64_t table_offset, uint64_t nr, bool fresh, uint64_t zero_offset)
{
	out.table_offset = table_offset;
	out.table_len = ALIGN_UP(nr * sizeof(struct page_desc), OUT_ALIGN);
	out.fresh = fresh;
	out.zero_offset = zero_offset;
	out.ending = false;
	out.seen_at = UINT64_MAX;
	out.unreadable = 0;
	out.nr_bad = 0;
	out.head = (struct place){ 0 };
	out.log_base = 0;
	out.run = NULL;
	for (unsigned s = 0; s < NR_STEPS; s++)
		out.at[s] = out.limit[s] = out.head;
	out.batch = BATCH_OPEN;
	out.batch_bytes = 0;
	out.batch_us = arch_time_us();
	return out.error;
}

/* All that is handed over by now is a batch. Between two pages: the stream is padded. */
static int close_batch(void)
{
	out.next[0] = out.head;
	out.run = NULL;
	out.batch_seq = out.next_seq - 1;
	out.batch = BATCH_DATA;
	out.batch_bytes = 0;
	out.batch_us = arch_time_us();
	return send_raw() || out_stream_end() ? out.error : advance();
}

static bool batch_due(void)
{
	return out.batch == BATCH_OPEN &&
	       (out.batch_bytes >= BATCH_BYTES || out.head.pos - out.limit[0].pos >= out.log_words / (NR_STEPS + 1) ||
		(out.put % BATCH_CHECK == 0 && arch_time_us() - out.batch_us >= BATCH_US));
}

/* A new record, for one descriptor. 0, or the sticky error. */
static int put_record(uint64_t index, uint64_t offset, uint16_t word)
{
	/* Bounded: every request in flight has a deadline in blk.c */
	while (out.head.pos + LOG_PUT_MAX - out.at[NR_STEPS - 1].pos > out.log_words && !out.error) {
		if (out.batch == BATCH_OPEN)
			close_batch();
		else
			advance();
		idle();
	}
	if (out.error)
		return out.error;
	if (out.at[NR_STEPS - 1].pos - out.log_base >= out.log_words)
		out.log_base += out.log_words;
	if (index != out.head.index || offset != out.head.offset) {
		log_put(LOG_JUMP, 1);
		log_put(index, 4);
		log_put(offset, 4);
	}
	log_put(word, 1);
	out.run = NULL;
	if (word < LOG_LZO) {
		out.run = log_word(out.head.pos);
		out.run_of = word;
		log_put(1, 1);
	}
	return 0;
}

int out_desc_put(uint64_t index, const struct page_desc *desc)
{
	bool zero = out.zero_offset && (uint64_t)desc->offset == out.zero_offset;
	uint64_t offset = zero ? out.head.offset : (uint64_t)desc->offset;
	uint16_t word = zero ? LOG_ZERO : desc->flags ? (uint16_t)desc->size : LOG_RAW;

	if (out.run && out.run_of == word && *out.run < UINT16_MAX && index == out.head.index && offset == out.head.offset)
		++*out.run;
	else if (put_record(index, offset, word))
		return out.error;
	if (!zero) {
		offset += desc->size;
		out.batch_bytes += desc->size;
	}
	out.head.index = index + 1;
	out.head.offset = offset;
	out.put++;
	return batch_due() ? close_batch() : out.error;
}

bool out_desc_has(uint64_t index)
{
	uint64_t pos = index * sizeof(struct page_desc), at = ALIGN_DOWN(pos, OUT_ALIGN);
	int rc;

	if (out.seen_at != at) {
		rc = target_rw(out.t, BLK_READ, out.table_offset + at, out.seen, OUT_ALIGN);
		if (rc)
			return fail(rc), false;
		out.seen_at = at;
	}
	return *(int64_t *)(out.seen + pos % OUT_ALIGN) != 0;
}

static bool all_written(void)
{
	return out.at[NR_STEPS - 1].index == out.head.index;
}

/*
 * Each step of the last batch takes a round with its flush. After an error too, as long as the disk
 * takes writes: what is stored up to there shall be found.
 */
int out_desc_end(void)
{
	if (out.error || out_drain()) {
		for (unsigned i = 0; i < ARRAY_SIZE(slots); i++) {
			if (slots[i].state != SLOT_FILLING)
				continue;
			add_bad(slots[i].offset, slots[i].len, false);
			slots[i].state = SLOT_FREE;
		}
		out.raw = out.stream = NULL;
	}
	out.ending = true;
	while (alive() && (!all_written() || out.batch != BATCH_OPEN || write_table())) {
		if (out.batch == BATCH_OPEN && !all_written())
			close_batch();
		else
			advance();
		idle();
	}
	return out.error;
}
