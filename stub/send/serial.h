/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dump over a serial line: docs/serial-protocol.md. Uses the UART through its ops, so that a
 * host program can put a simulated line in its place.
 */
#ifndef STUB_SERIAL_H
#define STUB_SERIAL_H

#include "capstub/serial.h"
#include "capstub/stopcode.h"
#include "stub/dead/capture.h"
#include "stub/uart.h"

struct serial_options {
	enum serial_mode mode;	/* while no receiver has said what the line can carry */
	bool xon_xoff;		/* escape these two in 8-bit encoding, and obey them for long */
};

/*
 * Send the dump over @u, which is open. If it is the console as well, what is logged meanwhile
 * comes between frames. Returns when the receiver has everything or, with nobody answering, when
 * everything was sent: STOP_OK, or STOP_LINE_ERROR.
 */
enum capstub_stop serial_dump(struct capture *c, struct uart *u, const struct serial_options *opt);

/* After an exception: end the frame at work, if any, so that the console can be read again */
void serial_abort(void);

/* What happened on the line, for messages and tests */
struct serial_stats {
	uint64_t line_bytes;		/* everything that went out */
	uint64_t payload_bytes;		/* compressed contents in it */
	uint64_t frames;
	uint64_t again_frames;		/* of those, asked for a second time or repeated */
	/* when a blob or pass was over, 0: not yet */
	uint64_t first_us[SERIAL_NR_BLOBS + SERIAL_MAX_PASSES];
	uint64_t first_bytes[SERIAL_NR_BLOBS + SERIAL_MAX_PASSES];	/* line bytes until then */
};
extern struct serial_stats serial_stats;

#endif
