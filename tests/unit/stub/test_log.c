// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is kept of the log: however much was said, its beginning and its end, whole lines, and how
 * much is missing in between.
 */
/* needs: stub/log.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stub/log.h"
#include "stub/uart.h"

#define ROOM	4096u

static char said[1 << 20];	/* all lines, as a log without a limit would have them */
static size_t said_len;
static char shown[1 << 20];	/* what went to the UART */
static size_t shown_len;

int uart_write(struct uart *u, const void *buf, size_t len)
{
	(void)u;
	if (shown_len + len <= sizeof(shown))
		memcpy(shown + shown_len, buf, len);
	shown_len += len;
	return 0;
}

void uart_flush(struct uart *u)
{
	(void)u;
}

/* The @n-th line, of a length that has nothing to do with its neighbours' */
static void say(unsigned n)
{
	static const char filler[] = "................................................................"
				     "................................................................";
	int len = (int)(n * 37 % (sizeof(filler) - 1));

	log_print(LOG_INFO, "line %u %.*s", n, len, filler);
	said_len += (size_t)sprintf(said + said_len, "capstub: line %u %.*s\n", n, len, filler);
}

/* Whole lines, each one that was said, in order; behind them zeros up to the end of the room */
static void check(unsigned lines)
{
	size_t len, head, tail;
	const char *text = log_text(&len), *mark, *behind;
	unsigned long left_out;
	char copy[ROOM + 1], last[64];

	assert_true(len && len <= ROOM && text[len - 1] == '\n');
	for (size_t i = len; i < ROOM; i++)
		assert_int_equal(text[i], 0);
	if (said_len <= ROOM) {
		assert_int_equal(len, said_len);
		assert_memory_equal(text, said, len);
		return;
	}
	snprintf(copy, sizeof(copy), "%.*s", (int)len, text);
	mark = strstr(copy, "\n... ");
	assert_non_null(mark);
	assert_int_equal(sscanf(mark + 1, "... %lu bytes left out ...\n", &left_out), 1);
	mark++;
	behind = strchr(mark, '\n') + 1;
	head = (size_t)(mark - copy);
	tail = (size_t)(copy + len - behind);
	assert_in_range(head, ROOM / 2 - 256, ROOM / 2);
	assert_memory_equal(text, said, head);
	assert_memory_equal(behind, said + said_len - tail, tail);
	assert_int_equal(said[said_len - tail - 1], '\n');
	assert_int_equal(head + left_out + tail, said_len);
	/* The line for which there was no room is the one that matters */
	snprintf(last, sizeof(last), "capstub: line %u ", lines - 1);
	assert_non_null(strstr(behind, last));
	assert_true(tail >= ROOM / 2 - 512);
}

static void test_both_ends(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 3000; n++) {
		say(n);
		check(n + 1);
	}
}

/* A console that is found late gets what is kept, and only whole lines */
static void test_late_console(void **state)
{
	static struct uart uart;
	size_t len, lines = 0;
	const char *text = log_text(&len);

	(void)state;
	log_set_console(&uart);
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	assert_int_equal(shown_len, len + lines);	/* CR LF for LF */
	log_set_console(NULL);
}

/* The line is somebody else's: nothing on it, all in the log */
static void test_mute(void **state)
{
	static struct uart uart;
	size_t before, len;

	(void)state;
	log_set_console(&uart);
	before = shown_len;
	log_mute(true);
	log_print(LOG_INFO, "kept");
	log_console("lost");
	assert_int_equal(shown_len, before);
	assert_non_null(strstr(log_text(&len), "capstub: kept\n"));
	log_mute(false);
	log_console("heard");
	assert_int_equal(shown_len, before + strlen("capstub: heard\r\n"));
	log_set_console(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ends),
		cmocka_unit_test(test_late_console),
		cmocka_unit_test(test_mute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
