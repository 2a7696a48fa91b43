// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ARM PL011 UART and its subset, the SBSA generic UART, polled. Called through uart_pl011_ops by
 * stub/uart.c. Registers: ARM PrimeCell UART (PL011) Technical Reference Manual, r1p5, chapter 3;
 * SBSA 7.1 appendix B.
 *
 * An SBSA UART has no line control, baud or control registers (firmware set it up for good), so
 * what need not change is left alone: a PL011 that already runs is only silenced (interrupts, DMA),
 * not set up again.
 */
#include <errno.h>
#include <io.h>

#include "stub/log.h"
#include "stub/timeout.h"
#include "stub/uart.h"

enum pl011_reg {
	UARTDR		= 0x000,
	UARTFR		= 0x018,
	UARTIBRD	= 0x024,
	UARTFBRD	= 0x028,
	UARTLCR_H	= 0x02c,
	UARTCR		= 0x030,
	UARTIMSC	= 0x038,
	UARTICR		= 0x044,
	UARTDMACR	= 0x048,
};

#define DR_ERRORS	GENMASK(10, 8)	/* framing, parity, break; overrun (11) is not */
#define FR_CTS		BIT(0)
#define FR_BUSY		BIT(3)
#define FR_RXFE		BIT(4)
#define FR_TXFF		BIT(5)
#define FR_RESERVED	GENMASK(31, 9)
#define LCR_H_BRK	BIT(0)
#define LCR_H_FEN	BIT(4)
#define LCR_H_WLEN8	GENMASK(6, 5)
#define CR_UARTEN	BIT(0)
#define CR_LBE		BIT(7)
#define CR_TXE		BIT(8)
#define CR_RXE		BIT(9)
#define CR_RTS		BIT(11)
#define CR_MODES \
	(BIT(1) | BIT(2) | CR_LBE | BIT(14) | BIT(15)) /* IrDA, loopback, RTS/CTS by hardware */
#define CR_RUNNING	(CR_UARTEN | CR_TXE | CR_RXE)

#define DEFAULT_CLOCK_HZ	24000000
#define DRAIN_TIMEOUT_US	40000		/* 32 bytes at 9600 baud */
#define ALL_INTERRUPTS		0x7ff

static uint32_t reg_read(const struct uart *u, enum pl011_reg reg)
{
	return mmio_read32((const char *)u->regs + reg);
}

static void reg_write(struct uart *u, enum pl011_reg reg, uint32_t v)
{
	mmio_write32((char *)u->regs + reg, v);
}

/* Divisor of 16 + 6 bits, TRM §3.3.6: clock / (16 * baud), in 64ths */
static void set_baud(struct uart *u)
{
	uint32_t clock_hz = u->spec.clock_hz ? u->spec.clock_hz : DEFAULT_CLOCK_HZ;
	uint64_t divisor = (4ULL * clock_hz + u->spec.baud / 2) / u->spec.baud;

	if (divisor < 64 || divisor > 0xffffULL << 6) {
		log_warn("uart: %u baud cannot be made from %u Hz: speed left as it was",
			 u->spec.baud, clock_hz);
		return;
	}
	reg_write(u, UARTIBRD, (uint32_t)(divisor >> 6));
	reg_write(u, UARTFBRD, (uint32_t)(divisor & 63));
}

static int pl011_init(struct uart *u)
{
	uint32_t fr = reg_read(u, UARTFR);
	uint32_t cr, lcr_h;

	/* Bits 15:9 read as zero in every PL011; an empty bus reads as all ones */
	if (fr & FR_RESERVED)
		return -ENODEV;

	/* The dead kernel may have left a DMA channel feeding the transmitter */
	reg_write(u, UARTDMACR, 0);
	reg_write(u, UARTIMSC, 0);
	reg_write(u, UARTICR, ALL_INTERRUPTS);
	u->fifo_len = 1;	/* TXFF is looked at before each byte */

	cr = reg_read(u, UARTCR);
	lcr_h = reg_read(u, UARTLCR_H);
	if (!u->spec.baud && (cr & CR_RUNNING) == CR_RUNNING && !(cr & CR_MODES) &&
	    (lcr_h & (LCR_H_WLEN8 | LCR_H_FEN | LCR_H_BRK)) == (LCR_H_WLEN8 | LCR_H_FEN))
		return 0;

	/* TRM §3.3.8: let the current character out, disable, set up, enable */
	(void)poll_until_us(!(reg_read(u, UARTFR) & FR_BUSY), DRAIN_TIMEOUT_US);
	reg_write(u, UARTCR, 0);
	if (u->spec.baud)
		set_baud(u);
	/* Writing UARTLCR_H also takes over a new divisor (§3.3.7) */
	reg_write(u, UARTLCR_H, LCR_H_WLEN8 | LCR_H_FEN);
	reg_write(u, UARTCR, CR_RUNNING | CR_RTS);
	return 0;
}

static size_t pl011_write(struct uart *u, const uint8_t *buf, size_t len)
{
	size_t n;

	for (n = 0; n < len; n++) {
		uint32_t fr = reg_read(u, UARTFR);

		if (fr & (FR_TXFF | FR_RESERVED))
			break;
		if (u->rts_cts && !(fr & FR_CTS))
			break;
		reg_write(u, UARTDR, buf[n]);
	}
	return n;
}

static size_t pl011_read(struct uart *u, uint8_t *buf, size_t len)
{
	size_t n = 0;

	/* One look per place in the buffer: bounded even if every byte is bad */
	for (size_t i = 0; i < len; i++) {
		uint32_t dr;

		if (reg_read(u, UARTFR) & (FR_RXFE | FR_RESERVED))
			break;
		dr = reg_read(u, UARTDR);
		if (!(dr & DR_ERRORS))
			buf[n++] = (uint8_t)dr;
	}
	return n;
}

static bool pl011_idle(struct uart *u)
{
	return !(reg_read(u, UARTFR) & FR_BUSY);
}

const struct uart_ops uart_pl011_ops = {
	.name	= "pl011",
	.init	= pl011_init,
	.write	= pl011_write,
	.read	= pl011_read,
	.idle	= pl011_idle,
};
