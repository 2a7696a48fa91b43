/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The receiving side of the serial protocol (docs/serial-protocol.md) for one line: takes the line's bytes, writes the files
 * of each capture it carries, and says what to send back. Knows nothing of terminals and clocks, so that a simulated line and
 * a fuzzer drive it as the real one does.
 */
#ifndef TOOLS_RECV_SESSION_H
#define TOOLS_RECV_SESSION_H

#include <stdio.h>

#include "capstub/label.h"
#include "stub/format/frame.h"
#include "tools/recv/recv_store.h"
#include "tools/recv/spans.h"

#define SESSION_STREAMS		(SERIAL_NR_BLOBS + SERIAL_MAX_PASSES)	/* blobs, then passes */
#define SESSION_PROBE_MAX	2048u
#define SESSION_LOSSES		32u	/* frames over which the loss rate is judged */

/* One capture. There may be several in a recorded log; a line has one at a time. */
struct capture_state {
	bool used;
	uint64_t session;
	uint16_t tag;			/* its low 16 bits, in every frame */
	bool have_meta, done;
	char *dir;
	struct store store;
	struct serial_meta meta;
	struct spans got[SESSION_STREAMS];
	uint64_t total[SESSION_STREAMS];	/* of blobs, when known */
	bool total_known[SESSION_STREAMS];
	unsigned front;			/* the newest stream in the order of sending: what stands before it should be here */
	uint64_t front_pos;
	uint64_t plan[SERIAL_MAX_PASSES];
	bool have_plan, have_result;
	struct capstub_label result;
	uint32_t sequence;		/* next one expected */
	bool any_sequence;
	uint64_t frames, again, lost, rejected;
	uint64_t units;			/* contents received */
	uint64_t saved_ms;		/* state file written */
	bool dirty;
};

#define SESSION_PAST	16u
#define SESSION_KNOWN	16u

struct session_known {
	uint16_t tag;
	size_t len;
	uint8_t meta[STORE_META_MAX];
};

struct session {
	const char *out;		/* folder for captures */
	const char *name;		/* of the line, begins their names */
	bool quiet;			/* no note when a capture begins or ends */
	bool two_way;			/* there is a way back */
	void (*send)(void *ctx, const uint8_t *buf, size_t len);
	void (*text)(void *ctx, const uint8_t *buf, size_t len);	/* console text; may be NULL */
	void *ctx;

	struct frame_dec dec;
	uint8_t *frame;
	struct capture_state cap;
	uint64_t captures;		/* begun on this line */
	uint64_t past[SESSION_PAST];
	unsigned nr_past;
	struct session_known *known;	/* NULL: not looked for */
	unsigned nr_known;
	uint64_t nr_looked;		/* good frames seen on the way */
	uint64_t foreign;		/* frames of a capture whose beginning was not seen */
	uint64_t bytes, now_ms;

	bool probing, probed;
	size_t probe_len;
	uint8_t probe[SESSION_PROBE_MAX];
	enum serial_mode mode;		/* what the stub is asked for */
	unsigned units;
	uint8_t map[32];
	uint64_t losses;		/* a bit for each of the last frames: lost */
	bool heard;			/* a frame has come: answers make sense */
	uint64_t frame_ms, ctrl_ms, request_ms;
	uint16_t request;
	bool waiting;			/* for SERIAL_SERVED of that request */
	uint32_t sequence;
	uint8_t wants[256];		/* of the request, as sent */
	size_t wants_len;
	unsigned nr_wants;
	uint64_t requests;
	uint64_t rest_s;		/* until the end, as it looks; 0: not known */
	uint64_t rest_ms, rest_units;	/* when the estimate began, and with how many units */
};

void session_init(struct session *s);
void session_free(struct session *s);
/*
 * A recorded log may be looked through for headers first: feed it to @dec, which this prepares (@frame: SERIAL_FRAME_MAX bytes),
 * then from its beginning to session_feed().
 */
void session_look(struct session *s, struct frame_dec *dec, uint8_t *frame);
/* Bytes from the line */
void session_feed(struct session *s, const uint8_t *buf, size_t len, uint64_t now_ms);
/* Time passes: sends what is due. Returns in how many ms to call again. */
unsigned session_tick(struct session *s, uint64_t now_ms);
/* The line ended: make the best of what is here. 0: a capture is whole, 1: one is incomplete, 2: there was none. */
int session_end(struct session *s);

/* Which of 0 .. 255 did not come through a probe: bits in @map; their number */
unsigned probe_analyse(const uint8_t *got, size_t len, uint8_t *map);

/* How far the capture at work is, 0 .. 1000; -1 if that is not known */
int session_permille(const struct session *s);
/* A line for people: what is here and what is missing */
void session_report(const struct session *s, FILE *f);

#endif
