// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any bytes on the line: the decoder never leaves its buffer, no byte is reported twice, and a frame that it lets through
 * is one that the encoder could have sent. Input that begins with a 1 or a 2 is first encoded, so that good frames are met too.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "stub/format/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t line[1 << 17];
static size_t line_len;
static uint64_t text_bytes, frames;

static void put(void *ctx, const uint8_t *buf, size_t len)
{
	(void)ctx;
	assert(len <= sizeof(line) - line_len);
	memcpy(line + line_len, buf, len);
	line_len += len;
}

static void on_frame(void *ctx, const struct frame *f)
{
	struct frame_in in = frame_in(f->payload, f->len);

	(void)ctx;
	frames++;
	assert(f->len <= SERIAL_PAYLOAD_MAX);
	while (in.ok && in.left)
		frame_get_varint(&in);
}

static void on_text(void *ctx, const uint8_t *buf, size_t len)
{
	(void)ctx;
	assert(len && buf);
	text_bytes += len;
}

static void encode(const uint8_t *data, size_t size)
{
	struct frame_enc e;

	frame_enc_init(&e, put, NULL);
	frame_begin(&e, data[0] & 1, SERIAL_PAGES, 0, 1, 1);
	frame_data(&e, data + 1, size - 1);
	frame_end(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *buf = malloc(SERIAL_FRAME_MAX);
	struct frame_dec d;
	bool good = size > 1 && size < SERIAL_PAYLOAD_MAX && (data[0] == 1 || data[0] == 2);
	size_t step = size ? data[size - 1] % 97 + 1 : 1;

	line_len = 0;
	text_bytes = frames = 0;
	if (good)
		encode(data, size);
	else
		put(NULL, data, size < sizeof(line) ? size : sizeof(line));
	frame_dec_init(&d, buf, SERIAL_FRAME_MAX, on_frame, on_text, NULL);
	for (size_t at = 0; at < line_len; at += step)
		frame_dec_feed(&d, line + at, line_len - at < step ? line_len - at : step);
	frame_dec_end(&d);
	assert(d.frames == frames);
	assert(text_bytes <= line_len);
	if (good)
		assert(frames == 1 && d.bad == 0);
	free(buf);
	return 0;
}
