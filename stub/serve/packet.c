// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See stub/serve/packet.h. The line loses and adds bytes, and the other side may be anything: a
 * packet counts by its checksum alone, and nothing that is received makes this send without end or
 * wait without idle().
 */
#include "stub/serve/packet.h"

#include <string.h>

#include "stub/arch.h"
#include "stub/format/uuid.h"
#include "stub/idle.h"

#define INTERRUPT	3	/* what gdb sends for ^C, outside of packets */
#define ACK_US		2000000	/* for the answer to one of several packets, and for all tries */
#define RUN_MAX		97u	/* so many more of a byte: "~" is the last count there is */
#define RUN_MIN		3u	/* less gains nothing */
#define RUN_BIAS	29u

/* What comes in next, -1: nothing so far */
static int next_byte(struct packets *p)
{
	if (p->at == p->nr) {
		p->at = 0;
		p->nr = (unsigned)p->u->ops->read(p->u, p->chunk, sizeof(p->chunk));
	}
	return p->at < p->nr ? p->chunk[p->at++] : -1;
}

static void flush(struct packets *p)
{
	uart_write(p->u, p->piece, p->sent);
	p->sent = 0;
}

static void send_byte(struct packets *p, int c)
{
	if (p->sent == sizeof(p->piece))
		flush(p);
	p->piece[p->sent++] = (uint8_t)c;
	p->sum = (uint8_t)(p->sum + c);
}

/* Counts that look like the beginning or the end of a packet, or like an answer, are avoided */
static unsigned run_length(const char *p, size_t left)
{
	unsigned n = 0;

	while (n < RUN_MAX && n + 1 < left && p[n + 1] == *p)
		n++;
	while (strchr("#$+-", (int)(n + RUN_BIAS)))
		n--;
	return n < RUN_MIN ? 0 : n;
}

/* A line that was given up for dead gets another chance: somebody has plugged in */
void packet_put(struct packets *p)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t sum;

	p->u->dead = false;
	send_byte(p, '$');
	p->sum = 0;
	for (size_t i = 0; i < p->out_len; i++) {
		unsigned n = run_length(p->out + i, p->out_len - i);

		send_byte(p, p->out[i]);
		if (n) {
			send_byte(p, '*');
			send_byte(p, (int)(n + RUN_BIAS));
			i += n;
		}
	}
	sum = p->sum;
	send_byte(p, '#');
	send_byte(p, digits[sum >> 4]);
	send_byte(p, digits[sum & 15]);
	flush(p);
}

static void acknowledge(struct packets *p, char c)
{
	if (p->no_ack)
		return;
	p->u->dead = false;
	uart_write(p->u, &c, 1);
}

bool packet_get(struct packets *p)
{
	enum { OUTSIDE, INSIDE, FIRST, SECOND } state = p->begun ? INSIDE : OUTSIDE;
	uint64_t since = arch_time_us();
	char digits[3] = "";
	const char *sum_text;
	size_t len = 0;
	uint8_t sum = 0, want;

	p->begun = false;
	while (arch_time_us() - since < p->timeout_us && !idle_deadline_over()) {
		int c = next_byte(p);

		if (c < 0) {
			idle();
			continue;
		}
		idle_busy();
		if (c == '$') {
			state = INSIDE;
			len = sum = 0;
		} else if (state == OUTSIDE) {
			if (c == '-' && !p->no_ack)
				packet_put(p);
		} else if (state == INSIDE && c != '#') {
			if (len < PACKET_MAX)
				p->in[len] = (char)c;
			len++;
			sum = (uint8_t)(sum + c);
		} else if (state != SECOND) {
			if (state == FIRST)
				digits[0] = (char)c;
			state++;
		} else {
			state = OUTSIDE;
			digits[1] = (char)c;
			sum_text = digits;
			if (parse_hex(&sum_text, &want, 1) || sum != want) {
				acknowledge(p, '-');
				continue;
			}
			p->in[len <= PACKET_MAX ? len : 0] = 0;
			/*
			 * Only a gdb that has just come asks this, and it waits for the answer to
			 * every packet
			 */
			if (!strncmp(p->in, "qSupported", 10))
				p->no_ack = false;
			acknowledge(p, '+');
			return true;
		}
	}
	return false;
}

bool packet_put_more(struct packets *p)
{
	uint64_t since = arch_time_us();

	packet_put(p);
	while (!p->u->dead && arch_time_us() - since < ACK_US) {
		int c = next_byte(p);

		p->begun = c == '$';
		if (p->begun || c == INTERRUPT)
			return false;
		if (c == '-' && !p->no_ack)
			packet_put(p);
		else if (c == '+' || (c < 0 && p->no_ack))
			return true;
		idle();
	}
	return false;
}
