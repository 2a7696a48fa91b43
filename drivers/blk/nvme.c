// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * NVMe over PCI Express, NVM Express 1.4. Probed by stub/disk/devices.c, used through blk_ops by
 * stub/disk/blk.c.
 *
 * The controller is found running, with the dead kernel's queues in the dead kernel's memory. It is
 * disabled before anything else, which also ends its use of a host memory buffer (§8.9: a reset
 * disables it) and of shadow doorbells. One admin queue pair and one I/O queue pair are created;
 * both are polled, no interrupt is ever enabled.
 *
 * Every command carries an identifier made of its slot and a generation: a completion that does not
 * match both is from a command we have given up or never sent, and the controller is not trusted
 * after it.
 */
#include <errno.h>
#include <io.h>
#include <stdio.h>
#include <string.h>

#include "drivers/blk/nvme.h"
#include "drivers/blk/nvme_regs.h"
#include "drivers/dma.h"
#include "stub/log.h"
#include "stub/timeout.h"

#define PAGE			4096u		/* CC.MPS 0 */
#define ADMIN_ENTRIES		8
#define IO_ENTRIES_MAX		64
#define NR_SLOTS		8		/* commands in flight, of up to MAX_REQUEST each */
#define MAX_REQUEST		KIB(512)
/* With PRP1 unaligned a request touches one page more than that, of which PRP1 is the first */
#define PRPS_PER_LIST		(MAX_REQUEST / PAGE)

#define TO_UNIT_US		500000		/* §3.1.1, CAP.TO */
#define ENABLING_US		5000000		/* the dead kernel was just enabling it */
#define ADMIN_US		10000000
#define SHUTDOWN_MIN_US		5000000
#define SHUTDOWN_MAX_US		30000000	/* RTD3E could say more than an hour */
#define HEALTH_US		10000		/* between two looks at an idle controller */
#define MAX_TRIES		6		/* of a command that fails for no lasting reason */

/*
 * The DMA area as this driver uses it. Queues are page aligned (§3.1.9, §5.3), lists do not cross a
 * page (§4.3).
 */
struct nvme_dma {
	struct nvme_command admin_sq[PAGE / sizeof(struct nvme_command)];
	struct nvme_completion admin_cq[PAGE / sizeof(struct nvme_completion)];
	struct nvme_command io_sq[PAGE / sizeof(struct nvme_command)];
	struct nvme_completion io_cq[PAGE / sizeof(struct nvme_completion)];
	union {		/* lists are used only after the last identify command */
		union {
			uint8_t raw[PAGE];
			struct nvme_id_ctrl ctrl;
			struct nvme_id_ns ns;
			uint32_t nsids[PAGE / 4];
		} identify;
		uint64_t prps[NR_SLOTS][PRPS_PER_LIST];
	};
};
_Static_assert(sizeof(struct nvme_dma) <= DMA_AREA_SIZE, "queues and lists fit the DMA area");
_Static_assert(PAGE % (PRPS_PER_LIST * 8) == 0, "a list does not cross a page");
_Static_assert(IO_ENTRIES_MAX <= PAGE / sizeof(struct nvme_command),
	       "a submission queue is one page");

struct nvme_queue {
	struct nvme_command *sq;
	struct nvme_completion *cq;
	uint16_t id;
	uint16_t entries;
	uint16_t sq_tail;
	uint16_t cq_head;
	uint16_t phase;		/* value of the phase tag in a new entry */
};

static struct nvme {
	struct blk_dev blk;
	struct pci_dev pci;
	struct dma_dev dma;
	void *regs;
	void *doorbells;
	uint64_t cap;
	uint32_t vs;
	uint32_t doorbell_stride;
	uint32_t nsid;
	uint32_t shutdown_us;
	bool open;			/* registers mapped: there is something to shut down */
	bool has_io_queues;
	struct nvme_queue admin;
	struct nvme_queue io;
	struct blk_req *reqs[NR_SLOTS];
	unsigned nr_inflight;
	uint16_t generation;
	bool said_not_ready;
	uint8_t protection;		/* type of protection information, 0: none */
	uint64_t health_us;		/* when to look at CSTS next */
} nvme;

static struct nvme_dma *dma(void)
{
	return (struct nvme_dma *)dma_area;
}

static uint32_t reg_read(enum nvme_reg reg)
{
	return mmio_read32((const char *)nvme.regs + reg);
}

static void reg_write(enum nvme_reg reg, uint32_t v)
{
	mmio_write32((char *)nvme.regs + reg, v);
}

/* All ones, or whatever else an empty bus reads as: then configuration space tells */
static bool is_gone(uint32_t csts)
{
	return csts == NVME_CSTS_GONE || !pci_present(&nvme.pci);
}

/* §3.1.24, §3.1.25 */
static void ring(const struct nvme_queue *q, bool completion, uint16_t value)
{
	mmio_write32((char *)nvme.doorbells + (2u * q->id + completion) * nvme.doorbell_stride,
		     value);
}

/* --- queues --- */

static void queue_init(struct nvme_queue *q, uint16_t id, struct nvme_command *sq,
		       struct nvme_completion *cq, uint16_t entries)
{
	*q = (struct nvme_queue){ .sq = sq, .cq = cq, .id = id, .entries = entries, .phase = 1 };
	/* §4.6: the phase tag of a fresh entry differs from that of zeroed memory */
	memset(sq, 0, PAGE);
	memset(cq, 0, PAGE);
	dma_give(&nvme.dma, sq, PAGE);
	dma_give(&nvme.dma, cq, PAGE);
}

static uint16_t next_cid(unsigned slot)
{
	/* 0xffff is left out: later revisions give it a meaning (NVMe 2.0, error log) */
	nvme.generation = (nvme.generation + 1) % 0xfff;
	return (uint16_t)(nvme.generation << 4 | slot);
}

static void queue_submit(struct nvme_queue *q, const struct nvme_command *cmd)
{
	struct nvme_command *entry = &q->sq[q->sq_tail];

	*entry = *cmd;
	dma_give(&nvme.dma, entry, sizeof(*entry));
	q->sq_tail = (uint16_t)(q->sq_tail + 1 < q->entries ? q->sq_tail + 1 : 0);
	/*
	 * §4.1: the entry, and the list it points at, must be in memory when the controller hears
	 * of it
	 */
	dma_wmb();
	ring(q, false, q->sq_tail);
}

/* Next completion, not yet acknowledged to the controller. False: none. */
static bool queue_next(struct nvme_queue *q, struct nvme_completion *ret)
{
	const struct nvme_completion *entry = &q->cq[q->cq_head];
	uint16_t status;

	dma_take(&nvme.dma, entry, sizeof(*entry));
	status = dma_load(&entry->status);
	if ((status & NVME_STATUS_PHASE) != q->phase)
		return false;
	/* The phase tag is written with or after the rest of the entry, and after the data */
	dma_rmb();
	*ret = *entry;
	ret->status = status;
	if (++q->cq_head == q->entries) {
		q->cq_head = 0;
		q->phase ^= 1;
	}
	return true;
}

/* Nothing completed for a while: is the controller still there, and sane? */
static int check_health(void)
{
	uint64_t now_us = arch_time_us();
	uint32_t csts;

	if (now_us < nvme.health_us)
		return 0;
	nvme.health_us = now_us + HEALTH_US;
	csts = reg_read(NVME_CSTS);
	/* §9.5: a fatal controller may stop completing commands */
	if (csts & NVME_CSTS_RDY && !(csts & NVME_CSTS_CFS))
		return 0;
	if (is_gone(csts))
		return log_err(-ENODEV, "%s: controller is gone", nvme.blk.name);
	return log_err(-EIO, "%s: controller failed, CSTS %#x", nvme.blk.name, (unsigned)csts);
}

/*
 * What a completion says of its command, which was tried @tries times before: 0, -EAGAIN, -EROFS,
 * -EIO. §4.6.1: without "do not retry" the same command may succeed later. A disk that is not ready
 * yet gets all the time that a request has; trouble inside it or on the way a few tries. A command
 * that was understood and refused stays refused, and the medium it has tried to read itself.
 */
static int judge(uint16_t status, unsigned tries)
{
	unsigned code = (unsigned)FIELD_GET(NVME_STATUS_CODE, status);

	if (code == NVME_STATUS_WRITE_PROTECTED || code == NVME_STATUS_READ_ONLY_RANGE)
		return -EROFS;
	if (!code || status & NVME_STATUS_DNR)
		return code ? -EIO : 0;
	switch (code) {
	case NVME_STATUS_NOT_READY:
	case NVME_STATUS_MEDIA_NOT_READY:
	case NVME_STATUS_INTERRUPTED:
	case NVME_STATUS_TRANSPORT:
	case NVME_STATUS_ANA_TRANSITION:
		if (!nvme.said_not_ready)
			log_info("%s: not ready (status %#x), waiting", nvme.blk.name, code);
		nvme.said_not_ready = true;
		return -EAGAIN;
	case NVME_STATUS_DATA_TRANSFER:
	case NVME_STATUS_INTERNAL:
	case NVME_STATUS_ABORTED:
		break;
	default:
		if (code < NVME_STATUS_PATH)	/* and vendors' own, 0x700 */
			return -EIO;
	}
	return tries + 1 < MAX_TRIES ? -EAGAIN : -EIO;
}

/* --- admin commands: one at a time, waited for --- */

/* One try: as admin(), or -EAGAIN */
static int admin_once(struct nvme_command *cmd, unsigned tries)
{
	struct nvme_completion c;
	int failed = 0;

	cmd->cid = next_cid(0);
	queue_submit(&nvme.admin, cmd);
	if (poll_until_us(queue_next(&nvme.admin, &c) || (failed = check_health()), ADMIN_US))
		return log_err(-ETIMEDOUT, "%s: no answer to admin command %#x, CSTS %#x",
			       nvme.blk.name, (unsigned)cmd->opcode, (unsigned)reg_read(NVME_CSTS));
	if (failed)
		return failed;
	ring(&nvme.admin, true, nvme.admin.cq_head);
	if (c.cid != cmd->cid)
		return log_err(-EPROTO, "%s: completion %#x for admin command %#x", nvme.blk.name,
			       (unsigned)c.cid, (unsigned)cmd->cid);
	return judge(c.status, tries) == -EAGAIN ? -EAGAIN
						 : (int)FIELD_GET(NVME_STATUS_CODE, c.status);
}

/*
 * 0, the status code (positive) of a command that was refused, or -errno: nothing can be expected of
 * the controller any more
 */
static int admin(struct nvme_command *cmd)
{
	struct deadline d = deadline_in_us(blk_timeout_us);
	unsigned tries = 0;
	int rc;

	while ((rc = admin_once(cmd, tries)) == -EAGAIN && !deadline_passed(d))
		delay_us(blk_pause_us(tries++));
	return rc == -EAGAIN ? -ETIMEDOUT : rc;
}

/* Where a refusal leaves nothing else to try */
static int refused(int rc)
{
	return rc > 0 ? -EIO : rc;
}

/* Identify into dma()->identify: as admin(). A refusal is the caller's to report. */
static int identify(enum nvme_identify_cns cns, uint32_t nsid)
{
	struct nvme_command cmd = {
		.opcode = NVME_IDENTIFY,
		.nsid = nsid,
		.prp1 = dma_addr(&nvme.dma, &dma()->identify),
		.cdw10 = cns,
	};
	int rc;

	/* A page is what the structure takes: PRP2 is not used */
	memset(&dma()->identify, 0, sizeof(dma()->identify));
	dma_give(&nvme.dma, &dma()->identify, PAGE);
	rc = admin(&cmd);
	dma_take(&nvme.dma, &dma()->identify, PAGE);
	return rc;
}

/* --- controller on and off --- */

static uint64_t ready_timeout_us(void)
{
	return max_u64(1, FIELD_GET(NVME_CAP_TO, nvme.cap)) * TO_UNIT_US;
}

/*
 * Registers that read as all ones are no answer: a controller that resets itself takes them away for
 * a while. Configuration space says whether the function is there.
 */
static bool is_silent(uint32_t reg)
{
	return reg == NVME_CSTS_GONE && pci_present(&nvme.pci);
}

/* 0, -ENODEV, -ETIMEDOUT */
static int wait_answer(uint64_t timeout_us)
{
	if (poll_until_us(!is_silent(reg_read(NVME_CSTS)), timeout_us))
		return -ETIMEDOUT;
	return reg_read(NVME_CSTS) == NVME_CSTS_GONE ? -ENODEV : 0;
}

/*
 * Wait for CSTS.RDY to become @ready. 0, -ENODEV, -ETIMEDOUT, or -EIO at once when the status is
 * fatal (§9.5: a reset is due).
 */
static int wait_ready(bool ready, uint64_t timeout_us)
{
	uint32_t csts;
	int rc = poll_until_us(!is_silent(csts = reg_read(NVME_CSTS)) &&
				       (csts & NVME_CSTS_CFS || !(csts & NVME_CSTS_RDY) == !ready),
			       timeout_us);

	if (rc)
		return rc;
	return csts == NVME_CSTS_GONE ? -ENODEV : csts & NVME_CSTS_CFS ? -EIO : 0;
}

/* What is left when the controller does not do what it is told in time, or says nothing */
static int reset_function(void)
{
	log_warn("%s: CSTS %#x: function level reset", nvme.blk.name, (unsigned)reg_read(NVME_CSTS));
	return pci_flr(&nvme.pci);
}

/*
 * §7.3.2, controller level reset by CC.EN. All queues are gone and no DMA is under way when RDY
 * reads 0. Falls back on a function level reset, which every controller should have (§7.3.1); one
 * that has not gets its time, however fatal its status. 0, -ENODEV, -EIO, -EOPNOTSUPP, -ETIMEDOUT.
 */
static int disable(void)
{
	int rc = wait_answer(ready_timeout_us());

	if (!rc) {
		uint32_t cc = reg_read(NVME_CC);

		/* §3.1.5: EN must not be cleared while the controller is on its way to ready */
		if (cc & NVME_CC_EN)
			(void)wait_ready(true, min_u64(ready_timeout_us(), ENABLING_US));
		reg_write(NVME_CC, cc & (uint32_t)~(NVME_CC_EN | NVME_CC_SHN));
		rc = wait_ready(false, ready_timeout_us());
	}
	if (rc && rc != -ENODEV) {
		bool fatal = rc == -EIO;

		rc = reset_function();
		if (!rc)
			rc = wait_ready(false, ready_timeout_us());
		else if (rc == -EOPNOTSUPP && fatal)
			rc = poll_until_us(!(reg_read(NVME_CSTS) & NVME_CSTS_RDY), ready_timeout_us());
	}
	return rc ? log_err(rc, "%s: cannot be reset (%d)", nvme.blk.name, rc) : 0;
}

/* §7.6.1, steps 2-5: CC.EN=0 done before */
static int enable(void)
{
	uint16_t entries = (uint16_t)min_u64(ADMIN_ENTRIES, FIELD_GET(NVME_CAP_MQES, nvme.cap) + 1);
	/* Nothing of the dead kernel's is left in the controller: now it may do DMA, for us */
	int rc = dma_attach(&nvme.dma);

	if (rc)
		return rc;
	queue_init(&nvme.admin, 0, dma()->admin_sq, dma()->admin_cq, entries);
	reg_write(NVME_AQA, (uint32_t)(FIELD_PREP(NVME_AQA_ASQS, entries - 1) |
				       FIELD_PREP(NVME_AQA_ACQS, entries - 1)));
	mmio_write64((char *)nvme.regs + NVME_ASQ, dma_addr(&nvme.dma, nvme.admin.sq));
	mmio_write64((char *)nvme.regs + NVME_ACQ, dma_addr(&nvme.dma, nvme.admin.cq));
	reg_write(NVME_CC, (uint32_t)(NVME_CC_EN | FIELD_PREP(NVME_CC_IOSQES, 6) |
				      FIELD_PREP(NVME_CC_IOCQES, 4)));
	rc = wait_ready(true, ready_timeout_us());
	return rc ? log_err(rc, "%s: did not get ready (%d), CSTS %#x", nvme.blk.name, rc,
			    (unsigned)reg_read(NVME_CSTS))
		  : 0;
}

/* §7.6.2 */
static void notify_shutdown(void)
{
	uint32_t cc, csts;

	if (nvme.has_io_queues) {
		struct nvme_command delete_sq = { .opcode = NVME_DELETE_SQ, .cdw10 = 1 };
		struct nvme_command delete_cq = { .opcode = NVME_DELETE_CQ, .cdw10 = 1 };

		if (admin(&delete_sq) || admin(&delete_cq))
			return;
	}
	cc = reg_read(NVME_CC) & (uint32_t)~NVME_CC_SHN;
	reg_write(NVME_CC, cc | (uint32_t)FIELD_PREP(NVME_CC_SHN, NVME_CC_SHN_NORMAL));
	/* All ones, of a controller that is gone, are a fatal status too */
	if (poll_until_us((csts = reg_read(NVME_CSTS)) & NVME_CSTS_CFS ||
			  FIELD_GET(NVME_CSTS_SHST, csts) == NVME_CSTS_SHST_DONE, nvme.shutdown_us))
		log_warn("%s: shutdown not complete after %u ms, CSTS %#x", nvme.blk.name,
			 (unsigned)(nvme.shutdown_us / 1000), (unsigned)csts);
}

/* Whatever happened before: afterwards the controller does no DMA. */
static void stop(bool orderly)
{
	bool open = nvme.open, stopped = false;
	uint32_t csts;

	nvme.open = false;
	if (open && !is_gone(csts = reg_read(NVME_CSTS))) {
		if (orderly && csts & NVME_CSTS_RDY && !(csts & NVME_CSTS_CFS))
			notify_shutdown();
		stopped = !disable();
	}
	dma_detach(&nvme.dma, stopped);
	nvme.has_io_queues = false;
	nvme.nr_inflight = 0;
	memset(nvme.reqs, 0, sizeof(nvme.reqs));
}

/* --- requests --- */

static void unmap(const struct blk_req *req, unsigned nr_segs)
{
	for (unsigned i = 0; i < nr_segs; i++)
		dma_unmap(&nvme.dma, req->segs[i].pa, req->segs[i].len, req->op == BLK_READ);
}

/*
 * Physical region pages, §4.3: PRP1 may start inside a page; one more page goes to PRP2; more go to
 * a list that PRP2 points at.
 */
static int build_prps(struct nvme_command *cmd, unsigned slot, const struct blk_req *req)
{
	uint64_t *list = dma()->prps[slot];
	unsigned n = 0;

	for (unsigned i = 0; i < req->nr_segs; i++) {
		const struct blk_seg *seg = &req->segs[i];
		phys_addr_t end = seg->pa + seg->len;
		uint64_t pages = DIV_ROUND_UP(seg->pa % PAGE + seg->len, PAGE), addr;
		int rc;

		/*
		 * Only the very first page may be entered in the middle, only the very last left
		 * there
		 */
		if (!seg->len || end < seg->pa || seg->pa & 3 || (i && seg->pa % PAGE) ||
		    (i + 1 < req->nr_segs && end % PAGE))
			rc = log_err(-EINVAL, "%s: segment %#lx + %u is not made of pages",
				     nvme.blk.name, (unsigned long)seg->pa, (unsigned)seg->len);
		else if (n + pages - !i > PRPS_PER_LIST)
			rc = log_err(-EINVAL, "%s: request of too many pages", nvme.blk.name);
		else
			rc = dma_map(&nvme.dma, seg->pa, seg->len, &addr);
		if (rc) {
			unmap(req, i);
			return rc;
		}
		if (!i) {
			cmd->prp1 = addr;
			addr = ALIGN_DOWN(addr, PAGE) + PAGE;
			pages--;
		}
		for (; pages; pages--, addr += PAGE)
			list[n++] = addr;
	}
	cmd->prp2 = n == 0 ? 0 : n == 1 ? list[0] : dma_addr(&nvme.dma, list);
	if (n > 1)
		dma_give(&nvme.dma, list, n * sizeof(list[0]));
	return 0;
}

static int nvme_submit(struct blk_dev *blk, struct blk_req *req)
{
	struct nvme_command cmd = { .nsid = nvme.nsid };
	unsigned slot = 0;
	int rc;

	(void)blk;
	if (!nvme.open)
		return -ENODEV;
	/* A queue of n entries holds n - 1 (§4.1.1) */
	if (nvme.nr_inflight >= nvme.blk.queue_depth)
		return -EBUSY;
	while (nvme.reqs[slot])
		slot++;

	if (req->op == BLK_FLUSH) {
		cmd.opcode = NVME_FLUSH;
	} else {
		cmd.opcode = req->op == BLK_READ ? NVME_READ : NVME_WRITE;
		cmd.cdw10 = (uint32_t)req->lba;
		cmd.cdw11 = (uint32_t)(req->lba >> 32);
		cmd.cdw12 = req->nr_blocks - 1;		/* §6.15: zero-based */
		if (nvme.protection)
			cmd.cdw12 |= NVME_RW_PRACT;
		/* §8.3.1.5: types 1 and 2 count blocks in it, and other systems look at it */
		if (nvme.protection == 1 || nvme.protection == 2)
			cmd.cdw14 = (uint32_t)req->lba;
		rc = build_prps(&cmd, slot, req);
		if (rc)
			return rc;
	}
	cmd.cid = next_cid(slot);
	req->tag = cmd.cid;
	nvme.reqs[slot] = req;
	nvme.nr_inflight++;
	queue_submit(&nvme.io, &cmd);
	return 0;
}

static int finish(const struct nvme_completion *c)
{
	unsigned slot = c->cid % NR_SLOTS;
	struct blk_req *req = nvme.reqs[slot];

	/* Slot and generation must be those of a command in flight */
	if (!req || req->tag != c->cid || c->sq_id != nvme.io.id)
		return log_err(-EIO,
			       "%s: completion of command %#x on queue %u, which is not in flight",
			       nvme.blk.name, (unsigned)c->cid, (unsigned)c->sq_id);
	nvme.reqs[slot] = NULL;
	nvme.nr_inflight--;
	unmap(req, req->nr_segs);
	req->status = judge(c->status, req->tries);
	if (req->status && req->status != -EAGAIN)
		log_warn("%s: request at block %lu failed, status %#x%s", nvme.blk.name,
			 (unsigned long)req->lba, (unsigned)FIELD_GET(NVME_STATUS_CODE, c->status),
			 req->status == -EROFS ? " (write protected)" : "");
	return 0;
}

static int nvme_poll(struct blk_dev *blk)
{
	struct nvme_completion c;
	int rc, done = 0;

	(void)blk;
	if (!nvme.open)
		return -ENODEV;
	/* Bounded by what can be in flight, so that a controller gone mad cannot keep us here */
	while (done < NR_SLOTS && queue_next(&nvme.io, &c)) {
		rc = finish(&c);
		if (rc)
			return rc;
		done++;
	}
	if (!done)
		return check_health();
	ring(&nvme.io, true, nvme.io.cq_head);
	return done;
}

static void nvme_shutdown(struct blk_dev *blk)
{
	/* With commands in flight there is no orderly way (§7.6.2 step 1): the reset ends them */
	stop(!blk->failed && !nvme.nr_inflight);
}

static const struct blk_ops nvme_ops = {
	.submit		= nvme_submit,
	.poll		= nvme_poll,
	.shutdown	= nvme_shutdown,
};

/* --- start --- */

static int map_registers(void)
{
	struct pci_bar bar;
	int rc = pci_bar(&nvme.pci, 0, &bar);

	if (rc || bar.io)
		return log_err(-EIO, "%s: registers are nowhere", nvme.blk.name);
	nvme.regs = arch_map_mmio(bar.addr, NVME_DOORBELLS);
	if (!nvme.regs)
		return log_err(-ENOMEM, "%s: registers at %#lx cannot be mapped", nvme.blk.name,
			       (unsigned long)bar.addr);

	nvme.open = true;
	rc = wait_answer(ENABLING_US);
	if (rc == -ETIMEDOUT) {
		rc = reset_function();
		if (!rc)
			rc = wait_answer(ENABLING_US);
	}
	if (rc)
		return log_err(-EIO, "%s: does not answer", nvme.blk.name);
	nvme.vs = reg_read(NVME_VS);
	nvme.cap = mmio_read64((const char *)nvme.regs + NVME_CAP);
	nvme.doorbell_stride = 4u << FIELD_GET(NVME_CAP_DSTRD, nvme.cap);
	/* Two queue pairs */
	nvme.doorbells = arch_map_mmio(bar.addr + NVME_DOORBELLS, 4 * nvme.doorbell_stride);
	if (!nvme.doorbells)
		return log_err(-ENOMEM, "%s: doorbells cannot be mapped", nvme.blk.name);
	nvme.shutdown_us = SHUTDOWN_MIN_US;

	if (FIELD_GET(NVME_CAP_MPSMIN, nvme.cap))
		return log_err(-EOPNOTSUPP, "%s: wants pages of %lu bytes, only 4096 are supported",
			       nvme.blk.name, 4096UL << FIELD_GET(NVME_CAP_MPSMIN, nvme.cap));
	if (!(nvme.cap & NVME_CAP_CSS_NVM) || !FIELD_GET(NVME_CAP_MQES, nvme.cap))
		return log_err(-EOPNOTSUPP, "%s: no NVM command set or no queues, CAP %#lx",
			       nvme.blk.name, (unsigned long)nvme.cap);
	return 0;
}

static void copy_serial(const char sn[20])
{
	unsigned len = 0;

	/* §5.15.2.2: ASCII, padded with blanks on the right */
	while (len < 20 && sn[len] >= ' ' && sn[len] <= '~')
		len++;
	while (len && sn[len - 1] == ' ')
		len--;
	memcpy(nvme.blk.serial, sn, len);
	nvme.blk.serial[len] = '\0';
}

static int identify_controller(uint32_t *ret_nn)
{
	const struct nvme_id_ctrl *id = &dma()->identify.ctrl;
	int rc = identify(NVME_CNS_CONTROLLER, 0);

	if (rc)
		return log_err(refused(rc), "%s: Identify Controller failed (%d)", nvme.blk.name, rc);
	copy_serial(id->sn);
	nvme.blk.max_bytes = MAX_REQUEST;
	/* In units of the smallest page size, which is ours */
	if (id->mdts && id->mdts < 20)
		nvme.blk.max_bytes = (uint32_t)min_u64(MAX_REQUEST, (uint64_t)PAGE << id->mdts);
	nvme.blk.max_segs = nvme.blk.max_bytes / PAGE;
	nvme.blk.has_flush = id->vwc & NVME_VWC_PRESENT;
	nvme.shutdown_us =
		(uint32_t)min_u64(SHUTDOWN_MAX_US, max_u64(SHUTDOWN_MIN_US, id->rtd3e_us));
	*ret_nn = id->nn;
	return 0;
}

/*
 * NVMe 1.0 has no list of active namespaces: an inactive one identifies as all zeros. 0, -ENOENT,
 * or -errno.
 */
static int find_namespace_1_0(uint32_t nn, unsigned unit, uint32_t *ret_nsid, bool *ret_more)
{
	uint32_t found = 0;
	unsigned active = 0;

	for (uint32_t nsid = 1; nsid <= min_u64(nn, PAGE / 4); nsid++) {
		int rc = identify(NVME_CNS_NAMESPACE, nsid);

		if (rc < 0)
			return rc;
		if (rc || !dma()->identify.ns.nsze || active++ < unit)
			continue;
		if (found) {
			*ret_more = true;
			break;
		}
		found = nsid;
	}
	if (!found)
		return -ENOENT;
	*ret_nsid = found;
	return 0;
}

/* The @unit-th active namespace. 0, -ENOENT, or -errno. */
static int find_namespace(uint32_t nn, unsigned unit, uint32_t *ret_nsid, bool *ret_more)
{
	const uint32_t *nsids = dma()->identify.nsids;
	int rc;

	if (nvme.vs < NVME_VS_1_1)
		return find_namespace_1_0(nn, unit, ret_nsid, ret_more);
	/* §5.15.2.3: ascending, ends with 0; one page of it is enough for anybody */
	rc = identify(NVME_CNS_ACTIVE_LIST, 0);
	if (rc > 0)
		return find_namespace_1_0(nn, unit, ret_nsid, ret_more);
	if (rc)
		return rc;
	if (unit >= PAGE / 4 || !nsids[unit])
		return -ENOENT;
	*ret_nsid = nsids[unit];
	*ret_more = unit + 1 < PAGE / 4 && nsids[unit + 1];
	return 0;
}

/*
 * What kind of namespace is it? Controllers before 1.3 do not know this command, and all of theirs
 * are of the kind that we know. 0, -EPROTOTYPE, or -errno.
 */
static int read_descriptors(void)
{
	const uint8_t *page = dma()->identify.raw;
	unsigned csi = NVME_CSI_NVM;
	int rc = nvme.vs < NVME_VS_1_3 ? 1 : identify(NVME_CNS_DESCRIPTORS, nvme.nsid);

	if (rc)
		return rc < 0 ? rc : 0;
	for (unsigned at = 0; at + sizeof(struct nvme_ns_descriptor) < PAGE;) {
		const struct nvme_ns_descriptor *d = (const void *)(page + at);

		at += (unsigned)sizeof(*d) + d->nidl;
		if (!d->nidl || at > PAGE)
			break;
		if (d->nidt == NVME_NIDT_CSI)
			csi = d->nid[0];
	}
	if (csi == NVME_CSI_NVM)
		return 0;
	return log_err(-EPROTOTYPE, "%s: %s (command set %u): unsupported", nvme.blk.name,
		       csi == NVME_CSI_ZONED ? "zoned" : "not made of blocks", csi);
}

/*
 * Blocks of 512 to 4096 bytes, with nothing beside them that we would have to fill. Protection
 * information alone the controller generates and takes off by itself (§8.3.1.5, PRACT), wherever it
 * lies.
 */
static int check_format(const struct nvme_id_ns *id, const struct nvme_lbaf *format)
{
	unsigned type = id->dps & NVME_DPS_TYPE;

	if (type > 3 || (format->ms && !(type && format->ms == NVME_PI_SIZE)))
		return log_err(-EPROTOTYPE, "%s: %u bytes of %s metadata, protection type %u: unsupported",
			       nvme.blk.name, (unsigned)format->ms,
			       id->flbas & NVME_FLBAS_EXTENDED ? "interleaved" : "separate", type);
	if (format->lbads < 9 || format->lbads > 12)
		return log_err(-EPROTOTYPE, "%s: blocks of 2^%u bytes: unsupported", nvme.blk.name,
			       (unsigned)format->lbads);
	if (!id->nsze || id->nsze > UINT64_MAX >> format->lbads)
		return log_err(-EPROTO, "%s: absurd size, %#lx blocks", nvme.blk.name,
			       (unsigned long)id->nsze);
	return 0;
}

static int identify_namespace(void)
{
	const struct nvme_id_ns *id = &dma()->identify.ns;
	const struct nvme_lbaf *format;
	int rc = identify(NVME_CNS_NAMESPACE, nvme.nsid);

	if (rc)
		return log_err(refused(rc), "%s: Identify Namespace failed (%d)", nvme.blk.name, rc);
	format = &id->lbaf[FIELD_GET(NVME_FLBAS_FORMAT_HIGH, id->flbas) << 4 |
			   FIELD_GET(NVME_FLBAS_FORMAT, id->flbas)];
	rc = check_format(id, format);
	if (rc)
		return rc;
	nvme.protection = format->ms ? id->dps & NVME_DPS_TYPE : 0;
	nvme.blk.block_size = 1u << format->lbads;
	nvme.blk.nr_blocks = id->nsze;
	nvme.blk.read_only = id->nsattr & NVME_NSATTR_WP;
	return 0;
}

/* §7.6.1 steps 7-9 */
static int create_io_queues(void)
{
	uint16_t entries =
		(uint16_t)min_u64(IO_ENTRIES_MAX, FIELD_GET(NVME_CAP_MQES, nvme.cap) + 1);
	struct nvme_command features = {		/* one of each, zero-based */
		.opcode = NVME_SET_FEATURES, .cdw10 = NVME_FEAT_NUM_QUEUES, .cdw11 = 0,
	};
	struct nvme_command cq = {
		/* physically contiguous, no interrupts: §5.3 */
		.opcode = NVME_CREATE_CQ,
		.prp1 = dma_addr(&nvme.dma, dma()->io_cq),
		.cdw10 = (uint32_t)(entries - 1) << 16 | 1,
		.cdw11 = 1,
	};
	struct nvme_command sq = {
		/* physically contiguous, completes on queue 1: §5.4 */
		.opcode = NVME_CREATE_SQ,
		.prp1 = dma_addr(&nvme.dma, dma()->io_sq),
		.cdw10 = (uint32_t)(entries - 1) << 16 | 1,
		.cdw11 = 1 << 16 | 1,
	};
	int rc = admin(&features);

	/* A controller that refuses this may still create the queues */
	if (rc < 0)
		return rc;
	queue_init(&nvme.io, 1, dma()->io_sq, dma()->io_cq, entries);
	rc = admin(&cq);
	if (!rc)
		rc = admin(&sq);
	if (rc)
		return log_err(refused(rc), "%s: I/O queues cannot be created (%d)", nvme.blk.name,
			       rc);
	nvme.has_io_queues = true;
	nvme.blk.queue_depth = (uint32_t)min_u64(NR_SLOTS, entries - 1);
	return 0;
}

static int start(unsigned unit, bool *ret_more)
{
	uint32_t nn = 0;
	int rc;

	rc = pci_wake(&nvme.pci);
	if (!rc)
		rc = map_registers();
	if (!rc)
		rc = disable();
	if (!rc)
		rc = enable();
	if (!rc)
		rc = identify_controller(&nn);
	if (!rc)
		rc = find_namespace(nn, unit, &nvme.nsid, ret_more);
	if (rc)
		return rc;
	snprintf(nvme.blk.name, sizeof(nvme.blk.name), "nvme %s ns %u", nvme.pci.name,
		 (unsigned)nvme.nsid);
	rc = read_descriptors();
	if (!rc)
		rc = identify_namespace();
	return rc ? rc : create_io_queues();
}

int nvme_probe(const struct pci_dev *pci, unsigned unit, struct blk_dev **ret_dev, bool *ret_more)
{
	uint16_t generation = nvme.generation;
	bool more = false;
	int rc;

	memset(&nvme, 0, sizeof(nvme));
	/* Kept, so that identifiers differ from those of an earlier start too */
	nvme.generation = generation;
	nvme.pci = *pci;
	nvme.dma = (struct dma_dev){ .name = nvme.blk.name, .pci = &nvme.pci,
				     .coherent = pci->host->dma_coherent, .last = UINT64_MAX };
	nvme.blk.ops = &nvme_ops;
	snprintf(nvme.blk.name, sizeof(nvme.blk.name), "nvme %s", pci->name);
	rc = start(unit, &more);
	*ret_more = more;
	if (rc) {
		/* An empty controller is no failure: leave it in order */
		stop(rc == -ENOENT || rc == -EOPNOTSUPP || rc == -EPROTOTYPE);
		return rc;
	}
	*ret_dev = &nvme.blk;
	return 0;
}
