/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dump over a serial line (stub/send/session.h). Uses the UART through its ops, so that a host
 * program can put a simulated line in its place.
 */
#ifndef STUB_LINE_H
#define STUB_LINE_H

#include "stub/send/session.h"
#include "stub/uart.h"

struct line_options {
	enum serial_mode mode;	/* while no receiver has said what the line can carry */
	bool xon_xoff;		/* escape these two in 8-bit encoding, and obey them for long */
};

/*
 * Send the dump over @u, which is open. If it is the console as well, what is logged meanwhile
 * comes between frames. Returns as session_run() does.
 */
enum capstub_stop line_dump(struct capture *c, struct uart *u, const struct line_options *opt);

/* After an exception: end the frame at work, if any, so that the console can be read again */
void line_abort(void);

#endif
