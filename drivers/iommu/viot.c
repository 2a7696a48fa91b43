// SPDX-License-Identifier: GPL-2.0-or-later
#include "drivers/iommu/viot.h"

#include <errno.h>

#include "stub/log.h"

/* Behind the ACPI header */
struct viot_table {
	uint16_t nr_nodes;	/* 36 */
	uint16_t nodes_at;	/* 38 */
};
#define TABLE_AT	36u

enum { NODE_PCI_RANGE = 1, NODE_UNIT_PCI = 3 };

/* As long as the longest that is used; a shorter node of another type is followed by what is not looked at */
struct viot_node {
	uint8_t  type;		/* 0 */
	uint8_t  rsvd1;
	uint16_t length;	/* 2 */
	union {
		struct {
			uint32_t endpoint;	/* 4 of the first function */
			uint16_t segment_first;	/* 8 */
			uint16_t segment_last;	/* 10 */
			uint16_t rid_first;	/* 12 */
			uint16_t rid_last;	/* 14 */
			uint16_t unit_at;	/* 16 offset of its node */
			uint8_t  rsvd18[6];
		} range;
		struct {
			uint16_t segment;	/* 4 */
			uint16_t rid;		/* 6 */
			uint8_t  rsvd8[8];
		} unit;
	};
};
_Static_assert(sizeof(struct viot_node) == 24, "VIOT node size");
#define UNIT_SIZE	16u

struct viot {
	int (*read)(void *dst, phys_addr_t pa, size_t len);
	phys_addr_t pa;
	uint32_t len;
};

/* The node at offset @at, whole inside the table. 0, -EFAULT, -EINVAL. */
static int get_node(const struct viot *t, uint32_t at, struct viot_node *ret)
{
	uint32_t size;

	if (!range_inside(at, UNIT_SIZE, TABLE_AT, t->len))
		return -EINVAL;
	if (t->read(ret, t->pa + at, UNIT_SIZE))
		return -EFAULT;
	size = ret->type == NODE_PCI_RANGE ? sizeof(*ret) : UNIT_SIZE;
	if (ret->length < size || !range_inside(at, ret->length, 0, t->len))
		return -EINVAL;
	return t->read(ret, t->pa + at, size) ? -EFAULT : 0;
}

static int follow(const struct viot *t, const struct viot_node *n, uint16_t segment, uint16_t rid,
		  phys_addr_t *ret_unit, uint32_t *ret_endpoint)
{
	struct viot_node unit;
	int rc = get_node(t, n->range.unit_at, &unit);

	if (rc)
		return log_err(rc, "iommu: VIOT: a range leads to no node");
	if (unit.type != NODE_UNIT_PCI)
		return log_err(-ENOENT, "iommu: a virtio-iommu without PCI: left as it is");
	if (unit.unit.segment == segment && unit.unit.rid == rid)
		return -ENOENT;		/* nobody translates for the unit itself */
	*ret_unit = (phys_addr_t)unit.unit.segment << 16 | unit.unit.rid;
	*ret_endpoint = n->range.endpoint + ((uint32_t)(segment - n->range.segment_first) << 16) +
			(uint32_t)(rid - n->range.rid_first);
	return 0;
}

int viot_find_unit(int (*read)(void *dst, phys_addr_t pa, size_t len), phys_addr_t pa, uint32_t len,
		   uint16_t segment, uint16_t rid, phys_addr_t *ret_unit, uint32_t *ret_endpoint)
{
	struct viot t = { read, pa, len };
	struct viot_table head;
	uint32_t at;

	if (len < TABLE_AT + sizeof(head))
		return log_err(-EINVAL, "iommu: VIOT of %u bytes", len);
	if (read(&head, pa + TABLE_AT, sizeof(head)))
		return log_err(-EFAULT, "iommu: VIOT is unreadable");
	at = head.nodes_at;
	for (uint32_t i = 0; i < head.nr_nodes; i++) {
		struct viot_node n;
		int rc = get_node(&t, at, &n);

		if (rc)
			return log_err(rc, "iommu: VIOT: node %u is damaged", i);
		if (n.type == NODE_PCI_RANGE && segment >= n.range.segment_first && segment <= n.range.segment_last &&
		    rid >= n.range.rid_first && rid <= n.range.rid_last)
			return follow(&t, &n, segment, rid, ret_unit, ret_endpoint);
		at += n.length;
	}
	return -ENOENT;
}
