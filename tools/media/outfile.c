// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files that appear only when they are whole: see tools/media/outfile.h.
 *
 * The order is open NAME.part, write, fsync, read back, rename, fsync of the directory. A program
 * that sees NAME (a script that waits for it, the next run) may rely on all of its contents, and a
 * power cut at any moment leaves either no NAME or the whole file.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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
	if (rc == -EPIPE)
		return fail(rc, "who was to read the dump went away after %s", human_bytes(o->bytes));
	if (o->piped)
		return fail(rc, "standard output: %s, after %s", strerror(-rc), human_bytes(o->bytes));
	if (rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG)
		return fail(rc, "%s/%s: no room (%s) after %s: save to another place with -o",
			    o->dir, o->name, strerror(-rc), human_bytes(o->bytes));
	return fail(rc, "%s/%s: %s", o->dir, o->name, strerror(-rc));
}

/*
 * Where directories cannot be flushed at all (some network file systems and FUSE) there is nothing
 * to wait for
 */
static int flush_directory(int fd)
{
	return !fsync(fd) || errno == EINVAL || errno == ENOTSUP ? 0 : -errno;
}

/* The directory that has @path's own entry. One that may not be read cannot be flushed. */
static int flush_parent(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int rc = fd < 0 ? 0 : flush_directory(fd);

	if (fd >= 0)
		close(fd);
	free(copy);
	return rc;
}

/*
 * Errors on the way are not looked at: a directory that exists, or may not be made but is there, is
 * fine, and whatever is really wrong shows in the last step. What is made is flushed, so that a
 * file that survives a power cut can be found. Returns how much of @path is the first one made; 0:
 * none.
 */
static size_t make_parents(const char *path)
{
	char *copy = strdup(path), *p;
	size_t made = 0;

	if (!copy)
		return 0;
	for (p = copy + (*copy == '/'); *p; p++)
		if (*p == '/') {
			*p = 0;
			if (!mkdir(copy, 0700)) {
				made = made ? made : (size_t)(p - copy);
				flush_parent(copy);
			}
			*p = '/';
		}
	free(copy);
	return made;
}

int outdir_open(const char *path, size_t *ret_made)
{
	int fd;

	*ret_made = make_parents(path);
	if (!mkdir(path, 0700))
		*ret_made = *ret_made ? *ret_made : strlen(path);
	else if (errno != EEXIST)
		return fail(-errno, "%s cannot be made: %s", path, strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail(-errno, "%s: %s", path, strerror(errno)) : fd;
}

void outdir_unmake(const char *path, size_t made)
{
	char *p = strdup(path), *slash;

	while (p && made && !rmdir(p) && (slash = strrchr(p, '/')) && slash >= p + made)
		*slash = 0;
	free(p);
}

/* Nobody else's, and under no other name that somebody gave it: writing to it harms nobody */
static bool is_ours(int fd, mode_t type)
{
	struct stat st;

	return !fstat(fd, &st) && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() &&
	       (type == S_IFDIR || st.st_nlink == 1);
}

int file_fresh(int dirfd, const char *name)
{
	int fd;

	unlinkat(dirfd, name, 0);
	fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : fd;
}

int file_ours(int dirfd, const char *name, int flags)
{
	int fd = openat(dirfd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600), rc;

	if (fd >= 0 && is_ours(fd, S_IFREG))
		return fd;
	rc = fd < 0 ? -errno : -EPERM;
	if (fd >= 0)
		close(fd);
	return rc != -ENOENT && flags & O_CREAT ? file_fresh(dirfd, name) : rc;
}

int dir_ours(const char *path, bool make)
{
	char *parent = strdup(path), *name = strdup(path);
	int fd = -ENOMEM, at = -1;
	size_t made;

	if (parent && name)
		at = make ? outdir_open(dirname(parent), &made) :
			    open(dirname(parent), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at >= 0) {
		if (make)
			mkdirat(at, basename(name), 0700);
		fd = openat(at, basename(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		fd = fd < 0 ? -errno : fd;
		close(at);
	}
	free(parent);
	free(name);
	if (fd >= 0 && !is_ours(fd, S_IFDIR)) {
		close(fd);
		fd = -EPERM;
	}
	return fd;
}

/* "vmcore" and "vmcore.part", in the list of what may be there */
static bool is_known(const char *name, const char *const *known)
{
	for (; *known; known++) {
		size_t len = strlen(*known);

		if (!strncmp(name, *known, len) && (!name[len] || !strcmp(name + len, ".part")))
			return true;
	}
	return false;
}

/* Files that an interrupted run has left; nothing at all when something else is among them. */
static int remove_stale(const struct outdir *o, const char *const *known)
{
	DIR *d = fdopendir(dup(o->fd));
	struct dirent *e;
	int rc = d ? 0 : fail(-errno, "%s: %s", o->path, strerror(errno));

	while (!rc && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") &&
		    !is_known(e->d_name, known))
			rc = fail(-EEXIST, "%s is in the way, and %s in it is not of an interrupted "
				  "run: move it away", o->path, e->d_name);
	if (d)
		rewinddir(d);
	while (!rc && (e = readdir(d)))
		if (is_known(e->d_name, known) && unlinkat(o->fd, e->d_name, 0))
			rc = fail(-errno, "%s/%s: %s", o->path, e->d_name, strerror(errno));
	if (d)
		closedir(d);
	return rc;
}

/* The lock is for two runs at one time: the second would take the first one's files for stale */
static int open_part(struct outdir *o, const char *const *known)
{
	struct stat st;

	o->made = make_parents(o->path);
	if (mkdir(o->path, 0700) && errno != EEXIST)
		return fail(-errno, "%s cannot be made: %s", o->path, strerror(errno));
	o->fd = open(o->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (o->fd < 0 || fstat(o->fd, &st))
		return fail(-errno, "%s: %s", o->path, strerror(errno));
	if (st.st_uid != geteuid())
		return fail(-EPERM, "%s is in the way, and somebody else's", o->path);
	if (flock(o->fd, LOCK_EX | LOCK_NB))
		return fail(-EBUSY, "%s is being written by another run", o->path);
	return remove_stale(o, known);
}

int outdir_begin(struct outdir *o, const char *path, const char *const *known)
{
	size_t len = strlen(path);
	struct stat st;
	int rc = 0;

	while (len > 1 && path[len - 1] == '/')
		len--;
	*o = (struct outdir){ .fd = -1, .final = strndup(path, len) };
	if (!o->final)
		exit(fail(EXIT_FAILED, "no memory"));
	o->whole = !stat(o->final, &st);
	if (asprintf(&o->path, "%s%s", o->final, o->whole ? "" : ".part") < 0)
		exit(fail(EXIT_FAILED, "no memory"));
	if (!o->whole)
		rc = open_part(o, known);
	else if ((o->fd = open(o->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		rc = fail(-errno, "%s: %s", o->path, strerror(errno));
	return rc;
}

int outdir_commit(struct outdir *o)
{
	int rc;

	if (!o->whole && renameat2(AT_FDCWD, o->path, AT_FDCWD, o->final, RENAME_NOREPLACE) &&
	    (errno != EINVAL || rename(o->path, o->final)))
		return fail(-errno, "%s cannot be renamed to %s: %s", o->path, o->final,
			    strerror(errno));
	o->whole = true;
	o->path[strlen(o->final)] = 0;
	/* Also of one that was there: the run that made it may have ended before this step */
	rc = flush_directory(o->fd);
	if (!rc)
		rc = flush_parent(o->final);
	return !rc ? 0 : fail(rc, "%s is whole, but a power cut may take it away: the directory it "
			      "is in cannot be flushed: %s", o->final, strerror(-rc));
}

void outdir_end(struct outdir *o)
{
	if (o->path && !o->whole && rmdir(o->path) && errno == ENOTEMPTY)
		note("%s has what was written so far; the next run begins anew there", o->path);
	if (o->path && !o->whole && o->made) {
		*strrchr(o->final, '/') = 0;
		outdir_unmake(o->final, o->made);
	}
	if (o->fd >= 0)
		close(o->fd);
	free(o->path);
	free(o->final);
	*o = (struct outdir){ .fd = -1 };
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
	/* A part that an earlier, interrupted run left behind is of no use */
	part_name(o, part);
	o->fd = file_fresh(dirfd, part);
	return o->fd < 0 ? out_failed(o, o->fd) : 0;
}

int outfile_pipe(struct outfile *o)
{
	int rc;

	*o = (struct outfile){ .fd = -1, .piped = true };
	rc = flat_begin(&o->flat, STDOUT_FILENO);
	if (!rc)
		return 0;
	outfile_abort(o);
	return out_failed(o, rc);
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
			rc = o->piped ? flat_write(&o->flat, p, piece, o->bytes) :
					write_at(o->fd, p, piece, o->bytes);
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
int outfile_rewind(struct outfile *o)
{
	if (o->piped)
		return !o->bytes ? 0 : fail(-ESPIPE, "pages are damaged, which showed only when the header was written: "
					    "this dump can be saved to a directory, but not through a pipe");
	/* The size is checked and set again at the end: an error shows there */
	if (ftruncate(o->fd, 0))
		note("%s/%s: %s", o->dir, o->name, strerror(errno));
	o->bytes = 0;
	o->crc = 0;
	return 0;
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
 * of the file.
 */
static int flush_name(const struct outfile *o)
{
	int rc = flush_directory(o->dirfd);

	return !rc ? 0 : fail(rc, "%s/%s is whole and in its place, but a power cut may undo that: "
			      "the directory cannot be flushed: %s", o->dir, o->name, strerror(-rc));
}

/* With close(), which says what a file system could not store where standard output is a file */
static int end_pipe(struct outfile *o)
{
	int rc = flat_end(&o->flat, o->bytes);

	if (!rc && close(STDOUT_FILENO))
		rc = -errno;
	outfile_abort(o);
	return rc ? out_failed(o, rc) : 0;
}

/*
 * RENAME_NOREPLACE closes the gap between the check and now. close() is asked for errors as well: a
 * network file system may report there what it could not store.
 */
int outfile_commit(struct outfile *o)
{
	unsigned flags = o->replace ? 0 : RENAME_NOREPLACE;
	char part[256];
	int rc;

	if (o->piped)
		return end_pipe(o);
	rc = flush(o);
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
	return flush_name(o);
abort:
	outfile_abort(o);
	return rc;
}

void outfile_abort(struct outfile *o)
{
	char part[256];

	if (o->piped) {
		flat_free(&o->flat);
		return;
	}
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
