// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * UARTs above the drivers: which driver, which mapping, and how long a stuck line may hold us up.
 * Nothing here is logged: the log may be what is being written.
 */
#include <cpu.h>
#include <errno.h>

#include "stub/timeout.h"
#include "stub/uart.h"

#define UART_16550_REGS	8
#define UART_PL011_LEN	0x1000

static int map_regs(struct uart *u, size_t len)
{
	if (!u->spec.addr)
		return -EINVAL;
	u->regs = arch_map_mmio(u->spec.addr, len);
	return u->regs ? 0 : -ENOMEM;
}

static int bind(struct uart *u)
{
	switch (u->spec.type) {
	case UART_16550_IO:
		if (!ARCH_HAS_PIO)
			return -ENODEV;
		if (u->spec.reg_shift > 4 || !u->spec.addr ||
		    !range_inside(u->spec.addr, UART_16550_REGS << u->spec.reg_shift, 0, 0x10000))
			return -EINVAL;
		u->ops = &uart_16550_ops;
		return 0;
	case UART_16550_MMIO:
	case UART_16550_MMIO32:
		if (u->spec.reg_shift > 4)
			return -EINVAL;
		u->ops = &uart_16550_ops;
		/* MMIO32 with shift 0 means 4 bytes apart: the larger of the two */
		return map_regs(u,
				UART_16550_REGS << (u->spec.reg_shift > 2 ? u->spec.reg_shift : 2));
	case UART_PL011:
		u->ops = &uart_pl011_ops;
		return map_regs(u, UART_PL011_LEN);
	default:
		return -EINVAL;
	}
}

int uart_open(struct uart *u, const struct uart_spec *spec)
{
	int rc;

	*u = (struct uart){ .spec = *spec, .rts_cts = spec->rts_cts };
	rc = bind(u);
	if (!rc)
		rc = u->ops->init(u);
	if (rc)
		*u = (struct uart){ .dead = true };
	return rc;
}

int uart_write(struct uart *u, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	struct deadline stall;

	if (u->dead)
		return -ETIMEDOUT;

	stall = deadline_in_us(UART_STALL_US);
	while (len) {
		/*
		 * Looked at before the try: a pause of ours between the two must not kill the line
		 */
		bool late = deadline_passed(stall);
		size_t n = u->ops->write(u, p, len);

		if (n) {
			p += n;
			len -= n;
			stall = deadline_in_us(UART_STALL_US);
		} else if (late) {
			u->dead = true;
			return -ETIMEDOUT;
		} else {
			idle();
		}
	}
	return 0;
}

void uart_flush(struct uart *u)
{
	if (!u->dead && poll_until_us(u->ops->idle(u), UART_STALL_US))
		u->dead = true;
}
