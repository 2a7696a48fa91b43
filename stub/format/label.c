// SPDX-License-Identifier: GPL-2.0-or-later
#include "stub/format/label.h"

#include <string.h>

#include "stub/format/crc.h"

uint32_t label_crc(struct capstub_label *l)
{
	uint32_t stored = l->crc32c, crc;

	l->crc32c = 0;
	crc = crc32c(0, l, sizeof(*l));
	l->crc32c = stored;
	return crc;
}

enum label_status label_check(struct capstub_label *l, uint64_t end)
{
	if (memcmp(l->magic, CAPSTUB_LABEL_MAGIC, sizeof(l->magic)))
		return LABEL_NONE;
	if (l->crc32c != label_crc(l))
		return LABEL_BAD_CRC;
	if (l->version != CAPSTUB_LABEL_VERSION)
		return LABEL_BAD_VERSION;
	return l->target_bytes == end ? LABEL_OK : LABEL_BAD_SIZE;
}
