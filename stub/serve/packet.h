/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets of gdb's remote serial protocol over a UART: "$" contents "#" checksum, answered by "+"
 * or "-" until that is switched off (gdb manual, appendix "gdb Remote Serial Protocol", Overview
 * and Packet Acknowledgment).
 */
#ifndef STUB_GDB_PACKET_H
#define STUB_GDB_PACKET_H

#include "stub/uart.h"

#define PACKET_MAX	8192u	/* contents; what gdb is told as PacketSize */

struct packets {
	struct uart *u;
	uint64_t timeout_us;	/* without a packet, and nobody is there any more */
	bool no_ack;
	bool begun;		/* the "$" of a packet was taken in already */
	unsigned at, nr;	/* in chunk */
	uint8_t chunk[16];
	unsigned sent;		/* in piece, which goes to the UART as a whole */
	uint8_t sum;		/* of the packet so far */
	uint8_t piece[64];
	size_t out_len;
	char in[PACKET_MAX + 1];	/* NUL-terminated; contents may have NULs of their own */
	char out[PACKET_MAX];
};

/*
 * Wait for a packet with a good checksum: in p->in. One that is too long is there as an empty one.
 * False: nobody sent any for p->timeout_us, or the overall deadline passed. What the other side did
 * not get is sent again meanwhile.
 */
bool packet_get(struct packets *p);

/*
 * Send p->out, p->out_len bytes, none of them "#", "$", "*" or "}", with runs of a byte shortened
 */
void packet_put(struct packets *p);

/*
 * The same for one of several: the next may be sent. False: there should be none, because the other
 * side interrupts, asks something new, or takes nothing.
 */
bool packet_put_more(struct packets *p);

#endif
