// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: tests/unit/fake/iommu.c stub/disk/devices.c stub/disk/blk.c drivers/pci.c drivers/dma.c tests/unit/fake/arena.c drivers/blk/nvme.c */
/* needs: drivers/virtio/virtio.c drivers/virtio/virtio_ring.c drivers/virtio/virtio_pci.c drivers/virtio/virtio_mmio.c */
/* needs: drivers/blk/virtio_blk.c drivers/blk/virtio_disk.c drivers/blk/virtio_scsi.c drivers/blk/scsi.c drivers/blk/ahci.c */
/* needs: tests/unit/fake/bus.c stub/idle.c tests/unit/fake/clock.c tests/unit/fake/log.c */
/* needs: tests/unit/fake/pci_bus.c */
/*
 * Hostile disks: controllers that work, and lie whenever the input says so: in configuration space,
 * registers, identify data, completions and used rings. Whatever they say, a disk that is offered
 * keeps the promises of stub/disk/blk.h, every wait ends, no register is accessed misaligned, and no
 * address outside the DMA area and the request's own buffers is ever handed out.
 */
#include <assert.h>
#include <string.h>

#include "drivers/blk/nvme.h"
#include "drivers/blk/nvme_regs.h"
#include "drivers/dma.h"
#include "drivers/virtio/virtio_ring.h"
#include "stub/disk/devices.h"
#include "tests/unit/fake/bus.h"
#include "tests/unit/fake/pci_bus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BAR  0xfe000000ULL
#define PORT 0xc000
#define MMIO 0x0a000000ULL

/*
 * --- the input: bytes consumed one by one; zeros, which mean no mischief, when it is used up ---
 */

static const uint8_t *input;
static size_t left;

static uint8_t next(void)
{
	if (!left)
		return 0;
	left--;
	return *input++;
}

static uint64_t next_bytes(unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | next();
	return v;
}

/* One byte in sixteen is a lie */
static bool lie(void)
{
	return next() >= 0xf0;
}

static uint64_t maybe(uint64_t truth, unsigned size)
{
	return lie() ? next_bytes(size) : truth;
}

static void scribble(void *p, size_t size)
{
	for (unsigned n = next() % 8; n; n--) {
		size_t at = next_bytes(2) % size;

		((uint8_t *)p)[at] = next();
	}
}

/* --- what devices may be told to touch --- */

static uint8_t buf[16 * 4096] __attribute__((aligned(4096)));

static void check_dma(uint64_t pa, uint64_t len)
{
	assert(range_inside(pa, len, (uintptr_t)buf, (uintptr_t)buf + sizeof(buf)) ||
	       range_inside(pa, len, (uintptr_t)dma_area, (uintptr_t)dma_area + DMA_AREA_SIZE) ||
	       (nvme_nr_places && range_inside(pa, len, (uintptr_t)nvme_places->dma.own,
					       (uintptr_t)nvme_places->dma.own + nvme_places->dma.own_len)));
}

static struct fake_pci_fn fn;

/* Registers that are not where they should be may be written with anything: then no queue */
static bool registers_moved;

static bool may_dma(void)
{
	return fake_pci_is_master(&fn);
}

/* --- NVMe --- */

struct nvme_q {
	uint64_t sq, cq;
	unsigned entries, head, tail, phase;
};

static struct {
	uint64_t cap, asq, acq;
	uint32_t vs, cc, csts, aqa;
	unsigned lbads;
	struct nvme_q q[2];
} nv;

static void nvme_post(unsigned qid, uint16_t cid, uint16_t status)
{
	struct nvme_q *q = &nv.q[qid];
	struct nvme_completion *c = (void *)(uintptr_t)(q->cq + q->tail * sizeof(*c));

	check_dma((uintptr_t)c, sizeof(*c));
	*c = (struct nvme_completion){
		.cid = (uint16_t)maybe(cid, 2),
		.sq_id = (uint16_t)maybe(qid, 2),
		.status = (uint16_t)((maybe(status, 2) << 1 & ~1) | q->phase),
	};
	if (++q->tail == q->entries) {
		q->tail = 0;
		q->phase ^= 1;
	}
}

static void nvme_identify(const struct nvme_command *cmd)
{
	union {
		struct nvme_id_ctrl ctrl;
		struct nvme_id_ns ns;
		uint32_t list[1024];
	} *page = (void *)(uintptr_t)cmd->prp1;

	check_dma(cmd->prp1, 4096);
	memset(page, 0, 4096);
	if (cmd->cdw10 == NVME_CNS_CONTROLLER) {
		page->ctrl.nn = 2;
		page->ctrl.mdts = next() % 16;
	} else if (cmd->cdw10 == NVME_CNS_ACTIVE_LIST) {
		page->list[0] = 1;
	} else {
		page->ns.nsze = 1 << 20;
		page->ns.lbaf[0].lbads = 9 + next() % 4;
	}
	scribble(page, 4096);
	if (cmd->cdw10 == NVME_CNS_NAMESPACE)
		nv.lbads = page->ns.lbaf[page->ns.flbas & 15].lbads;
}

static void nvme_io(const struct nvme_command *cmd)
{
	uint64_t pa = cmd->prp1, rest = ((cmd->cdw12 & 0xffff) + 1ULL) << nv.lbads;
	const uint64_t *list = (void *)(uintptr_t)cmd->prp2;

	if (cmd->opcode == NVME_FLUSH)
		return;
	for (unsigned n = 0; rest; n++) {
		uint64_t piece = min_u64(rest, 4096 - pa % 4096);

		check_dma(pa, piece);
		rest -= piece;
		if (!n && rest <= 4096) {
			pa = cmd->prp2;
		} else if (rest) {
			check_dma((uintptr_t)&list[n], 8);
			pa = list[n];
		}
	}
}

static void nvme_execute(unsigned qid)
{
	struct nvme_q *q = &nv.q[qid];
	const struct nvme_command *cmd = (void *)(uintptr_t)(q->sq + q->head * sizeof(*cmd));

	check_dma((uintptr_t)cmd, sizeof(*cmd));
	q->head = (q->head + 1) % q->entries;
	if (qid) {
		nvme_io(cmd);
	} else if (cmd->opcode == NVME_IDENTIFY) {
		nvme_identify(cmd);
	} else if (cmd->opcode == NVME_CREATE_CQ || cmd->opcode == NVME_CREATE_SQ) {
		*(cmd->opcode == NVME_CREATE_CQ ? &nv.q[1].cq : &nv.q[1].sq) = cmd->prp1;
		nv.q[1].entries = (cmd->cdw10 >> 16) + 1;
		nv.q[1].phase = 1;
		nv.q[1].head = nv.q[1].tail = 0;
	}
	if (!lie())
		nvme_post(qid, cmd->cid, 0);
	if (next() == 0xff)	/* again, or something unheard of */
		nvme_post(qid, cmd->cid, 0);
}

static void nvme_doorbell(uint64_t off, uint32_t v)
{
	uint32_t stride = 4u << FIELD_GET(NVME_CAP_DSTRD, nv.cap);
	unsigned n = (unsigned)(off / stride), qid = n / 2;

	/* a CAP that read differently the first time gives other strides: nothing to learn then */
	if (n & 1 || qid > 1 || off % stride || !nv.q[qid].sq || !nv.q[qid].cq || !may_dma())
		return;
	for (unsigned i = 0; i < nv.q[qid].entries && nv.q[qid].head != v; i++)
		nvme_execute(qid);
}

static uint64_t nvme_read(uint64_t off)
{
	switch (off) {
	case NVME_CAP:
		return (uint32_t)nv.cap;
	case NVME_CAP + 4:
		return nv.cap >> 32;
	case NVME_VS:
		return nv.vs;
	case NVME_CC:
		return nv.cc;
	case NVME_CSTS:
		return maybe(nv.csts, 4);
	}
	return 0;
}

static void nvme_write(uint64_t off, uint32_t v)
{
	if (off >= NVME_DOORBELLS) {
		nvme_doorbell(off - NVME_DOORBELLS, v);
	} else if (off == NVME_CC) {
		nv.cc = v;
		nv.csts = v & NVME_CC_EN ? NVME_CSTS_RDY : 0;
		if (FIELD_GET(NVME_CC_SHN, v))
			nv.csts |= (uint32_t)FIELD_PREP(NVME_CSTS_SHST, NVME_CSTS_SHST_DONE);
		memset(nv.q, 0, v & NVME_CC_EN && !FIELD_GET(NVME_CC_SHN, v) ? sizeof(nv.q) : 0);
		nv.q[0] = (struct nvme_q){
			.sq = nv.asq,
			.cq = nv.acq,
			.entries = (nv.aqa & 0xfff) + 1,
			.phase = 1,
		};
	} else if (off == NVME_AQA) {
		nv.aqa = v;
	} else if (off == NVME_ASQ || off == NVME_ACQ) {
		*(off == NVME_ASQ ? &nv.asq : &nv.acq) = v;
	} else if (off == NVME_ASQ + 4 || off == NVME_ACQ + 4) {
		*(off == NVME_ASQ + 4 ? &nv.asq : &nv.acq) |= (uint64_t)v << 32;
	}
}

/* --- AHCI: a disk on port 0 --- */

static struct {
	uint32_t cap, pi, ghc, tfd;
	struct {
		uint64_t clb;
		uint32_t is, cmd, sctl, ci;
	} port[32];
} ah;

static void ahci_identify(uint8_t *mem)
{
	uint16_t id[256] = { [10] = 0x4142, [49] = 0x100, [83] = 0x400, [85] = 0x20, [101] = 16 };

	if (next() & 1) {
		id[106] = 0x5000;
		id[117] = (uint16_t)(256 << next() % 4);
	}
	scribble(id, sizeof(id));
	memcpy(mem, id, sizeof(id));
}

static void ahci_execute(unsigned p, unsigned slot)
{
	const uint32_t *h = (uint32_t *)(uintptr_t)ah.port[p].clb + 8 * slot;
	uint64_t table, sum = 0;
	const uint8_t *fis;

	check_dma((uintptr_t)h, 32);
	table = h[2] | (uint64_t)h[3] << 32;
	check_dma(table, 128 + 16 * (h[0] >> 16));
	fis = (uint8_t *)(uintptr_t)table;
	for (unsigned i = 0; i < h[0] >> 16; i++) {
		uint64_t addr, len;

		memcpy(&addr, fis + 128 + 16 * i, 8);
		memcpy(&len, fis + 136 + 16 * i, 8);
		len = (len >> 32 & 0x3fffff) + 1;
		check_dma(addr, len);
		assert(!((addr | len) & 1));
		if (fis[2] == 0xec)
			ahci_identify((uint8_t *)(uintptr_t)addr);
		sum += len;
	}
	assert(fis[2] == 0xec ? sum == 512 : sum % 512 == 0 && sum >= 512u * (fis[12] | fis[13] << 8));
	ah.port[p].cmd = (ah.port[p].cmd & ~0x1f00u) | slot << 8;
	ah.tfd = 0x50;
	if (!lie()) {
		ah.port[p].ci &= ~(1u << slot);
	} else if (next() & 1) {
		ah.port[p].is |= 1u << (22 + next() % 9);
		ah.tfd = (uint32_t)next_bytes(2);
	}
}

static uint64_t ahci_read(uint64_t off)
{
	unsigned p = (unsigned)(off - 0x100) / 0x80;

	switch (off) {
	case 0x00:
		return maybe(ah.cap, 4);
	case 0x04:
		return maybe(ah.ghc & ~1u, 4);
	case 0x0c:
		return maybe(ah.pi, 4);
	case 0x24:
	case 0x28:
		return maybe(0, 4);
	}
	if (off < 0x100 || p >= 32)
		return 0;
	switch (off % 0x80) {
	case 0x10:
		return maybe(ah.port[p].is, 4);
	case 0x18:
		return maybe(ah.port[p].cmd | (ah.port[p].cmd & 0x10) << 10 | (ah.port[p].cmd & 1) << 15, 4);
	case 0x20:
		return maybe(ah.tfd, 2);
	case 0x24:
		return maybe(0x101, 4);
	case 0x28:
		return maybe(p ? 0 : 0x123, 2);
	case 0x2c:
		return ah.port[p].sctl;
	case 0x38:
		return maybe(ah.port[p].ci, 4);
	}
	return 0;
}

static void ahci_write(uint64_t off, uint32_t v)
{
	unsigned p = (unsigned)(off - 0x100) / 0x80;

	if (off == 0x04)
		ah.ghc = v;
	if (off < 0x100 || p >= 32)
		return;
	switch (off % 0x80) {
	case 0x00:
		ah.port[p].clb = v;
		break;
	case 0x04:
		ah.port[p].clb |= (uint64_t)v << 32;
		break;
	case 0x10:
		ah.port[p].is &= ~v;
		break;
	case 0x18:
		ah.port[p].cmd = v & ~0xc000u;
		if (!(v & 1))
			ah.port[p].ci = 0;
		break;
	case 0x38:
		ah.port[p].ci |= v;
		for (unsigned slot = 0; slot < 32; slot++)
			if (v & 1u << slot && !registers_moved && may_dma())
				ahci_execute(p, slot);
		break;
	}
}

/* --- virtio --- */

static struct {
	bool pci;
	uint8_t status, config[64];
	uint64_t features, desc, avail, used;
	uint32_t select;
	unsigned size, size_max, seen, used_idx;
	bool live, scsi;
} vi;

static void virtio_complete(uint16_t head)
{
	struct virtq_used *used = (void *)(uintptr_t)vi.used;
	struct virtq_used_elem *e = &used->ring[vi.used_idx % vi.size];

	check_dma((uintptr_t)e, sizeof(*e));
	e->id = (uint32_t)maybe(head, 4);
	e->len = (uint32_t)maybe(1, 4);
	vi.used_idx = (uint16_t)maybe(vi.used_idx + 1, 2);
	used->idx = (uint16_t)vi.used_idx;
}

static void virtio_execute(uint16_t head)
{
	const struct virtq_desc *d = (void *)(uintptr_t)vi.desc;
	unsigned n = 0;
	uint16_t i = head;

	assert(head < vi.size);
	for (;; i = d[i].next) {
		check_dma((uintptr_t)&d[i], sizeof(d[i]));
		check_dma(d[i].addr, d[i].len);
		assert(++n <= vi.size && d[i].len);
		if (!(d[i].flags & 1))
			break;
	}
	assert(d[i].len == 1 && d[i].flags & 2);
	*(uint8_t *)(uintptr_t)d[i].addr = (uint8_t)maybe(0, 1);
	if (!lie())
		virtio_complete(head);
	if (next() == 0xff)
		virtio_complete(head);
}

/* A SCSI request: answers that a disk would give, and whatever else the input says */
static void scsi_execute(uint16_t head)
{
	const struct virtq_desc *d = (void *)(uintptr_t)vi.desc;
	uint8_t *resp = NULL, cdb[32] = { 0 }, answer[64] = { 0 };
	uint16_t i = head;
	unsigned n = 0;

	assert(head < vi.size);
	for (;; i = d[i].next) {
		uint8_t *mem = (void *)(uintptr_t)d[i].addr;

		check_dma((uintptr_t)&d[i], sizeof(d[i]));
		check_dma(d[i].addr, d[i].len);
		assert(++n <= vi.size && d[i].len);
		if (n == 1) {
			assert(d[i].len == 51 && d[i].flags == 1);
			memcpy(cdb, mem + 19, sizeof(cdb));
			if (cdb[0] == 0x9e)
				answer[3] = 1, answer[10] = 1 << next() % 5 << 1;	/* 2^24 blocks of 512 bytes and more */
			if (cdb[0] == 0xa0)
				answer[3] = 8;						/* unit 0 */
			if (cdb[0] == 0x12 && cdb[1])
				answer[1] = cdb[2], answer[3] = next() % 60;
			scribble(answer, sizeof(answer));
		} else if (!resp && d[i].flags & 2) {
			assert(d[i].len == 108);
			resp = mem;
		} else if (d[i].flags & 2) {
			memcpy(mem, answer, min_u64(sizeof(answer), d[i].len));
		}
		if (!(d[i].flags & 1))
			break;
	}
	assert(resp);
	memset(resp, 0, 108);
	if (lie()) {
		resp[11] = next();
		resp[10] = next() & 2;
		scribble(resp, 32);
	}
	/* any other target is not there */
	if (((uint8_t *)(uintptr_t)d[head].addr)[1] && !lie())
		resp[11] = 3;
	if (!lie())
		virtio_complete(head);
	if (next() == 0xff)
		virtio_complete(head);
}

static void virtio_notify(void)
{
	const struct virtq_avail *avail = (void *)(uintptr_t)vi.avail;

	if (!vi.live || (vi.pci && !may_dma()))
		return;
	check_dma(vi.avail, 6 + 2 * vi.size);
	for (unsigned n = 0; n < vi.size && (uint16_t)vi.seen != avail->idx; n++)
		(vi.scsi ? scsi_execute : virtio_execute)(avail->ring[vi.seen++ % vi.size]);
}

static void virtio_status(uint8_t v)
{
	vi.status = v;
	if (!v) {
		vi.live = false;
		vi.seen = vi.used_idx = 0;
		vi.size = vi.size_max;
	}
}


static void virtio_live(void)
{
	if (registers_moved && (!vi.desc || !vi.avail || !vi.used || vi.size > VIRTQ_MAX_SIZE ||
				!is_power_of_2(vi.size)))
		return;
	/* the promises of §2.6 about alignment, and room for all of it */
	assert(vi.size && vi.size <= VIRTQ_MAX_SIZE && is_power_of_2(vi.size));
	check_dma(vi.desc, 16 * vi.size);
	check_dma(vi.avail, 6 + 2 * vi.size);
	check_dma(vi.used, 6 + 8 * vi.size);
	assert(vi.desc % 16 == 0 && vi.avail % 2 == 0 && vi.used % 4 == 0);
	vi.live = true;
}

static void virtio_legacy_queue(uint32_t pfn, unsigned size)
{
	if (!pfn)
		return;
	vi.size = size;
	vi.desc = (uint64_t)pfn * 4096;
	vi.avail = vi.desc + 16 * vi.size;
	vi.used = ALIGN_UP(vi.avail + 6 + 2 * vi.size, 4096);
	virtio_live();
}

static uint64_t virtio_config(uint64_t off, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, vi.config + off % (sizeof(vi.config) - 8), size);
	return v;
}

static void half(uint64_t *reg, bool high, uint64_t v)
{
	*reg = high ? (*reg & 0xffffffff) | v << 32 : (*reg & ~0xffffffffULL) | (uint32_t)v;
}

static uint64_t virtio_pci_read(uint64_t off, unsigned size)
{
	switch (off) {
	case 4:
		return vi.select < 2 ? vi.features >> (32 * vi.select) : 0;
	case 20:
		return maybe(vi.status, 1);
	case 21:
		return maybe(0, 1);
	case 24:
		return vi.size;
	case 30:
		return maybe(0, 2);
	}
	return off >= 0x2000 ? virtio_config(off - 0x2000, size) : 0;
}

static void virtio_pci_write(uint64_t off, uint64_t v)
{
	if (off == 0)
		vi.select = (uint32_t)v;
	else if (off == 20)
		virtio_status((uint8_t)v);
	else if (off == 24)
		vi.size = (unsigned)v;
	else if (off == 28)
		virtio_live();
	else if (off >= 32 && off < 56)
		half(off < 40 ? &vi.desc : off < 48 ? &vi.avail : &vi.used, off & 4, v);
	else if (off >= 0x3000)
		virtio_notify();
}

static uint64_t virtio_port_read(uint64_t off, unsigned size)
{
	switch (off) {
	case 0:
		return (uint32_t)vi.features;
	case 12:
		return vi.size_max;
	case 18:
		return maybe(vi.status, 1);
	}
	return off >= 20 ? virtio_config(off - 20, size) : 0;
}

static void virtio_port_write(uint64_t off, uint64_t v)
{
	if (off == 8)
		virtio_legacy_queue((uint32_t)v, vi.size_max);
	else if (off == 16)
		virtio_notify();
	else if (off == 18)
		virtio_status((uint8_t)v);
}

static uint32_t mmio_version;

static uint64_t virtio_mmio_read(uint64_t off, unsigned size)
{
	switch (off) {
	case 0x00:
		return 0x74726976;
	case 0x04:
		return mmio_version;
	case 0x08:
		return vi.scsi ? 8 : 2;
	case 0x10:
		return vi.select < 2 ? vi.features >> (32 * vi.select) : 0;
	case 0x34:
		return vi.size_max;
	case 0x44:
		return maybe(0, 4);
	case 0x70:
		return maybe(vi.status, 4);
	case 0xfc:
		return maybe(0, 4);
	}
	return off >= 0x100 ? virtio_config(off - 0x100, size) : 0;
}

static void virtio_mmio_write(uint64_t off, uint64_t v)
{
	if (off == 0x14)
		vi.select = (uint32_t)v;
	else if (off == 0x38)
		vi.size = (unsigned)v;
	else if (off == 0x40)
		virtio_legacy_queue((uint32_t)v, vi.size);
	else if (off == 0x44)
		virtio_live();
	else if (off == 0x50)
		virtio_notify();
	else if (off == 0x70)
		virtio_status((uint8_t)v);
	else if (off >= 0x80 && off < 0xa8)
		half(off < 0x90 ? &vi.desc : off < 0xa0 ? &vi.avail : &vi.used, off & 4, v);
}

/* --- the machine --- */

enum kind { NVME, VIRTIO_MODERN, VIRTIO_LEGACY, VIRTIO_MMIO, SCSI_MODERN, SCSI_MMIO, AHCI, NR_KINDS };
static enum kind kind;

static uint64_t device_read(void *ctx, uint64_t off, unsigned size)
{
	(void)ctx;
	if (kind == NVME)
		return nvme_read(off);
	if (kind == AHCI)
		return ahci_read(off);
	if (kind == VIRTIO_MODERN || kind == SCSI_MODERN)
		return virtio_pci_read(off, size);
	return kind == VIRTIO_LEGACY ? virtio_port_read(off, size) : virtio_mmio_read(off, size);
}

static void device_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	(void)ctx;
	(void)size;
	if (kind == NVME)
		nvme_write(off, (uint32_t)v);
	else if (kind == AHCI)
		ahci_write(off, (uint32_t)v);
	else if (kind == VIRTIO_MODERN || kind == SCSI_MODERN)
		virtio_pci_write(off, v);
	else if (kind == VIRTIO_LEGACY)
		virtio_port_write(off, v);
	else
		virtio_mmio_write(off, v);
}

static void virtio_cap(uint8_t type, uint32_t off, uint32_t len)
{
	unsigned cap = fake_pci_cap(&fn, 0x09, 20);

	fn.cfg[cap + 2] = 20;
	fn.cfg[cap + 3] = type;
	fake_pci_set32(&fn, cap + 8, off);
	fake_pci_set32(&fn, cap + 12, len);
}

static void build_function(void)
{
	static const struct { uint16_t vendor, device; uint32_t class_code; } ids[] = {
		[NVME] = { 0x1b36, 0x0010, 0x010802 },
		[VIRTIO_MODERN] = { 0x1af4, 0x1042, 0x010000 },
		[VIRTIO_LEGACY] = { 0x1af4, 0x1001, 0x010000 },
		[SCSI_MODERN] = { 0x1af4, 0x1048, 0x010000 },
		[AHCI] = { 0x8086, 0x2922, 0x010601 },
	};
	static uint8_t place = 2;
	unsigned cap;

	/* another place than the last time: a driver may know a controller again */
	place ^= kind == AHCI;
	fn = (struct fake_pci_fn){ .devfn = place << 3 };
	fake_pci_add(&fn, ids[kind].vendor, ids[kind].device, ids[kind].class_code);
	if (kind == VIRTIO_LEGACY)
		fake_pci_bar32(&fn, 0, PORT, true);
	else if (kind == AHCI)
		fake_pci_bar32(&fn, 5, BAR, false);
	else
		fake_pci_bar64(&fn, 0, BAR);
	cap = fake_pci_cap(&fn, 0x10, 16);
	fake_pci_set32(&fn, cap + 4, BIT(28));
	fake_pci_cap(&fn, 0x01, 8);
	fake_pci_cap(&fn, 0x11, 12);
	if (kind == VIRTIO_MODERN || kind == SCSI_MODERN) {
		virtio_cap(1, 0, 56);
		virtio_cap(2, 0x3000, 0x1000);
		virtio_cap(4, 0x2000, 64);
	}
	/* configuration space lies too, except about which driver it is for */
	for (unsigned n = next() % 8; n; n--) {
		uint8_t at = next();

		if (at >= 0x10) {
			fn.cfg[at] = next();
			registers_moved = true;
		}
	}
}

static struct pci_host host;

static void set_up(struct boot_info *bi)
{
	struct fake_window w = {
		.base = BAR, .len = 0x100000, .read = device_read, .write = device_write};

	fake_bus_reset();
	fake_step_us = 20000;
	registers_moved = false;
	kind = next() % NR_KINDS;
	memset(bi, 0, sizeof(*bi));
	memset(&nv, 0, sizeof(nv));
	memset(&vi, 0, sizeof(vi));
	nv.cap = FIELD_PREP(NVME_CAP_MQES, 63) | FIELD_PREP(NVME_CAP_TO, 1) | NVME_CAP_CSS_NVM;
	scribble(&nv.cap, sizeof(nv.cap));
	nv.vs = (uint32_t)maybe(0x10400, 4);
	nv.cc = (uint32_t)maybe(1, 4);
	nv.csts = (uint32_t)maybe(1, 4);
	memset(&ah, 0, sizeof(ah));
	ah.cap = (uint32_t)maybe(0xc0001f03, 4);
	ah.pi = (uint32_t)maybe(0xf, 4);
	ah.tfd = 0x50;
	vi.scsi = kind == SCSI_MODERN || kind == SCSI_MMIO;
	vi.pci = kind != VIRTIO_MMIO && kind != SCSI_MMIO;
	vi.size_max = vi.size = (unsigned)maybe(128, 2);
	vi.features = maybe(BIT(32), 8);
	vi.status = next();
	vi.config[2] = 1;	/* 65536 sectors */
	vi.config[21] = 2;	/* of 512 bytes */
	if (vi.scsi) {
		memset(vi.config, 0, sizeof(vi.config));
		vi.config[4] = 100;	/* pieces of data */
		vi.config[20] = 96;
		vi.config[24] = 32;
		vi.config[30] = next() % 8;	/* targets less one */
	}
	scribble(vi.config, sizeof(vi.config));
	mmio_version = 1 + next() % 2;
	if (!vi.pci) {
		w.base = MMIO;
		bi->nr_virtio_mmio = 1;
		bi->virtio_mmio[0] = (struct virtio_mmio_spec){ MMIO, 0x200, true };
	} else {
		bi->nr_pci_hosts = 1;
		bi->pci_hosts = &host;
		host = fake_pci_host(true, 0);
		build_function();
		if (kind == VIRTIO_LEGACY) {
			w.base = PORT;
			w.len = 0x100;
			w.port = true;
		}
	}
	fake_bus_add(&w);
}

/* What stub/disk/blk.h promises of every disk */
static void check_promises(const struct blk_dev *dev)
{
	assert(dev->block_size >= 512 && dev->block_size <= 4096 && is_power_of_2(dev->block_size));
	assert(dev->nr_blocks <= UINT64_MAX / dev->block_size);
	assert(dev->max_bytes >= 4096 && dev->max_bytes % 4096 == 0);
	assert(dev->max_segs && dev->queue_depth);
	assert(strnlen(dev->name, sizeof(dev->name)) < sizeof(dev->name));
	assert(strnlen(dev->serial, sizeof(dev->serial)) < sizeof(dev->serial));
}

static void use(struct blk_dev *dev)
{
	struct blk_seg segs[4];
	struct blk_req req = { .op = BLK_WRITE, .segs = segs };
	uint64_t room = dev->nr_blocks / (4096 / dev->block_size);

	blk_rw(dev, BLK_READ, 0, buf, (size_t)min_u64(dev->max_bytes, sizeof(buf)));
	blk_rw(dev, BLK_READ, dev->nr_blocks - 1, buf + 512, dev->block_size);
	for (unsigned i = 0; i < 4 && i < dev->max_segs && i < dev->max_bytes / 4096; i++) {
		segs[i] = (struct blk_seg){ (uintptr_t)buf + 4096 * (3 * i), 4096 };
		req.nr_blocks += 4096 / dev->block_size;
		req.nr_segs++;
	}
	if (room >= req.nr_segs && !dev->read_only && !blk_submit(dev, &req))
		blk_wait(dev, &req);
	blk_flush(dev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct disk_iter it = { 0 };
	struct boot_info bi;
	struct blk_dev *dev;
	unsigned disks = 0;
	bool keep;

	input = data;
	left = size;
	fake_log_reset();
	dma_lost = false;
	disk_init(NULL, NULL);
	set_up(&bi);
	while (!disk_next(&it, &bi, &dev)) {
		/* more disks than namespaces fit a list would be a loop */
		assert(disks++ < 1024);
		check_promises(dev);
		use(dev);
		keep = disks == 1;
		disk_done(&it, dev, keep);
		/* a controller may claim a thousand namespaces: a few say as much */
		if (disks == 4)
			break;
	}
	if (disks < 4 && !disk_reopen(&it, &bi, &dev)) {
		check_promises(dev);
		use(dev);
		blk_shutdown(dev);
	}
	disk_abort();
	assert(!vi.pci || !fake_pci_is_master(&fn));
	/* one byte names the device and leaves it no room to lie: it has to work */
	assert(size > 1 || disks == 1);
	/* every wait ended: some minutes for the slowest that can be told */
	assert(fake_now_us < 4ULL * 3600 * 1000000);
	return 0;
}
