// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files that appear only when they are whole: see tools/media/outfile.h.
 *
 * The order is open NAME.part, write, fsync, read back, rename, fsync of the directory. A program
 * that sees NAME (a script that waits for it, the next run) may rely on all of its contents, and a
 * power cut at any moment leaves either no NAME or the whole file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stub/format/crc.h"
#include "tools/media/outfile.h"
#include "tools/util.h"

/* Whole blocks of the usual file systems: a smaller hole may save nothing */
#define HOLE_BYTES	(64u << 10)	/* zeros shorter than that are written */
#define VERIFY_BYTES	(1u << 20)

static const uint8_t zeros[HOLE_BYTES];

/* No room is the one failure that people can do something about */
static int out_failed(const struct outfile *o, int rc)
{
	if (rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG)
		return fail(rc, "%s/%s: no room (%s) after %s: save to another place with -o",
			    o->dir, o->name, strerror(-rc), human_bytes(o->bytes));
	return fail(rc, "%s/%s: %s", o->dir, o->name, strerror(-rc));
}

/*
 * Errors on the way are not looked at: a directory that exists, or may not be made but is there, is
 * fine, and whatever is really wrong shows in the last step.
 */
int outdir_open(const char *path)
{
	char *copy = strdup(path), *p;
	int fd;

	if (!copy)
		return fail(-ENOMEM, "no memory");
	for (p = copy + (*copy == '/'); *p; p++)
		if (*p == '/') {
			*p = 0;
			mkdir(copy, 0700);
			*p = '/';
		}
	free(copy);
	if (mkdir(path, 0700) && errno != EEXIST)
		return fail(-errno, "%s cannot be made: %s", path, strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail(-errno, "%s: %s", path, strerror(errno)) : fd;
}

/*
 * Early and without a promise: outfile_commit() asks again, in one step with the rename. A dangling
 * link is a name that is taken, too.
 */
int outfile_check(int dirfd, const char *dir, const char *name, bool replace)
{
	if (replace || faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW))
		return 0;
	return fail(-EEXIST, "%s/%s exists: give another directory with -o, or --force", dir, name);
}

static void part_name(const struct outfile *o, char part[256])
{
	snprintf(part, 256, "%s.part", o->name);
}

int outfile_open(struct outfile *o, int dirfd, const char *dir, const char *name, bool replace)
{
	char part[256];
	int rc = outfile_check(dirfd, dir, name, replace);

	*o = (struct outfile){
		.dirfd = dirfd, .dir = dir, .name = name, .replace = replace, .fd = -1,
	};
	if (rc)
		return rc;
	/*
	 * A part that an earlier, interrupted save left behind is of no use. O_EXCL and O_NOFOLLOW:
	 * whoever may write to the directory could otherwise have us, as root, write through a link
	 * of theirs.
	 */
	part_name(o, part);
	unlinkat(dirfd, part, 0);
	o->fd = openat(dirfd, part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return o->fd < 0 ? out_failed(o, -errno) : 0;
}

/*
 * Whole pieces of zeros are not written: the file system then stores nothing for them. They count
 * for CRC and length, which are of the stream and not of what happens to be stored.
 */
int outfile_append(struct outfile *o, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	int rc = 0;

	o->crc = crc32c(o->crc, buf, len);
	while (len && !rc) {
		size_t piece = len < HOLE_BYTES ? len : HOLE_BYTES;

		if (piece < HOLE_BYTES || memcmp(p, zeros, HOLE_BYTES))
			rc = write_at(o->fd, p, piece, o->bytes);
		if (rc)
			break;
		o->bytes += piece;
		p += piece;
		len -= piece;
	}
	return rc ? out_failed(o, rc) : 0;
}

/* They count for the CRC, because they will be read back */
int outfile_append_zeros(struct outfile *o, uint64_t len)
{
	while (len) {
		size_t piece = len < HOLE_BYTES ? len : HOLE_BYTES;

		o->crc = crc32c(o->crc, zeros, piece);
		o->bytes += piece;
		len -= piece;
	}
	return 0;
}

/* For a writer that learns only from the contents that its headers are wrong (tools/media/elf.c) */
void outfile_rewind(struct outfile *o)
{
	/* The size is checked and set again at the end: an error shows there */
	if (ftruncate(o->fd, 0))
		note("%s/%s: %s", o->dir, o->name, strerror(errno));
	o->bytes = 0;
	o->crc = 0;
}

/* Holes at the end need the size set; then everything to the disk */
static int flush(struct outfile *o)
{
	if (ftruncate(o->fd, (off_t)o->bytes) || fsync(o->fd))
		return out_failed(o, -errno);
	return 0;
}

/*
 * The CRC was computed over what came from the source, in this machine's memory; what is read back
 * has been through the file system, the disk and memory once more. Only then may the source be
 * given free. POSIX_FADV_DONTNEED works on clean pages only, so after the flush: else the page
 * cache would be compared with itself.
 */
int outfile_verify(struct outfile *o)
{
	uint8_t *buf = must_alloc(VERIFY_BYTES, 1);
	struct progress p;
	uint64_t done = 0;
	uint32_t crc = 0;
	int rc = flush(o);

	posix_fadvise(o->fd, 0, 0, POSIX_FADV_DONTNEED);
	progress_start(&p, "verifying", o->bytes);
	while (!rc && done < o->bytes) {
		size_t len = o->bytes - done < VERIFY_BYTES ? o->bytes - done : VERIFY_BYTES;

		rc = read_at(o->fd, buf, len, done);
		if (!rc) {
			crc = crc32c(crc, buf, len);
			done += len;
			progress_step(&p, done);
		}
	}
	progress_end(&p);
	free(buf);
	if (rc)
		return fail(rc, "%s/%s cannot be read back: %s", o->dir, o->name, strerror(-rc));
	if (crc != o->crc)
		return fail(-EIO,
			    "%s/%s reads back changed (CRC %08x, not %08x): that disk or this "
			    "machine's memory is faulty",
			    o->dir, o->name, crc, o->crc);
	return 0;
}

/*
 * The file is whole and has its name; only whether the name survives a power cut is open. That is
 * still an error, for a target whose dump may be lost must not be marked saved; but it is not one
 * of the file. Where directories cannot be flushed at all (some network file systems and FUSE)
 * there is nothing to wait for.
 */
static int flush_directory(const struct outfile *o)
{
	if (!fsync(o->dirfd) || errno == EINVAL || errno == ENOTSUP)
		return 0;
	return fail(-errno,
		    "%s/%s is whole and in its place, but a power cut may undo that: "
		    "the directory cannot be flushed: %s",
		    o->dir, o->name, strerror(errno));
}

/*
 * RENAME_NOREPLACE closes the gap between the check and now. close() is asked for errors as well: a
 * network file system may report there what it could not store.
 */
int outfile_commit(struct outfile *o)
{
	unsigned flags = o->replace ? 0 : RENAME_NOREPLACE;
	char part[256];
	int rc = flush(o);

	if (rc)
		goto abort;
	if (close(o->fd)) {
		o->fd = -1;
		rc = out_failed(o, -errno);
		goto abort;
	}
	o->fd = -1;
	part_name(o, part);
	rc = renameat2(o->dirfd, part, o->dirfd, o->name, flags);
	/* Some filesystems know no flags; the look at outfile_open() has to do there */
	if (rc && errno == EINVAL)
		rc = renameat(o->dirfd, part, o->dirfd, o->name);
	if (rc) {
		rc = out_failed(o, -errno);
		goto abort;
	}
	return flush_directory(o);
abort:
	outfile_abort(o);
	return rc;
}

void outfile_abort(struct outfile *o)
{
	char part[256];

	part_name(o, part);
	unlinkat(o->dirfd, part, 0);
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
}

int outfile_write(int dirfd, const char *dir, const char *name, bool replace, const void *buf,
		  size_t len)
{
	struct outfile o;
	int rc = outfile_open(&o, dirfd, dir, name, replace);

	if (rc)
		return rc;
	rc = outfile_append(&o, buf, len);
	if (rc) {
		outfile_abort(&o);
		return rc;
	}
	return outfile_commit(&o);
}
