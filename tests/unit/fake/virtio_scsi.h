/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SCSI units behind the simulated virtio device of virtio_disk.h. Written from VIRTIO 1.1 §5.6, SPC-4 and SBC-3,
 * independently of the drivers' names. It checks what a real one may rely on, and misbehaves as told.
 */
#ifndef FAKE_VIRTIO_SCSI_H
#define FAKE_VIRTIO_SCSI_H

#include "tests/unit/fake/virtio_disk.h"

struct fake_lun {
	unsigned target, lun;
	uint8_t peripheral;		/* INQUIRY, byte 0 */
	bool removable, no_medium;
	uint8_t *data;
	uint64_t len;
	uint32_t block;
	uint64_t blocks;		/* 0: len / block; more than that cannot be read */
	bool write_protected, write_through;
	const char *serial;
	const uint8_t *naa;		/* 16 bytes */
	uint32_t max_blocks;		/* of a transfer */

	/* how it behaves */
	unsigned attentions;		/* unit attentions to come */
	unsigned not_ready;		/* becoming ready, so many times */
	bool no_modes, no_capacity_16, no_flush, descriptor_sense;
	uint32_t sense;			/* of reads and writes that touch @bad_lba; key, code, qualifier */
	uint64_t bad_lba;
	unsigned bad_times;		/* 0: always */

	/* what happened */
	unsigned reads, writes, flushes, commands;
};

#define FAKE_MAX_LUNS	6

struct fake_vscsi {
	struct fake_vblk v;
	struct fake_lun luns[FAKE_MAX_LUNS];
	unsigned nr_luns;
	bool no_report;			/* REPORT LUNS is not understood */
	unsigned more_luns;		/* as many more than fit are claimed */
	bool odd_luns;			/* entries of other addressing methods are among them */
	uint8_t response;		/* of the next @response_times requests to units */
	uint8_t status;
	unsigned response_times;
	uint32_t residual;		/* of reads and writes */
	bool silent;			/* completes without writing a response */
	unsigned bad_targets;		/* requests for targets that are not there */
	bool saw_16;			/* READ(16) or WRITE(16) */
};

/* Healthy, left running by a dead kernel, without units */
void fake_vscsi_init(struct fake_vscsi *f, enum fake_virtio_kind kind);
struct fake_lun *fake_vscsi_add(struct fake_vscsi *f, unsigned target, unsigned lun, uint32_t block, uint8_t *data,
				uint64_t len);

#endif
