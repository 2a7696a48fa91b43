// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A UART as the way out: a ring of encoded bytes, flow control, and the console on the same wire.
 *
 * One CPU without interrupts keeps the line busy by looking at the UART often: encoded bytes go
 * into the ring, and pump(), which is called between small pieces of every longer piece of work,
 * moves them to the UART's FIFO and takes in what was received.
 */
#include "stub/send/line.h"

#include <string.h>

#include "stub/arch.h"
#include "stub/idle.h"
#include "stub/log.h"
#include "stub/mem.h"

#define RING		4096u
#define TEXT_MAX	512u		/* console text that waits for the end of a frame */
#define STALL_US	60000000	/* the UART takes no byte: the line is dead */
#define STALL_LATE_US	5000000		/* the same when the overall deadline has passed */
#define HOLD_US		10000000	/* an XOFF that nobody announced: it may be noise */

struct line {
	struct transport t;		/* first: its functions get its address */
	struct uart *u;
	const struct uart_ops *ops;	/* its own */
	uint64_t hold_us;		/* how long an XOFF holds */
	unsigned head, tail;		/* of the ring, free running */
	unsigned pumped;		/* head when pump() was last called for what was put */
	uint64_t moved_us;		/* a byte was taken */
	uint64_t held_until_us;		/* XOFF was received */
	bool after_8bit;		/* the last frame was not text */
	unsigned text_len;
	uint8_t text[TEXT_MAX];
	uint8_t ring[RING];
};

static struct line *line;	/* in the arena; NULL when no dump is going over a line */

static void received(struct line *l, const uint8_t *buf, size_t len, uint64_t now)
{
	/* Frames from the receiver are text, so these two are never part of one. */
	for (size_t i = 0; i < len; i++) {
		if (buf[i] == SERIAL_XOFF)
			l->held_until_us = now + l->hold_us;
		else if (buf[i] == SERIAL_XON)
			l->held_until_us = 0;
	}
	if (l->t.rx)
		frame_dec_feed(l->t.rx, buf, len);
}

static void pump(void *ctx)
{
	struct line *l = ctx;
	uint64_t now = arch_time_us();
	unsigned at = l->tail % RING, len = l->head - l->tail;
	uint8_t in[16];
	size_t n;

	idle_busy();
	if (l->t.dead)
		return;
	l->t.late = idle_deadline_over();
	n = l->ops->read(l->u, in, sizeof(in));
	if (n)
		received(l, in, n, now);
	if (!len || now < l->held_until_us)
		return;
	n = l->ops->write(l->u, l->ring + at, min_u64(len, RING - at));
	l->tail += n;
	l->t.sent += n;
	if (n)
		l->moved_us = now;
}

/*
 * Wait until the ring holds at most @fill bytes. A line that takes nothing for long is dead, and all
 * later output is dropped: the other side may have stopped the flow, which is not for ever. One
 * XOFF after the other (noise, a stuck key) holds it twice as long.
 */
static void wait_for_room(struct line *l, unsigned fill)
{
	while (!l->t.dead && l->head - l->tail > fill) {
		/* Looked at before the try: a pause of ours must not kill the line */
		uint64_t now = arch_time_us(), still = now - l->moved_us;
		unsigned tail = l->tail;

		pump(l);
		if (l->tail != tail)
			continue;
		if (l->t.late ? still > STALL_LATE_US
			      : still > (now < l->held_until_us ? 2 * STALL_US : STALL_US))
			l->t.dead = true;
		idle();
	}
}

static void drain(void *ctx)
{
	wait_for_room(ctx, 0);
}

static void put(void *ctx, const uint8_t *buf, size_t len)
{
	struct line *l = ctx;

	while (len && !l->t.dead) {
		unsigned at = l->head % RING, room = RING - (l->head - l->tail);
		size_t n = min_u64(min_u64(len, room), RING - at);

		if (!room) {
			wait_for_room(l, RING - 256);
			continue;
		}
		/* The ring ran empty: that time is not a stall */
		if (l->head == l->tail)
			l->moved_us = arch_time_us();
		memcpy(l->ring + at, buf, n);
		l->head += n;
		buf += n;
		len -= n;
	}
	/*
	 * Text comes in pieces of five bytes: a look at the UART for each would cost more than it
	 * brings.
	 */
	if (l->head - l->pumped >= 16) {
		l->pumped = l->head;
		pump(l);
	}
}

/*
 * Console text between frames. SI, CR, LF before it: whatever the bytes of the last frame did to a
 * terminal, it is readable.
 */
static void put_text(struct line *l, const uint8_t *buf, size_t len)
{
	static const uint8_t to_text[] = "\x0f\r\n";

	if (l->after_8bit)
		put(l, to_text, sizeof(to_text) - 1);
	l->after_8bit = false;
	put(l, buf, len);
}

static void end(void *ctx, bool text)
{
	struct line *l = ctx;

	l->after_8bit = !text;
	if (l->text_len)
		put_text(l, l->text, l->text_len);
	l->text_len = 0;
}

/*
 * The console's way to the line while a dump is going over it: between frames at once, inside one
 * it has to wait. Text that does not fit is lost; what matters of it is in the log.
 */
static size_t write_text(struct uart *u, const uint8_t *buf, size_t len)
{
	struct line *l = line;

	(void)u;
	if (!l->t.in_frame) {
		put_text(l, buf, len);
	} else if (len <= TEXT_MAX - l->text_len) {
		memcpy(l->text + l->text_len, buf, len);
		l->text_len += len;
	}
	return len;
}

static size_t read_nothing(struct uart *u, uint8_t *buf, size_t len)
{
	(void)u;
	(void)buf;
	(void)len;
	return 0;
}

static bool always_idle(struct uart *u)
{
	(void)u;
	return true;
}

static const struct uart_ops text_ops = {
	.name = "text", .write = write_text, .read = read_nothing, .idle = always_idle,
};

static void close_line(struct line *l)
{
	drain(l);
	l->u->ops = l->ops;
	l->u->dead = l->t.dead;
	line = NULL;		/* the next target may get this memory */
}

enum capstub_stop line_dump(struct capture *c, struct uart *u, const struct line_options *opt)
{
	struct line *l = mem_take("serial line", sizeof(*l), 64, MEM_ANY);
	enum capstub_stop stop;

	if (!l)
		return log_err(STOP_ASSERT, "no memory for a serial line");
	l->t.put = put;
	l->t.end = end;
	l->t.pump = pump;
	l->t.drain = drain;
	l->t.mtu = SERIAL_FRAME_MAX;
	l->t.mode = opt->mode;
	l->t.baud = u->spec.baud;
	if (opt->xon_xoff)
		l->t.escape[SERIAL_XON / 8] = 1u << SERIAL_XON % 8 | 1u << SERIAL_XOFF % 8;
	l->u = u;
	l->ops = u->ops;
	u->dead = false;	/* to the console, which does not wait as long as we do */
	l->hold_us = opt->xon_xoff ? STALL_US : HOLD_US;
	l->moved_us = arch_time_us();
	line = l;
	u->ops = &text_ops;
	stop = session_run(c, &l->t);
	close_line(l);
	return stop;
}

void line_abort(void)
{
	if (!line)
		return;
	session_abort();
	close_line(line);
}
