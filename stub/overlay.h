/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Words of old memory that the stub has to change: table entries of an IOMMU that cannot be given
 * tables of ours. What stood there is kept, and every reader of old memory sees it, not the change.
 */
#ifndef STUB_OVERLAY_H
#define STUB_OVERLAY_H

#include "stub/bits.h"

#define OVERLAY_MAX	16u
#define OVERLAY_BYTES	64u	/* of one: an SMMUv3 stream table entry */

/*
 * Write @len bytes at @pa and keep what was there. 0, -ENOSPC (too many or too long), -EFAULT (cannot
 * be read or written): nothing has changed then. @pa again with the same @len: written again, what
 * stood there at first is kept.
 */
int overlay_write(phys_addr_t pa, const void *src, size_t len);

/* Put back what stood at @pa, and forget it */
void overlay_undo(phys_addr_t pa);

/* Does [pa, pa+len) hold a changed word? Such memory must not be given to a device to read. */
bool overlay_touches(phys_addr_t pa, size_t len);

/* As arch_read_mem() and arch_mem_is_zero(), with old memory as the dead kernel left it */
int overlay_read(void *dst, phys_addr_t pa, size_t len);
int overlay_is_zero(phys_addr_t pa, size_t len);

#endif
