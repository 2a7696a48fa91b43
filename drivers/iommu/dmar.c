// SPDX-License-Identifier: GPL-2.0-or-later
#include "drivers/iommu/dmar.h"

#include <errno.h>

#include "stub/log.h"

/* Intel VT-d 3.3 §8.1: host address width and flags follow the ACPI header, then the structures */
#define STRUCTURES_AT	48u
#define MAX_STRUCTURES	1024u
#define MAX_SCOPES	256u	/* of one unit */
#define MAX_HOPS	32u	/* of one path */

struct dmar_header {
	uint16_t type;
	uint16_t length;
};

enum { DMAR_DRHD = 0 };

/* §8.3 DMA Remapping Hardware Unit Definition */
struct dmar_drhd {
	struct dmar_header h;	/* 0 */
	uint8_t  flags;		/* 4 */
	uint8_t  size;		/* 5 */
	uint16_t segment;	/* 6 */
	uint64_t regs;		/* 8 */
};
_Static_assert(sizeof(struct dmar_drhd) == 16, "DRHD size");
#define DRHD_INCLUDE_PCI_ALL	BIT(0)

/* §8.3.1 Device Scope; pairs (device, function) follow, one for each bridge on the way and the end */
struct dmar_scope {
	uint8_t type;		/* 0 */
	uint8_t length;		/* 1 */
	uint8_t rsvd2[2];
	uint8_t enumeration;	/* 4 */
	uint8_t start_bus;	/* 5 */
};
_Static_assert(sizeof(struct dmar_scope) == 6, "device scope size");

enum { SCOPE_ENDPOINT = 1, SCOPE_BRIDGE = 2 };

/* Bridge registers, PCI-to-PCI Bridge 1.2 §3.2.5 */
#define BRIDGE_SECONDARY	0x19
#define BRIDGE_SUBORDINATE	0x1a

struct function {
	uint16_t segment;
	uint8_t bus, devfn;
};

/*
 * Does the scope at @pa name @f? An endpoint is the function at the end of the path; a bridge stands
 * for itself and for every bus below it. Bus numbers of the bridges on the way are what firmware or
 * the dead kernel set. A path through a bridge that is not there leads nowhere.
 */
static bool scope_names(const struct dmar_ops *ops, const struct function *f, const struct dmar_scope *s,
			phys_addr_t pa)
{
	unsigned hops = (s->length - sizeof(*s)) / 2;
	uint8_t bus = s->start_bus, hop[2], devfn = 0;

	if (!hops || hops > MAX_HOPS || (s->type != SCOPE_ENDPOINT && s->type != SCOPE_BRIDGE))
		return false;
	for (unsigned i = 0; i < hops; i++) {
		if (i) {
			uint8_t next = ops->config(ops->ctx, f->segment, bus, devfn, BRIDGE_SECONDARY);

			/* A bridge's secondary bus is above its own (§6.6 there): else a loop, or no bridge */
			if (next == 0xff || next <= bus)
				return false;
			bus = next;
		}
		if (ops->read(hop, pa + sizeof(*s) + 2 * i, sizeof(hop)))
			return false;
		devfn = (uint8_t)(hop[0] << 3 | (hop[1] & 7));
	}
	if (bus == f->bus && devfn == f->devfn)
		return true;
	if (s->type != SCOPE_BRIDGE)
		return false;
	return f->bus > bus && f->bus >= ops->config(ops->ctx, f->segment, bus, devfn, BRIDGE_SECONDARY) &&
	       f->bus <= ops->config(ops->ctx, f->segment, bus, devfn, BRIDGE_SUBORDINATE);
}

/* Does one of the scopes of the unit at @pa name @f? A scope of impossible length ends the list. */
static bool unit_names(const struct dmar_ops *ops, const struct function *f, const struct dmar_drhd *d,
		       phys_addr_t pa)
{
	uint32_t at = sizeof(*d);

	for (unsigned n = 0; n < MAX_SCOPES && d->h.length - at >= sizeof(struct dmar_scope); n++) {
		struct dmar_scope s;

		if (ops->read(&s, pa + at, sizeof(s)) || s.length < sizeof(s) || s.length > d->h.length - at)
			return false;
		if (scope_names(ops, f, &s, pa + at))
			return true;
		at += s.length;
	}
	return false;
}

int dmar_find_unit(const struct dmar_ops *ops, phys_addr_t pa, uint32_t len, uint16_t segment,
		   uint8_t bus, uint8_t devfn, phys_addr_t *ret_regs)
{
	struct function f = { segment, bus, devfn };
	phys_addr_t all = 0;
	uint32_t at = STRUCTURES_AT;

	for (unsigned n = 0; n < MAX_STRUCTURES && at < len && len - at >= sizeof(struct dmar_header); n++) {
		struct dmar_drhd d = { 0 };

		if (ops->read(&d.h, pa + at, sizeof(d.h)))
			return log_err(-EFAULT, "iommu: DMAR is unreadable at %#lx", pa + at);
		if (d.h.length < sizeof(d.h) || d.h.length > len - at)
			return log_err(-EINVAL, "iommu: DMAR: a structure of %u bytes at offset %u", d.h.length,
				       (unsigned)at);
		if (d.h.type == DMAR_DRHD && d.h.length >= sizeof(d)) {
			if (ops->read(&d, pa + at, sizeof(d)))
				return log_err(-EFAULT, "iommu: DMAR is unreadable at %#lx", pa + at);
			if (d.segment == segment && d.regs && IS_ALIGNED(d.regs, 4096)) {
				if (unit_names(ops, &f, &d, pa + at)) {
					*ret_regs = d.regs;
					return 0;
				}
				/* §8.3: at most one in a segment, for what no other names */
				if (d.flags & DRHD_INCLUDE_PCI_ALL && !all)
					all = d.regs;
			}
		}
		at += d.h.length;
	}
	*ret_regs = all;
	return all ? 0 : -ENOENT;
}
