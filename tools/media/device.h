/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What sysfs and the partition table say of a block device: would the stub find it on this machine,
 * and what is the partition for?
 */
#ifndef TOOLS_DEVICE_H
#define TOOLS_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/media/target.h"

enum device_reach {
	REACH_NONE,	/* an image file, or nothing is known */
	REACH_STUB,	/* a disk that the stub has a driver for */
	REACH_LOOP,	/* the image of a machine that is not this one */
	REACH_FORMAT,	/* it has one, but cannot write to this format (stop code 35) */
	REACH_NEVER,	/* not as a disk: it is made by the kernel, or no driver */
};

struct device {
	enum device_reach reach;
	char what[96];			/* "an LVM volume" */
	char disk[64];			/* the whole disk: "nvme0n1"; "" not known */
	unsigned part;			/* number of the partition; 0: none, or not known */
	char table[16];			/* "gpt", "dos" */
	char type[40];			/* "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "0xef" */
};

void device_look(struct device *d, const struct target *t);

/* What firmware or boot loaders keep in such a partition, without a signature; NULL: nothing */
const char *device_reserved(const struct device *d);

/*
 * Change the type of a GPT partition by sfdisk, which writes the backup table, then the primary one,
 * each before its header: one of them is whole at every moment. 0 or -errno, said.
 */
int device_set_type(const struct device *d, const char *guid);

/* First line of a file below /sys, without its end. 0 or -errno; no message. */
__attribute__((format(printf, 3, 4))) int sysfs_text(char *buf, size_t size, const char *fmt, ...);

#endif
