// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * 16550 UART, by I/O port or memory, polled. Called through uart_16550_ops by stub/uart.c. Register
 * names and bits: National Semiconductor PC16550D data sheet, section 8.
 *
 * The port is found as the dead kernel left it: perhaps in the middle of a line, with DLAB set, in
 * loopback, with interrupts enabled. init() makes no assumption about any of that, but keeps the
 * line speed, which was right for whoever listens at the other end.
 */
#include <cpu.h>
#include <errno.h>
#include <io.h>

#include "stub/log.h"
#include "stub/timeout.h"
#include "stub/uart.h"

enum uart_16550_reg {
	RBR_THR	= 0,	/* receiver buffer, transmitter holding */
	IER	= 1,	/* interrupt enable */
	IIR_FCR	= 2,	/* interrupt identification, FIFO control */
	LCR	= 3,	/* line control */
	MCR	= 4,	/* modem control */
	LSR	= 5,	/* line status */
	MSR	= 6,	/* modem status */
	SCR	= 7,	/* scratch */
	DLL	= 0,	/* divisor, with LCR_DLAB set */
	DLM	= 1,
};

#define FCR_ENABLE	BIT(0)
#define FCR_CLEAR_RX	BIT(1)
#define IIR_FIFOS	GENMASK(7, 6)	/* both: a working FIFO (16550A) */
#define LCR_WLEN8	GENMASK(1, 0)
#define LCR_FORMAT	GENMASK(5, 2)	/* stop bits, parity */
#define LCR_DLAB	BIT(7)
#define MCR_DTR		BIT(0)
#define MCR_RTS		BIT(1)
#define LSR_DR		BIT(0)
#define LSR_ERRORS	GENMASK(4, 2)	/* parity, framing, break; overrun (1) is not */
#define LSR_THRE	BIT(5)
#define LSR_TEMT	BIT(6)
#define LSR_ABSENT	0xff		/* bit 7 with all others: nobody drives the bus */
#define MSR_CTS		BIT(4)

#define FIFO_LEN		16
#define DEFAULT_CLOCK_HZ	1843200		/* the PC's crystal */
#define DRAIN_TIMEOUT_US	20000		/* 16 bytes at 9600 baud */

static void *reg_addr(const struct uart *u, enum uart_16550_reg reg)
{
	unsigned shift = u->spec.reg_shift;

	if (u->spec.type == UART_16550_MMIO32 && !shift)
		shift = 2;
	return (char *)u->regs + ((size_t)reg << shift);
}

static uint8_t reg_read(const struct uart *u, enum uart_16550_reg reg)
{
	switch (u->spec.type) {
	case UART_16550_IO:
		return pio_read8((uint16_t)(u->spec.addr + ((unsigned)reg << u->spec.reg_shift)));
	case UART_16550_MMIO32:
		return (uint8_t)mmio_read32(reg_addr(u, reg));
	default:
		return mmio_read8(reg_addr(u, reg));
	}
}

static void reg_write(struct uart *u, enum uart_16550_reg reg, uint8_t v)
{
	switch (u->spec.type) {
	case UART_16550_IO:
		pio_write8((uint16_t)(u->spec.addr + ((unsigned)reg << u->spec.reg_shift)), v);
		break;
	case UART_16550_MMIO32:
		mmio_write32(reg_addr(u, reg), v);
		break;
	default:
		mmio_write8(reg_addr(u, reg), v);
	}
}

static bool keeps(struct uart *u, enum uart_16550_reg reg, uint8_t v)
{
	reg_write(u, reg, v);
	return reg_read(u, reg) == v;
}

/*
 * Is there a UART at all? The scratch register says so; where it was left out, the line control
 * register does.
 */
static bool answers(struct uart *u)
{
	uint8_t lcr, scr = reg_read(u, SCR);
	bool there;

	if (reg_read(u, LSR) == LSR_ABSENT)
		return false;
	there = keeps(u, SCR, 0xa5) && keeps(u, SCR, 0x5a);
	reg_write(u, SCR, scr);
	if (there)
		return true;

	lcr = reg_read(u, LCR);
	there = keeps(u, LCR, LCR_WLEN8) && keeps(u, LCR, 0x1a);
	reg_write(u, LCR, lcr);
	return there;
}

static void set_baud(struct uart *u)
{
	uint32_t clock_hz = u->spec.clock_hz ? u->spec.clock_hz : DEFAULT_CLOCK_HZ;
	uint64_t step = 16ULL * u->spec.baud;	/* data sheet §8.3: divisor = clock / (baud * 16) */
	uint64_t divisor = (clock_hz + step / 2) / step;
	uint64_t actual;

	if (!divisor || divisor > 0xffff) {
		log_warn("uart: %u baud cannot be made from %u Hz: speed left as it was",
			 u->spec.baud, clock_hz);
		return;
	}
	/* A receiver samples in the middle of the tenth bit: half a bit in ten is the limit */
	actual = clock_hz / (16 * divisor);
	if (actual * 20 < u->spec.baud * 19ULL || actual * 20 > u->spec.baud * 21ULL)
		log_warn("uart: %u baud asked, %u is what the clock gives", u->spec.baud,
			 (unsigned)actual);

	reg_write(u, LCR, LCR_WLEN8 | LCR_DLAB);
	reg_write(u, DLL, (uint8_t)divisor);
	reg_write(u, DLM, (uint8_t)(divisor >> 8));
	reg_write(u, LCR, LCR_WLEN8);
}

static int uart_16550_init(struct uart *u)
{
	if (!answers(u))
		return -ENODEV;

	/*
	 * What the dead kernel had sent is likely its panic text: let it out. No harm if it never
	 * drains.
	 */
	(void)poll_until_us(reg_read(u, LSR) & LSR_TEMT, DRAIN_TIMEOUT_US);

	/*
	 * DLAB and break off before IER can be reached; 8 bits, parity and stop bits as they were
	 */
	reg_write(u, LCR, (reg_read(u, LCR) & LCR_FORMAT) | LCR_WLEN8);
	reg_write(u, IER, 0);
	if (u->spec.baud)
		set_baud(u);
	reg_write(u, IIR_FCR, FCR_ENABLE | FCR_CLEAR_RX);
	u->fifo_len = (reg_read(u, IIR_FCR) & IIR_FIFOS) == IIR_FIFOS ? FIFO_LEN : 1;
	/* Ready for data; loopback and the interrupt gate (OUT2) off */
	reg_write(u, MCR, MCR_DTR | MCR_RTS);
	return 0;
}

static size_t uart_16550_write(struct uart *u, const uint8_t *buf, size_t len)
{
	uint8_t lsr = reg_read(u, LSR);
	size_t n;

	/* THRE: with the FIFO on, all 16 places are free (§8.5) */
	if (lsr == LSR_ABSENT || !(lsr & LSR_THRE))
		return 0;
	if (u->rts_cts && !(reg_read(u, MSR) & MSR_CTS))
		return 0;
	for (n = 0; n < len && n < u->fifo_len; n++)
		reg_write(u, RBR_THR, buf[n]);
	return n;
}

static size_t uart_16550_read(struct uart *u, uint8_t *buf, size_t len)
{
	size_t n = 0;

	/* One look per place in the buffer: bounded even if every byte is bad */
	for (size_t i = 0; i < len; i++) {
		uint8_t lsr = reg_read(u, LSR);
		uint8_t byte;

		if (lsr == LSR_ABSENT || !(lsr & LSR_DR))
			break;
		byte = reg_read(u, RBR_THR);
		/*
		 * The error bits belong to the byte on top of the FIFO (§8.5): it is noise, not
		 * data
		 */
		if (!(lsr & LSR_ERRORS))
			buf[n++] = byte;
	}
	return n;
}

static bool uart_16550_idle(struct uart *u)
{
	return reg_read(u, LSR) & LSR_TEMT;
}

const struct uart_ops uart_16550_ops = {
	.name	= "16550",
	.init	= uart_16550_init,
	.write	= uart_16550_write,
	.read	= uart_16550_read,
	.idle	= uart_16550_idle,
};
