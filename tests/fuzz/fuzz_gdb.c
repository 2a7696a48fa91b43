// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/dead/report.c stub/serve/gdb.c stub/serve/packet.c stub/serve/regs_x86_64.c */
/* needs: stub/dead/vmcore.c tests/unit/fake/dead.c */
/* needs: stub/uart.c drivers/uart/uart_16550.c drivers/uart/uart_pl011.c stub/idle.c */
/* needs: tests/unit/fake/arena.c tests/unit/fake/log.c */
/*
 * A hostile gdb. Lines of the input become packets with a good checksum; one that begins with "!"
 * is sent as it is. Whatever is asked, it ends, what goes out is whole packets and bounded, and
 * nothing is read but RAM (tests/unit/fake/dead.c). Nothing can be written: arch_write_mem() is not
 * even there.
 *
 * First byte: bit 0 packets are not acknowledged, 1 every second one is asked for again, 2 the UART
 * gets stuck, 3 a long log, 4 a page is lost, 5 no log; from bit 6 how many CPUs left their registers.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <io.h>

#include "stub/arch.h"
#include "stub/serve/gdb.h"
#include "tests/unit/fake/dead.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TIMEOUT_S    60u
#define IDLE_LOOKS   50u    /* so many looks at the clock with nothing to read or write, */
#define IDLE_STEP_US 50000u /* and time flies */

static struct {
	const uint8_t *p;
	size_t left;
	unsigned how;
	uint64_t now, busy_us, written, packets, minus;
	unsigned idle, answers;
	uint8_t rx[8192];
	size_t at, len;
	bool inside;
	unsigned digits;
	uint8_t sum, want;
} sim;

uint64_t arch_time_us(void)
{
	sim.now += sim.idle++ < IDLE_LOOKS ? 20 : IDLE_STEP_US;
	/* The last packet, and what may have been said about it to nobody */
	assert(sim.now - sim.busy_us < 2 * TIMEOUT_S * 1000000ULL);
	return sim.now;
}

void *arch_map_mmio(phys_addr_t pa, size_t len)
{
	(void)pa;
	(void)len;
	abort();
}

uint64_t fake_mmio_read(const void *p, unsigned size)
{
	(void)p;
	(void)size;
	abort();
}

void fake_mmio_write(void *p, unsigned size, uint64_t v)
{
	(void)p;
	(void)size;
	(void)v;
	abort();
}

uint32_t fake_pio_read(uint16_t port, unsigned size)
{
	(void)port;
	(void)size;
	abort();
}

void fake_pio_write(uint16_t port, unsigned size, uint32_t v)
{
	(void)port;
	(void)size;
	(void)v;
	abort();
}

static void put_rx(uint8_t c)
{
	if (sim.len < sizeof(sim.rx))
		sim.rx[sim.len++] = c;
	sim.minus += c == '-';
}

/* The next line of the script */
static void step(void)
{
	const uint8_t *end = memchr(sim.p, '\n', sim.left);
	size_t len = end ? (size_t)(end - sim.p) : sim.left, from = len && *sim.p == '!';
	char sum[3];
	uint8_t s = 0;

	sim.at = sim.len = 0;
	if (!from)
		put_rx('$');
	for (size_t i = from; i < len; i++) {
		put_rx(sim.p[i]);
		s = (uint8_t)(s + sim.p[i]);
	}
	if (!from) {
		snprintf(sum, sizeof(sum), "%02x", s);
		put_rx('#');
		put_rx((uint8_t)sum[0]);
		put_rx((uint8_t)sum[1]);
	}
	sim.packets++;
	sim.p += len + (end != NULL);
	sim.left -= len + (end != NULL);
}

static size_t wire_read(struct uart *u, uint8_t *buf, size_t len)
{
	(void)u;
	if (sim.at == sim.len && sim.left)
		step();
	len = min_u64(len, sim.len - sim.at);
	memcpy(buf, sim.rx + sim.at, len);
	sim.at += len;
	if (len) {
		sim.busy_us = sim.now;
		sim.idle = 0;
	}
	return len;
}

static void take(uint8_t c)
{
	if (sim.digits) {
		sim.want = (uint8_t)(sim.want << 4 | (c <= '9' ? c - '0' : c - 'a' + 10));
		if (--sim.digits)
			return;
		assert(sim.sum == sim.want);
		if (sim.at == sim.len)
			sim.at = sim.len = 0;
		if (!(sim.how & 1))
			put_rx(sim.how & 2 && sim.answers++ % 2 ? '-' : '+');
	} else if (!sim.inside) {
		assert(c == '$' || c == '+' || c == '-');
		sim.inside = c == '$';
		sim.sum = 0;
	} else if (c == '#') {
		sim.inside = false;
		sim.digits = 2;
	} else {
		assert(c >= ' ' && c <= '~' && c != '$' && c != '}');
		sim.sum = (uint8_t)(sim.sum + c);
	}
}

static size_t wire_write(struct uart *u, const uint8_t *buf, size_t len)
{
	(void)u;
	if (sim.how & 4 && sim.written > 300)
		return 0;
	len = min_u64(len, 16);
	sim.written += len;
	for (size_t i = 0; i < len; i++)
		take(buf[i]);
	sim.busy_us = sim.now;
	sim.idle = 0;
	return len;
}

static bool wire_idle(struct uart *u)
{
	(void)u;
	return true;
}

static const struct uart_ops ops = {
	.name = "simulated", .write = wire_write, .read = wire_read, .idle = wire_idle};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uart uart = {.ops = &ops};
	struct capture *c;

	memset(&sim, 0, sizeof(sim));
	if (!size)
		return 0;
	sim.how = *data;
	sim.p = data + 1;
	sim.left = size - 1;
	c = fake_dead_open(sim.how >> 6);
	fake_dead_log_times = sim.how & 8 ? 50 : 1;
	fake_dead_lost = sim.how & 16 ? DEAD_SECOND : 0;
	if (sim.how & 32)
		fake_dead_log = NULL;
	gdb_serve(c, &uart, TIMEOUT_S);
	/*
	 * An answer for each packet and each that was asked for again; the log at most for each
	 * packet
	 */
	assert(sim.written <= (sim.packets + sim.minus) * (2 * 8200 + (sim.how & 8 ? 20000 : 0)));
	return 0;
}
