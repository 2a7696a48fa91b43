/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A simulated AHCI controller with disks on its ports. Written from AHCI 1.3.1, independently of the driver's register
 * names. It checks what a real one may rely on (assert), and misbehaves as told.
 */
#ifndef FAKE_AHCI_H
#define FAKE_AHCI_H

#include "tests/unit/fake/pci_bus.h"

#define FAKE_AHCI_BAR	0xfebd1000ULL
#define FAKE_AHCI_PORTS	6

enum fake_sata { SATA_EMPTY, SATA_DISK, SATA_CD, SATA_PM };

struct fake_port {
	enum fake_sata kind;
	uint8_t *data;
	uint64_t len;
	uint32_t block;
	char serial[21], model[41];
	bool no_lba48, locked, write_through;

	/* how it behaves */
	uint64_t link_us, ready_us;	/* after COMRESET: the link is up, and then the disk is ready */
	bool never_stops;		/* the command engine; rx_never_stops: the other one */
	bool rx_never_stops;
	bool never_ready, never_links;
	bool drop;			/* commands are never completed */
	bool hold;			/* they are when fake_ahci_release() says so */
	uint64_t bad_lba;		/* commands that touch it fail: ~0, none */
	uint8_t error;			/* with this error register */
	unsigned bad_times;		/* 0: always */
	uint32_t trouble;		/* PxIS bits that come with the next command instead of its end, and its hang */
	bool fault;			/* device fault: completes, with DF in the status */

	/* state */
	uint32_t clb, clbu, fb, fbu, is, cmd, tfd, sig, sctl, serr, ci, devslp;
	unsigned det;
	uint64_t link_at, ready_at;	/* 0: nothing on the way */
	unsigned comresets, commands, flushes, reads, writes, max_inflight;
};

struct fake_ahci {
	struct fake_pci_fn fn;
	struct fake_port port[FAKE_AHCI_PORTS];
	uint32_t cap, pi, cap2, bohc, ghc;
	uint64_t reset_us, reset_at;
	bool never_reset, forgets_pi, gone, gone_reads_zero, firmware_busy;
	unsigned resets, dma_without_master;
};

/* Left running by a dead kernel that is busy on every disk; no disks yet */
void fake_ahci_init(struct fake_ahci *f);
struct fake_port *fake_ahci_disk(struct fake_ahci *f, unsigned port, uint32_t block, uint8_t *data, uint64_t len);
void fake_ahci_release(struct fake_ahci *f, unsigned port, unsigned slot);

#endif
