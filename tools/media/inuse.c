// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What stands against writing to a target. The kernel's O_EXCL is the judge for block devices; the
 * lists in /proc and /sys only turn "busy" into words, and cover image files, which have no O_EXCL.
 */
#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "tools/media/device.h"
#include "tools/media/inuse.h"
#include "tools/util.h"

/* Names lie (links, by-id paths): device numbers or inode decide */
static bool same_thing(const struct target *t, const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return false;
	if (t->is_blk)
		return S_ISBLK(st.st_mode) && st.st_rdev == t->st.st_rdev;
	return st.st_dev == t->st.st_dev && st.st_ino == t->st.st_ino;
}

/*
 * proc_pid_mountinfo(5): "36 35 98:0 /root /mnt options [optional] - type source options". The
 * numbers are right where the source is a name that does not exist (/dev/root), the source where
 * they are nobody's (btrfs). What is printed keeps its escapes: a blank is \040.
 */
static int check_mounts(const struct target *t)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *rest, where[4096], source[4096];
	unsigned maj, min;
	size_t room = 0;
	int rc = 0;

	while (f && !rc && getline(&line, &room, f) > 0) {
		if (sscanf(line, "%*s %*s %u:%u %*s %4095s", &maj, &min, where) != 3)
			continue;
		rest = strstr(line, " - ");
		if ((t->is_blk && makedev(maj, min) == t->st.st_rdev) ||
		    (rest && sscanf(rest, " - %*s %4095s", source) == 1 && source[0] == '/' &&
		     same_thing(t, source)))
			rc = fail(-EBUSY, "%s is mounted on %s: umount it first", t->path, where);
	}
	free(line);
	if (f)
		fclose(f);
	return rc;
}

/* Swap files are listed by path too */
static int check_swaps(const struct target *t)
{
	FILE *f = fopen("/proc/swaps", "re");
	char line[4352], path[4096];
	int rc = 0;

	while (f && !rc && fgets(line, sizeof(line), f))
		if (sscanf(line, "%4095s", path) == 1 && path[0] == '/' && same_thing(t, path))
			rc = fail(-EBUSY, "%s is swap space: swapoff it first", t->path);
	if (f)
		fclose(f);
	return rc;
}

/* @check for each entry of a directory below /sys, until one of them fails */
static int check_each(const struct target *t, const char *dir,
		      int (*check)(const struct target *t, const char *dir, const char *name))
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int rc = 0;

	while (d && !rc && (e = readdir(d)))
		if (e->d_name[0] != '.')
			rc = check(t, dir, e->d_name);
	if (d)
		closedir(d);
	return rc;
}

/* The device on top in words of those who made it: /sys/block/dm-0/dm/uuid begins with their name */
static int held_by(const struct target *t, const char *dir, const char *holder)
{
	char uuid[160], name[160];

	(void)dir;
	if (!strncmp(holder, "md", 2))
		return fail(-EBUSY, "%s is a member of the RAID /dev/%s: take it out first (mdadm)",
			    t->path, holder);
	if (sysfs_text(uuid, sizeof(uuid), "/sys/block/%s/dm/uuid", holder) ||
	    sysfs_text(name, sizeof(name), "/sys/block/%s/dm/name", holder))
		return fail(-EBUSY, "%s is part of /dev/%s: take that apart first", t->path, holder);
	if (!strncmp(uuid, "LVM-", 4))
		return fail(-EBUSY, "%s is a physical volume of LVM, volume %s is on it: take it out "
			    "of its group first (pvmove, vgreduce)", t->path, name);
	if (!strncmp(uuid, "CRYPT-", 6))
		return fail(-EBUSY, "%s holds the encrypted volume %s, which is open: close it first "
			    "(cryptsetup close %s)", t->path, name, name);
	if (!strncmp(uuid, "mpath-", 6))
		return fail(-EBUSY, "%s is a path of the multipath device %s: take it out first",
			    t->path, name);
	return fail(-EBUSY, "%s is part of the device-mapper device %s: take that apart first "
		    "(dmsetup remove %s)", t->path, name, name);
}

static int check_device(const struct target *t)
{
	char holders[64];
	int rc = check_mounts(t);

	if (!rc)
		rc = check_swaps(t);
	if (rc || !t->is_blk)
		return rc;
	/* The RAID, LVM or dm devices on top */
	snprintf(holders, sizeof(holders), "/sys/dev/block/%u:%u/holders", major(t->st.st_rdev), minor(t->st.st_rdev));
	return check_each(t, holders, held_by);
}

/* Of a whole disk: what is done with one of its partitions is done with it, too */
static int check_partition(const struct target *t, const char *dir, const char *name)
{
	char number[32], part_path[300];
	struct target part = { .path = part_path, .is_blk = true };
	unsigned maj, min;

	if (sysfs_text(number, sizeof(number), "%s/%s/partition", dir, name) ||
	    sysfs_text(number, sizeof(number), "%s/%s/dev", dir, name) || sscanf(number, "%u:%u", &maj, &min) != 2)
		return 0;
	part.st.st_rdev = makedev(maj, min);
	snprintf(part_path, sizeof(part_path), "%s: its partition %s", t->path, name);
	return check_device(&part);
}

/* An image file that a loop device shows: writing below its page cache would be lost or mixed up */
static int check_loop(const struct target *t, const char *dir, const char *name)
{
	char file[4096];

	if (sysfs_text(file, sizeof(file), "%s/%s/loop/backing_file", dir, name) || !same_thing(t, file))
		return 0;
	return fail(-EBUSY, "%s is attached to /dev/%s: name that device, or detach it with 'losetup -d /dev/%s'",
		    t->path, name, name);
}

int inuse_check(const struct target *t)
{
	char disk[64];
	int rc = check_device(t);

	if (rc)
		return rc;
	if (!t->is_blk)
		return check_each(t, "/sys/block", check_loop);
	snprintf(disk, sizeof(disk), "/sys/dev/block/%u:%u", major(t->st.st_rdev), minor(t->st.st_rdev));
	return check_each(t, disk, check_partition);
}

static const char *probe_value(blkid_probe pr, const char *name)
{
	const char *value;

	return blkid_probe_lookup_value(pr, name, &value, NULL) ? NULL : value;
}

/* "ext4 filesystem at byte 1080", "gpt partition table at byte 512" */
static void report_signature(const struct target *t, blkid_probe pr)
{
	const char *table = probe_value(pr, "PTTYPE"), *type = probe_value(pr, "TYPE");
	const char *usage = probe_value(pr, "USAGE"), *label = probe_value(pr, "LABEL");
	const char *at = probe_value(pr, table ? "PTMAGIC_OFFSET" : "SBMAGIC_OFFSET");

	note("%s: found %s%s%s%s%s at byte %s", t->path, table ? table : type ? type : "something",
	     table ? " partition table" : usage ? " " : "", table || !usage ? "" : usage,
	     label ? ", label " : "", label ? label : "", at ? at : "?");
}

/*
 * Superblocks of every usage and partition tables; BADCSUM and FORCE_GPT make it find damaged
 * ones
 */
static blkid_probe new_probe(const struct target *t)
{
	blkid_probe pr = blkid_new_probe();

	if (!pr)
		return NULL;
	if (blkid_probe_set_device(pr, t->fd, 0, 0)) {
		blkid_free_probe(pr);
		return NULL;
	}
	blkid_probe_enable_superblocks(pr, true);
	/* BADCSUM: a damaged filesystem is still somebody's filesystem */
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE |
					  BLKID_SUBLKS_LABEL | BLKID_SUBLKS_MAGIC |
					  BLKID_SUBLKS_BADCSUM);
	blkid_probe_enable_partitions(pr, true);
	blkid_probe_set_partitions_flags(pr, BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT);
	return pr;
}

/*
 * blkid_do_wipe() erases the signature just found and steps back, so that the loop finds the
 * next
 */
int inuse_signatures(const struct target *t, bool wipe, struct signatures *ret)
{
	blkid_probe pr = new_probe(t);
	const char *name;
	int rc;

	*ret = (struct signatures){ 0 };

	if (!pr)
		return fail(-ENOMEM, "%s: libblkid cannot look at it", t->path);
	/* 0: one found, 1: no more, -2 ambivalent never happens with this call, -1: error */
	while ((rc = blkid_do_probe(pr)) == 0) {
		name = probe_value(pr, "PTTYPE");
		if (!name)
			name = probe_value(pr, "TYPE");
		if (!ret->nr++ && name)
			snprintf(ret->first, sizeof(ret->first), "%s", name);
		if (!wipe) {
			report_signature(t, pr);
			continue;
		}
		rc = blkid_do_wipe(pr, false);
		if (rc)
			break;
	}
	blkid_free_probe(pr);
	if (rc < 0)
		return fail(-EIO, "%s: %s signatures failed: is the device healthy?", t->path,
			    wipe ? "erasing" : "looking for");
	return 0;
}
