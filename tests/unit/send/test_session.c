// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A dump over a line to nobody, of a machine whose RAM is in more pieces than META can carry. The
 * protocol itself is tested with the receiver, by tests/line and tests/fuzz/fuzz_serial.c.
 */
/* needs: stub/send/session.c stub/dead/select.c stub/dead/kallsyms.c stub/dead/vmcore.c stub/dead/meta.c */
/* needs: stub/dead/pages.c stub/dead/dmesg.c stub/dead/report.c stub/idle.c */
/* needs: tests/unit/fake/arena.c tests/unit/fake/clock.c tests/unit/fake/log.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "stub/send/session.h"
#include "tests/unit/fake/bus.h"

#define RANGES	(SERIAL_MAX_RANGES + 3)

static struct memory_range ranges[RANGES];
static struct vmcoreinfo vi;
static struct cmdline cl = { .level = 31 };
static struct capture capture;

const char *log_text(size_t *ret_len)
{
	*ret_len = 0;
	return "";
}

static int read_zeros(void *dst, phys_addr_t pa, size_t len)
{
	(void)pa;
	memset(dst, 0, len);
	return 0;
}

static void put(void *ctx, const uint8_t *buf, size_t len)
{
	struct transport *t = ctx;

	(void)buf;
	t->sent += len;
}

static void end(void *ctx, bool text)
{
	(void)ctx;
	(void)text;
}

static void nothing(void *ctx)
{
	(void)ctx;
}

/* Ranges of one page and, the last one, of two, with a gap before each */
static enum capstub_stop send(unsigned nr)
{
	struct transport t = {
		.put = put, .end = end, .pump = nothing, .drain = nothing,
		.mtu = SERIAL_FRAME_MAX, .mode = SERIAL_MODE_8BIT,
	};
	struct capture *c = &capture;

	memset(c, 0, sizeof(*c));
	c->vi = &vi;
	c->cl = &cl;
	c->vc.read = read_zeros;
	c->vc.page_size = 4096;
	c->vc.ranges = ranges;
	c->vc.nr_ranges = c->vc.max_ranges = nr;
	for (uint64_t i = 0; i < nr; i++)
		ranges[i] = (struct memory_range){ i * 0x4000, i * 0x4000 + (i + 1 < nr ? 0x1000 : 0x2000),
						   i * 0x4000, 0 };
	vtop_init(&c->vt, &c->vc, &vi);
	fake_log_reset();
	return session_run(c, &t);
}

static void test_ranges(void **state)
{
	(void)state;
	assert_int_equal(send(SERIAL_MAX_RANGES), STOP_OK);
	assert_false(fake_log_has("ranges"));
	assert_int_equal(send(RANGES), STOP_RAM_MISSING);
	/* Three are left: two of a page, one of two */
	assert_true(fake_log_has("serial: no room for more than 992 ranges: 3 of RAM, 16 KiB, are not sent"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
