// SPDX-License-Identifier: GPL-2.0-or-later
/* AHCI, against a simulated controller that is left busy, through the wrappers of stub/disk/blk.c. */
/* needs: tests/unit/fake/iommu.c drivers/blk/ahci.c drivers/pci.c drivers/dma.c tests/unit/fake/arena.c stub/disk/blk.c */
/* needs: tests/unit/fake/bus.c stub/idle.c tests/unit/fake/clock.c tests/unit/fake/log.c */
/* needs: tests/unit/fake/pci_bus.c tests/unit/fake/ahci.c */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "drivers/blk/ahci.h"
#include "stub/arch.h"
#include "tests/unit/fake/ahci.h"
#include "tests/unit/fake/media.h"

#define PORT		2

static struct fake_ahci hba;
static struct fake_port *disk;

/* Another function each time: nothing that the driver may remember of the one before is about it */
static void set_up(uint32_t block)
{
	static uint8_t slot;

	set_up_bus(false);
	fake_ahci_init(&hba);
	slot = slot % 30 + 1;
	hba.fn.devfn = (uint8_t)(slot << 3);
	disk = fake_ahci_disk(&hba, PORT, block, media, sizeof(media));
}

static int probe(unsigned *unit, struct blk_dev **ret)
{
	struct pci_dev pci;

	assert_int_equal(pci_find(&host, 0, &pci), 0);
	assert_int_equal(pci.class_code, AHCI_CLASS);
	return ahci_probe(&pci, unit, ret);
}

static struct blk_dev *open_ok(void)
{
	struct blk_dev *dev = NULL;
	unsigned unit = 0;

	assert_int_equal(probe(&unit, &dev), 0);
	assert_int_equal(unit, PORT);
	return dev;
}

static void assert_harmless(void)
{
	assert_false(fake_pci_is_master(&hba.fn));
	assert_int_equal(hba.dma_without_master, 0);
}

static void fails_to_open(int rc, unsigned blamed)
{
	struct blk_dev *dev = NULL;
	unsigned unit = 0;

	assert_int_equal(probe(&unit, &dev), rc);
	assert_null(dev);
	if (rc != -ENOENT)
		assert_int_equal(unit, blamed);
	assert_harmless();
}

static void assert_idle(void)
{
	for (unsigned i = 0; i < FAKE_AHCI_PORTS; i++)
		assert_int_equal(hba.port[i].cmd & 0xc011, 0);
}

static void test_identity(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(512);
	dev = open_ok();
	assert_non_null(strstr(dev->name, "ahci 0000:00:"));
	assert_non_null(strstr(dev->name, " port 2"));
	assert_string_equal(dev->serial, "SATA-7");
	assert_int_equal(dev->block_size, 512);
	assert_int_equal(dev->nr_blocks, MEDIA_BYTES / 512);
	assert_true(dev->has_flush);
	assert_false(dev->read_only);
	assert_true(dev->dma_last > BIT(52));
	assert_int_equal(hba.resets, 1);
	assert_int_equal(disk->comresets, 1);
	assert_int_equal(disk->devslp & 1, 0);
	assert_int_equal(fake_pci_get16(&hba.fn, 0x42) & 1, 0);
	/* empty ports cost nothing, and are left alone */
	assert_true(fake_now_us < 60000);
	assert_int_equal(hba.port[0].comresets, 0);
	/* only the port that is open is at work */
	assert_int_equal(hba.port[0].cmd & 0xc011, 0);
	blk_shutdown(dev);
	assert_idle();
	assert_harmless();
	blk_shutdown(dev);
	assert_int_equal(fake_stray, 0);
}

static void test_rw(void **state)
{
	(void)state;
	for (unsigned pass = 0; pass < 2; pass++) {
		uint32_t block = pass ? 4096 : 512;
		struct blk_dev *dev;

		set_up(block);
		dev = open_ok();
		assert_int_equal(dev->nr_blocks, MEDIA_BYTES / block);
		write_and_read(dev);
		assert_int_equal(blk_rw(dev, BLK_READ, dev->nr_blocks - 1, buf + 512, block), 0);
		assert_int_equal(disk->flushes, 0);
		assert_int_equal(blk_flush(dev), 0);
		assert_int_equal(disk->flushes, 1);
		blk_shutdown(dev);
		assert_harmless();
	}
	set_up(512);
	disk->write_through = true;
	assert_false(open_ok()->has_flush);
}

static void test_several_in_flight(void **state)
{
	struct blk_seg segs[128];
	struct blk_req reqs[9];
	struct blk_dev *dev;

	(void)state;
	set_up(512);
	dev = open_ok();
	assert_int_equal(dev->max_segs, 64);
	assert_int_equal(dev->queue_depth, 8);
	fill(buf, sizeof(buf), 3);
	for (unsigned i = 0; i < 128; i++)
		segs[i] = (struct blk_seg){ virt_to_phys(buf) + (i * 37 % 500) * 4096, 4096 };
	disk->hold = true;
	for (unsigned i = 0; i < 9; i++) {
		reqs[i] = (struct blk_req){ .op = BLK_WRITE, .lba = i * 128, .nr_blocks = 128, .nr_segs = 16,
					    .segs = segs + 16 * (i % 8) };
		if (i < 8)
			assert_int_equal(blk_submit(dev, &reqs[i]), 0);
		else
			assert_int_equal(dev->ops->submit(dev, &reqs[i]), -EBUSY);
	}
	for (unsigned i = 8; i--;) {
		fake_ahci_release(&hba, PORT, i);
		assert_int_equal(blk_wait(dev, &reqs[i]), 0);
	}
	for (unsigned i = 0; i < 128; i++)
		assert_memory_equal(media + i * 4096, (void *)(uintptr_t)segs[i].pa, 4096);
	assert_int_equal(disk->max_inflight, 8);
	/* as large as it may be */
	disk->hold = false;
	for (unsigned i = 0; i < 64; i++)
		segs[i] = (struct blk_seg){ virt_to_phys(buf) + (i * 7 % 64) * 16384, 16384 };
	reqs[0] = (struct blk_req){ .op = BLK_WRITE, .nr_blocks = 2048, .nr_segs = 64, .segs = segs };
	assert_int_equal(blk_submit(dev, &reqs[0]), 0);
	assert_int_equal(blk_wait(dev, &reqs[0]), 0);
	for (unsigned i = 0; i < 64; i++)
		assert_memory_equal(media + i * 16384, (void *)(uintptr_t)segs[i].pa, 16384);
	/* fewer slots than we would use */
	set_up(512);
	hba.cap &= ~0x1f00u;
	assert_int_equal(open_ok()->queue_depth, 1);
}

/* Disks on several ports: the controller is reset once, and any of them can be had again */
static void test_ports(void **state)
{
	static uint8_t other[MIB(1)];
	unsigned unit = 0;
	struct blk_dev *dev;

	(void)state;
	set_up(512);
	memset(other, 0x77, sizeof(other));
	hba.port[0].kind = SATA_CD;
	hba.port[1].kind = SATA_PM;
	hba.port[0].det = hba.port[1].det = 3;
	fake_ahci_disk(&hba, 4, 4096, other, sizeof(other));
	for (unsigned round = 0; round < 2; round++) {
		unit = 0;
		assert_int_equal(probe(&unit, &dev), 0);
		assert_int_equal(unit, 2);
		blk_shutdown(dev);
		assert_harmless();
		unit = 3;
		assert_int_equal(probe(&unit, &dev), 0);
		assert_int_equal(unit, 4);
		assert_int_equal(blk_rw(dev, BLK_READ, 3, buf, 4096), 0);
		assert_memory_equal(buf, other, 4096);
		blk_shutdown(dev);
		unit = 5;
		assert_int_equal(probe(&unit, &dev), -ENOENT);
		assert_harmless();
		assert_idle();
	}
	assert_int_equal(hba.resets, 1);
	assert_true(fake_log_has("port 0: ATAPI"));
	assert_true(fake_log_has("port 1: port multiplier"));
	/* and no device at all */
	set_up(512);
	disk->kind = SATA_EMPTY;
	disk->det = 0;
	fails_to_open(-ENOENT, 0);
	assert_true(fake_now_us < 30000);
	assert_int_equal(hba.resets, 0);
	/* where nobody has looked yet, it takes a moment, together */
	set_up(512);
	disk->kind = SATA_EMPTY;
	disk->det = 0;
	for (unsigned i = 0; i < FAKE_AHCI_PORTS; i++)
		hba.port[i].cmd = 0;
	fails_to_open(-ENOENT, 0);
	assert_true(fake_now_us > 100000 && fake_now_us < 300000);
}

/* As the dead kernel and the firmware may have left it */
static void test_takeover(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(512);
	disk->never_stops = true;		/* until the controller is reset */
	hba.cap2 |= 1;
	hba.bohc = 1;
	hba.forgets_pi = true;
	hba.cap |= 1u << 27;			/* staggered spin-up */
	hba.ghc = 0;				/* nobody has driven it */
	hba.port[1].cmd = 0;
	hba.port[1].sctl = 4;
	hba.port[1].kind = SATA_CD;
	dev = open_ok();
	assert_int_equal(hba.bohc & 3, 2);
	assert_int_equal(blk_rw(dev, BLK_READ, 0, buf, 4096), 0);
	assert_true(fake_log_has("does not stop"));
	blk_shutdown(dev);
	assert_int_equal(hba.resets, 2);
	assert_idle();
	/* a port that goes on receiving is stopped by another reset, and the controller not used */
	set_up(512);
	hba.port[3].rx_never_stops = true;
	hba.port[3].kind = SATA_CD;
	hba.port[3].det = 3;
	fails_to_open(-EIO, UNIT_NONE);
	assert_int_equal(hba.resets, 2);
	assert_false(dma_lost);
	/* the firmware does not let go: no reason to wait for ever */
	set_up(512);
	hba.cap2 |= 1;
	hba.bohc = 1;
	hba.firmware_busy = true;
	blk_shutdown(open_ok());
	assert_true(fake_now_us < 4000000);
	/* slow to link up, but somebody was there before */
	set_up(512);
	disk->link_us = 3000000;
	disk->ready_us = 9000000;
	blk_shutdown(open_ok());
	/* An early one that does not say which ports it has */
	set_up(512);
	hba.pi = 0;
	hba.forgets_pi = true;
	blk_shutdown(open_ok());
}

static void test_no_reset(void **state)
{
	(void)state;
	set_up(512);
	hba.never_reset = true;
	fails_to_open(-ETIMEDOUT, UNIT_NONE);
	assert_false(dma_lost);
	set_up(512);
	hba.gone = true;
	fails_to_open(-EIO, UNIT_NONE);
	set_up(512);
	hba.reset_us = 900000;
	blk_shutdown(open_ok());
	set_up(512);
	fake_pci_bar32(&hba.fn, 5, 0, false);
	fails_to_open(-EIO, UNIT_NONE);
}

/* A disk that does not get ready is named, and the other one found */
static void test_late_disk(void **state)
{
	struct blk_dev *dev;
	unsigned unit = 0;

	(void)state;
	set_up(512);
	fake_ahci_disk(&hba, 1, 512, media, sizeof(media))->never_ready = true;
	assert_int_equal(probe(&unit, &dev), -ETIMEDOUT);
	assert_int_equal(unit, 1);
	assert_true(fake_now_us < 25000000);
	assert_true(fake_log_has("port 1: not ready"));
	assert_harmless();
	unit = 2;
	assert_int_equal(probe(&unit, &dev), 0);
	assert_true(fake_now_us < 26000000);
	assert_int_equal(hba.resets, 1);
	blk_shutdown(dev);
	/* one that is gone since: it was there when the dead kernel died */
	set_up(512);
	disk->never_links = true;
	fails_to_open(-ETIMEDOUT, PORT);
}

static void test_refused(void **state)
{
	(void)state;
	set_up(512);
	disk->no_lba48 = true;
	fails_to_open(-EPROTOTYPE, PORT);
	set_up(512);
	disk->locked = true;
	fails_to_open(-EPROTOTYPE, PORT);
	assert_true(fake_log_has("password"));
	set_up(520);
	fails_to_open(-EPROTOTYPE, PORT);
	set_up(8192);
	fails_to_open(-EPROTOTYPE, PORT);
	set_up(512);
	disk->len = 0;
	fails_to_open(-EPROTO, PORT);
	set_up(512);
	disk->drop = true;
	fails_to_open(-ETIMEDOUT, PORT);
	assert_true(fake_now_us < 12000000);
	set_up(512);
	disk->trouble = 1u << 27;
	fails_to_open(-EIO, PORT);
}

/* A controller of 32 bits: what lies above is refused, and copied by whoever writes the dump */
static void test_32_bits(void **state)
{
	struct blk_seg seg = { BIT(32) - 4096, 8192 };
	struct blk_req req = { .op = BLK_READ, .nr_blocks = 16, .nr_segs = 1, .segs = &seg };
	struct blk_dev *dev;

	(void)state;
	set_up(512);
	hba.cap &= ~(1u << 31);
	dev = open_ok();
	assert_int_equal(dev->dma_last, UINT32_MAX);
	assert_int_equal(dev->ops->submit(dev, &req), -ERANGE);
	seg.pa = virt_to_phys(buf) + 1;
	assert_int_equal(dev->ops->submit(dev, &req), -EINVAL);
	assert_int_equal(blk_rw(dev, BLK_READ, 0, buf, 8192), 0);
	assert_memory_equal(buf, media, 8192);
}

/* What fails is judged, what was behind it goes on */
static void test_errors(void **state)
{
	static const struct {
		uint8_t error;
		unsigned times;
		int rc;
	} c[] = {
		{ 0x40, 0, -EIO }, { 0x10, 0, -EIO }, { 0x84, 3, 0 },
		{ 0x84, 0, -EIO }, { 0x04, 2, 0 }, { 0x04, 0, -EIO },
	};
	struct blk_seg segs[8];
	struct blk_req reqs[8];

	(void)state;
	for (size_t n = 0; n < ARRAY_SIZE(c); n++) {
		struct blk_dev *dev;

		set_up(512);
		dev = open_ok();
		disk->error = c[n].error;
		disk->bad_times = c[n].times;
		disk->bad_lba = 3 * 8 + 5;
		disk->hold = true;
		memset(buf, 0, 8 * 4096);
		for (unsigned i = 0; i < 8; i++) {
			segs[i] = (struct blk_seg){ virt_to_phys(buf) + i * 4096, 4096 };
			reqs[i] = (struct blk_req){ .op = BLK_READ, .lba = i * 8, .nr_blocks = 8,
						    .nr_segs = 1, .segs = &segs[i] };
			assert_int_equal(blk_submit(dev, &reqs[i]), 0);
		}
		for (unsigned i = 0; i < 4; i++)
			fake_ahci_release(&hba, PORT, i);
		disk->hold = false;
		for (unsigned i = 0; i < 8; i++) {
			assert_int_equal(blk_wait(dev, &reqs[i]), i == 3 ? c[n].rc : 0);
			if (!reqs[i].status)
				assert_memory_equal(buf + i * 4096, media + i * 4096, 4096);
		}
		assert_false(dev->failed);
		assert_int_equal(disk->comresets, 1);
		blk_shutdown(dev);
		assert_idle();
	}
}

static void test_link_trouble(void **state)
{
	static const uint32_t is[] = { 1u << 27, 1u << 28, 1u << 29, 1u << 24, 1u << 22 };
	struct blk_dev *dev;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(is); i++) {
		set_up(512);
		dev = open_ok();
		disk->trouble = is[i];
		fill(buf, 4096, 8);
		assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), 0);
		assert_memory_equal(media, buf, 4096);
		assert_int_equal(disk->comresets, 2);
		assert_false(dev->failed);
	}
	/* the disk does not come back */
	set_up(512);
	dev = open_ok();
	disk->trouble = 1u << 27;
	disk->never_ready = true;
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -ENODEV);
	assert_true(dev->failed && fake_now_us < 25000000);
	assert_harmless();
	/* it is pulled out */
	set_up(512);
	dev = open_ok();
	disk->drop = true;
	disk->det = 0;
	disk->kind = SATA_EMPTY;
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -ENODEV);
	assert_harmless();
	/* a fault without an error is no success */
	set_up(512);
	dev = open_ok();
	disk->fault = true;
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -EIO);
}

static void test_timeout(void **state)
{
	struct blk_dev *dev;
	unsigned unit = PORT;

	(void)state;
	set_up(512);
	dev = open_ok();
	disk->drop = true;
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -ETIMEDOUT);
	assert_true(dev->failed);
	assert_harmless();
	assert_idle();
	/* it is reset before it is used again */
	disk->drop = false;
	assert_int_equal(probe(&unit, &dev), 0);
	assert_int_equal(hba.resets, 2);
	/* nor does it stop: the reset ends it */
	disk->drop = disk->never_stops = true;
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -ETIMEDOUT);
	assert_int_equal(hba.resets, 3);
	assert_harmless();
	assert_false(dma_lost);
}

static void test_vanishes(void **state)
{
	(void)state;
	for (int zero = 0; zero < 2; zero++) {
		struct blk_dev *dev;

		set_up(512);
		dev = open_ok();
		hba.gone = hba.fn.gone = true;
		hba.gone_reads_zero = zero;
		assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -ENODEV);
		assert_true(dev->failed);
		assert_false(dma_lost);
	}
}

/* Caches that the controller does not see: every list, table and buffer is handed over */
static void test_not_coherent(void **state)
{
	struct blk_dev *dev;
	size_t cleaned;

	(void)state;
	set_up(512);
	host.dma_coherent = false;
	dev = open_ok();
	cleaned = fake_cleaned;
	assert_int_equal(blk_rw(dev, BLK_READ, 0, buf, 65536), 0);
	assert_true(fake_cleaned >= cleaned + 65536 + 1024);
	assert_true(fake_invalidated >= 65536 + 512);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_rw),
		cmocka_unit_test(test_several_in_flight),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_takeover),
		cmocka_unit_test(test_no_reset),
		cmocka_unit_test(test_late_disk),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_32_bits),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_link_trouble),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_vanishes),
		cmocka_unit_test(test_not_coherent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
