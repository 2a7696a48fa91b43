// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/media/pin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stub/format/uuid.h"
#include "tools/util.h"

bool pin_is_set(int fd)
{
	int flags = 0;

	return !ioctl(fd, FS_IOC_GETFLAGS, &flags) && flags & FS_IMMUTABLE_FL;
}

int pin_set(int fd, bool on)
{
	int flags = 0;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
		return -errno;
	flags = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) ? -errno : 0;
}

void pin_hint(int fd)
{
	struct fsxattr x;
	int flags = 0;

	if (!ioctl(fd, FS_IOC_GETFLAGS, &flags)) {
		flags |= FS_NODUMP_FL;
		(void)!ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
	if (!ioctl(fd, FS_IOC_FSGETXATTR, &x)) {
		x.fsx_xflags |= FS_XFLAG_NODEFRAG;
		(void)!ioctl(fd, FS_IOC_FSSETXATTR, &x);
	}
}

static bool is_head(const struct capstub_extents *h, uint64_t at)
{
	struct extents_io any = { .disk_bytes = INT64_MAX, .align = 512 };

	return extents_head_ok(h, at, &any) && memchr(h->path, 0, sizeof(h->path));
}

bool pin_head(int fd, struct capstub_extents *ret_head)
{
	struct stat st;
	uint64_t end;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size < CAPSTUB_TARGET_MIN)
		return false;
	end = (uint64_t)st.st_size & ~(uint64_t)4095;
	return !read_at(fd, ret_head, sizeof(*ret_head), end - CAPSTUB_EXTENTS_OFFSET) && ret_head->target_bytes == end &&
	       is_head(ret_head, ret_head->disk);
}

void pin_word(const struct capstub_extents *head, char word[PIN_WORD])
{
	char uuid[UUID_TEXT];

	uuid_format(uuid, head->uuid);
	snprintf(word, PIN_WORD, "UUID=%s@0x%" PRIx64, uuid, head->disk);
}

static bool has_map(const char *path, const uint8_t uuid[16], uint64_t at, struct capstub_extents *ret_head)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool found = fd >= 0 && at < INT64_MAX && !read_at(fd, ret_head, sizeof(*ret_head), at) && is_head(ret_head, at) &&
		     !memcmp(ret_head->uuid, uuid, 16);

	if (fd >= 0)
		close(fd);
	return found;
}

bool pin_find(const char *root, const uint8_t uuid[16], uint64_t at, struct capstub_extents *ret_head)
{
	char folder[PATH_MAX], path[PATH_MAX + NAME_MAX];
	bool found = false;
	struct dirent *e;
	DIR *d;

	snprintf(folder, sizeof(folder), "%s%s", root, *root ? "/dev" : "/sys/block");
	d = opendir(folder);
	while (d && !found && (e = readdir(d))) {
		/* Drives with something to put in would spin up or wait */
		if (e->d_name[0] == '.' || !strncmp(e->d_name, "sr", 2) || !strncmp(e->d_name, "fd", 2))
			continue;
		snprintf(path, sizeof(path), "%s/dev/%s", root, e->d_name);
		/* sysfs has '!' for the '/' of names such as cciss/c0d0 */
		for (char *p = path; (p = strchr(p, '!'));)
			*p = '/';
		found = has_map(path, uuid, at, ret_head);
	}
	if (d)
		closedir(d);
	return found;
}
