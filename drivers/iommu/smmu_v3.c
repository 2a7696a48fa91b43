// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SMMUv3: the stream table cannot be moved while the SMMU is on, so one entry is changed where it is, in
 * old memory, and what stood there is kept as an overlay (stub/overlay.h). The command queue is replaced
 * by a page of ours: the dead kernel's may be full, or half-written.
 *
 * Arm System Memory Management Unit Architecture Specification, version 3, IHI 0070F ("SMMU" below).
 */
#include "drivers/iommu/smmu_v3.h"

#include <errno.h>
#include <io.h>
#include <string.h>

#include "stub/log.h"
#include "stub/overlay.h"
#include "stub/timeout.h"

/* SMMU §6.3 */
enum smmu_reg {
	SMMU_IDR0	= 0x00,
	SMMU_IDR1	= 0x04,
	SMMU_CR0	= 0x20,
	SMMU_CR0ACK	= 0x24,
	SMMU_GBPA	= 0x44,
	SMMU_STRTAB	= 0x80,
	SMMU_STRTAB_CFG	= 0x88,
	SMMU_CMDQ	= 0x90,
	SMMU_CMDQ_PROD	= 0x98,
	SMMU_CMDQ_CONS	= 0x9c,
};

#define IDR0_COHACC		BIT(4)		/* it looks into the CPU's caches */
#define IDR1_PRESET		GENMASK(30, 29)	/* queues or tables are fixed in hardware */
#define IDR1_CMDQS		GENMASK(25, 21)
#define CR0_SMMUEN		BIT(0)
#define CR0_CMDQEN		BIT(3)
#define GBPA_ABORT		BIT(20)
#define STRTAB_ADDR		GENMASK(51, 6)
#define STRTAB_LOG2SIZE		GENMASK(5, 0)
#define STRTAB_SPLIT		GENMASK(10, 6)
#define STRTAB_FMT		GENMASK(17, 16)	/* 0 linear, 1 two levels */
#define CMDQ_RA			BIT(62)		/* allocate in caches when read */
#define CMDQ_ENTRY		16u
#define CMDQ_MAX_LOG2		8u		/* a page */
#define CONS_ERR		GENMASK(30, 24)

/* Level 1 descriptor and stream table entry, SMMU §5.1, §5.2 */
#define L1_SPAN			GENMASK(4, 0)
#define L1_ADDR			GENMASK(51, 6)
#define STE_SIZE		64u
#define STE_V			BIT(0)
#define STE_CONFIG		GENMASK(3, 1)
#define STE_CONFIG_BYPASS	4
#define STE1_SHCFG		GENMASK(45, 44)
#define STE1_SHCFG_INCOMING	1

/* SMMU §4.1 */
#define CMD_CFGI_STE		0x03
#define CMD_TLBI_NSNH_ALL	0x30
#define CMD_SYNC		0x46
#define CFGI_LEAF		BIT(0)

static struct smmu {
	uint64_t *queue;
	unsigned log2;		/* entries in use */
	uint32_t prod;		/* index and wrap bit */
	bool coherent;
} state[IOMMU_MAX_UNITS];

static uint32_t read32(const struct iommu_unit *u, enum smmu_reg reg)
{
	return mmio_read32((const char *)u->regs + reg);
}

static void write32(struct iommu_unit *u, enum smmu_reg reg, uint32_t v)
{
	mmio_write32((char *)u->regs + reg, v);
}

static uint64_t read64(const struct iommu_unit *u, enum smmu_reg reg)
{
	return mmio_read64((const char *)u->regs + reg);
}

static void put(struct smmu *s, uint64_t lo, uint64_t hi)
{
	uint64_t *cmd = s->queue + 2 * (s->prod & (BIT(s->log2) - 1));

	cmd[0] = lo;
	cmd[1] = hi;
	if (!s->coherent)
		cache_clean(virt_to_phys(cmd), CMDQ_ENTRY);
	s->prod = (s->prod + 1) & (uint32_t)(BIT(s->log2 + 1) - 1);
}

/* Entry @sid is read anew. The queue is never full: every batch is waited for. 0, -ETIMEDOUT, -EIO. */
static int invalidate(struct iommu_unit *u, struct smmu *s, uint32_t sid)
{
	uint32_t mask = (uint32_t)(BIT(s->log2 + 1) - 1), cons;
	int rc;

	put(s, CMD_CFGI_STE | (uint64_t)sid << 32, CFGI_LEAF);
	put(s, CMD_TLBI_NSNH_ALL, 0);
	put(s, CMD_SYNC, 0);
	dma_wmb();
	write32(u, SMMU_CMDQ_PROD, s->prod);
	rc = poll_until_us(((cons = read32(u, SMMU_CMDQ_CONS)) & mask) == s->prod || cons & CONS_ERR, IOMMU_ACK_US);
	return rc ? rc : cons & CONS_ERR ? -EIO : 0;
}

/* SMMU §6.3.9: a bit of CR0 counts once CR0ACK shows it */
static int enable_commands(struct iommu_unit *u, bool on)
{
	uint32_t cr0 = read32(u, SMMU_CR0) & (uint32_t)~CR0_CMDQEN;

	write32(u, SMMU_CR0, on ? cr0 | (uint32_t)CR0_CMDQEN : cr0);
	return poll_until_us(!(read32(u, SMMU_CR0ACK) & CR0_CMDQEN) == !on, IOMMU_ACK_US);
}

static int start_queue(struct iommu_unit *u, struct smmu *s)
{
	int rc = enable_commands(u, false);

	if (rc)
		return rc;
	s->prod = 0;
	mmio_write64((char *)u->regs + SMMU_CMDQ, virt_to_phys(s->queue) | CMDQ_RA | s->log2);
	write32(u, SMMU_CMDQ_PROD, 0);
	write32(u, SMMU_CMDQ_CONS, 0);
	return enable_commands(u, true);
}

/* Where the entry of @sid is in old memory: SMMU §3.3. -errno, said why, when there is none. */
static int find_entry(const struct iommu_unit *u, uint32_t sid, phys_addr_t *ret_pa)
{
	uint64_t base = read64(u, SMMU_STRTAB) & STRTAB_ADDR, desc;
	uint32_t cfg = read32(u, SMMU_STRTAB_CFG);
	unsigned split = (unsigned)FIELD_GET(STRTAB_SPLIT, cfg), span;

	if (FIELD_GET(STRTAB_LOG2SIZE, cfg) < 32 && sid >> FIELD_GET(STRTAB_LOG2SIZE, cfg))
		return log_err(-EINVAL, "iommu: SMMUv3 at %#lx: stream %#x is outside its table", u->base, sid);
	if (!FIELD_GET(STRTAB_FMT, cfg)) {
		*ret_pa = base + (uint64_t)sid * STE_SIZE;
		return 0;
	}
	if (FIELD_GET(STRTAB_FMT, cfg) != 1 || (split != 6 && split != 8 && split != 10))
		return log_err(-EOPNOTSUPP, "iommu: SMMUv3 at %#lx: table format %#x", u->base, cfg);
	if (iommu_read_ram(&desc, base + 8 * (uint64_t)(sid >> split), sizeof(desc)))
		return log_err(-EFAULT, "iommu: SMMUv3 at %#lx: its stream table is not in memory", u->base);
	span = (unsigned)FIELD_GET(L1_SPAN, desc);
	sid &= (uint32_t)BIT(split) - 1;
	if (!span || span > split + 1 || sid >= BIT(span - 1))
		return log_err(-EINVAL, "iommu: SMMUv3 at %#lx: no entry for the stream", u->base);
	*ret_pa = (desc & L1_ADDR) + (uint64_t)sid * STE_SIZE;
	return 0;
}

/* SMMU §3.21.3.1: an entry is made invalid, the SMMU forgets it, it is filled, and then made valid */
static int replace(struct iommu_unit *u, struct smmu *s, uint32_t sid, phys_addr_t pa, uint64_t ste[STE_SIZE / 8])
{
	int rc;

	ste[0] &= ~STE_V;
	rc = overlay_write(pa, ste, STE_SIZE);
	if (!rc)
		rc = invalidate(u, s, sid);
	ste[0] |= STE_V;
	if (!rc)
		rc = overlay_write(pa, ste, STE_SIZE);
	return rc ? rc : invalidate(u, s, sid);
}

static int smmu_attach(struct iommu_unit *u, const struct iommu_requester *r, phys_addr_t *ret_limit)
{
	struct smmu *s = &state[u->index];
	uint32_t cr0 = read32(u, SMMU_CR0), idr1 = read32(u, SMMU_IDR1);
	uint64_t ste[STE_SIZE / 8];
	phys_addr_t pa;
	int rc;

	*ret_limit = UINT64_MAX;
	if (cr0 == UINT32_MAX)
		return log_err(-ENODEV, "iommu: SMMUv3 at %#lx does not answer", u->base);
	/* SMMU §6.3.14: off, and what passes then */
	if (!(cr0 & CR0_SMMUEN))
		return read32(u, SMMU_GBPA) & GBPA_ABORT
			? log_err(-EOPNOTSUPP, "iommu: SMMUv3 at %#lx is off and lets nothing through", u->base) : 1;
	if (idr1 & IDR1_PRESET)
		return log_err(-EOPNOTSUPP, "iommu: SMMUv3 at %#lx: queues in hardware are not supported", u->base);
	rc = find_entry(u, r->lookup, &pa);
	if (rc)
		return rc;
	if (iommu_read_ram(ste, pa, sizeof(ste)))
		return log_err(-EFAULT, "iommu: SMMUv3 at %#lx: its stream table is not in memory", u->base);
	if (ste[0] & STE_V && FIELD_GET(STE_CONFIG, ste[0]) == STE_CONFIG_BYPASS)
		return 1;
	if (!u->users) {
		s->coherent = read32(u, SMMU_IDR0) & IDR0_COHACC;
		s->log2 = (unsigned)min_u64(CMDQ_MAX_LOG2, FIELD_GET(IDR1_CMDQS, idr1));
		s->queue = s->log2 >= 3 ? iommu_page_take() : NULL;
		if (!s->queue)
			return log_err(-ENOMEM, "iommu: no command queue");
		rc = start_queue(u, s);
	}
	memset(ste, 0, sizeof(ste));
	ste[0] = FIELD_PREP(STE_CONFIG, STE_CONFIG_BYPASS);
	ste[1] = FIELD_PREP(STE1_SHCFG, STE1_SHCFG_INCOMING);
	if (!rc)
		rc = replace(u, s, r->lookup, pa, ste);
	if (rc) {
		overlay_undo(pa);
		return log_err(rc, "iommu: SMMUv3 at %#lx does not follow, CMDQ_CONS %#x", u->base,
			       (unsigned)read32(u, SMMU_CMDQ_CONS));
	}
	return 0;
}

static void smmu_detach(struct iommu_unit *u, const struct iommu_requester *r)
{
	struct smmu *s = &state[u->index];
	phys_addr_t pa;
	int rc = find_entry(u, r->lookup, &pa);

	if (!rc) {
		overlay_undo(pa);
		rc = invalidate(u, s, r->lookup);
	}
	if (!rc && u->users == 1) {
		rc = enable_commands(u, false);
		if (!rc)
			iommu_page_give(s->queue);
	}
	if (rc)
		log_warn("iommu: SMMUv3 at %#lx does not follow (%d)", u->base, rc);
}

const struct iommu_ops smmu_v3_ops = {
	.kind	= "SMMUv3",
	.attach	= smmu_attach,
	.detach	= smmu_detach,
};
