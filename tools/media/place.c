// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files as targets on the host: see tools/media/place.h.
 */
#include "tools/media/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/dm-ioctl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "stub/bits.h"
#include "stub/format/crc.h"
#include "tools/media/pin.h"
#include "tools/util.h"

#define BLOCK		CAPSTUB_EXTENT_BLOCK
#define FILL_BYTES	(1u << 20)
/* A piece of the disk is several extents: at least so large, and at most about so many of a file */
#define PIECE_LEAST	MIB(16)
#define PIECES		1024u
#define DM_LEVELS	4	/* of volumes on volumes */

int place_refuse(struct place *p, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->why, sizeof(p->why), fmt, ap);
	va_end(ap);
	return rc;
}

/* linux/magic.h, and those of what is not in every kernel */
static const struct fs {
	uint32_t magic;
	const char *name;
	const char *moves;	/* why a file has no place of its own */
} file_systems[] = {
	{ 0xef53, "ext4", NULL },
	{ 0x58465342, "xfs", NULL },
	{ 0x9123683e, "btrfs", "writes each block to a new place" },
	{ 0xf2f52010, "f2fs", "moves blocks whenever it cleans up" },
	{ 0xca451a4e, "bcachefs", "writes each block to a new place" },
	{ 0x2fc12fc1, "zfs", "writes each block to a new place" },
	{ 0x00003434, "nilfs", "writes each block to a new place" },
	{ 0x6969, "nfs", "has no disk of this machine" },
	{ 0xff534d42, "cifs", "has no disk of this machine" },
	{ 0xfe534d42, "smb", "has no disk of this machine" },
	{ 0x5346544e, "ntfs", "is not one whose files stay where they are" },
	{ 0x4d44, "vfat", "is not one whose files can be kept from being changed" },
	{ 0x2011bab0, "exfat", "is not one whose files can be kept from being changed" },
	{ 0x01021994, "tmpfs", NULL },
	{ 0x794c7630, "overlay", NULL },
	{ 0x65735546, "fuse", NULL },
};

/* Options of the file system on device @dev, "" if it is not mounted as far as we see */
static void mount_options(dev_t dev, char *buf, size_t size)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *rest;
	unsigned maj, min;
	size_t room = 0;

	*buf = '\0';
	while (f && getline(&line, &room, f) > 0) {
		if (sscanf(line, "%*s %*s %u:%u", &maj, &min) != 2 || makedev(maj, min) != dev)
			continue;
		rest = strstr(line, " - ");
		if (rest && sscanf(rest, " - %*s %*s %*s") >= 0)
			snprintf(buf, size, "%s", rest);
	}
	free(line);
	if (f)
		fclose(f);
}

static int look_fs(struct place *p, int fd, const struct stat *st)
{
	char options[1024];
	const struct fs *fs = NULL;
	struct fsxattr x;
	struct statfs v;
	int flags = 0;

	if (fstatfs(fd, &v))
		return place_refuse(p, -errno, "cannot be asked for its file system: %m");
	for (size_t i = 0; i < ARRAY_SIZE(file_systems) && !fs; i++)
		if ((uint32_t)v.f_type == file_systems[i].magic)
			fs = &file_systems[i];
	if (fs)
		snprintf(p->fs, sizeof(p->fs), "%s", fs->name);
	else
		snprintf(p->fs, sizeof(p->fs), "a file system of type %#lx", (unsigned long)v.f_type);
	if (fs && fs->moves)
		return place_refuse(p, -EOPNOTSUPP, "is on %s, which %s: the stub could not know where the file is", fs->name, fs->moves);
	p->no_disk = !fs || fs > &file_systems[1];
	if (p->no_disk)
		return place_refuse(p, -EOPNOTSUPP, "is on %s: the stub can use files on ext4 and XFS only", p->fs);
	mount_options(st->st_dev, options, sizeof(options));
	if (strstr(options, "data=journal"))
		return place_refuse(p, -EOPNOTSUPP, "is on ext4 with data=journal, which would write old data over a dump when it is mounted "
			      "again");
	if (!ioctl(fd, FS_IOC_GETFLAGS, &flags)) {
		if (flags & FS_JOURNAL_DATA_FL)
			return place_refuse(p, -EOPNOTSUPP, "has its data in the journal (chattr +j)");
		if (flags & (FS_ENCRYPT_FL | FS_VERITY_FL | FS_COMPR_FL))
			return place_refuse(p, -EOPNOTSUPP, "is %s: what the stub wrote there would not be read back", flags & FS_ENCRYPT_FL ?
				      "encrypted" : flags & FS_VERITY_FL ? "protected by verity" : "compressed");
	}
	if (!ioctl(fd, FS_IOC_FSGETXATTR, &x) && x.fsx_xflags & FS_XFLAG_REALTIME)
		return place_refuse(p, -EOPNOTSUPP, "is on the realtime device of XFS");
	return 0;
}

/* ---- from the device of a file system to the disk ---- */

/* One piece of a device: bytes [at, at + len) of it are at byte @to of the device below */
struct piece {
	uint64_t at, len, to;
};

struct mapping {
	unsigned nr;
	struct piece *v;	/* sorted, without gaps from 0 */
};

static uint64_t sysfs_number(const char *dir, const char *name)
{
	char text[64];

	return sysfs_text(text, sizeof(text), "%s/%s", dir, name) ? 0 : strtoull(text, NULL, 10);
}

/*
 * The table of a device-mapper device (dm-ioctl.h, DM_TABLE_STATUS): linear pieces of one device, or it is
 * refused by the name of what it is made of.
 */
static int read_dm(struct place *p, dev_t dev, struct mapping *m, dev_t *ret_below)
{
	_Alignas(8) static char buf[65536];
	struct dm_ioctl *dm = (void *)buf;
	int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC), rc = 0;
	uint32_t at;

	if (fd < 0)
		return place_refuse(p, -errno, "is on a device-mapper device, whose table cannot be read: %m");
	memset(buf, 0, sizeof(buf));
	*dm = (struct dm_ioctl){ .version = { 4, 0, 0 }, .data_size = sizeof(buf), .data_start = sizeof(*dm),
				 .flags = DM_STATUS_TABLE_FLAG, .dev = dev };
	if (ioctl(fd, DM_TABLE_STATUS, dm))
		rc = place_refuse(p, -errno, "is on a device-mapper device, whose table cannot be read: %m");
	close(fd);
	if (!rc && dm->flags & DM_BUFFER_FULL_FLAG)
		rc = place_refuse(p, -E2BIG, "is on a device-mapper device with too many pieces");
	m->v = must_alloc(dm->target_count + 1, sizeof(*m->v));
	at = dm->data_start;
	for (uint32_t i = 0; !rc && i < dm->target_count; i++) {
		const struct dm_target_spec *s = (void *)(buf + at);
		unsigned long long start;
		unsigned maj, min;

		if (strcmp(s->target_type, "linear"))
			rc = place_refuse(p, -EOPNOTSUPP, "is on a device-mapper device of the kind '%.16s', and only linear ones (LVM volumes "
				    "that are not striped, mirrored, thin, snapshots or encrypted) show where a block is", s->target_type);
		else if (sscanf((const char *)(s + 1), "%u:%u %llu", &maj, &min, &start) != 3)
			rc = place_refuse(p, -EIO, "is on a device-mapper device with a table that cannot be understood");
		else if (i && makedev(maj, min) != *ret_below)
			rc = place_refuse(p, -EOPNOTSUPP, "is on a volume that spans several disks");
		if (rc)
			break;
		*ret_below = makedev(maj, min);
		m->v[m->nr++] = (struct piece){ s->sector_start * 512, s->length * 512, start * 512 };
		at = dm->data_start + s->next;
	}
	return rc;
}

/* Extents on one device become extents on the one below it */
static void go_down(struct place *p, const struct mapping *m)
{
	struct capstub_extent *v = must_alloc(p->nr + m->nr + 1, sizeof(*v));
	uint32_t nr = 0, room = p->nr + m->nr + 1;

	for (uint32_t i = 0; i < p->nr; i++) {
		struct capstub_extent e = p->v[i];
		uint64_t left = (uint64_t)e.blocks * BLOCK;

		for (unsigned k = 0; k < m->nr && left; k++) {
			const struct piece *q = &m->v[k];
			uint64_t len = min_u64(left, q->at + q->len - e.disk);

			if (e.disk < q->at || e.disk >= q->at + q->len)
				continue;
			if (nr == room)
				v = must_grow(v, room *= 2, sizeof(*v));
			v[nr++] = (struct capstub_extent){ e.offset, e.disk - q->at + q->to, (uint32_t)(len / BLOCK), 0 };
			e.offset += len;
			e.disk += len;
			left -= len;
		}
	}
	free(p->v);
	p->v = v;
	p->nr = nr;
}

/* From @dev to a whole disk, with the extents if there are any yet */
static int look_disk(struct place *p, dev_t dev)
{
	for (unsigned level = 0; level < DM_LEVELS; level++) {
		char path[64], dir[PATH_MAX], text[64];
		struct mapping m = { 0 };
		struct target disk = { .fd = -1, .is_blk = true };
		int rc = 0;

		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(dev), minor(dev));
		if (!realpath(path, dir))
			return place_refuse(p, -ENODEV, "is on a device that sysfs does not show");
		if (!sysfs_text(text, sizeof(text), "%s/partition", dir)) {
			m.v = must_alloc(1, sizeof(*m.v));
			m.v[m.nr++] = (struct piece){ 0, sysfs_number(dir, "size") * 512, sysfs_number(dir, "start") * 512 };
			*strrchr(dir, '/') = 0;
			if (sysfs_text(text, sizeof(text), "%s/dev", dir))
				return place_refuse(p, -ENODEV, "is on a partition of an unknown disk");
			dev = makedev((unsigned)atoi(text), (unsigned)atoi(strchr(text, ':') + 1));
		} else if (!sysfs_text(text, sizeof(text), "%s/dm/name", dir)) {
			rc = read_dm(p, dev, &m, &dev);
		} else {
			disk.st.st_rdev = dev;
			device_look(&p->d, &disk);
			if (!strncmp(p->d.disk, "md", 2))
				return place_refuse(p, -EOPNOTSUPP, "is on a RAID of md, whose other disks would not get the dump");
			return 0;
		}
		if (!rc)
			go_down(p, &m);
		free(m.v);
		if (rc)
			return rc;
	}
	return place_refuse(p, -EOPNOTSUPP, "is on too many devices on top of each other");
}

int place_look(struct place *p, int fd)
{
	struct stat st;
	int rc;

	*p = (struct place){ 0 };
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return place_refuse(p, -EINVAL, "is no file");
	rc = look_fs(p, fd, &st);
	return rc ? rc : look_disk(p, st.st_dev);
}

/* ---- the blocks of a file ---- */

static int add_extent(struct place *p, const struct fiemap_extent *f, uint64_t bytes, uint64_t *end)
{
	static const struct {
		uint32_t flag;
		const char *what;
	} bad[] = {
		{ FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC, "that have no place yet" },
		{ FIEMAP_EXTENT_DATA_ENCRYPTED, "that are encrypted" },
		{ FIEMAP_EXTENT_ENCODED, "that are compressed" },
		{ FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_DATA_TAIL, "that share a block with something else" },
		{ FIEMAP_EXTENT_UNWRITTEN, "that would read as zeros whatever is written there" },
		{ FIEMAP_EXTENT_SHARED, "that another file has too (a reflink or snapshot)" },
		{ FIEMAP_EXTENT_NOT_ALIGNED, "that do not begin with one of the disk" },
	};
	struct capstub_extent *last = p->nr ? &p->v[p->nr - 1] : NULL;
	uint64_t len = min_u64(f->fe_length, bytes - min_u64(bytes, f->fe_logical));

	if (f->fe_logical >= bytes)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (f->fe_flags & bad[i].flag)
			return place_refuse(p, -EOPNOTSUPP, "has blocks, from byte %llu on, %s", (unsigned long long)f->fe_logical, bad[i].what);
	if (f->fe_logical != *end)
		return place_refuse(p, -EOPNOTSUPP, "has a hole at byte %llu", (unsigned long long)*end);
	if (f->fe_logical % BLOCK || len % BLOCK || f->fe_physical % 512)
		return place_refuse(p, -EOPNOTSUPP, "is in pieces that are not whole 4 KiB, at byte %llu: the file system has smaller blocks",
			      (unsigned long long)f->fe_logical);
	*end += len;
	/* XFS and ext4 cut what is one piece of the disk */
	if (last && last->disk + (uint64_t)last->blocks * BLOCK == f->fe_physical && last->blocks + len / BLOCK <= UINT32_MAX) {
		last->blocks += (uint32_t)(len / BLOCK);
		return 0;
	}
	p->v = must_grow(p->v, p->nr + 1, sizeof(*p->v));
	p->v[p->nr++] = (struct capstub_extent){ f->fe_logical, f->fe_physical, (uint32_t)(len / BLOCK), 0 };
	return 0;
}

static int read_fiemap(struct place *p, int fd, uint64_t bytes)
{
	enum { AT_ONCE = 256 };
	struct fiemap *f = must_alloc(1, sizeof(*f) + AT_ONCE * sizeof(f->fm_extents[0]));
	uint64_t end = 0;
	int rc = 0;

	while (!rc && end < bytes) {
		*f = (struct fiemap){ .fm_start = end, .fm_length = bytes - end, .fm_flags = FIEMAP_FLAG_SYNC, .fm_extent_count = AT_ONCE };
		if (ioctl(fd, FS_IOC_FIEMAP, f))
			rc = place_refuse(p, -errno, "cannot be asked where it lies: %m");
		else if (!f->fm_mapped_extents)
			rc = place_refuse(p, -EOPNOTSUPP, "has a hole at byte %llu", (unsigned long long)end);
		for (uint32_t i = 0; !rc && i < f->fm_mapped_extents; i++)
			rc = add_extent(p, &f->fm_extents[i], bytes, &end);
		if (p->nr > CAPSTUB_EXTENTS_MAX)
			rc = place_refuse(p, -E2BIG, "is in more than %u pieces", CAPSTUB_EXTENTS_MAX);
	}
	free(f);
	return rc;
}

/* Large ones in several, so that a label stands here and there in them */
static void split(struct place *p, uint64_t bytes)
{
	uint64_t piece = PIECE_LEAST, tail = CAPSTUB_EXTENTS_OFFSET + extents_bytes(CAPSTUB_EXTENTS_MAX);
	struct capstub_extent *v = NULL;
	uint32_t nr = 0;

	while (piece < bytes / PIECES)
		piece *= 2;
	for (uint32_t i = 0; i < p->nr; i++) {
		struct capstub_extent e = p->v[i];

		while (e.blocks) {
			/* Nothing is cut where the map may be */
			uint64_t len = min_u64((uint64_t)e.blocks * BLOCK, ALIGN_DOWN(e.offset + piece, piece) - e.offset);

			if (e.offset + len + tail > bytes)
				len = (uint64_t)e.blocks * BLOCK;
			v = must_grow(v, nr + 1, sizeof(*v));
			v[nr++] = (struct capstub_extent){ e.offset, e.disk, (uint32_t)(len / BLOCK), 0 };
			e.offset += len;
			e.disk += len;
			e.blocks -= (uint32_t)(len / BLOCK);
		}
	}
	free(p->v);
	p->v = v;
	p->nr = nr;
}

int place_extents(struct place *p, int fd, uint64_t bytes)
{
	struct stat st;
	int rc;

	p->nr = 0;
	if (fstat(fd, &st))
		return place_refuse(p, -errno, "%m");
	rc = read_fiemap(p, fd, bytes);
	if (!rc)
		rc = look_disk(p, st.st_dev);
	if (rc)
		return rc;
	split(p, bytes);
	return p->nr <= CAPSTUB_EXTENTS_MAX ? 0 : place_refuse(p, -E2BIG, "is in more than %u pieces", CAPSTUB_EXTENTS_MAX);
}

void place_free(struct place *p)
{
	free(p->v);
	p->v = NULL;
	p->nr = 0;
}

uint64_t place_end(const struct place *p, uint64_t bytes)
{
	/* A shorter file has no more extents than this one */
	uint64_t tail = CAPSTUB_EXTENTS_OFFSET + extents_bytes(p->nr);

	for (uint32_t i = p->nr; i--;) {
		uint64_t end = min_u64(bytes, p->v[i].offset + (uint64_t)p->v[i].blocks * BLOCK);

		if (end >= CAPSTUB_TARGET_MIN && end - p->v[i].offset >= tail)
			return end;
	}
	return 0;
}

int place_fill(int fd, const char *path, uint64_t bytes)
{
	void *zeros = must_alloc(1, FILL_BYTES);
	struct progress p;
	int rc = 0;

	if (fallocate(fd, 0, 0, (off_t)bytes) && errno != EOPNOTSUPP)
		rc = fail(-errno, "%s: %s of it cannot be allocated: %m", path, human_bytes(bytes));
	progress_start(&p, "writing zeros", bytes);
	for (uint64_t done = 0; !rc && done < bytes; done += FILL_BYTES) {
		rc = write_at(fd, zeros, min_u64(FILL_BYTES, bytes - done), done);
		progress_step(&p, done);
	}
	progress_end(&p);
	free(zeros);
	if (!rc && fsync(fd))
		rc = -errno;
	return rc ? fail(rc, "%s: writing it failed: %s", path, strerror(-rc)) : 0;
}

/* ---- the map ---- */

/* The head of a target is zeros while it is empty (stub/format/vouch.h): the label vouches for extents that begin there */
int place_label(const struct target *t, const struct place *p)
{
	struct capstub_extent_label l = { .version = CAPSTUB_EXTENTS_VERSION, .nr = p->nr };
	int rc = 0;

	memcpy(l.magic, CAPSTUB_EXTENT_MAGIC, sizeof(l.magic));
	memcpy(l.uuid, t->label.uuid, sizeof(l.uuid));
	if (getrandom(l.nonce, sizeof(l.nonce), 0) != sizeof(l.nonce))
		return fail(-EIO, "no random numbers: %m");
	for (uint32_t i = 0; i < p->nr && !rc; i++) {
		uint64_t start = t->end - CAPSTUB_EXTENTS_OFFSET - extents_bytes(p->nr);

		if (p->v[i].offset < CAPSTUB_HEAD_MAX || p->v[i].offset >= start)
			continue;
		l.index = i;
		l.at = p->v[i];
		l.crc32c = 0;
		l.crc32c = crc32c(0, &l, sizeof(l));
		rc = write_at(t->fd, &l, sizeof(l), p->v[i].offset);
	}
	return rc ? fail(rc, "%s: labels of its extents cannot be written: %s", t->path, strerror(-rc)) : 0;
}

static bool same_place(const struct place *a, const struct place *b)
{
	bool same = a->nr == b->nr;

	for (uint32_t i = 0; same && i < a->nr; i++)
		same = a->v[i].offset == b->v[i].offset && a->v[i].disk == b->v[i].disk && a->v[i].blocks == b->v[i].blocks;
	return same;
}

/* Written, the file system has not put it elsewhere */
static int check_place(const struct target *t, const struct place *p)
{
	struct place now;
	int rc = place_look(&now, t->fd);

	if (!rc)
		rc = place_extents(&now, t->fd, t->end);
	if (rc)
		rc = fail(rc, "%s %s", t->path, now.why);
	else if (!same_place(&now, p))
		rc = fail(-ESTALE, "%s: the file system moves its blocks while it is written", t->path);
	place_free(&now);
	return rc;
}

int place_map(const struct target *t, const struct place *p)
{
	uint32_t bytes = extents_bytes(p->nr);
	uint8_t *map = must_alloc(1, bytes + sizeof(struct capstub_extents));
	struct extents x = { .v = (void *)map, .head = (void *)(map + bytes) };
	uint64_t start = t->end - CAPSTUB_EXTENTS_OFFSET - bytes, run;
	uint8_t block[BLOCK];
	char path[PATH_MAX];
	int rc = 0;

	memcpy(x.v, p->v, p->nr * sizeof(*p->v));
	for (uint32_t i = 0; i < p->nr && !rc; i++) {
		if (x.v[i].offset >= start)
			continue;
		rc = read_at(t->fd, block, BLOCK, x.v[i].offset);
		x.v[i].crc32c = crc32c(0, block, BLOCK);
	}
	memcpy(x.head->magic, CAPSTUB_EXTENTS_MAGIC, sizeof(x.head->magic));
	x.head->version = CAPSTUB_EXTENTS_VERSION;
	memcpy(x.head->uuid, t->label.uuid, sizeof(x.head->uuid));
	x.head->target_bytes = t->end;
	x.head->nr = p->nr;
	x.head->disk = extents_find(&x, t->end - CAPSTUB_EXTENTS_OFFSET, &run);
	if (realpath(t->path, path) && strlen(path) < sizeof(x.head->path))
		strcpy(x.head->path, path);
	x.head->crc32c = extents_crc(&x);
	if (!rc)
		rc = write_at(t->fd, map, bytes + sizeof(*x.head), start);
	if (!rc && fsync(t->fd))
		rc = -errno;
	free(map);
	return rc ? fail(rc, "%s: its map cannot be written: %s", t->path, strerror(-rc)) : check_place(t, p);
}

bool place_has_map(const struct target *t, struct capstub_extents *ret)
{
	return !t->is_blk && pin_head(t->fd, ret);
}

/* The map, in @x for free(x->v); false: none, or damaged */
static bool read_map(const struct target *t, struct extents *x)
{
	struct capstub_extents head;
	uint32_t bytes;

	if (!place_has_map(t, &head))
		return false;
	bytes = extents_bytes(head.nr);
	*x = (struct extents){ .io = { .disk_bytes = INT64_MAX, .align = 512 }, .v = must_alloc(1, bytes + sizeof(head)) };
	x->head = (void *)((uint8_t *)x->v + bytes);
	if (!read_at(t->fd, x->v, bytes + sizeof(head), t->end - CAPSTUB_EXTENTS_OFFSET - bytes) && x->head->nr == head.nr &&
	    extents_ok(x))
		return true;
	free(x->v);
	return false;
}

/* NULL: every first block is as the map says */
static const char *stale(const struct target *t, const struct extents *x)
{
	uint8_t block[BLOCK];

	for (uint32_t i = 0; i < x->head->nr; i++)
		if (x->v[i].offset < extents_start(x->head) &&
		    (read_at(t->fd, block, BLOCK, x->v[i].offset) || crc32c(0, block, BLOCK) != x->v[i].crc32c))
			return "was written to since its map was: a capture was cut, or something else was there. 'capstub save' makes it "
			       "a target again";
	return NULL;
}

const char *place_problem(const struct target *t)
{
	static char text[400];
	struct capstub_extents head;
	struct place now = { 0 };
	struct extents x;
	const char *why = NULL;

	if (!place_has_map(t, &head))
		return NULL;
	if (!read_map(t, &x))
		return "has a damaged map of where it lies: 'capstub save' or 'capstub format' writes it anew";
	if (memcmp(x.head->uuid, t->label.uuid, 16))
		why = "has the map of another target: run 'capstub format' on it";
	else if (place_look(&now, t->fd) || place_extents(&now, t->fd, t->end)) {
		snprintf(text, sizeof(text), "%s", now.why);
		why = text;
	} else if (!same_place(&now, &(struct place){ .nr = x.head->nr, .v = x.v })) {
		why = "is no longer where its map says: run 'capstub format' on it, then load the stub with its new address";
	}
	if (!why)
		why = stale(t, &x);
	place_free(&now);
	free(x.v);
	return why;
}

int place_renew(const struct target *t)
{
	struct capstub_extents head;
	struct extents x;
	struct place now = { 0 };
	uint64_t at;
	int rc;

	if (t->status != LABEL_OK || !place_has_map(t, &head))
		return 0;
	at = head.disk;
	if (!place_problem(t))
		return 0;
	rc = place_look(&now, t->fd);
	if (!rc)
		rc = place_extents(&now, t->fd, t->end);
	if (!rc && place_end(&now, t->end) != t->end)
		rc = place_refuse(&now, -EOPNOTSUPP, "is in pieces where its map has to be");
	rc = rc ? fail(rc, "%s %s: it is no target any more", t->path, now.why) : place_map(t, &now);
	place_free(&now);
	if (!rc && read_map(t, &x)) {
		if (x.head->disk != at)
			note("%s has moved: load the stub again, with dump=%s", t->path, place_word(t));
		free(x.v);
	}
	return rc;
}

int place_wipe(const struct target *t)
{
	struct capstub_extents head;
	int rc;

	if (!place_has_map(t, &head))
		return 0;
	memset(&head, 0, sizeof(head));
	rc = write_at(t->fd, &head, sizeof(head), t->end - CAPSTUB_EXTENTS_OFFSET);
	return rc ? fail(rc, "%s: its map cannot be wiped: %s", t->path, strerror(-rc)) : 0;
}

const char *place_word(const struct target *t)
{
	static char word[PIN_WORD];
	struct capstub_extents head;

	if (place_has_map(t, &head)) {
		pin_word(&head, word);
	} else {
		strcpy(word, "UUID=");
		uuid_format(word + 5, t->label.uuid);
	}
	return word;
}
