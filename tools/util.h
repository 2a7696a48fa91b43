/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every subcommand of the host tool shares: messages, exact reads and writes, sizes for
 * people, a progress display, JSON output, and text from a dead kernel made fit for a terminal.
 */
#ifndef TOOLS_UTIL_H
#define TOOLS_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

/* Exit status of every subcommand */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/*
 * Messages go to standard error as "capstub: TEXT". An error says what is wrong and what to do
 * next, and is written once, where it is found: return fail(-EIO, "…"). note() is the same with no
 * error.
 */
__attribute__((format(printf, 2, 3))) int fail(int rc, const char *fmt, ...);
#define note(...) ((void)fail(0, __VA_ARGS__))

/* All of @len bytes at @offset: 0 or -errno; -ENODATA when the file ends before. No message. */
int read_at(int fd, void *buf, size_t len, uint64_t offset);
int write_at(int fd, const void *buf, size_t len, uint64_t offset);

/* "1.5 GiB". The result lives until the eighth call after this one. */
const char *human_bytes(uint64_t bytes);
/* "3.2 s", "31 ms" */
const char *human_us(uint64_t us);
/* "2026-01-02 03:04:05 UTC"; "unknown" for 0 */
const char *human_time(int64_t t);
/*
 * "4G", "1.5G", "4096", "0x1000", suffixes K to E in powers of 1024: 0, or -EINVAL with *ret
 * untouched
 */
int parse_bytes(const char *text, uint64_t *ret);

/*
 * xmalloc style: a host tool that has no memory left can only say so and stop. must_alloc() gives
 * zeros, must_grow() is reallocarray(). Never NULL; for free().
 */
void *must_alloc(size_t nr, size_t size);
void *must_grow(void *p, size_t nr, size_t size);

/*
 * Progress on standard error: a bar with rate and time left on a terminal, else a line every 5 s,
 * so that a log of a service stays short. Nothing at all for work that ends within half a second.
 */
struct progress {
	const char *what;
	uint64_t total;
	double start, shown;
	bool tty, drawn;
};

void progress_start(struct progress *p, const char *what, uint64_t total);
void progress_step(struct progress *p, uint64_t done);
/* Removes the bar; call before any message. */
void progress_end(struct progress *p);

/*
 * JSON writer. Commas and indentation are its business. Strings may hold any bytes: what is not
 * UTF-8 becomes U+FFFD. @key is NULL inside arrays.
 */
struct json {
	FILE *f;
	unsigned depth;
	bool more;	/* something stands before on this level: a comma is due */
};

void json_open(struct json *j, const char *key, char bracket);	/* '{' or '[' */
void json_close(struct json *j, char bracket);			/* '}' or ']' */
void json_u64(struct json *j, const char *key, uint64_t value);
void json_i64(struct json *j, const char *key, int64_t value);
void json_double(struct json *j, const char *key, double value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);
void json_text(struct json *j, const char *key, const char *text, size_t len);
void json_str(struct json *j, const char *key, const char *text);

/* Text of a dead kernel to a terminal: control characters become \xNN, newline and tab stay. */
void print_text(FILE *f, const char *text, size_t len);
/* Start of the last @lines lines of @text */
const char *last_lines(const char *text, size_t len, unsigned lines);

#endif
