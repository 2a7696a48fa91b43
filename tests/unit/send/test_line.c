// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The line as a transport, over a UART that may take nothing: order, flow control, deadlines, and
 * the console on the same wire. The session is the test.
 */
/* needs: stub/send/line.c stub/idle.c tests/unit/fake/arena.c tests/unit/fake/clock.c tests/unit/fake/log.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "stub/arch.h"
#include "stub/idle.h"
#include "stub/send/line.h"
#include "tests/unit/fake/arena.h"
#include "tests/unit/fake/bus.h"

#define SECOND	1000000ULL

static struct {
	uint8_t out[65536];
	size_t nr_out;
	uint64_t held_until;
	const char *rx;			/* what comes back, each time again if @again */
	size_t rx_len;
	bool again;
} wire;

static size_t wire_write(struct uart *u, const uint8_t *buf, size_t len)
{
	(void)u;
	if (fake_now_us < wire.held_until)
		return 0;
	len = min_u64(len, 16);
	assert_true(len <= sizeof(wire.out) - wire.nr_out);
	memcpy(wire.out + wire.nr_out, buf, len);
	wire.nr_out += len;
	return len;
}

static size_t wire_read(struct uart *u, uint8_t *buf, size_t len)
{
	(void)u;
	len = min_u64(len, wire.rx_len);
	if (len)
		memcpy(buf, wire.rx, len);
	if (!wire.again) {
		wire.rx += len;
		wire.rx_len -= len;
	}
	return len;
}

static bool wire_idle(struct uart *u)
{
	(void)u;
	return true;
}

static const struct uart_ops ops = { .name = "wire", .write = wire_write, .read = wire_read, .idle = wire_idle };
static struct uart uart;
static struct line_options options;
static void (*script)(struct transport *t);
static unsigned aborted;

enum capstub_stop session_run(struct capture *c, struct transport *t)
{
	assert_null(c);
	assert_ptr_not_equal(uart.ops, &ops);
	assert_false(uart.dead);
	assert_int_equal(t->baud, 9600);
	assert_true(t->mtu >= SERIAL_FRAME_MAX);
	script(t);
	return t->dead ? STOP_LINE_ERROR : STOP_OK;
}

void session_abort(void)
{
	aborted++;
}

/* Seconds that it took */
static double run(void (*what)(struct transport *t), enum capstub_stop want)
{
	uint64_t before = fake_now_us;

	script = what;
	uart = (struct uart){ .ops = &ops, .spec.baud = 9600, .dead = true };
	wire.nr_out = 0;
	assert_int_equal(line_dump(NULL, &uart, &options), want);
	assert_ptr_equal(uart.ops, &ops);
	assert_int_equal(uart.dead, want != STOP_OK);
	return (double)(fake_now_us - before) / SECOND;
}

static int setup(void **state)
{
	(void)state;
	memset(&wire, 0, sizeof(wire));
	memset(&options, 0, sizeof(options));
	fake_step_us = 500;
	idle_set_deadline(0);
	return 0;
}

static void hold(double seconds)
{
	wire.held_until = fake_now_us + (uint64_t)(seconds * SECOND);
}

static uint8_t pattern(unsigned i)
{
	return (uint8_t)(i * 7 + i / 251);
}

/* More than the ring holds, in pieces of every size */
static void send_much(struct transport *t)
{
	uint8_t piece[300];
	unsigned at = 0;

	for (unsigned len = 1; len < sizeof(piece); len++) {
		for (unsigned i = 0; i < len; i++)
			piece[i] = pattern(at++);
		t->put(t, piece, len);
	}
	t->drain(t);
	if (!t->dead)
		assert_int_equal(t->sent, at);
}

static void check_much(void)
{
	assert_int_equal(wire.nr_out, 299 * 300 / 2);
	for (unsigned i = 0; i < wire.nr_out; i++)
		assert_int_equal(wire.out[i], pattern(i));
}

static void test_order(void **state)
{
	(void)state;
	run(send_much, STOP_OK);
	check_much();
}

/* The other side takes nothing for a while: waited for, and then all goes on */
static void test_held(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		double seconds = (double[]){ 8, 30, 58 }[i];

		hold(seconds);
		assert_true(run(send_much, STOP_OK) >= seconds);
		check_much();
	}
	hold(300);
	assert_in_range(run(send_much, STOP_LINE_ERROR), 60, 62);
	assert_int_equal(wire.nr_out, 0);
	/* What is late is not waited for */
	hold(300);
	idle_set_deadline(fake_now_us + 20 * SECOND);
	assert_in_range(run(send_much, STOP_LINE_ERROR), 20, 27);
	idle_set_deadline(1);
	hold(300);
	assert_in_range(run(send_much, STOP_LINE_ERROR), 5, 7);
}

/* XOFF and then nothing, XON, or one XOFF after the other */
static void test_flow(void **state)
{
	(void)state;
	for (unsigned xon_xoff = 0; xon_xoff < 2; xon_xoff++) {
		options.xon_xoff = xon_xoff;
		wire.rx = "\x13";
		wire.rx_len = 1;
		assert_in_range(run(send_much, STOP_OK), xon_xoff ? 60 : 10, xon_xoff ? 63 : 13);
		check_much();
		wire.rx = "\x13 \x11";
		wire.rx_len = 3;
		assert_in_range(run(send_much, STOP_OK), 0, 5);
		check_much();
		wire.rx = "\x13";
		wire.rx_len = 1;
		wire.again = true;
		assert_in_range(run(send_much, STOP_LINE_ERROR), 120, 123);
		wire.again = false;
		wire.rx_len = 0;
	}
}

static void console(const char *text)
{
	assert_int_equal(uart.ops->write(&uart, (const uint8_t *)text, strlen(text)), strlen(text));
}

static void put(struct transport *t, const char *text)
{
	t->put(t, (const uint8_t *)text, strlen(text));
}

static void frame(struct transport *t, const char *before, const char *text, const char *behind, bool as_text)
{
	t->in_frame = true;
	put(t, before);
	if (text)
		console(text);
	put(t, behind);
	t->in_frame = false;
	t->end(t, as_text);
}

static void with_console(struct transport *t)
{
	static char large[600];

	console("first\n");
	frame(t, "<te", "in text\n", "xt>", true);
	console("after text\n");
	frame(t, "<8 ", "in 8 bit\n", "bit>", false);
	console("behind it\n");
	frame(t, "<8 ", NULL, "bit>", false);
	console("again\n");
	/* More than is kept; what fits after it does not come out of turn */
	memset(large, 'x', sizeof(large) - 1);
	frame(t, "<", large, ">", true);
	t->drain(t);
}

/* Text stands between frames, and is readable there */
static void test_console(void **state)
{
	static const char want[] = "first\n<text>in text\nafter text\n<8 bit>\x0f\r\nin 8 bit\nbehind it\n"
				   "<8 bit>\x0f\r\nagain\n<>";

	(void)state;
	run(with_console, STOP_OK);
	assert_int_equal(wire.nr_out, strlen(want));
	assert_memory_equal(wire.out, want, strlen(want));
}

static unsigned got;

static void on_frame(void *ctx, const struct frame *f)
{
	(void)ctx;
	assert_int_equal(f->type, SERIAL_CTRL);
	got++;
}

static void receive(struct transport *t)
{
	static uint8_t buf[SERIAL_FRAME_MAX];
	static struct frame_dec dec;

	frame_dec_init(&dec, buf, sizeof(buf), on_frame, NULL, NULL);
	t->rx = &dec;
	for (unsigned i = 0; i < 100; i++)
		t->pump(t);
}

static void keep(void *ctx, const uint8_t *buf, size_t len)
{
	static char frames[256];

	(void)ctx;
	memcpy(frames + wire.rx_len, buf, len);
	wire.rx = frames;
	wire.rx_len += len;
}

/* With XOFF and XON in the middle, as a terminal server puts them in */
static void test_receive(void **state)
{
	struct frame_enc e;

	(void)state;
	frame_enc_init(&e, keep, NULL);
	for (unsigned i = 0; i < 3; i++) {
		frame_begin(&e, SERIAL_MODE_TEXT, SERIAL_CTRL, 0, 1, i);
		frame_data(&e, "wishes", 6);
		if (i == 1)
			keep(NULL, (const uint8_t *)"\x13\x11", 2);
		frame_end(&e);
	}
	run(receive, STOP_OK);
	assert_int_equal(got, 3);
}

static void crash(struct transport *t)
{
	t->in_frame = true;
	put(t, "half a fra");
	line_abort();
	assert_int_equal(aborted, 1);
	assert_ptr_equal(uart.ops, &ops);
	/* What comes now goes to the UART itself; and a second time there is nothing to end */
	assert_memory_equal(wire.out, "half a fra", 10);
	line_abort();
	assert_int_equal(aborted, 1);
}

static void test_abort(void **state)
{
	(void)state;
	run(crash, STOP_OK);
}

static void test_no_memory(void **state)
{
	(void)state;
	uart = (struct uart){ .ops = &ops };
	fake_arena_most = 1000;
	assert_int_equal(line_dump(NULL, &uart, &options), STOP_ASSERT);
	fake_arena_most = SIZE_MAX;
	assert_ptr_equal(uart.ops, &ops);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_order, setup),
		cmocka_unit_test_setup(test_held, setup),
		cmocka_unit_test_setup(test_flow, setup),
		cmocka_unit_test_setup(test_console, setup),
		cmocka_unit_test_setup(test_receive, setup),
		cmocka_unit_test_setup(test_abort, setup),
		cmocka_unit_test_setup(test_no_memory, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
