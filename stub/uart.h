/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A UART: the console, or the line a dump goes over. Drivers: drivers/uart/uart_16550.c,
 * drivers/uart/uart_pl011.c.
 */
#ifndef STUB_UART_H
#define STUB_UART_H

#include "stub/boot/boot_info.h"

struct uart;

struct uart_ops {
	const char *name;
	/*
	 * Make the UART usable whatever state it was left in: FIFO on, loopback off, interrupts
	 * off, baud only when spec.baud is not 0. Returns -ENODEV when nothing answers at the
	 * address.
	 */
	int (*init)(struct uart *u);
	/*
	 * Queue up to @len bytes without waiting longer than a FIFO drain. Returns bytes taken, 0:
	 * FIFO full.
	 */
	size_t (*write)(struct uart *u, const uint8_t *buf, size_t len);
	/* Received bytes without waiting, at most @len. Returns their number. */
	size_t (*read)(struct uart *u, uint8_t *buf, size_t len);
	/* Has everything left the transmitter (shift register too)? */
	bool (*idle)(struct uart *u);
};

struct uart {
	const struct uart_ops *ops;
	struct uart_spec spec;
	void *regs;		/* MMIO mapping, NULL for ports */
	unsigned fifo_len;	/* bytes the empty transmitter takes; the driver's */
	bool rts_cts;		/* honour CTS before sending */
	bool dead;		/* a write deadline passed: nothing is sent any more */
};

extern const struct uart_ops uart_16550_ops;
extern const struct uart_ops uart_pl011_ops;

/*
 * Bind the driver for @spec and initialise it. 0 or -errno; then @u has no ops. Storage belongs to
 * the caller.
 */
int uart_open(struct uart *u, const struct uart_spec *spec);

/*
 * Send all of @buf. A transmitter that takes no byte for UART_STALL_US makes the UART dead
 * (-ETIMEDOUT): later calls return at once, so a stuck line costs one deadline, not one per byte.
 */
int uart_write(struct uart *u, const void *buf, size_t len);

/* Wait until everything is on the wire, at most UART_STALL_US without progress. */
void uart_flush(struct uart *u);

#define UART_STALL_US	500000

#endif
