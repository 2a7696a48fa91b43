// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The log: console now, log area of the target later. See stub/log.h.
 *
 * Lines are formatted on the stack and never wait for anything but the UART, whose patience is
 * bounded (stub/uart.c). There is no way to fail: a log that cannot be kept must not cost the dump.
 */
#include "stub/log.h"

#include <stdio.h>
#include <string.h>

#include "stub/arch.h"
#include "stub/uart.h"

#define LOG_TEXT_MAX	4096	/* what is kept for the log area; enough for some 50 lines */
#define LOG_HEAD_MAX	2048	/* of that, what is never given up: the first lines */
/* On the stack, and long enough for the summary. Longer lines are cut. */
#define LOG_LINE_MAX	256

static char text[LOG_TEXT_MAX] __attribute__((aligned(4096)));	/* DMA goes straight from here */
static size_t text_len;
/* The line that says how much is missing: where it is, its length (0: all is there), what it says */
static size_t gap_at, gap_len;
static unsigned long left_out;
static struct uart *console;
static bool muted;

/*
 * Console lines end in CR LF: a terminal behind a UART wants both, and log collectors drop the CR
 */
static void console_line(const char *line, size_t len)
{
	if (!console || muted)
		return;
	uart_write(console, line, len);
	uart_write(console, "\r\n", 2);
}

/*
 * vsnprintf() returns what would have been written: a line that was cut would claim bytes behind
 * the buffer. @line has LOG_LINE_MAX bytes.
 */
static size_t format_line(char *line, const char *fmt, va_list ap)
{
	int prefix = snprintf(line, LOG_LINE_MAX, "capstub: ");
	int len = vsnprintf(line + prefix, (size_t)(LOG_LINE_MAX - prefix), fmt, ap);

	if (len < 0)
		len = 0;
	return min_u64((uint64_t)(prefix + len), LOG_LINE_MAX - 1);
}

/*
 * Give up the oldest lines behind the first ones until @len bytes fit: what began it all and what
 * ended it both stay. No more than half of the room is ever moved, for lines of which there are few.
 */
static void make_room(size_t len)
{
	char gap[64];
	size_t from;

	if (!gap_len) {
		for (gap_at = min_u64(LOG_HEAD_MAX, text_len); gap_at && text[gap_at - 1] != '\n'; gap_at--)
			;
	}
	from = gap_at + gap_len;
	do {
		const char *end = memchr(text + from, '\n', text_len - from);
		size_t next = end ? (size_t)(end - text) + 1 : text_len;

		left_out += next - from;
		from = next;
		gap_len = (size_t)snprintf(gap, sizeof(gap), "... %lu bytes left out ...\n", left_out);
	} while (from < text_len && gap_at + gap_len + (text_len - from) + len > LOG_TEXT_MAX);
	memmove(text + gap_at + gap_len, text + from, text_len - from);
	memcpy(text + gap_at, gap, gap_len);
	from = gap_at + gap_len + (text_len - from);
	if (from < text_len)
		memset(text + from, 0, text_len - from);
	text_len = from;
}

/* Levels are decided at compile time (log_at()) and not printed: the words say how bad it is */
void log_print(enum log_level level, const char *fmt, ...)
{
	char line[LOG_LINE_MAX];
	va_list ap;
	size_t len;

	(void)level;
	va_start(ap, fmt);
	len = format_line(line, fmt, ap);
	va_end(ap);

	if (len + 1 > LOG_TEXT_MAX - text_len)
		make_room(len + 1);
	memcpy(text + text_len, line, len);
	text[text_len + len] = '\n';
	text_len += len + 1;
	console_line(line, len);
}

void log_console(const char *fmt, ...)
{
	char line[LOG_LINE_MAX];
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	len = format_line(line, fmt, ap);
	va_end(ap);
	console_line(line, len);
}

const char *log_text(size_t *ret_len)
{
	*ret_len = text_len;
	return text;
}

/*
 * What was said before there was a console is said now, a line at a time as log_print() would have
 */
void log_set_console(struct uart *u)
{
	const char *line = text;

	console = u;
	while (line < text + text_len) {
		const char *end = memchr(line, '\n', (size_t)(text + text_len - line));

		console_line(line, (size_t)(end - line));
		line = end + 1;
	}
}

void log_mute(bool mute)
{
	muted = mute;
}

void log_flush(void)
{
	if (console)
		uart_flush(console);
}
