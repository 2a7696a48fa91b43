// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/fake/disks.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stub/disk/devices.h"

struct fake_disk fake_disks[FAKE_MAX_DISKS];
unsigned fake_nr_disks, fake_driverless_named, fake_disks_aborted;

static void transfer(struct fake_disk *d, struct blk_req *req)
{
	uint64_t at = req->lba * d->dev.block_size;

	for (uint32_t i = 0; i < req->nr_segs; i++) {
		const struct blk_seg *s = &req->segs[i];
		void *mem = (void *)(uintptr_t)s->pa;

		if (req->op == BLK_WRITE)
			memcpy(d->bytes + at, mem, s->len);
		else
			memcpy(mem, d->bytes + at, s->len);
		at += s->len;
	}
	if (req->op == BLK_READ)
		return;
	d->write_first = min_u64(d->write_first, req->lba * d->dev.block_size);
	d->write_last = max_u64(d->write_last, at);
}

static int submit(struct blk_dev *dev, struct blk_req *req)
{
	struct fake_disk *d = container_of(dev, struct fake_disk, dev);

	assert(d->open);
	d->reads += req->op == BLK_READ;
	d->writes += req->op == BLK_WRITE;
	d->flushes += req->op == BLK_FLUSH;
	if (d->dies)
		return -ETIMEDOUT;
	if (req->op != BLK_FLUSH) {
		assert(range_inside(req->lba, req->nr_blocks, 0, dev->nr_blocks));
		if (d->bad_lba &&
		    range_inside(d->bad_lba - 1, 1, req->lba, req->lba + req->nr_blocks)) {
			req->status = -EIO;
			return 0;
		}
		transfer(d, req);
	}
	req->status = 0;
	return 0;
}

static int poll(struct blk_dev *dev)
{
	assert(container_of(dev, struct fake_disk, dev)->open);
	return 0;
}

static void shutdown(struct blk_dev *dev)
{
	container_of(dev, struct fake_disk, dev)->open = false;
}

static const struct blk_ops ops = {submit, poll, shutdown};

int disk_next(struct disk_iter *it, const struct boot_info *bi, struct blk_dev **ret_dev)
{
	(void)bi;
	for (unsigned i = 0; i < fake_nr_disks; i++)
		assert(!fake_disks[i].open);
	while (it->mmio < fake_nr_disks) {
		struct fake_disk *d = &fake_disks[it->mmio++];

		if (d->start_error == -EPROTOTYPE) {
			it->unsupported++;
			continue;
		}
		if (d->start_error) {
			it->failures++;
			it->last_error = d->start_error;
			continue;
		}
		d->open = true;
		d->opened++;
		d->dev.failed = false;
		*ret_dev = &d->dev;
		return 0;
	}
	return -ENOENT;
}

void disk_done(struct disk_iter *it, struct blk_dev *dev, bool keep)
{
	struct fake_disk *d = container_of(dev, struct fake_disk, dev);

	assert((d->open || dev->failed) && d == &fake_disks[it->mmio - 1]);
	d->open = false;
	if (!keep)
		return;
	assert(!it->found);
	it->found = true;
	it->kept.unit = it->mmio - 1;
}

int disk_reopen(struct disk_iter *it, const struct boot_info *bi, struct blk_dev **ret_dev)
{
	struct fake_disk *d = &fake_disks[it->kept.unit];

	(void)bi;
	assert(it->found && !d->open);
	if (d->lost)
		return -ENODEV;
	d->open = true;
	*ret_dev = &d->dev;
	return 0;
}

void disk_forget(struct disk_iter *it)
{
	(void)it;
}

void disk_name_driverless(const struct boot_info *bi)
{
	(void)bi;
	fake_driverless_named++;
}

void disk_abort(void)
{
	fake_disks_aborted++;
}

void fake_disks_reset(void)
{
	fake_driverless_named = fake_disks_aborted = 0;
	memset(fake_disks, 0, sizeof(fake_disks));
	fake_nr_disks = 0;
}

struct fake_disk *fake_disk_add(uint8_t *bytes, uint32_t block_size, uint64_t nr_blocks)
{
	struct fake_disk *d = &fake_disks[fake_nr_disks];

	assert(fake_nr_disks < FAKE_MAX_DISKS);
	*d = (struct fake_disk){
		.dev = {.ops = &ops,
			.block_size = block_size,
			.nr_blocks = nr_blocks,
			.max_bytes = 65536,
			.max_segs = 16,
			.queue_depth = 4,
			.has_flush = true},
		.bytes = bytes,
		.write_first = UINT64_MAX,
	};
	snprintf(d->dev.name, sizeof(d->dev.name), "disk%u", fake_nr_disks);
	snprintf(d->dev.serial, sizeof(d->dev.serial), "SERIAL%u", fake_nr_disks);
	fake_nr_disks++;
	return d;
}
