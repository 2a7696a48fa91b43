/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file that `save` writes: invisible (NAME.part) until it is whole and on stable storage, never
 * in place of another one unless asked. A running CRC-32C over the stream serves to verify the
 * copy.
 */
#ifndef TOOLS_OUTFILE_H
#define TOOLS_OUTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/media/flat.h"

struct outfile {
	int dirfd;
	const char *dir;	/* for messages */
	const char *name;
	bool replace;
	int fd;
	uint64_t bytes;		/* appended so far */
	uint32_t crc;		/* of those */
	bool piped;		/* to standard output */
	struct flat flat;	/* then */
};

/*
 * mkdir -p, mode 0700 (a dump holds every secret of the machine). The directory's fd, or -errno,
 * said. *ret_made: so much of @path is the first directory that this made; 0: none.
 */
int outdir_open(const char *path, size_t *ret_made);
/* Remove those again, as far as they are empty */
void outdir_unmake(const char *path, size_t made);

/*
 * Whoever may write to a directory could have us, as root, write through a link of theirs. So no
 * link is followed, and what is written to is a file of ours that has one name. All give -errno
 * without a message.
 */
/* A new file for reading and writing, in place of whatever had the name */
int file_fresh(int dirfd, const char *name);
/* The file that is there if it is ours; with O_CREAT, else a new one. No O_TRUNC, no O_EXCL. */
int file_ours(int dirfd, const char *name, int flags);
/* A directory of ours; with @make it is made, and those above it, whose failures are said */
int dir_ours(const char *path, bool make);

/*
 * A directory that appears under its name when all is in it, PATH.part until then. One that is there
 * already is taken as it is, and files appear in it one by one.
 */
struct outdir {
	char *final, *path;	/* the name it is to have, and the one it has (for messages) */
	int fd;
	bool whole;		/* it has its name */
	size_t made;		/* so much of it is the first parent that was made */
};

/*
 * Files in PATH.part that an interrupted run has left are removed: @known, with and without ".part",
 * NULL at the end. 0 or -errno with a message; in both cases to be ended by outdir_end().
 */
int outdir_begin(struct outdir *o, const char *path, const char *const *known);
/* Give it its name, on stable storage; files in it must have been committed. 0 or -errno, said. */
int outdir_commit(struct outdir *o);
/*
 * Without a commit before: an empty PATH.part is removed, with the parents that were made for it;
 * another one stays, and is said.
 */
void outdir_end(struct outdir *o);

/* -EEXIST with a message when @name exists and @replace is false; nothing is created. */
int outfile_check(int dirfd, const char *dir, const char *name, bool replace);

/*
 * Create NAME.part in @dirfd. 0 or -errno with a message. @dir and @name must live as long as @o;
 * after 0 the file has to end in outfile_commit() or outfile_abort().
 */
int outfile_open(struct outfile *o, int dirfd, const char *dir, const char *name, bool replace);
/*
 * No file: what is appended goes to standard output, flattened. It can be neither verified nor begun again, and has its
 * end with outfile_commit().
 */
int outfile_pipe(struct outfile *o);
/*
 * Append; runs of zeros become holes. 0 or -errno with a message; the file is then good for
 * outfile_abort() only.
 */
int outfile_append(struct outfile *o, const void *buf, size_t len);
int outfile_append_zeros(struct outfile *o, uint64_t len);
/* Begin again from an empty file. 0, or -ESPIPE, said: what was appended has gone through a pipe. */
int outfile_rewind(struct outfile *o);
/*
 * Flush to stable storage, read back past the page cache, compare CRC and length. 0 or -errno with
 * a message; -EIO when it reads back changed. Once, after the last append.
 */
int outfile_verify(struct outfile *o);
/*
 * Flush, give the file its name, flush the directory. Closes in any case; on error the part is
 * removed. An error of the last step, which says so, leaves the file in its place.
 */
int outfile_commit(struct outfile *o);
void outfile_abort(struct outfile *o);

/* All of it in one call, for small files */
int outfile_write(int dirfd, const char *dir, const char *name, bool replace, const void *buf,
		  size_t len);

#endif
