// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * AMD-Vi: the device table may be 2 MiB, too large to copy, so one entry is changed where it is, in old
 * memory, and what stood there is kept as an overlay (stub/overlay.h). The half of the entry that is
 * about interrupts stays. The command buffer is replaced by a page of ours: the dead kernel's may be
 * full, or half-written.
 *
 * AMD I/O Virtualization Technology (IOMMU) Specification, 48882 rev. 3.07 ("48882" below).
 */
#include "drivers/iommu/amdvi.h"

#include <errno.h>
#include <io.h>
#include <string.h>

#include "stub/log.h"
#include "stub/overlay.h"
#include "stub/timeout.h"

/* 48882 §3.4 */
enum amdvi_reg {
	AMDVI_DEVTAB	= 0x0000,
	AMDVI_CMDBUF	= 0x0008,
	AMDVI_CONTROL	= 0x0018,
	AMDVI_CMD_HEAD	= 0x2000,
	AMDVI_CMD_TAIL	= 0x2008,
	AMDVI_STATUS	= 0x2020,
};

#define ADDR			GENMASK(51, 12)
#define DEVTAB_SIZE		GENMASK(8, 0)	/* pages of 4 KiB, less one */
#define CONTROL_ENABLE		BIT(0)
#define CONTROL_CMD_ENABLE	BIT(12)
#define CONTROL_SEGMENTS	GENMASK(36, 34)	/* the device table is in several pieces */
#define STATUS_CMD_RUN		BIT(4)
#define CMDBUF_256		(8ULL << 56)	/* entries of 16 bytes: one page */

/* Device table entry, 48882 §2.2.2.1; words 2 and 3 are about interrupts */
#define DTE_SIZE		32u
#define DTE_V			BIT(0)
#define DTE_TV			BIT(1)
#define DTE_MODE		GENMASK(11, 9)
#define DTE_IR			BIT(61)
#define DTE_IW			BIT(62)
#define DTE_DOMAIN		0xffffu		/* Linux gives them out from 1 upwards */

/* Commands, 48882 §2.4: the operation is in bits 63:60 of the first word */
#define CMD_COMPLETION_WAIT	(1ULL << 60 | BIT(0))	/* store */
#define CMD_INVALIDATE_DEVTAB	(2ULL << 60)
#define CMD_INVALIDATE_PAGES	(3ULL << 60)
#define CMD_ALL_PAGES		(GENMASK(62, 12) | BIT(0) | BIT(1))

static struct amdvi {
	uint64_t *queue;
	unsigned tail;		/* bytes */
	uint64_t waits;
} state[IOMMU_MAX_UNITS];

static uint64_t done_word[IOMMU_MAX_UNITS];	/* what a completion wait stores */

static uint64_t read64(const struct iommu_unit *u, enum amdvi_reg reg)
{
	return mmio_read64((const char *)u->regs + reg);
}

static void write64(struct iommu_unit *u, enum amdvi_reg reg, uint64_t v)
{
	mmio_write64((char *)u->regs + reg, v);
}

/* The buffer is never full: every batch is waited for */
static void put(struct amdvi *a, uint64_t lo, uint64_t hi)
{
	uint64_t *cmd = a->queue + a->tail / sizeof(*cmd);

	cmd[0] = lo;
	cmd[1] = hi;
	a->tail = (a->tail + 16) % IOMMU_PAGE;
}

/* Entry @id, and what was translated by it, is looked up anew. 0 or -ETIMEDOUT. */
static int invalidate(struct iommu_unit *u, struct amdvi *a, uint16_t id, uint16_t domain)
{
	uint64_t *word = &done_word[u->index], want = ++a->waits;

	dma_store(word, 0);
	put(a, CMD_INVALIDATE_DEVTAB | id, 0);
	put(a, CMD_INVALIDATE_PAGES | (uint64_t)domain << 32, CMD_ALL_PAGES);
	put(a, CMD_COMPLETION_WAIT | virt_to_phys(word), want);
	dma_wmb();
	write64(u, AMDVI_CMD_TAIL, a->tail);
	return poll_until_us(dma_load(word) == want, IOMMU_ACK_US);
}

static int enable_commands(struct iommu_unit *u, bool on)
{
	uint64_t control = read64(u, AMDVI_CONTROL) & ~CONTROL_CMD_ENABLE;

	write64(u, AMDVI_CONTROL, on ? control | CONTROL_CMD_ENABLE : control);
	return poll_until_us(!(read64(u, AMDVI_STATUS) & STATUS_CMD_RUN) == !on, IOMMU_ACK_US);
}

/* 48882 §2.4.1: the buffer may be moved only while it is off */
static int start_queue(struct iommu_unit *u, struct amdvi *a)
{
	int rc = enable_commands(u, false);

	if (rc)
		return rc;
	a->tail = 0;
	write64(u, AMDVI_CMDBUF, virt_to_phys(a->queue) | CMDBUF_256);
	write64(u, AMDVI_CMD_HEAD, 0);
	write64(u, AMDVI_CMD_TAIL, 0);
	return enable_commands(u, true);
}

/* Where the entry for @r is in old memory. -errno, said why, when there can be none. */
static int find_entry(const struct iommu_unit *u, const struct iommu_requester *r, phys_addr_t *ret_pa)
{
	uint64_t devtab = read64(u, AMDVI_DEVTAB);
	uint32_t at = DTE_SIZE * r->lookup;

	if (read64(u, AMDVI_CONTROL) & CONTROL_SEGMENTS)
		return log_err(-EOPNOTSUPP, "iommu: AMD-Vi at %#lx: a device table in segments is not supported",
			       u->base);
	if (at >= (FIELD_GET(DEVTAB_SIZE, devtab) + 1) * 4096)
		return log_err(-EINVAL, "iommu: AMD-Vi at %#lx: the device table ends before %#x", u->base,
			       r->lookup);
	*ret_pa = (devtab & ADDR) + at;
	return 0;
}

static int amdvi_attach(struct iommu_unit *u, const struct iommu_requester *r, phys_addr_t *ret_limit)
{
	struct amdvi *a = &state[u->index];
	uint64_t control = read64(u, AMDVI_CONTROL), dte[DTE_SIZE / 8], pass[2];
	phys_addr_t pa;
	int rc;

	*ret_limit = UINT64_MAX;
	if (control == UINT64_MAX)
		return log_err(-ENODEV, "iommu: AMD-Vi at %#lx does not answer", u->base);
	if (!(control & CONTROL_ENABLE))
		return 1;
	rc = find_entry(u, r, &pa);
	if (rc)
		return rc;
	if (iommu_read_ram(dte, pa, sizeof(dte)))
		return log_err(-EFAULT, "iommu: AMD-Vi at %#lx: the device table entry at %#lx is not in memory",
			       u->base, pa);
	/* Table 7 there: without V, or with mode 0 and both rights, addresses go through as they are */
	if (!(dte[0] & DTE_V) ||
	    (dte[0] & DTE_TV && !(dte[0] & DTE_MODE) && (dte[0] & (DTE_IR | DTE_IW)) == (DTE_IR | DTE_IW)))
		return 1;
	if (!u->users) {
		a->queue = iommu_page_take();
		if (!a->queue)
			return log_err(-ENOMEM, "iommu: no memory for a command buffer");
		rc = start_queue(u, a);
	}
	/* Bit 32 of the second word off as well: no address translation services */
	pass[0] = DTE_V | DTE_TV | DTE_IR | DTE_IW;
	pass[1] = DTE_DOMAIN;
	if (!rc)
		rc = overlay_write(pa, pass, sizeof(pass));
	if (!rc)
		rc = invalidate(u, a, r->lookup, DTE_DOMAIN);
	if (rc) {
		overlay_undo(pa);
		return log_err(rc, "iommu: AMD-Vi at %#lx does not follow, status %#lx", u->base,
			       read64(u, AMDVI_STATUS));
	}
	return 0;
}

static void amdvi_detach(struct iommu_unit *u, const struct iommu_requester *r)
{
	struct amdvi *a = &state[u->index];
	phys_addr_t pa;
	int rc = find_entry(u, r, &pa);

	if (!rc) {
		overlay_undo(pa);
		rc = invalidate(u, a, r->lookup, DTE_DOMAIN);
	}
	if (!rc && u->users == 1) {
		rc = enable_commands(u, false);
		if (!rc)
			iommu_page_give(a->queue);
	}
	if (rc)
		log_warn("iommu: AMD-Vi at %#lx does not follow (%d)", u->base, rc);
}

const struct iommu_ops amdvi_ops = {
	.kind	= "AMD-Vi",
	.attach	= amdvi_attach,
	.detach	= amdvi_detach,
};
