// SPDX-License-Identifier: GPL-2.0-or-later
/* See nvme_ctrl.h. */
#include <assert.h>
#include <string.h>

#include "tests/unit/fake/bus.h"
#include "tests/unit/fake/nvme_ctrl.h"

static uint32_t stride(const struct fake_nvme *f)
{
	return 4u << FIELD_GET(NVME_CAP_DSTRD, f->cap);
}

static void drop_queues(struct fake_nvme *f)
{
	memset(f->q, 0, sizeof(f->q));
	f->nr_held = f->inflight = 0;
}

/* Things that take time: readiness and shutdown */
static void advance(struct fake_nvme *f)
{
	if (f->ready_at_us && fake_now_us >= f->ready_at_us) {
		f->ready_at_us = 0;
		if (f->cc & NVME_CC_EN) {
			f->csts |= NVME_CSTS_RDY;
		} else {
			f->csts &= ~(uint32_t)(NVME_CSTS_RDY | NVME_CSTS_CFS | NVME_CSTS_SHST);
			drop_queues(f);
		}
	}
	if (f->shutdown_at_us && fake_now_us >= f->shutdown_at_us) {
		f->shutdown_at_us = 0;
		f->csts = (f->csts & ~(uint32_t)NVME_CSTS_SHST) |
			  (uint32_t)FIELD_PREP(NVME_CSTS_SHST, NVME_CSTS_SHST_DONE);
	}
}

static void start(struct fake_nvme *f)
{
	f->enables++;
	assert(!(f->csts & NVME_CSTS_RDY));
	assert(FIELD_GET(NVME_CC_IOSQES, f->cc) == 6 && FIELD_GET(NVME_CC_IOCQES, f->cc) == 4);
	assert(!(f->cc & (NVME_CC_MPS | NVME_CC_CSS | NVME_CC_AMS | NVME_CC_SHN)));
	assert(f->asq && f->acq && f->asq % 4096 == 0 && f->acq % 4096 == 0);
	assert(FIELD_GET(NVME_AQA_ASQS, f->aqa) && FIELD_GET(NVME_AQA_ACQS, f->aqa));
	assert(FIELD_GET(NVME_AQA_ASQS, f->aqa) <= FIELD_GET(NVME_CAP_MQES, f->cap));
	drop_queues(f);
	f->q[0].live = true;
	f->q[0].entries = (uint16_t)(FIELD_GET(NVME_AQA_ASQS, f->aqa) + 1);
	f->q[0].sq = (void *)(uintptr_t)f->asq;
	f->q[0].cq = (void *)(uintptr_t)f->acq;
	f->q[0].phase = 1;
	if (f->fatal_on_enable)
		f->csts |= NVME_CSTS_CFS;
	else if (!f->never_ready)
		f->ready_at_us = fake_now_us + f->enable_us + 1;
}

static void write_cc(struct fake_nvme *f, uint32_t v)
{
	uint32_t old = f->cc;

	f->cc = v;
	if (!(old & NVME_CC_EN) && v & NVME_CC_EN) {
		start(f);
	} else if (old & NVME_CC_EN && !(v & NVME_CC_EN)) {
		/* EN may be cleared only when the last change has gone through */
		assert(f->csts & (NVME_CSTS_RDY | NVME_CSTS_CFS) || f->never_ready);
		if (f->fatal_on_disable)
			f->csts |= NVME_CSTS_CFS;
		if (!f->never_disabled)
			f->ready_at_us = fake_now_us + f->disable_us + 1;
		f->silent_until_us = f->silent_us ? fake_now_us + f->silent_us : 0;
	}
	if (FIELD_GET(NVME_CC_SHN, v) && !FIELD_GET(NVME_CC_SHN, old)) {
		assert(!f->q[1].live && !f->inflight);
		f->shutdowns++;
		if (f->fatal_on_shutdown)
			f->csts |= NVME_CSTS_CFS;
		f->shutdown_at_us = fake_now_us + f->shutdown_us + 1;
	}
}

static bool post(struct fake_nvme *f, unsigned qid, struct nvme_completion c)
{
	uint16_t next = (uint16_t)((f->q[qid].cq_tail + 1) % f->q[qid].entries);

	assert(f->q[qid].live);
	assert(next != f->q[qid].cq_head);	/* the driver must acknowledge what it took */
	c.sq_head = f->q[qid].sq_head;
	c.status = (uint16_t)((c.status & ~1u) | f->q[qid].phase);
	f->q[qid].cq[f->q[qid].cq_tail] = c;
	f->q[qid].cq_tail = next;
	if (!next)
		f->q[qid].phase ^= 1;
	return true;
}

void fake_nvme_release(struct fake_nvme *f, unsigned n)
{
	struct fake_nvme_held h = f->held[n];

	assert(n < f->nr_held);
	memmove(f->held + n, f->held + n + 1, (--f->nr_held - n) * sizeof(h));
	f->inflight--;
	post(f, h.qid, h.c);
}

void fake_nvme_complete(struct fake_nvme *f, uint16_t cid, uint16_t status)
{
	post(f, 1,
	     (struct nvme_completion){.cid = cid, .sq_id = 1, .status = (uint16_t)(status << 1)});
}

static struct fake_nvme_ns *find_ns(struct fake_nvme *f, uint32_t nsid)
{
	for (unsigned i = 0; i < FAKE_NVME_NS; i++)
		if (f->ns[i].nsid && f->ns[i].nsid == nsid)
			return &f->ns[i];
	return NULL;
}

/* Append a namespace identification descriptor, §5.15.2.4 */
static void add_descriptor(uint8_t *page, uint8_t type, const void *id, uint8_t len)
{
	while (page[1])
		page += 4 + page[1];
	page[0] = type;
	page[1] = len;
	memcpy(page + 4, id, len);
}

static uint16_t identify(struct fake_nvme *f, const struct nvme_command *cmd)
{
	void *page = (void *)(uintptr_t)cmd->prp1;
	struct fake_nvme_ns *ns = find_ns(f, cmd->nsid);

	assert(cmd->prp1 && cmd->prp1 % 4096 == 0);
	memset(page, 0, 4096);
	if (cmd->cdw10 == NVME_CNS_CONTROLLER) {
		struct nvme_id_ctrl *id = page;

		memset(id->sn, ' ', sizeof(id->sn));
		memcpy(id->sn, f->sn, strlen(f->sn));
		memcpy(id->subnqn, f->subnqn, sizeof(id->subnqn));
		id->mdts = f->mdts;
		id->vwc = f->vwc;
		id->rtd3e_us = f->rtd3e_us;
		id->nn = 8;
		return 0;
	}
	if (cmd->cdw10 == NVME_CNS_ACTIVE_LIST) {
		uint32_t *list = page;

		if (f->no_active_list)
			return 0x002;	/* invalid field */
		for (unsigned i = 0; i < FAKE_NVME_NS; i++)
			if (f->ns[i].nsid > cmd->nsid)
				*list++ = f->ns[i].nsid;
		return 0;
	}
	if (cmd->cdw10 == NVME_CNS_DESCRIPTORS) {
		assert(f->vs >= 0x00010300);	/* older ones do not know it */
		if (!ns)
			return 0x400b;		/* invalid namespace, do not retry */
		if (ns->uuid[0])
			add_descriptor(page, 3, ns->uuid, 16);
		add_descriptor(page, 4, &ns->csi, 1);
		return 0;
	}
	assert(cmd->cdw10 == NVME_CNS_NAMESPACE);
	if (ns) {
		struct nvme_id_ns *id = page;

		id->nsze = id->ncap = ns->nsze;
		id->flbas = (uint8_t)((ns->flbas_format & 0xf) | (ns->flbas_format & 0x30) << 1 |
				      ns->extended << 4);
		id->dps = ns->dps;
		id->nsattr = ns->nsattr;
		id->nmic = ns->shared;
		memcpy(id->nguid, ns->nguid, sizeof(id->nguid));
		memcpy(id->eui64, ns->eui64, sizeof(id->eui64));
		id->lbaf[ns->flbas_format].ms = ns->ms;
		id->lbaf[ns->flbas_format].lbads = ns->lbads;
	}
	return 0;
}

static uint16_t admin(struct fake_nvme *f, const struct nvme_command *cmd)
{
	f->admin_commands[cmd->opcode]++;
	switch (cmd->opcode) {
	case NVME_IDENTIFY:
		return identify(f, cmd);
	case NVME_SET_FEATURES:
		assert(cmd->cdw10 == NVME_FEAT_NUM_QUEUES);
		return 0;
	case NVME_CREATE_CQ:
		assert(cmd->cdw11 == 1);	/* contiguous, no interrupt */
		assert((cmd->cdw10 & 0xffff) == 1 && cmd->prp1 % 4096 == 0);
		assert(cmd->cdw10 >> 16 && cmd->cdw10 >> 16 <= FIELD_GET(NVME_CAP_MQES, f->cap));
		memset(&f->q[1], 0, sizeof(f->q[1]));
		f->q[1].cq = (void *)(uintptr_t)cmd->prp1;
		f->q[1].entries = (uint16_t)((cmd->cdw10 >> 16) + 1);
		f->q[1].phase = 1;
		return 0;
	case NVME_CREATE_SQ:
		assert(cmd->cdw11 == (1 << 16 | 1));
		assert(f->q[1].cq && (cmd->cdw10 >> 16) + 1 == f->q[1].entries &&
		       cmd->prp1 % 4096 == 0);
		f->q[1].sq = (void *)(uintptr_t)cmd->prp1;
		f->q[1].live = true;
		return 0;
	case NVME_DELETE_SQ:
		assert(f->q[1].live);
		f->q[1].live = false;
		return 0;
	case NVME_DELETE_CQ:
		assert(f->q[1].cq && !f->q[1].live);
		f->q[1].cq = NULL;
		return 0;
	}
	return 0x001;	/* invalid opcode */
}

/* Copy between the namespace and the pages that a command names, NVMe 1.4 §4.3 */
static void transfer(struct fake_nvme *f, const struct nvme_command *cmd, uint8_t *media,
		     uint64_t len)
{
	const uint64_t *list = NULL;
	uint64_t pa = cmd->prp1, left = len;
	unsigned n = 0;

	while (left) {
		uint64_t piece = min_u64(left, 4096 - pa % 4096);

		assert(pa && pa % 4 == 0);
		if (cmd->opcode == NVME_WRITE)
			memcpy(media + (len - left), (void *)(uintptr_t)pa, piece);
		else
			memcpy((void *)(uintptr_t)pa, media + (len - left), piece);
		left -= piece;
		n++;
		if (!left)
			break;
		if (n == 1 && left <= 4096) {
			pa = cmd->prp2;
		} else {
			if (!list) {
				list = (void *)(uintptr_t)cmd->prp2;
				assert(list && cmd->prp2 % 8 == 0);
			} else {
				/* the last entry of a page would point at the next list */
				assert((uintptr_t)list % 4096);
			}
			pa = *list++;
		}
		assert(pa % 4096 == 0);
	}
	if (n > f->max_prps)
		f->max_prps = n;
}

static uint16_t io(struct fake_nvme *f, const struct nvme_command *cmd)
{
	struct fake_nvme_ns *ns = find_ns(f, cmd->nsid);
	uint64_t lba = cmd->cdw10 | (uint64_t)cmd->cdw11 << 32, nr = (cmd->cdw12 & 0xffff) + 1ULL;
	uint64_t len;

	f->commands[cmd->opcode]++;
	assert(ns);
	if (cmd->opcode == NVME_FLUSH)
		return 0;
	assert(cmd->opcode == NVME_READ || cmd->opcode == NVME_WRITE);
	assert(!ns->csi && !cmd->mptr);
	/* PRACT, nothing else; without it metadata would be transferred too (§8.3.1) */
	assert(cmd->cdw12 >> 16 == (ns->ms ? 0x2000 : 0) && (!ns->ms || (ns->dps & 7 && ns->ms == 8)));
	/* what Linux will look for when it reads the block, Type 1 and 2 */
	assert(cmd->cdw14 == (ns->dps & 3 && (ns->dps & 7) != 3 ? (uint32_t)lba : 0));
	len = nr << ns->lbads;
	assert(!f->mdts || len <= 4096ULL << f->mdts);
	assert(lba + nr <= ns->nsze);
	if (f->bad_lba >= lba && f->bad_lba < lba + nr)
		return f->bad_status ? f->bad_status : 0x281;
	if (cmd->opcode == NVME_WRITE && ns->nsattr & NVME_NSATTR_WP)
		return NVME_STATUS_WRITE_PROTECTED;
	assert(((lba + nr) << ns->lbads) <= ns->data_len);
	transfer(f, cmd, ns->data + (lba << ns->lbads), len);
	return 0;
}

static bool is_busy(struct fake_nvme *f, unsigned qid)
{
	unsigned *left = qid ? &f->busy_io : &f->busy_admin;

	if (!*left)
		return qid && fake_now_us < f->busy_until_us;
	--*left;
	return true;
}

static void execute(struct fake_nvme *f, unsigned qid)
{
	const struct nvme_command *cmd = &f->q[qid].sq[f->q[qid].sq_head];
	struct nvme_completion c = { .cid = cmd->cid, .sq_id = (uint16_t)qid };

	f->q[qid].sq_head = (uint16_t)((f->q[qid].sq_head + 1) % f->q[qid].entries);
	assert(!cmd->flags);
	if (!qid && f->fatal_on_admin) {
		f->csts |= NVME_CSTS_CFS;
		return;
	}
	c.status = (uint16_t)((is_busy(f, qid) ? f->busy_status :
			       qid ? io(f, cmd) : admin(f, cmd)) << 1);
	if (qid ? f->drop_io : f->drop_admin) {
		f->inflight += qid;
		return;
	}
	if (qid && f->wrong_cid)
		c.cid ^= 0x10;
	if (qid && ++f->inflight > f->max_inflight)
		f->max_inflight = f->inflight;
	if (qid && f->hold_io) {
		assert(f->nr_held < FAKE_NVME_HELD);
		f->held[f->nr_held++] = (struct fake_nvme_held){ (uint16_t)qid, c };
		return;
	}
	f->inflight -= qid;
	post(f, qid, c);
}

static void doorbell(struct fake_nvme *f, uint64_t off, uint32_t v)
{
	unsigned n = (unsigned)(off / stride(f)), qid = n / 2;

	assert(off % stride(f) == 0 && qid < FAKE_NVME_QUEUES);
	assert(f->csts & NVME_CSTS_RDY);
	assert(v < f->q[qid].entries);
	if (n & 1) {
		f->q[qid].cq_head = (uint16_t)v;
		return;
	}
	if (!fake_pci_is_master(&f->fn)) {
		f->dma_without_master++;
		return;
	}
	while (f->q[qid].sq_head != v)
		execute(f, qid);
}

static uint64_t bar_read(void *ctx, uint64_t off, unsigned size)
{
	struct fake_nvme *f = ctx;

	if (f->fn.gone || !(fake_pci_get16(&f->fn, 4) & 2))
		return f->gone_reads_zero ? 0 : ~0ULL;
	if (fake_now_us < f->silent_until_us)
		return ~0ULL;
	assert(size == 4);
	advance(f);
	switch (off) {
	case NVME_CAP:
		return (uint32_t)f->cap;
	case NVME_CAP + 4:
		return f->cap >> 32;
	case NVME_VS:
		return f->vs;
	case NVME_CC:
		return f->cc;
	case NVME_CSTS:
		return f->csts;
	}
	return 0;
}

static void bar_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	struct fake_nvme *f = ctx;

	if (f->fn.gone || !(fake_pci_get16(&f->fn, 4) & 2) || fake_now_us < f->silent_until_us)
		return;
	assert(size == 4);
	advance(f);
	if (off >= NVME_DOORBELLS) {
		doorbell(f, off - NVME_DOORBELLS, (uint32_t)v);
		return;
	}
	assert(off == NVME_CC || !(f->cc & NVME_CC_EN));
	switch (off) {
	case NVME_CC:
		write_cc(f, (uint32_t)v);
		break;
	case NVME_AQA:
		f->aqa = (uint32_t)v;
		break;
	case NVME_ASQ:
		f->asq = v;
		break;
	case NVME_ASQ + 4:
		f->asq |= v << 32;
		break;
	case NVME_ACQ:
		f->acq = v;
		break;
	case NVME_ACQ + 4:
		f->acq |= v << 32;
		break;
	default:
		assert(!"write to a register that a polled driver has no business with");
	}
}

static void flr(void *ctx)
{
	struct fake_nvme *f = ctx;

	f->cc = 0;
	if (f->flr_helps || !f->never_disabled) {
		f->csts = 0;
		f->ready_at_us = f->silent_until_us = 0;
		drop_queues(f);
	}
}

void fake_nvme_unplug(struct fake_nvme *f)
{
	f->fn.gone = true;
}

void fake_nvme_init(struct fake_nvme *f, uint8_t lbads, uint8_t *data, uint64_t len)
{
	fake_nvme_init_at(f, 0, lbads, data, len);
}

void fake_nvme_init_at(struct fake_nvme *f, unsigned index, uint8_t lbads, uint8_t *data, uint64_t len)
{
	struct fake_window w = {
		.base = FAKE_NVME_BAR + 0x4000 * index,
		.len = 0x4000,
		.ctx = f,
		.read = bar_read,
		.write = bar_write,
	};
	unsigned cap;

	memset(f, 0, sizeof(*f));
	f->fn = (struct fake_pci_fn){ .bus = 0, .devfn = (uint8_t)((4 + index) << 3), .reset = flr, .ctx = f };
	fake_pci_add(&f->fn, 0x1b36, 0x0010, 0x010802);
	fake_pci_bar64(&f->fn, 0, w.base);
	cap = fake_pci_cap(&f->fn, 0x11, 12);		/* MSI-X, in use */
	fake_pci_set16(&f->fn, cap + 2, 0x8000 | 3);
	cap = fake_pci_cap(&f->fn, 0x10, 60);		/* PCI Express, FLR */
	fake_pci_set32(&f->fn, cap + 4, BIT(28) | 0x8000);
	fake_pci_cap(&f->fn, 0x01, 8);			/* power management */
	fake_bus_add(&w);

	f->ns[0] = (struct fake_nvme_ns){
		.nsid = 1, .nsze = len >> lbads, .lbads = lbads, .data = data, .data_len = len};
	f->cap = FIELD_PREP(NVME_CAP_MQES, 1023) | FIELD_PREP(NVME_CAP_TO, 15) | NVME_CAP_CSS_NVM;
	f->vs = 0x00010400;
	strcpy(f->sn, "SIM-0042");
	f->vwc = 1;
	f->bad_lba = ~0ULL;
	f->enable_us = f->disable_us = f->shutdown_us = 1000;
	/* the dead kernel's: running, queues in memory that is no longer ours to write */
	f->cc = (uint32_t)(NVME_CC_EN | FIELD_PREP(NVME_CC_IOSQES, 6) |
			   FIELD_PREP(NVME_CC_IOCQES, 4));
	f->csts = NVME_CSTS_RDY;
	f->asq = f->acq = 0x1000;
}
