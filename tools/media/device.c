// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Block devices as sysfs shows them: see tools/media/device.h. The path of a device below
 * /sys/devices says how it is attached; its links say which driver it has.
 */
#include "tools/media/device.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/util.h"

int sysfs_text(char *buf, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX];
	bool got;
	va_list ap;
	FILE *f;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	got = fgets(buf, (int)size, f);
	fclose(f);
	if (!got)
		return -ENODATA;
	buf[strcspn(buf, "\n")] = 0;
	return 0;
}

/* NVMe: one of the controllers (there may be several, of one disk) has to be on PCI */
static bool nvme_on_pci(const char *disk_dir, char *ret_transport, size_t size)
{
	char pattern[PATH_MAX + 32];
	bool pci = false;
	glob_t found;

	/* Beside the disk: that of its controller, or below the links of its subsystem */
	snprintf(pattern, sizeof(pattern), "%s/../{transport,nvme*/transport}", disk_dir);
	if (glob(pattern, GLOB_BRACE, NULL, &found))
		return false;
	for (size_t i = 0; i < found.gl_pathc && !pci; i++)
		pci = !sysfs_text(ret_transport, size, "%s", found.gl_pathv[i]) &&
		      !strcmp(ret_transport, "pcie");
	globfree(&found);
	return pci;
}

/*
 * As the stub does: protection information is the controller's business, other metadata would have to
 * be written. Linux calls that "nop" when it does not know what it is for; only newer kernels say how
 * much it is.
 */
static void look_nvme_format(struct device *d, const char *disk_dir)
{
	char text[64];

	if (!sysfs_text(text, sizeof(text), "%s/queue/zoned", disk_dir) && strcmp(text, "none"))
		strcpy(d->what, "a zoned namespace");
	else if ((!sysfs_text(text, sizeof(text), "%s/metadata_bytes", disk_dir) &&
		  atoi(text) != 0 && atoi(text) != 8) ||
		 (!sysfs_text(text, sizeof(text), "%s/integrity/format", disk_dir) &&
		  !strcmp(text, "nop")))
		strcpy(d->what, "a namespace with metadata");
	else
		return;
	d->reach = REACH_FORMAT;
}

/* Made by the kernel out of something else */
static void look_virtual(struct device *d, const char *disk_dir)
{
	char uuid[160];

	d->reach = REACH_NEVER;
	if (!strncmp(d->disk, "loop", 4)) {
		d->reach = REACH_LOOP;
		strcpy(d->what, "a loop device");
	} else if (!strncmp(d->disk, "md", 2)) {
		strcpy(d->what, "a RAID of md");
	} else if (sysfs_text(uuid, sizeof(uuid), "%s/dm/uuid", disk_dir)) {
		snprintf(d->what, sizeof(d->what), "a virtual device (%s)", d->disk);
	} else {
		strcpy(d->what, !strncmp(uuid, "LVM-", 4) ? "an LVM volume" :
		       !strncmp(uuid, "CRYPT-", 6) ? "an encrypted volume" :
		       !strncmp(uuid, "mpath-", 6) ? "a multipath device" :
						     "a device-mapper device");
	}
}

/*
 * A disk of Linux's SCSI layer: is what it hangs on, the folder above host<N>, something that the stub drives? An AHCI
 * controller has a folder for each port between; what is not on channel 0 is behind a port multiplier.
 */
static bool scsi_in_reach(const char *disk_dir, char *ret_host, size_t size)
{
	char above[PATH_MAX], path[PATH_MAX + 16], text[32];
	const char *host = strstr(disk_dir, "/host"), *port;
	unsigned channel = 0;

	strcpy(ret_host, "sd");
	if (!host)
		return false;
	snprintf(above, sizeof(above), "%.*s", (int)(host - disk_dir), disk_dir);
	port = strrchr(above, '/');
	if (port && !strncmp(port, "/ata", 4)) {
		above[port - above] = '\0';
		if (sscanf(host, "/host%*u/target%*u:%u:", &channel) != 1 || channel) {
			snprintf(ret_host, size, "a port multiplier");
			return false;
		}
		snprintf(ret_host, size, "SATA");
		return !sysfs_text(text, sizeof(text), "%s/class", above) && !strcmp(text, "0x010601");
	}
	snprintf(path, sizeof(path), "%s/driver", above);
	if (!realpath(path, above))
		return false;
	snprintf(ret_host, size, "%.40s", strrchr(above, '/') + 1);
	return !strcmp(ret_host, "virtio_scsi");
}

static void look_disk(struct device *d, const char *disk_dir)
{
	char link[PATH_MAX + 32], driver[PATH_MAX] = "", transport[32] = "no controller", host[48];
	const char *name;

	if (!strncmp(d->disk, "nvme", 4)) {
		d->reach = nvme_on_pci(disk_dir, transport, sizeof(transport)) ? REACH_STUB :
										REACH_NEVER;
		snprintf(d->what, sizeof(d->what), "an NVMe disk (%s)", transport);
		if (d->reach == REACH_STUB)
			look_nvme_format(d, disk_dir);
		return;
	}
	if (strstr(disk_dir, "/devices/virtual/")) {
		look_virtual(d, disk_dir);
		return;
	}
	snprintf(link, sizeof(link), "%s/device/driver", disk_dir);
	if (!realpath(link, driver))
		return;
	name = strrchr(driver, '/') + 1;
	if (!strcmp(name, "sd")) {
		d->reach = scsi_in_reach(disk_dir, host, sizeof(host)) ? REACH_STUB : REACH_NEVER;
		name = host;
	} else {
		d->reach = strcmp(name, "virtio_blk") ? REACH_NEVER : REACH_STUB;
	}
	snprintf(d->what, sizeof(d->what), "a disk of the driver '%.40s'", name);
}

/* The entry in the table of the disk it is on, which libblkid finds and opens */
static void look_entry(struct device *d, const struct target *t)
{
	blkid_probe pr = blkid_new_probe();
	const char *value;

	if (!pr)
		return;
	if (!blkid_probe_set_device(pr, t->fd, 0, 0)) {
		blkid_probe_enable_superblocks(pr, false);
		blkid_probe_enable_partitions(pr, true);
		blkid_probe_set_partitions_flags(pr, BLKID_PARTS_ENTRY_DETAILS);
		blkid_do_safeprobe(pr);
		if (!blkid_probe_lookup_value(pr, "PART_ENTRY_SCHEME", &value, NULL))
			snprintf(d->table, sizeof(d->table), "%s", value);
		if (!blkid_probe_lookup_value(pr, "PART_ENTRY_TYPE", &value, NULL))
			snprintf(d->type, sizeof(d->type), "%s", value);
	}
	blkid_free_probe(pr);
}

void device_look(struct device *d, const struct target *t)
{
	char path[64], dir[PATH_MAX], number[32];

	*d = (struct device){ .reach = REACH_NONE };
	if (!t->is_blk)
		return;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(t->st.st_rdev),
		 minor(t->st.st_rdev));
	if (!realpath(path, dir))
		return;
	if (!sysfs_text(number, sizeof(number), "%s/partition", dir)) {
		d->part = (unsigned)atoi(number);
		*strrchr(dir, '/') = 0;
		look_entry(d, t);
	}
	snprintf(d->disk, sizeof(d->disk), "%.63s", strrchr(dir, '/') + 1);
	look_disk(d, dir);
}

int device_set_type(const struct device *d, const char *guid)
{
	char disk[sizeof(d->disk) + 8], part[16];
	char *argv[] = {
		"sfdisk", "--quiet", "--lock=yes", "--no-reread", "--no-tell-kernel", "--part-type",
		disk, part, (char *)guid, NULL,
	};
	int status = -1;
	pid_t pid;

	snprintf(disk, sizeof(disk), "/dev/%s", d->disk);
	snprintf(part, sizeof(part), "%u", d->part);
	/* sysfs has '!' for the '/' of names such as cciss/c0d0 */
	for (char *p = disk; (p = strchr(p, '!'));)
		*p = '/';
	pid = fork();
	if (pid == 0) {
		setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin", 1);
		execvp(argv[0], argv);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0 && status == 0)
		return 0;
	return fail(-EIO, "the type of partition %u in the table of %s could not be set%s", d->part, disk,
		    WIFEXITED(status) && WEXITSTATUS(status) == 127 ? ": there is no sfdisk" : "");
}

/* UEFI 2.10, table 5-7; systemd's Discoverable Partitions; for the MBR IBM's and Intel's */
const char *device_reserved(const struct device *d)
{
	static const struct {
		const char *type, *what;
	} reserved[] = {
		{ "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "an EFI system partition" },
		{ "0xef", "an EFI system partition" },
		{ "21686148-6449-6e6f-744e-656564454649", "a BIOS boot partition" },
		{ "9e1a2d38-c612-4316-aa26-8b49521e5a8b", "a PReP boot partition" },
		{ "0x41", "a PReP boot partition" },
		{ "e3c9e316-0b5c-4db8-817d-f92df00215ae", "a Microsoft reserved partition" },
		{ "fe3a2a5d-4f32-41e7-b725-accc3285a309", "a ChromeOS kernel partition" },
		{ "3de21764-95bd-54bd-a5c3-4abe786f38a8", "a U-Boot environment" },
	};

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (!strcmp(d->type, reserved[i].type))
			return reserved[i].what;
	return NULL;
}
