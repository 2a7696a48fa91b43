// SPDX-License-Identifier: GPL-2.0-or-later
/* stub/uart.c with both UART drivers, against simulated UARTs whose line takes time. */
/* needs: stub/uart.c drivers/uart/uart_16550.c drivers/uart/uart_pl011.c */
/* needs: tests/unit/fake/bus.c stub/idle.c tests/unit/fake/clock.c tests/unit/fake/log.c */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stub/uart.h"
#include "tests/unit/fake/bus.h"

#define PORT	0x3f8
#define MMIO	0xfe201000ULL

/* A transmitter with a FIFO, a receiver with error flags, and a line: one byte each byte_us */
struct fake_uart {
	bool gone, stuck, no_cts, no_scratch, no_fifo, loop_seen;
	unsigned byte_us, shift, width;
	uint8_t ier, lcr, mcr, scr, fcr, dll, dlm;
	uint32_t cr, lcr_h, ibrd, fbrd, imsc, dmacr;
	unsigned cr_writes;
	uint8_t fifo[32];
	unsigned queued, size;
	uint64_t next_us;
	uint8_t sent[4096];
	unsigned nr_sent, lost;
	struct { uint8_t byte, errors; } rx[64];
	unsigned rx_head, rx_tail;
};

static struct fake_uart f;

static void advance(void)
{
	while (f.queued && !f.stuck && fake_now_us >= f.next_us) {
		assert(f.nr_sent < sizeof(f.sent));
		f.sent[f.nr_sent++] = f.fifo[0];
		memmove(f.fifo, f.fifo + 1, --f.queued);
		f.next_us += f.byte_us;
	}
}

static void push(uint8_t v)
{
	if (f.queued == f.size) {
		f.lost++;
		return;
	}
	if (!f.queued)
		f.next_us = fake_now_us + f.byte_us;
	f.fifo[f.queued++] = v;
}

/* --- 16550 --- */

static uint64_t ns_read(void *ctx, uint64_t off, unsigned size)
{
	(void)ctx;
	assert(size == f.width && off % (1u << f.shift) == 0);
	if (f.gone)
		return ~0ULL;
	advance();
	switch (off >> f.shift) {
	case 0:
		if (f.lcr & 0x80)
			return f.dll;
		return f.rx_head == f.rx_tail ? 0 : f.rx[f.rx_head++].byte;
	case 1:
		return f.lcr & 0x80 ? f.dlm : f.ier;
	case 2:
		return 1 | (f.fcr & 1 && !f.no_fifo ? 0xc0 : 0);
	case 3:
		return f.lcr;
	case 4:
		return f.mcr;
	case 5:
		return (f.queued ? 0 : 0x60) |
		       (f.rx_head == f.rx_tail ? 0 : 1 | f.rx[f.rx_head].errors);
	case 6:
		return f.no_cts ? 0 : 0x10;
	}
	return f.no_scratch ? 0 : f.scr;
}

static void ns_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	(void)ctx;
	assert(size == f.width);
	if (f.gone)
		return;
	advance();
	switch (off >> f.shift) {
	case 0:
		if (f.lcr & 0x80)
			f.dll = (uint8_t)v;
		else
			push((uint8_t)v);
		break;
	case 1:
		if (f.lcr & 0x80)
			f.dlm = (uint8_t)v;
		else
			f.ier = (uint8_t)v;
		break;
	case 2:
		f.fcr = (uint8_t)v;
		f.size = v & 1 && !f.no_fifo ? 16 : 1;
		if (v & 4)
			f.queued = 0;
		break;
	case 3:
		f.lcr = (uint8_t)v;
		break;
	case 4:
		f.mcr = (uint8_t)v;
		break;
	case 7:
		f.scr = (uint8_t)v;
		break;
	}
}

static void set_up_16550(enum uart_type type, unsigned shift)
{
	struct fake_window w = {
		.base = type == UART_16550_IO ? PORT : MMIO,
		.len = 8 << shift,
		.port = type == UART_16550_IO,
		.read = ns_read,
		.write = ns_write,
	};

	fake_bus_reset();
	fake_log_reset();
	memset(&f, 0, sizeof(f));
	fake_bus_add(&w);
	f.byte_us = 87;		/* 115200 baud */
	f.size = 16;
	f.shift = shift;
	f.width = type == UART_16550_MMIO32 ? 4 : 1;
	/*
	 * as a dead kernel may leave it: DLAB, break and loopback set, interrupts on, even parity,
	 * 5 bits
	 */
	f.lcr = 0xd8;
	f.mcr = 0x1f;
	f.ier = 0x0f;
	f.fcr = 1;
	f.dll = 1;
}

static struct uart_spec spec_16550(enum uart_type type, unsigned shift)
{
	return (struct uart_spec){.type = type,
				  .reg_shift = (uint8_t)shift,
				  .addr = type == UART_16550_IO ? PORT : MMIO};
}

static void send_text(struct uart *u)
{
	static uint8_t text[1000];

	srand(4);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)rand();
	f.nr_sent = 0;
	assert_int_equal(uart_write(u, text, sizeof(text)), 0);
	uart_flush(u);
	assert_false(u->dead);
	assert_int_equal(f.lost, 0);
	assert_int_equal(f.nr_sent, sizeof(text));
	assert_memory_equal(f.sent, text, sizeof(text));
}

static void test_16550_init_and_write(void **state)
{
	static const struct { enum uart_type type; unsigned shift, given;
	} c[] =
		{
			{UART_16550_IO, 0, 0},	   {UART_16550_MMIO, 0, 0},
			{UART_16550_MMIO, 2, 2},   {UART_16550_MMIO32, 2, 2},
			{UART_16550_MMIO32, 2, 0}, /* "4 bytes apart" goes without saying */
		};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		struct uart_spec spec = spec_16550(c[i].type, c[i].given);
		struct uart u;

		set_up_16550(c[i].type, c[i].shift);
		assert_int_equal(uart_open(&u, &spec), 0);
		assert_int_equal(f.lcr, 0x1b); /* 8 bits; parity as it was; DLAB and break off */
		assert_int_equal(f.mcr & 0x18, 0);	/* no loopback, no interrupt gate */
		assert_int_equal(f.mcr & 0x03, 3);
		assert_int_equal(f.ier, 0);
		assert_int_equal(f.fcr & 1, 1);
		assert_int_equal(f.fcr & 4, 0); /* what is still to be sent is not thrown away */
		assert_int_equal(f.dll, 1);		/* speed untouched */
		assert_int_equal(u.fifo_len, 16);
		send_text(&u);
		/* the FIFO is used: little more than the line itself takes */
		assert_true(fake_now_us < 1000 * 87 * 12 / 10);
	}
}

static void test_16550_drains_last_words(void **state)
{
	struct uart_spec spec = spec_16550(UART_16550_IO, 0);
	struct uart u;

	(void)state;
	set_up_16550(UART_16550_IO, 0);
	for (int i = 0; i < 16; i++)
		push((uint8_t)('a' + i));
	assert_int_equal(uart_open(&u, &spec), 0);
	assert_int_equal(f.nr_sent, 16);
	assert_memory_equal(f.sent, "abcdefghijklmnop", 16);
}

static void test_16550_no_fifo(void **state)
{
	struct uart_spec spec = spec_16550(UART_16550_IO, 0);
	struct uart u;

	(void)state;
	set_up_16550(UART_16550_IO, 0);
	f.no_fifo = f.no_scratch = true;	/* an 8250 */
	assert_int_equal(uart_open(&u, &spec), 0);
	assert_int_equal(u.fifo_len, 1);
	send_text(&u);
}

static void test_16550_baud(void **state)
{
	static const struct { uint32_t baud, clock_hz; unsigned divisor; bool warn;
	} c[] = {
		{115200, 0, 1, false},	       {9600, 0, 12, false},
		{3000000, 48000000, 1, false}, {115200, 48000000, 26, false},
		{1200, 1843200, 96, false},    {74880, 0, 2, true},
	};
	struct uart_spec spec = spec_16550(UART_16550_IO, 0);
	struct uart u;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		set_up_16550(UART_16550_IO, 0);
		spec.baud = c[i].baud;
		spec.clock_hz = c[i].clock_hz;
		assert_int_equal(uart_open(&u, &spec), 0);
		assert_int_equal(f.dll | f.dlm << 8, c[i].divisor);
		assert_int_equal(f.lcr, 0x03);		/* 8N1 when a speed is asked for */
		assert_int_equal(fake_log_lines[1] > 0, c[i].warn);
	}
	/* what the clock cannot make leaves the line as it is */
	set_up_16550(UART_16550_IO, 0);
	spec.baud = 921600;
	spec.clock_hz = 0;
	assert_int_equal(uart_open(&u, &spec), 0);
	assert_int_equal(f.dll, 1);
	assert_true(fake_log_has("921600"));
}

static void test_16550_absent(void **state)
{
	struct uart_spec spec = spec_16550(UART_16550_IO, 0);
	struct uart u;

	(void)state;
	set_up_16550(UART_16550_IO, 0);
	f.gone = true;
	assert_int_equal(uart_open(&u, &spec), -ENODEV);
	assert_null(u.ops);	/* nobody takes it for a console */
	assert_int_equal(uart_write(&u, "x", 1), -ETIMEDOUT);	/* and costs no time */
	assert_true(fake_now_us < 1000);
	spec.addr = 0x2f8;	/* nobody there at all */
	assert_int_equal(uart_open(&u, &spec), -ENODEV);
}

static void test_bad_specs(void **state)
{
	static const struct uart_spec specs[] = {
		{ .type = UART_NONE, .addr = PORT },
		{ .type = 99, .addr = PORT },
		{ .type = UART_16550_IO, .addr = 0 },
		{ .type = UART_16550_IO, .addr = 0xfff9 },
		{ .type = UART_16550_IO, .addr = 0x100003f8 },
		{ .type = UART_16550_IO, .addr = PORT, .reg_shift = 5 },
		{ .type = UART_16550_MMIO, .addr = 0 },
		{ .type = UART_16550_MMIO, .addr = MMIO, .reg_shift = 200 },
		{ .type = UART_PL011, .addr = 0 },
	};
	struct uart u;

	(void)state;
	set_up_16550(UART_16550_IO, 0);
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		assert_int_equal(uart_open(&u, &specs[i]), -EINVAL);
		assert_int_equal(uart_write(&u, "x", 1), -ETIMEDOUT);
		uart_flush(&u);
	}
}

/* A stuck line costs one deadline, not one per byte or per call */
static void check_stall(struct uart *u)
{
	uint8_t text[100] = { 0 };
	uint64_t before_us = fake_now_us;

	assert_int_equal(uart_write(u, text, sizeof(text)), -ETIMEDOUT);
	assert_true(u->dead);
	assert_true(fake_now_us - before_us >= UART_STALL_US);
	assert_true(fake_now_us - before_us < UART_STALL_US * 11 / 10);
	before_us = fake_now_us;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(uart_write(u, text, sizeof(text)), -ETIMEDOUT);
	uart_flush(u);
	assert_int_equal(fake_now_us, before_us);
}

static void test_16550_stall(void **state)
{
	struct uart_spec spec = spec_16550(UART_16550_IO, 0);
	struct uart u;

	(void)state;
	set_up_16550(UART_16550_IO, 0);
	assert_int_equal(uart_open(&u, &spec), 0);
	f.stuck = true;
	check_stall(&u);

	set_up_16550(UART_16550_IO, 0); /* vanishes: LSR reads all ones, which is not "ready" */
	assert_int_equal(uart_open(&u, &spec), 0);
	f.gone = true;
	check_stall(&u);

	set_up_16550(UART_16550_IO, 0);		/* the flush alone */
	assert_int_equal(uart_open(&u, &spec), 0);
	f.stuck = true;
	assert_int_equal(uart_write(&u, "abc", 3), 0);
	uart_flush(&u);
	assert_true(u.dead);
}

/* A slow line is not a stuck one: 100 bytes at 1200 baud take longer than the deadline */
static void test_16550_slow_line(void **state)
{
	struct uart_spec spec = spec_16550(UART_16550_IO, 0);
	struct uart u;
	uint8_t text[100] = { 0 };

	(void)state;
	set_up_16550(UART_16550_IO, 0);
	assert_int_equal(uart_open(&u, &spec), 0);
	f.byte_us = 8333;	/* 1200 baud */
	assert_int_equal(uart_write(&u, text, sizeof(text)), 0);
	assert_true(fake_now_us > UART_STALL_US);
	assert_false(u.dead);
}

static void test_16550_flow_control(void **state)
{
	struct uart_spec spec = spec_16550(UART_16550_IO, 0);
	struct uart u;

	(void)state;
	set_up_16550(UART_16550_IO, 0);
	assert_int_equal(uart_open(&u, &spec), 0);
	f.no_cts = true;
	assert_int_equal(uart_write(&u, "abc", 3), 0);	/* nobody asked for flow control */
	spec.rts_cts = true;
	assert_int_equal(uart_open(&u, &spec), 0);
	check_stall(&u);
}

static void receive(uint8_t byte, uint8_t errors)
{
	f.rx[f.rx_tail].byte = byte;
	f.rx[f.rx_tail++].errors = errors;
}

static void test_16550_read(void **state)
{
	struct uart_spec spec = spec_16550(UART_16550_IO, 0);
	uint8_t buf[8];
	struct uart u;

	(void)state;
	set_up_16550(UART_16550_IO, 0);
	assert_int_equal(uart_open(&u, &spec), 0);
	assert_int_equal(u.ops->read(&u, buf, sizeof(buf)), 0);
	receive('a', 0);
	receive('b', 0x04);	/* parity */
	receive('c', 0x02);	/* overrun: something was lost, this byte is good */
	receive(0, 0x18);	/* break */
	receive('d', 0);
	assert_int_equal(u.ops->read(&u, buf, sizeof(buf)), 3);
	assert_memory_equal(buf, "acd", 3);
	for (int i = 0; i < 10; i++)
		receive((uint8_t)i, 0);
	assert_int_equal(u.ops->read(&u, buf, sizeof(buf)), 8);
	assert_int_equal(u.ops->read(&u, buf, sizeof(buf)), 2);
	f.gone = true;		/* all ones is not an endless stream of data */
	assert_int_equal(u.ops->read(&u, buf, sizeof(buf)), 0);
}

/* --- PL011 --- */

static uint64_t pl_read(void *ctx, uint64_t off, unsigned size)
{
	(void)ctx;
	assert(size == 4);
	if (f.gone)
		return ~0ULL;
	advance();
	switch (off) {
	case 0x00:
		assert(f.rx_head != f.rx_tail);
		f.rx_head++;
		return f.rx[f.rx_head - 1].byte | (uint32_t)f.rx[f.rx_head - 1].errors << 8;
	case 0x18:
		return (f.queued ? 8 : 0x80) | (f.queued == f.size ? 0x20 : 0) |
		       (f.rx_head == f.rx_tail ? 0x10 : 0) | (f.no_cts ? 0 : 1);
	case 0x24:
		return f.ibrd;
	case 0x28:
		return f.fbrd;
	case 0x2c:
		return f.lcr_h;
	case 0x30:
		return f.cr;
	}
	return 0;
}

static void pl_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	(void)ctx;
	assert(size == 4);
	advance();
	switch (off) {
	case 0x00:
		assert((f.cr & 0x101) == 0x101);
		push((uint8_t)v);
		break;
	case 0x24:
	case 0x28:
		assert(!(f.cr & 1));	/* §3.3.6: not while enabled */
		*(off == 0x24 ? &f.ibrd : &f.fbrd) = (uint32_t)v;
		break;
	case 0x2c:
		assert(!(f.cr & 1));
		f.lcr_h = (uint32_t)v;
		f.size = v & 0x10 ? 32 : 1;
		break;
	case 0x30:
		f.cr_writes++;
		f.cr = (uint32_t)v;
		break;
	case 0x38:
		f.imsc = (uint32_t)v;
		break;
	case 0x48:
		f.dmacr = (uint32_t)v;
		break;
	}
}

static const struct uart_spec pl011 = { .type = UART_PL011, .addr = MMIO };

static void set_up_pl011(void)
{
	struct fake_window w = { .base = MMIO, .len = 0x1000, .read = pl_read, .write = pl_write };

	fake_bus_reset();
	fake_log_reset();
	memset(&f, 0, sizeof(f));
	fake_bus_add(&w);
	f.byte_us = 87;
	f.size = 32;
	f.cr = 0x301;
	f.lcr_h = 0x70;
	f.ibrd = 13;
	f.imsc = 0x7ff;
	f.dmacr = 3;
}

static void test_pl011_running(void **state)
{
	struct uart u;

	(void)state;
	set_up_pl011();
	assert_int_equal(uart_open(&u, &pl011), 0);
	assert_int_equal(f.cr_writes, 0);	/* left alone: an SBSA UART has no such register */
	assert_int_equal(f.imsc, 0);
	assert_int_equal(f.dmacr, 0);
	send_text(&u);
	assert_true(fake_now_us < 1000 * 87 * 12 / 10);
}

static void test_pl011_set_up(void **state)
{
	static const struct { uint32_t cr, lcr_h;
	} c[] = {
		{0, 0}, {0x301, 0x60}, {0x381, 0x70}, {0x101, 0x70}, {0xc301, 0x70}, {0x301, 0x71},
	};
	struct uart u;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		set_up_pl011();
		f.cr = c[i].cr;
		f.lcr_h = c[i].lcr_h;
		assert_int_equal(uart_open(&u, &pl011), 0);
		assert_int_equal(f.cr & 0xc381, 0x301);
		assert_int_equal(f.lcr_h, 0x70);
		assert_int_equal(f.ibrd, 13);	/* speed untouched */
		send_text(&u);
	}
}

static void test_pl011_baud(void **state)
{
	struct uart_spec spec = pl011;
	struct uart u;

	(void)state;
	set_up_pl011();
	spec.baud = 115200;
	assert_int_equal(uart_open(&u, &spec), 0);
	/* TRM's way: 24 MHz / (16 * 115200) = 13.02 -> 13 and 1/64 */
	assert_int_equal(f.ibrd, 13);
	assert_int_equal(f.fbrd, 1);
	spec.clock_hz = 4000000;	/* the manual's own example, §3.3.6: 230400 at 4 MHz */
	spec.baud = 230400;
	set_up_pl011();
	assert_int_equal(uart_open(&u, &spec), 0);
	assert_int_equal(f.ibrd, 1);
	assert_int_equal(f.fbrd, 5);
	send_text(&u);
	spec.baud = 921600;		/* more than 4 MHz / 16 */
	set_up_pl011();
	assert_int_equal(uart_open(&u, &spec), 0);
	assert_int_equal(f.ibrd, 13);
	assert_true(fake_log_has("921600"));
}

static void test_pl011_faults(void **state)
{
	struct uart_spec flow = pl011;
	uint8_t buf[8];
	struct uart u;

	(void)state;
	set_up_pl011();
	f.gone = true;
	assert_int_equal(uart_open(&u, &pl011), -ENODEV);

	set_up_pl011();
	assert_int_equal(uart_open(&u, &pl011), 0);
	f.stuck = true;
	check_stall(&u);

	set_up_pl011();
	assert_int_equal(uart_open(&u, &pl011), 0);
	f.no_cts = true;
	assert_int_equal(uart_write(&u, "abc", 3), 0);
	flow.rts_cts = true;
	assert_int_equal(uart_open(&u, &flow), 0);
	check_stall(&u);

	set_up_pl011();
	assert_int_equal(uart_open(&u, &pl011), 0);
	receive('a', 0);
	receive('b', 1);	/* framing */
	receive('c', 8);	/* overrun */
	receive(0, 4);		/* break */
	receive('d', 0);
	assert_int_equal(u.ops->read(&u, buf, sizeof(buf)), 3);
	assert_memory_equal(buf, "acd", 3);
	f.gone = true;
	assert_int_equal(u.ops->read(&u, buf, sizeof(buf)), 0);
	check_stall(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_16550_init_and_write),
		cmocka_unit_test(test_16550_drains_last_words),
		cmocka_unit_test(test_16550_no_fifo),
		cmocka_unit_test(test_16550_baud),
		cmocka_unit_test(test_16550_absent),
		cmocka_unit_test(test_bad_specs),
		cmocka_unit_test(test_16550_stall),
		cmocka_unit_test(test_16550_slow_line),
		cmocka_unit_test(test_16550_flow_control),
		cmocka_unit_test(test_16550_read),
		cmocka_unit_test(test_pl011_running),
		cmocka_unit_test(test_pl011_set_up),
		cmocka_unit_test(test_pl011_baud),
		cmocka_unit_test(test_pl011_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
