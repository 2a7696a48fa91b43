/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * makedumpfile's flattened format: a file for a pipe, as records that say where their bytes belong. `makedumpfile -R`
 * makes the file of it; crash reads it as it is. See "The flattened format" in makedumpfile's IMPLEMENTATION, 1.7.
 */
#ifndef TOOLS_FLAT_H
#define TOOLS_FLAT_H

#include <stddef.h>
#include <stdint.h>

struct flat {
	int fd;
	uint8_t *record;	/* the next one, with its header */
	size_t len;		/* bytes of the file in it */
	uint64_t at;		/* where they belong */
	uint64_t end;		/* of all records before it */
};

/* All give 0 or -errno, without a message; -EPIPE when the reader has gone. SIGPIPE is the caller's. */
int flat_begin(struct flat *f, int fd);
/* Offsets only grow. What is never written is zeros to those who read it. */
int flat_write(struct flat *f, const void *buf, size_t len, uint64_t offset);
/* The file has @bytes, and without this it has no end for those who read it */
int flat_end(struct flat *f, uint64_t bytes);
/* After each flat_begin(), in any case; the descriptor stays open */
void flat_free(struct flat *f);

#endif
