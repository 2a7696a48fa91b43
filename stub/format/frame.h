/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of the serial protocol (include/capstub/serial.h): encoder and decoder for both line
 * encodings. Pure, no state but the caller's, shared by the stub, the host tool and the tests.
 */
#ifndef STUB_FRAME_H
#define STUB_FRAME_H

#include "capstub/serial.h"
#include "stub/bits.h"

/* Where encoded bytes go. */
typedef void (*frame_put)(void *ctx, const uint8_t *buf, size_t len);

struct frame_enc {
	frame_put put;
	void *ctx;
	uint8_t escape[32];	/* bit b: byte b is escaped in 8-bit encoding */
	bool text;		/* encoding of the frame at work */
	uint32_t crc;
	uint32_t group;		/* text: bytes of a group of four that is not full yet */
	unsigned nr_group;
	unsigned column;	/* text: characters in the current line */
	uint32_t len;		/* payload so far */
};

/* An encoder that escapes what must be escaped on every line */
void frame_enc_init(struct frame_enc *e, frame_put put, void *ctx);

/*
 * Escape @map (32 bytes) as well. False when that cannot work: an escaped byte would become one
 * that is to be escaped.
 */
bool frame_enc_escape(struct frame_enc *e, const uint8_t *map);

/*
 * A frame is begun, its payload given in any number of pieces, then ended: it goes to put() as it
 * comes.
 */
void frame_begin(struct frame_enc *e, enum serial_mode mode, unsigned type, unsigned flags,
		 uint16_t session, uint32_t sequence);
void frame_data(struct frame_enc *e, const void *buf, size_t len);
void frame_end(struct frame_enc *e);
/* End it so that every receiver throws it away */
void frame_abort(struct frame_enc *e);

/* A frame as decoded; payload is valid during the call only */
struct frame {
	uint8_t type;
	uint8_t flags;
	uint16_t session;
	uint32_t sequence;
	enum serial_mode mode;
	const uint8_t *payload;
	size_t len;
};

enum frame_state {
	FRAME_TEXT,		/* between frames */
	FRAME_8BIT,		/* after SOH */
	FRAME_8BIT_ESCAPED,	/* after SOH ... DLE */
	FRAME_BASE85,		/* in a line of a text frame */
	FRAME_BASE85_BREAK,	/* between two lines of it */
};

#define FRAME_RAW	160u

/*
 * Takes a line's bytes apart into frames and text. It never looks back and never waits: any byte
 * may follow any other.
 */
struct frame_dec {
	uint8_t *buf;
	size_t size;
	void (*on_frame)(void *ctx, const struct frame *f);
	void (*on_text)(void *ctx, const uint8_t *buf, size_t len);	/* may be NULL */
	void *ctx;
	enum frame_state state;
	size_t len;		/* decoded bytes in buf */
	uint32_t group;
	unsigned nr_group;
	unsigned column;	/* characters in this line of a text frame */
	uint8_t raw[FRAME_RAW];	/* text encoding: what may turn out to be console text after all */
	unsigned nr_raw;
	/* after a text frame its own line end is no text: what may still come of it */
	char line_end;
	/* XON and XOFF inside 8-bit frames are not data: the sender escapes them */
	bool drop_flow;
	uint64_t frames;	/* good ones */
	uint64_t bad;		/* begun and not ended well: CRC, length, cut */
	uint64_t bad_bytes;	/* line bytes in those */
	uint64_t line_bytes;	/* of the frame at work */
};

/* @buf holds one frame of at most @size bytes; a longer one counts as bad. */
void frame_dec_init(struct frame_dec *d, uint8_t *buf, size_t size,
		    void (*on_frame)(void *ctx, const struct frame *f),
		    void (*on_text)(void *ctx, const uint8_t *buf, size_t len), void *ctx);
void frame_dec_feed(struct frame_dec *d, const uint8_t *buf, size_t len);
/* The line ended: a frame that was cut counts as bad. */
void frame_dec_end(struct frame_dec *d);

/* LEB128: bytes written (at most 10) */
unsigned frame_put_varint(uint8_t *buf, uint64_t value);

/* Reading a payload: a short or malformed one makes ok false, and every later value 0. */
struct frame_in {
	const uint8_t *p;
	size_t left;
	bool ok;
};

static inline struct frame_in frame_in(const void *payload, size_t len)
{
	return (struct frame_in){ payload, len, true };
}

uint64_t frame_get(struct frame_in *in, unsigned bytes);	/* 1, 2, 4 or 8, little-endian */
uint64_t frame_get_varint(struct frame_in *in);
/* NULL when there are not that many */
const uint8_t *frame_get_bytes(struct frame_in *in, size_t len);

#endif
