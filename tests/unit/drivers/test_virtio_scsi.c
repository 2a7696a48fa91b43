// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio-scsi over all its transports, against simulated units, through the wrappers of stub/disk/blk.c. What it has
 * in common with virtio-blk is tested there.
 */
/* needs: tests/unit/fake/iommu.c drivers/virtio/virtio.c drivers/virtio/virtio_ring.c drivers/virtio/virtio_pci.c drivers/virtio/virtio_mmio.c */
/* needs: drivers/blk/virtio_scsi.c drivers/blk/virtio_disk.c drivers/blk/scsi.c */
/* needs: drivers/pci.c drivers/dma.c tests/unit/fake/arena.c stub/disk/blk.c */
/* needs: tests/unit/fake/bus.c stub/idle.c tests/unit/fake/clock.c tests/unit/fake/log.c */
/* needs: tests/unit/fake/pci_bus.c */
/* needs: tests/unit/fake/virtio_disk.c tests/unit/fake/virtio_scsi.c */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "drivers/blk/virtio_scsi.h"
#include "stub/arch.h"
#include "tests/unit/fake/media.h"
#include "tests/unit/fake/virtio_scsi.h"

#define UNIT(target, lun)	((target) << 14 | (lun))

static struct fake_vscsi host_bus;
static struct fake_lun *lun;

static void set_up(enum fake_virtio_kind kind, uint32_t block)
{
	set_up_bus(false);
	fake_vscsi_init(&host_bus, kind);
	lun = fake_vscsi_add(&host_bus, 0, 0, block, media, sizeof(media));
}

static int probe(unsigned *unit, struct blk_dev **ret)
{
	struct virtio_mmio_spec spec = { FAKE_VIRTIO_MMIO, 0x200, true };
	struct virtio_place at = { .mmio = &spec };
	struct pci_dev pci;

	if (host_bus.v.kind <= FAKE_PCI_TRANSITIONAL) {
		assert_int_equal(pci_find(&host, 0, &pci), 0);
		at = (struct virtio_place){ .pci = &pci };
	}
	assert_int_equal(virtio_type(&at), VIRTIO_ID_SCSI);
	return virtio_scsi_probe(&at, unit, ret);
}

static struct blk_dev *open_ok(void)
{
	struct blk_dev *dev = NULL;
	unsigned unit = 0;

	assert_int_equal(probe(&unit, &dev), 0);
	assert_non_null(dev);
	return dev;
}

static void assert_harmless(void)
{
	if (host_bus.v.kind <= FAKE_PCI_TRANSITIONAL)
		assert_false(fake_pci_is_master(&host_bus.v.fn));
	assert_int_equal(host_bus.v.status, 0);
	assert_int_equal(host_bus.v.dma_without_master, 0);
}

/* @unit: which of them is to blame */
static void fails_to_open(int rc, unsigned blamed)
{
	struct blk_dev *dev = NULL;
	unsigned unit = 0;

	assert_int_equal(probe(&unit, &dev), rc);
	assert_null(dev);
	if (rc != -ENOENT) {
		assert_int_equal(unit, blamed);
		assert_true(fake_log_lines[0] + fake_log_lines[1] > 0);
	}
	assert_harmless();
}

static void test_identity(void **state)
{
	(void)state;
	for (int kind = 0; kind < FAKE_NR_KINDS; kind++) {
		struct blk_dev *dev;

		set_up(kind, 512);
		dev = open_ok();
		assert_string_equal(dev->name, kind <= FAKE_PCI_TRANSITIONAL ? "virtio-scsi 0000:00:03.0 0:0" :
									       "virtio-scsi mmio 0xa003e00 0:0");
		assert_string_equal(dev->serial, "SCSI-9");
		assert_int_equal(dev->block_size, 512);
		assert_int_equal(dev->nr_blocks, MEDIA_BYTES / 512);
		assert_true(dev->has_flush);
		assert_false(dev->read_only);
		assert_int_equal(dev->max_bytes, MIB(1));
		assert_int_equal(dev->queue_depth, 16);
		assert_int_equal(host_bus.v.driver_features & 0xffffffff, 0);
		assert_int_equal(fake_stray, 0);
		blk_shutdown(dev);
		assert_harmless();
		blk_shutdown(dev);
	}
}

static void test_rw(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2 * FAKE_NR_KINDS; kind++) {
		uint32_t block = kind % 2 ? 4096 : 512;
		struct blk_dev *dev;

		set_up(kind / 2, block);
		dev = open_ok();
		write_and_read(dev);
		assert_false(host_bus.saw_16);
		assert_int_equal(lun->flushes, 0);
		assert_int_equal(blk_flush(dev), 0);
		assert_int_equal(lun->flushes, 1);
		blk_shutdown(dev);
		assert_harmless();
	}
}

/* Many pieces, several requests: the device checks seg_max and the order of the pieces */
static void test_gather(void **state)
{
	struct blk_seg segs[200];
	struct blk_req reqs[4];
	struct blk_dev *dev;

	(void)state;
	set_up(FAKE_PCI_MODERN, 512);
	dev = open_ok();
	assert_true(dev->max_segs <= 254 && dev->max_segs >= 200);
	fill(buf, sizeof(buf), 3);
	for (unsigned i = 0; i < 200; i++)
		segs[i] = (struct blk_seg){ virt_to_phys(buf) + (i * 37 % 500) * 4096, 4096 };
	host_bus.v.hold = true;
	for (unsigned i = 0; i < 4; i++) {
		reqs[i] = (struct blk_req){ .op = BLK_WRITE, .lba = i * 400, .nr_blocks = 400, .nr_segs = 50,
					    .segs = segs + 50 * i };
		assert_int_equal(blk_submit(dev, &reqs[i]), 0);
	}
	for (unsigned i = 4; i--;) {
		fake_vblk_release(&host_bus.v, i);
		assert_int_equal(blk_wait(dev, &reqs[i]), 0);
	}
	for (unsigned i = 0; i < 200; i++)
		assert_memory_equal(media + i * 4096, (void *)(uintptr_t)segs[i].pa, 4096);
}

/* More than 2 TiB: commands of 16 bytes, and the blocks behind 2^32 are other ones */
static void test_large(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(FAKE_PCI_MODERN, 512);
	lun->blocks = BIT(32) + 1000;
	dev = open_ok();
	assert_int_equal(dev->nr_blocks, BIT(32) + 1000);
	assert_int_equal(blk_rw(dev, BLK_READ, 8, buf, 4096), 0);
	assert_memory_equal(buf, media + 4096, 4096);
	assert_true(host_bus.saw_16);
	lun->sense = 0x031100;
	lun->bad_lba = BIT(32) + 5;
	assert_int_equal(blk_rw(dev, BLK_READ, BIT(32), buf, 4096), -EIO);
	/* exactly as many as 10 bytes can say */
	set_up(FAKE_PCI_MODERN, 512);
	lun->blocks = BIT(32);
	dev = open_ok();
	assert_int_equal(blk_rw(dev, BLK_WRITE, 8, buf, 4096), 0);
	assert_false(host_bus.saw_16);
	/* a disk that does not know the long question */
	set_up(FAKE_PCI_MODERN, 4096);
	lun->no_capacity_16 = true;
	assert_int_equal(open_ok()->nr_blocks, MEDIA_BYTES / 4096);
	set_up(FAKE_PCI_MODERN, 512);
	lun->no_capacity_16 = true;
	lun->blocks = BIT(33);
	fails_to_open(-EIO, 0);
}

static void test_limits(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(FAKE_PCI_MODERN, 512);
	((uint32_t *)&host_bus.v.config)[1] = 3;	/* seg_max */
	((uint32_t *)&host_bus.v.config)[2] = 100;	/* max_sectors */
	((uint32_t *)&host_bus.v.config)[3] = 2;	/* cmd_per_lun */
	dev = open_ok();
	assert_int_equal(dev->max_segs, 3);
	assert_int_equal(dev->max_bytes, 49152);
	assert_int_equal(dev->queue_depth, 2);
	assert_int_equal(blk_rw(dev, BLK_READ, 0, buf, 65536), 0);
	assert_memory_equal(buf, media, 65536);
	set_up(FAKE_PCI_MODERN, 512);
	lun->max_blocks = 130;
	dev = open_ok();
	assert_int_equal(dev->max_bytes, 65536);
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, MIB(1)), 0);
	set_up(FAKE_PCI_MODERN, 512);
	memset((uint32_t *)&host_bus.v.config + 2, 0, 8);	/* nothing said */
	assert_int_equal(open_ok()->queue_depth, 16);
	set_up(FAKE_PCI_MODERN, 512);
	((uint32_t *)&host_bus.v.config)[6] = 16;	/* cdb_size */
	fails_to_open(-EPROTO, UNIT_NONE);
}

static void test_modes(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(FAKE_PCI_MODERN, 512);
	lun->write_protected = true;
	dev = open_ok();
	assert_true(dev->read_only);
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -EROFS);
	set_up(FAKE_PCI_MODERN, 512);
	lun->write_through = true;
	dev = open_ok();
	assert_false(dev->has_flush);
	assert_int_equal(blk_flush(dev), 0);
	assert_int_equal(lun->flushes, 0);
	/* It does not say: whether it flushes tells */
	set_up(FAKE_PCI_MODERN, 512);
	lun->no_modes = true;
	assert_true(open_ok()->has_flush);
	set_up(FAKE_PCI_MODERN, 512);
	lun->no_modes = lun->no_flush = lun->write_protected = true;
	dev = open_ok();
	assert_false(dev->has_flush);
	assert_false(dev->read_only);
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -EROFS);
	assert_true(fake_log_has("write protected"));
	assert_false(dev->failed);
}

static void test_names(void **state)
{
	static const uint8_t naa[16] = "\x60\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", none[16];
	struct blk_dev *dev;

	(void)state;
	set_up(FAKE_PCI_MODERN, 512);
	assert_memory_equal(open_ok()->shared_id, none, 16);
	set_up(FAKE_PCI_MODERN, 512);
	lun->naa = naa;
	lun->serial = "0123456789012345678901234567890123456789abc";
	dev = open_ok();
	assert_memory_equal(dev->shared_id, naa, 16);
	assert_string_equal(dev->serial, "0123456789012345678901234567890123456789");
	set_up(FAKE_PCI_MODERN, 512);
	lun->serial = NULL;
	assert_string_equal(open_ok()->serial, "");
}

/* All units, in the order of their numbers; what is no disk, or has no medium, is none */
static void test_units(void **state)
{
	static const unsigned units[] = { UNIT(0, 0), UNIT(3, 1), UNIT(3, 300), UNIT(255, 2) };
	unsigned unit = 0, n = 0;
	struct blk_dev *dev;

	(void)state;
	set_up(FAKE_PCI_MODERN, 512);
	host_bus.odd_luns = true;
	fake_vscsi_add(&host_bus, 3, 300, 512, media, sizeof(media));
	fake_vscsi_add(&host_bus, 3, 1, 4096, media, sizeof(media));
	fake_vscsi_add(&host_bus, 3, 0, 2048, media, sizeof(media))->peripheral = 5;
	fake_vscsi_add(&host_bus, 7, 0, 512, media, sizeof(media))->no_medium = true;
	host_bus.luns[4].removable = true;
	fake_vscsi_add(&host_bus, 255, 2, 512, media, sizeof(media));
	for (; !probe(&unit, &dev); unit++) {
		assert_true(n < 4);
		assert_int_equal(unit, units[n++]);
		assert_int_equal(blk_rw(dev, BLK_READ, 1, buf, 4096), 0);
		assert_memory_equal(buf, media + dev->block_size, 4096);
		blk_shutdown(dev);
		assert_harmless();
	}
	assert_int_equal(n, 4);
	assert_harmless();
	/* targets are looked at once */
	assert_true(host_bus.bad_targets < 256);
	/* and again, by its number */
	unit = UNIT(3, 300);
	assert_int_equal(probe(&unit, &dev), 0);
	assert_int_equal(unit, UNIT(3, 300));
	assert_string_equal(dev->name, "virtio-scsi 0000:00:03.0 3:300");
}

static void test_reports(void **state)
{
	struct blk_dev *dev;
	unsigned unit = 0;

	(void)state;
	set_up(FAKE_PCI_MODERN, 512);
	host_bus.no_report = true;
	fake_vscsi_add(&host_bus, 0, 1, 512, media, sizeof(media));
	blk_shutdown(open_ok());
	unit = 1;
	assert_int_equal(probe(&unit, &dev), -ENOENT);	/* nobody says that there is another */
	set_up(FAKE_PCI_MODERN, 512);
	host_bus.more_luns = 100000;
	open_ok();
	assert_true(fake_log_has("units"));
	/* a unit that cannot be used does not hide the others */
	set_up(FAKE_PCI_MODERN, 520);
	fake_vscsi_add(&host_bus, 0, 1, 512, media, sizeof(media));
	fails_to_open(-EPROTOTYPE, 0);
	unit = 1;
	assert_int_equal(probe(&unit, &dev), 0);
	assert_int_equal(unit, 1);
	set_up(FAKE_PCI_MODERN, 512);
	host_bus.nr_luns = 0;
	fails_to_open(-ENOENT, 0);
	assert_int_equal(host_bus.bad_targets, 256);
}

static void test_not_ready_yet(void **state)
{
	struct blk_dev *dev;

	(void)state;
	for (int i = 0; i < 2; i++) {
		set_up(FAKE_PCI_MODERN, 512);
		lun->descriptor_sense = i;
		lun->attentions = 3;
		lun->not_ready = 8;
		dev = open_ok();
		/* somebody else has reset it meanwhile */
		lun->attentions = 2;
		lun->not_ready = 2;
		fill(buf, 4096, 4);
		assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), 0);
		assert_memory_equal(media, buf, 4096);
	}
	set_up(FAKE_PCI_MODERN, 512);
	lun->not_ready = 1000000;
	fails_to_open(-EAGAIN, 0);
	assert_true(fake_now_us < 40000000);
	set_up(FAKE_PCI_MODERN, 512);
	lun->no_medium = true;		/* and not one that could be changed */
	fails_to_open(-EIO, 0);
}

static void test_errors(void **state)
{
	static const struct {
		uint32_t sense;
		unsigned times;
		int rc;
	} c[] = {
		{ 0x031100, 0, -EIO },		/* medium error: at once */
		{ 0x031100, 1, -EIO },
		{ 0x011700, 0, 0 },		/* recovered; the data is not in this simulation */
		{ 0x0b4700, 3, 0 },		/* aborted: again */
		{ 0x0b4700, 0, -EIO },
		{ 0x044400, 5, 0 },
		{ 0x044400, 0, -EIO },
		{ 0x072700, 0, -EROFS },
		{ 0x072707, 0, -EIO },		/* a thin disk is full: not protected */
		{ 0x052100, 0, -EIO },
		{ 0x02040a, 4, 0 },
		{ 0x02040b, 0, -EIO },		/* the standby path to a disk */
		{ 0x062a09, 4, 0 },
		{ 0x0e1d00, 0, -EIO },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		struct blk_dev *dev;

		set_up(FAKE_PCI_MODERN, 512);
		dev = open_ok();
		lun->sense = c[i].sense;
		lun->bad_times = c[i].times;
		lun->bad_lba = 5;
		/* what recovered moved nothing here, and says so */
		assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), c[i].sense == 0x011700 ? -EIO : c[i].rc);
		assert_false(dev->failed);
		assert_int_equal(blk_rw(dev, BLK_READ, 8, buf, 4096), 0);
	}
}

static void test_responses(void **state)
{
	static const struct {
		uint8_t response, status;
		unsigned times;
		int rc;
	} c[] = {
		{ 5, 0, 20, 0 }, { 2, 0, 3, 0 }, { 4, 0, 1, 0 }, { 6, 0, 5, 0 }, { 6, 0, 9, -EIO }, { 1, 0, 1, -EIO },
		{ 3, 0, 1, -ENODEV }, { 9, 0, 1, -EIO }, { 200, 0, 1, -EIO }, { 0, 0x08, 9, 0 }, { 0, 0x28, 9, 0 },
		{ 0, 0x40, 2, 0 }, { 0, 0x18, 1, -EIO }, { 0, 0x02, 1, -EIO },
	};

	struct blk_dev *dev;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		set_up(FAKE_PCI_MODERN, 512);
		dev = open_ok();
		host_bus.response = c[i].response;
		host_bus.status = c[i].status;
		host_bus.response_times = c[i].times;
		assert_int_equal(blk_rw(dev, BLK_READ, 0, buf, 4096), c[i].rc);
		assert_false(dev->failed);
	}
	set_up(FAKE_PCI_MODERN, 512);
	host_bus.residual = 512;
	assert_int_equal(blk_rw(open_ok(), BLK_READ, 0, buf, 4096), -EIO);
	/* a completion without a response is no success */
	set_up(FAKE_PCI_MODERN, 512);
	dev = open_ok();
	host_bus.silent = true;
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -EIO);
}

static void test_dead_device(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(FAKE_PCI_MODERN, 512);
	host_bus.v.drop = true;
	fails_to_open(-ETIMEDOUT, UNIT_NONE);
	assert_true(fake_now_us < 10000000);
	set_up(FAKE_PCI_MODERN, 512);
	host_bus.v.wrong_id = 200;
	fails_to_open(-ETIMEDOUT, UNIT_NONE);
	set_up(FAKE_MMIO_MODERN, 512);
	dev = open_ok();
	host_bus.v.drop = true;
	assert_int_equal(blk_rw(dev, BLK_READ, 0, buf, 4096), -ETIMEDOUT);
	assert_true(dev->failed);
	assert_harmless();
	set_up(FAKE_PCI_MODERN, 512);
	dev = open_ok();
	host_bus.v.gone = host_bus.v.fn.gone = true;
	assert_int_equal(blk_rw(dev, BLK_READ, 0, buf, 4096), -ENODEV);
	/* only the queue of events and the control queue: no such device */
	set_up(FAKE_PCI_MODERN, 512);
	host_bus.v.queue = 1;
	fails_to_open(-EOPNOTSUPP, UNIT_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_rw),
		cmocka_unit_test(test_gather),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_reports),
		cmocka_unit_test(test_not_ready_yet),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_dead_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
