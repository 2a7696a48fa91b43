// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Targets and labels on the host: see tools/media/target.h. The stub's half is stub/disk/target.c; what both
 * agree on is include/capstub/label.h, so that a label of one version can be refused by the other,
 * and stub/format/vouch.c, so that a target is foreign to both or to none.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "capstub/kdump_format.h"
#include "capstub/stopcode.h"
#include "stub/bits.h"
#include "stub/format/vouch.h"
#include "tools/media/inuse.h"
#include "tools/media/pin.h"
#include "tools/media/target.h"
#include "tools/util.h"

/* The media are little-endian and the structures are used as they lie there. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "the host tool needs a little-endian host");

const char *const class_names[CAPSTUB_NR_CLASSES] = CAPSTUB_CLASS_NAMES;

static const struct {
	const char *name, *text;
} states[] = {
	[CAPSTUB_EMPTY] = {"empty", "ready for a crash, nothing captured"},
	[CAPSTUB_DUMPING] = {"dumping", "the capture was cut off (power, reset, watchdog)"},
	[CAPSTUB_COMPLETE] = {"complete", "the dump is whole"},
	[CAPSTUB_INCOMPLETE] = {"incomplete", "the capture ended in good order, pages are missing"},
	[CAPSTUB_SAVED] = {"saved", "the dump was copied, the next capture may overwrite it"},
};

/* Numbers that a later version may have added are "unknown", never an index behind the table */
const char *state_name(uint32_t state)
{
	return state < sizeof(states) / sizeof(states[0]) ? states[state].name : "unknown";
}

/*
 * The stub counts the capture and sets "interrupted" while the state is still "empty": it becomes
 * "dumping" only when there is something to open (stub/send/dump.c)
 */
const char *state_text(uint32_t state, uint32_t stop)
{
	if (state == CAPSTUB_EMPTY && stop)
		return "a capture began but was cut off before it wrote a page";
	return state < sizeof(states) / sizeof(states[0]) ? states[state].text : "unknown";
}

const char *compress_name(uint32_t method)
{
	switch (method) {
	case 0: return "none";
	case KDUMP_COMPRESSED_ZLIB: return "zlib";
	case KDUMP_COMPRESSED_LZO: return "lzo";
	case KDUMP_COMPRESSED_SNAPPY: return "snappy";
	case KDUMP_COMPRESSED_ZSTD: return "zstd";
	default: return "unknown";
	}
}

/*
 * Offsets and lengths inside the target, strings terminated, page size possible. A right CRC proves
 * that the label is as it was written, not that its writer was sane or honest: after this check
 * every field may be used as an offset, a length or a string.
 */
static bool label_fields_ok(const struct target *t)
{
	const struct capstub_label *l = &t->label;
	uint64_t room = t->end - CAPSTUB_LOG_OFFSET;

	return memchr(l->name, 0, sizeof(l->name)) && memchr(l->release, 0, sizeof(l->release)) &&
	       memchr(l->machine, 0, sizeof(l->machine)) && l->state <= CAPSTUB_SAVED &&
	       l->dump_bytes <= room && l->log_bytes <= CAPSTUB_LOG_SIZE &&
	       (l->dmesg_bytes == 0 || range_inside(l->dmesg_offset, l->dmesg_bytes, 0, room)) &&
	       l->page_size <= 65536 && (l->page_size & (l->page_size - 1)) == 0;
}

static int read_block(void *ctx, uint64_t offset, void *block)
{
	const struct target *t = ctx;
	int rc = read_at(t->fd, block, VOUCH_BLOCK, offset);

	return rc ? fail(rc, "%s: byte %llu cannot be read: %s", t->path, (unsigned long long)offset,
			 strerror(-rc)) : 0;
}

/* The judgement is the stub's own */
static enum label_status check_ends(struct target *t)
{
	_Alignas(8) uint8_t block[VOUCH_BLOCK];
	struct vouch_src src = { read_block, t, block, t->end };
	int rc = vouch_check(&t->label, &src);

	return rc == -EEXIST ? LABEL_FOREIGN : rc ? LABEL_UNREADABLE : LABEL_OK;
}

static enum label_status check(struct target *t)
{
	enum label_status status = label_check(&t->label, t->end);

	if (status != LABEL_OK)
		return status;
	return label_fields_ok(t) ? check_ends(t) : LABEL_BAD_FIELDS;
}

/* What cannot be read ends the search, as its time does: seconds, on a disk that turns */
static int scan_block(void *ctx, uint64_t offset, void *block)
{
	const struct target *t = ctx;

	return time(NULL) > t->scan_until ? -ETIMEDOUT : read_at(t->fd, block, VOUCH_BLOCK, offset);
}

void target_look_behind(struct target *t)
{
	_Alignas(8) uint8_t block[VOUCH_BLOCK];
	struct vouch_src src = { scan_block, t, block, t->end };

	t->scan_until = time(NULL) + 3;
	if (t->status != LABEL_NONE || !vouch_bare(&src) || !vouch_find_smaller(&src))
		return;
	memcpy(&t->label, block, sizeof(t->label));
	t->status = LABEL_BAD_SIZE;
}

bool label_readable(const struct target *t)
{
	return t->status == LABEL_OK || t->status == LABEL_FOREIGN || t->status == LABEL_UNREADABLE;
}

/*
 * What to do next is part of each sentence. "Format it again" loses a dump that may be there, so
 * where the dump proper is untouched the sentence says how to get at it first.
 */
const char *label_problem(const struct target *t)
{
	switch (t->status) {
	case LABEL_NONE:
		return "carries no capstub label: run 'capstub format' on it";
	case LABEL_BAD_CRC:
		return "its label is damaged (CRC): 'capstub format' writes a new one, "
		       "'capstub save --force' tries to read the dump first";
	case LABEL_BAD_VERSION:
		return "its label is of another version: use the capstub that formatted it";
	case LABEL_BAD_SIZE:
		if (t->label.target_bytes < t->end)
			return "the target has grown since format: run capstub format again (it keeps its UUID), "
			       "'capstub save --force' tries to read the dump first";
		return "it was resized after 'capstub format': format it again, "
		       "'capstub save --force' tries to read the dump first";
	case LABEL_BAD_FIELDS:
		return "its label holds impossible values: format it again, "
		       "'capstub save --force' tries to read the dump first";
	case LABEL_FOREIGN:
		return "something else was written there since 'capstub format', so the stub "
		       "refuses it: 'capstub wipe' removes the label and nothing else; if what is "
		       "there may be lost, 'capstub save --force' tries to read a dump and "
		       "'capstub format --force' makes it a target again";
	case LABEL_UNREADABLE:
		return "the stub refuses a target that cannot be read: use another device, "
		       "'capstub save --force' tries to read the dump first";
	default:
		return NULL;
	}
}

/*
 * A block device has no st_size. The size decides where the label is, so it is asked for each time.
 */
static int target_size(struct target *t)
{
	if (!t->is_blk) {
		t->bytes = (uint64_t)t->st.st_size;
		return 0;
	}
	if (ioctl(t->fd, BLKGETSIZE64, &t->bytes))
		return fail(-errno, "%s: its size cannot be read: %s", t->path, strerror(errno));
	return 0;
}

/* errno of open() in words that say what to do */
static int open_failed(const struct target *t, int flags)
{
	int rc = -errno;

	/* By whom, if that can be found out */
	if (rc == -EBUSY && !inuse_check(t))
		return fail(rc, "%s is in use by another program: see 'lsblk %s' and "
			    "'fuser -v %s', and release it first", t->path, t->path, t->path);
	if (rc == -EBUSY)
		return rc;
	if (rc == -EACCES || rc == -EPERM)
		return fail(rc, "%s cannot be opened for %s: %s: become root, or change its mode",
			    t->path, (flags & O_ACCMODE) == O_RDONLY ? "reading" : "writing",
			    strerror(-rc));
	if (rc == -EROFS)
		return fail(rc, "%s is read-only: use another target", t->path);
	return fail(rc, "%s: %s", t->path, strerror(-rc));
}

/* A file that the stub writes to is immutable as long as nobody else does */
static bool unpin(struct target *t)
{
	int fd = open(t->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	t->pinned = fd >= 0 && pin_is_set(fd) && !pin_set(fd, false);
	if (fd >= 0)
		close(fd);
	return t->pinned;
}

/*
 * A target too small for a label has none, and is no error: `info` describes any file. O_NONBLOCK:
 * after stat() the path may have become a FIFO, whose open() would wait for somebody.
 */
int target_open(struct target *t, const char *path, int flags)
{
	int rc;

	*t = (struct target){ .path = path, .fd = -1, .status = LABEL_NONE };
	if (stat(path, &t->st))
		return open_failed(t, flags);
	if (!S_ISREG(t->st.st_mode) && !S_ISBLK(t->st.st_mode))
		return fail(-EINVAL, "%s is neither a block device nor a file", path);
	t->is_blk = S_ISBLK(t->st.st_mode);
	/* O_EXCL without O_CREAT has a meaning for block devices only (open(2)) */
	if (!t->is_blk)
		flags &= ~O_EXCL;
	t->fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);
	if (t->fd < 0 && errno == EPERM && !t->is_blk && unpin(t))
		t->fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);
	if (t->fd < 0)
		return open_failed(t, flags);
	rc = target_size(t);
	if (rc)
		goto out;
	t->end = t->bytes & ~(uint64_t)4095;
	if (t->end < CAPSTUB_TARGET_MIN)
		return 0;
	rc = read_at(t->fd, &t->label, sizeof(t->label), t->end - CAPSTUB_LABEL_SIZE);
	if (rc) {
		fail(rc, "%s: the label cannot be read: %s", path, strerror(-rc));
		goto out;
	}
	t->status = check(t);
	/* Whoever is going to write a label looks at the place it goes to, and no further */
	if ((flags & O_ACCMODE) == O_RDONLY)
		target_look_behind(t);
	return 0;
out:
	target_close(t);
	return rc;
}

void target_close(struct target *t)
{
	if (t->fd >= 0 && t->pinned && pin_set(t->fd, true))
		note("%s could not be made immutable again: 'chattr +i' keeps it where it is", t->path);
	t->pinned = false;
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

/* Like target_open(), but it is somebody else's and of no importance if it cannot be read */
static bool peek(const struct target *t, const char *path, struct capstub_label *ret)
{
	struct target other = { .path = path, .is_blk = true, .fd = -1 };

	if (stat(path, &other.st) || !S_ISBLK(other.st.st_mode) || other.st.st_rdev == t->st.st_rdev)
		return false;
	other.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (other.fd >= 0 && !ioctl(other.fd, BLKGETSIZE64, &other.bytes)) {
		other.end = other.bytes & ~(uint64_t)4095;
		if (other.end >= CAPSTUB_TARGET_MIN &&
		    !read_at(other.fd, &other.label, sizeof(other.label), other.end - CAPSTUB_LABEL_SIZE))
			other.status = check(&other);
		else
			other.status = LABEL_NONE;
		*ret = other.label;
	} else {
		other.status = LABEL_NONE;
	}
	target_close(&other);
	return other.status == LABEL_OK;
}

void target_others(const struct target *t,
		   void (*found)(void *ctx, const char *path, const struct capstub_label *label),
		   void *ctx)
{
	DIR *d = opendir("/sys/class/block");
	struct capstub_label label;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[sizeof(e->d_name) + 8];

		/* Drives with something to put in, which would spin up or wait */
		if (e->d_name[0] == '.' || !strncmp(e->d_name, "sr", 2) || !strncmp(e->d_name, "fd", 2))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", e->d_name);
		for (char *p = path; (p = strchr(p, '!'));)
			*p = '/';
		if (peek(t, path, &label))
			found(ctx, path, &label);
	}
	if (d)
		closedir(d);
}

int target_lock(const struct target *t)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	/*
	 * Block devices: O_EXCL at open has asked already. Filesystems without locks: go on. A lock
	 * of the open file description (fcntl(2)) ends with the last close, however we end.
	 */
	if (t->is_blk || !fcntl(t->fd, F_OFD_SETLK, &lock))
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return 0;
	return fail(-EBUSY, "%s is in use by another program (a running virtual machine?): "
		    "stop that first", t->path);
}

/*
 * Commands report success after this: so neither the page cache nor a write that the device
 * swallowed may stand in for the medium
 */
static int write_label(struct target *t)
{
	uint64_t offset = t->end - CAPSTUB_LABEL_SIZE;
	struct capstub_label back;
	int rc;

	rc = write_at(t->fd, &t->label, sizeof(t->label), offset);
	if (!rc && fsync(t->fd))
		rc = -errno;
	if (!rc) {
		/* What comes back must come from the device, not from the page cache */
		posix_fadvise(t->fd, (off_t)offset, CAPSTUB_LABEL_SIZE, POSIX_FADV_DONTNEED);
		rc = read_at(t->fd, &back, sizeof(back), offset);
	}
	if (rc)
		return fail(rc, "%s: writing the label failed: %s", t->path, strerror(-rc));
	if (memcmp(&back, &t->label, sizeof(back)))
		return fail(-EIO, "%s: the label reads back changed: the device is faulty",
			    t->path);
	t->status = check(t);
	return 0;
}

int target_write_label(struct target *t)
{
	t->label.crc32c = label_crc(&t->label);
	return write_label(t);
}

int target_wipe_label(struct target *t)
{
	memset(&t->label, 0, sizeof(t->label));
	return write_label(t);
}
