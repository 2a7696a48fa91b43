// SPDX-License-Identifier: GPL-2.0-or-later
#include "drivers/iommu/iort.h"

#include <errno.h>

#include "stub/log.h"

#define MAX_NODES	512u
#define MAX_MAPPINGS	1024u	/* of one node */

/* DEN 0049E §3: behind the ACPI header */
struct iort_table {
	uint32_t nr_nodes;	/* 36 */
	uint32_t nodes_at;	/* 40 */
};
#define TABLE_AT	36u

enum { NODE_ROOT_COMPLEX = 2, NODE_SMMU = 3, NODE_SMMU_V3 = 4 };

struct iort_node {
	uint8_t  type;		/* 0 */
	uint8_t  length[2];	/* 1 */
	uint8_t  revision;
	uint32_t id;		/* 4 */
	uint32_t nr_mappings;	/* 8 */
	uint32_t mappings_at;	/* 12 from the node's start */
};
_Static_assert(sizeof(struct iort_node) == 16, "IORT node size");
#define ROOT_COMPLEX_SEGMENT	28u
#define SMMU_V3_BASE		16u

struct iort_mapping {
	uint32_t input;		/* 0 first of the IDs that come in */
	uint32_t count;		/* 4 of them, less one */
	uint32_t output;	/* 8 */
	uint32_t reference;	/* 12 offset of the node they go to */
	uint32_t flags;		/* 16 */
};
_Static_assert(sizeof(struct iort_mapping) == 20, "IORT ID mapping size");
#define MAPPING_SINGLE	BIT(0)	/* concerns the node itself, not what is behind it */

struct iort {
	int (*read)(void *dst, phys_addr_t pa, size_t len);
	phys_addr_t pa;
	uint32_t len;
};

static unsigned node_length(const struct iort_node *n)
{
	return (unsigned)(n->length[0] | n->length[1] << 8);
}

/* The node at offset @at of the table, whole inside it. 0, -EFAULT, -EINVAL. */
static int get_node(const struct iort *t, uint32_t at, struct iort_node *ret)
{
	if (!range_inside(at, sizeof(*ret), TABLE_AT, t->len))
		return -EINVAL;
	if (t->read(ret, t->pa + at, sizeof(*ret)))
		return -EFAULT;
	return node_length(ret) >= sizeof(*ret) && range_inside(at, node_length(ret), 0, t->len) ? 0 : -EINVAL;
}

/* A field of the node at @at; 0 when the node ends before it */
static uint64_t field(const struct iort *t, uint32_t at, const struct iort_node *n, uint32_t off, size_t size)
{
	uint64_t v = 0;

	return range_inside(off, size, 0, node_length(n)) && !t->read(&v, t->pa + at + off, size) ? v : 0;
}

/* Follow the mapping of root complex @n at @at for @rid */
static int follow(const struct iort *t, uint32_t at, const struct iort_node *n, uint16_t rid,
		  phys_addr_t *ret_regs, uint32_t *ret_sid)
{
	for (uint32_t i = 0; i < min_u64(n->nr_mappings, MAX_MAPPINGS); i++) {
		uint64_t off = (uint64_t)n->mappings_at + i * sizeof(struct iort_mapping);
		struct iort_mapping m;
		struct iort_node to;
		int rc;

		if (!range_inside(off, sizeof(m), sizeof(*n), node_length(n)))
			return log_err(-EINVAL, "iommu: IORT: a mapping outside its node");
		if (t->read(&m, t->pa + at + off, sizeof(m)))
			return log_err(-EFAULT, "iommu: IORT is unreadable");
		if (m.flags & MAPPING_SINGLE || rid < m.input || rid - m.input > m.count)
			continue;
		rc = get_node(t, m.reference, &to);
		if (rc)
			return log_err(rc, "iommu: IORT: a mapping leads to no node");
		if (to.type == NODE_SMMU)
			return log_err(-ENOENT, "iommu: an SMMU before version 3: left as it is");
		if (to.type != NODE_SMMU_V3)
			continue;	/* interrupts */
		*ret_regs = field(t, m.reference, &to, SMMU_V3_BASE, 8);
		*ret_sid = m.output + (rid - m.input);
		return *ret_regs && IS_ALIGNED(*ret_regs, 4096) ? 0
			: log_err(-EINVAL, "iommu: IORT: SMMUv3 at %#lx", *ret_regs);
	}
	return -ENOENT;
}

int iort_find_unit(int (*read)(void *dst, phys_addr_t pa, size_t len), phys_addr_t pa, uint32_t len,
		   uint32_t segment, uint16_t rid, phys_addr_t *ret_regs, uint32_t *ret_sid)
{
	struct iort t = { read, pa, len };
	struct iort_table head;
	uint32_t at;

	if (len < TABLE_AT + sizeof(head))
		return log_err(-EINVAL, "iommu: IORT of %u bytes", (unsigned)len);
	if (read(&head, pa + TABLE_AT, sizeof(head)))
		return log_err(-EFAULT, "iommu: IORT is unreadable");
	at = head.nodes_at;
	for (uint32_t i = 0; i < min_u64(head.nr_nodes, MAX_NODES); i++) {
		struct iort_node n;
		int rc = get_node(&t, at, &n);

		if (rc)
			return log_err(rc, "iommu: IORT: node %u is damaged", (unsigned)i);
		if (n.type == NODE_ROOT_COMPLEX && node_length(&n) >= ROOT_COMPLEX_SEGMENT + 4 &&
		    field(&t, at, &n, ROOT_COMPLEX_SEGMENT, 4) == segment) {
			rc = follow(&t, at, &n, rid, ret_regs, ret_sid);
			if (rc != -ENOENT)
				return rc;
		}
		at += node_length(&n);
	}
	return -ENOENT;
}
