// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: drivers/iommu/dmar.c drivers/iommu/ivrs.c drivers/iommu/iort.c drivers/iommu/viot.c tests/unit/fake/log.c */
/*
 * Hostile tables that say which IOMMU translates for a function: DMAR, IVRS, IORT, VIOT. Input: which table, the
 * function (segment, bus, devfn), bytes that configuration space answers with, then the table.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "drivers/iommu/dmar.h"
#include "drivers/iommu/iort.h"
#include "drivers/iommu/ivrs.h"
#include "drivers/iommu/viot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BASE	0xe0000ULL

struct head {
	uint8_t kind, segment, bus, devfn;
	uint8_t config[16];
};

static const uint8_t *table;
static size_t table_len;
static unsigned reads, configs;

/* Inside the table only: every offset was checked before */
static int read_table(void *dst, phys_addr_t pa, size_t len)
{
	assert(range_inside(pa, len, BASE, BASE + table_len));
	/* IVRS: two passes of 256 blocks, each of 8192 entries of two reads; DMAR: 1024 units of 256 scopes of 33 */
	assert(reads++ < 9000000);
	memcpy(dst, table + (pa - BASE), len);
	return 0;
}

static uint8_t config(void *ctx, uint16_t segment, uint8_t bus, uint8_t devfn, unsigned off)
{
	const struct head *h = ctx;

	(void)segment;
	configs++;
	return h->config[(bus + devfn + off) % sizeof(h->config)];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct head h;
	const struct dmar_ops ops = { read_table, config, &h };
	uint16_t rid, alias = 0;
	phys_addr_t regs = 0;
	uint32_t sid = 0;
	int rc;

	if (size < sizeof(h) + 1 || size > 8192)
		return 0;
	memcpy(&h, data, sizeof(h));
	table = data + sizeof(h);
	table_len = size - sizeof(h);
	reads = configs = 0;
	rid = (uint16_t)(h.bus << 8 | h.devfn);
	switch (h.kind % 4) {
	case 0:
		rc = dmar_find_unit(&ops, BASE, (uint32_t)table_len, h.segment, h.bus, h.devfn, &regs);
		break;
	case 1:
		rc = ivrs_find_unit(read_table, BASE, (uint32_t)table_len, h.segment, rid, &regs, &alias);
		break;
	case 2:
		rc = iort_find_unit(read_table, BASE, (uint32_t)table_len, h.segment, rid, &regs, &sid);
		break;
	default:
		rc = viot_find_unit(read_table, BASE, (uint32_t)table_len, h.segment, rid, &regs, &sid);
		assert(rc == 0 || rc == -ENOENT || rc == -EINVAL);
		return 0;
	}
	assert(rc == 0 || rc == -ENOENT || rc == -EINVAL);
	assert(rc || (regs && IS_ALIGNED(regs, 4096)));
	return 0;
}
