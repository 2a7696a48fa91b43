/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dump as frames to a receiver: docs/serial-protocol.md. What is sent, in which order, and what
 * the receiver may want again; not how bytes get there.
 */
#ifndef STUB_SESSION_H
#define STUB_SESSION_H

#include "capstub/serial.h"
#include "capstub/stopcode.h"
#include "stub/dead/capture.h"
#include "stub/format/frame.h"

/*
 * What carries bytes to the other side and back. It may lose and damage them; it is not asked to
 * repeat anything. The functions get the struct itself, and call idle() where they wait.
 */
struct transport {
	/* Encoded bytes, in any pieces. Waits until there is room; when dead, drops them. */
	frame_put put;
	/* A frame is whole: what had to wait for that may go now. @text: it was in text encoding */
	void (*end)(void *ctx, bool text);
	/* Move what can be moved without waiting; what came from the receiver goes into rx */
	void (*pump)(void *ctx);
	/* Wait until all of it is on its way */
	void (*drain)(void *ctx);
	/* bytes of a frame at most, SERIAL_UNIT and its surroundings at least */
	unsigned mtu;
	enum serial_mode mode;	/* while no receiver has said what can be carried */
	uint8_t escape[32];	/* bytes to be escaped in 8-bit encoding, see frame_enc_escape() */
	uint32_t baud;		/* 0: unknown */

	/* The session's */
	struct frame_dec *rx;
	bool in_frame;		/* a frame has begun and not ended */

	/* The transport's */
	bool dead;		/* takes nothing any more */
	bool late;		/* the overall deadline had passed when pump() last looked */
	uint64_t sent;		/* bytes */
};

/*
 * Send the dump over @t. Returns when the receiver has everything or, with nobody answering, when
 * everything was sent: STOP_OK, STOP_DEADLINE, or STOP_LINE_ERROR.
 */
enum capstub_stop session_run(struct capture *c, struct transport *t);

/* After an exception: end the frame at work, if any, so that every receiver throws it away */
void session_abort(void);

/* What happened, for messages and tests */
struct session_stats {
	uint64_t line_bytes;		/* everything that went out, when it is over */
	uint64_t payload_bytes;		/* compressed contents in it */
	uint64_t frames;
	uint64_t again_frames;		/* of those, asked for a second time or repeated */
	/* when a blob or pass was over, 0: not yet */
	uint64_t first_us[SERIAL_NR_BLOBS + SERIAL_MAX_PASSES];
	uint64_t first_bytes[SERIAL_NR_BLOBS + SERIAL_MAX_PASSES];	/* line bytes until then */
};
extern struct session_stats session_stats;

#endif
