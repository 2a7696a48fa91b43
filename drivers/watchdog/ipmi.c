// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The watchdog of a baseboard management controller (IPMI 2.0, ch. 27), reached by its KCS interface
 * (ch. 9). The controller takes its time for each byte, so feeding it is a state machine that idle()
 * moves: at each call some looks at the status, and the bytes that are due. A byte that is not taken
 * within KCS_BYTE_US fails the command; after MAX_FAILURES in a row the controller is left alone for
 * good.
 */
#include <errno.h>
#include <string.h>

#include "drivers/watchdog/ipmi_find.h"
#include "drivers/watchdog/watchdog.h"
#include "stub/timeout.h"

/* Status (§9.7) and control codes (§9.10) */
#define STATUS_OBF	BIT(0)		/* there is a byte for us */
#define STATUS_IBF	BIT(1)		/* ours was not taken yet */
#define STATUS_STATE	GENMASK(7, 6)
enum kcs_state { STATE_IDLE, STATE_READ, STATE_WRITE, STATE_ERROR };
#define GET_STATUS	0x60		/* aborts what is under way */
#define WRITE_START	0x61
#define WRITE_END	0x62
#define READ_BYTE	0x68

#define KCS_BYTE_US	5000000		/* §9.15 leaves it open; Linux waits as long */
#define KCS_COMMAND_US	30000000	/* in probe(), which waits */
#define MAX_FAILURES	3
#define LOOKS		16		/* in one call from idle(): some 50 us of port accesses */
#define MAX_RESPONSE	64		/* bytes; more is a controller gone mad */

#define NETFN_APP	(0x06 << 2)
#define CMD_RESET	0x22
#define CMD_SET		0x24
#define CMD_GET		0x25
#define COUNT_MS	100

enum response { RSP_CODE = 2, RSP_USE, RSP_ACTIONS, RSP_PRE, RSP_FLAGS, RSP_INITIAL, RSP_PRESENT = 9,
		RSP_LEN = 11 };
#define USE_RUNS	BIT(6)		/* in Set: go on running */
#define USE_KEEP	(BIT(7) | GENMASK(2, 0))	/* do not log; whose timer it is */
#define ACTION_MASK	GENMASK(2, 0)	/* 0: none */

enum phase {
	DONE,
	FAILED,
	BEGIN,
	WRITE,
	WRITE_LAST,
	READ,
	ABORT,
	ABORT_DATA,
	ABORT_READ,
	ABORT_END,
};

static struct kcs {
	struct watchdog_reg regs;
	unsigned spacing;
	enum phase phase;
	uint8_t failures;
	uint8_t pos, len;
	uint8_t request[8];
	uint8_t response[RSP_LEN];
	uint64_t moved_us;
} kcs;

static void begin(const uint8_t *request, uint8_t len)
{
	memcpy(kcs.request, request, len);
	memset(kcs.response, 0xff, sizeof(kcs.response));
	kcs.len = len;
	kcs.phase = BEGIN;
	kcs.moved_us = arch_time_us();
}

static bool busy(void)
{
	return kcs.phase > FAILED;
}

static uint8_t get_data(void)
{
	return (uint8_t)watchdog_read(&kcs.regs, 0, 1);
}

static void put_data(uint8_t byte)
{
	watchdog_write(&kcs.regs, 0, 1, byte);
}

static void put_control(uint8_t code)
{
	watchdog_write(&kcs.regs, kcs.spacing, 1, code);
}

/* §9.12, figure 9-6: one byte. True: there was one to take */
static bool move_write(enum kcs_state state)
{
	bool last = kcs.pos == kcs.len - 1;

	if (state != STATE_WRITE) {
		kcs.phase = ABORT;
		return true;
	}
	get_data();
	if (kcs.phase == WRITE && last) {
		put_control(WRITE_END);
		kcs.phase = WRITE_LAST;
		return true;
	}
	put_data(kcs.request[kcs.pos++]);
	if (last) {
		kcs.phase = READ;
		kcs.pos = 0;
	}
	return true;
}

/* Figure 9-7. Some controllers leave out the last byte, which says nothing, so it is not waited for. */
static bool move_read(enum kcs_state state, bool obf)
{
	uint8_t byte;

	if (state != STATE_READ && state != STATE_IDLE) {
		kcs.phase = ABORT;
		return true;
	}
	if (state == STATE_READ && !obf)
		return false;
	byte = get_data();
	if (state == STATE_IDLE) {
		kcs.phase = kcs.response[0] == (NETFN_APP | 4) && kcs.response[1] == kcs.request[1] &&
			    !kcs.response[RSP_CODE] ? DONE : FAILED;
		return true;
	}
	if (kcs.pos < sizeof(kcs.response))
		kcs.response[kcs.pos] = byte;
	if (++kcs.pos == MAX_RESPONSE)
		kcs.phase = ABORT;
	else
		put_data(READ_BYTE);
	return true;
}

/* Figure 9-8. The command has failed whatever comes of it; the next one finds the interface idle. */
static bool move_abort(enum kcs_state state, bool obf)
{
	if (kcs.phase == ABORT) {
		put_control(GET_STATUS);
		kcs.phase = ABORT_DATA;
		return true;
	}
	if (kcs.phase == ABORT_DATA) {
		get_data();
		put_data(0);
		kcs.phase = ABORT_READ;
		return true;
	}
	if (kcs.phase == ABORT_READ && state == STATE_READ) {
		if (!obf)
			return false;
		get_data();
		put_data(READ_BYTE);
		kcs.phase = ABORT_END;
		return true;
	}
	get_data();
	kcs.phase = FAILED;
	return true;
}

/* One look, and what is due. False: nothing is yet */
static bool move(uint8_t status)
{
	enum kcs_state state = (enum kcs_state)FIELD_GET(STATUS_STATE, status);
	bool obf = status & STATUS_OBF;

	switch (kcs.phase) {
	case BEGIN:
		kcs.pos = 0;
		get_data();
		kcs.phase = state == STATE_IDLE ? WRITE : ABORT;
		if (kcs.phase == WRITE)
			put_control(WRITE_START);
		return true;
	case WRITE:
	case WRITE_LAST:
		return move_write(state);
	case READ:
		return move_read(state, obf);
	default:
		return move_abort(state, obf);
	}
}

/* False: nothing more to be done now */
static bool step(void)
{
	uint8_t status = (uint8_t)watchdog_read(&kcs.regs, kcs.spacing, 1);
	uint64_t now = arch_time_us();

	if (status == 0xff) {
		/* Nobody is there any more */
		kcs.phase = FAILED;
		kcs.failures = MAX_FAILURES;
	} else if (!(status & STATUS_IBF) && move(status)) {
		kcs.moved_us = now;
	} else if (now - kcs.moved_us >= KCS_BYTE_US) {
		kcs.phase = FAILED;
	} else {
		return false;
	}
	if (kcs.phase == DONE)
		kcs.failures = 0;
	else if (kcs.phase == FAILED && kcs.failures < MAX_FAILURES)
		kcs.failures++;
	return busy();
}

/* Waits. True: *response is the answer */
static bool command(const uint8_t *request, uint8_t len)
{
	while (kcs.failures < MAX_FAILURES) {
		begin(request, len);
		if (poll_until_us((step(), !busy()), KCS_COMMAND_US))
			return false;
		if (kcs.phase == DONE)
			return true;
	}
	return false;
}

static const uint8_t reset_request[] = { NETFN_APP, CMD_RESET };

static bool feed(void)
{
	if (kcs.failures >= MAX_FAILURES)
		return false;
	if (!busy())
		begin(reset_request, sizeof(reset_request));
	for (unsigned i = 0; i < LOOKS && step(); i++)
		;
	return busy() || (kcs.phase == FAILED && kcs.failures < MAX_FAILURES);
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static int probe(const struct watchdog_env *env, struct watchdog_time *ret)
{
	static const uint8_t get_request[] = { NETFN_APP, CMD_GET };
	uint8_t set[8] = { NETFN_APP, CMD_SET }, *r = kcs.response;
	struct ipmi_kcs_place at;

	memset(&kcs, 0, sizeof(kcs));
	if (ipmi_find_kcs(env, &at) ||
	    watchdog_map(env, at.io, at.addr, at.spacing + 1, 1, &kcs.regs))
		return -ENOENT;
	kcs.spacing = at.spacing;
	if (!command(get_request, sizeof(get_request)) || !(r[RSP_USE] & USE_RUNS) ||
	    !(r[RSP_ACTIONS] & ACTION_MASK) || !get16(r + RSP_PRESENT) || get16(r + RSP_PRESENT) == 0xffff)
		return -ENOENT;
	ret->was_ms = ret->now_ms = get16(r + RSP_INITIAL) * COUNT_MS;
	if (!env->keep && ret->was_ms < WATCHDOG_GOAL_MS) {
		/* §27.6: with this bit it runs on; all but the time stays as it is */
		set[2] = (uint8_t)(USE_RUNS | (r[RSP_USE] & USE_KEEP));
		set[3] = r[RSP_ACTIONS];
		set[4] = r[RSP_PRE];
		set[6] = (uint8_t)(WATCHDOG_GOAL_MS / COUNT_MS);
		set[7] = (uint8_t)(WATCHDOG_GOAL_MS / COUNT_MS >> 8);
		if (command(set, sizeof(set)))
			ret->now_ms = WATCHDOG_GOAL_MS;
	}
	return command(reset_request, sizeof(reset_request)) ? 0 : -ENOENT;
}

const struct watchdog ipmi_watchdog = { "IPMI", 5000, probe, feed };
