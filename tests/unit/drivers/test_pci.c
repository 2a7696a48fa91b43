// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * drivers/pci.c and the walk over all disks in stub/disk/devices.c, against simulated functions and
 * devices.
 */
/* needs: tests/unit/fake/iommu.c drivers/pci.c drivers/dma.c tests/unit/fake/arena.c drivers/blk/nvme.c stub/disk/devices.c stub/disk/blk.c */
/* needs: drivers/virtio/virtio.c drivers/virtio/virtio_ring.c drivers/virtio/virtio_pci.c drivers/virtio/virtio_mmio.c */
/* needs: drivers/blk/virtio_blk.c drivers/blk/virtio_disk.c drivers/blk/virtio_scsi.c drivers/blk/scsi.c drivers/blk/ahci.c */
/* needs: tests/unit/fake/bus.c stub/idle.c tests/unit/fake/clock.c tests/unit/fake/log.c */
/* needs: tests/unit/fake/pci_bus.c */
/* needs: tests/unit/fake/nvme_ctrl.c tests/unit/fake/virtio_disk.c tests/unit/fake/virtio_scsi.c tests/unit/fake/ahci.c */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "drivers/dma.h"
#include "drivers/pci.h"
#include "stub/disk/devices.h"
#include "stub/idle.h"
#include "stub/log.h"
#include "tests/unit/fake/ahci.h"
#include "tests/unit/fake/arena.h"
#include "tests/unit/fake/bus.h"
#include "tests/unit/fake/iommu.h"
#include "tests/unit/fake/nvme_ctrl.h"
#include "tests/unit/fake/virtio_disk.h"
#include "tests/unit/fake/virtio_scsi.h"

static struct pci_host host;
static struct pci_dev dev;
static uint8_t media[MIB(2)];

static void set_up(bool ecam, uint8_t bus_end)
{
	dma_abort();
	disk_init(NULL, NULL);
	dma_lost = false;
	idle_set_deadline(0);
	fake_bus_reset();
	fake_log_reset();
	host = fake_pci_host(ecam, bus_end);
}

static void test_find(void **state)
{
	(void)state;
	for (int ecam = 0; ecam < 2; ecam++) {
		struct fake_pci_fn a = {.bus = 0, .devfn = 1 << 3},
				   b = {.bus = 3, .devfn = 31 << 3 | 7};
		struct fake_pci_fn b0 = {.bus = 3, .devfn = 31 << 3}, c = {.bus = 200, .devfn = 0};

		set_up(ecam, 255);
		host.segment = 1;
		fake_pci_add(&a, 0x8086, 0x1237, 0x060000);
		fake_pci_add(&b, 0x1b36, 0x0010, 0x010802);
		fake_pci_add(&b0, 0x8086, 1, 0x060100);
		fake_pci_add(&c, 0x1af4, 0x1042, 0x010000);
		b0.cfg[0x0e] = 0x80;	/* more than one function */
		a.cfg[0x0e] = 0x00;

		assert_int_equal(pci_find(&host, 0, &dev), 0);
		assert_int_equal(pci_position(&dev), 0x0008);
		assert_int_equal(pci_find(&host, 0x0009, &dev), 0);
		assert_string_equal(dev.name, "0001:03:1f.0");
		assert_int_equal(pci_find(&host, pci_position(&dev) + 1, &dev), 0);
		assert_string_equal(dev.name, "0001:03:1f.7");
		assert_int_equal(dev.vendor, 0x1b36);
		assert_int_equal(dev.device, 0x0010);
		assert_int_equal(dev.class_code, 0x010802);
		assert_int_equal(pci_find(&host, pci_position(&dev) + 1, &dev), 0);
		assert_string_equal(dev.name, "0001:c8:00.0");
		assert_int_equal(pci_find(&host, pci_position(&dev) + 1, &dev), -ENOENT);

		/* function 0 says that there is only one: 7 is an echo, not a function */
		b0.cfg[0x0e] = 0;
		assert_int_equal(pci_find(&host, 0x0009, &dev), 0);
		assert_int_equal(pci_find(&host, pci_position(&dev) + 1, &dev), 0);
		assert_string_equal(dev.name, "0001:c8:00.0");

		/* only the host's own buses are looked at */
		host.bus_start = 4;
		host.bus_end = 199;
		assert_int_equal(pci_find(&host, 0, &dev), -ENOENT);
	}
}

static void test_ports_reach_256_bytes(void **state)
{
	struct fake_pci_fn a = { .bus = 0, .devfn = 0 };

	(void)state;
	set_up(false, 0);
	fake_pci_add(&a, 0x8086, 0x1237, 0x060000);
	assert_int_equal(pci_find(&host, 0, &dev), 0);
	assert_int_equal(pci_read32(&dev, 0), 0x12378086);
	assert_int_equal(pci_read32(&dev, 0x100), 0xffffffff);
	pci_write32(&dev, 0x110, 0x11111111);	/* must not end up in BAR 0 */
	assert_int_equal(fake_pci_get32(&a, 0x10), 0);
	pci_write16(&dev, 0x3e, 0xbeef);
	assert_int_equal(pci_read16(&dev, 0x3e), 0xbeef);
	assert_int_equal(pci_read8(&dev, 0x3f), 0xbe);
	assert_int_equal(pci_read16(&dev, 0x3c), 0);
	assert_int_equal(pci_read16(&dev, 0x100), 0xffff);
	assert_int_equal(pci_read8(&dev, 0x100), 0xff);
}

static void test_capabilities(void **state)
{
	struct fake_pci_fn a = { .bus = 0, .devfn = 0 };
	unsigned first, second;

	(void)state;
	set_up(true, 0);
	fake_pci_add(&a, 0x1af4, 0x1042, 0x010000);
	assert_int_equal(pci_find(&host, 0, &dev), 0);
	assert_int_equal(pci_find_cap(&dev, PCI_CAP_PM, 0), 0);
	first = fake_pci_cap(&a, PCI_CAP_VENDOR, 16);
	fake_pci_cap(&a, PCI_CAP_PM, 8);
	second = fake_pci_cap(&a, PCI_CAP_VENDOR, 16);
	assert_int_equal(pci_find_cap(&dev, PCI_CAP_VENDOR, 0), first);
	assert_int_equal(pci_find_cap(&dev, PCI_CAP_VENDOR, first), second);
	assert_int_equal(pci_find_cap(&dev, PCI_CAP_VENDOR, second), 0);
	assert_int_equal(pci_find_cap(&dev, PCI_CAP_PCIE, 0), 0);

	a.cfg[second + 1] = (uint8_t)first;	/* a loop ends */
	assert_int_equal(pci_find_cap(&dev, PCI_CAP_PCIE, 0), 0);
	a.cfg[second + 1] = 0x10; /* into the header: not a capability, whatever it looks like */
	fake_pci_bar32(&a, 0, 0xfebf0010, false);
	assert_int_equal(pci_find_cap(&dev, PCI_CAP_PCIE, 0), 0);
	a.cfg[6] = 0;				/* no list at all */
	assert_int_equal(pci_find_cap(&dev, PCI_CAP_VENDOR, 0), 0);
	a.gone = true;				/* all ones everywhere */
	assert_int_equal(pci_find_cap(&dev, PCI_CAP_VENDOR, 0), 0);
}

static void test_bars(void **state)
{
	struct fake_pci_fn a = { .bus = 0, .devfn = 0 };
	struct pci_bar bar = { 0 };

	(void)state;
	set_up(true, 0);
	fake_pci_add(&a, 0x1af4, 0x1042, 0x010000);
	fake_pci_bar32(&a, 0, 0xc040, true);
	fake_pci_bar32(&a, 1, 0xfebf1000, false);
	fake_pci_bar64(&a, 2, 0x12345678000ULL);
	fake_pci_set32(&a, 0x24, 0x4);		/* 64 bits in the last one */
	assert_int_equal(pci_find(&host, 0, &dev), 0);
	assert_int_equal(pci_bar(&dev, 0, &bar), 0);
	assert_true(bar.io && bar.addr == 0xc040);
	assert_int_equal(pci_bar(&dev, 1, &bar), 0);
	assert_true(!bar.io && bar.addr == 0xfebf1000);
	assert_int_equal(pci_bar(&dev, 2, &bar), 0);
	assert_true(!bar.io && bar.addr == 0x12345678000ULL);
	assert_int_equal(pci_bar(&dev, 4, &bar), -ENODEV);	/* unassigned */
	assert_int_equal(pci_bar(&dev, 5, &bar), -ENODEV);
	assert_int_equal(pci_bar(&dev, 6, &bar), -ENODEV);
	fake_pci_set32(&a, 0x14, 0xfebf1002);			/* reserved type */
	assert_int_equal(pci_bar(&dev, 1, &bar), -ENODEV);
	a.cfg[0x0e] = 1;					/* a bridge has others */
	assert_int_equal(pci_bar(&dev, 0, &bar), -ENODEV);
	a.cfg[0x0e] = 0;
	a.gone = true;
	assert_int_equal(pci_bar(&dev, 0, &bar), -ENODEV);
	assert_true(bar.addr == 0x12345678000ULL);		/* written on success only */
}

static void test_wake(void **state)
{
	struct fake_pci_fn a = { .bus = 0, .devfn = 0 };
	unsigned msi, msix, pm;

	(void)state;
	set_up(false, 0);
	fake_pci_add(&a, 0x1b36, 0x0010, 0x010802);
	msi = fake_pci_cap(&a, PCI_CAP_MSI, 24);
	msix = fake_pci_cap(&a, PCI_CAP_MSIX, 12);
	pm = fake_pci_cap(&a, PCI_CAP_PM, 8);
	fake_pci_set16(&a, msi + 2, 0x0081);
	fake_pci_set16(&a, msix + 2, 0xc007);
	fake_pci_set16(&a, pm + 4, 0x0003);	/* D3hot */
	fake_pci_bar64(&a, 0, 0xfe000000);
	fake_pci_set16(&a, 4, 0x0000);
	assert_int_equal(pci_find(&host, 0, &dev), 0);
	assert_int_equal(pci_wake(&dev), 0);
	assert_int_equal(a.d3_exits, 1);
	assert_int_equal(fake_pci_get16(&a, pm + 4) & 3, 0);
	assert_int_equal(fake_pci_get32(&a, 0x10), 0xfe000004);	/* survived the loss */
	assert_int_equal(fake_pci_get16(&a, msi + 2), 0x0080);
	assert_int_equal(fake_pci_get16(&a, msix + 2), 0x4007);
	/* decoding on, INTx off, and no DMA on our account */
	assert_int_equal(fake_pci_get16(&a, 4), 0x0403);
	pci_set_master(&dev, true);
	assert_int_equal(fake_pci_get16(&a, 4), 0x0407);
	pci_set_master(&dev, false);
	assert_int_equal(fake_pci_get16(&a, 4), 0x0403);
	a.gone = true;
	assert_int_equal(pci_wake(&dev), -ENODEV);
}

static void test_flr(void **state)
{
	struct fake_pci_fn a = { .bus = 0, .devfn = 0 };
	unsigned pcie;

	(void)state;
	set_up(true, 0);
	fake_pci_add(&a, 0x1b36, 0x0010, 0x010802);
	fake_pci_bar64(&a, 0, 0x4000000000ULL);
	assert_int_equal(pci_find(&host, 0, &dev), 0);
	assert_int_equal(pci_flr(&dev), -EOPNOTSUPP);	/* no PCI Express capability */
	pcie = fake_pci_cap(&a, PCI_CAP_PCIE, 60);
	assert_int_equal(pci_flr(&dev), -EOPNOTSUPP);	/* not able to */
	assert_int_equal(a.flrs, 0);
	fake_pci_set32(&a, pcie + 4, BIT(28));
	fake_pci_set16(&a, pcie + 8, 0x2810);
	fake_pci_set16(&a, pcie + 10,
		       0x0020); /* transactions pending, for ever: waited for, within limits */
	fake_now_us = 0;
	assert_int_equal(pci_flr(&dev), 0);
	assert_int_equal(a.flrs, 1);
	assert_true(fake_now_us >= 200000 && fake_now_us < 400000);
	assert_int_equal(fake_pci_get32(&a, 0x10), 4);
	assert_int_equal(fake_pci_get32(&a, 0x14), 0x40);
	assert_int_equal(fake_pci_get16(&a, pcie + 8), 0x2810);
	/* decoding as before, but no DMA until somebody asks for it */
	assert_int_equal(fake_pci_get16(&a, 4), 0x0403);
	a.no_return = true;
	assert_int_equal(pci_flr(&dev), -ENODEV);
}

/* --- stub/disk/devices.c --- */

static struct fake_nvme ctrl;
static struct fake_vblk vpci, vmmio;
static struct boot_info bi;

static void machine(void)
{
	set_up(true, 1);
	memset(&bi, 0, sizeof(bi));
	fake_vblk_init(&vpci, FAKE_PCI_MODERN, media, sizeof(media));
	fake_nvme_init(&ctrl, 9, media, sizeof(media));
	fake_vblk_init(&vmmio, FAKE_MMIO_LEGACY, media, sizeof(media));
	ctrl.ns[1] = ctrl.ns[0];
	ctrl.ns[1].nsid = 7;
	bi.nr_pci_hosts = 1;
	bi.pci_hosts = &host;
	/* empty slots around the one that is filled, as on arm64 machines */
	bi.nr_virtio_mmio = 3;
	for (unsigned i = 0; i < 3; i++)
		bi.virtio_mmio[i] = (struct virtio_mmio_spec){FAKE_VIRTIO_MMIO + 0x200 * i - 0x200,
							      0x200, true};
}

static unsigned walk(struct disk_iter *it, const char *const names[], unsigned max)
{
	struct blk_dev *disk;
	unsigned n = 0;

	while (!disk_next(it, &bi, &disk)) {
		assert_true(n < max);
		assert_string_equal(disk->name, names[n++]);
		assert_int_equal(blk_rw(disk, BLK_READ, 0, media, 512), 0);
		disk_done(it, disk, false);
	}
	/* and stays at the end */
	assert_int_equal(disk_next(it, &bi, &disk), -ENOENT);
	return n;
}

static void test_all_disks(void **state)
{
	static const char *const names[] = {
		"virtio-blk 0000:00:03.0",
		"virtio-blk mmio 0xa003e00",
		"nvme 0000:00:04.0 ns 1",
		"nvme 0000:00:04.0 ns 7",
	};

	(void)state;
	/* twice, since the machine is walked once per dump= word */
	machine();
	for (int i = 0; i < 2; i++) {
		struct disk_iter it = { 0 };

		assert_int_equal(walk(&it, names, 4), 4);
		assert_int_equal(it.failures, 0);
		/* once for both of its namespaces */
		assert_int_equal(ctrl.enables, i + 1);
		assert_int_equal(ctrl.shutdowns, i + 1);
	}
	assert_false(fake_pci_is_master(&ctrl.fn));
	assert_false(fake_pci_is_master(&vpci.fn));
}

static void test_broken_ones_are_skipped(void **state)
{
	static const char *const names[] = {"virtio-blk mmio 0xa003e00", "nvme 0000:00:04.0 ns 7"};
	struct disk_iter it = { 0 };

	(void)state;
	machine();
	vpci.never_reset = true;
	ctrl.ns[0].ms = 8;
	assert_int_equal(walk(&it, names, 2), 2);
	assert_int_equal(it.failures, 1);
	assert_int_equal(it.unsupported, 1);
}

/* A controller without any namespace is neither a disk nor a failure */
static void test_empty_controller(void **state)
{
	static const char *const names[] = {"virtio-blk 0000:00:03.0", "virtio-blk mmio 0xa003e00"};
	struct disk_iter it = { 0 };

	(void)state;
	machine();
	ctrl.ns[0].nsid = ctrl.ns[1].nsid = 0;
	assert_int_equal(walk(&it, names, 2), 2);
	assert_int_equal(it.failures, 0);
}

/*
 * Whatever holds disks and has no driver is named, once; what has one, and what is no storage, is
 * not.
 */
static void test_driverless_controllers(void **state)
{
	struct fake_pci_fn raid = { .bus = 0, .devfn = 5 << 3 }, sd = { .bus = 1, .devfn = 6 << 3 };
	struct disk_iter it = { 0 };
	struct blk_dev *disk;

	(void)state;
	machine();
	fake_pci_add(&raid, 0x8086, 0x2822, 0x010400);
	fake_pci_add(&sd, 0x1b36, 0x0007, 0x080501);
	fake_pci_set16(&raid, 4, 0x0007);
	while (!disk_next(&it, &bi, &disk))
		disk_done(&it, disk, false);
	assert_int_equal(it.failures, 0);
	assert_true(fake_pci_is_master(&raid));		/* left alone */

	fake_log_reset();
	disk_name_driverless(&bi);
	assert_int_equal(fake_log_lines[LOG_WARN], 2);
	assert_true(fake_log_has("pci 0000:00:05.0: 8086:2822, class 010400: no driver"));
	assert_true(fake_log_has("pci 0000:01:06.0: 1b36:0007, class 080501: no driver"));
	fake_log_reset();
	disk_name_driverless(&bi);
	assert_int_equal(fake_log_lines[LOG_WARN], 0);
}

/* Several disks behind one device that is started for each of them; its class says nothing */
static void test_units(void **state)
{
	static const char *const names[] = {
		"virtio-scsi 0000:00:03.0 0:1", "virtio-scsi 0000:00:03.0 2:0", "virtio-blk mmio 0xa003e00",
		"nvme 0000:00:04.0 ns 1", "nvme 0000:00:04.0 ns 7",
	};
	static struct fake_vscsi scsi;
	struct disk_iter it = { 0 };
	struct blk_dev *disk;

	(void)state;
	for (int i = 0; i < 3; i++) {
		machine();
		/* in place of virtio-blk: the last one added answers */
		set_up(true, 1);
		fake_vscsi_init(&scsi, FAKE_PCI_MODERN);
		fake_pci_set32(&scsi.v.fn, 8, 0xffff0000);
		fake_nvme_init(&ctrl, 9, media, sizeof(media));
		ctrl.ns[1] = ctrl.ns[0];
		ctrl.ns[1].nsid = 7;
		fake_vblk_init(&vmmio, FAKE_MMIO_LEGACY, media, sizeof(media));
		fake_vscsi_add(&scsi, 0, 0, 520, media, sizeof(media));
		fake_vscsi_add(&scsi, 0, 1, 512, media, sizeof(media))->serial = "A";
		fake_vscsi_add(&scsi, 2, 0, 512, media, sizeof(media))->serial = "B";
		it = (struct disk_iter){ 0 };
		if (i == 0) {
			assert_int_equal(walk(&it, names, 5), 5);
			assert_int_equal(it.unsupported, 1);
			assert_int_equal(it.failures, 0);
			continue;
		}
		while (!disk_next(&it, &bi, &disk))
			disk_done(&it, disk, !strcmp(disk->serial, "B"));
		if (i == 2) {
			scsi.nr_luns = 2;	/* it has gone since */
			assert_true(disk_reopen(&it, &bi, &disk) < 0);
		} else {
			assert_int_equal(disk_reopen(&it, &bi, &disk), 0);
			assert_string_equal(disk->serial, "B");
			assert_int_equal(blk_rw(disk, BLK_READ, 0, media, 512), 0);
			blk_shutdown(disk);
		}
		assert_false(fake_pci_is_master(&scsi.v.fn));
	}
}

/* Ports are reset once, whatever is looked at between them and after */
static void test_ports(void **state)
{
	static const char *const names[] = {
		"virtio-blk 0000:00:03.0", "ahci 0000:00:1f.2 port 1", "ahci 0000:00:1f.2 port 4", "virtio-blk mmio 0xa003e00",
		"nvme 0000:00:04.0 ns 1", "nvme 0000:00:04.0 ns 7",
	};
	static struct fake_ahci ahci;
	struct fake_pci_fn function0 = { .devfn = 31 << 3 };
	struct disk_iter it = { 0 };
	struct blk_dev *disk;

	(void)state;
	machine();
	fake_pci_add(&function0, 0x8086, 0x2918, 0x060100);
	function0.cfg[0x0e] = 0x80;
	fake_ahci_init(&ahci);
	fake_ahci_disk(&ahci, 1, 512, media, sizeof(media))->serial[0] = 'A';
	fake_ahci_disk(&ahci, 4, 512, media, sizeof(media));
	fake_ahci_disk(&ahci, 3, 512, media, sizeof(media))->never_ready = true;
	assert_int_equal(walk(&it, names, 6), 6);
	assert_int_equal(it.failures, 1);
	assert_int_equal(it.last_error, -ETIMEDOUT);
	it = (struct disk_iter){ 0 };
	while (!disk_next(&it, &bi, &disk))
		disk_done(&it, disk, strstr(disk->name, "port 4"));
	assert_int_equal(disk_reopen(&it, &bi, &disk), 0);
	assert_string_equal(disk->serial, "SATA-7");
	assert_int_equal(blk_rw(disk, BLK_READ, 0, media, 512), 0);
	blk_shutdown(disk);
	assert_false(fake_pci_is_master(&ahci.fn));
	assert_int_equal(ahci.resets, 1);
	assert_int_equal(ahci.dma_without_master, 0);
}

/* An exception can strike while a controller is being started, and no target knows it yet */
static unsigned abort_after, struck;

static void abort_soon(void)
{
	if (--abort_after)
		return;
	fake_tick = NULL;
	struck += fake_pci_is_master(&ctrl.fn) && ctrl.cc & NVME_CC_EN && ctrl.asq != 0x1000;
	disk_abort();
	assert_false(fake_pci_is_master(&ctrl.fn) && ctrl.asq != 0x1000);
	/* the start itself does not go on; here it has to end somehow */
	fake_nvme_unplug(&ctrl);
}

static void test_abort_while_starting(void **state)
{
	(void)state;
	struck = 0;
	for (unsigned n = 1; n < 3000; n += 7) {
		struct disk_iter it = { 0 };
		struct blk_dev *disk;

		machine();
		bi.pci_hosts[0].bus_end = 0;
		vpci.fn.gone = true;
		bi.nr_virtio_mmio = 0;
		abort_after = n;
		fake_tick = abort_soon;
		while (!disk_next(&it, &bi, &disk))
			disk_done(&it, disk, false);
	}
	assert_true(struck > 10);
	assert_false(dma_lost);
}

static void test_no_disks(void **state)
{
	struct disk_iter it = { 0 };
	struct blk_dev *disk;

	(void)state;
	set_up(true, 255);
	memset(&bi, 0, sizeof(bi));
	assert_int_equal(disk_next(&it, &bi, &disk), -ENOENT);
	bi.nr_pci_hosts = 1;
	bi.pci_hosts = &host;
	assert_int_equal(disk_next(&it, &bi, &disk), -ENOENT);
	assert_int_equal(it.failures, 0);
}

/* --- many NVMe controllers: each test walks until the disk with @target is the one kept --- */

#define MANY 26

static struct fake_nvme many[MANY];
static uint8_t many_media[MANY][4096];

static void many_machine(unsigned nr)
{
	set_up(true, 0);
	memset(&bi, 0, sizeof(bi));
	fake_step_us = 100;
	for (unsigned i = 0; i < nr; i++) {
		fake_nvme_init_at(&many[i], i, 9, many_media[i], sizeof(many_media[i]));
		snprintf(many[i].sn, sizeof(many[i].sn), "N%u", i);
		many[i].enable_us = 500000;
	}
	bi.nr_pci_hosts = 1;
	bi.pci_hosts = &host;
}

/* Look at all, and keep the one that is called @serial. Returns how many were seen. */
static unsigned look_for(struct disk_iter *it, const char *serial)
{
	struct blk_dev *disk;
	unsigned n = 0;

	*it = (struct disk_iter){ 0 };
	while (!disk_next(it, &bi, &disk)) {
		n++;
		assert_int_equal(blk_rw(disk, BLK_READ, 0, media, 512), 0);
		disk_done(it, disk, !strcmp(disk->serial, serial));
	}
	return n;
}

static void found(struct disk_iter *it, const char *serial)
{
	struct blk_dev *disk;

	for (unsigned i = 0; i < MANY; i++) {
		bool is_it = many[i].fn.ctx && !strcmp(many[i].sn, serial);

		if (!many[i].fn.ctx)
			continue;
		assert_int_equal(fake_pci_is_master(&many[i].fn), is_it);
		assert_int_equal(many[i].dma_without_master, 0);
		assert_true(many[i].enables <= 1);
	}
	assert_int_equal(disk_reopen(it, &bi, &disk), 0);
	assert_string_equal(disk->serial, serial);
	assert_int_equal(blk_rw(disk, BLK_READ, 0, media, 512), 0);
	blk_shutdown(disk);
	for (unsigned i = 0; i < MANY; i++)
		assert_false(fake_pci_is_master(&many[i].fn));
	assert_false(dma_lost);
}

static void test_side_by_side(void **state)
{
	struct disk_iter it;

	(void)state;
	many_machine(MANY);
	assert_int_equal(look_for(&it, "N25"), MANY);
	assert_true(fake_now_us < 1500000);
	assert_int_equal(it.failures, 0);
	assert_int_equal(many[25].shutdowns, 0);
	assert_int_equal(many[0].shutdowns, 1);
	found(&it, "N25");
	assert_int_equal(many[25].shutdowns, 1);

	/* shutdowns too */
	many_machine(MANY);
	for (unsigned i = 0; i < MANY; i++) {
		many[i].shutdown_us = 7000000;
		many[i].rtd3e_us = 9000000;
	}
	assert_int_equal(look_for(&it, "N3"), MANY);
	assert_true(fake_now_us > 7000000 && fake_now_us < 8500000);
	assert_false(fake_log_has("shutdown not complete"));
	found(&it, "N3");
}

/* Nobody can wait 127 s for one that is dead, unless it may be the target; or 10 s for its commands */
static void test_dead_one_in_front(void **state)
{
	struct disk_iter it;
	uint64_t usual_us;

	(void)state;
	many_machine(MANY);
	many[0].fn.gone = true;
	assert_int_equal(look_for(&it, "N3"), MANY - 1);
	usual_us = fake_now_us;
	found(&it, "N3");
	for (unsigned i = 0; i < 3; i++) {
		many_machine(MANY);
		many[0].cap |= NVME_CAP_TO;
		many[0].never_ready = i == 0;
		many[0].never_disabled = i == 1;
		many[0].drop_admin = i == 2;
		assert_int_equal(look_for(&it, "N3"), MANY - 1);
		/* the others' own time, and the second that a slow one may need */
		assert_in_range(fake_now_us, usual_us, usual_us + 1100000);
		assert_int_equal(it.failures, 1);
		found(&it, "N3");
	}
	many_machine(4);
	many[0].cap |= NVME_CAP_TO;
	many[0].enable_us = 100000000;
	assert_int_equal(look_for(&it, "N0"), 4);
	assert_int_equal(it.failures, 0);
	found(&it, "N0");
}

/* Time is lost to it in one search, whatever it is that it does not do; who was merely late is looked at again */
static void test_dead_one_costs_once(void **state)
{
	struct disk_iter it;
	struct blk_dev *disk;
	uint64_t usual_us, start_us;

	(void)state;
	many_machine(4);
	assert_int_equal(look_for(&it, ""), 4);
	usual_us = fake_now_us;
	for (unsigned i = 0; i < 4; i++) {
		many_machine(4);
		many[0].cap |= NVME_CAP_TO;
		many[0].never_ready = i == 0;
		many[0].never_disabled = i == 1;
		many[0].drop_admin = i == 2;
		many[0].drop_io = i == 3;
		it = (struct disk_iter){ 0 };
		while (!disk_next(&it, &bi, &disk)) {
			blk_rw(disk, BLK_READ, 0, media, 512);
			disk_done(&it, disk, false);
		}
		assert_true(fake_now_us > 5000000);
		for (unsigned n = 0; n < 2; n++) {
			start_us = fake_now_us;
			assert_int_equal(look_for(&it, ""), 3);
			assert_true(fake_now_us - start_us < usual_us + 100000);
			/* and still explains why there is no target */
			assert_int_equal(it.failures, 1);
			assert_int_equal(it.last_error, -ETIMEDOUT);
		}
		assert_false(fake_pci_is_master(&many[0].fn));
	}
	many_machine(4);
	many[0].cap |= NVME_CAP_TO;
	many[0].enable_us = 4000000;
	assert_int_equal(look_for(&it, "N3"), 3);
	disk_forget(&it);
	assert_int_equal(look_for(&it, "N0"), 4);
	disk_forget(&it);
}

/* The overall deadline ends the search, whoever is waited for; nobody is left running */
static void test_deadline_while_searching(void **state)
{
	static const unsigned seen[] = { 3, 3, 2, 0 };
	struct disk_iter it;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		many_machine(4);
		for (unsigned n = 0; n < 3; n++)
			many[n].cap |= NVME_CAP_TO;
		many[0].never_ready = i == 0;
		many[0].never_disabled = i == 1;
		if (i == 2)
			many[1].enable_us = many[2].enable_us = 20000000;
		idle_set_deadline(i == 3 ? 1 : 10000000);
		assert_int_equal(look_for(&it, ""), seen[i]);
		assert_in_range(fake_now_us, i == 3 ? 0 : 10000000, i == 3 ? 1000000 : 11000000);
		/* whom nobody began with goes on as the dead kernel left it */
		for (unsigned n = 0; n < 4; n++)
			assert_int_equal(fake_pci_is_master(&many[n].fn), i == 3);
		idle_set_deadline(0);
	}
	/* one that was kept is given up by who searched */
	many_machine(4);
	many[0].cap |= NVME_CAP_TO;
	many[0].enable_us = 8000000;
	idle_set_deadline(2000000);
	look_for(&it, "N1");
	assert_int_equal(many[1].shutdowns, 0);
	disk_forget(&it);
	assert_int_equal(many[1].shutdowns, 1);
	for (unsigned n = 0; n < 4; n++)
		assert_false(fake_pci_is_master(&many[n].fn));
	idle_set_deadline(0);
}

/* With little memory it takes longer, no more */
static void test_few_places(void **state)
{
	struct disk_iter it;

	(void)state;
	many_machine(MANY);
	fake_arena_most = KIB(320) + 3 * KIB(9);
	assert_int_equal(look_for(&it, "N0"), MANY);
	assert_int_equal(it.failures, 0);
	found(&it, "N0");
	many_machine(2);
	fake_arena_most = KIB(20);
	assert_int_equal(look_for(&it, "N0"), 2);
	found(&it, "N0");
	many_machine(2);
	fake_arena_most = KIB(4);
	assert_int_equal(look_for(&it, "N0"), 0);
	assert_int_equal(it.last_error, -ENOMEM);
	fake_arena_most = SIZE_MAX;
}

/* An IOMMU that has room for three at a time */
static void test_few_let_through(void **state)
{
	struct disk_iter it;

	(void)state;
	many_machine(10);
	fake_iommu_attached = 0;
	fake_iommu_most = 3;
	assert_int_equal(look_for(&it, "N1"), 10);
	assert_int_equal(it.failures, 0);
	found(&it, "N1");
	/* who had to be waited for is in nobody's way afterwards */
	many_machine(3);
	fake_iommu_most = 1;
	many[0].drop_admin = many[0].fn.stuck_master = true;
	fake_pci_set32(&many[0].fn, 0x4c + 4, 0);
	assert_int_equal(look_for(&it, ""), 2);
	assert_int_equal(it.failures, 1);
	fake_pci_set16(&many[0].fn, 4, 3);
	/* or for the target and nobody else: it is the target all the same */
	many_machine(3);
	fake_iommu_most = 1;
	assert_int_equal(look_for(&it, "N0"), 1);
	assert_int_equal(it.last_error, -EXDEV);
	found(&it, "N0");
	fake_iommu_most = UINT32_MAX;
}

/* One that cannot be stopped keeps its memory; those that are up by then are looked at */
static void test_one_is_lost(void **state)
{
	struct disk_iter it;
	struct blk_dev *disk;

	(void)state;
	many_machine(3);
	many[0].drop_admin = many[0].fn.stuck_master = true;
	fake_pci_set32(&many[0].fn, 0x4c + 4, 0);
	assert_int_equal(look_for(&it, "N2"), 2);
	assert_int_equal(it.failures, 1);
	/* it did confirm its reset, so it is no loss */
	assert_false(dma_lost || many[0].csts & NVME_CSTS_RDY);
	fake_pci_set16(&many[0].fn, 4, 3);
	found(&it, "N2");
	many_machine(3);
	many[0].drop_admin = many[0].fn.stuck_master = many[0].never_disabled = true;
	many[0].cc = many[0].csts = 0;
	fake_pci_set32(&many[0].fn, 0x4c + 4, 0);
	/* the target is there, and nobody is in a hurry before that is decided */
	assert_int_equal(look_for(&it, "N2"), 2);
	assert_true(dma_lost);
	assert_int_equal(disk_reopen(&it, &bi, &disk), 0);
	blk_shutdown(disk);
	it = (struct disk_iter){ 0 };
	assert_int_equal(disk_reopen(&it, &bi, &disk), -ENODEV);
	it = (struct disk_iter){ 0 };
	assert_int_equal(disk_next(&it, &bi, &disk), -ENOENT);
	dma_lost = false;
	fake_pci_set16(&many[0].fn, 4, 3);
}

static void test_kept_one_dies(void **state)
{
	struct disk_iter it;
	struct blk_dev *disk;

	(void)state;
	many_machine(3);
	look_for(&it, "N1");
	fake_nvme_unplug(&many[1]);
	assert_true(disk_reopen(&it, &bi, &disk) < 0);
	assert_true(fake_now_us < 13000000);
	/* or in the middle of the dump: the time of one request, and the next target is tried */
	many_machine(3);
	look_for(&it, "N1");
	assert_int_equal(disk_reopen(&it, &bi, &disk), 0);
	fake_nvme_unplug(&many[1]);
	assert_int_equal(blk_rw(disk, BLK_WRITE, 0, media, 512), -ENODEV);
	blk_shutdown(disk);
	assert_true(fake_now_us < blk_timeout_us + 2000000);
	assert_int_equal(look_for(&it, "N2"), 2);
	assert_true(fake_now_us < blk_timeout_us + 4000000);
	disk_forget(&it);
	many_machine(3);
	look_for(&it, "N1");
	disk_forget(&it);
	assert_int_equal(many[1].shutdowns, 1);
	assert_false(fake_pci_is_master(&many[1].fn));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_ports_reach_256_bytes),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_bars),
		cmocka_unit_test(test_wake),
		cmocka_unit_test(test_flr),
		cmocka_unit_test(test_all_disks),
		cmocka_unit_test(test_broken_ones_are_skipped),
		cmocka_unit_test(test_empty_controller),
		cmocka_unit_test(test_driverless_controllers),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_abort_while_starting),
		cmocka_unit_test(test_no_disks),
		cmocka_unit_test(test_side_by_side),
		cmocka_unit_test(test_dead_one_in_front),
		cmocka_unit_test(test_dead_one_costs_once),
		cmocka_unit_test(test_deadline_while_searching),
		cmocka_unit_test(test_few_places),
		cmocka_unit_test(test_few_let_through),
		cmocka_unit_test(test_one_is_lost),
		cmocka_unit_test(test_kept_one_dies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
