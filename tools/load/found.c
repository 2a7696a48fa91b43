// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/load/found.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/media/device.h"
#include "tools/media/pin.h"
#include "tools/util.h"

static void add(struct found *f, const char *path)
{
	/* What cannot be opened, as a drive with nothing in it, is passed over without a word */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct target t;
	char *name;

	if (fd < 0)
		return;
	close(fd);
	name = strdup(path);
	if (name && !target_open(&t, name, O_RDONLY)) {
		if (t.status != LABEL_NONE) {
			f->v = must_grow(f->v, f->nr + 1, sizeof(*f->v));
			f->v[f->nr++] = t;
			return;
		}
		target_close(&t);
	}
	free(name);
}

static int by_path(const void *a, const void *b)
{
	return strverscmp(((const struct target *)a)->path, ((const struct target *)b)->path);
}

void found_targets(struct found *f, const char *root)
{
	char folder[PATH_MAX];
	struct dirent *e;
	DIR *d;

	*f = (struct found){ 0 };
	snprintf(folder, sizeof(folder), "%s%s", root, *root ? "/dev" : "/sys/class/block");
	d = opendir(folder);
	while (d && (e = readdir(d))) {
		char path[PATH_MAX + NAME_MAX];

		/* Drives with something to put in would spin up or wait */
		if (e->d_name[0] == '.' || !strncmp(e->d_name, "sr", 2) || !strncmp(e->d_name, "fd", 2))
			continue;
		snprintf(path, sizeof(path), "%s/dev/%s", root, e->d_name);
		/* sysfs has '!' for the '/' of names such as cciss/c0d0 */
		for (char *p = path; (p = strchr(p, '!'));)
			*p = '/';
		add(f, path);
	}
	if (d)
		closedir(d);
	if (f->nr)
		qsort(f->v, f->nr, sizeof(*f->v), by_path);
}

void found_files(struct found *f, const struct cmdline *cl, const char *root)
{
	for (unsigned i = 0; i < cl->nr_targets; i++) {
		const struct target_spec *spec = &cl->targets[i];
		struct capstub_extents head;

		if (spec->file_at && pin_find(root, spec->uuid, spec->file_at, &head) && head.path[0])
			add(f, head.path);
	}
}

void found_free(struct found *f)
{
	for (unsigned i = 0; i < f->nr; i++) {
		target_close(&f->v[i]);
		free((char *)f->v[i].path);
	}
	free(f->v);
}

/* Is @link, which udev made, a link to @t? */
static bool is_link_to(const struct target *t, const char *folder, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "/dev/disk/%s/%s", folder, name);
	return t->is_blk && !stat(path, &st) && st.st_rdev == t->st.st_rdev;
}

/* udev writes what is no letter, digit or one of #+-.:=@_ as \xNN */
static void udev_name(char *to, size_t size, const char *from)
{
	size_t len = 0;

	for (; *from && len + 5 < size; from++) {
		unsigned char c = (unsigned char)*from;

		if (c >= 0x80 || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || strchr("#+-.:=@_", c))
			to[len++] = (char)c;
		else
			len += (size_t)snprintf(to + len, size - len, "\\x%02x", c);
	}
	to[len] = '\0';
}

/* The unit serial number of a SCSI disk, which Linux makes up for a SATA disk (SPC-4 §7.8.17): 40 characters, as the stub */
static bool vpd_serial(char *text, size_t size, const char *disk)
{
	char path[128];
	unsigned char page[4 + 40];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/block/%s/device/vpd_pg80", disk);
	f = fopen(path, "re");
	if (!f)
		return false;
	len = fread(page, 1, sizeof(page), f);
	fclose(f);
	if (len < 4)
		return false;
	if (len > 4u + page[3])
		len = 4u + page[3];
	snprintf(text, size, "%.*s", (int)(len - 4), (char *)page + 4);
	return true;
}

/* NVMe's is that of its controller, virtio-blk's its own; without blanks on either side */
static bool has_serial(const struct target *t, const char *serial)
{
	struct device d;
	char text[128], *begin = text;
	size_t len;

	device_look(&d, t);
	if (!d.disk[0] || (sysfs_text(text, sizeof(text), "/sys/class/block/%s/device/serial", d.disk) &&
			   sysfs_text(text, sizeof(text), "/sys/class/block/%s/serial", d.disk) &&
			   !vpd_serial(text, sizeof(text), d.disk)))
		return false;
	for (len = strlen(text); len && text[len - 1] == ' ';)
		text[--len] = '\0';
	while (*begin == ' ')
		begin++;
	return !strcmp(begin, serial);
}

static bool matches(const struct target *t, const struct target_spec *spec)
{
	char name[512], lower[64];
	struct capstub_extents head;

	/* The path stands in the map on the disk, and the map that is in the file must be that one */
	if (spec->file_at && (t->is_blk || !pin_head(t->fd, &head) || head.disk != spec->file_at))
		return false;
	switch (spec->kind) {
	case TARGET_UUID:
		return !memcmp(t->label.uuid, spec->uuid, sizeof(spec->uuid));
	case TARGET_LABEL:
		return !strncmp(t->label.name, spec->text, sizeof(t->label.name));
	case TARGET_ANY:
		return t->status == LABEL_OK;
	case TARGET_PARTUUID:
		if (spec->mbr)
			snprintf(lower, sizeof(lower), "%08x-%02x", spec->mbr_signature, spec->mbr_index);
		else
			uuid_format(lower, spec->uuid);
		return is_link_to(t, "by-partuuid", lower);
	case TARGET_PARTLABEL:
		udev_name(name, sizeof(name), spec->text);
		return is_link_to(t, "by-partlabel", name);
	case TARGET_SERIAL:
		return has_serial(t, spec->text);
	default:
		return false;
	}
}

unsigned found_match(const struct found *f, const struct target_spec *spec, const struct target **ret)
{
	unsigned good = 0;

	*ret = NULL;
	for (unsigned i = 0; i < f->nr; i++) {
		if (!matches(&f->v[i], spec))
			continue;
		if (!*ret || (!good && f->v[i].status == LABEL_OK))
			*ret = &f->v[i];
		good += f->v[i].status == LABEL_OK;
	}
	return good ? good : *ret != NULL;
}
