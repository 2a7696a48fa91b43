/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file that is a target must stay where it is. The immutable flag (FS_IOC_SETFLAGS, chattr +i) does that on ext4 and
 * XFS: nobody can write, truncate, punch, delete or replace it, nor open it for the writing that e4defrag and xfs_fsr
 * need. It is set when the stub is loaded with that target, and taken off for the moment in which this program writes.
 */
#ifndef TOOLS_PIN_H
#define TOOLS_PIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stub/format/extents.h"

/* Is the file behind @fd immutable? False also where there are no such flags. */
bool pin_is_set(int fd);

/* 0 or -errno, no message. Any open file will do. */
int pin_set(int fd, bool on);

/* For programs that look at flags: not to be backed up by dump(8), on XFS not to be touched by xfs_fsr. It is no harm if it fails. */
void pin_hint(int fd);

/* The head of the map in a file of any size; false: it has none, or one that makes no sense. Its path is a string. */
bool pin_head(int fd, struct capstub_extents *ret_head);

#define PIN_WORD	64
/* "UUID=...@0x..." */
void pin_word(const struct capstub_extents *head, char word[PIN_WORD]);

/*
 * Which file does dump=UUID=@uuid@ADDRESS mean? By the map on one of the disks below @root; false: there is none. *ret_head
 * is that map's head, whose path is a string.
 */
bool pin_find(const char *root, const uint8_t uuid[16], uint64_t at, struct capstub_extents *ret_head);

#endif
