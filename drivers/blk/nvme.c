// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * NVMe over PCI Express, NVM Express 1.4. Driven by stub/disk/devices.c, used through blk_ops by
 * stub/disk/blk.c.
 *
 * A controller is found running, with the dead kernel's queues in the dead kernel's memory. It is
 * disabled before anything else, which also ends its use of a host memory buffer (§8.9: a reset
 * disables it) and of shadow doorbells. An admin queue pair is created, and one I/O queue pair when
 * one of its namespaces is opened; they are polled, no interrupt is ever enabled.
 *
 * What takes seconds is waiting for registers, and for the answer to the first command: that is a
 * state machine, so that many controllers wait at once. Other commands take no time to speak of, and
 * are waited for one by one.
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
#include "stub/log.h"
#include "stub/mem.h"

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
#define LATE_US			1000000		/* less is never late: a second match must not be missed */
#define LEFT_FOR_DUMP		KIB(320)	/* of the arena, whatever controllers there are */

/* Admin queues of a controller; page aligned (§3.1.9) */
struct nvme_admin {
	struct nvme_command sq[PAGE / sizeof(struct nvme_command)];
	struct nvme_completion cq[PAGE / sizeof(struct nvme_completion)];
};

/*
 * The DMA area as this driver uses it. Queues are page aligned (§5.3), lists do not cross a page (§4.3).
 */
struct nvme_dma {
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

struct nvme *nvme_places;
unsigned nvme_nr_places;
static uint64_t slowest_us;		/* step of a controller that ended well */
static unsigned turns;			/* so many the IOMMU lets through at a time */

/* The namespace that is open */
static struct {
	struct blk_dev blk;
	struct nvme *c;			/* NULL: none is */
	uint32_t nsid;
	struct nvme_queue io;
	struct blk_req *reqs[NR_SLOTS];
	unsigned nr_inflight;
	uint8_t protection;		/* type of protection information, 0: none */
} disk;

static uint16_t generation;		/* of identifiers: they differ from those of an earlier start too */
static uint64_t health_us;		/* when to look at CSTS next */
static bool said_not_ready;

static struct nvme_dma *dma(void)
{
	return (struct nvme_dma *)dma_area;
}

static uint32_t reg_read(const struct nvme *c, enum nvme_reg reg)
{
	return mmio_read32((const char *)c->regs + reg);
}

static void reg_write(struct nvme *c, enum nvme_reg reg, uint32_t v)
{
	mmio_write32((char *)c->regs + reg, v);
}

/* All ones, or whatever else an empty bus reads as: then configuration space tells */
static bool is_gone(const struct nvme *c, uint32_t csts)
{
	return csts == NVME_CSTS_GONE || !pci_present(&c->pci);
}

/* §3.1.24, §3.1.25 */
static void ring(const struct nvme *c, const struct nvme_queue *q, bool completion, uint16_t value)
{
	mmio_write32((char *)c->doorbells + (2u * q->id + completion) * c->doorbell_stride, value);
}

/* --- queues --- */

static void queue_init(const struct nvme *c, struct nvme_queue *q, uint16_t id, struct nvme_command *sq,
		       struct nvme_completion *cq, uint64_t entries)
{
	/* CAP.MQES: what the controller has, less one */
	entries = min_u64(entries, FIELD_GET(NVME_CAP_MQES, c->cap) + 1);
	*q = (struct nvme_queue){ .sq = sq, .cq = cq, .id = id, .entries = (uint16_t)entries, .phase = 1 };
	/* §4.6: the phase tag of a fresh entry differs from that of zeroed memory */
	memset(sq, 0, PAGE);
	memset(cq, 0, PAGE);
	dma_give(&c->dma, sq, PAGE);
	dma_give(&c->dma, cq, PAGE);
}

static uint16_t next_cid(unsigned slot)
{
	/* 0xffff is left out: later revisions give it a meaning (NVMe 2.0, error log) */
	generation = (generation + 1) % 0xfff;
	return (uint16_t)(generation << 4 | slot);
}

static void queue_submit(const struct nvme *c, struct nvme_queue *q, const struct nvme_command *cmd)
{
	struct nvme_command *entry = &q->sq[q->sq_tail];

	*entry = *cmd;
	dma_give(&c->dma, entry, sizeof(*entry));
	q->sq_tail = (uint16_t)(q->sq_tail + 1 < q->entries ? q->sq_tail + 1 : 0);
	/*
	 * §4.1: the entry, and the list it points at, must be in memory when the controller hears
	 * of it
	 */
	dma_wmb();
	ring(c, q, false, q->sq_tail);
}

/* Next completion, not yet acknowledged to the controller. False: none. */
static bool queue_next(const struct nvme *c, struct nvme_queue *q, struct nvme_completion *ret)
{
	const struct nvme_completion *entry = &q->cq[q->cq_head];
	uint16_t status;

	dma_take(&c->dma, entry, sizeof(*entry));
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

/*
 * Nothing completed on @q for a while: is the controller still there, and sane? A link that recovers from an error
 * takes it away for some hundred milliseconds, and a controller that was pulled out looks the same, so it may
 * come back until @until_us. Whoever lost his state meanwhile is not ready (§7.3.2). What was rung at the
 * doorbells may be lost.
 */
static int check_health(struct nvme *c, const struct nvme_queue *q, uint64_t until_us)
{
	uint64_t now_us = arch_time_us();
	uint32_t csts;

	if (now_us < health_us)
		return 0;
	health_us = now_us + HEALTH_US;
	csts = reg_read(c, NVME_CSTS);
	/* §9.5: a fatal controller may stop completing commands */
	if (csts & NVME_CSTS_RDY && !(csts & NVME_CSTS_CFS)) {
		if (c->away) {
			ring(c, q, false, q->sq_tail);
			ring(c, q, true, q->cq_head);
		}
		c->away = false;
		return 0;
	}
	if (is_gone(c, csts)) {
		if (now_us >= until_us)
			return log_err(-ENODEV, "%s: controller is gone", c->name);
		if (!said_not_ready)
			log_info("%s: not there, waiting", c->name);
		said_not_ready = c->away = true;
		return 0;
	}
	return log_err(-EIO, "%s: controller failed, CSTS %#x", c->name, csts);
}

/*
 * What a completion says of its command, which was tried @tries times before: 0, -EAGAIN, -EROFS,
 * -EIO. §4.6.1: without "do not retry" the same command may succeed later. A disk that is not ready
 * yet gets all the time that a request has; trouble inside it or on the way a few tries. A command
 * that was understood and refused stays refused, and the medium it has tried to read itself.
 */
static int judge(const struct nvme *c, uint16_t status, unsigned tries)
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
		if (!said_not_ready)
			log_info("%s: not ready (status %#x), waiting", c->name, code);
		said_not_ready = true;
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
static int admin_once(struct nvme *c, struct nvme_command *cmd, unsigned tries)
{
	struct nvme_completion done;
	int failed = 0;

	cmd->cid = next_cid(0);
	queue_submit(c, &c->admin, cmd);
	if (poll_until_us(queue_next(c, &c->admin, &done) || (failed = check_health(c, &c->admin, UINT64_MAX)), ADMIN_US))
		return log_err(c->away ? -ENODEV : -ETIMEDOUT, "%s: no answer to admin command %#x, CSTS %#x", c->name, cmd->opcode,
			       reg_read(c, NVME_CSTS));
	if (failed)
		return failed;
	ring(c, &c->admin, true, c->admin.cq_head);
	if (done.cid != cmd->cid)
		return log_err(-EPROTO, "%s: completion %#x for admin command %#x", c->name, done.cid, cmd->cid);
	return judge(c, done.status, tries) == -EAGAIN ? -EAGAIN
						       : (int)FIELD_GET(NVME_STATUS_CODE, done.status);
}

/*
 * 0, the status code (positive) of a command that was refused, or -errno: nothing can be expected of
 * the controller any more
 */
static int admin(struct nvme *c, struct nvme_command *cmd)
{
	struct deadline d = deadline_in_us(blk_timeout_us);
	unsigned tries = 0;
	int rc;

	while ((rc = admin_once(c, cmd, tries)) == -EAGAIN && !deadline_passed(d))
		delay_us(blk_pause_us(tries++));
	c->broken |= rc < 0;
	return rc == -EAGAIN ? -ETIMEDOUT : rc;
}

/* Where a refusal leaves nothing else to try */
static int refused(int rc)
{
	return rc > 0 ? -EIO : rc;
}

/* Identify into dma()->identify: as admin(). A refusal is the caller's to report. */
static int identify(struct nvme *c, enum nvme_identify_cns cns, uint32_t nsid)
{
	struct nvme_command cmd = {
		.opcode = NVME_IDENTIFY,
		.nsid = nsid,
		.prp1 = dma_addr(&c->dma, &dma()->identify),
		.cdw10 = cns,
	};
	int rc;

	/* A page is what the structure takes: PRP2 is not used */
	memset(&dma()->identify, 0, sizeof(dma()->identify));
	dma_give(&c->dma, &dma()->identify, PAGE);
	rc = admin(c, &cmd);
	dma_take(&c->dma, &dma()->identify, PAGE);
	return rc;
}

/* --- controller on and off --- */

static uint64_t ready_timeout_us(const struct nvme *c)
{
	return max_u64(1, FIELD_GET(NVME_CAP_TO, c->cap)) * TO_UNIT_US;
}

static void wait_for(struct nvme *c, enum nvme_state state, uint64_t timeout_us)
{
	c->state = state;
	c->since_us = arch_time_us();
	c->deadline = deadline_in_us(timeout_us);
}

static void turn_off(struct nvme *c, bool stopped)
{
	dma_detach(&c->dma, stopped);
	c->state = NVME_OFF;
	c->stopping = false;
}

static bool is_attached(const struct nvme *c)
{
	return c->state >= NVME_ENABLE || c->stopping;
}

/* What is left when the controller does not do what it is told in time, or says nothing */
static int reset_function(struct nvme *c)
{
	log_warn("%s: CSTS %#x: function level reset", c->name, reg_read(c, NVME_CSTS));
	c->was_reset = true;
	return pci_flr(&c->pci);
}

/*
 * §7.3.2, controller level reset by CC.EN. All queues are gone and no DMA is under way when RDY reads 0.
 * §3.1.5: EN must not be cleared while the controller is on its way to ready.
 */
static void disable(struct nvme *c)
{
	uint32_t cc = reg_read(c, NVME_CC);

	if (c->state != NVME_SETTLE && cc & NVME_CC_EN && !(reg_read(c, NVME_CSTS) & NVME_CSTS_RDY)) {
		wait_for(c, NVME_SETTLE, min_u64(ready_timeout_us(c), ENABLING_US));
		return;
	}
	if (cc != NVME_CSTS_GONE)
		reg_write(c, NVME_CC, cc & (uint32_t)~(NVME_CC_EN | NVME_CC_SHN));
	wait_for(c, NVME_DISABLE, ready_timeout_us(c));
}

/*
 * Without bus mastering there is no DMA, whatever the controller does. Only where it cannot be taken away, that the
 * controller confirms its reset counts.
 */
static void cut_off(struct nvme *c)
{
	uint32_t csts = c->regs ? reg_read(c, NVME_CSTS) : NVME_CSTS_GONE;

	if (!is_attached(c) || dma_cut(&c->dma) || is_gone(c, csts)) {
		if (csts & NVME_CSTS_RDY && csts != NVME_CSTS_GONE)
			reg_write(c, NVME_CC, reg_read(c, NVME_CC) & (uint32_t)~(NVME_CC_EN | NVME_CC_SHN));
		turn_off(c, false);
		return;
	}
	c->stopping = true;
	c->was_reset = c->fatal_is_fine = false;
	disable(c);
}

static void fail(struct nvme *c, int rc)
{
	c->error = rc;
	cut_off(c);
}

/* §7.6.2, all but the queues */
static void notify_shutdown(struct nvme *c)
{
	uint32_t cc = reg_read(c, NVME_CC) & (uint32_t)~NVME_CC_SHN;

	reg_write(c, NVME_CC, cc | (uint32_t)FIELD_PREP(NVME_CC_SHN, NVME_CC_SHN_NORMAL));
	wait_for(c, NVME_NOTIFY, c->shutdown_us);
}

void nvme_stop(struct nvme *c)
{
	uint32_t csts;

	if (c->state == NVME_OFF || c->state == NVME_NOTIFY || c->stopping)
		return;
	nvme_close(c);
	csts = reg_read(c, NVME_CSTS);
	if (c->state == NVME_UP && !c->broken && csts & NVME_CSTS_RDY && !(csts & NVME_CSTS_CFS))
		notify_shutdown(c);
	else
		cut_off(c);
}

void nvme_give_up_late(struct nvme *c)
{
	if (c->state == NVME_OFF || c->state == NVME_UP || c->state == NVME_TURN || c->state == NVME_NOTIFY ||
	    c->stopping || arch_time_us() - c->since_us < max_u64(LATE_US, 2 * slowest_us))
		return;
	log_warn("%s: still not %s, not waited for", c->name, c->state >= NVME_ENABLE ? "ready" : "reset");
	fail(c, -EAGAIN);
}

/* The IOMMU has a few tables for us: who finds none left waits until another controller is gone */
static int attach(struct nvme *c)
{
	unsigned others = 0;
	int rc = -EXDEV;

	for (unsigned i = 0; i < nvme_nr_places; i++)
		others += is_attached(&nvme_places[i]) && !nvme_places[i].keep;
	if (others < turns)
		rc = dma_attach(&c->dma);
	if (rc != -EXDEV || !others)
		return rc;
	turns = (unsigned)min_u64(turns, others);
	c->state = NVME_TURN;
	return -EINPROGRESS;
}

/* §7.6.1, steps 2-5: CC.EN=0 done before */
static void enable(struct nvme *c)
{
	/* Nothing of the dead kernel's is left in the controller: now it may do DMA, for us */
	int rc = attach(c);

	if (rc == -EINPROGRESS)
		return;
	if (rc) {
		fail(c, rc);
		return;
	}
	queue_init(c, &c->admin, 0, c->admin.sq, c->admin.cq, ADMIN_ENTRIES);
	reg_write(c, NVME_AQA, (uint32_t)(FIELD_PREP(NVME_AQA_ASQS, c->admin.entries - 1) |
					  FIELD_PREP(NVME_AQA_ACQS, c->admin.entries - 1)));
	mmio_write64((char *)c->regs + NVME_ASQ, dma_addr(&c->dma, c->admin.sq));
	mmio_write64((char *)c->regs + NVME_ACQ, dma_addr(&c->dma, c->admin.cq));
	reg_write(c, NVME_CC, (uint32_t)(NVME_CC_EN | FIELD_PREP(NVME_CC_IOSQES, 6) |
					 FIELD_PREP(NVME_CC_IOCQES, 4)));
	wait_for(c, NVME_ENABLE, ready_timeout_us(c));
}

/*
 * §7.6.1 step 8, one queue pair, which is what zero stands for. It comes first, because who does not answer it
 * answers nothing, and because it needs no memory of its own. A controller that refuses it may still create
 * the queues.
 */
static void greet(struct nvme *c)
{
	struct nvme_command features = {
		.opcode = NVME_SET_FEATURES, .cid = next_cid(0), .cdw10 = NVME_FEAT_NUM_QUEUES,
	};

	queue_submit(c, &c->admin, &features);
	wait_for(c, NVME_GREET, ADMIN_US);
}

/* The same as wait_over() */
static int greeted(struct nvme *c)
{
	struct nvme_completion done;

	if (!queue_next(c, &c->admin, &done))
		return -EINPROGRESS;
	ring(c, &c->admin, true, c->admin.cq_head);
	return done.cid == c->admin.sq[0].cid ? 0 : -EPROTO;
}

/* 0, or -errno, said */
static int read_capabilities(struct nvme *c)
{
	struct pci_bar bar;

	c->vs = reg_read(c, NVME_VS);
	c->cap = mmio_read64((const char *)c->regs + NVME_CAP);
	c->doorbell_stride = 4u << FIELD_GET(NVME_CAP_DSTRD, c->cap);
	/* Two queue pairs */
	if (!pci_bar(&c->pci, 0, &bar))
		c->doorbells = arch_map_mmio(bar.addr + NVME_DOORBELLS, 4 * c->doorbell_stride);
	if (!c->doorbells)
		return log_err(-ENOMEM, "%s: doorbells cannot be mapped", c->name);
	if (FIELD_GET(NVME_CAP_MPSMIN, c->cap))
		return log_err(-EOPNOTSUPP, "%s: wants pages of %lu bytes, only 4096 are supported",
			       c->name, 4096UL << FIELD_GET(NVME_CAP_MPSMIN, c->cap));
	if (!(c->cap & NVME_CAP_CSS_NVM) || !FIELD_GET(NVME_CAP_MQES, c->cap))
		return log_err(-EOPNOTSUPP, "%s: no NVM command set or no queues, CAP %#lx", c->name, c->cap);
	return 0;
}

void nvme_begin(struct nvme *c, const struct pci_dev *pci)
{
	struct nvme_queue queues = c->admin;
	struct pci_bar bar;
	int rc;

	*c = (struct nvme){
		.pci = *pci, .shutdown_us = SHUTDOWN_MIN_US, .admin = queues,
		.dma = { .name = c->name, .pci = &c->pci, .coherent = pci->host->dma_coherent, .last = UINT64_MAX,
			 .own = queues.sq, .own_len = sizeof(struct nvme_admin) },
	};
	health_us = 0;
	snprintf(c->name, sizeof(c->name), "nvme %s", pci->name);
	rc = pci_wake(&c->pci);
	if (!rc && (pci_bar(&c->pci, 0, &bar) || bar.io))
		rc = log_err(-EIO, "%s: registers are nowhere", c->name);
	if (!rc && !(c->regs = arch_map_mmio(bar.addr, NVME_DOORBELLS)))
		rc = log_err(-ENOMEM, "%s: registers at %#lx cannot be mapped", c->name, bar.addr);
	if (rc)
		fail(c, rc);
	else
		wait_for(c, NVME_ANSWER, ENABLING_US);
}

/* The wait for an answer is over: 0, -ENODEV, -ETIMEDOUT */
static void answered(struct nvme *c, int rc)
{
	if (rc == -ETIMEDOUT && !c->was_reset && !reset_function(c)) {
		wait_for(c, NVME_ANSWER, ENABLING_US);
		return;
	}
	c->was_reset = false;
	rc = rc ? log_err(-EIO, "%s: does not answer", c->name) : read_capabilities(c);
	if (rc)
		fail(c, rc);
	else
		disable(c);
}

/*
 * The wait for the reset is over: as wait_over(). Falls back on a function level reset, which every
 * controller should have (§7.3.1); one that has not gets its time, however fatal its status.
 */
static void disabled(struct nvme *c, int rc)
{
	if (rc && rc != -ENODEV && !c->was_reset) {
		int reset = reset_function(c);

		c->fatal_is_fine = reset == -EOPNOTSUPP && rc == -EIO;
		if (!reset || c->fatal_is_fine) {
			wait_for(c, NVME_DISABLE, ready_timeout_us(c));
			return;
		}
		rc = reset;
	}
	if (rc)
		rc = log_err(rc, "%s: cannot be reset (%d)", c->name, rc);
	if (c->stopping)
		turn_off(c, !rc);
	else if (rc)
		fail(c, rc);
	else
		enable(c);
}

/*
 * 0, -EINPROGRESS, -ENODEV, or -EIO at once when the status is fatal (§9.5: a reset is due). Registers that read
 * as all ones are no answer: a controller that resets itself takes them away for a while. Configuration space
 * says whether the function is there.
 */
static int wait_over(struct nvme *c)
{
	uint32_t csts = reg_read(c, NVME_CSTS);
	bool ready = csts & NVME_CSTS_RDY, done = true;

	if (csts == NVME_CSTS_GONE)
		return pci_present(&c->pci) ? -EINPROGRESS : -ENODEV;
	if (c->state == NVME_SETTLE || c->state == NVME_ENABLE)
		done = ready;
	else if (c->state == NVME_DISABLE)
		done = !ready;
	else if (c->state == NVME_NOTIFY)
		done = FIELD_GET(NVME_CSTS_SHST, csts) == NVME_CSTS_SHST_DONE;
	if (csts & NVME_CSTS_CFS && c->state != NVME_ANSWER && !c->fatal_is_fine)
		return -EIO;
	if (c->state == NVME_GREET)
		return greeted(c);
	return done ? 0 : -EINPROGRESS;
}

bool nvme_step(struct nvme *c)
{
	bool late;
	int rc;

	if (c->state == NVME_OFF || c->state == NVME_UP)
		return false;
	if (c->state == NVME_TURN) {
		enable(c);
		return true;
	}
	/* Looked at once more after the deadline: a long stall between two looks is not the controller's */
	late = deadline_passed(c->deadline);
	rc = wait_over(c);
	if (rc == -EINPROGRESS && !late)
		return true;
	if (rc == -EINPROGRESS)
		rc = -ETIMEDOUT;
	if (!rc && c->state != NVME_NOTIFY)
		slowest_us = max_u64(slowest_us, arch_time_us() - c->since_us);
	switch (c->state) {
	case NVME_ANSWER:
		answered(c, rc);
		break;
	case NVME_SETTLE:
		disable(c);
		break;
	case NVME_DISABLE:
		disabled(c, rc);
		break;
	case NVME_ENABLE:
	case NVME_GREET:
		if (rc)
			fail(c, log_err(rc, "%s: %s (%d), CSTS %#x", c->name,
					c->state == NVME_ENABLE ? "did not get ready" : "does not answer commands", rc,
					reg_read(c, NVME_CSTS)));
		else if (c->state == NVME_ENABLE)
			greet(c);
		else
			c->state = NVME_UP;
		break;
	default:
		if (rc)
			log_warn("%s: shutdown not complete after %u ms, CSTS %#x", c->name, c->shutdown_us / 1000,
				 reg_read(c, NVME_CSTS));
		cut_off(c);
	}
	return c->state != NVME_OFF && c->state != NVME_UP;
}

void nvme_init(unsigned wanted)
{
	const size_t each = sizeof(struct nvme_admin) + sizeof(struct nvme);
	struct nvme_admin *queues = NULL;

	/* Two at least, so that one can stay up while others are looked at */
	for (wanted = (unsigned)min_u64(wanted, NVME_MAX); wanted; wanted--)
		if ((wanted <= 2 || mem_left() >= wanted * each + LEFT_FOR_DUMP) &&
		    (queues = mem_take("nvme controllers", wanted * each, PAGE, MEM_ANY)))
			break;
	turns = NVME_MAX;
	slowest_us = 0;
	nvme_nr_places = wanted;
	if (wanted)
		nvme_places = (void *)(queues + wanted);
	for (unsigned i = 0; i < wanted; i++)
		nvme_places[i].admin = (struct nvme_queue){ .sq = queues[i].sq, .cq = queues[i].cq };
}

/* --- requests --- */

static void unmap(const struct blk_req *req, unsigned nr_segs)
{
	for (unsigned i = 0; i < nr_segs; i++)
		dma_unmap(&disk.c->dma, req->segs[i].pa, req->segs[i].len, req->op == BLK_READ);
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
			rc = log_err(-EINVAL, "%s: segment %#lx + %u is not made of pages", disk.blk.name,
				     seg->pa, seg->len);
		else if (n + pages - !i > PRPS_PER_LIST)
			rc = log_err(-EINVAL, "%s: request of too many pages", disk.blk.name);
		else
			rc = dma_map(&disk.c->dma, seg->pa, seg->len, &addr);
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
	cmd->prp2 = n == 0 ? 0 : n == 1 ? list[0] : dma_addr(&disk.c->dma, list);
	if (n > 1)
		dma_give(&disk.c->dma, list, n * sizeof(list[0]));
	return 0;
}

static int nvme_submit(struct blk_dev *blk, struct blk_req *req)
{
	struct nvme_command cmd = { .nsid = disk.nsid };
	unsigned slot = 0;
	int rc;

	if (!disk.c)
		return -ENODEV;
	/* A queue of n entries holds n - 1 (§4.1.1) */
	if (disk.nr_inflight >= blk->queue_depth)
		return -EBUSY;
	while (disk.reqs[slot])
		slot++;

	if (req->op == BLK_FLUSH) {
		cmd.opcode = NVME_FLUSH;
	} else {
		cmd.opcode = req->op == BLK_READ ? NVME_READ : NVME_WRITE;
		cmd.cdw10 = (uint32_t)req->lba;
		cmd.cdw11 = (uint32_t)(req->lba >> 32);
		cmd.cdw12 = req->nr_blocks - 1;		/* §6.15: zero-based */
		if (disk.protection)
			cmd.cdw12 |= NVME_RW_PRACT;
		/* §8.3.1.5: types 1 and 2 count blocks in it, and other systems look at it */
		if (disk.protection == 1 || disk.protection == 2)
			cmd.cdw14 = (uint32_t)req->lba;
		rc = build_prps(&cmd, slot, req);
		if (rc)
			return rc;
	}
	cmd.cid = next_cid(slot);
	req->tag = cmd.cid;
	disk.reqs[slot] = req;
	disk.nr_inflight++;
	queue_submit(disk.c, &disk.io, &cmd);
	return 0;
}

static int finish(const struct nvme_completion *c)
{
	unsigned slot = c->cid % NR_SLOTS;
	struct blk_req *req = disk.reqs[slot];

	/* Slot and generation must be those of a command in flight */
	if (!req || req->tag != c->cid || c->sq_id != disk.io.id)
		return log_err(-EIO, "%s: completion of command %#x on queue %u, which is not in flight",
			       disk.blk.name, c->cid, c->sq_id);
	disk.reqs[slot] = NULL;
	disk.nr_inflight--;
	unmap(req, req->nr_segs);
	req->status = judge(disk.c, c->status, req->tries);
	if (req->status && req->status != -EAGAIN)
		log_warn("%s: request at block %lu failed, status %#x%s", disk.blk.name, req->lba,
			 (unsigned)FIELD_GET(NVME_STATUS_CODE, c->status),
			 req->status == -EROFS ? " (write protected)" : "");
	return 0;
}

static int nvme_poll(struct blk_dev *blk)
{
	uint64_t until_us = UINT64_MAX;
	struct nvme_completion c;
	int rc, done = 0;

	(void)blk;
	if (!disk.c)
		return -ENODEV;
	/* Bounded by what can be in flight, so that a controller gone mad cannot keep us here */
	while (done < NR_SLOTS && queue_next(disk.c, &disk.io, &c)) {
		rc = finish(&c);
		if (rc)
			return rc;
		done++;
	}
	if (!done) {
		/* A little before blk.c, which does not know why there is no answer */
		for (unsigned i = 0; i < NR_SLOTS; i++)
			if (disk.reqs[i])
				until_us = min_u64(until_us, disk.reqs[i]->deadline_us - 2 * HEALTH_US);
		return check_health(disk.c, &disk.io, until_us);
	}
	ring(disk.c, &disk.io, true, disk.io.cq_head);
	return done;
}

static void nvme_shutdown(struct blk_dev *blk)
{
	struct nvme *c = disk.c;

	if (!c)
		return;
	/* With commands in flight there is no orderly way (§7.6.2 step 1): the reset ends them */
	c->broken |= blk->failed || disk.nr_inflight;
	nvme_stop(c);
	while (nvme_step(c))
		idle();
}

static const struct blk_ops nvme_ops = {
	.submit		= nvme_submit,
	.poll		= nvme_poll,
	.shutdown	= nvme_shutdown,
};

/* --- namespaces --- */

/*
 * A namespace without a name of its own is known by its subsystem and its number there. The name of
 * the subsystem is long: with the serial number beside it a hash is as good (FNV-1a).
 */
static void name_by_subsystem(const struct nvme_id_ctrl *id)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (unsigned i = 0; i < sizeof(id->subnqn); i++)
		hash = (hash ^ (uint8_t)id->subnqn[i]) * 0x100000001b3;
	memcpy(disk.blk.shared_id, &hash, 8);
}

static int identify_controller(struct nvme *c, uint32_t *ret_nn)
{
	const struct nvme_id_ctrl *id = &dma()->identify.ctrl;
	int rc = identify(c, NVME_CNS_CONTROLLER, 0);

	if (rc)
		return log_err(refused(rc), "%s: Identify Controller failed (%d)", c->name, rc);
	/* §5.15.2.2: ASCII, padded with blanks on the right */
	blk_set_serial(&disk.blk, id->sn, sizeof(id->sn));
	name_by_subsystem(id);
	disk.blk.max_bytes = MAX_REQUEST;
	/* In units of the smallest page size, which is ours */
	if (id->mdts && id->mdts < 20)
		disk.blk.max_bytes = (uint32_t)min_u64(MAX_REQUEST, (uint64_t)PAGE << id->mdts);
	disk.blk.max_segs = disk.blk.max_bytes / PAGE;
	disk.blk.dma_last = c->dma.last;
	disk.blk.has_flush = id->vwc & NVME_VWC_PRESENT;
	c->shutdown_us = (uint32_t)min_u64(SHUTDOWN_MAX_US, max_u64(SHUTDOWN_MIN_US, id->rtd3e_us));
	*ret_nn = id->nn;
	return 0;
}

/*
 * NVMe 1.0 has no list of active namespaces: an inactive one identifies as all zeros. 0, -ENOENT,
 * or -errno.
 */
static int find_namespace_1_0(struct nvme *c, uint32_t nn, unsigned unit, bool *ret_more)
{
	unsigned active = 0;

	for (uint32_t nsid = 1; nsid <= min_u64(nn, PAGE / 4); nsid++) {
		int rc = identify(c, NVME_CNS_NAMESPACE, nsid);

		if (rc < 0)
			return rc;
		if (rc || !dma()->identify.ns.nsze || active++ < unit)
			continue;
		if (disk.nsid) {
			*ret_more = true;
			break;
		}
		disk.nsid = nsid;
	}
	return disk.nsid ? 0 : -ENOENT;
}

/* The @unit-th active namespace. 0, -ENOENT, or -errno. */
static int find_namespace(struct nvme *c, uint32_t nn, unsigned unit, bool *ret_more)
{
	const uint32_t *nsids = dma()->identify.nsids;
	int rc;

	if (c->vs < NVME_VS_1_1)
		return find_namespace_1_0(c, nn, unit, ret_more);
	/* §5.15.2.3: ascending, ends with 0; one page of it is enough for anybody */
	rc = identify(c, NVME_CNS_ACTIVE_LIST, 0);
	if (rc > 0)
		return find_namespace_1_0(c, nn, unit, ret_more);
	if (rc)
		return rc;
	if (unit >= PAGE / 4 || !nsids[unit])
		return -ENOENT;
	disk.nsid = nsids[unit];
	*ret_more = unit + 1 < PAGE / 4 && nsids[unit + 1];
	return 0;
}

/*
 * What kind of namespace is it, and has it a UUID? Controllers before 1.3 do not know this command, and all
 * of theirs are of the kind that we know. 0, -EPROTOTYPE, or -errno.
 */
static int read_descriptors(struct nvme *c)
{
	const uint8_t *page = dma()->identify.raw;
	unsigned csi = NVME_CSI_NVM;
	int rc = c->vs < NVME_VS_1_3 ? 1 : identify(c, NVME_CNS_DESCRIPTORS, disk.nsid);

	if (rc)
		return rc < 0 ? rc : 0;
	for (unsigned at = 0; at + sizeof(struct nvme_ns_descriptor) < PAGE;) {
		const struct nvme_ns_descriptor *d = (const void *)(page + at);

		at += (unsigned)sizeof(*d) + d->nidl;
		if (!d->nidl || at > PAGE)
			break;
		if (d->nidt == NVME_NIDT_CSI)
			csi = d->nid[0];
		if (d->nidt == NVME_NIDT_UUID && d->nidl == sizeof(disk.blk.shared_id))
			memcpy(disk.blk.shared_id, d->nid, sizeof(disk.blk.shared_id));
	}
	if (csi == NVME_CSI_NVM)
		return 0;
	return log_err(-EPROTOTYPE, "%s: %s (command set %u): unsupported", disk.blk.name,
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
			       disk.blk.name, format->ms,
			       id->flbas & NVME_FLBAS_EXTENDED ? "interleaved" : "separate", type);
	if (format->lbads > 31)
		return log_err(-EPROTOTYPE, "%s: blocks of 2^%u bytes: unsupported", disk.blk.name, format->lbads);
	return blk_set_geometry(&disk.blk, 1u << format->lbads, id->nsze);
}

static bool is_zero(const uint8_t *p, size_t len)
{
	return !p[0] && !memcmp(p, p + 1, len - 1);
}

/*
 * The name that a namespace has through every controller of its subsystem: NGUID, EUI-64, the UUID of the
 * descriptors, or what stands for them. One that has a single controller needs none.
 */
static void name_namespace(const struct nvme_id_ns *id)
{
	uint8_t *name = disk.blk.shared_id;

	if (!(id->nmic & NVME_NMIC_SHARED)) {
		memset(name, 0, 16);
	} else if (!is_zero(id->nguid, 16)) {
		memcpy(name, id->nguid, 16);
	} else if (!is_zero(id->eui64, 8)) {
		memset(name, 0, 16);
		memcpy(name, id->eui64, 8);
	}
}

static int identify_namespace(struct nvme *c)
{
	const struct nvme_id_ns *id = &dma()->identify.ns;
	const struct nvme_lbaf *format;
	int rc = identify(c, NVME_CNS_NAMESPACE, disk.nsid);

	if (rc)
		return log_err(refused(rc), "%s: Identify Namespace failed (%d)", disk.blk.name, rc);
	format = &id->lbaf[FIELD_GET(NVME_FLBAS_FORMAT_HIGH, id->flbas) << 4 |
			   FIELD_GET(NVME_FLBAS_FORMAT, id->flbas)];
	rc = check_format(id, format);
	if (rc)
		return rc;
	name_namespace(id);
	disk.protection = format->ms ? id->dps & NVME_DPS_TYPE : 0;
	disk.blk.read_only = id->nsattr & NVME_NSATTR_WP;
	return 0;
}

/* §7.6.1 steps 9 and 10 */
static int create_io_queues(struct nvme *c)
{
	struct nvme_command cq = {
		/* physically contiguous, no interrupts: §5.3 */
		.opcode = NVME_CREATE_CQ,
		.prp1 = dma_addr(&c->dma, dma()->io_cq),
		.cdw11 = 1,
	};
	struct nvme_command sq = {
		/* physically contiguous, completes on queue 1: §5.4 */
		.opcode = NVME_CREATE_SQ,
		.prp1 = dma_addr(&c->dma, dma()->io_sq),
		.cdw11 = 1 << 16 | 1,
	};
	int rc;

	queue_init(c, &disk.io, 1, dma()->io_sq, dma()->io_cq, IO_ENTRIES_MAX);
	cq.cdw10 = sq.cdw10 = (disk.io.entries - 1u) << 16 | 1;
	rc = admin(c, &cq);
	if (!rc)
		rc = admin(c, &sq);
	/* A completion queue without its other half is more than can be made good */
	if (rc) {
		c->broken = true;
		return log_err(refused(rc), "%s: I/O queues cannot be created (%d)", c->name, rc);
	}
	disk.blk.queue_depth = (uint32_t)min_u64(NR_SLOTS, disk.io.entries - 1);
	return 0;
}

int nvme_open(struct nvme *c, unsigned unit, struct blk_dev **ret_dev, bool *ret_more)
{
	uint32_t nn = 0;
	int rc;

	memset(&disk, 0, sizeof(disk));
	*ret_more = false;
	disk.blk.ops = &nvme_ops;
	rc = identify_controller(c, &nn);
	if (!rc)
		rc = find_namespace(c, nn, unit, ret_more);
	if (rc)
		return rc;
	snprintf(disk.blk.name, sizeof(disk.blk.name), "%s ns %u", c->name, disk.nsid);
	memcpy(disk.blk.shared_id + 8, &disk.nsid, sizeof(disk.nsid));
	rc = read_descriptors(c);
	if (!rc)
		rc = identify_namespace(c);
	if (!rc)
		rc = create_io_queues(c);
	if (rc)
		return rc;
	disk.c = c;
	*ret_dev = &disk.blk;
	return 0;
}

/* Lists and identify data are used no more when their commands are answered, queues when they are deleted */
void nvme_close(struct nvme *c)
{
	struct nvme_command delete_sq = { .opcode = NVME_DELETE_SQ, .cdw10 = 1 };
	struct nvme_command delete_cq = { .opcode = NVME_DELETE_CQ, .cdw10 = 1 };

	if (disk.c != c)
		return;
	disk.c = NULL;
	if (!c->broken && (admin(c, &delete_sq) || admin(c, &delete_cq)))
		c->broken = true;
}
