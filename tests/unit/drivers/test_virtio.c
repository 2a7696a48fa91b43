// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio-blk over all its transports, against a simulated disk, through the wrappers of stub/disk/blk.c.
 */
/* needs: tests/unit/fake/iommu.c drivers/virtio/virtio.c drivers/virtio/virtio_ring.c drivers/virtio/virtio_pci.c drivers/virtio/virtio_mmio.c */
/* needs: drivers/blk/virtio_blk.c drivers/blk/virtio_disk.c */
/* needs: drivers/pci.c drivers/dma.c tests/unit/fake/arena.c stub/disk/blk.c */
/* needs: tests/unit/fake/bus.c stub/idle.c tests/unit/fake/clock.c tests/unit/fake/log.c */
/* needs: tests/unit/fake/pci_bus.c */
/* needs: tests/unit/fake/virtio_disk.c */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <io.h>
#include <string.h>

#include "drivers/blk/virtio_blk.h"
#include "stub/arch.h"
#include "tests/unit/fake/media.h"
#include "tests/unit/fake/virtio_disk.h"

static struct fake_vblk disk;

static void run_disk(void)
{
	fake_vblk_run(&disk);
}

static void set_up(enum fake_virtio_kind kind)
{
	set_up_bus(false);
	fake_vblk_init(&disk, kind, media, sizeof(media));
}

static bool is_pci(void)
{
	return disk.kind <= FAKE_PCI_TRANSITIONAL;
}

static int open_disk(struct blk_dev **ret)
{
	struct virtio_mmio_spec spec = { FAKE_VIRTIO_MMIO, 0x200, true };
	struct virtio_place at = { .mmio = &spec };
	struct pci_dev pci;

	if (is_pci()) {
		assert_int_equal(pci_find(&host, 0, &pci), 0);
		at = (struct virtio_place){ .pci = &pci };
	}
	assert_int_equal(virtio_type(&at), VIRTIO_ID_BLOCK);
	assert_int_equal(virtio_blk_probe(&at, &(unsigned){ 1 }, ret), -ENOENT);
	return virtio_blk_probe(&at, &(unsigned){ 0 }, ret);
}

static struct blk_dev *open_ok(void)
{
	struct blk_dev *dev = NULL;

	assert_int_equal(open_disk(&dev), 0);
	assert_non_null(dev);
	return dev;
}

static void assert_harmless(void)
{
	if (is_pci())
		assert_false(fake_pci_is_master(&disk.fn));
	assert_int_equal(disk.dma_without_master, 0);
}

static void fails_to_open(int rc)
{
	struct blk_dev *dev = NULL;

	assert_int_equal(open_disk(&dev), rc);
	assert_null(dev);
	assert_true(fake_log_lines[0] + fake_log_lines[1] > 0);
	if (is_pci())
		assert_harmless();
}

static void test_identity(void **state)
{
	static const char *const names[] = {
		"virtio-blk 0000:00:03.0", "virtio-blk 0000:00:03.0", "virtio-blk 0000:00:03.0",
		"virtio-blk mmio 0xa003e00", "virtio-blk mmio 0xa003e00",
	};

	(void)state;
	for (int kind = 0; kind < FAKE_NR_KINDS; kind++) {
		struct blk_dev *dev;

		set_up(kind);
		dev = open_ok();
		assert_string_equal(dev->name, names[kind]);
		assert_string_equal(dev->serial, "SIM-VIRTIO-7");
		assert_int_equal(dev->block_size, 512);
		assert_int_equal(dev->nr_blocks, MEDIA_BYTES / 512);
		assert_true(dev->has_flush);
		assert_false(dev->read_only);
		/* what we do not use is not accepted: no indirect descriptors, no event index */
		assert_int_equal(disk.driver_features & (BIT(28) | BIT(29)), 0);
		assert_int_equal(fake_stray, 0);
		blk_shutdown(dev);
		assert_int_equal(disk.status, 0);
		assert_harmless();
		blk_shutdown(dev);
	}
}

static void test_transitional_is_driven_modern(void **state)
{
	(void)state;
	set_up(FAKE_PCI_TRANSITIONAL);
	open_ok();
	assert_true(disk.driver_features & BIT(32));
}

/* What a host bridge does that has I/O ports in memory */
static uint64_t window_read(void *ctx, uint64_t off, unsigned size)
{
	++*(unsigned *)ctx;
	return fake_pio_read((uint16_t)off, size);
}

static void window_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	++*(unsigned *)ctx;
	fake_pio_write((uint16_t)off, size, (uint32_t)v);
}

static void test_ports_in_memory(void **state)
{
	unsigned used = 0;
	struct fake_window window = {.base = 0x3eff0000, .len = 0x10000, .ctx = &used,
				     .read = window_read, .write = window_write};
	struct blk_dev *dev;

	(void)state;
	set_up(FAKE_PCI_LEGACY);
	host.io = window.base;
	host.io_ports = FAKE_VIRTIO_PORT + 20 + 64;
	fake_bus_add(&window);
	dev = open_ok();
	assert_true(used > 10);
	fill(buf, 8192, 5);
	assert_int_equal(blk_rw(dev, BLK_WRITE, 8, buf, 8192), 0);
	assert_memory_equal(media + 8 * 512, buf, 8192);
	assert_int_equal(fake_stray, 0);
	blk_shutdown(dev);

	/* A window that ends before the device's last port is not used */
	used = 0;
	set_up(FAKE_PCI_LEGACY);
	host.io = window.base;
	host.io_ports = FAKE_VIRTIO_PORT + 20 + 63;
	fake_bus_add(&window);
	blk_shutdown(open_ok());
	assert_int_equal(used, 0);
}

static void test_rw(void **state)
{
	(void)state;
	for (int kind = 0; kind < FAKE_NR_KINDS; kind++) {
		struct blk_dev *dev;

		set_up(kind);
		dev = open_ok();
		write_and_read(dev);
		assert_int_equal(blk_flush(dev), 0);
		assert_int_equal(disk.requests[4], 1);
		blk_shutdown(dev);
		assert_harmless();
	}
}

static void test_block_size_4096(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(FAKE_PCI_MODERN);
	disk.config.blk_size = 4096;
	dev = open_ok();
	assert_int_equal(dev->block_size, 4096);
	assert_int_equal(dev->nr_blocks, MEDIA_BYTES / 4096);
	fill(buf, 8192, 9);
	assert_int_equal(blk_rw(dev, BLK_WRITE, 3, buf, 8192), 0);
	assert_memory_equal(media + 3 * 4096, buf, 8192);
}

static void gather(struct blk_dev *dev, unsigned nr, uint32_t len)
{
	struct blk_seg segs[256];
	struct blk_req req = {
		.op = BLK_WRITE, .nr_blocks = nr * (len / 512), .nr_segs = nr, .segs = segs};

	fill(buf, sizeof(buf), nr);
	for (unsigned i = 0; i < nr; i++)
		segs[i] = (struct blk_seg){ virt_to_phys(buf) + ((i * 37) % 508) * 4096, len };
	assert_int_equal(blk_submit(dev, &req), 0);
	assert_int_equal(blk_wait(dev, &req), 0);
	for (unsigned i = 0; i < nr; i++)
		assert_memory_equal(media + i * len, (void *)(uintptr_t)segs[i].pa, len);
}

/* The device asserts its own limits; what we promise upwards must always fit */
static void test_limits(void **state)
{
	static const struct { uint32_t seg_max, size_max; unsigned queue;
	} c[] = {
		{254, 0, 256},	   {126, 0, 128},   {30, 0, 256},     {1, 0, 256},
		{254, 65536, 256}, {16, 4096, 256}, {254, 512, 256},  {2, 4096, 256},
		{1, 4096, 256},	   {254, 6144, 64}, {254, 4608, 256}, {65535, 0, 16},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		struct blk_dev *dev;

		set_up(FAKE_PCI_MODERN);
		disk.config.seg_max = c[i].seg_max;
		disk.config.size_max = c[i].size_max;
		disk.features |= c[i].size_max ? BIT(1) : 0;
		disk.queue_max = disk.queue_size = (uint16_t)c[i].queue;
		dev = open_ok();
		assert_true(dev->max_bytes >= 4096 && dev->max_bytes % 4096 == 0);
		assert_true(dev->max_segs >= 1 && dev->max_segs <= c[i].seg_max);
		/* the worst case that the limits allow */
		for (uint32_t len = 4096; len <= 16384; len += 4096)
			if (len <= dev->max_bytes)
				gather(dev, (unsigned)min_u64(dev->max_segs, dev->max_bytes / len),
				       len);
		fill(buf, dev->max_bytes, 5);
		assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, dev->max_bytes), 0);
		assert_memory_equal(media, buf, dev->max_bytes);
		assert_int_equal(blk_rw(dev, BLK_READ, 1, buf, MIB(1)), 0);
		blk_shutdown(dev);
	}
}

static void test_limits_refused(void **state)
{
	(void)state;
	set_up(FAKE_PCI_MODERN);
	disk.features |= BIT(1);
	disk.config.size_max = 1024;
	disk.config.seg_max = 1;
	fails_to_open(-EOPNOTSUPP);

	set_up(FAKE_PCI_MODERN);
	disk.config.blk_size = 8192;
	fails_to_open(-EPROTOTYPE);

	set_up(FAKE_PCI_MODERN);
	disk.config.blk_size = 513;
	fails_to_open(-EPROTOTYPE);

	set_up(FAKE_PCI_MODERN);
	disk.config.capacity = UINT64_MAX;
	fails_to_open(-EPROTO);
}

static void test_queue_sizes(void **state)
{
	struct blk_dev *dev;

	(void)state;
	for (int kind = 0; kind < FAKE_NR_KINDS; kind++) {
		set_up(kind);
		disk.queue_max = disk.queue_size = VIRTQ_MAX_SIZE;
		dev = open_ok();
		assert_int_equal(disk.queue_size, VIRTQ_MAX_SIZE);
		gather(dev, 200, 4096);
	}
	/* modern: the driver takes less than offered */
	set_up(FAKE_PCI_MODERN);
	disk.queue_max = disk.queue_size = 32768;
	open_ok();
	assert_int_equal(disk.queue_size, VIRTQ_MAX_SIZE);
	/* legacy: the size is what it is */
	set_up(FAKE_PCI_LEGACY);
	disk.queue_max = 2 * VIRTQ_MAX_SIZE;
	fails_to_open(-EOPNOTSUPP);
	assert_true(fake_log_has("supported"));
	set_up(FAKE_PCI_MODERN);
	disk.queue_max = disk.queue_size = 0;
	fails_to_open(-EOPNOTSUPP);
}

static void test_out_of_order(void **state)
{
	struct blk_seg segs[17];
	struct blk_req reqs[17];
	struct blk_dev *dev;

	(void)state;
	set_up(FAKE_PCI_MODERN);
	dev = open_ok();
	disk.hold = true;
	disk.bad_sector = 8 * 5;
	for (unsigned round = 0; round < 40; round++) {
		for (unsigned i = 0; i < 17; i++) {
			segs[i] = (struct blk_seg){ virt_to_phys(buf) + i * 4096, 4096 };
			reqs[i] = (struct blk_req){
				.op = BLK_READ,
				.lba = i * 8,
				.nr_blocks = 8,
				.nr_segs = 1,
				.segs = &segs[i],
			};
			if (i < 16)
				assert_int_equal(blk_submit(dev, &reqs[i]), 0);
			else
				assert_int_equal(dev->ops->submit(dev, &reqs[i]), -EBUSY);
		}
		for (unsigned left = 16; left; left--) {
			fake_vblk_release(&disk, (left * 7 + round) % left);
			assert_int_equal(blk_poll(dev), 1);
		}
		for (unsigned i = 0; i < 16; i++) {
			assert_int_equal(reqs[i].status, i == 5 ? -EIO : 0);
			if (i != 5)
				assert_memory_equal(buf + i * 4096, media + i * 4096, 4096);
		}
	}
	assert_int_equal(disk.max_inflight, 16);
	assert_false(dev->failed);
}

/* Descriptors run out before slots do: the queue says busy, and goes on when some are back */
static void test_descriptors_run_out(void **state)
{
	struct blk_seg segs[100];
	struct blk_req reqs[3];
	struct blk_dev *dev;

	(void)state;
	set_up(FAKE_PCI_MODERN);
	dev = open_ok();
	disk.hold = true;
	for (unsigned i = 0; i < 100; i++)
		segs[i] = (struct blk_seg){ virt_to_phys(buf) + i * 8192, 4096 };
	for (unsigned i = 0; i < 3; i++)
		reqs[i] = (struct blk_req){.op = BLK_WRITE,
					   .lba = i * 800,
					   .nr_blocks = 800,
					   .nr_segs = 100,
					   .segs = segs};
	assert_int_equal(blk_submit(dev, &reqs[0]), 0);
	assert_int_equal(blk_submit(dev, &reqs[1]), 0);
	assert_int_equal(dev->ops->submit(dev, &reqs[2]), -EBUSY);
	fake_vblk_release(&disk, 1);
	assert_int_equal(blk_poll(dev), 1);
	assert_int_equal(reqs[1].status, 0);
	assert_int_equal(blk_submit(dev, &reqs[2]), 0);
}

static void test_status_never_success(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(FAKE_PCI_MODERN);
	dev = open_ok();
	disk.silent_status = true;
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -EIO);
	/* the request failed, the device did not */
	assert_false(dev->failed);
}

static void test_read_only(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(FAKE_MMIO_LEGACY);
	disk.features |= BIT(5);
	dev = open_ok();
	assert_true(dev->read_only);
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 512), -EROFS);
	assert_int_equal(disk.requests[1], 0);
}

static void test_write_cache(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(FAKE_PCI_MODERN);
	disk.config.writeback = 0;	/* write-through */
	assert_false(open_ok()->has_flush);
	set_up(FAKE_PCI_MODERN);
	disk.config.writeback = 0;	/* means nothing without CONFIG_WCE */
	disk.features &= ~BIT(11);
	assert_true(open_ok()->has_flush);
	set_up(FAKE_PCI_MODERN);
	disk.features &= ~(BIT(9) | BIT(11));
	dev = open_ok();
	assert_false(dev->has_flush);
	assert_int_equal(blk_flush(dev), 0);
	assert_int_equal(disk.requests[4], 0);
}

static void test_platform_features(void **state)
{
	(void)state;
	set_up(FAKE_PCI_MODERN);
	disk.features |= BIT(33) | BIT(36);
	open_ok();
	assert_int_equal(disk.driver_features & (BIT(33) | BIT(36)), BIT(33) | BIT(36));
}

static void test_no_notify(void **state)
{
	struct blk_dev *dev;
	unsigned before;

	(void)state;
	set_up(FAKE_PCI_MODERN);
	disk.no_notify = true;
	fake_tick = run_disk;
	dev = open_ok();
	before = disk.notifies;
	assert_int_equal(blk_rw(dev, BLK_READ, 0, buf, 4096), 0);
	assert_int_equal(disk.notifies, before);
}

static void test_serial(void **state)
{
	(void)state;
	set_up(FAKE_PCI_MODERN);
	memcpy(disk.serial, "12345678901234567890", 20);	/* full: no terminator */
	assert_string_equal(open_ok()->serial, "12345678901234567890");
	set_up(FAKE_PCI_MODERN);
	memcpy(disk.serial, "AB \x01 CD  ", 9);
	assert_string_equal(open_ok()->serial, "AB");
	set_up(FAKE_PCI_MODERN);
	disk.unsupported_id = true;
	assert_string_equal(open_ok()->serial, "");
}

/* --- hostile and broken devices --- */

static void breaks(struct blk_dev *dev, int rc)
{
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), rc);
	assert_true(dev->failed);
	assert_harmless();
	assert_int_equal(dev->ops->poll(dev), -ENODEV);
	assert_int_equal(dev->ops->submit(dev, &(struct blk_req){ .op = BLK_FLUSH }), -ENODEV);
}

static void test_wrong_id(void **state)
{
	static const int64_t ids[] = { 1, 255, 256, 65536, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		struct blk_dev *dev;

		set_up(FAKE_PCI_MODERN);
		dev = open_ok();
		disk.wrong_id = ids[i];
		breaks(dev, -EIO);
	}
}

static void test_wrong_len(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(FAKE_PCI_MODERN);
	dev = open_ok();
	disk.wrong_len = 2;	/* a write lets the device write one byte */
	breaks(dev, -EIO);
	set_up(FAKE_PCI_MODERN);
	dev = open_ok();
	disk.wrong_len = 0;	/* some devices do not care to fill it in: harmless */
	assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), 0);
}

/* The same completion twice: the chain is not in flight the second time */
static void test_double_completion(void **state)
{
	struct blk_seg seg = { virt_to_phys(buf), 4096 };
	struct blk_req req = { .op = BLK_READ, .nr_blocks = 8, .nr_segs = 1, .segs = &seg };
	struct blk_dev *dev;
	uint32_t id;

	(void)state;
	set_up(FAKE_PCI_MODERN);
	dev = open_ok();
	disk.hold = true;
	assert_int_equal(blk_submit(dev, &req), 0);
	id = disk.held[0].id;
	fake_vblk_release(&disk, 0);
	fake_vblk_complete(&disk, id, 1);
	assert_int_equal(blk_poll(dev), -EIO);
	assert_int_equal(req.status, 0);
	assert_true(dev->failed);
}

/* An index that runs ahead of everything made available */
static void test_index_runs_ahead(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(FAKE_PCI_MODERN);
	dev = open_ok();
	((struct virtq_used *)(uintptr_t)disk.used)->idx += 40000;
	assert_int_equal(blk_poll(dev), -EIO);
	assert_true(dev->failed);
}

static void test_timeout(void **state)
{
	struct blk_dev *dev;
	uint64_t before_us;

	(void)state;
	set_up(FAKE_PCI_LEGACY);
	dev = open_ok();
	disk.drop = true;
	before_us = fake_now_us;
	breaks(dev, -ETIMEDOUT);
	assert_true(fake_now_us - before_us < 2 * blk_timeout_us);
	assert_int_equal(disk.status, 0);
}

static void test_no_answer_at_start(void **state)
{
	(void)state;
	set_up(FAKE_PCI_MODERN);
	disk.drop = true;
	fails_to_open(-ETIMEDOUT);
}

static void test_vanishes(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2 * FAKE_NR_KINDS; kind++) {
		struct blk_dev *dev;

		set_up(kind % FAKE_NR_KINDS);
		disk.gone_reads_zero = kind >= FAKE_NR_KINDS;
		dev = open_ok();
		disk.gone = disk.fn.gone = true;
		assert_int_equal(blk_rw(dev, BLK_WRITE, 0, buf, 4096), -ENODEV);
		assert_true(dev->failed);
		assert_true(fake_now_us < 1000000);
	}
}

static void test_needs_reset(void **state)
{
	struct blk_dev *dev;

	(void)state;
	set_up(FAKE_PCI_MODERN);
	dev = open_ok();
	disk.drop = true;
	disk.status |= 0x40;
	breaks(dev, -EIO);
	assert_true(fake_now_us < 1000000);
}

static void test_reset(void **state)
{
	(void)state;
	set_up(FAKE_PCI_MODERN);
	disk.reset_us = 900000;		/* slow, but it comes */
	blk_shutdown(open_ok());
	for (int kind = 0; kind < FAKE_NR_KINDS; kind++) {
		set_up(kind);
		disk.never_reset = true;
		fails_to_open(-ETIMEDOUT);
		assert_true(fake_now_us < 10000000);
		assert_false(dma_lost);	/* it has never been told of our memory */
	}
}

/* It keeps its queue: on PCI it loses bus mastering, elsewhere we lose the memory */
static void test_last_reset(void **state)
{
	(void)state;
	for (int kind = 0; kind < FAKE_NR_KINDS; kind++) {
		struct blk_dev *dev;

		set_up(kind);
		dev = open_ok();
		disk.never_reset = true;
		blk_shutdown(dev);
		assert_int_equal(dma_lost, !is_pci());
		assert_harmless();
		set_up(kind);
		blk_shutdown(open_ok());
		assert_false(dma_lost);
	}
}

static void test_features_refused(void **state)
{
	(void)state;
	set_up(FAKE_PCI_MODERN);
	disk.refuse_features = true;
	fails_to_open(-EPROTO);
	set_up(FAKE_MMIO_MODERN);
	disk.features &= ~BIT(32);
	fails_to_open(-EPROTO);
}

static void test_unstable_config(void **state)
{
	(void)state;
	set_up(FAKE_MMIO_MODERN);
	disk.unstable_config = true;
	fails_to_open(-EIO);
}

static unsigned pci_type(uint16_t vendor, uint16_t device)
{
	return virtio_pci_type(&(struct pci_dev){ .host = &host, .vendor = vendor, .device = device });
}

static void test_types(void **state)
{
	struct virtio_mmio_spec spec = { FAKE_VIRTIO_MMIO + 0x200, 0x200, true };

	(void)state;
	set_up(FAKE_MMIO_MODERN);
	assert_int_equal(virtio_mmio_type(&spec), 0);		/* nothing answers */
	spec = (struct virtio_mmio_spec){ FAKE_VIRTIO_MMIO, 0x80, true };
	assert_int_equal(virtio_mmio_type(&spec), 0);		/* too small a window */
	assert_int_equal(pci_type(0x1af4, 0x1041), 1);		/* a network card */
	assert_int_equal(pci_type(0x1af4, 0x1048), VIRTIO_ID_SCSI);
	assert_int_equal(pci_type(0x1af4, 0x1004), VIRTIO_ID_SCSI);
	assert_int_equal(pci_type(0x1af4, 0x1005), 0);		/* transitional, not a disk */
	assert_int_equal(pci_type(0x1af4, 0x1040), 0);
	assert_int_equal(pci_type(0x1af4, 0x1080), 0);
	assert_int_equal(pci_type(0x1af5, 0x1042), 0);
}

/*
 * A segment that no device reaches, after one that it does: the request is refused, and nothing of it
 * is left in the queue.
 */
static void test_unreachable_segment(void **state)
{
	struct blk_seg segs[2] = { { virt_to_phys(buf), 4096 }, { ~4095ULL, 8192 } };
	struct blk_req req = { .op = BLK_READ, .nr_blocks = 24, .nr_segs = 2, .segs = segs };
	struct blk_dev *dev;

	(void)state;
	set_up(FAKE_PCI_MODERN);
	dev = open_ok();
	for (unsigned i = 0; i < 300; i++)
		assert_int_equal(dev->ops->submit(dev, &req), -ERANGE);
	assert_int_equal(disk.max_inflight, 1);			/* the serial number */
	assert_int_equal(blk_rw(dev, BLK_READ, 0, buf, MIB(1)), 0);
	assert_memory_equal(buf, media, MIB(1));
}

/* Each queue has its own notification register, as far from the others as the device says */
static void test_notify_address(void **state)
{
	struct virtio_place at = { 0 };
	struct virtio_dev dev;
	struct pci_dev pci;
	struct virtq vq;

	(void)state;
	set_up(FAKE_PCI_MODERN);
	disk.several_queues = true;
	assert_int_equal(pci_find(&host, 0, &pci), 0);
	at.pci = &pci;
	assert_int_equal(virtio_open(&dev, &at), 0);
	for (uint16_t i = 0; i < 3; i++) {
		disk.queue_live = false;
		virtq_init(&vq, &dev.dma, i, dma_area, 64);
		assert_int_equal(dev.ops->queue_enable(&dev, &vq), 0);
		assert_int_equal((uintptr_t)vq.notify, FAKE_VIRTIO_BAR + 0x3000 + 4 * (2 + i));
	}
}

/* An exception can strike at any moment of a start */
static unsigned abort_after, struck;

static bool reaches_us(void)
{
	return disk.queue_live && disk.desc == virt_to_phys(dma_area) &&
	       (!is_pci() || fake_pci_is_master(&disk.fn));
}

static void abort_soon(void)
{
	if (--abort_after)
		return;
	fake_tick = NULL;
	struck += reaches_us();
	dma_abort();
	assert_false(reaches_us());
	/* the start itself does not go on; here it has to end somehow */
	disk.gone = disk.fn.gone = true;
}

static void test_abort_while_starting(void **state)
{
	(void)state;
	for (int kind = 0; kind < FAKE_NR_KINDS; kind++) {
		struck = 0;
		for (unsigned n = 1; n < 40; n++) {
			struct blk_dev *dev;

			set_up(kind);
			disk.no_notify = true;	/* else it is ready within one look at the clock */
			abort_after = n;
			fake_tick = abort_soon;
			if (!open_disk(&dev))
				blk_shutdown(dev);
			assert_false(dma_lost);
		}
		assert_true(struck > 0);
	}
}

/* Capabilities that point nowhere: the structures are not usable, and there are no ports either */
static void test_bad_capabilities(void **state)
{
	unsigned cap;

	(void)state;
	set_up(FAKE_PCI_MODERN);
	fake_pci_bar64(&disk.fn, 4, 0);			/* BAR never assigned */
	fails_to_open(-EPROTO);

	set_up(FAKE_PCI_MODERN);
	cap = disk.fn.cap_last;				/* common configuration: too short */
	fake_pci_set32(&disk.fn, cap + 12, 8);
	fails_to_open(-EPROTO);

	set_up(FAKE_PCI_MODERN);
	disk.fn.cfg[disk.fn.cap_last + 4] = 9;		/* no such BAR */
	fails_to_open(-EPROTO);

	set_up(FAKE_PCI_MODERN);
	disk.fn.cfg[disk.fn.cap_last + 1] = 0x40;	/* the list is a loop */
	disk.fn.cfg[disk.fn.cap_last] = 0;
	fails_to_open(-EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_transitional_is_driven_modern),
		cmocka_unit_test(test_ports_in_memory),
		cmocka_unit_test(test_rw),
		cmocka_unit_test(test_block_size_4096),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_limits_refused),
		cmocka_unit_test(test_queue_sizes),
		cmocka_unit_test(test_out_of_order),
		cmocka_unit_test(test_descriptors_run_out),
		cmocka_unit_test(test_status_never_success),
		cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_write_cache),
		cmocka_unit_test(test_platform_features),
		cmocka_unit_test(test_no_notify),
		cmocka_unit_test(test_serial),
		cmocka_unit_test(test_wrong_id),
		cmocka_unit_test(test_wrong_len),
		cmocka_unit_test(test_double_completion),
		cmocka_unit_test(test_index_runs_ahead),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_no_answer_at_start),
		cmocka_unit_test(test_vanishes),
		cmocka_unit_test(test_needs_reset),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_last_reset),
		cmocka_unit_test(test_features_refused),
		cmocka_unit_test(test_unstable_config),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_unreachable_segment),
		cmocka_unit_test(test_notify_address),
		cmocka_unit_test(test_abort_while_starting),
		cmocka_unit_test(test_bad_capabilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
