// SPDX-License-Identifier: GPL-2.0-or-later
/* Shared parts of the host tool: see tools/util.h. Nothing here knows of dumps or targets. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/util.h"

#define PROGRESS_TTY_S	0.2	/* between two drawings of the bar */
#define PROGRESS_LOG_S	5.0	/* between two lines when nobody watches */
#define PROGRESS_QUIET_S 0.5	/* shorter work shows nothing */
#define PROGRESS_BAR	24	/* characters */

int fail(int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("capstub: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	return rc;
}

/*
 * The end of the file is an error of its own and not a short count: every caller asks for bytes
 * that a header or label has promised, and none could go on with fewer
 */
int read_at(int fd, void *buf, size_t len, uint64_t offset)
{
	char *p = buf;

	while (len) {
		ssize_t n = pread(fd, p, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		p += n;
		offset += (size_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/*
 * A short count is no error yet: the next call says what was wrong (a disk that filled up), or goes
 * on
 */
int write_at(int fd, const void *buf, size_t len, uint64_t offset)
{
	const char *p = buf;

	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		offset += (size_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* One of eight buffers in turn: enough for the arguments of one printf */
static char *scratch(void)
{
	static char bufs[8][40];
	static unsigned next;

	return bufs[next++ % 8];
}

const char *human_bytes(uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	char *s = scratch();
	double v = (double)bytes;
	unsigned u = 0;

	while (v >= 1024 && u < 6) {
		v /= 1024;
		u++;
	}
	/* 1023.97 would round up to "1024.0 KiB" */
	if (v >= 1023.95 && u < 6) {
		v /= 1024;
		u++;
	}
	snprintf(s, 40, u ? "%.1f %s" : "%.0f %s", v, units[u]);
	return s;
}

const char *human_us(uint64_t us)
{
	char *s = scratch();

	if (us < 1000)
		snprintf(s, 40, "%" PRIu64 " us", us);
	else if (us < 1000000)
		snprintf(s, 40, "%" PRIu64 " ms", us / 1000);
	else if (us < 600 * 1000000ULL)
		snprintf(s, 40, "%.1f s", (double)us / 1e6);
	else
		snprintf(s, 40, "%.1f min", (double)us / 6e7);
	return s;
}

/*
 * UTC: the machine that crashed, the one that saves and the reader may be in three time zones. A
 * time from a damaged header may be no date at all.
 */
const char *human_time(int64_t t)
{
	time_t when = (time_t)t;
	struct tm tm;
	char *s = scratch();

	if (t == 0 || !gmtime_r(&when, &tm) || !strftime(s, 40, "%Y-%m-%d %H:%M:%S UTC", &tm))
		strcpy(s, "unknown");
	return s;
}

/*
 * K, KB and KiB are all 1024: a size here is of a disk or file, where nobody wants the other one.
 * No sign (strtoull() would take a minus and return a huge number), and a sum that does not fit is
 * refused. "1.5G": decimal places, of which six count, need a suffix; what is no whole byte is cut off.
 */
int parse_bytes(const char *text, uint64_t *ret)
{
	static const char suffixes[] = "KMGTPE";
	const char *suffix;
	unsigned shift = 0, micro = 0, digit = 1000000;
	uint64_t v, part;
	bool point;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	v = strtoull(text, &end, 0);
	if (errno)
		return -EINVAL;
	point = *end == '.';
	if (point && (end[1] < '0' || end[1] > '9'))
		return -EINVAL;
	if (point)
		for (end++; *end >= '0' && *end <= '9'; end++)
			micro += (digit /= 10) * (unsigned)(*end - '0');
	if (*end || point) {
		suffix = strchr(suffixes, *end & ~0x20);
		if (!suffix || !*suffix)
			return -EINVAL;
		shift = 10 * (unsigned)(suffix - suffixes + 1);
		end++;
		if (!strcmp(end, "iB") || !strcmp(end, "B"))
			end += strlen(end);
	}
	if (*end || v > UINT64_MAX >> shift)
		return -EINVAL;
	/* Less than one unit of the suffix, for which there is room: no overflow */
	part = (uint64_t)((unsigned __int128)micro * (1ULL << shift) / 1000000);
	*ret = (v << shift) + part;
	return 0;
}

/* Zeroed. calloc() and reallocarray() check the product, whose factors may come from a header. */
void *must_alloc(size_t nr, size_t size)
{
	void *p = calloc(nr ? nr : 1, size);

	if (!p)
		exit(fail(EXIT_FAILED, "no memory for %zu bytes", nr * size));
	return p;
}

void *must_grow(void *p, size_t nr, size_t size)
{
	p = reallocarray(p, nr, size);
	if (!p)
		exit(fail(EXIT_FAILED, "no memory for %zu bytes", nr * size));
	return p;
}

/* Monotonic: the clock may be set while a long copy runs */
static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* @what must live as long as @p; @total 0 is allowed */
void progress_start(struct progress *p, const char *what, uint64_t total)
{
	*p = (struct progress){ .what = what, .total = total, .start = now_s() };
	p->shown = p->start;
	p->tty = isatty(STDERR_FILENO);
}

/* One line, drawn over the last one. On standard error, so that standard output stays pure data. */
static void progress_bar(const struct progress *p, uint64_t done, double rate, const char *left)
{
	char bar[PROGRESS_BAR + 1];
	unsigned full = p->total ? (unsigned)(done * (double)PROGRESS_BAR / p->total) : 0;

	memset(bar, '.', PROGRESS_BAR);
	memset(bar, '#', full > PROGRESS_BAR ? PROGRESS_BAR : full);
	bar[PROGRESS_BAR] = 0;
	/* \033[K erases what a longer line left behind */
	fprintf(stderr, "\r%s [%s] %3.0f%%  %s of %s  %s/s  %s left\033[K", p->what, bar,
		p->total ? 100.0 * done / p->total : 0, human_bytes(done), human_bytes(p->total),
		human_bytes((uint64_t)rate), left);
	fflush(stderr);
}

/*
 * Called often; shows something only when it is time. The rate is the mean since the start: that of
 * the last second jumps with every full cache on the way.
 */
void progress_step(struct progress *p, uint64_t done)
{
	double t = now_s(), spent = t - p->start, rate, seconds;
	char left[32];

	if (spent < PROGRESS_QUIET_S || t - p->shown < (p->tty ? PROGRESS_TTY_S : PROGRESS_LOG_S))
		return;
	p->shown = t;
	rate = done / spent;
	seconds = rate > 0 && p->total > done ? (p->total - done) / rate : 0;
	snprintf(left, sizeof(left), "%u:%02u", (unsigned)(seconds / 60), (unsigned)seconds % 60);
	p->drawn = true;
	if (p->tty)
		progress_bar(p, done, rate, left);
	else
		note("%s: %s of %s, %s/s, %s left", p->what, human_bytes(done),
		     human_bytes(p->total), human_bytes((uint64_t)rate), left);
}

void progress_end(struct progress *p)
{
	if (p->drawn && p->tty)
		fputs("\r\033[K", stderr);
	p->drawn = false;
}

/*
 * Comma, new line, indentation and the key: what stands before every value. Keys are literals of
 * this program and need no escaping. Written as it goes, never held: a tree in memory would have no
 * use.
 */
static void json_lead(struct json *j, const char *key)
{
	if (j->more)
		fputc(',', j->f);
	if (j->depth)
		fprintf(j->f, "\n%*s", (int)j->depth * 2, "");
	if (key)
		fprintf(j->f, "\"%s\": ", key);
	j->more = true;
}

/* Values of all kinds; each begins with json_lead() */
void json_open(struct json *j, const char *key, char bracket)
{
	json_lead(j, key);
	fputc(bracket, j->f);
	j->depth++;
	j->more = false;
}

void json_close(struct json *j, char bracket)
{
	j->depth--;
	if (j->more)
		fprintf(j->f, "\n%*s", (int)j->depth * 2, "");
	fputc(bracket, j->f);
	j->more = true;
	if (!j->depth)
		fputc('\n', j->f);
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
	json_lead(j, key);
	fprintf(j->f, "%" PRIu64, value);
}

void json_i64(struct json *j, const char *key, int64_t value)
{
	json_lead(j, key);
	fprintf(j->f, "%" PRId64, value);
}

/*
 * JSON knows neither infinity nor NaN (RFC 8259 §6): callers write null where a divisor is 0. Six
 * digits are what a ratio deserves.
 */
void json_double(struct json *j, const char *key, double value)
{
	json_lead(j, key);
	fprintf(j->f, "%.6g", value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	json_lead(j, key);
	fputs(value ? "true" : "false", j->f);
}

void json_null(struct json *j, const char *key)
{
	json_lead(j, key);
	fputs("null", j->f);
}

/*
 * Length of the UTF-8 sequence at @s, 0 when it is none (RFC 3629 §4: no overlong forms, no
 * surrogates, nothing above U+10FFFF).
 */
static unsigned utf8_len(const unsigned char *s, size_t left)
{
	unsigned len, i, min;

	if (s[0] < 0x80)
		return 1;
	len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	/* 0x80..0xbf are continuations, 0xc0 and 0xc1 could begin only an overlong form */
	if (s[0] < 0xc2 || s[0] > 0xf4 || left < len)
		return 0;
	for (i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	min = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
	if (s[1] < min || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

/*
 * RFC 8259 §7: quotation mark, reverse solidus and control characters are escaped; §8.1: the rest
 * must be UTF-8, so a byte that is not part of any becomes U+FFFD. The text is the dead kernel's,
 * and one bad byte in it must not make the whole object unreadable.
 */
void json_text(struct json *j, const char *key, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text, *end = s + len;
	unsigned n;

	json_lead(j, key);
	fputc('"', j->f);
	for (; s < end; s += n ? n : 1) {
		n = utf8_len(s, (size_t)(end - s));
		if (!n)
			fputs("\\ufffd", j->f);
		else if (*s == '"' || *s == '\\')
			fprintf(j->f, "\\%c", *s);
		else if (*s < 0x20 || *s == 0x7f)
			fprintf(j->f, "\\u%04x", *s);
		else
			fwrite(s, 1, n, j->f);
	}
	fputc('"', j->f);
}

void json_str(struct json *j, const char *key, const char *text)
{
	json_text(j, key, text, strlen(text));
}

/*
 * A log may hold anything that user space wrote to /dev/kmsg: an escape sequence would be obeyed by
 * the terminal of whoever looks at the dump, as root. Text in other languages stays as it is.
 */
void print_text(FILE *f, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text, *end = s + len;
	unsigned n;

	for (; s < end; s += n ? n : 1) {
		n = utf8_len(s, (size_t)(end - s));
		/* C1 controls (U+0080..U+009F) steer terminals as well as C0 does */
		if (n == 0 || *s == 0x7f || (*s < 0x20 && *s != '\n' && *s != '\t'))
			fprintf(f, "\\x%02x", *s);
		else if (n == 2 && s[0] == 0xc2 && s[1] < 0xa0)
			fprintf(f, "\\x%02x", s[1]);
		else
			fwrite(s, 1, n, f);
	}
}

/* From the end backwards, whatever the length of the log */
const char *last_lines(const char *text, size_t len, unsigned lines)
{
	const char *p = text + len;

	/* The newline that ends the text ends a line, it does not begin one */
	if (p > text && p[-1] == '\n')
		p--;
	while (p > text) {
		if (p[-1] == '\n' && --lines == 0)
			break;
		p--;
	}
	return p;
}
