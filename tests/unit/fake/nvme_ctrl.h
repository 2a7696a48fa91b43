/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A simulated NVMe controller behind a simulated PCI function. It checks what a real one may rely
 * on (assert) and misbehaves as told by the fields below. Physical addresses are pointers.
 */
#ifndef FAKE_NVME_CTRL_H
#define FAKE_NVME_CTRL_H

#include "drivers/blk/nvme_regs.h"
#include "tests/unit/fake/pci_bus.h"

#define FAKE_NVME_BAR		0x4000000000ULL	/* above 4 GiB */
#define FAKE_NVME_QUEUES	2
#define FAKE_NVME_HELD		64
#define FAKE_NVME_NS		3

struct fake_nvme_ns {
	uint32_t nsid;		/* 0: not there */
	uint64_t nsze;
	uint8_t lbads, flbas_format, dps, nsattr;
	bool extended;		/* metadata in line with each block */
	uint16_t ms;
	uint8_t csi;		/* command set: 2 zoned */
	bool shared;		/* other controllers may have it too */
	uint8_t nguid[16], eui64[8], uuid[16];	/* zeros: none */
	uint8_t *data;
	uint64_t data_len;
};

struct fake_nvme_held {
	uint16_t qid;
	struct nvme_completion c;
};

struct fake_nvme {
	struct fake_pci_fn fn;
	struct fake_nvme_ns ns[FAKE_NVME_NS];

	/* what it says about itself */
	uint64_t cap;
	uint32_t vs;
	uint8_t mdts, vwc;
	uint32_t rtd3e_us;
	char sn[21], subnqn[256];

	/* how it behaves */
	uint64_t enable_us, disable_us, shutdown_us;
	bool never_ready, never_disabled, fatal_on_enable;
	bool fatal_on_disable, fatal_on_admin, fatal_on_shutdown;
	bool flr_helps;			/* a function level reset cures never_disabled */
	uint64_t silent_us;		/* registers read as all ones that long after CC.EN 1 -> 0 */
	bool no_active_list;		/* refuses CNS 2 */
	bool drop_admin, drop_io;	/* takes commands and never answers */
	bool hold_io; /* executes, and completes when fake_nvme_release() says so */
	bool wrong_cid;
	bool gone_reads_zero;		/* once unplugged; else all ones */
	uint64_t bad_lba;		/* commands that touch it fail */
	uint16_t bad_status; /* with this status code; 0: 0x281, unrecovered read error */
	/* so many commands fail with this status: admin commands, I/O */
	unsigned busy_admin, busy_io;
	uint16_t busy_status;
	uint64_t busy_until_us;		/* and all I/O until then */

	/* what happened */
	unsigned commands[256];		/* I/O commands by opcode */
	unsigned admin_commands[256];
	unsigned max_inflight;
	unsigned max_prps;
	unsigned enables, shutdowns;
	unsigned dma_without_master;

	/* registers and queues */
	uint32_t cc, csts, aqa;
	uint64_t asq, acq;
	uint64_t ready_at_us, shutdown_at_us;	/* 0: nothing under way */
	uint64_t silent_until_us;
	struct {
		bool live;
		uint16_t entries;
		struct nvme_command *sq;
		struct nvme_completion *cq;
		uint16_t sq_head, cq_tail, cq_head, phase;
	} q[FAKE_NVME_QUEUES];
	struct fake_nvme_held held[FAKE_NVME_HELD];
	unsigned nr_held, inflight;
};

/*
 * A healthy controller with one namespace of @data, left running by a dead kernel. Registers it on
 * the bus, as device 4 and, with an @index, those behind it.
 */
void fake_nvme_init(struct fake_nvme *f, uint8_t lbads, uint8_t *data, uint64_t len);
void fake_nvme_init_at(struct fake_nvme *f, unsigned index, uint8_t lbads, uint8_t *data, uint64_t len);
/* Post a held completion: the @n-th oldest */
void fake_nvme_release(struct fake_nvme *f, unsigned n);
/* Post any completion on the I/O queue */
void fake_nvme_complete(struct fake_nvme *f, uint16_t cid, uint16_t status);
/* Pulled out of the machine */
void fake_nvme_unplug(struct fake_nvme *f);

#endif
