/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is this a label, and one that can be read here? One source for the stub and for the host tool. */
#ifndef STUB_LABEL_H
#define STUB_LABEL_H

#include "capstub/label.h"

/* In the order of what each test needs: a field means nothing before CRC and version are right */
enum label_status {
	LABEL_OK,
	LABEL_NONE,		/* no magic: never formatted, or not at this size */
	LABEL_BAD_CRC,
	LABEL_BAD_VERSION,
	LABEL_BAD_SIZE,		/* the target was resized after it was formatted */
	/* The host tool's alone: */
	LABEL_BAD_FIELDS,	/* CRC right, contents impossible */
	LABEL_FOREIGN,		/* itself good, but no longer what lies at both ends (stub/format/vouch.h) */
	LABEL_UNREADABLE,	/* itself good, but an end cannot be read */
};

/* Of all 4096 bytes with the field itself as 0; leaves @l as it was */
uint32_t label_crc(struct capstub_label *l);

/* The label at @end of a target, as it was read */
enum label_status label_check(struct capstub_label *l, uint64_t end);

#endif
