// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames: what goes in comes out, on good lines and bad ones, and text between frames stays text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "stub/format/frame.h"

#define LINE_MAX_BYTES	(1u << 20)

struct line {
	uint8_t buf[LINE_MAX_BYTES];
	size_t len;
};

static struct line line;

static void put(void *ctx, const uint8_t *buf, size_t len)
{
	struct line *l = ctx;

	assert_true(len <= sizeof(l->buf) - l->len);
	memcpy(l->buf + l->len, buf, len);
	l->len += len;
}

static void put_string(const char *s)
{
	put(&line, (const uint8_t *)s, strlen(s));
}

/* What the decoder said */
static struct {
	unsigned nr;
	struct { struct frame f; uint8_t payload[SERIAL_PAYLOAD_MAX]; } got[16];
	char text[65536];
	size_t text_len;
} seen;

static void on_frame(void *ctx, const struct frame *f)
{
	(void)ctx;
	assert_true(seen.nr < 16);
	memcpy(seen.got[seen.nr].payload, f->payload, f->len);
	seen.got[seen.nr++].f = *f;
}

static void on_text(void *ctx, const uint8_t *buf, size_t len)
{
	(void)ctx;
	assert_true(seen.text_len + len < sizeof(seen.text));
	memcpy(seen.text + seen.text_len, buf, len);
	seen.text_len += len;
	seen.text[seen.text_len] = '\0';
}

static uint8_t frame_buf[SERIAL_FRAME_MAX];
static struct frame_dec dec;

/* Decode [from, to) of the line in pieces of @step bytes. */
static void decode(size_t from, size_t to, size_t step)
{
	memset(&seen, 0, sizeof(seen.nr));
	seen.text_len = 0;
	seen.text[0] = '\0';
	frame_dec_init(&dec, frame_buf, sizeof(frame_buf), on_frame, on_text, NULL);
	for (size_t at = from; at < to; at += step)
		frame_dec_feed(&dec, line.buf + at, to - at < step ? to - at : step);
	frame_dec_end(&dec);
}

static void fill(uint8_t *buf, size_t len, unsigned seed)
{
	srandom(seed);
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)random();
}

static void send(struct frame_enc *e, enum serial_mode mode, unsigned type, uint32_t sequence, const void *payload, size_t len)
{
	frame_begin(e, mode, type, 0, 0xbeef, sequence);
	/* In two pieces: the encoder must not care */
	frame_data(e, payload, len / 3);
	frame_data(e, (const uint8_t *)payload + len / 3, len - len / 3);
	frame_end(e);
}

static void test_round_trip(void **state)
{
	static const size_t lens[] = { 0, 1, 2, 3, 4, 5, 45, 46, 47, 48, 59, 60, 61, 255, 4096, SERIAL_PAYLOAD_MAX };
	static uint8_t payload[SERIAL_PAYLOAD_MAX];
	struct frame_enc e;

	(void)state;
	frame_enc_init(&e, put, &line);
	for (int mode = 0; mode < 2; mode++) {
		for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
			fill(payload, lens[i], i);
			line.len = 0;
			send(&e, mode, SERIAL_PAGES, 0x12345678, payload, lens[i]);
			decode(0, line.len, i % 7 + 1);
			assert_int_equal(seen.nr, 1);
			assert_int_equal(seen.got[0].f.type, SERIAL_PAGES);
			assert_int_equal(seen.got[0].f.session, 0xbeef);
			assert_int_equal(seen.got[0].f.sequence, 0x12345678);
			assert_int_equal(seen.got[0].f.mode, mode);
			assert_int_equal(seen.got[0].f.len, lens[i]);
			assert_memory_equal(seen.got[0].payload, payload, lens[i]);
			assert_int_equal(dec.bad, 0);
			assert_int_equal(seen.text_len, 0);	/* the line end belongs to the frame */
		}
	}
}

/* Delimiters, ESC and what was asked for in addition appear only where they mean something. */
static void test_escapes(void **state)
{
	static uint8_t payload[4096], map[32];
	struct frame_enc e;

	(void)state;
	map[SERIAL_XON / 8] |= 1u << SERIAL_XON % 8;
	map[SERIAL_XOFF / 8] |= 1u << SERIAL_XOFF % 8;
	map[31] |= 0x80;	/* 0xff */
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7);
	frame_enc_init(&e, put, &line);
	assert_true(frame_enc_escape(&e, map));
	line.len = 0;
	send(&e, SERIAL_MODE_8BIT, SERIAL_PAGES, 1, payload, sizeof(payload));
	for (size_t i = 1; i < line.len - 1; i++) {
		assert_int_not_equal(line.buf[i], SERIAL_SOH);
		assert_int_not_equal(line.buf[i], SERIAL_ETX);
		assert_int_not_equal(line.buf[i], SERIAL_ESC);
		assert_int_not_equal(line.buf[i], SERIAL_XON);
		assert_int_not_equal(line.buf[i], SERIAL_XOFF);
		assert_int_not_equal(line.buf[i], 0xff);
	}
	decode(0, line.len, 1000);
	assert_int_equal(seen.nr, 1);
	assert_memory_equal(seen.got[0].payload, payload, sizeof(payload));

	/* Something on the line puts flow control in: it is dropped when the sender escapes its own */
	memmove(line.buf + 101, line.buf + 100, line.len - 100);
	line.buf[100] = SERIAL_XOFF;
	line.len++;
	decode(0, line.len, 1000);
	assert_int_equal(seen.nr, 0);
	assert_int_equal(dec.bad, 1);
	seen.nr = 0;
	frame_dec_init(&dec, frame_buf, sizeof(frame_buf), on_frame, on_text, NULL);
	dec.drop_flow = true;
	frame_dec_feed(&dec, line.buf, line.len);
	assert_int_equal(seen.nr, 1);

	/* 0x11 and 0x31 both escaped: 0x11 would become 0x31 */
	memset(map, 0, sizeof(map));
	map[0x31 / 8] |= 1u << 0x31 % 8;
	assert_false(frame_enc_escape(&e, map));
}

/* Every printable ASCII, no quote or backslash, no line longer than 78 with its CR LF */
static void test_text_is_text(void **state)
{
	static uint8_t payload[1000];
	struct frame_enc e;
	unsigned column = 0;

	(void)state;
	fill(payload, sizeof(payload), 3);
	frame_enc_init(&e, put, &line);
	line.len = 0;
	send(&e, SERIAL_MODE_TEXT, SERIAL_PAGES, 1, payload, sizeof(payload));
	for (size_t i = 0; i < line.len; i++) {
		uint8_t c = line.buf[i];

		column++;
		assert_true(column <= 78);
		if (c == '\n')
			column = 0;
		assert_true((c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '\'' && c != ',') || c == '\r' || c == '\n');
	}
	assert_int_equal(column, 0);
	/* 4 bytes are 5 characters, 75 of them in 78 */
	assert_true(line.len < (sizeof(payload) + 14) * 1.25 * 78 / 75 + 8);
}

static void three_frames(enum serial_mode mode, size_t ret_start[3])
{
	static uint8_t payload[3000];
	struct frame_enc e;

	frame_enc_init(&e, put, &line);
	line.len = 0;
	for (unsigned i = 0; i < 3; i++) {
		put_string("capstub: a line of text, with ~ and | and ; in it\r\n");
		fill(payload, sizeof(payload), i);
		ret_start[i] = line.len;
		send(&e, mode, SERIAL_PAGES, i, payload, sizeof(payload));
	}
	put_string("the end\r\n");
}

/* Begin to listen at any byte, stop at any byte: every frame that is whole is found. */
static void test_resync(void **state)
{
	size_t start[3];

	(void)state;
	for (int mode = 0; mode < 2; mode++) {
		three_frames(mode, start);
		for (size_t cut = 0; cut < line.len; cut += 13) {
			unsigned want = (cut <= start[0]) + (cut <= start[1]) + (cut <= start[2]);

			decode(cut, line.len, 4096);
			assert_int_equal(seen.nr, want);
			decode(0, cut, 4096);
			assert_true(seen.nr + 1 >= (unsigned)(cut > start[0]) + (cut > start[1]) + (cut > start[2]));
		}
	}
}

/* A byte lost, changed or put in costs one frame, or two when it was the mark between them; never the third. */
static void test_damage(void **state)
{
	static struct line copy;
	size_t start[3];

	(void)state;
	for (int mode = 0; mode < 2; mode++) {
		three_frames(mode, start);
		memcpy(&copy, &line, sizeof(line));
		for (size_t at = start[1] + 1; at < start[2] - 60; at += 7) {
			for (int kind = 0; kind < 3; kind++) {
				memcpy(&line, &copy, sizeof(line));
				if (kind == 0) {
					line.buf[at] ^= 0x04;
				} else if (kind == 1) {
					memmove(line.buf + at, line.buf + at + 1, line.len - at);
					line.len--;
				} else {
					memmove(line.buf + at + 1, line.buf + at, line.len - at);
					line.buf[at] = 'x';
					line.len++;
				}
				decode(0, line.len, 4096);
				/* What is found is right: the CRC saw to it. A byte put in between two lines of text hurts nobody. */
				assert_true(seen.nr == 2 || (seen.nr == 3 && mode == SERIAL_MODE_TEXT));
				assert_int_equal(seen.got[0].f.sequence, 0);
				assert_int_equal(seen.got[seen.nr - 1].f.sequence, 2);
			}
		}
	}
}

static void test_text_stays(void **state)
{
	struct frame_enc e;
	size_t start[3];

	(void)state;
	for (int mode = 0; mode < 2; mode++) {
		three_frames(mode, start);
		decode(0, line.len, 17);
		assert_int_equal(seen.nr, 3);
		assert_non_null(strstr(seen.text, "capstub: a line of text, with ~ and | and ; in it\r\n"));
		assert_non_null(strstr(seen.text, "the end\r\n"));
	}
	/* The frame's own line end is no text; a blank line after it is */
	line.len = 0;
	frame_enc_init(&e, put, &line);
	send(&e, SERIAL_MODE_TEXT, SERIAL_PAGES, 1, (const uint8_t *)"abc", 3);
	put_string("\r\ntext\r\n");
	decode(0, line.len, 1);
	assert_string_equal(seen.text, "\r\ntext\r\n");
	line.len = 0;
	put_string("root@host:~# ls ~/a ~\r\n~~~ five tildes ~~\r\n~ 0123456789 and so on\r\n");
	decode(0, line.len, 1);
	assert_int_equal(seen.nr, 0);
	assert_string_equal(seen.text, "root@host:~# ls ~/a ~\r\n~~~ five tildes ~~\r\n~ 0123456789 and so on\r\n");
}

/* What console loggers do to lines: a stamp before each, CR dropped or doubled, whole lines of their own, NUL padding */
static void test_loggers(void **state)
{
	static uint8_t payload[2000];
	static struct line copy;
	struct frame_enc e;

	(void)state;
	fill(payload, sizeof(payload), 9);
	frame_enc_init(&e, put, &line);
	for (int kind = 0; kind < 4; kind++) {
		line.len = 0;
		send(&e, SERIAL_MODE_TEXT, SERIAL_PAGES, 7, payload, sizeof(payload));
		memcpy(&copy, &line, sizeof(line));
		line.len = 0;
		for (size_t i = 0; i < copy.len; i++) {
			bool first = !i || copy.buf[i - 1] == '\n';

			if (first && kind == 0)
				put_string("[2026-11-22 03:04:05.678] ");
			if (first && kind == 1 && i / 78 % 5 == 3)
				put_string("[-- MARK -- Sun Nov 22 03:00:00 2026]\r\n");
			if (kind == 2 && copy.buf[i] == '\r')
				continue;
			if (kind == 3 && copy.buf[i] == '\n')
				put(&line, (const uint8_t *)"\r\0", 2);
			put(&line, &copy.buf[i], 1);
		}
		decode(0, line.len, 10);
		assert_int_equal(seen.nr, 1);
		assert_memory_equal(seen.got[0].payload, payload, sizeof(payload));
		if (kind == 1)
			assert_non_null(strstr(seen.text, "MARK"));
	}
}

static void test_too_long(void **state)
{
	static uint8_t payload[2 * SERIAL_FRAME_MAX];
	struct frame_enc e;

	(void)state;
	frame_enc_init(&e, put, &line);
	for (int mode = 0; mode < 2; mode++) {
		line.len = 0;
		send(&e, mode, SERIAL_PAGES, 1, payload, sizeof(payload));
		send(&e, mode, SERIAL_PAGES, 2, payload, 10);
		decode(0, line.len, 4096);
		assert_int_equal(seen.nr, 1);
		assert_int_equal(seen.got[0].f.sequence, 2);
		assert_true(dec.bad >= 1);
	}
}

static void test_abort(void **state)
{
	struct frame_enc e;

	(void)state;
	frame_enc_init(&e, put, &line);
	for (int mode = 0; mode < 2; mode++) {
		line.len = 0;
		frame_begin(&e, mode, SERIAL_PAGES, 0, 1, 1);
		frame_data(&e, "abc", 3);
		frame_abort(&e);
		decode(0, line.len, 4096);
		assert_int_equal(seen.nr, 0);
		assert_int_equal(dec.bad, 1);
	}
}

static void test_varint(void **state)
{
	static const uint64_t values[] = { 0, 1, 127, 128, 300, 1ULL << 32, ~0ULL >> 1, ~0ULL };
	uint8_t buf[16];
	struct frame_in in;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
		unsigned n = frame_put_varint(buf, values[i]);

		in = frame_in(buf, n);
		assert_true(frame_get_varint(&in) == values[i]);
		assert_true(in.ok);
		assert_int_equal(in.left, 0);
		in = frame_in(buf, n - 1);
		assert_true(frame_get_varint(&in) == 0);
		assert_false(in.ok);
	}
	memset(buf, 0xff, sizeof(buf));
	in = frame_in(buf, sizeof(buf));
	frame_get_varint(&in);
	assert_false(in.ok);
	/* 64 bits and one more */
	memset(buf, 0x80, 9);
	buf[9] = 2;
	in = frame_in(buf, 10);
	frame_get_varint(&in);
	assert_false(in.ok);
	in = frame_in("\1\2\3\4\5", 5);
	assert_true(frame_get(&in, 4) == 0x04030201);
	assert_true(frame_get(&in, 2) == 0 && !in.ok);
	assert_null(frame_get_bytes(&in, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_text_is_text),
		cmocka_unit_test(test_resync),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_text_stays),
		cmocka_unit_test(test_loggers),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_varint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
