// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * drivers/blk/nvme.c against a simulated controller, through the wrappers of stub/disk/blk.c that everybody
 * uses.
 */
/* needs: tests/unit/fake/iommu.c drivers/blk/nvme.c drivers/pci.c drivers/dma.c tests/unit/fake/arena.c stub/disk/blk.c */
/* needs: tests/unit/fake/bus.c stub/idle.c tests/unit/fake/clock.c tests/unit/fake/log.c */
/* needs: tests/unit/fake/pci_bus.c */
/* needs: tests/unit/fake/nvme_ctrl.c */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "drivers/blk/nvme.h"
#include "stub/arch.h"
#include "tests/unit/fake/media.h"
#include "tests/unit/fake/nvme_ctrl.h"

static struct fake_nvme ctrl;
static struct pci_dev pci;

static void set_up(uint8_t lbads)
{
	set_up_bus(true);
	fake_nvme_init(&ctrl, lbads, media, sizeof(media));
}

/* All the way, and back if something is wrong; what stub/disk/devices.c does for many at once */
static int open_unit(unsigned unit, struct blk_dev **ret, bool *ret_more)
{
	struct nvme *c;
	int rc;

	*ret_more = false;
	assert_int_equal(pci_find(&host, 0, &pci), 0);
	nvme_init(1);
	c = nvme_places;
	nvme_begin(c, &pci);
	while (nvme_step(c))
		;
	rc = c->state == NVME_UP ? nvme_open(c, unit, ret, ret_more) : c->error;
	if (rc)
		nvme_stop(c);
	while (nvme_step(c))
		;
	assert_true(rc ? c->state == NVME_OFF : c->state == NVME_UP);
	return rc;
}

static struct blk_dev *open_ok(void)
{
	struct blk_dev *dev = NULL;
	bool more = true;

	assert_int_equal(open_unit(0, &dev, &more), 0);
	assert_false(more);
	assert_non_null(dev);
	return dev;
}

/* A controller that could not be started or was shut down must not be able to touch memory */
static void assert_harmless(void)
{
	assert_false(fake_pci_is_master(&ctrl.fn));
	assert_int_equal(ctrl.dma_without_master, 0);
}

static void fails_to_open(int rc)
{
	struct blk_dev *dev = NULL;
	bool more;

	assert_int_equal(open_unit(0, &dev, &more), rc);
	assert_null(dev);
	assert_harmless();
	assert_true(fake_log_lines[0] > 0);
}

static void test_identity(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(9);
	dev = open_ok();
	assert_string_equal(dev->name, "nvme 0000:00:04.0 ns 1");
	assert_string_equal(dev->serial, "SIM-0042");
	assert_int_equal(dev->block_size, 512);
	assert_int_equal(dev->nr_blocks, MEDIA_BYTES / 512);
	assert_int_equal(dev->max_bytes, KIB(512));
	assert_true(dev->queue_depth >= 8);
	assert_true(dev->has_flush);
	assert_false(dev->read_only);
	/* the dead kernel's interrupts are off: MSI-X disabled, INTx masked */
	assert_int_equal(fake_pci_get16(&ctrl.fn, 0x42) & 0x8000, 0);
	assert_int_equal(fake_pci_get16(&ctrl.fn, 4) & 0x0400, 0x0400);
	blk_shutdown(dev);
	assert_int_equal(ctrl.shutdowns, 1);
	assert_false(ctrl.cc & NVME_CC_EN);
	assert_harmless();
	/* twice is as good as once */
	blk_shutdown(dev);
	assert_int_equal(ctrl.shutdowns, 1);
}

/*
 * Every length and alignment that makes another shape of PRPs: one, two, a list, a full list with
 * an unaligned start
 */
static void check_rw(uint8_t lbads)
{
	static const size_t lens[] = { 4096, 8192, 12288, KIB(64), KIB(508), KIB(512) };
	struct blk_dev *dev;

	set_up(lbads);
	dev = open_ok();
	memcpy(expected, media, sizeof(media));
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		for (size_t off = 0; off < 4096; off += 1024) {
			uint64_t pos = (i * 5 + 1) * dev->block_size;

			fill(buf + off, lens[i], (unsigned)(i + off));
			assert_int_equal(blk_rw(dev, BLK_WRITE, pos / dev->block_size, buf + off,
						lens[i]),
					 0);
			memcpy(expected + pos, buf + off, lens[i]);
			memset(buf, 0, sizeof(buf));
			assert_int_equal(blk_rw(dev, BLK_READ, pos / dev->block_size, buf + off,
						lens[i]),
					 0);
			assert_memory_equal(buf + off, expected + pos, lens[i]);
		}
	}
	assert_memory_equal(media, expected, sizeof(media));
	assert_int_equal(ctrl.max_prps, 129);
	assert_int_equal(blk_rw(dev, BLK_WRITE, dev->nr_blocks - 1, buf, dev->block_size), 0);
	assert_int_equal(blk_flush(dev), 0);
	assert_int_equal(ctrl.commands[NVME_FLUSH], 1);
	blk_shutdown(dev);
	assert_harmless();
}

static void test_rw_512(void **state)
{
	(void)state;
	check_rw(9);
}

static void test_rw_4096(void **state)
{
	(void)state;
	check_rw(12);
}

/* Segments scattered over memory arrive in order */
static void test_gather(void **state)
{
	struct blk_seg segs[32];
	struct blk_req req = { .op = BLK_WRITE, .lba = 8, .segs = segs };
	struct blk_dev *dev;
	size_t pos = 4096;

	(void)state;
	set_up(9);
	dev = open_ok();
	fill(buf, sizeof(buf), 7);
	for (unsigned i = 0; i < 32; i++) {
		unsigned page = (i * 37) % 256;

		segs[i] = (struct blk_seg){ virt_to_phys(buf) + page * 4096, i % 3 ? 4096 : 8192 };
		req.nr_segs++;
		req.nr_blocks += segs[i].len / 512;
	}
	assert_int_equal(blk_submit(dev, &req), 0);
	assert_int_equal(blk_wait(dev, &req), 0);
	for (unsigned i = 0; i < 32; i++) {
		assert_memory_equal(media + pos, (void *)(uintptr_t)segs[i].pa, segs[i].len);
		pos += segs[i].len;
	}
	/* a segment that does not end on a page, followed by another, cannot be expressed */
	segs[0].len = 512;
	segs[1].len = 4096;
	req = (struct blk_req){ .op = BLK_WRITE, .nr_blocks = 9, .nr_segs = 2, .segs = segs };
	assert_int_equal(blk_submit(dev, &req), -EINVAL);
}

static void test_mdts(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(9);
	ctrl.mdts = 2;
	dev = open_ok();
	assert_int_equal(dev->max_bytes, KIB(16));
	fill(buf, KIB(100), 3);
	/* the controller asserts that no command is larger */
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, KIB(100)), 0);
	assert_memory_equal(media, buf, KIB(100));
	blk_shutdown(dev);

	set_up(9);
	ctrl.mdts = 255;	/* absurd: our own limit holds */
	assert_int_equal(open_ok()->max_bytes, KIB(512));
}

/*
 * As many in flight as promised, completed in another order, each credited to its own request; more
 * than that wait
 */
static void test_out_of_order(void **state)
{
	struct blk_seg segs[65];
	struct blk_req reqs[65];
	struct blk_dev *dev;
	unsigned depth;

	(void)state;
	set_up(9);
	dev = open_ok();
	depth = dev->queue_depth;
	assert_true(depth > 5 && depth < ARRAY_SIZE(reqs));
	/* completions wrap the queue several times: phase tag */
	for (unsigned round = 0; round < 40; round++) {
		ctrl.hold_io = true;
		ctrl.bad_lba = 8 * 5;
		for (unsigned i = 0; i <= depth; i++) {
			segs[i] = (struct blk_seg){ virt_to_phys(buf) + i * 4096, 4096 };
			reqs[i] = (struct blk_req){
				.op = BLK_READ,
				.lba = i * 8,
				.nr_blocks = 8,
				.nr_segs = 1,
				.segs = &segs[i],
			};
			if (i < depth)
				assert_int_equal(blk_submit(dev, &reqs[i]), 0);
			else
				assert_int_equal(dev->ops->submit(dev, &reqs[i]), -EBUSY);
		}
		for (unsigned left = depth; left; left--) {
			unsigned n = (left * 7 + round) % left;

			fake_nvme_release(&ctrl, n);
			assert_int_equal(blk_poll(dev), 1);
		}
		for (unsigned i = 0; i < depth; i++) {
			assert_int_equal(reqs[i].status, i == 5 ? -EIO : 0);
			if (i != 5)
				assert_memory_equal(buf + i * 4096, media + i * 4096, 4096);
		}
	}
	assert_int_equal(ctrl.max_inflight, depth);
	assert_false(dev->failed);
}

static void test_error_status(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(9);
	ctrl.bad_lba = 100;
	dev = open_ok();
	assert_int_equal(blk_rw(dev, BLK_WRITE, 96, buf, 4096), -EIO);
	assert_true(fake_log_has("0x281"));
	/* one bad block is not the end of the disk */
	assert_false(dev->failed);
	assert_int_equal(blk_rw(dev, BLK_WRITE, 104, buf, 4096), 0);
}

/*
 * Status 0x82, namespace not ready, do-not-retry clear: what a disk says that needs its time after a
 * reset. It gets that of a request, in tries that are not too many.
 */
static void test_not_ready(void **state)
{
	struct blk_dev *dev;
	uint64_t before_us;

	(void)state;
	for (unsigned status = 0x82; status; status = status == 0x82 ? 0x21 : 0) {
		set_up(9);
		ctrl.busy_status = (uint16_t)status;
		ctrl.busy_until_us = 30000000;
		fake_step_us = 100;
		dev = open_ok();
		fill(buf, 8192, 5);
		assert_int_equal(blk_rw(dev, BLK_WRITE, 16, buf, 4096), 0);
		assert_true(fake_now_us >= 30000000 && fake_now_us < 32000000);
		assert_int_equal(blk_rw(dev, BLK_WRITE, 24, buf + 4096, 4096), 0);
		assert_memory_equal(media + 8192, buf, 8192);
		assert_true(ctrl.commands[NVME_WRITE] == 2);
		assert_true(fake_log_lines[1] + fake_log_lines[2] < 10);
		assert_false(dev->failed);
	}

	/* for ever is too long, and then it is abandoned as if it had not answered */
	ctrl.busy_until_us = UINT64_MAX;
	before_us = fake_now_us;
	assert_int_equal(blk_rw(dev, BLK_READ, 16, buf, 4096), -ETIMEDOUT);
	assert_true(fake_now_us - before_us >= blk_timeout_us);
	assert_true(fake_now_us - before_us < blk_timeout_us + 2000000);
	assert_true(dev->failed);
	assert_harmless();
	fake_step_us = 10;
}

/* Several in flight, each waits for its own next try; the order in which they end does not matter */
static void test_not_ready_in_flight(void **state)
{
	struct blk_seg segs[8];
	struct blk_req reqs[8];
	struct blk_dev *dev;

	(void)state;
	set_up(9);
	ctrl.busy_status = 0x82;
	dev = open_ok();
	assert_int_equal(dev->queue_depth, 8);
	ctrl.busy_io = 11;
	for (unsigned i = 0; i < 8; i++) {
		segs[i] = (struct blk_seg){ virt_to_phys(buf) + i * 4096, 4096 };
		reqs[i] = (struct blk_req){
			.op = BLK_READ, .lba = i * 8, .nr_blocks = 8, .nr_segs = 1, .segs = &segs[i],
		};
		assert_int_equal(blk_submit(dev, &reqs[i]), 0);
	}
	assert_int_equal(blk_poll(dev), 0);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(reqs[i].status, -EINPROGRESS);
	/* places are free meanwhile, and may be taken by others */
	assert_int_equal(blk_rw(dev, BLK_WRITE, 4096, buf + 65536, 65536), 0);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(blk_wait(dev, &reqs[i]), 0);
	assert_memory_equal(buf, media, 32768);
	/* buffers of a request that waits are ours again when the device is shut down */
	ctrl.busy_io = 1;
	assert_int_equal(blk_submit(dev, &reqs[0]), 0);
	assert_int_equal(blk_poll(dev), 0);
	blk_shutdown(dev);
	assert_int_equal(reqs[0].status, -ENODEV);
	assert_harmless();
}

/* Do-not-retry is obeyed; trouble that may pass is tried a few times, other errors are final */
static void test_which_errors_are_tried_again(void **state)
{
	static const struct {
		uint16_t status;
		unsigned tries;
	} errors[] = {
		{ 0x4082, 1 }, { 0x4006, 1 }, { 0x006, 6 }, { 0x300, 6 }, { 0x002, 1 }, { 0x281, 1 },
	};
	struct blk_dev *dev;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		set_up(9);
		dev = open_ok();
		ctrl.bad_lba = 16;
		ctrl.bad_status = errors[i].status;
		assert_int_equal(blk_rw(dev, BLK_WRITE, 16, buf, 4096), -EIO);
		assert_int_equal(ctrl.commands[NVME_WRITE], errors[i].tries);
		assert_true(fake_now_us < 1000000);
		assert_false(dev->failed);
	}
}

static void test_not_ready_admin(void **state)
{
	struct blk_dev *dev = NULL;
	bool more;

	(void)state;
	for (unsigned n = 1; n <= 8; n++) {
		set_up(9);
		ctrl.busy_status = 0x82;
		ctrl.busy_admin = n;
		blk_shutdown(open_ok());
	}
	set_up(9);
	fake_step_us = 100;
	ctrl.busy_status = 0x82;
	ctrl.busy_admin = UINT32_MAX;
	fails_to_open(-ETIMEDOUT);
	assert_true(fake_now_us >= blk_timeout_us && fake_now_us < 2 * blk_timeout_us);
	fake_step_us = 10;

	set_up(9);
	ctrl.busy_status = 0x4082;
	ctrl.busy_admin = 2;	/* a controller may refuse the first */
	assert_int_equal(open_unit(0, &dev, &more), -EIO);
	assert_true(fake_now_us < 1000000);
}

static void test_write_protected(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(9);
	ctrl.ns[0].nsattr = NVME_NSATTR_WP;
	dev = open_ok();
	assert_true(dev->read_only);
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -EROFS);
	assert_int_equal(ctrl.commands[NVME_WRITE], 0);
	assert_int_equal(blk_rw(dev, BLK_READ, 0, buf, 4096), 0);
	blk_shutdown(dev);

	/* protected since: only the write tells */
	for (unsigned i = 0; i < 2; i++) {
		set_up(9);
		dev = open_ok();
		ctrl.bad_lba = 8;
		ctrl.bad_status = i ? 0x4182 : 0x20;
		assert_int_equal(blk_rw(dev, BLK_WRITE, 8, buf, 4096), -EROFS);
		assert_int_equal(ctrl.commands[NVME_WRITE], 1);
		assert_false(dev->failed);
		blk_shutdown(dev);
	}
}

/*
 * The request that never completes: the deadline passes, the controller is reset, and nothing late
 * is believed
 */
static void test_timeout(void **state)
{
	struct blk_dev *dev;
	uint64_t before_us;

	(void)state;
	set_up(9);
	dev = open_ok();
	ctrl.drop_io = true;
	before_us = fake_now_us;
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -ETIMEDOUT);
	assert_true(fake_now_us - before_us >= blk_timeout_us);
	assert_true(fake_now_us - before_us < 2 * blk_timeout_us);
	assert_true(dev->failed);
	assert_int_equal(ctrl.shutdowns,
			 0); /* no orderly shutdown of a controller that does not answer */
	assert_false(ctrl.cc & NVME_CC_EN);
	assert_harmless();
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -ENODEV);
	assert_int_equal(dev->ops->submit(dev, &(struct blk_req){ .op = BLK_FLUSH }), -ENODEV);
	assert_int_equal(dev->ops->poll(dev), -ENODEV);
}

/* A limit of an hour, and the overall deadline within it: over with the grace; then each has a second */
static void test_timeout_after_the_deadline(void **state)
{
	const uint64_t usual_us = blk_timeout_us;
	struct blk_dev *dev;
	uint64_t before_us;

	(void)state;
	blk_timeout_us = 3600000000;
	for (int late = 0; late < 2; late++) {
		set_up(9);
		fake_step_us = 1000;
		dev = open_ok();
		ctrl.drop_io = true;
		before_us = fake_now_us;
		idle_set_deadline(late ? 1 : before_us + 30000000);
		fake_now_us += late ? IDLE_GRACE_US : 0;
		before_us += late ? IDLE_GRACE_US : 0;
		assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -ETIMEDOUT);
		assert_in_range(fake_now_us - before_us, late ? IDLE_LATE_US : 30000000 + IDLE_GRACE_US,
				late ? 3 * IDLE_LATE_US : 30000000 + IDLE_GRACE_US + 2 * IDLE_LATE_US);
		assert_harmless();
		idle_set_deadline(0);
		fake_step_us = 10;
	}
	blk_timeout_us = usual_us;
}

static void test_wrong_cid(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(9);
	dev = open_ok();
	ctrl.wrong_cid = true;
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -EIO);
	assert_true(dev->failed);
	assert_harmless();
}

/* A completion of an earlier command in the same slot is not taken for that of the present one */
static void test_stale_cid(void **state)
{
	struct blk_seg seg = { virt_to_phys(buf), 4096 };
	struct blk_req req = { .op = BLK_READ, .nr_blocks = 8, .nr_segs = 1, .segs = &seg };
	struct blk_dev *dev;
	uint16_t old;

	(void)state;
	set_up(9);
	dev = open_ok();
	assert_int_equal(blk_submit(dev, &req), 0);
	assert_int_equal(blk_wait(dev, &req), 0);
	old = req.tag;
	ctrl.hold_io = true;
	assert_int_equal(blk_submit(dev, &req), 0);
	assert_int_not_equal(req.tag, old);
	assert_int_equal(req.tag % 8, old % 8);	/* same slot */
	fake_nvme_complete(&ctrl, old, 0);
	assert_int_equal(blk_wait(dev, &req), -EIO);
	assert_true(dev->failed);
}

static void test_identifiers_never_reserved(void **state)
{
	struct blk_seg seg = { virt_to_phys(buf), 4096 };
	struct blk_req req = { .op = BLK_READ, .nr_blocks = 8, .nr_segs = 1, .segs = &seg };
	struct blk_dev *dev;
	uint16_t last = 0;

	(void)state;
	set_up(9);
	dev = open_ok();
	for (unsigned i = 0; i < 10000; i++) {
		assert_int_equal(blk_submit(dev, &req), 0);
		assert_int_equal(blk_wait(dev, &req), 0);
		assert_int_not_equal(req.tag, 0xffff);
		assert_int_not_equal(req.tag, last);
		last = req.tag;
	}
}

static void test_vanishes(void **state)
{
	struct blk_dev *dev;

	(void)state;
	for (int zeros = 0; zeros < 2; zeros++) {
		set_up(9);
		ctrl.gone_reads_zero = zeros;
		dev = open_ok();
		assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), 0);
		fake_nvme_unplug(&ctrl);
		fake_step_us = 1000;
		assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -ENODEV);
		assert_true(dev->failed);
		/* it might have come back */
		assert_in_range(fake_now_us, blk_timeout_us - 1000000, blk_timeout_us + 1000000);
		assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -ENODEV);
		assert_true(fake_now_us < blk_timeout_us + 1000000);
		fake_step_us = 10;
	}
}

/* A link that recovers takes the registers away for 300 ms, and what is written to them meanwhile */
static void test_silent_while_running(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(9);
	dev = open_ok();
	memcpy(expected, media, sizeof(media));
	for (unsigned i = 0; i < 6; i++) {
		fill(buf, KIB(64), i);
		memcpy(expected + i * KIB(64), buf, KIB(64));
		ctrl.silent_until_us = fake_now_us + (i % 2 ? 300000 : 0);
		assert_int_equal(blk_rw(dev, BLK_WRITE, i * 128, buf, KIB(64)), 0);
		assert_int_equal(blk_flush(dev), 0);
	}
	assert_memory_equal(media, expected, sizeof(media));
	assert_true(fake_now_us > 900000 && fake_now_us < 1200000);
	/* admin commands too */
	ctrl.silent_until_us = fake_now_us + 300000;
	nvme_close(nvme_places);
	assert_false(nvme_places->broken);
	nvme_stop(nvme_places);
	while (nvme_step(nvme_places))
		;
	assert_int_equal(ctrl.shutdowns, 1);
	assert_harmless();

	/* one that comes back without its state has lost what it was given */
	set_up(9);
	dev = open_ok();
	ctrl.drop_io = true;
	ctrl.silent_until_us = fake_now_us + 300000;
	ctrl.csts = ctrl.cc = 0;
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -EIO);
	assert_in_range(fake_now_us, 300000, 1000000);
	assert_harmless();
}

static void test_fatal_while_running(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(9);
	dev = open_ok();
	ctrl.drop_io = true;
	ctrl.csts |= NVME_CSTS_CFS;
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -EIO);
	assert_true(dev->failed);
	assert_harmless();
}

/* --- starting --- */

static void test_late_ready(void **state)
{
	(void)state;
	set_up(9);
	ctrl.enable_us = 7000000;	/* CAP.TO is 7.5 s */
	ctrl.disable_us = 7000000;
	blk_shutdown(open_ok());
	assert_int_equal(ctrl.fn.flrs, 0);
}

static void test_never_ready(void **state)
{
	(void)state;
	set_up(9);
	ctrl.never_ready = true;
	fails_to_open(-ETIMEDOUT);
	assert_true(fake_now_us < 60000000);
}

static void test_never_disabled(void **state)
{
	(void)state;
	set_up(9);
	ctrl.never_disabled = true;
	fails_to_open(-ETIMEDOUT);
	assert_true(ctrl.fn.flrs >= 1);
	assert_int_equal(ctrl.enables, 0);	/* not enabled on top of the dead kernel's queues */
}

static void test_flr_helps(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(9);
	ctrl.never_disabled = ctrl.flr_helps = true;
	dev = open_ok();
	assert_int_equal(ctrl.fn.flrs, 1);
	/* BARs and decoding were put back */
	assert_int_equal(blk_rw(dev, BLK_READ, 0, buf, 4096), 0);
}

static void test_flr_no_return(void **state)
{
	(void)state;
	set_up(9);
	ctrl.never_disabled = ctrl.fn.no_return = true;
	fails_to_open(-ENODEV);
}

static void test_no_flr(void **state)
{
	(void)state;
	set_up(9);
	ctrl.never_disabled = true;
	fake_pci_set32(&ctrl.fn, 0x4c + 4, 0);
	fails_to_open(-EOPNOTSUPP);
	assert_int_equal(ctrl.fn.flrs, 0);
}

static void test_fatal_on_enable(void **state)
{
	(void)state;
	set_up(9);
	ctrl.fatal_on_enable = true;
	fails_to_open(-EIO);
	assert_true(fake_now_us < 1000000);
}

/*
 * A fatal status ends every wait at once. What a reset of the controller does not cure, one of the
 * function may.
 */
static void test_fatal_elsewhere(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(9);
	ctrl.fatal_on_disable = ctrl.never_disabled = ctrl.flr_helps = true;
	dev = open_ok();
	assert_int_equal(ctrl.fn.flrs, 1);
	assert_true(fake_now_us < 1000000);
	assert_int_equal(blk_rw(dev, BLK_READ, 0, buf, 4096), 0);

	/* without such a reset, that of the controller gets its time */
	set_up(9);
	ctrl.fatal_on_disable = true;
	ctrl.disable_us = 3000000;
	fake_pci_set32(&ctrl.fn, 0x4c + 4, 0);
	blk_shutdown(open_ok());
	assert_int_equal(ctrl.fn.flrs, 0);

	set_up(9);
	ctrl.fatal_on_admin = true;
	fails_to_open(-EIO);
	assert_true(fake_now_us < 1000000);

	set_up(9);
	ctrl.shutdown_us = 1000000000;
	ctrl.fatal_on_shutdown = true;
	blk_shutdown(open_ok());
	assert_int_equal(ctrl.shutdowns, 1);
	assert_true(fake_now_us < 1000000);
	assert_harmless();
}

/*
 * Registers that read as all ones while the function is there: a controller that resets itself. It is
 * waited for, then the function is reset, then it is gone.
 */
static void test_silent(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(9);
	ctrl.silent_us = 300000;
	dev = open_ok();
	assert_int_equal(ctrl.fn.flrs, 0);
	assert_true(fake_now_us >= 300000 && fake_now_us < 1000000);
	assert_int_equal(blk_rw(dev, BLK_READ, 0, buf, 4096), 0);

	set_up(9);	/* already silent when we come */
	ctrl.silent_until_us = 300000;
	blk_shutdown(open_ok());
	assert_int_equal(ctrl.fn.flrs, 0);

	set_up(9);	/* longer than CAP.TO, 7.5 s */
	ctrl.silent_us = 3600000000;
	dev = open_ok();
	assert_int_equal(ctrl.fn.flrs, 1);
	assert_true(fake_now_us < 10000000);

	set_up(9);
	ctrl.silent_until_us = 3600000000;
	ctrl.fn.no_return = true;
	fails_to_open(-EIO);
	assert_int_equal(ctrl.fn.flrs, 1);
	assert_true(fake_now_us < 20000000);
}

/*
 * The dead kernel panicked while it was enabling the controller, or the controller had failed: both
 * are recovered
 */
static void test_found_in_between(void **state)
{
	(void)state;
	set_up(9);
	ctrl.csts = 0;
	ctrl.ready_at_us = 200000;
	blk_shutdown(open_ok());

	set_up(9);
	ctrl.csts = NVME_CSTS_RDY | NVME_CSTS_CFS;
	blk_shutdown(open_ok());

	set_up(9);
	ctrl.cc = ctrl.csts = 0;
	blk_shutdown(open_ok());

	set_up(9);	/* the dead kernel had shut it down */
	ctrl.cc |= (uint32_t)FIELD_PREP(NVME_CC_SHN, 1);
	ctrl.csts |= (uint32_t)FIELD_PREP(NVME_CSTS_SHST, 2);
	blk_shutdown(open_ok());
}

static void test_absent(void **state)
{
	(void)state;
	set_up(9);
	assert_int_equal(pci_find(&host, 0, &pci), 0);
	fake_nvme_unplug(&ctrl);
	nvme_init(1);
	nvme_begin(nvme_places, &pci);
	assert_int_equal(nvme_places->state, NVME_OFF);
	assert_int_equal(nvme_places->error, -ENODEV);
}

/* Not even its registers can be reached: what the dead kernel told it ends with bus mastering */
static void test_no_registers(void **state)
{
	(void)state;
	set_up(9);
	fake_pci_bar64(&ctrl.fn, 0, 0);
	fails_to_open(-EIO);
}

static void test_no_admin_answer(void **state)
{
	(void)state;
	set_up(9);
	ctrl.drop_admin = true;
	fails_to_open(-ETIMEDOUT);
}

static void test_page_size_too_large(void **state)
{
	(void)state;
	set_up(9);
	ctrl.cap |= FIELD_PREP(NVME_CAP_MPSMIN, 4);
	fails_to_open(-EOPNOTSUPP);
	assert_int_equal(ctrl.enables, 0);
}

static void test_small_queues_wide_doorbells(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(9);
	ctrl.cap = (ctrl.cap & ~(NVME_CAP_MQES | NVME_CAP_DSTRD)) | FIELD_PREP(NVME_CAP_MQES, 1) |
		   FIELD_PREP(NVME_CAP_DSTRD, 6);
	dev = open_ok();
	assert_int_equal(dev->queue_depth, 1);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(blk_rw(dev, BLK_WRITE, i, buf, 512), 0);
	blk_shutdown(dev);
}

/* Protection information that the controller makes and checks by itself: blocks are as long as they look */
static void test_protection_information(void **state)
{
	struct blk_dev *dev;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		set_up(9);
		ctrl.ns[0].ms = 8;
		ctrl.ns[0].dps = (uint8_t)(1 + i / 2 + 8 * (i % 2));
		ctrl.ns[0].extended = i % 2;
		dev = open_ok();
		fill(buf, 8192, i);
		assert_int_equal(blk_rw(dev, BLK_WRITE, 1024, buf, 8192), 0);
		assert_memory_equal(media + 1024 * 512, buf, 8192);
		assert_int_equal(blk_rw(dev, BLK_READ, 1024, buf + 8192, 8192), 0);
		assert_memory_equal(buf, buf + 8192, 8192);
		blk_shutdown(dev);
	}
}

/* What the host would have to fill is refused, by name; so are sets of commands that know no plain write */
static void test_formats_refused(void **state)
{
	static const struct {
		uint16_t ms;
		uint8_t dps, csi, lbads;
		bool extended;
		const char *says;
	} formats[] = {
		{ 8, 0, 0, 9, false, "8 bytes of separate metadata" },
		{ 8, 0, 0, 9, true, "8 bytes of interleaved metadata" },
		{ 64, 1, 0, 9, true, "64 bytes of interleaved metadata" },
		{ 16, 3, 0, 12, false, "16 bytes of separate metadata" },
		{ 8, 4, 0, 9, false, "protection type 4" },
		{ 0, 0, 2, 9, false, "zoned" },
		{ 0, 0, 1, 9, false, "command set 1" },
		{ 0, 0, 0, 13, false, "blocks of 8192" },
		{ 0, 0, 0, 0, false, "blocks of 1 bytes" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		set_up(9);
		ctrl.ns[0].ms = formats[i].ms;
		ctrl.ns[0].dps = formats[i].dps;
		ctrl.ns[0].csi = formats[i].csi;
		ctrl.ns[0].lbads = formats[i].lbads;
		ctrl.ns[0].extended = formats[i].extended;
		fails_to_open(-EPROTOTYPE);
		if (!fake_log_has(formats[i].says))
			fail_msg("%s: %s", formats[i].says, fake_log_last);
		/* healthy, only not usable: left in order */
		assert_int_equal(ctrl.shutdowns, 1);
	}

	set_up(9);
	ctrl.ns[0].nsze = UINT64_MAX;
	fails_to_open(-EPROTO);
}

static void test_lba_format_index(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(12);
	ctrl.ns[0].flbas_format = 3;
	dev = open_ok();
	assert_int_equal(dev->block_size, 4096);
	blk_shutdown(dev);

	set_up(12);	/* more than 16 of them: NVMe 2.0 */
	ctrl.ns[0].flbas_format = 35;
	assert_int_equal(open_ok()->block_size, 4096);
}

static void check_namespaces(void)
{
	static const struct {
		uint32_t nsid;
		bool more;
	} units[] = {{2, true}, {5, true}, {6, false}};
	struct blk_dev *dev = NULL;
	char name[40];
	bool more;

	ctrl.ns[0].nsid = 2;
	ctrl.ns[1] = ctrl.ns[2] = ctrl.ns[0];
	ctrl.ns[1].nsid = 5;
	ctrl.ns[2].nsid = 6;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(open_unit(i, &dev, &more), 0);
		assert_int_equal(more, units[i].more);
		snprintf(name, sizeof(name), "nvme 0000:00:04.0 ns %u", units[i].nsid);
		assert_string_equal(dev->name, name);
		assert_int_equal(blk_rw(dev, BLK_READ, 0, buf, 512), 0);
		blk_shutdown(dev);
	}
	assert_int_equal(open_unit(3, &dev, &more), -ENOENT);
	assert_false(more);
	assert_harmless();
}

static void test_namespaces(void **state)
{
	(void)state;
	set_up(9);
	check_namespaces();
	set_up(9);
	ctrl.vs = 0x00010000;	/* 1.0 has no list */
	ctrl.no_active_list = true;
	check_namespaces();
	set_up(9);
	ctrl.no_active_list = true;	/* should have one */
	check_namespaces();
}

/*
 * What a namespace is called by every controller that has it: NGUID, else EUI-64, else UUID, else its number in its
 * subsystem. One that no other controller can have is called nothing.
 */
static void test_shared_name(void **state)
{
	static const uint8_t none[16];
	uint8_t id[16], first[16];

	(void)state;
	for (unsigned i = 0; i < 7; i++) {
		struct fake_nvme_ns *ns = &ctrl.ns[0];

		set_up(9);
		ns->shared = i != 6;
		memset(ns->uuid, i < 3 || i == 6 ? 0x33 : 0, 16);
		memset(ns->eui64, i < 2 ? 0x22 : 0, 8);
		memset(ns->nguid, i < 1 ? 0x11 : 0, 16);
		ns->nsid = i == 5 ? 2 : 1;
		snprintf(ctrl.subnqn, sizeof(ctrl.subnqn), "nqn.2014-08.org.nvmexpress:uuid:%u", i == 4);
		memcpy(id, open_ok()->shared_id, 16);
		if (i < 3) {
			assert_int_equal(id[0], 0x11 * (i + 1));
			assert_int_equal(id[15], i == 1 ? 0 : 0x11 * (i + 1));
		}
		if (i == 3)
			memcpy(first, id, 16);
		if (i > 3)
			assert_memory_not_equal(id, first, 16);
	}
	assert_memory_equal(id, none, 16);
}

/* A namespace that cannot be used does not hide the next one */
static void test_bad_namespace_first(void **state)
{
	struct blk_dev *dev = NULL;
	bool more = false;

	(void)state;
	set_up(9);
	ctrl.ns[1] = ctrl.ns[0];
	ctrl.ns[1].nsid = 2;
	ctrl.ns[0].ms = 8;
	assert_int_equal(open_unit(0, &dev, &more), -EPROTOTYPE);
	assert_true(more);
	assert_int_equal(open_unit(1, &dev, &more), 0);
}

static void test_slow_shutdown(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(9);
	ctrl.rtd3e_us = 8000000;
	ctrl.shutdown_us = 7000000;
	dev = open_ok();
	blk_shutdown(dev);
	assert_false(fake_log_has("shutdown not complete"));

	set_up(9);
	ctrl.shutdown_us = 1000000000;	/* never */
	dev = open_ok();
	blk_shutdown(dev);
	assert_true(fake_log_has("shutdown not complete"));
	assert_true(fake_now_us < 20000000);
	assert_harmless();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_rw_512),
		cmocka_unit_test(test_rw_4096),
		cmocka_unit_test(test_gather),
		cmocka_unit_test(test_mdts),
		cmocka_unit_test(test_out_of_order),
		cmocka_unit_test(test_error_status),
		cmocka_unit_test(test_not_ready),
		cmocka_unit_test(test_not_ready_in_flight),
		cmocka_unit_test(test_which_errors_are_tried_again),
		cmocka_unit_test(test_not_ready_admin),
		cmocka_unit_test(test_write_protected),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_timeout_after_the_deadline),
		cmocka_unit_test(test_wrong_cid),
		cmocka_unit_test(test_stale_cid),
		cmocka_unit_test(test_identifiers_never_reserved),
		cmocka_unit_test(test_vanishes),
		cmocka_unit_test(test_silent_while_running),
		cmocka_unit_test(test_fatal_while_running),
		cmocka_unit_test(test_late_ready),
		cmocka_unit_test(test_never_ready),
		cmocka_unit_test(test_never_disabled),
		cmocka_unit_test(test_flr_helps),
		cmocka_unit_test(test_flr_no_return),
		cmocka_unit_test(test_no_flr),
		cmocka_unit_test(test_fatal_on_enable),
		cmocka_unit_test(test_fatal_elsewhere),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_found_in_between),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_no_registers),
		cmocka_unit_test(test_no_admin_answer),
		cmocka_unit_test(test_page_size_too_large),
		cmocka_unit_test(test_small_queues_wide_doorbells),
		cmocka_unit_test(test_protection_information),
		cmocka_unit_test(test_formats_refused),
		cmocka_unit_test(test_lba_format_index),
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_bad_namespace_first),
		cmocka_unit_test(test_shared_name),
		cmocka_unit_test(test_slow_shutdown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
