/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the blocks of a file lie on a disk, asked of the file system, and the map that tells the stub
 * (include/capstub/extents.h). The stub goes by the map alone; here it is seen to that it is true.
 *
 * ext4 and XFS write a block that is allocated and was written where it is. ext2 and ext3 are driven by ext4. Refused, by
 * name: file systems that write elsewhere (btrfs, f2fs, ...), data=journal (a replay of the journal would bring old data
 * back over a dump), files that are encrypted, verity, compressed, inline, shared with another (reflink), with holes or
 * blocks that read as zeros because they were never written, on XFS's realtime device; disks that are made of others, but
 * for LVM volumes that are pieces of one disk.
 */
#ifndef TOOLS_PLACE_H
#define TOOLS_PLACE_H

#include "stub/format/extents.h"
#include "tools/media/device.h"
#include "tools/media/target.h"

struct place {
	char fs[32];			/* "ext4" */
	struct device d;		/* the disk that it is on */
	bool no_disk;			/* it is not on a disk of this machine, or nothing is known of that */
	char why[320];			/* a sentence, when it is no place for a target; begins with a verb */
	uint32_t nr;
	struct capstub_extent *v;	/* without CRCs; malloc'd */
};

/*
 * The file system and the disk below it, without the file's blocks. 0, or -ENODEV, -EOPNOTSUPP or another -errno with
 * p->why, and no message.
 */
int place_look(struct place *p, int fd);

/* Say why it is none. @rc */
__attribute__((format(printf, 3, 4))) int place_refuse(struct place *p, int rc, const char *fmt, ...);

/* After it: where the file's first @bytes are. 0, or -errno with p->why. place_free() */
int place_extents(struct place *p, int fd, uint64_t bytes);
void place_free(struct place *p);

/* The largest END up to @bytes for which the map and what is behind it lie in one piece; 0: none */
uint64_t place_end(const struct place *p, uint64_t bytes);

/* Blocks of all extents are really written: zeros, with a progress bar. Only for a new file. 0 or -errno with a message. */
int place_fill(int fd, const char *path, uint64_t bytes);

/* Labels into the first blocks of extents, as the first thing of a fresh target; then place_map(). */
int place_label(const struct target *t, const struct place *p);

/* The map, for t->label.uuid, with what is in the extents now. 0 or -errno with a message */
int place_map(const struct target *t, const struct place *p);

/* Does the file have a map? False also for one that makes no sense. *ret is its head. */
bool place_has_map(const struct target *t, struct capstub_extents *ret);

/* Is the map what the file system says now? NULL, or a sentence that goes on after the file's name */
const char *place_problem(const struct target *t);

/*
 * For a file that has a map: write it anew, if a capture has left one that no longer fits. 0, also for a file without
 * map; -errno with a message.
 */
int place_renew(const struct target *t);

/* The map's head is no more. 0, also for a file without map; -errno with a message. */
int place_wipe(const struct target *t);

/* The dump= word of a target: UUID=..., with the address of the map if it has one. Lives until the next call. */
const char *place_word(const struct target *t);

#endif
