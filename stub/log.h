/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stub's log: to the console and to a buffer that ends up in the target's log area. One line a
 * call, without the newline. Levels above LOG_LEVEL compile to nothing but stay type-checked.
 */
#ifndef STUB_LOG_H
#define STUB_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_ERR, LOG_WARN, LOG_INFO, LOG_DEBUG };

#ifndef LOG_LEVEL
#define LOG_LEVEL LOG_INFO
#endif

__attribute__((format(printf, 2, 3)))
void log_print(enum log_level level, const char *fmt, ...);

/* A line that goes to the console only (progress): it would drown the log area. */
__attribute__((format(printf, 1, 2)))
void log_console(const char *fmt, ...);

#define log_at(level, ...) do { if ((level) <= LOG_LEVEL) log_print(level, __VA_ARGS__); } while (0)
#define log_warn(...)	log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...)	log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...)	log_at(LOG_DEBUG, __VA_ARGS__)

/* return log_err(-EIO, "nvme: CSTS %#x", csts); */
#define log_err(rc, ...) ({ log_print(LOG_ERR, __VA_ARGS__); (rc); })

/*
 * The collected text, oldest line first; *ret_len bytes. When more was said than there is room for,
 * the first and the last lines, and one between them that says how many bytes are missing. 4-KiB
 * aligned, zeros up to the next 4 KiB: ready for DMA.
 */
const char *log_text(size_t *ret_len);

struct uart;
/* Where lines go from now on; NULL: nowhere. What was logged before is sent first. */
void log_set_console(struct uart *u);

/* The console's line is somebody else's: lines go to the buffer alone, until this is over */
void log_mute(bool mute);

/* Until the last line is on the wire, with a bound */
void log_flush(void);

#endif
