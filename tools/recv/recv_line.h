/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line that a capture comes over: a terminal, which is set up and locked, or a file, FIFO or standard input, which is read. */
#ifndef TOOLS_RECV_LINE_H
#define TOOLS_RECV_LINE_H

#include <stdbool.h>
#include <stdint.h>

struct line_options {
	uint32_t baud;		/* 0: as it is */
	bool rts_cts, xon_xoff;
	bool listen;		/* never send anything */
};

struct line {
	const char *path;
	char *name;		/* for folders: what is behind the last slash */
	int fd;
	bool tty, regular;
	char *lock;		/* lock file, NULL: none */
	void *saved;		/* struct termios2 as it was */
};

/* 0 or -errno with a message. "-" is standard input. */
int line_open(struct line *l, const char *path, const struct line_options *opt);
/* Gives the terminal back as it was and removes the lock */
void line_close(struct line *l);

#endif
