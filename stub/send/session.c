// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The dump as frames to a receiver that may not exist. docs/serial-protocol.md tells the protocol;
 * this is the sending side, over whatever carries bytes (struct transport).
 *
 * The dead kernel's memory is the retransmission buffer: every frame says which part of which
 * stream it carries, and the same part can be made again at any time. So nothing that was sent is
 * kept, a receiver may come, go and come back, and with nobody answering the same code simply sends
 * everything once.
 *
 * One CPU without interrupts keeps the transport busy: pump() is called between small pieces of
 * every longer piece of work.
 */
#include "stub/send/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "capstub/label.h"
#include "stub/arch.h"
#include "stub/dead/dmesg.h"
#include "stub/dead/report.h"
#include "stub/dead/select.h"
#include "stub/format/stopcode.h"
#include "stub/idle.h"
#include "stub/log.h"
#include "stub/mem.h"

/*
 * Units in a frame until a receiver asks for another number: more are fewer bytes, fewer are less
 * loss on a bad line.
 */
#define VITAL_UNITS		2u
#define CLASS_UNITS		3u
#define REPEAT_UNITS		1u
#define REPEATS			3u	/* of what a debugger cannot do without, one way */
#define BLOB_PIECE		4096u
/*
 * Of text. A log is emitted from its start for each piece, so a large one costs time as well as line:
 * of a longer one the last records are sent. All of it is in the pages too.
 */
#define DMESG_MAX		MIB(1)
#define DMESG_END		KIB(8)	/* again at the very end, one way */
#define SAID_MAX		160u	/* a line of text for people */
#define DEFLATE_LEVEL		6
#define DEFLATE_MEM		5	/* memLevel: 48 KiB with the 8-KiB window */
#define DEFLATE_ARENA		(KIB(48) + 7168) /* and its state, 6 KiB with the alignment */
/* Given to deflate at a time: 15 us of a fast CPU, less than a FIFO lasts at 3 Mbaud */
#define DEFLATE_PIECE		512u
#define GIB_PAGES		262144u	/* units in 1 GiB */
#define PUMP_PAGES		8u	/* frames looked at between two looks at the transport */

#define ANSWER_US		500000	/* for the receiver to answer before dmesg goes out */
#define HELLO_US		10000000	/* repeated this often while nobody answers */
#define META_US			60000000
#define PROGRESS_US		10000000
#define RESULT_US		2000000	/* at the end, until the receiver says good-bye */
#define SILENCE_US		90000000	/* without a word from the receiver: it is gone */
#define IDLE_US			600000000 /* at the end: somebody is there but wants nothing */

/*
 * What is sent for requests, as a multiple of all else and some more, and how long that may take
 * after all else. A receiver that loses everything and begins anew a few times gets it; one that
 * asks for ever does not keep the machine for ever.
 */
#define SERVED_FACTOR		4u
#define SERVED_FREE		KIB(256)

_Static_assert(SELECT_NR_PASSES <= SERIAL_MAX_PASSES, "passes");

struct want {
	uint8_t what;
	uint64_t from, to;
};

/* A frame of pages in the making */
struct job {
	unsigned pass;
	uint64_t from, pos, end;		/* units */
	unsigned nr_units, nr_runs;
	uint64_t units[SERIAL_MAX_UNITS];	/* with contents */
	struct { uint64_t len; enum serial_run type; } runs[SERIAL_MAX_RUNS];
};

struct session {
	struct capture *c;
	struct transport *t;
	uint32_t sequence;
	unsigned dmesg_records;		/* the last ones are sent; 0: all */
	unsigned unit_shift;		/* units per page, as a power of two */
	uint64_t max_unit;
	bool closing;			/* what is said about the deadline is being sent */

	/* from the receiver */
	enum serial_mode mode;
	unsigned units;			/* of data in one frame */
	uint64_t heard_us;		/* 0: never */
	bool bye, probe_asked;
	unsigned again;			/* SERIAL_FLAG_AGAIN while serving wants */
	bool have_request;		/* wants are waiting */
	uint16_t request;		/* number of the last one taken up */
	bool any_request;
	uint64_t served_bytes;		/* of line, for requests */
	uint64_t other_bytes;		/* and for all else when that was done; 0: not yet */
	unsigned nr_wants;
	struct want wants[SERIAL_CTRL_MAX_WANTS];

	uint64_t next_hello_us, next_probe_us, next_meta_us, next_progress_us;
	uint64_t pass_units[SELECT_NR_PASSES];	/* to be sent, at most */
	uint64_t sent_units, all_units;
	uint64_t stored_units;		/* with data or zero */
	uint64_t lost_unit;		/* was readable when its frame was planned, and then not */
	uint64_t bad_unit;		/* is not tried again; ~0: none */

	struct frame_enc enc;
	struct frame_dec dec;
	struct select *select;
	z_stream z;
	size_t arena_used;
	uint64_t piece_from, piece_to, piece_at; /* of a blob: what the emitter passes over */
	struct job job;
	uint8_t dec_buf[SERIAL_HEADER + SERIAL_CTRL_MAX + SERIAL_TRAILER];
	uint8_t page[SERIAL_UNIT] __attribute__((aligned(64)));
	uint8_t arena[DEFLATE_ARENA] __attribute__((aligned(64)));
	struct serial_meta meta;	/* its ranges follow it on the line */
	struct capstub_label label;
};

struct session_stats session_stats;
static struct session *session;	/* in the arena; NULL when there is none */

/* Is there no more to be sent? All longer work looks here, and pump() keeps it up to date. */
static bool over(const struct session *s)
{
	return s->t->dead || (s->t->late && !s->closing);
}

static void pump(struct session *s)
{
	s->t->pump(s->t);
}

/*---------------------------------------------------------------- frames */

static void begin(struct session *s, enum serial_mode mode, unsigned type)
{
	s->t->in_frame = true;
	session_stats.frames++;
	if (s->again)
		session_stats.again_frames++;
	frame_begin(&s->enc, mode, type, s->again, (uint16_t)s->meta.session, s->sequence++);
}

static void end(struct session *s, bool good)
{
	if (good)
		frame_end(&s->enc);
	else
		frame_abort(&s->enc);
	s->t->in_frame = false;
	s->t->end(s->t, s->enc.text);
}

static void put_le(struct session *s, uint64_t value, unsigned bytes)
{
	uint8_t buf[8];

	for (unsigned i = 0; i < bytes; i++)
		buf[i] = (uint8_t)(value >> 8 * i);
	frame_data(&s->enc, buf, bytes);
}

static void put_varint(struct session *s, uint64_t value)
{
	uint8_t buf[10];

	frame_data(&s->enc, buf, frame_put_varint(buf, value));
}

/* zlib's memory: everything is allocated once, by deflateInit2() */
static void *arena_alloc(void *ctx, unsigned items, unsigned size)
{
	struct session *s = ctx;
	size_t len = ALIGN_UP((size_t)items * size, 16);
	void *p = s->arena + s->arena_used;

	if (len > sizeof(s->arena) - s->arena_used)
		return NULL;
	s->arena_used += len;
	return p;
}

static void arena_free(void *ctx, void *p)
{
	(void)ctx;
	(void)p;
}

static int start_deflate(struct session *s)
{
	s->z.zalloc = arena_alloc;
	s->z.zfree = arena_free;
	s->z.opaque = s;
	return deflateInit2(&s->z, DEFLATE_LEVEL, Z_DEFLATED, -SERIAL_WINDOW_BITS, DEFLATE_MEM,
			    Z_DEFAULT_STRATEGY);
}

/* Compress into the frame; @flush Z_FINISH ends the stream. */
static void put_deflate(struct session *s, const uint8_t *buf, size_t len, int flush)
{
	uint8_t out[256];
	int rc;

	do {
		unsigned n = (unsigned)min_u64(len, DEFLATE_PIECE);
		int now = len == n ? flush : Z_NO_FLUSH;

		s->z.next_in = (uint8_t *)(uintptr_t)buf;
		s->z.avail_in = n;
		do {
			s->z.next_out = out;
			s->z.avail_out = sizeof(out);
			rc = deflate(&s->z, now);
			frame_data(&s->enc, out, sizeof(out) - s->z.avail_out);
			session_stats.payload_bytes += sizeof(out) - s->z.avail_out;
		} while (!s->z.avail_out);
		pump(s);
		buf += n;
		len -= n;
	} while (len);
	(void)rc;
	if (flush == Z_FINISH)
		deflateReset(&s->z);
}

/*---------------------------------------------------------------- blobs */

typedef int (*emit_fn)(void *ctx, const void *buf, size_t len);

/* Pass on the part of the emitted bytes that lies in [piece_from, piece_to). */
static int emit_piece(void *ctx, const void *buf, size_t len)
{
	struct session *s = ctx;
	uint64_t from = max_u64(s->piece_at, s->piece_from),
		 to = min_u64(s->piece_at + len, s->piece_to);

	if (from < to)
		put_deflate(s, (const uint8_t *)buf + (from - s->piece_at), to - from, Z_NO_FLUSH);
	s->piece_at += len;
	pump(s);
	return s->piece_at >= s->piece_to || s->t->dead;
}

static int emit_count(void *ctx, const void *buf, size_t len)
{
	(void)buf;
	*(uint64_t *)ctx += len;
	return 0;
}

struct text_emit {
	emit_fn emit;
	void *ctx;
};

static int emit_text(void *ctx, const char *text, size_t len)
{
	struct text_emit *t = ctx;

	return t->emit(t->ctx, text, len) ? -ECANCELED : 0;
}

/* For text that may be longer than DMESG_MAX: stop where that shows. */
static int emit_count_some(void *ctx, const char *text, size_t len)
{
	uint64_t *sum = ctx;

	(void)text;
	*sum += len;
	return *sum > DMESG_MAX ? -E2BIG : 0;
}

/* How many of the last records are DMESG_MAX of text, about: half as many until they fit */
static void measure_dmesg(struct session *s)
{
	unsigned records = 0;
	uint64_t sum = 0;

	while (dmesg_emit(&s->c->vt, s->c->vi, records, emit_count_some, &sum) == -E2BIG &&
	       records != 1) {
		records = records ? records / 2 : BIT(15);
		sum = 0;
		pump(s);
	}
	s->dmesg_records = records;
}

/* META goes in one piece: what of the ranges it has no room for is not sent, and is missing. */
static void fill_meta(struct session *s)
{
	const struct vmcore *vc = &s->c->vc;
	struct serial_meta *m = &s->meta;
	uint64_t first, end = 0;
	unsigned lost = 0;

	capture_meta(s->c, 0, m);
	m->version = SERIAL_VERSION;
	/*
	 * Two captures of one machine differ in the moment they began, which the stub's clock knows
	 * to the microsecond.
	 */
	m->session = (uint64_t)m->crash_time << 20 ^ arch_time_us() * 0x9e3779b97f4a7c15ULL;
	m->nr_passes = SELECT_NR_PASSES;
	m->nr_vital = SELECT_NR_VITAL;
	while (m->nr_ranges < SERIAL_MAX_RANGES && vmcore_next_run(vc, end, &first, &end))
		m->nr_ranges++;
	m->max_pfn = end;
	s->max_unit = end << s->unit_shift;
	for (; vmcore_next_run(vc, end, &first, &end); lost++)
		s->label.ram_missing += (end - first) * vc->page_size;
	if (lost)
		log_warn("serial: no room for more than %u ranges: %u of RAM, %lu KiB, are not sent",
			 m->nr_ranges, lost, s->label.ram_missing >> 10);
}

static void emit_meta(const struct session *s, emit_fn emit, void *ctx)
{
	uint64_t run[2], end = 0;

	emit(ctx, &s->meta, sizeof(s->meta));
	for (unsigned i = 0; i < s->meta.nr_ranges && vmcore_next_run(&s->c->vc, end, &run[0], &end); i++) {
		run[1] = end - run[0];
		emit(ctx, run, sizeof(run));
	}
}

static void emit_blob(struct session *s, unsigned blob, emit_fn emit, void *ctx)
{
	struct text_emit t = { emit, ctx };
	const char *text;
	size_t len;

	switch (blob) {
	case SERIAL_META:
		emit_meta(s, emit, ctx);
		break;
	case SERIAL_NOTES:
		vmcore_notes(&s->c->vc, emit, ctx);
		break;
	case SERIAL_DMESG:
		dmesg_emit(&s->c->vt, s->c->vi, s->dmesg_records, emit_text, &t);
		break;
	case SERIAL_PLAN:
		emit(ctx, s->pass_units, sizeof(s->pass_units));
		break;
	case SERIAL_LOG:
		text = log_text(&len);
		emit(ctx, text, len);
		break;
	case SERIAL_RESULT:
		emit(ctx, &s->label, sizeof(s->label));
		break;
	}
}

/* META is understood only as a whole; of the others, less is lost with a frame. */
static uint64_t piece_bytes(unsigned blob)
{
	return blob == SERIAL_META ? SERIAL_PIECE : BLOB_PIECE;
}

static void send_piece(struct session *s, unsigned blob, uint64_t total, uint64_t from)
{
	static const uint8_t blank[64];
	uint64_t len = min_u64(total - from, piece_bytes(blob));

	begin(s, s->mode, SERIAL_BLOB);
	put_le(s, blob, 1);
	put_le(s, total, 4);
	put_le(s, from, 4);
	put_le(s, len, 2);
	s->piece_from = from;
	s->piece_to = from + len;
	s->piece_at = 0;
	if (len) {
		emit_blob(s, blob, emit_piece, s);
		/* Memory has changed since it was measured: the length holds, the rest is blank */
		while (s->piece_at < s->piece_to && !s->t->dead)
			emit_piece(s, blank, min_u64(sizeof(blank), s->piece_to - s->piece_at));
		put_deflate(s, blank, 0, Z_FINISH);
	}
	end(s, true);
}

/*
 * The pieces of a blob that overlap [from, to), which the receiver may have made up; of an empty
 * one, that it is empty.
 */
static void send_blob(struct session *s, unsigned blob, uint64_t from, uint64_t to)
{
	uint64_t total = 0, at;

	emit_blob(s, blob, emit_count, &total);
	total = min_u64(total, blob == SERIAL_DMESG ? DMESG_MAX : UINT32_MAX);
	if (total && from >= total)
		return;
	at = total ? ALIGN_DOWN(from, piece_bytes(blob)) : 0;
	do {
		send_piece(s, blob, total, at);
		at += piece_bytes(blob);
	} while (at < min_u64(to, total) && !over(s));
	if (!session_stats.first_us[blob]) {
		session_stats.first_us[blob] = arch_time_us();
		session_stats.first_bytes[blob] = s->t->sent;
	}
}

/*---------------------------------------------------------------- pages */

static bool read_unit(struct session *s, uint64_t unit)
{
	phys_addr_t source;
	uint64_t len;

	return unit != s->bad_unit &&
	       !vmcore_source(&s->c->vc, unit * SERIAL_UNIT, &source, &len) && len >= SERIAL_UNIT &&
	       !s->c->vc.read(s->page, source, SERIAL_UNIT);
}

static bool page_is_zero(const uint8_t *page)
{
	const uint64_t *word = (const uint64_t *)page, *end = word + SERIAL_UNIT / sizeof(*word);

	for (; word < end; word += 4)
		if (word[0] | word[1] | word[2] | word[3])
			return false;
	return true;
}

/* What this pass has to say about a unit of @class */
static enum serial_run unit_run(struct session *s, unsigned pass, uint64_t unit,
				enum page_class class)
{
	uint64_t pfn = unit >> s->unit_shift;

	/* Said twice: a frame can tell of very many of these, and one way it may be lost */
	if (pages_excluded(class))
		return pass == SELECT_IMAGE || pass == SELECT_REST ? SERIAL_RUN_EXCLUDED
							       : SERIAL_RUN_OTHER;
	if (select_pass(s->select, pfn, class) != pass)
		return SERIAL_RUN_OTHER;
	if (!read_unit(s, unit))
		return SERIAL_RUN_UNREADABLE;
	return page_is_zero(s->page) ? SERIAL_RUN_ZERO : SERIAL_RUN_DATA;
}

static bool add_run(struct job *j, enum serial_run type, uint64_t len)
{
	if (j->nr_runs && j->runs[j->nr_runs - 1].type == type) {
		j->runs[j->nr_runs - 1].len += len;
	} else {
		if (j->nr_runs == SERIAL_MAX_RUNS)
			return false;
		j->runs[j->nr_runs].type = type;
		j->runs[j->nr_runs++].len = len;
	}
	j->pos += len;
	return true;
}

/* The next frames that @pass looks at, in units */
static bool next_span(const struct session *s, unsigned pass, uint64_t unit, uint64_t *ret_start,
		      uint64_t *ret_end)
{
	uint64_t start, end;

	if (!select_next(s->select, pass, unit >> s->unit_shift, &start, &end))
		return false;
	*ret_start = max_u64(start << s->unit_shift, unit);
	*ret_end = end << s->unit_shift;
	return true;
}

/* Collect runs until a frame is full or the job's end is reached. */
static void gather_span(struct session *s, uint64_t stop)
{
	struct job *j = &s->job;
	enum page_class class = PAGE_KERNEL;
	uint64_t class_pfn = ~0ULL;

	while (j->pos < stop && !over(s)) {
		uint64_t unit = j->pos, pfn = unit >> s->unit_shift;
		enum serial_run run;

		if (pfn != class_pfn)
			class = pages_class(pfn);
		class_pfn = pfn;
		run = unit_run(s, j->pass, unit, class);
		/* ">=": pump() may have taken in a smaller number since the last unit */
		if (run == SERIAL_RUN_DATA && j->nr_units >= min_u64(s->units, s->t->mtu / SERIAL_UNIT))
			return;
		if (!add_run(j, run, 1))
			return;
		if (run == SERIAL_RUN_DATA)
			j->units[j->nr_units++] = unit;
		if (!(unit % PUMP_PAGES))
			pump(s);
	}
}

static void gather(struct session *s)
{
	struct job *j = &s->job;
	uint64_t start, stop;

	j->from = j->pos;
	j->nr_units = 0;
	j->nr_runs = 0;
	while (j->pos < j->end && !over(s)) {
		if (!next_span(s, j->pass, j->pos, &start, &stop))
			start = stop = j->end;
		start = min_u64(start, j->end);
		if (start > j->pos && !add_run(j, SERIAL_RUN_OTHER, start - j->pos))
			return;
		stop = min_u64(stop, j->end);
		gather_span(s, stop);
		if (j->pos < stop)
			return;
	}
}

/*
 * False: lost_unit could be read a moment ago and cannot now. The frame was spoilt; it is to be
 * made again without that unit.
 */
static bool send_job(struct session *s)
{
	struct job *j = &s->job;

	begin(s, s->mode, SERIAL_PAGES);
	put_le(s, j->pass, 1);
	put_varint(s, j->from);
	put_varint(s, j->pos - j->from);
	put_varint(s, j->nr_runs);
	for (unsigned i = 0; i < j->nr_runs; i++)
		put_varint(s, j->runs[i].len << 3 | j->runs[i].type);
	for (unsigned i = 0; i < j->nr_units; i++) {
		if (!read_unit(s, j->units[i])) {
			s->lost_unit = j->units[i];
			deflateReset(&s->z);
			end(s, false);
			return false;
		}
		put_deflate(s, s->page, SERIAL_UNIT, i + 1 == j->nr_units ? Z_FINISH : Z_NO_FLUSH);
	}
	end(s, true);
	return true;
}

static void count_job(struct session *s)
{
	const struct job *j = &s->job;
	unsigned shift = s->unit_shift;

	if (s->again)
		return;
	s->sent_units += j->nr_units;
	s->label.data_bytes_raw += (uint64_t)j->nr_units * SERIAL_UNIT;
	for (unsigned i = 0; i < j->nr_runs; i++) {
		uint64_t pages = j->runs[i].len;

		if (j->runs[i].type == SERIAL_RUN_ZERO)
			s->label.pages_by_class[PAGE_ZERO] += pages >> shift;
		if (j->runs[i].type == SERIAL_RUN_UNREADABLE)
			s->label.pages_unreadable += pages >> shift;
		if (j->runs[i].type == SERIAL_RUN_DATA || j->runs[i].type == SERIAL_RUN_ZERO)
			s->stored_units += pages;
	}
}

static void between_frames(struct session *s);

/*
 * Begin to classify at @unit. Tails of a compound page take their class from its head, so a class
 * pass has to see the head first: heads are aligned to their size, at most 1 GiB. A vital page that
 * loses its head is sent rather than left out.
 */
static void restart_classes(struct session *s, unsigned pass, uint64_t unit)
{
	uint64_t pfn = unit >> s->unit_shift, first = ALIGN_DOWN(pfn, GIB_PAGES >> s->unit_shift),
		 start, end;

	pages_restart();
	if (pass < SELECT_NR_VITAL)
		return;
	while (!over(s) && vmcore_next_run(&s->c->vc, first, &start, &end) && start < pfn) {
		for (first = start; first < end && first < pfn && !over(s); first++) {
			pages_class(first);
			if (!(first % PUMP_PAGES))
				pump(s);
		}
	}
}

/* Say what there is to say in @pass about units [from, to). */
static void send_pages(struct session *s, unsigned pass, uint64_t from, uint64_t to)
{
	struct job *j = &s->job;
	uint64_t end = min_u64(to, s->max_unit), limit = end;

	restart_classes(s, pass, from);
	j->pass = pass;
	j->pos = from;
	while (j->pos < end && !over(s)) {
		uint64_t at = j->pos;

		j->end = limit;
		gather(s);
		if (over(s))
			break;
		if (!send_job(s)) {
			/*
			 * First what comes before it, then on without it: memory that comes and
			 * goes does not keep us here
			 */
			if (s->lost_unit > at)
				limit = s->lost_unit;
			else
				s->bad_unit = at;
			j->pos = at;
			restart_classes(s, pass, at);
			continue;
		}
		limit = end;
		count_job(s);
		/* It may send frames of its own, in other places: they use the same job */
		if (!s->again) {
			uint64_t pos = j->pos;
			bool moved = s->have_request;

			between_frames(s);
			j->pass = pass;
			j->pos = pos;
			if (moved)
				restart_classes(s, pass, pos);
		}
	}
	if (!s->again && !session_stats.first_us[SERIAL_NR_BLOBS + pass]) {
		session_stats.first_us[SERIAL_NR_BLOBS + pass] = arch_time_us();
		session_stats.first_bytes[SERIAL_NR_BLOBS + pass] = s->t->sent;
	}
}

/*---------------------------------------------------------------- the receiver's wishes */

static void take_wants(struct session *s, struct frame_in *in, uint16_t request, unsigned nr)
{
	struct want wants[SERIAL_CTRL_MAX_WANTS];

	if (nr > SERIAL_CTRL_MAX_WANTS)
		return;
	for (unsigned i = 0; i < nr; i++) {
		wants[i].what = (uint8_t)frame_get(in, 1);
		wants[i].from = frame_get_varint(in);
		wants[i].to = wants[i].from + frame_get_varint(in);
		if (!in->ok || wants[i].to < wants[i].from)
			return;
	}
	/*
	 * One request at a time; the receiver repeats it until it is served, and a repetition is
	 * answered in SERIAL_SERVED
	 */
	if (s->have_request)
		return;
	if (s->any_request && request == s->request)
		nr = 0;
	memcpy(s->wants, wants, nr * sizeof(*wants));
	s->nr_wants = nr;
	s->request = request;
	s->any_request = true;
	s->have_request = true;
}

static void take_mode(struct session *s, unsigned mode, unsigned units, const uint8_t *map)
{
	/*
	 * Maps only grow within a session: in the frame at work, more than was asked for does no
	 * harm; less would.
	 */
	if (mode == SERIAL_MODE_8BIT && !frame_enc_escape(&s->enc, map))
		mode = SERIAL_MODE_TEXT;
	s->mode = mode == SERIAL_MODE_8BIT ? SERIAL_MODE_8BIT : SERIAL_MODE_TEXT;
	s->units = units >= 1 && units <= SERIAL_MAX_UNITS ? units : s->units;
}

static void on_frame(void *ctx, const struct frame *f)
{
	struct session *s = ctx;
	struct frame_in in = frame_in(f->payload, f->len);
	unsigned version = (unsigned)frame_get(&in, 1), flags = (unsigned)frame_get(&in, 1);
	unsigned mode = (unsigned)frame_get(&in, 1), units = (unsigned)frame_get(&in, 1), nr;
	const uint8_t *map = frame_get_bytes(&in, 32);
	uint16_t request = (uint16_t)frame_get(&in, 2);

	nr = (unsigned)frame_get(&in, 1);
	if (f->type != SERIAL_CTRL || f->session != (uint16_t)s->meta.session || !in.ok ||
	    version != SERIAL_VERSION)
		return;
	s->heard_us = arch_time_us();
	if (!s->heard_us)
		s->heard_us = 1;
	take_mode(s, mode, units, map);
	s->bye = flags & SERIAL_CTRL_BYE;
	s->probe_asked = flags & SERIAL_CTRL_PROBE;
	if (nr)
		take_wants(s, &in, request, nr);
}

/* Is somebody there? */
static bool two_way(const struct session *s)
{
	return s->heard_us && arch_time_us() - s->heard_us < SILENCE_US;
}

/* May more be sent for requests? */
static bool may_serve(const struct session *s)
{
	uint64_t other =
		s->other_bytes ? s->other_bytes : s->t->sent - s->served_bytes;

	return s->served_bytes <= SERVED_FREE + SERVED_FACTOR * other;
}

static void serve(struct session *s)
{
	for (unsigned i = 0; i < s->nr_wants && !over(s) && may_serve(s); i++) {
		const struct want w = s->wants[i];
		uint64_t before = s->t->sent;

		s->again = SERIAL_FLAG_AGAIN;
		if (w.what < SERIAL_NR_BLOBS)
			send_blob(s, w.what, w.from, w.to);
		else if (w.what >= SERIAL_WANT_PASS && w.what < SERIAL_WANT_PASS + SELECT_NR_PASSES)
			send_pages(s, w.what - SERIAL_WANT_PASS, w.from, w.to);
		s->again = 0;
		s->served_bytes += s->t->sent - before;
	}
	s->nr_wants = 0;
	if (over(s))
		return;
	begin(s, s->mode, SERIAL_SERVED);
	put_le(s, s->request, 2);
	end(s, true);
	s->have_request = false;
}

static void send_hello(struct session *s)
{
	begin(s, SERIAL_MODE_TEXT, SERIAL_HELLO);
	put_le(s, SERIAL_VERSION, 1);
	put_le(s, s->mode, 1);
	put_le(s, s->meta.session, 8);
	put_le(s, s->t->baud, 4);
	end(s, true);
}

/* All 256 bytes as they are: the receiver sees which of them the line does not carry. */
static void send_probe(struct session *s)
{
	uint8_t all[257];

	for (unsigned i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	all[256] = SERIAL_XON;	/* should XOFF among them have stopped anything */
	begin(s, SERIAL_MODE_TEXT, SERIAL_PROBE);
	end(s, true);
	s->t->put(s->t, all, sizeof(all));
	begin(s, SERIAL_MODE_TEXT, SERIAL_PROBE_END);
	end(s, true);
}

static void progress(struct session *s)
{
	uint64_t all = max_u64(s->all_units, 1);

	s->next_progress_us = arch_time_us() + PROGRESS_US;
	if (s->all_units)
		log_console("serial: %u %% of %lu MiB",
			    (unsigned)(min_u64(s->sent_units, all) * 100 / all),
			    all * SERIAL_UNIT >> 20);
}

/* Answer the receiver; look for one when there is none; tell people how far we are. */
static void between_frames(struct session *s)
{
	uint64_t now = arch_time_us();

	if (over(s))
		return;
	if (s->probe_asked && now >= s->next_probe_us) {
		send_probe(s);
		s->next_probe_us = now + HELLO_US;
		s->probe_asked = false;
	}
	if (s->have_request)
		serve(s);
	if (!two_way(s) && now >= s->next_hello_us) {
		send_hello(s);
		s->next_hello_us = now + HELLO_US;
	}
	if (!two_way(s) && now >= s->next_meta_us) {
		s->again = SERIAL_FLAG_AGAIN;
		/* Without these two nothing can be placed, and no debugger finds its way */
		send_blob(s, SERIAL_META, 0, ~0ULL);
		send_blob(s, SERIAL_NOTES, 0, ~0ULL);
		s->again = 0;
		s->next_meta_us = now + META_US;
	}
	if (now >= s->next_progress_us)
		progress(s);
}

/*---------------------------------------------------------------- the story */

/* Say who we are, what the line does to bytes, and give a receiver the time to answer. */
static void greet(struct session *s)
{
	uint64_t until;

	send_hello(s);
	send_probe(s);
	send_hello(s);
	s->t->drain(s->t);
	until = arch_time_us() + ANSWER_US;
	while (!over(s) && !s->heard_us && arch_time_us() < until) {
		pump(s);
		idle();
	}
	s->next_hello_us = s->next_probe_us = arch_time_us() + HELLO_US;
	s->next_meta_us = arch_time_us() + META_US;
	s->next_progress_us = arch_time_us() + PROGRESS_US;
}

/* Count each class, see whether that can be, and so know how much there is to send. */
static void plan(struct session *s)
{
	unsigned level = s->meta.dump_level;

	do {
		uint64_t pfn = 0, end;

		s->meta.dump_level = level;
		memset(s->label.pages_by_class, 0, sizeof(s->label.pages_by_class));
		memset(s->pass_units, 0, sizeof(s->pass_units));
		s->label.pages_total = 0;
		s->all_units = 0;
		pages_restart();
		for (; vmcore_next_run(&s->c->vc, pfn, &pfn, &end); pfn = end) {
			s->label.pages_total += end - pfn;
			for (uint64_t p = pfn; p < end; p++) {
				enum page_class class;
				unsigned pass;

				if (over(s)) {
					/* Not looked at any more: pages like any other */
					s->label.pages_by_class[PAGE_KERNEL] += end - p;
					break;
				}
				class = pages_class(p);
				pass = select_pass(s->select, p, class);
				s->label.pages_by_class[class]++;
				if (!(p % PUMP_PAGES))
					pump(s);
				if (pages_excluded(class) || pass < SELECT_NR_VITAL)
					continue;
				s->pass_units[pass] += 1ULL << s->unit_shift;
				s->all_units += 1ULL << s->unit_shift;
			}
		}
		if (!over(s))
			level = pages_check(s->label.pages_by_class, s->label.pages_total);
	} while (level != s->meta.dump_level);
}

static void send_blobs(struct session *s)
{
	send_blob(s, SERIAL_META, 0, ~0ULL);
	send_blob(s, SERIAL_DMESG, 0, ~0ULL);
	send_blob(s, SERIAL_NOTES, 0, ~0ULL);
}

static void send_vital(struct session *s)
{
	for (unsigned pass = 0; pass < SELECT_NR_VITAL && !over(s); pass++)
		send_pages(s, pass, 0, s->max_unit);
}

/* The deadline passed before everything was sent once, or as often as the receiver asked for it. */
static void end_late(struct session *s)
{
	struct capstub_label *l = &s->label;
	uint64_t kept = 0, there = (s->stored_units >> s->unit_shift) + l->pages_unreadable;

	for (unsigned i = 0; i < PAGE_NR_CLASSES; i++)
		kept += i == PAGE_ZERO || pages_excluded(i) ? 0 : l->pages_by_class[i];
	l->pages_missing = kept - min_u64(kept, there);
	l->stop_code = STOP_DEADLINE;
	log_warn("the deadline of %u s passed", (unsigned)s->c->cl->deadline_s);
}

static void send_result(struct session *s)
{
	struct capstub_label *l = &s->label;

	l->state = l->stop_code == STOP_OK ? CAPSTUB_COMPLETE : CAPSTUB_INCOMPLETE;
	l->pages_stored = s->stored_units >> s->unit_shift;
	l->elapsed_us = arch_time_us();
	l->data_bytes_stored = session_stats.payload_bytes;
	s->closing = true;
	/* Who has only the end of all this cannot place anything without it */
	if (s->again)
		send_blob(s, SERIAL_META, 0, ~0ULL);
	send_blob(s, SERIAL_LOG, 0, ~0ULL);
	send_blob(s, SERIAL_RESULT, 0, ~0ULL);
	s->closing = false;
}

/*
 * Until the receiver has everything: it asks for what it misses, and says when it misses nothing.
 * One that does neither, or asks for ever, is not waited for.
 */
static void finish_two_way(struct session *s)
{
	uint64_t now = arch_time_us(), until = now + IDLE_US + SERVED_FACTOR * now;
	uint64_t next = 0, idle_until = now + IDLE_US;

	s->other_bytes = s->t->sent - s->served_bytes;
	while (!over(s) && !s->bye && two_way(s) && may_serve(s) &&
	       arch_time_us() < min_u64(until, idle_until)) {
		if (s->have_request) {
			uint64_t frames = session_stats.again_frames;

			serve(s);
			next = 0;
			if (session_stats.again_frames != frames)
				idle_until = arch_time_us() + IDLE_US;
		} else if (arch_time_us() >= next) {
			send_blob(s, SERIAL_RESULT, 0, ~0ULL);
			next = arch_time_us() + RESULT_US;
		}
		pump(s);
		idle();
	}
	if (s->t->late && !s->bye && s->label.stop_code != STOP_DEADLINE) {
		end_late(s);
		send_result(s);
	}
	if (!s->t->dead && !s->bye)
		log_warn("serial: the receiver did not say that it has everything");
}

/* A line of text on the wire, whether or not the console is the same wire */
static void __attribute__((format(printf, 2, 3))) say(struct session *s, const char *fmt, ...)
{
	char line[SAID_MAX] = "capstub: ";
	size_t at = strlen(line);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line + at, sizeof(line) - at - 2, fmt, ap);
	va_end(ap);
	at = min_u64(at + (n > 0 ? (unsigned)n : 0), sizeof(line) - 3);
	memcpy(line + at, "\r\n", 2);
	s->t->put(s->t, (const uint8_t *)line, at + 2);
}

static void say_line(void *ctx, const char *text, size_t len)
{
	say(ctx, "| %.*s", (int)len, text);
}

/*
 * For who sees only the end of what was sent: consoles that keep the last 16 KiB, and people. SI
 * first if need be: whatever the last frame did to a terminal, this is readable.
 */
static void say_why(struct session *s)
{
	static const uint8_t to_text[] = "\x0f\r\n";
	const struct capstub_label *l = &s->label;

	s->t->put(s->t, to_text + s->enc.text, sizeof(to_text) - 1 - s->enc.text);
	report_show(s->c, true, say_line, s);
	say(s, "Linux %s: %lu of %lu pages sent, %lu missing, %lu unreadable, level %u, %lu s", s->c->release,
	    l->pages_stored, l->pages_total, l->pages_missing, l->pages_unreadable, s->meta.dump_level, l->elapsed_us / 1000000);
	say(s, "what is not text above is the dump, for capstub recv; stop code %u (%s)", l->stop_code,
	    stop_name(l->stop_code));
}

static void send_dmesg_end(struct session *s)
{
	uint64_t total = 0;

	emit_blob(s, SERIAL_DMESG, emit_count, &total);
	send_blob(s, SERIAL_DMESG, total - min_u64(total, DMESG_END), ~0ULL);
}

/*
 * Nobody ever answered: what matters most goes again, in small frames, and more than once what a
 * debugger does not start without. A line that loses one frame in twelve then has a good chance to
 * deliver all of that. The last 16 KiB are what may be all that is kept: the end of the log, and what
 * places it.
 */
static void finish_one_way(struct session *s)
{
	s->again = SERIAL_FLAG_AGAIN;
	s->units = REPEAT_UNITS;
	for (unsigned n = 0; n < REPEATS && !s->heard_us && !over(s); n++) {
		send_blobs(s);
		for (unsigned pass = 0; pass < (n ? SELECT_LISTS : SELECT_NR_VITAL) && !over(s);
		     pass++)
			send_pages(s, pass, 0, s->max_unit);
		if (!over(s))
			send_result(s);
	}
	if (!s->heard_us && !over(s)) {
		send_blob(s, SERIAL_NOTES, 0, ~0ULL);
		send_dmesg_end(s);
	}
	send_result(s);
	s->again = 0;
	if (!s->heard_us)
		say_why(s);
}

static void prepare(struct session *s, struct capture *c, struct transport *t)
{
	memset(&session_stats, 0, sizeof(session_stats));
	s->c = c;
	s->t = t;
	s->mode = t->mode;
	s->units = VITAL_UNITS;
	s->bad_unit = ~0ULL;
	while (SERIAL_UNIT << s->unit_shift < c->vc.page_size)
		s->unit_shift++;
	fill_meta(s);
	frame_enc_init(&s->enc, t->put, t);
	frame_enc_escape(&s->enc, t->escape);
	frame_dec_init(&s->dec, s->dec_buf, sizeof(s->dec_buf), on_frame, NULL, s);
	t->rx = &s->dec;
	memcpy(s->label.release, c->release, sizeof(s->label.release));
	memcpy(s->label.machine, c->uts.machine, sizeof(s->label.machine) - 1);
	s->label.dump_level_asked = c->cl->level;
	s->label.crash_time = c->crash_time;
	s->label.page_size = c->vc.page_size;
}

/* The deadline is noticed while something is sent; what it cuts off is missing, and said to be. */
static void send_all(struct session *s)
{
	greet(s);
	measure_dmesg(s);
	send_blobs(s);
	send_vital(s);
	plan(s);
	if (!over(s))
		send_blob(s, SERIAL_PLAN, 0, ~0ULL);
	if (!s->heard_us)
		s->units = CLASS_UNITS;
	for (unsigned pass = SELECT_IMAGE; pass < SELECT_NR_PASSES && !over(s); pass++)
		send_pages(s, pass, 0, s->max_unit);
	s->label.dump_level = s->meta.dump_level;
	if (s->t->late)
		end_late(s);
	send_result(s);
	if (!s->heard_us)
		finish_one_way(s);
	if (s->heard_us)
		finish_two_way(s);
	s->t->drain(s->t);
}

static enum capstub_stop run(struct session *s, struct capture *c, struct transport *t)
{
	prepare(s, c, t);
	if (start_deflate(s) != Z_OK)
		return log_err(STOP_ASSERT, "serial: deflate needs more than %u bytes",
			       (unsigned)sizeof(s->arena));
	s->meta.dump_level = pages_init(&c->vc, c->vi, &c->vt, c->cl->level, NULL);
	s->select = select_take(&c->vc, c->vi, &c->vt);
	mem_close();
	if (!s->select)
		return log_err(STOP_ASSERT, "no memory for a dump over a serial line");
	s->label.ram_missing += ram_missing(c);
	s->label.stop_code = s->label.ram_missing ? STOP_RAM_MISSING : STOP_OK;
	select_build(s->select);
	log_info("sending the dump over the serial line: level %u, %u pages first", s->meta.dump_level,
		 (unsigned)s->select->vital);
	send_all(s);
	session_stats.line_bytes = t->sent;
	if (t->dead && !t->late)
		return log_err(STOP_LINE_ERROR, "serial: the line takes no bytes");
	log_info("serial: %lu bytes in %lu frames, %lu of them a second time, %lu s",
		 session_stats.line_bytes, session_stats.frames, session_stats.again_frames,
		 arch_time_us() / 1000000);
	return t->dead ? STOP_DEADLINE : s->label.stop_code;
}

enum capstub_stop session_run(struct capture *c, struct transport *t)
{
	enum capstub_stop stop;

	session = mem_take("session", sizeof(*session), 64, MEM_ANY);
	if (!session)
		return log_err(STOP_ASSERT, "no memory for a dump over a serial line");
	stop = run(session, c, t);
	session = NULL;		/* the next target may get this memory */
	return stop;
}

void session_abort(void)
{
	if (session && session->t && session->t->in_frame)
		end(session, false);
}
