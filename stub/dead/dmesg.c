/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dead kernel's log. Since 5.10 it is a lockless ring of descriptors and a ring of text
 * (kernel/printk/printk_ringbuffer.c explains it at length), before that one buffer of variable
 * records. All offsets come from VMCOREINFO. Called before anything else happens, to put the last
 * lines on the console, and again to save the whole.
 *
 * Everything read is hostile: indices are reduced to the ring's size, lengths cut to what lies
 * between two positions, the bytes that records have together are bounded by the ring's size, and
 * no more than the newest MAX_RECORDS are looked at. The worst that can be made of it is some 17 M
 * short reads, and 128 MiB of text: in the lockless ring three for each record, in mappings where
 * each costs a walk; in log_buf 8 M of the smallest records, counted and walked again. Watchdogs are
 * fed meanwhile.
 *
 * It is also as the panic left it: the other CPUs were stopped anywhere, so a few records may be
 * half written, and no lock or state can be waited for.
 */
#include "stub/dead/dmesg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stub/idle.h"
#include "stub/log.h"

#define MAX_STRUCT	4096u		/* no structure of the log is larger */
#define MAX_RECORD	128u		/* nor one that each record has; they are 24 and 88 bytes */
#define MAX_DESC_BITS	22u		/* four million records: a log buffer of 128 MiB */
#define MAX_DATA_BITS	27u
#define MAX_RECORDS	BIT(20)
/* records in a row that are none: a few are being written on each CPU, no more */
#define MAX_MISSES	4096u
#define LINE_SIZE	1024u
#define TEXT_CHUNK	256u

/* prb_desc.state_var: the two top bits are the state, the rest is the record's number */
#define DESC_STATE(sv)	((sv) >> 62)
#define DESC_ID(sv)	((sv) & GENMASK(61, 0))
#define DESC_COMMITTED	1u
#define DESC_FINALIZED	2u

/* 0, or -errno to stop: returned to the caller as it is */
typedef int (*emit_fn)(void *ctx, const char *text, size_t len);

/* Kept out of the stack for its line; nothing in it survives a call */
struct reader {
	struct vtop *vt;
	emit_fn emit;
	void *ctx;
	size_t len;			/* of what is collected in line */
	char line[LINE_SIZE];
	uint8_t desc[MAX_RECORD], info[MAX_RECORD];	/* of the record at work */
};

static struct reader reader;

/*---------------------------------------------------------------- one record as text */

/* Emptied first: when emit fails nothing is sent twice */
static int flush(struct reader *r)
{
	size_t len = r->len;

	r->len = 0;
	return len ? r->emit(r->ctx, r->line, len) : 0;
}

/*
 * @len is that of one character or one time stamp, far below LINE_SIZE. A record longer than the
 * line is emitted in pieces.
 */
static int put(struct reader *r, const char *text, size_t len)
{
	int rc = 0;

	if (len > LINE_SIZE - r->len)
		rc = flush(r);
	memcpy(r->line + r->len, text, len);
	r->len += len;
	return rc;
}

static int put_char(struct reader *r, unsigned char c, size_t indent)
{
	char s[32] = { (char)c };
	int n = 1;

	/*
	 * Lines of one record are aligned under each other. What is not text is spelled out: user
	 * space may write to the log (/dev/kmsg), and it ends up on terminals. Bytes of UTF-8 are
	 * spelled out too.
	 */
	if (c == '\n')
		n = snprintf(s, sizeof(s), "\n%*s", (int)indent, "");
	else if (!((c >= ' ' && c < 0x7f) || (c >= '\t' && c <= '\r')))
		n = snprintf(s, sizeof(s), "\\x%02x", c);
	return put(r, s, min_u64(n, sizeof(s) - 1));
}

/* "[    1.234567] text\n". Text that cannot be read ends the line early. */
static int put_record(struct reader *r, uint64_t ts_nsec, uint64_t text, size_t len)
{
	unsigned char chunk[TEXT_CHUNK];
	char stamp[32];
	size_t indent;
	int rc;

	indent = snprintf(stamp, sizeof(stamp), "[%5lu.%06lu] ", ts_nsec / 1000000000,
			  ts_nsec % 1000000000 / 1000);
	rc = put(r, stamp, indent);
	while (len && !rc) {
		size_t n = min_u64(len, sizeof(chunk));

		if (vtop_read(r->vt, chunk, text, n) < 0)
			break;
		for (size_t i = 0; i < n && !rc; i++)
			rc = put_char(r, chunk[i], indent);
		text += n;
		len -= n;
	}
	if (!rc)
		rc = put(r, "\n", 1);
	return rc ? rc : flush(r);
}

static int read64(struct reader *r, uint64_t va, uint64_t *ret)
{
	return vtop_read(r->vt, ret, va, sizeof(*ret));
}

static int read32(struct reader *r, uint64_t va, uint32_t *ret)
{
	return vtop_read(r->vt, ret, va, sizeof(*ret));
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint16_t get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/*---------------------------------------------------------------- VMCOREINFO */

/*
 * One number that VMCOREINFO must have. All of a log's are asked for before the log is touched:
 * with one missing nothing after it could be trusted.
 */
struct entry {
	const char *name;
	bool size;			/* SIZE(name), else OFFSET(name) */
};

static int absurd(const struct entry *e)
{
	return log_err(-ENOENT, "dmesg: %s(%s) is missing or absurd", e->size ? "SIZE" : "OFFSET",
		       e->name);
}

/* Is a structure of @size one that each record may have, with @len bytes at @at inside it? */
static bool inside(uint64_t size, uint64_t at, uint64_t len)
{
	return size <= MAX_RECORD && range_inside(at, len, 0, size);
}

/* Fill @ret in the order of @entries; all must be there and small. */
static int read_entries(const struct vmcoreinfo *vi, const struct entry *entries, unsigned nr,
			uint64_t *ret)
{
	for (unsigned i = 0; i < nr; i++) {
		const struct entry *e = &entries[i];
		int rc = e->size ? vmcoreinfo_size(vi, e->name, &ret[i])
				 : vmcoreinfo_offset(vi, e->name, &ret[i]);

		if (rc < 0 || ret[i] >= MAX_STRUCT || (e->size && !ret[i]))
			return absurd(e);
	}
	return 0;
}

/*---------------------------------------------------------------- lockless ring, since 5.10 */

enum {
	RB_DESC_RING,
	RB_TEXT_RING,
	RING_COUNT_BITS,
	RING_DESCS,
	RING_INFOS,
	RING_HEAD,
	RING_TAIL,
	DESC_SIZE,
	DESC_STATE_VAR,
	DESC_LPOS,
	LPOS_BEGIN,
	LPOS_NEXT,
	INFO_SIZE,
	INFO_TS,
	INFO_TEXT_LEN,
	DATA_SIZE_BITS,
	DATA_DATA,
	ATOMIC_COUNTER,
	PRB_NR
};

static const struct entry prb_entries[PRB_NR] = {
	[RB_DESC_RING]    = { "printk_ringbuffer.desc_ring", false },
	[RB_TEXT_RING]    = { "printk_ringbuffer.text_data_ring", false },
	[RING_COUNT_BITS] = { "prb_desc_ring.count_bits", false },
	[RING_DESCS]      = { "prb_desc_ring.descs", false },
	[RING_INFOS]      = { "prb_desc_ring.infos", false },
	[RING_HEAD]       = { "prb_desc_ring.head_id", false },
	[RING_TAIL]       = { "prb_desc_ring.tail_id", false },
	[DESC_SIZE]       = { "prb_desc", true },
	[DESC_STATE_VAR]  = { "prb_desc.state_var", false },
	[DESC_LPOS]       = { "prb_desc.text_blk_lpos", false },
	[LPOS_BEGIN]      = { "prb_data_blk_lpos.begin", false },
	[LPOS_NEXT]       = { "prb_data_blk_lpos.next", false },
	[INFO_SIZE]       = { "printk_info", true },
	[INFO_TS]         = { "printk_info.ts_nsec", false },
	[INFO_TEXT_LEN]   = { "printk_info.text_len", false },
	[DATA_SIZE_BITS]  = { "prb_data_ring.size_bits", false },
	[DATA_DATA]       = { "prb_data_ring.data", false },
	[ATOMIC_COUNTER]  = { "atomic_long_t.counter", false },
};

struct prb {
	uint64_t o[PRB_NR];
	uint64_t descs, infos, data;
	uint64_t head, tail;
	uint32_t count_bits, size_bits;
	/* bytes the records to come may have: none shares its text with another */
	uint64_t left;
	unsigned misses;		/* of late, in a row */
};

/*
 * SYMBOL(prb) is where the pointer to the ring buffer is: a kernel that has moved its log to a
 * larger one (log_buf_len=) has changed the pointer. The first word of each array is read once, so
 * that memory that cannot be read is reported as such and not as a log without records.
 */
static int prb_open(struct reader *r, const struct vmcoreinfo *vi, uint64_t symbol, struct prb *b)
{
	uint64_t prb, ring, text;
	int rc = read_entries(vi, prb_entries, PRB_NR, b->o);

	if (rc < 0)
		return rc;
	if (!inside(b->o[DESC_SIZE], b->o[DESC_STATE_VAR] + b->o[ATOMIC_COUNTER], 8) ||
	    !inside(b->o[DESC_SIZE], b->o[DESC_LPOS] + b->o[LPOS_BEGIN], 8) ||
	    !inside(b->o[DESC_SIZE], b->o[DESC_LPOS] + b->o[LPOS_NEXT], 8))
		return absurd(&prb_entries[DESC_SIZE]);
	if (!inside(b->o[INFO_SIZE], b->o[INFO_TS], 8) ||
	    !inside(b->o[INFO_SIZE], b->o[INFO_TEXT_LEN], 2))
		return absurd(&prb_entries[INFO_SIZE]);
	rc = read64(r, symbol, &prb);
	if (rc < 0)
		return log_err(rc, "dmesg: prb at %#lx cannot be read", symbol);
	ring = prb + b->o[RB_DESC_RING];
	text = prb + b->o[RB_TEXT_RING];
	if (read32(r, ring + b->o[RING_COUNT_BITS], &b->count_bits) < 0 ||
	    read64(r, ring + b->o[RING_DESCS], &b->descs) < 0 ||
	    read64(r, ring + b->o[RING_INFOS], &b->infos) < 0 ||
	    read64(r, ring + b->o[RING_HEAD] + b->o[ATOMIC_COUNTER], &b->head) < 0 ||
	    read64(r, ring + b->o[RING_TAIL] + b->o[ATOMIC_COUNTER], &b->tail) < 0 ||
	    read32(r, text + b->o[DATA_SIZE_BITS], &b->size_bits) < 0 ||
	    read64(r, text + b->o[DATA_DATA], &b->data) < 0)
		return log_err(-EFAULT, "dmesg: ring buffer at %#lx cannot be read", prb);
	if (b->count_bits > MAX_DESC_BITS || b->size_bits > MAX_DATA_BITS)
		return log_err(-EINVAL, "dmesg: ring of 2^%u records, 2^%u bytes", b->count_bits,
			       b->size_bits);
	if (read64(r, b->descs, &prb) < 0 || read64(r, b->infos, &prb) < 0 ||
	    read64(r, b->data, &prb) < 0)
		return log_err(-EFAULT, "dmesg: the rings' contents cannot be read");
	b->head = DESC_ID(b->head);
	b->tail = DESC_ID(b->tail);
	return 0;
}

/*
 * Print record @id: 1, or 0 when it is none or holds nothing to print, or what emit returned. The
 * number in the descriptor must be the one asked for: a slot is used again for every
 * 2^count_bits-th record. Committed is good enough, finalized only means that nobody may append any
 * more; "reserved" is being written, "reusable" has lost its text.
 */
static int prb_record(struct reader *r, struct prb *b, uint64_t id)
{
	uint64_t slot = id & (BIT(b->count_bits) - 1), mask = BIT(b->size_bits) - 1;
	uint64_t state, begin, next;
	uint16_t len;
	int rc;

	idle_busy();
	b->misses++;
	if (vtop_read(r->vt, r->desc, b->descs + slot * b->o[DESC_SIZE], b->o[DESC_SIZE]) < 0)
		return 0;
	state = get64(r->desc + b->o[DESC_STATE_VAR] + b->o[ATOMIC_COUNTER]);
	if (DESC_ID(state) != id ||
	    (DESC_STATE(state) != DESC_COMMITTED && DESC_STATE(state) != DESC_FINALIZED))
		return 0;
	if (vtop_read(r->vt, r->info, b->infos + slot * b->o[INFO_SIZE], b->o[INFO_SIZE]) < 0)
		return 0;
	begin = get64(r->desc + b->o[DESC_LPOS] + b->o[LPOS_BEGIN]) & mask;
	next = get64(r->desc + b->o[DESC_LPOS] + b->o[LPOS_NEXT]) & mask;
	if (begin == next) {
		b->misses = 0;
		return 0;	/* no text: the writer failed to get space, or an empty line */
	}
	/*
	 * A record may end exactly with the ring. Older kernels wrapped such a one, too, so
	 * that there no next is 0.
	 */
	if (!next)
		next = mask + 1;
	/* Text that would cross the end is stored at the start as a whole. */
	if (begin > next)
		begin = 0;
	begin += sizeof(uint64_t);	/* the block repeats the record's number */
	if (begin > next)
		return 0;
	len = min_u64(get16(r->info + b->o[INFO_TEXT_LEN]), next - begin);
	if (len > b->left)
		return 0;
	b->left -= len;
	b->misses = 0;
	rc = put_record(r, get64(r->info + b->o[INFO_TS]), b->data + begin, len);
	return rc ? rc : 1;
}

/*
 * Record numbers ascend by one from tail to head, so the last @last of them are found without a
 * walk
 */
static int prb_emit(struct reader *r, const struct vmcoreinfo *vi, uint64_t symbol, uint64_t last)
{
	struct prb b;
	uint64_t nr;
	int records = 0, rc = prb_open(r, vi, symbol, &b);

	if (rc < 0)
		return rc;
	/* tail and head are both in use; more than the ring holds cannot be */
	nr = min_u64(DESC_ID(b.head - b.tail) + 1, BIT(b.count_bits));
	nr = min_u64(nr, last);
	b.left = BIT(b.size_bits);
	b.misses = 0;
	for (uint64_t i = 0; i < nr && b.misses < MAX_MISSES; i++) {
		rc = prb_record(r, &b, DESC_ID(b.head - (nr - 1) + i));
		if (rc < 0)
			return rc;
		records += rc > 0;
	}
	return records;
}

/*---------------------------------------------------------------- log_buf, before 5.10 */

enum { LOG_SIZE, LOG_TS, LOG_LEN, LOG_TEXT_LEN, LOG_NR };

static const struct entry log_entries[LOG_NR] = {
	[LOG_SIZE]     = { "printk_log", true },
	[LOG_TS]       = { "printk_log.ts_nsec", false },
	[LOG_LEN]      = { "printk_log.len", false },
	[LOG_TEXT_LEN] = { "printk_log.text_len", false },
};

/* All in bytes from base: where records begin, where the next one would go */
struct log_buf {
	uint64_t o[LOG_NR];
	uint64_t base;
	uint32_t len, first, next;
};

/* The symbols are variables: the buffer's address and length are in them, not they in the buffer */
static int log_buf_open(struct reader *r, const struct vmcoreinfo *vi, uint64_t symbol,
			struct log_buf *b)
{
	uint64_t len, first, next;
	int rc = read_entries(vi, log_entries, LOG_NR, b->o);

	if (rc < 0)
		return rc;
	if (!inside(b->o[LOG_SIZE], b->o[LOG_TS], 8) || !inside(b->o[LOG_SIZE], b->o[LOG_LEN], 2) ||
	    !inside(b->o[LOG_SIZE], b->o[LOG_TEXT_LEN], 2))
		return absurd(&log_entries[LOG_SIZE]);
	if (vmcoreinfo_symbol(vi, "log_buf_len", &len) < 0 ||
	    vmcoreinfo_symbol(vi, "log_first_idx", &first) < 0 ||
	    vmcoreinfo_symbol(vi, "log_next_idx", &next) < 0)
		return log_err(-ENOENT, "dmesg: a SYMBOL(log_*) is missing");
	if (read64(r, symbol, &b->base) < 0 || read32(r, len, &b->len) < 0 ||
	    read32(r, first, &b->first) < 0 || read32(r, next, &b->next) < 0)
		return log_err(-EFAULT, "dmesg: log_buf cannot be read");
	if (b->len < b->o[LOG_SIZE] || b->len > BIT(MAX_DATA_BITS) || b->first >= b->len ||
	    b->next > b->len)
		return log_err(-EINVAL, "dmesg: log_buf of %u bytes, from %u to %u", b->len,
			       b->first, b->next);
	return 0;
}

/*
 * From @*idx to the next record, past the wrap-around mark (a record of length 0). 0, or -EINVAL
 * where the chain is broken. @ret_text_len and @ret_at are the record's that @*idx stood for, whose
 * header is in r->info.
 */
static int log_buf_step(struct reader *r, const struct log_buf *b, uint32_t *idx, uint32_t *ret_at,
			uint16_t *ret_text_len)
{
	uint32_t at = *idx;
	uint16_t len, text_len;

	idle_busy();
	for (unsigned wraps = 0; ; wraps++) {
		if (at > b->len - b->o[LOG_SIZE] ||
		    vtop_read(r->vt, r->info, b->base + at, b->o[LOG_SIZE]) < 0)
			return -EINVAL;
		len = get16(r->info + b->o[LOG_LEN]);
		if (len)
			break;
		if (wraps || !at)
			return -EINVAL;
		at = 0;
	}
	text_len = get16(r->info + b->o[LOG_TEXT_LEN]);
	if (len < b->o[LOG_SIZE] || len > b->len - at || text_len > len - b->o[LOG_SIZE])
		return -EINVAL;
	*ret_at = at;
	*ret_text_len = text_len;
	*idx = at + len;
	return 0;
}

/*
 * Walk the chain once: print the records from number @skip on; ~0: only count. Returns how many
 * there are. All of them together are no longer than the buffer: a damaged chain that goes in a
 * circle ends there.
 */
static int log_buf_walk(struct reader *r, const struct log_buf *b, uint64_t skip)
{
	uint64_t left = b->len;
	uint32_t idx = b->first, at;
	int n = 0, rc;
	uint16_t len;

	for (; idx != b->next; n++) {
		if (log_buf_step(r, b, &idx, &at, &len) < 0 || idx - at > left) {
			if (!n || skip != ~0ULL)
				log_warn("dmesg: broken record at %u of %u", idx, b->len);
			return n ? n : -EFAULT;
		}
		left -= idx - at;
		if ((uint64_t)n < skip)
			continue;
		rc = put_record(r, get64(r->info + b->o[LOG_TS]), b->base + at + b->o[LOG_SIZE],
				len);
		if (rc < 0)
			return rc;
	}
	return n;
}

/* Records have no way back: the last ones are found by counting all of them first */
static int log_buf_emit(struct reader *r, const struct vmcoreinfo *vi, uint64_t symbol,
			uint64_t last)
{
	struct log_buf b;
	int n, rc = log_buf_open(r, vi, symbol, &b);

	if (rc < 0)
		return rc;
	n = log_buf_walk(r, &b, ~0ULL);
	if (n < 0)
		return n;
	rc = log_buf_walk(r, &b, (unsigned)n - min_u64((unsigned)n, last));
	return rc < 0 ? rc : (int)min_u64((unsigned)n, last);
}

static void reader_init(struct reader *r, struct vtop *vt, emit_fn emit, void *ctx)
{
	r->vt = vt;
	r->emit = emit;
	r->ctx = ctx;
	r->len = 0;
}

/* Sizes are those that prb_open() and log_buf_open() have found possible */
void dmesg_ranges(struct vtop *vt, const struct vmcoreinfo *vi,
		  void (*range)(void *ctx, uint64_t va, uint64_t len), void *ctx)
{
	struct reader *r = &reader;
	struct log_buf l;
	struct prb b;
	uint64_t symbol;

	reader_init(r, vt, NULL, NULL);
	if (vmcoreinfo_symbol(vi, "prb", &symbol) == 0) {
		if (prb_open(r, vi, symbol, &b) < 0)
			return;
		range(ctx, b.descs, b.o[DESC_SIZE] << b.count_bits);
		range(ctx, b.infos, b.o[INFO_SIZE] << b.count_bits);
		range(ctx, b.data, BIT(b.size_bits));
	} else if (vmcoreinfo_symbol(vi, "log_buf", &symbol) == 0) {
		if (log_buf_open(r, vi, symbol, &l) == 0)
			range(ctx, l.base, l.len);
	}
}

/*
 * The symbol that is there tells which kind of log it is, never the kernel's version: distributions
 * backport
 */
int dmesg_emit(struct vtop *vt, const struct vmcoreinfo *vi, unsigned skip_to_last,
	       int (*emit)(void *ctx, const char *text, size_t len), void *ctx)
{
	struct reader *r = &reader;
	uint64_t symbol, last = skip_to_last ? skip_to_last : MAX_RECORDS;

	reader_init(r, vt, emit, ctx);
	if (vmcoreinfo_symbol(vi, "prb", &symbol) == 0)
		return prb_emit(r, vi, symbol, last);
	if (vmcoreinfo_symbol(vi, "log_buf", &symbol) == 0)
		return log_buf_emit(r, vi, symbol, last);
	return log_err(-ENOENT, "dmesg: neither SYMBOL(prb) nor SYMBOL(log_buf) in VMCOREINFO");
}
