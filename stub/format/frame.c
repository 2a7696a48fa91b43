// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames of the serial protocol: see stub/format/frame.h, and docs/serial-protocol.md for why they look
 * like this.
 *
 * Everything the decoder reads may be noise, somebody else's console, or made to hurt: it keeps one
 * frame in the caller's buffer and nothing more, and any byte takes it from any state to a defined
 * one.
 */
#include "stub/format/frame.h"

#include <string.h>

#include "stub/format/crc.h"

#define GROUP_CHARS	5u	/* base 85: 85^5 > 2^32 */

static const char alphabet[] = SERIAL_TEXT_ALPHABET;
_Static_assert(sizeof(alphabet) == 86, "85 characters");

/*---------------------------------------------------------------- encoder */

static bool in_map(const uint8_t *map, uint8_t c)
{
	return map[c / 8] >> c % 8 & 1;
}

static void add_to_map(uint8_t *map, uint8_t c)
{
	map[c / 8] |= (uint8_t)(1u << c % 8);
}

void frame_enc_init(struct frame_enc *e, frame_put put, void *ctx)
{
	memset(e, 0, sizeof(*e));
	e->put = put;
	e->ctx = ctx;
	add_to_map(e->escape, SERIAL_SOH);
	add_to_map(e->escape, SERIAL_ETX);
	add_to_map(e->escape, SERIAL_DLE);
	add_to_map(e->escape, SERIAL_ESC);
}

bool frame_enc_escape(struct frame_enc *e, const uint8_t *map)
{
	uint8_t all[32];

	for (unsigned i = 0; i < sizeof(all); i++)
		all[i] = e->escape[i] | map[i];
	for (unsigned c = 0; c < 256; c++)
		if (in_map(all, (uint8_t)c) && in_map(all, (uint8_t)c ^ SERIAL_ESCAPE_XOR))
			return false;
	memcpy(e->escape, all, sizeof(all));
	return true;
}

/* Runs without an escape go out in one piece. */
static void put_8bit(struct frame_enc *e, const uint8_t *p, size_t len)
{
	size_t start = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t pair[2] = { SERIAL_DLE, p[i] ^ SERIAL_ESCAPE_XOR };

		if (!in_map(e->escape, p[i]))
			continue;
		if (i > start)
			e->put(e->ctx, p + start, i - start);
		e->put(e->ctx, pair, sizeof(pair));
		start = i + 1;
	}
	if (len > start)
		e->put(e->ctx, p + start, len - start);
}

/* The group at work as @chars characters; a line is broken before what would not fit. */
static void put_group(struct frame_enc *e, unsigned chars)
{
	static const uint8_t line_break[] = { '\r', '\n', SERIAL_TEXT_MORE };
	uint8_t c[GROUP_CHARS];
	uint32_t value = e->group;

	for (unsigned i = GROUP_CHARS; i-- > 0; value /= 85)
		c[i] = (uint8_t)alphabet[value % 85];
	if (e->column + chars > SERIAL_TEXT_LINE) {
		e->put(e->ctx, line_break, sizeof(line_break));
		e->column = 0;
	}
	e->put(e->ctx, c, chars);
	e->column += chars;
	e->group = 0;
	e->nr_group = 0;
}

static void put_text(struct frame_enc *e, const uint8_t *p, size_t len)
{
	while (len--) {
		e->group |= (uint32_t)*p++ << (24 - 8 * e->nr_group);
		if (++e->nr_group == 4)
			put_group(e, GROUP_CHARS);
	}
}

static void put_encoded(struct frame_enc *e, const void *buf, size_t len)
{
	e->crc = crc32c(e->crc, buf, len);
	if (e->text)
		put_text(e, buf, len);
	else
		put_8bit(e, buf, len);
}

static void store_le(uint8_t *p, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(value >> 8 * i);
}

void frame_begin(struct frame_enc *e, enum serial_mode mode, unsigned type, unsigned flags,
		 uint16_t session, uint32_t sequence)
{
	uint8_t header[SERIAL_HEADER] = { (uint8_t)type, (uint8_t)flags };
	uint8_t begin = mode == SERIAL_MODE_TEXT ? SERIAL_TEXT_BEGIN : SERIAL_SOH;

	e->text = mode == SERIAL_MODE_TEXT;
	e->crc = 0;
	e->group = 0;
	e->nr_group = 0;
	e->column = 0;
	e->len = 0;
	store_le(header + 2, session, 2);
	store_le(header + 4, sequence, 4);
	e->put(e->ctx, &begin, 1);
	put_encoded(e, header, sizeof(header));
}

void frame_data(struct frame_enc *e, const void *buf, size_t len)
{
	e->len += (uint32_t)len;
	put_encoded(e, buf, len);
}

static void finish(struct frame_enc *e, uint32_t spoil)
{
	static const uint8_t text_end[] = { SERIAL_TEXT_END, '\r', '\n' };
	uint8_t trailer[SERIAL_TRAILER], etx = SERIAL_ETX;

	store_le(trailer, e->len, 2);
	store_le(trailer + 2, crc32c(e->crc, trailer, 2) ^ spoil, 4);
	put_encoded(e, trailer, sizeof(trailer));
	if (!e->text) {
		e->put(e->ctx, &etx, 1);
		return;
	}
	if (e->nr_group)
		put_group(e, e->nr_group + 1);
	e->put(e->ctx, text_end, sizeof(text_end));
}

void frame_end(struct frame_enc *e)
{
	finish(e, 0);
}

void frame_abort(struct frame_enc *e)
{
	finish(e, ~0u);
}

/*---------------------------------------------------------------- decoder */

void frame_dec_init(struct frame_dec *d, uint8_t *buf, size_t size,
		    void (*on_frame)(void *ctx, const struct frame *f),
		    void (*on_text)(void *ctx, const uint8_t *buf, size_t len), void *ctx)
{
	memset(d, 0, sizeof(*d));
	d->buf = buf;
	d->size = size;
	d->on_frame = on_frame;
	d->on_text = on_text;
	d->ctx = ctx;
}

static void text(struct frame_dec *d, const uint8_t *buf, size_t len)
{
	if (len && d->on_text)
		d->on_text(d->ctx, buf, len);
}

static uint64_t load_le(const uint8_t *p, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = bytes; i-- > 0;)
		value = value << 8 | p[i];
	return value;
}

static void start(struct frame_dec *d, enum frame_state state)
{
	d->state = state;
	d->len = 0;
	d->group = 0;
	d->nr_group = 0;
	d->column = 0;
	d->nr_raw = 0;
	d->line_bytes = 1;
}

static void bad(struct frame_dec *d)
{
	d->bad++;
	d->bad_bytes += d->line_bytes;
	d->state = FRAME_TEXT;
}

/* A frame has its end mark: is it one? */
static void complete(struct frame_dec *d)
{
	const size_t around = SERIAL_HEADER + SERIAL_TRAILER;
	struct frame f;
	size_t n;

	if (d->len < around)
		return bad(d);
	n = d->len - around;
	if (load_le(d->buf + SERIAL_HEADER + n, 2) != n ||
	    load_le(d->buf + d->len - 4, 4) != crc32c(0, d->buf, d->len - 4))
		return bad(d);
	f = (struct frame){
		.type = d->buf[0], .flags = d->buf[1], .session = (uint16_t)load_le(d->buf + 2, 2),
		.sequence = (uint32_t)load_le(d->buf + 4, 4),
		.mode = d->state == FRAME_8BIT ? SERIAL_MODE_8BIT : SERIAL_MODE_TEXT,
		.payload = d->buf + SERIAL_HEADER, .len = n,
	};
	d->line_end = d->state == FRAME_BASE85 ? '\r' : 0;
	d->state = FRAME_TEXT;
	d->frames++;
	d->on_frame(d->ctx, &f);
}

static void add(struct frame_dec *d, uint8_t c)
{
	if (d->len == d->size)
		bad(d);
	else
		d->buf[d->len++] = c;
}

static void byte_8bit(struct frame_dec *d, uint8_t c)
{
	d->line_bytes++;
	if (d->state == FRAME_8BIT_ESCAPED && c != SERIAL_SOH && c != SERIAL_ETX) {
		d->state = FRAME_8BIT;
		add(d, c ^ SERIAL_ESCAPE_XOR);
	} else if (c == SERIAL_SOH) {
		bad(d);
		start(d, FRAME_8BIT);
	} else if (c == SERIAL_ETX) {
		d->state == FRAME_8BIT ? complete(d) : bad(d);
	} else if (c == SERIAL_DLE) {
		d->state = FRAME_8BIT_ESCAPED;
	} else if (!d->drop_flow || (c != SERIAL_XON && c != SERIAL_XOFF)) {
		add(d, c);
	}
}

/* Value of a character, 85 if it is none of the alphabet */
static unsigned digit(uint8_t c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (unsigned)(at - alphabet) : 85;
}

/*
 * @bytes of the group at work, from nr_group characters; the missing ones count as the highest
 * digit (they were cut off)
 */
static void add_group(struct frame_dec *d, unsigned bytes)
{
	uint64_t value = 0;
	uint32_t full = d->group;

	for (unsigned i = d->nr_group; i < GROUP_CHARS; i++) {
		value = (uint64_t)full * 85 + 84;
		full = value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
	}
	d->group = 0;
	d->nr_group = 0;
	for (unsigned i = 0; i < bytes && d->state != FRAME_TEXT; i++)
		add(d, (uint8_t)(full >> (24 - 8 * i)));
}

static bool known_type(uint8_t type)
{
	return (type >= SERIAL_HELLO && type <= SERIAL_SERVED) || type == SERIAL_CTRL;
}

/*
 * A text frame that does not go on as one. Up to its first group, which has the type, it was likely
 * somebody's text: give that back. After it, it is a damaged frame, and no person wants to see it.
 */
static void not_base85(struct frame_dec *d)
{
	bad(d);
	if (d->len <= 4)
		text(d, d->raw, d->nr_raw);
	d->nr_raw = 0;
}

static void add_digit(struct frame_dec *d, unsigned value)
{
	uint64_t group = (uint64_t)d->group * 85 + value;

	d->column++;
	if (group > UINT32_MAX)
		return not_base85(d);
	d->group = (uint32_t)group;
	if (++d->nr_group < GROUP_CHARS)
		return;
	add_group(d, 4);
	/*
	 * The first group has the type: text that merely begins with the marker is seldom taken for
	 * a frame any longer.
	 */
	if (d->len == 4 && !known_type(d->buf[0]))
		not_base85(d);
}

static void end_base85(struct frame_dec *d)
{
	if (d->nr_group == 1)
		return bad(d);
	if (d->nr_group)
		add_group(d, d->nr_group - 1);
	if (d->state != FRAME_TEXT)
		complete(d);
}

static void keep_raw(struct frame_dec *d, uint8_t c)
{
	if (d->nr_raw < FRAME_RAW)
		d->raw[d->nr_raw++] = c;
}

static void byte_base85(struct frame_dec *d, uint8_t c)
{
	unsigned value = digit(c);

	d->line_bytes++;
	if (value < 85) {
		keep_raw(d, c);
		/* A line longer than we send it: two lines ran into each other. */
		d->column < SERIAL_TEXT_LINE ? add_digit(d, value) : not_base85(d);
	} else if (c == SERIAL_TEXT_END) {
		end_base85(d);
	} else if (c == '\r' || c == '\n') {
		keep_raw(d, c);
		/*
		 * A full line: what follows up to the next marker is not ours. A short one was
		 * wrapped by a logger.
		 */
		if (d->column == SERIAL_TEXT_LINE) {
			d->state = FRAME_BASE85_BREAK;
			d->nr_raw = 0;
		} else if (d->len < 4) {
			not_base85(d);
		}
	} else if (c == SERIAL_TEXT_BEGIN) {
		not_base85(d);
		start(d, FRAME_BASE85);
		keep_raw(d, c);
	} else if (c == SERIAL_SOH) {
		bad(d);
		start(d, FRAME_8BIT);
	} else if (c && c != SERIAL_XON && c != SERIAL_XOFF) {
		keep_raw(d, c);
		not_base85(d);
	}
}

/*
 * Between two lines of a frame: line ends, a logger's time stamps, or whole lines that somebody
 * else put in.
 */
static void byte_break(struct frame_dec *d, uint8_t c)
{
	d->line_bytes++;
	if (c == SERIAL_TEXT_MORE) {
		d->state = FRAME_BASE85;
		d->column = 0;
		d->nr_raw = 0;
	} else if (c == SERIAL_TEXT_BEGIN) {
		bad(d);
		start(d, FRAME_BASE85);
		keep_raw(d, c);
	} else if (c == SERIAL_SOH) {
		bad(d);
		start(d, FRAME_8BIT);
	} else if (c == '\n' || d->nr_raw == FRAME_RAW) {
		keep_raw(d, c);
		if (d->nr_raw > 2)
			text(d, d->raw, d->nr_raw);
		d->nr_raw = 0;
	} else {
		keep_raw(d, c);
	}
}

/* CR LF, or LF alone where a logger has taken the other away */
static bool frame_line_end(struct frame_dec *d, uint8_t c)
{
	bool mine = d->line_end && (c == '\n' || (c == '\r' && d->line_end == '\r'));

	d->line_end = mine && c == '\r' ? '\n' : 0;
	return mine;
}

/* Text up to the next mark; returns how many bytes of @p that is */
static size_t skip_text(struct frame_dec *d, const uint8_t *p, size_t len)
{
	size_t n = 0;

	if (d->line_end && frame_line_end(d, p[0]))
		return 1;
	while (n < len && p[n] != SERIAL_SOH && p[n] != SERIAL_TEXT_BEGIN)
		n++;
	text(d, p, n);
	if (n == len)
		return n;
	start(d, p[n] == SERIAL_SOH ? FRAME_8BIT : FRAME_BASE85);
	keep_raw(d, p[n]);
	return n + 1;
}

void frame_dec_feed(struct frame_dec *d, const uint8_t *buf, size_t len)
{
	size_t at = 0;

	while (at < len) {
		switch (d->state) {
		case FRAME_TEXT:
			at += skip_text(d, buf + at, len - at);
			break;
		case FRAME_8BIT:
		case FRAME_8BIT_ESCAPED:
			byte_8bit(d, buf[at++]);
			break;
		case FRAME_BASE85:
			byte_base85(d, buf[at++]);
			break;
		case FRAME_BASE85_BREAK:
			byte_break(d, buf[at++]);
			break;
		}
	}
}

void frame_dec_end(struct frame_dec *d)
{
	if (d->state != FRAME_TEXT)
		bad(d);
}

/*---------------------------------------------------------------- payloads */

unsigned frame_put_varint(uint8_t *buf, uint64_t value)
{
	unsigned n = 0;

	for (; value >= 0x80; value >>= 7)
		buf[n++] = (uint8_t)value | 0x80;
	buf[n++] = (uint8_t)value;
	return n;
}

const uint8_t *frame_get_bytes(struct frame_in *in, size_t len)
{
	const uint8_t *p = in->p;

	if (!in->ok || len > in->left) {
		in->ok = false;
		return NULL;
	}
	in->p += len;
	in->left -= len;
	return p;
}

uint64_t frame_get(struct frame_in *in, unsigned bytes)
{
	const uint8_t *p = frame_get_bytes(in, bytes);

	return p ? load_le(p, bytes) : 0;
}

uint64_t frame_get_varint(struct frame_in *in)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		const uint8_t *p = frame_get_bytes(in, 1);

		if (!p)
			return 0;
		/* Bits beyond the 64th would be lost: such a number is malformed. */
		if (shift == 63 && *p > 1)
			break;
		value |= (uint64_t)(*p & 0x7f) << shift;
		if (!(*p & 0x80))
			return value;
	}
	in->ok = false;
	return 0;
}
