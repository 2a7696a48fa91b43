// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * VT-d: a DMA remapping unit gets copies of the dead kernel's root table and of one bus's context
 * table, in which one function passes through. The old tables are not written to, so there is nothing
 * to put back in the dump, and going back to them is one register. Translation stays on all the time:
 * between the old root pointer and the new one a transaction sees either, and both say the same of
 * every other function. Interrupt remapping is left alone.
 *
 * Intel Virtualization Technology for Directed I/O, revision 3.3 ("VT-d" below).
 */
#include "drivers/iommu/vtd.h"

#include <errno.h>
#include <io.h>
#include <string.h>

#include "stub/log.h"
#include "stub/timeout.h"

/* VT-d §11.4 */
enum vtd_reg {
	VTD_CAP		= 0x08,
	VTD_ECAP	= 0x10,
	VTD_GCMD	= 0x18,
	VTD_GSTS	= 0x1c,
	VTD_RTADDR	= 0x20,
	VTD_CCMD	= 0x28,
	VTD_IQH		= 0x80,
	VTD_IQT		= 0x88,
	VTD_IQA		= 0x90,
};
#define VTD_REGS_LEN		4096u

#define CAP_ND			GENMASK(2, 0)	/* 2^(4 + 2 * ND) domains */
#define CAP_RWBF		BIT(4)		/* its write buffer must be flushed */
#define CAP_SAGAW		GENMASK(12, 8)	/* bit n: n + 2 levels */
#define CAP_SLLPS_1G		BIT(35)

#define ECAP_COHERENT		BIT(0)		/* it looks into the CPU's caches for its tables */
#define ECAP_QI			BIT(1)
#define ECAP_PT			BIT(6)
#define ECAP_IRO		GENMASK(17, 8)	/* IOTLB registers, in 16 bytes */
#define ECAP_SMTS		BIT(43)

#define GSTS_TES		BIT(31)
#define GSTS_RTPS		BIT(30)
#define GSTS_WBFS		BIT(27)
#define GSTS_QIES		BIT(26)
/* VT-d §11.4.4.1: bits that a command repeats; the others, written again, would be commands */
#define GSTS_KEEP		0x96ffffffu

#define RTADDR_TTM		GENMASK(11, 10)	/* 0 legacy, 1 scalable */
#define CCMD_GLOBAL		(BIT(63) | BIT(61))
#define IOTLB_GLOBAL		(BIT(63) | BIT(60) | BIT(49) | BIT(48))	/* drain reads and writes */
#define IQA_DW			BIT(11)		/* descriptors of 256 bits */

/* VT-d §6.5.2: types and granularities of invalidation descriptors */
#define INV_CONTEXT_GLOBAL	(0x1 | 1 << 4)
#define INV_IOTLB_GLOBAL	(0x2 | 1 << 4 | 1 << 6 | 1 << 7)
#define INV_PASID_GLOBAL	(0x7 | 3 << 4)
#define INV_WAIT		(0x5 | BIT(5))	/* write status */
#define INV_WAIT_DONE		0x0c5d0000u	/* the status; the low half counts */

#define ENTRY_P			BIT(0)
#define ENTRY_ADDR		GENMASK(51, 12)
/* Legacy context entry, VT-d §9.3 */
#define CONTEXT_TT		GENMASK(3, 2)
#define CONTEXT_TT_PASS		2
#define CONTEXT_HI_AW		GENMASK(2, 0)
#define CONTEXT_HI_DID		GENMASK(23, 8)
/* PASID table entry, VT-d §9.6 */
#define PASID_AW		GENMASK(4, 2)
#define PASID_PGTT		GENMASK(8, 6)
#define PASID_PGTT_SECOND	2
#define PASID_PGTT_PASS		4
/* Second-level leaf, VT-d §9.8 */
#define SL_RW			3
#define SL_LARGE		BIT(7)

#define MAX_CONTEXTS		4	/* context tables of ours in one unit */
#define MAX_IDENTITY_TOP	2	/* tables of 512 GiB without ECAP.PT */

struct context {
	uint64_t *table;	/* NULL: free */
	unsigned key;		/* index of the root's entry of 8 (scalable) or 16 bytes (legacy) */
};

/* One unit that runs on our tables */
static struct vtd {
	uint64_t cap, ecap;
	bool scalable;
	uint64_t old_rtaddr;
	uint64_t *root;
	struct context contexts[MAX_CONTEXTS];
	uint64_t *queue;	/* NULL: the unit has none, registers are used */
	unsigned tail;		/* bytes */
	uint32_t waits;
	uint64_t *pasid_dir, *pasid_table;	/* scalable: shared by all our functions */
	uint64_t *identity[MAX_IDENTITY_TOP + 1];	/* top level first */
	uint64_t limit;
} state[IOMMU_MAX_UNITS];

static uint32_t read32(const struct iommu_unit *u, enum vtd_reg reg)
{
	return mmio_read32((const char *)u->regs + reg);
}

static uint64_t read64(const struct iommu_unit *u, unsigned reg)
{
	return mmio_read64((const char *)u->regs + reg);
}

static void write64(struct iommu_unit *u, unsigned reg, uint64_t v)
{
	mmio_write64((char *)u->regs + reg, v);
}

/* Set or clear one bit of the global command, and wait until the status says so. 0 or -ETIMEDOUT. */
static int command(struct iommu_unit *u, uint32_t bit, bool on, bool done)
{
	uint32_t keep = read32(u, VTD_GSTS) & GSTS_KEEP & ~bit;

	mmio_write32((char *)u->regs + VTD_GCMD, on ? keep | bit : keep);
	return poll_until_us(!(read32(u, VTD_GSTS) & bit) == !done, IOMMU_ACK_US);
}

/* What the unit is about to read must be in memory when it does not look into our caches */
static void publish(const struct vtd *v, const void *p, size_t len)
{
	if (!(v->ecap & ECAP_COHERENT))
		cache_clean(virt_to_phys(p), len);
	dma_wmb();
}

/*---------------------------------------------------------------- invalidation */

/* VT-d §6.5.2: one descriptor. The queue is never full: every submission is waited for. */
static void queue_put(struct vtd *v, uint64_t lo, uint64_t hi)
{
	unsigned size = v->scalable ? 32 : 16;
	uint64_t *d = v->queue + v->tail / sizeof(*d);

	memset(d, 0, size);
	d[0] = lo;
	d[1] = hi;
	publish(v, d, size);
	v->tail = (v->tail + size) % IOMMU_PAGE;
}

static int invalidate_by_queue(struct iommu_unit *u, struct vtd *v)
{
	/* The last descriptor's place at the end of the page is not used: it holds the status word */
	static uint32_t status[IOMMU_MAX_UNITS];
	uint32_t *word = &status[u->index], want = INV_WAIT_DONE | (++v->waits & 0xffff);

	dma_store(word, 0);
	queue_put(v, INV_CONTEXT_GLOBAL, 0);
	if (v->scalable)
		queue_put(v, INV_PASID_GLOBAL, 0);
	queue_put(v, INV_IOTLB_GLOBAL, 0);
	queue_put(v, INV_WAIT | (uint64_t)want << 32, virt_to_phys(word));
	write64(u, VTD_IQT, v->tail);
	return poll_until_us(dma_load(word) == want, IOMMU_ACK_US);
}

/* VT-d §6.5.1, for units without a queue: the context cache first, §6.5.3.3 */
static int invalidate_by_registers(struct iommu_unit *u, const struct vtd *v)
{
	unsigned iotlb = 16 * (unsigned)FIELD_GET(ECAP_IRO, v->ecap) + 8;
	int rc;

	write64(u, VTD_CCMD, CCMD_GLOBAL);
	rc = poll_until_us(!(read64(u, VTD_CCMD) & BIT(63)), IOMMU_ACK_US);
	if (rc)
		return rc;
	write64(u, iotlb, IOTLB_GLOBAL);
	return poll_until_us(!(read64(u, iotlb) & BIT(63)), IOMMU_ACK_US);
}

static int invalidate(struct iommu_unit *u, struct vtd *v)
{
	/* VT-d §6.8: old units hold writes back until they are told */
	if (v->cap & CAP_RWBF && command(u, GSTS_WBFS, true, false))
		return -ETIMEDOUT;
	return v->queue ? invalidate_by_queue(u, v) : invalidate_by_registers(u, v);
}

/*
 * VT-d §6.5.2: the unit finishes what the dead kernel asked for, then its queue is replaced by ours.
 * While a queue is on, register-based invalidation is ignored, so there is no way around it.
 */
static int start_queue(struct iommu_unit *u, struct vtd *v)
{
	int rc = 0;

	if (read32(u, VTD_GSTS) & GSTS_QIES) {
		(void)poll_until_us(read64(u, VTD_IQH) == read64(u, VTD_IQT), IOMMU_ACK_US);
		rc = command(u, GSTS_QIES, false, false);
	}
	if (rc || !v->queue)
		return rc;
	v->tail = 0;
	write64(u, VTD_IQT, 0);
	write64(u, VTD_IQA, virt_to_phys(v->queue) | (v->scalable ? IQA_DW : 0));
	return command(u, GSTS_QIES, true, true);
}

/*---------------------------------------------------------------- tables */

/* Pages are given back here and nowhere else; the unit must be on its old tables */
static void forget(struct vtd *v)
{
	void *pages[] = { v->root, v->queue, v->pasid_dir, v->pasid_table,
			  v->identity[0], v->identity[1], v->identity[2] };

	for (unsigned i = 0; i < ARRAY_SIZE(pages); i++)
		iommu_page_give(pages[i]);
	for (unsigned i = 0; i < MAX_CONTEXTS; i++)
		iommu_page_give(v->contexts[i].table);
	memset(v, 0, sizeof(*v));
}

/* The largest number of levels that the unit has: required for pass-through, too (VT-d §9.3) */
static unsigned address_width(const struct vtd *v)
{
	uint64_t sagaw = FIELD_GET(CAP_SAGAW, v->cap);

	for (unsigned aw = 3; aw > 0; aw--)
		if (sagaw & BIT(aw))
			return aw;
	return 0;
}

/*
 * For units without pass-through: second-level tables that map every address to itself, in leaves of
 * 1 GiB. A table of leaves is 512 GiB, as far as the pool goes.
 */
static int build_identity(struct vtd *v, unsigned aw)
{
	unsigned levels = aw + 2, leaf = levels > 3, nr = levels > 3 ? MAX_IDENTITY_TOP : 1;

	if (!(v->cap & CAP_SLLPS_1G) || levels > 4)
		return log_err(-EOPNOTSUPP, "iommu: VT-d without pass-through and without pages of 1 GiB, %u levels",
			       levels);
	if (leaf)
		v->identity[0] = iommu_page_take();
	for (unsigned t = 0; t < nr; t++) {
		uint64_t *table = iommu_page_take();

		if (!table && !t)
			return log_err(-ENOMEM, "iommu: no memory for tables");
		if (!table)
			break;
		v->identity[leaf + t] = table;
		for (unsigned i = 0; i < 512; i++)
			table[i] = (512 * t + i) * BIT(30) | SL_LARGE | SL_RW;
		publish(v, table, IOMMU_PAGE);
		v->limit = (t + 1) * BIT(39);
		if (!leaf)
			break;
		if (!v->identity[0])
			return log_err(-ENOMEM, "iommu: no memory for tables");
		v->identity[0][t] = virt_to_phys(table) | SL_RW;
	}
	if (leaf)
		publish(v, v->identity[0], IOMMU_PAGE);
	return 0;
}

/* VT-d §9.5, §9.6: one PASID, number 0, that a request without PASID is taken for */
static int build_pasid(struct vtd *v, uint64_t aw, uint64_t did)
{
	v->pasid_dir = iommu_page_take();
	v->pasid_table = iommu_page_take();
	if (!v->pasid_dir || !v->pasid_table)
		return log_err(-ENOMEM, "iommu: no memory for tables");
	v->pasid_dir[0] = virt_to_phys(v->pasid_table) | ENTRY_P;
	v->pasid_table[0] = ENTRY_P | FIELD_PREP(PASID_AW, aw) |
			    (v->identity[0] ? virt_to_phys(v->identity[0]) | FIELD_PREP(PASID_PGTT, PASID_PGTT_SECOND)
					    : FIELD_PREP(PASID_PGTT, PASID_PGTT_PASS));
	v->pasid_table[1] = did;
	publish(v, v->pasid_dir, IOMMU_PAGE);
	publish(v, v->pasid_table, IOMMU_PAGE);
	return 0;
}

/* Index of the root table's 64-bit word that points at the context table of @r: VT-d §9.1, §9.2 */
static unsigned context_key(const struct vtd *v, const struct iommu_requester *r)
{
	return 2u * r->bus + (v->scalable && r->devfn >= 0x80);
}

/* The entry of @r in a context table of the unit's mode: 2 or 4 words */
static uint64_t *context_entry(const struct vtd *v, uint64_t *table, const struct iommu_requester *r)
{
	return v->scalable ? table + 4 * (r->devfn & 0x7f) : table + 2 * r->devfn;
}

/* Entry words of the dead kernel. 0, -errno when its tables cannot be read. */
static int old_entry(const struct vtd *v, const struct iommu_requester *r, uint64_t entry[4])
{
	uint64_t root;
	unsigned size = v->scalable ? 32 : 16;
	int rc = iommu_read_ram(&root, (v->old_rtaddr & ENTRY_ADDR) + 8 * context_key(v, r), sizeof(root));

	memset(entry, 0, 32);
	if (rc || !(root & ENTRY_P))
		return rc;
	return iommu_read_ram(entry, (root & ENTRY_ADDR) + size * (r->devfn & (v->scalable ? 0x7f : 0xff)), size);
}

static bool passes_already(const struct vtd *v, const uint64_t entry[4])
{
	return !v->scalable && entry[0] & ENTRY_P && FIELD_GET(CONTEXT_TT, entry[0]) == CONTEXT_TT_PASS;
}

/* Our context table that holds @r: there already, or a copy of the dead kernel's. NULL: said why. */
static struct context *get_context(struct vtd *v, const struct iommu_requester *r)
{
	unsigned key = context_key(v, r);
	struct context *c = NULL;

	for (unsigned i = 0; i < MAX_CONTEXTS; i++) {
		if (v->contexts[i].table && v->contexts[i].key == key)
			return &v->contexts[i];
		if (!v->contexts[i].table && !c)
			c = &v->contexts[i];
	}
	if (c)
		c->table = iommu_page_take();
	if (!c || !c->table) {
		log_warn("iommu: VT-d: no room for the context table of bus %02x", r->bus);
		return NULL;
	}
	c->key = key;
	if (v->root[key] & ENTRY_P && iommu_read_ram(c->table, v->root[key] & ENTRY_ADDR, IOMMU_PAGE)) {
		log_warn("iommu: VT-d: the context table of bus %02x at %#lx is not in memory", r->bus,
			 v->root[key] & ENTRY_ADDR);
		iommu_page_give(c->table);
		c->table = NULL;
		return NULL;
	}
	return c;
}

static void pass_through(struct vtd *v, uint64_t *entry)
{
	uint64_t aw = address_width(v), did = BIT(4 + 2 * FIELD_GET(CAP_ND, v->cap)) - 1;

	if (v->scalable) {
		entry[0] = virt_to_phys(v->pasid_dir) | ENTRY_P;	/* no device TLB, no PASIDs, no page requests */
		entry[1] = entry[2] = entry[3] = 0;
		return;
	}
	entry[0] = ENTRY_P | (v->identity[0] ? virt_to_phys(v->identity[0])
					     : FIELD_PREP(CONTEXT_TT, CONTEXT_TT_PASS));
	entry[1] = FIELD_PREP(CONTEXT_HI_AW, aw) | FIELD_PREP(CONTEXT_HI_DID, did);
}

/* Everything that can fail for want of memory, before the unit is touched */
static int build(struct vtd *v)
{
	uint64_t did = BIT(4 + 2 * FIELD_GET(CAP_ND, v->cap)) - 1;
	unsigned aw = address_width(v);
	int rc = 0;

	if (!aw)
		return log_err(-EOPNOTSUPP, "iommu: VT-d: no address width, CAP %#lx", v->cap);
	v->limit = UINT64_MAX;
	v->root = iommu_page_take();
	v->queue = v->ecap & ECAP_QI ? iommu_page_take() : NULL;
	if (!v->root || (v->ecap & ECAP_QI && !v->queue))
		return log_err(-ENOMEM, "iommu: no memory for tables");
	if (iommu_read_ram(v->root, v->old_rtaddr & ENTRY_ADDR, IOMMU_PAGE))
		return log_err(-EFAULT, "iommu: VT-d: the root table at %#lx is not in memory",
			       v->old_rtaddr & ENTRY_ADDR);
	if (!(v->ecap & ECAP_PT))
		rc = build_identity(v, aw);
	return rc || !v->scalable ? rc : build_pasid(v, aw, did);
}

static int set_root(struct iommu_unit *u, uint64_t rtaddr)
{
	write64(u, VTD_RTADDR, rtaddr);
	/* VT-d §11.4.5: a status that was set before is cleared by the command */
	return command(u, GSTS_RTPS, true, true);
}

static int vtd_attach(struct iommu_unit *u, const struct iommu_requester *r, phys_addr_t *ret_limit)
{
	struct vtd *v = &state[u->index];
	uint32_t gsts = read32(u, VTD_GSTS);
	uint64_t entry[4];
	struct context *c;
	bool first = !u->users;
	int rc;

	if (gsts == UINT32_MAX)
		return log_err(-ENODEV, "iommu: VT-d at %#lx does not answer", u->base);
	if (!(gsts & GSTS_TES))
		return 1;
	if (first) {
		memset(v, 0, sizeof(*v));
		v->cap = read64(u, VTD_CAP);
		v->ecap = read64(u, VTD_ECAP);
		v->old_rtaddr = read64(u, VTD_RTADDR);
		v->scalable = FIELD_GET(RTADDR_TTM, v->old_rtaddr) == 1;
		if (FIELD_GET(RTADDR_TTM, v->old_rtaddr) > 1 || (v->scalable && !(v->ecap & ECAP_SMTS)))
			return log_err(-EOPNOTSUPP, "iommu: VT-d at %#lx: table type %u is not supported", u->base,
				       (unsigned)FIELD_GET(RTADDR_TTM, v->old_rtaddr));
	}
	rc = old_entry(v, r, entry);
	if (rc)
		return log_err(-EFAULT, "iommu: VT-d at %#lx: the dead kernel's tables cannot be read", u->base);
	if (passes_already(v, entry))
		return 1;
	rc = first ? build(v) : 0;
	c = rc ? NULL : get_context(v, r);
	if (!c) {
		if (first)
			forget(v);
		return rc ? rc : -ENOMEM;
	}
	pass_through(v, context_entry(v, c->table, r));
	publish(v, c->table, IOMMU_PAGE);
	v->root[c->key] = virt_to_phys(c->table) | ENTRY_P;
	publish(v, v->root, IOMMU_PAGE);
	if (first) {
		rc = start_queue(u, v);
		if (!rc)
			rc = set_root(u, virt_to_phys(v->root) | (v->old_rtaddr & RTADDR_TTM));
	}
	if (!rc)
		rc = invalidate(u, v);
	/* Its pages stay with a unit that does not answer: it may look at them at any time */
	if (rc)
		return log_err(rc, "iommu: VT-d at %#lx does not follow, status %#x", u->base,
			       (unsigned)read32(u, VTD_GSTS));
	*ret_limit = v->limit;
	return 0;
}

static void vtd_detach(struct iommu_unit *u, const struct iommu_requester *r)
{
	struct vtd *v = &state[u->index];
	struct context *c;
	uint64_t entry[4];
	int rc = 0;

	if (u->users > 1) {
		c = get_context(v, r);
		if (!c)
			return;
		if (old_entry(v, r, entry))
			memset(entry, 0, sizeof(entry));
		memcpy(context_entry(v, c->table, r), entry, v->scalable ? 32 : 16);
		publish(v, c->table, IOMMU_PAGE);
		rc = invalidate(u, v);
	} else {
		rc = set_root(u, v->old_rtaddr);
		if (!rc)
			rc = invalidate(u, v);
		if (!rc && v->queue)
			rc = command(u, GSTS_QIES, false, false);
		if (!rc)
			forget(v);
	}
	if (rc)
		log_warn("iommu: VT-d at %#lx does not follow, status %#x", u->base, (unsigned)read32(u, VTD_GSTS));
}

const struct iommu_ops vtd_ops = {
	.kind	= "VT-d",
	.attach	= vtd_attach,
	.detach	= vtd_detach,
};
