// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Serial ATA, AHCI 1.3.1; commands of ATA8-ACS. Opened by stub/disk/devices.c, used through blk_ops by
 * stub/disk/blk.c.
 *
 * A controller is found running, with command lists of the dead kernel's and, on a busy disk, native
 * queued commands under way. The engines of all ports are stopped, and the controller is reset whether
 * they did or not; then its ports are brought up together by COMRESET. After that the disk has one
 * command at a time, and the next ones wait in the controller's slots: no queued commands, no
 * interrupts.
 *
 * While ports are brought up they all receive into one place, where nobody looks. Later a port that is not
 * open neither receives nor fetches.
 */
#include <errno.h>
#include <io.h>
#include <stdio.h>
#include <string.h>

#include "drivers/blk/ahci.h"
#include "drivers/dma.h"
#include "stub/log.h"
#include "stub/timeout.h"

#define ABAR		5	/* §2.1.11 */

/* Generic host control, §3.1 */
enum ahci_reg {
	AHCI_CAP	= 0x00,
	AHCI_GHC	= 0x04,
	AHCI_IS		= 0x08,
	AHCI_PI		= 0x0c,
	AHCI_CAP2	= 0x24,
	AHCI_BOHC	= 0x28,
	AHCI_PORTS	= 0x100,
	AHCI_PORT_LEN	= 0x80,
};

#define CAP_S64A	BIT(31)
#define CAP_NCS		GENMASK(12, 8)	/* slots less one */
#define CAP_NP		GENMASK(4, 0)	/* ports less one */
#define GHC_HR		BIT(0)
#define GHC_AE		BIT(31)
#define CAP2_BOH	BIT(0)
#define CAP2_SDS	BIT(3)
#define BOHC_BOS	BIT(0)
#define BOHC_OOS	BIT(1)

/* Of a port, §3.3 */
enum ahci_port_reg {
	PX_CLB		= 0x00,		/* 64 bits, as the next one */
	PX_FB		= 0x08,
	PX_IS		= 0x10,
	PX_CMD		= 0x18,
	PX_TFD		= 0x20,
	PX_SIG		= 0x24,
	PX_SSTS		= 0x28,
	PX_SCTL		= 0x2c,
	PX_SERR		= 0x30,
	PX_CI		= 0x38,
	PX_DEVSLP	= 0x44,
};

#define IS_TFES		BIT(30)		/* the disk says that a command has failed */
/* Fatal bus and interface errors, overflow; the link went away or came back */
#define IS_TROUBLE	(GENMASK(29, 27) | BIT(24) | BIT(22) | BIT(6))
#define CMD_ST		BIT(0)
#define CMD_SUD		BIT(1)
#define CMD_POD		BIT(2)
#define CMD_FRE		BIT(4)
#define CMD_CCS		GENMASK(12, 8)	/* the slot that is at work */
#define CMD_FR		BIT(14)
#define CMD_CR		BIT(15)
#define CMD_ALPE	BIT(26)
#define CMD_ASP		BIT(27)
#define CMD_ICC		GENMASK(31, 28)
#define CMD_ICC_ACTIVE	BIT(28)
#define TFD_ERR		BIT(0)
#define TFD_DRQ		BIT(3)
#define TFD_DF		BIT(5)
#define TFD_BSY		BIT(7)
#define TFD_ERROR	GENMASK(15, 8)
#define SSTS_DET	GENMASK(3, 0)
#define DET_COMING	1		/* somebody is there, the link is not up yet */
#define DET_UP		3
#define SCTL_NO_SLEEP	GENMASK(10, 8)	/* neither partial nor slumber nor DevSleep */
#define SCTL_DET	GENMASK(3, 0)
#define SCTL_COMRESET	1
#define DEVSLP_ADSE	BIT(0)
#define ALL_ONES	0xffffffff

#define SIG_ATA		0x00000101
#define SIG_PM		0x96690101
#define SIG_ATAPI	0xeb140101

/* Bits of the error register, ATA8-ACS §6.3 */
#define ATA_ICRC	BIT(7)
#define ATA_UNC		BIT(6)
#define ATA_IDNF	BIT(4)

enum ata_command {
	ATA_READ_DMA_EXT	= 0x25,
	ATA_WRITE_DMA_EXT	= 0x35,
	ATA_FLUSH_CACHE_EXT	= 0xea,
	ATA_IDENTIFY		= 0xec,
};

/* Command header, §4.2.2 */
struct ahci_header {
	uint16_t flags;		/* 4:0: words of the FIS; 6: write */
	uint16_t prdtl;
	uint32_t prdbc;
	uint64_t table;
	uint32_t rsvd16[4];
};
_Static_assert(sizeof(struct ahci_header) == 32, "AHCI 1.3.1 §4.2.2");

#define HEADER_FIS	5
#define HEADER_WRITE	BIT(6)

/* §4.2.3.3 */
struct ahci_prd {
	uint64_t addr;
	uint32_t rsvd8;
	uint32_t dbc;		/* bytes less one: an even number of them, at most 4 MiB */
};
_Static_assert(sizeof(struct ahci_prd) == 16, "AHCI 1.3.1 §4.2.3.3");

#define NR_SLOTS	8u
#define MAX_REQUEST	MIB(1)
#define MAX_PRDS	64u		/* pages that lie in a row need one */

/* §4.2.3; a multiple of 128 bytes */
struct ahci_table {
	uint8_t fis[64];
	uint8_t rsvd64[64];
	struct ahci_prd prds[MAX_PRDS];
};

/* The DMA area as this driver uses it */
struct ahci_dma {
	struct ahci_header list[32];	/* aligned to 1 KiB, §3.3.1 */
	uint8_t received[256];		/* to its size, §3.3.3 */
	uint16_t identify[256];
	uint8_t rsvd1792[256];
	struct ahci_table tables[NR_SLOTS];
};
_Static_assert(sizeof(struct ahci_dma) <= DMA_AREA_SIZE, "lists and tables fit the DMA area");
_Static_assert(offsetof(struct ahci_dma, received) % 256 == 0, "AHCI 1.3.1 §3.3.3");
_Static_assert(offsetof(struct ahci_dma, tables) % 128 == 0, "AHCI 1.3.1 §4.2.2");
_Static_assert(sizeof(struct ahci_table) % 128 == 0, "AHCI 1.3.1 §4.2.2");

#define HANDOFF_US	2000000		/* §10.6.3, when it is busy */
#define ENGINE_US	500000		/* §10.1.2 and §10.3.2 */
#define RESET_US	1000000		/* §10.4.3 */
#define COMRESET_US	1000		/* §10.4.2 */
#define EMPTY_US	100000		/* the link of a disk is up after a tenth of that */
#define READY_US	20000000	/* a disk that was spinning is back in a few seconds */
#define IDENTIFY_US	10000000
#define HEALTH_US	10000
#define MAX_TRIES	6

static struct ahci {
	struct blk_dev blk;
	struct pci_dev pci;
	struct dma_dev dma;
	char name[24];			/* "ahci 0000:00:1f.2" */
	void *regs;
	uint32_t implemented;		/* ports */
	uint32_t ready;			/* those with a disk */
	uint32_t late;			/* those with something that does not answer */
	uint32_t slots;
	unsigned port;			/* that is open */
	bool reset;			/* of all ports, done; they are as we have left them */
	bool running;
	uint32_t inflight;
	struct blk_req *reqs[NR_SLOTS];
	uint64_t health_us;
} ah;

#define FOR_PORTS(p, ports) for (unsigned p = 0; p < 32; p++) if ((ports) & BIT(p))

static struct ahci_dma *dma(void)
{
	return (struct ahci_dma *)dma_area;
}

static uint32_t reg_read(enum ahci_reg reg)
{
	return mmio_read32((const char *)ah.regs + reg);
}

static void reg_write(enum ahci_reg reg, uint64_t v)
{
	mmio_write32((char *)ah.regs + reg, (uint32_t)v);
}

static uint32_t port_read(unsigned port, enum ahci_port_reg reg)
{
	return reg_read(AHCI_PORTS + AHCI_PORT_LEN * port + reg);
}

static void port_write(unsigned port, enum ahci_port_reg reg, uint64_t v)
{
	reg_write(AHCI_PORTS + AHCI_PORT_LEN * port + reg, v);
}

/* --- ports on and off --- */

static void change_cmd(uint32_t ports, uint64_t clear, uint64_t set)
{
	FOR_PORTS(p, ports)
		port_write(p, PX_CMD, (port_read(p, PX_CMD) & ~clear) | set);
}

static bool is_clear(uint32_t ports, uint64_t bit)
{
	FOR_PORTS(p, ports)
		if (port_read(p, PX_CMD) & bit)
			return false;
	return true;
}

/* §10.3.2, then §10.3.1: commands first, which end with what they have done; then what is received */
static bool stop(uint32_t ports)
{
	bool stopped;

	change_cmd(ports, CMD_ST, 0);
	stopped = !poll_until_us(is_clear(ports, CMD_CR), ENGINE_US);
	change_cmd(ports, CMD_FRE, 0);
	return !poll_until_us(is_clear(ports, CMD_FR), ENGINE_US) && stopped;
}

/* §10.4.3: ports forget all memory. 0, -ENODEV, -ETIMEDOUT */
static int reset_controller(void)
{
	uint32_t ghc;
	int rc;

	reg_write(AHCI_GHC, GHC_AE | GHC_HR);
	rc = poll_until_us(!((ghc = reg_read(AHCI_GHC)) & GHC_HR), RESET_US);
	if (ghc == ALL_ONES)
		return log_err(-ENODEV, "%s: controller is gone", ah.name);
	if (rc)
		return log_err(rc, "%s: no reset within %u ms", ah.name, RESET_US / 1000);
	reg_write(AHCI_GHC, GHC_AE);
	/* Some forget what they are made of; it can be written back */
	if (reg_read(AHCI_PI) != ah.implemented)
		reg_write(AHCI_PI, ah.implemented);
	return 0;
}

static unsigned detected(unsigned port)
{
	return port_read(port, PX_SSTS) & (unsigned)SSTS_DET;
}

/*
 * Bring up stopped ports, side by side, by COMRESET (§10.4.2), which also wakes a disk from whatever
 * sleep. Returns those that have a device that is ready; all of them receive. A port with nobody behind
 * it costs a moment, unless somebody is @expected there. *ret_late: those that were waited for in vain.
 */
static uint32_t bring_up(uint32_t ports, uint32_t expected, uint32_t *ret_late)
{
	struct deadline empty, late;
	uint32_t ready = 0;

	change_cmd(ports, CMD_ALPE | CMD_ASP | CMD_ICC, CMD_POD | CMD_SUD | CMD_ICC_ACTIVE);
	FOR_PORTS(p, ports) {
		char *regs = (char *)ah.regs + AHCI_PORTS + AHCI_PORT_LEN * p;

		mmio_write64(regs + PX_CLB, dma_addr(&ah.dma, dma()->list));
		mmio_write64(regs + PX_FB, dma_addr(&ah.dma, dma()->received));
		if (reg_read(AHCI_CAP2) & CAP2_SDS)
			port_write(p, PX_DEVSLP, port_read(p, PX_DEVSLP) & ~DEVSLP_ADSE);
		port_write(p, PX_SCTL, SCTL_NO_SLEEP | SCTL_COMRESET);
	}
	delay_us(COMRESET_US);
	FOR_PORTS(p, ports)
		port_write(p, PX_SCTL, SCTL_NO_SLEEP);
	change_cmd(ports, 0, CMD_FRE);
	empty = deadline_in_us(EMPTY_US);
	late = deadline_in_us(READY_US);
	for (bool last = false; ports; idle()) {
		FOR_PORTS(p, ports) {
			unsigned det = detected(p);

			/* §10.4.2: the disk's first message is let through when the error before it is gone */
			if (det == DET_UP)
				port_write(p, PX_SERR, ALL_ONES);
			if (det == DET_UP && !(port_read(p, PX_TFD) & (TFD_BSY | TFD_DRQ)))
				ready |= (uint32_t)BIT(p);
			else if (det == DET_UP || det == DET_COMING || expected & BIT(p) || !deadline_passed(empty))
				continue;
			ports &= (uint32_t)~BIT(p);
		}
		/* Looked at once more after the deadline: a long stall between two looks is not the disk's */
		if (last)
			break;
		last = deadline_passed(late);
	}
	*ret_late = ports;
	return ready;
}

/* §10.1.2: the disk of a port that receives may be given commands */
static void start_port(unsigned port)
{
	port_write(port, PX_SERR, ALL_ONES);
	port_write(port, PX_IS, ALL_ONES);
	change_cmd((uint32_t)BIT(port), 0, CMD_FRE);
	change_cmd((uint32_t)BIT(port), 0, CMD_ST);
}

/* --- requests --- */

static void unmap(const struct blk_req *req, unsigned nr_segs)
{
	for (unsigned i = 0; i < nr_segs; i++)
		dma_unmap(&ah.dma, req->segs[i].pa, req->segs[i].len, req->op == BLK_READ);
}

/* Register - host to device FIS, Serial ATA 3.0 §10.3.4; 48-bit addresses */
static void issue(unsigned slot, uint8_t command, uint64_t lba, uint32_t blocks, unsigned nr_prds, bool write)
{
	struct ahci_table *t = &dma()->tables[slot];

	memset(t->fis, 0, sizeof(t->fis));
	t->fis[0] = 0x27;
	t->fis[1] = 0x80;		/* a command, and not control */
	t->fis[2] = command;
	t->fis[7] = 0x40;		/* the address is one of a block */
	for (unsigned i = 0; i < 3; i++) {
		t->fis[4 + i] = (uint8_t)(lba >> 8 * i);
		t->fis[8 + i] = (uint8_t)(lba >> (24 + 8 * i));
	}
	t->fis[12] = (uint8_t)blocks;
	t->fis[13] = (uint8_t)(blocks >> 8);
	dma()->list[slot] = (struct ahci_header){
		.flags = HEADER_FIS | (write ? (uint16_t)HEADER_WRITE : 0), .prdtl = (uint16_t)nr_prds,
		.table = dma_addr(&ah.dma, t),
	};
	dma_give(&ah.dma, t, sizeof(*t));
	dma_give(&ah.dma, dma()->list, sizeof(dma()->list));
	/* The controller fetches them when it hears of the slot */
	dma_wmb();
	port_write(ah.port, PX_CI, BIT(slot));
}

/* 0, or -errno with nothing mapped */
static int build_prds(struct ahci_prd *prds, const struct blk_req *req)
{
	for (unsigned i = 0; i < req->nr_segs; i++) {
		const struct blk_seg *seg = &req->segs[i];
		uint64_t addr;
		int rc;

		/* §4.2.3.3: words */
		if ((seg->pa | seg->len) & 1 || !seg->len)
			rc = log_err(-EINVAL, "%s: segment %#lx + %u is odd", ah.blk.name, seg->pa,
				     seg->len);
		else
			rc = dma_map(&ah.dma, seg->pa, seg->len, &addr);
		if (rc) {
			unmap(req, i);
			return rc;
		}
		prds[i] = (struct ahci_prd){ .addr = addr, .dbc = seg->len - 1 };
	}
	return 0;
}

static int ahci_submit(struct blk_dev *blk, struct blk_req *req)
{
	unsigned slot = 0;
	int rc;

	(void)blk;
	if (!ah.running)
		return -ENODEV;
	while (slot < ah.slots && ah.inflight & BIT(slot))
		slot++;
	if (slot == ah.slots)
		return -EBUSY;
	rc = build_prds(dma()->tables[slot].prds, req);
	if (rc)
		return rc;
	ah.reqs[slot] = req;
	ah.inflight |= (uint32_t)BIT(slot);
	if (req->op == BLK_FLUSH)
		issue(slot, ATA_FLUSH_CACHE_EXT, 0, 0, 0, false);
	else
		issue(slot, req->op == BLK_READ ? ATA_READ_DMA_EXT : ATA_WRITE_DMA_EXT, req->lba, req->nr_blocks,
		      req->nr_segs, req->op == BLK_WRITE);
	return 0;
}

static void finish(unsigned slot, int status)
{
	struct blk_req *req = ah.reqs[slot];

	ah.inflight &= (uint32_t)~BIT(slot);
	unmap(req, req->nr_segs);
	req->status = status;
}

/*
 * §6.2.2: the engine stands still after an error. It is stopped, the disk brought back if it hangs or has been away,
 * and all goes on: the command that was at work is judged, those behind it have not begun. 0, or -errno: nothing
 * can be expected of the disk any more.
 */
static int recover(uint32_t is)
{
	uint32_t cmd = port_read(ah.port, PX_CMD), tfd = port_read(ah.port, PX_TFD), late;
	unsigned culprit = (unsigned)FIELD_GET(CMD_CCS, cmd), error = (unsigned)FIELD_GET(TFD_ERROR, tfd);
	uint32_t port = (uint32_t)BIT(ah.port);
	bool lasting;

	if (cmd == ALL_ONES || !(cmd & CMD_ST) || !pci_present(&ah.pci))
		return log_err(-ENODEV, "%s: controller is gone", ah.blk.name);
	if (!stop(port))
		return log_err(-EIO, "%s: does not stop, status %#x", ah.blk.name, tfd);
	if (tfd & (TFD_BSY | TFD_DRQ) || !(is & IS_TFES) || detected(ah.port) != DET_UP) {
		log_warn("%s: link error (status %#x, interrupts %#x), resetting it", ah.blk.name, tfd, is);
		if (!bring_up(port, port, &late))
			return log_err(-ENODEV, "%s: disk is gone", ah.blk.name);
	}
	/* The medium it has tried itself; of what it has simply refused it may think better */
	lasting = is & IS_TFES && error & (ATA_UNC | ATA_IDNF) && !(error & ATA_ICRC);
	for (unsigned slot = 0; slot < NR_SLOTS; slot++) {
		const struct blk_req *req = ah.reqs[slot];
		int status = -EAGAIN;

		if (!(ah.inflight & BIT(slot)))
			continue;
		if (slot == culprit && (lasting || req->tries + 1 >= MAX_TRIES))
			status = log_err(-EIO, "%s: request at block %lu failed, status %#x, error %#x", ah.blk.name,
					 req->lba, tfd & 0xff, error);
		finish(slot, status);
	}
	start_port(ah.port);
	return 0;
}

static int ahci_poll(struct blk_dev *blk)
{
	uint32_t is, done, before = ah.inflight;
	bool failed;
	int rc;

	(void)blk;
	if (!ah.running)
		return -ENODEV;
	done = before & ~port_read(ah.port, PX_CI);
	if (!done && arch_time_us() < ah.health_us)
		return 0;
	ah.health_us = arch_time_us() + HEALTH_US;
	is = port_read(ah.port, PX_IS);
	failed = is & (IS_TFES | IS_TROUBLE) || detected(ah.port) != DET_UP;
	/* No slot is at work: an empty bus may say that as well, and a disk's fault is no error to the controller */
	if (done)
		failed |= !(port_read(ah.port, PX_CMD) & CMD_ST) ||
			  (port_read(ah.port, PX_TFD) & (TFD_BSY | TFD_DF)) == TFD_DF;
	if (failed) {
		rc = recover(is);
		if (rc)
			return rc;
	} else {
		dma_rmb();
		FOR_PORTS(slot, done)
			finish(slot, 0);
	}
	return __builtin_popcount(before & ~ah.inflight);
}

static void ahci_shutdown(struct blk_dev *blk)
{
	bool stopped;

	if (!ah.running)
		return;
	ah.running = false;
	/* In the middle of a command, or after trouble: from the start the next time */
	ah.reset = !blk->failed && !ah.inflight;
	stopped = stop((uint32_t)BIT(ah.port));
	if (!stopped)
		ah.reset = false;
	dma_detach(&ah.dma, stopped || !reset_controller());
	ah.inflight = 0;
}

static const struct blk_ops ahci_ops = {
	.submit		= ahci_submit,
	.poll		= ahci_poll,
	.shutdown	= ahci_shutdown,
};

/* --- disks --- */

/* ATA8-ACS §7.12: characters in words, the first in the high byte */
static void read_serial(const uint16_t *id)
{
	uint16_t text[10];

	for (unsigned i = 0; i < 10; i++)
		text[i] = (uint16_t)(id[10 + i] << 8 | id[10 + i] >> 8);
	blk_set_serial(&ah.blk, text, sizeof(text));
}

/* 0, or -errno, said */
static int read_geometry(const uint16_t *id)
{
	uint64_t blocks = (uint64_t)id[102] << 32 | (uint32_t)id[101] << 16 | id[100], block_size = 512;

	if (id[0] & BIT(15))
		return log_err(-EPROTOTYPE, "%s: not an ATA disk", ah.blk.name);
	if (!(id[49] & BIT(8)) || !(id[83] & BIT(10)))
		return log_err(-EPROTOTYPE, "%s: no DMA or no 48-bit addresses: unsupported", ah.blk.name);
	if (id[128] & BIT(2))
		return log_err(-EPROTOTYPE, "%s: locked by a password", ah.blk.name);
	/* Word 106 is valid, and logical blocks are longer than 256 words */
	if ((id[106] & (BIT(15) | BIT(14) | BIT(12))) == (BIT(14) | BIT(12)))
		block_size = min_u64(UINT32_MAX, 2 * ((uint64_t)id[118] << 16 | id[117]));
	ah.blk.has_flush = id[85] & BIT(5);
	ah.blk.read_only = false;
	return blk_set_geometry(&ah.blk, (uint32_t)block_size, blocks);
}

static int identify(void)
{
	const uint16_t *id = dma()->identify;
	uint32_t is = 0;
	int rc;

	memset(dma()->identify, 0, 512);
	dma_give(&ah.dma, id, 512);
	dma()->tables[0].prds[0] = (struct ahci_prd){ .addr = dma_addr(&ah.dma, id), .dbc = 511 };
	issue(0, ATA_IDENTIFY, 0, 0, 1, false);
	rc = poll_until_us(!(port_read(ah.port, PX_CI) & 1) ||
				   (is = port_read(ah.port, PX_IS) & (IS_TFES | IS_TROUBLE)),
			   IDENTIFY_US);
	if (rc || is)
		return log_err(rc ? rc : -EIO, "%s: cannot be identified, status %#x, interrupts %#x", ah.blk.name,
			       port_read(ah.port, PX_TFD), port_read(ah.port, PX_IS));
	dma_rmb();
	dma_take(&ah.dma, id, 512);
	read_serial(id);
	return read_geometry(id);
}

static int open_port(unsigned port)
{
	int rc;

	ah.blk = (struct blk_dev){
		.ops = &ahci_ops, .max_bytes = MAX_REQUEST, .max_segs = MAX_PRDS, .queue_depth = ah.slots,
		.dma_last = ah.dma.last,
	};
	snprintf(ah.blk.name, sizeof(ah.blk.name), "%s port %u", ah.name, port);
	ah.port = port;
	ah.health_us = 0;
	ah.running = true;
	start_port(port);
	rc = identify();
	if (rc) {
		ah.blk.failed = rc != -EPROTOTYPE;
		ahci_shutdown(&ah.blk);
	}
	return rc;
}

/* --- controllers --- */

/* §10.6.3: the firmware lets go when it has ended what it was doing, which may be a command */
static void take_from_firmware(void)
{
	if (!(reg_read(AHCI_CAP2) & CAP2_BOH))
		return;
	reg_write(AHCI_BOHC, reg_read(AHCI_BOHC) | BOHC_OOS);
	(void)poll_until_us(!(reg_read(AHCI_BOHC) & BOHC_BOS), HANDOFF_US);
}

/* 0 or -EIO, said */
static int map_registers(void)
{
	struct pci_bar bar = { 0 };
	uint32_t cap = ALL_ONES;

	if (!pci_bar(&ah.pci, ABAR, &bar) && !bar.io)
		ah.regs = arch_map_mmio(bar.addr, AHCI_PORTS);
	if (ah.regs)
		cap = reg_read(AHCI_CAP);
	if (cap != ALL_ONES) {
		/* Early ones leave it empty */
		ah.implemented = reg_read(AHCI_PI);
		if (!ah.implemented)
			ah.implemented = (uint32_t)GENMASK(FIELD_GET(CAP_NP, cap), 0);
		ah.regs = arch_map_mmio(bar.addr, AHCI_PORTS +
					AHCI_PORT_LEN * (32u - (unsigned)__builtin_clz(ah.implemented)));
	}
	if (cap == ALL_ONES || !ah.regs)
		return log_err(-EIO, "%s: no registers at %#lx", ah.name, bar.addr);
	ah.slots = (uint32_t)min_u64(NR_SLOTS, FIELD_GET(CAP_NCS, cap) + 1);
	if (!(cap & CAP_S64A))
		ah.dma.last = UINT32_MAX;
	return 0;
}

/* What kind of device has sent its signature? */
static void sort_ports(void)
{
	FOR_PORTS(p, ah.ready) {
		uint32_t sig = port_read(p, PX_SIG);

		if (sig == SIG_ATA)
			continue;
		log_info("%s port %u: %s (%#x), not used", ah.name, p, sig == SIG_PM ? "port multiplier" :
			 sig == SIG_ATAPI ? "ATAPI device" : "not a disk", sig);
		ah.ready &= (uint32_t)~BIT(p);
	}
	FOR_PORTS(p, ah.late)
		log_warn("%s port %u: not ready after %u s, status %#x", ah.name, p, READY_US / 1000000,
			 port_read(p, PX_TFD));
}

/*
 * Takes the controller from the dead kernel: 0, with no port open, or -errno. Where a port was at work and had found
 * nobody, there is nobody; a controller with no other ports is not worth a reset.
 */
static int start(void)
{
	uint32_t ports = 0, expected = 0;
	int rc;

	reg_write(AHCI_GHC, GHC_AE);
	FOR_PORTS(p, ah.implemented) {
		unsigned det = detected(p);

		if (det || !(port_read(p, PX_CMD) & CMD_SUD) || port_read(p, PX_SCTL) & SCTL_DET)
			ports |= (uint32_t)BIT(p);
		if (det == DET_UP || det == DET_COMING)
			expected |= (uint32_t)BIT(p);
	}
	if (!ports)
		return 0;
	take_from_firmware();
	if (!stop(ah.implemented))
		log_warn("%s: a port does not stop", ah.name);
	rc = reset_controller();
	/* It has been reset, so nothing of the dead kernel's is left to go on with */
	if (!rc)
		rc = dma_attach(&ah.dma);
	if (rc)
		return rc;
	ah.ready = bring_up(ports, expected, &ah.late);
	sort_ports();
	if (stop(ah.implemented))
		return 0;
	dma_detach(&ah.dma, !reset_controller());
	return log_err(-EIO, "%s: a port does not stop receiving", ah.name);
}

static int take(const struct pci_dev *pci)
{
	int rc;

	memset(&ah, 0, sizeof(ah));
	ah.pci = *pci;
	ah.dma = (struct dma_dev){ .name = ah.name, .pci = &ah.pci, .coherent = pci->host->dma_coherent,
				   .last = UINT64_MAX };
	snprintf(ah.name, sizeof(ah.name), "ahci %s", pci->name);
	rc = pci_wake(&ah.pci);
	if (!rc)
		rc = map_registers();
	if (!rc)
		rc = start();
	if (rc)
		dma_detach(&ah.dma, false);
	ah.reset = !rc;
	return rc;
}

int ahci_probe(const struct pci_dev *pci, unsigned *unit, struct blk_dev **ret_dev)
{
	bool known = ah.reset && ah.pci.host == pci->host && pci_position(&ah.pci) == pci_position(pci);
	int rc = known ? 0 : take(pci);

	if (rc) {
		*unit = UNIT_NONE;
		return rc;
	}
	for (unsigned p = *unit; p < 32; p++) {
		if (!((ah.ready | ah.late) & BIT(p)))
			continue;
		*unit = p;
		rc = ah.late & BIT(p) ? -ETIMEDOUT : known ? dma_attach(&ah.dma) : 0;
		if (rc)
			break;
		rc = open_port(p);
		if (!rc)
			*ret_dev = &ah.blk;
		return rc;
	}
	if (!known)
		dma_detach(&ah.dma, true);
	return rc ? rc : -ENOENT;
}
