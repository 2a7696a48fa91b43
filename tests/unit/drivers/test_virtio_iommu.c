// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * drivers/iommu/virtio_iommu.c against a simulated unit, which knows who reaches what, and the table that names it. Other
 * units: test_iommu.c.
 */
/* needs: drivers/iommu/iommu.c drivers/iommu/dmar.c drivers/iommu/ivrs.c drivers/iommu/iort.c drivers/iommu/viot.c drivers/iommu/vtd.c */
/* needs: drivers/iommu/amdvi.c drivers/iommu/smmu_v3.c drivers/iommu/virtio_iommu.c drivers/pci.c drivers/dma.c stub/overlay.c stub/idle.c */
/* needs: drivers/virtio/virtio.c drivers/virtio/virtio_ring.c drivers/virtio/virtio_pci.c drivers/virtio/virtio_mmio.c */
/* needs: tests/unit/fake/bus.c tests/unit/fake/clock.c tests/unit/fake/log.c tests/unit/fake/pci_bus.c */
/* needs: tests/unit/fake/arena.c tests/unit/fake/virtio_disk.c */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "drivers/dma.h"
#include "drivers/iommu/iommu.h"
#include "drivers/iommu/viot.h"
#include "stub/arch.h"
#include "tests/unit/fake/bus.h"
#include "tests/unit/fake/virtio_disk.h"

#define TABLE	0x70000000ULL
#define UNIT_AT	(48 + 24 + 24)
#define LEN	(UNIT_AT + 16)

static uint8_t table[4096];
static uint8_t pool[6 * IOMMU_PAGE] __attribute__((aligned(4096)));
static struct boot_info bi;
static struct pci_host host;
static struct fake_vblk unit;
static struct fake_pci_fn fns[2];
static struct pci_dev pcis[2];
static struct dma_dev devs[2];
static unsigned resets;

/* What the unit knows: endpoints of the domain that bypasses it */
static bool bypasses[0x10000];

int arch_read_mem(void *dst, phys_addr_t pa, size_t len)
{
	if (!range_inside(pa, len, TABLE, TABLE + sizeof(table)))
		return -EFAULT;
	memcpy(dst, table + (pa - TABLE), len);
	return 0;
}

int arch_write_mem(phys_addr_t pa, const void *src, size_t len)
{
	(void)pa;
	(void)src;
	(void)len;
	return -EFAULT;
}

int arch_mem_is_zero(phys_addr_t pa, size_t len)
{
	(void)pa;
	(void)len;
	return -EFAULT;
}

static uint8_t *bypass(void)
{
	return (uint8_t *)&unit.config + 36;
}

static uint8_t answer(const void *request, uint32_t len, uint32_t status_len)
{
	struct {
		uint8_t type, rsvd[3];
		uint32_t domain, endpoint, flags, rsvd16;
	} r;

	assert_true(len == 20 && status_len == 4);
	memcpy(&r, request, sizeof(r));
	if (r.domain != 5 || r.rsvd16 || r.endpoint >= ARRAY_SIZE(bypasses))
		return 4;
	if (r.type == 1 && r.flags == 1) {
		bypasses[r.endpoint] = true;
		return 0;
	}
	if (r.type != 2 || r.flags || !bypasses[r.endpoint])
		return 4;
	bypasses[r.endpoint] = false;
	return 0;
}

/* Nobody may be let through who was not before */
static void was_reset(void)
{
	resets++;
	assert_int_equal(*bypass(), 0);
	memset(bypasses, 0, sizeof(bypasses));
}

static int read_ram(void *dst, phys_addr_t pa, size_t len)
{
	(void)dst;
	(void)pa;
	(void)len;
	return -ENOENT;
}

static void put(unsigned at, uint64_t v, unsigned size)
{
	memcpy(table + at, &v, size);
}

/* Endpoints of functions 01:00.0 to 01:01.7 are 0x4000 on, of all others 0 on; the unit is 00:03.0 */
static void make_table(void)
{
	memset(table, 0, sizeof(table));
	put(36, 3, 2);
	put(38, 48, 2);
	put(48, 1, 1);			/* PCI range */
	put(50, 24, 2);
	put(52, 0x4000, 4);
	put(60, 0x100, 2);
	put(62, 0x10f, 2);
	put(64, UNIT_AT, 2);
	memcpy(table + 72, table + 48, 24);
	put(76, 0, 4);
	put(84, 0, 2);
	put(86, 0xffff, 2);
	put(UNIT_AT, 3, 1);		/* virtio-iommu on PCI */
	put(UNIT_AT + 2, 16, 2);
	put(UNIT_AT + 6, 3 << 3, 2);
}

static int set_up(void **state)
{
	(void)state;
	dma_abort();
	assert_true(dma_init());
	dma_lost = false;
	resets = 0;
	memset(bypasses, 0, sizeof(bypasses));
	memset(pool, 0, sizeof(pool));
	fake_bus_reset();
	fake_log_reset();
	host = fake_pci_host(true, 1);
	fake_vblk_init(&unit, FAKE_PCI_MODERN, NULL, 0);
	fake_pci_set16(&unit.fn, 2, 0x1057);
	unit.answer = answer;
	unit.was_reset = was_reset;
	unit.features = BIT(32) | BIT(6) | BIT(2);
	unit.driver_features = unit.features;	/* the dead kernel's driver */
	memset(&unit.config, 0, sizeof(unit.config));
	memcpy((uint8_t *)&unit.config + 24, &(uint32_t){ 5 }, 4);
	*bypass() = 1;
	for (unsigned i = 0; i < 2; i++) {
		fns[i] = (struct fake_pci_fn){ .bus = 1, .devfn = (uint8_t)(i << 3) };
		fake_pci_add(&fns[i], 0x1b36, 0x0010, 0x010802);
		fake_pci_set16(&fns[i], 4, 0x0003);
		assert_int_equal(pci_find(&host, 0x100 + 8 * i, &pcis[i]), 0);
		devs[i] = (struct dma_dev){ .name = "disk", .pci = &pcis[i], .coherent = true, .last = UINT64_MAX };
	}
	make_table();
	memset(&bi, 0, sizeof(bi));
	bi.nr_pci_hosts = 1;
	bi.pci_hosts = &host;
	bi.acpi[ACPI_VIOT] = (struct acpi_table){ .pa = TABLE, .len = LEN };
	assert_true(iommu_named(&bi));
	iommu_init(&bi, read_ram, pool, 6);
	return 0;
}

static void test_table(void **state)
{
	phys_addr_t at = 0;
	uint32_t endpoint = 0;

	(void)state;
#define FIND(seg, rid) viot_find_unit(arch_read_mem, TABLE, LEN, seg, rid, &at, &endpoint)
	assert_int_equal(FIND(0, 0x108), 0);
	assert_true(at == 0x18 && endpoint == 0x4008);
	assert_int_equal(FIND(0, 0x20), 0);
	assert_int_equal(endpoint, 0x20);
	assert_int_equal(FIND(0, 0x18), -ENOENT);	/* the unit */
	assert_int_equal(FIND(1, 0x20), -ENOENT);
	put(82, 3, 2);					/* segments 0 to 3 */
	assert_int_equal(FIND(2, 0x20), 0);
	assert_int_equal(endpoint, 0x20020);
	put(UNIT_AT, 4, 1);				/* not on PCI */
	assert_int_equal(FIND(0, 0x20), -ENOENT);
	put(64, 7, 2);
	assert_int_equal(FIND(0, 0x108), -EINVAL);
	put(64, LEN - 8, 2);
	assert_int_equal(FIND(0, 0x108), -EINVAL);
	put(50, 0, 2);
	assert_int_equal(FIND(0, 0x20), -EINVAL);
	assert_int_equal(viot_find_unit(arch_read_mem, TABLE, 39, 0, 0, &at, &endpoint), -EINVAL);
	assert_int_equal(viot_find_unit(arch_read_mem, 0x1000, LEN, 0, 0, &at, &endpoint), -EFAULT);
}

/* Ours reach everything, one by one; who else there is reaches nothing */
static void test_attach(void **state)
{
	(void)state;
	assert_int_equal(dma_attach(&devs[0]), 0);
	assert_true(bypasses[0x4000] && !bypasses[0x4008]);
	assert_int_equal(*bypass(), 0);
	assert_true(fake_log_has("others are blocked"));
	assert_true(fake_pci_is_master(&fns[0]) && fake_pci_is_master(&unit.fn));
	assert_int_equal(dma_attach(&devs[1]), 0);
	assert_true(bypasses[0x4000] && bypasses[0x4008]);
	assert_int_equal(resets, 1);
	dma_detach(&devs[0], true);
	assert_true(!bypasses[0x4000] && bypasses[0x4008]);
	assert_int_equal(dma_attach(&devs[0]), 0);
	assert_true(bypasses[0x4000]);
	assert_int_equal(unit.dma_without_master, 0);
}

static void test_device_tree(void **state)
{
	(void)state;
	bi.acpi[ACPI_VIOT].pa = 0;
	bi.nr_iommu_maps = 1;
	bi.iommu_maps[0] = (struct iommu_map){ .host = &host, .virtio = true, .unit = 0x18, .mask = UINT32_MAX,
					       .rid = 0x100, .sid = 0x77, .len = 8 };
	assert_int_equal(dma_attach(&devs[0]), 0);
	assert_true(bypasses[0x77]);
	assert_int_equal(dma_attach(&devs[1]), 0);	/* not behind it */
	bi.iommu_maps[0].unit = 0x20;			/* there is none */
	dma_detach(&devs[0], true);
	assert_int_equal(dma_attach(&devs[0]), -EXDEV);
}

/* Nobody has started it: everybody reaches everything as it is */
static void test_asleep(void **state)
{
	(void)state;
	unit.status = 0;
	unit.driver_features = 0;
	unit.queue_live = false;
	assert_int_equal(dma_attach(&devs[0]), 0);
	assert_true(fake_log_has("is not translated"));
	assert_true(*bypass() && !resets);
	dma_detach(&devs[0], true);

	/* or nothing, since the firmware wants it so */
	set_up(NULL);
	unit.status = 0;
	unit.queue_live = false;
	unit.avail_seen = unit.used_idx = 0;
	*bypass() = 0;
	assert_int_equal(dma_attach(&devs[0]), 0);
	assert_true(bypasses[0x4000]);
}

/* Where others cannot be kept from what is ours nothing is touched, and the disk is not started */
static void test_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		set_up(NULL);
		if (i == 0)
			unit.features &= ~BIT(6);
		if (i == 1)
			unit.driver_features &= ~BIT(6);
		if (i == 2)
			unit.never_reset = true;
		if (i == 3)
			unit.drop = true;
		if (i == 4)
			iommu_init(&bi, read_ram, pool, 2);
		assert_int_equal(dma_attach(&devs[0]), -EXDEV);
		assert_int_equal(dma_attach(&devs[1]), -EXDEV);
		assert_false(fake_pci_is_master(&fns[0]) || fake_pci_is_master(&fns[1]));
		assert_true(i == 2 || i == 3 || (*bypass() == 1 && !resets));
		assert_true(fake_now_us < 3000000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_table, set_up),
		cmocka_unit_test_setup(test_attach, set_up),
		cmocka_unit_test_setup(test_device_tree, set_up),
		cmocka_unit_test_setup(test_asleep, set_up),
		cmocka_unit_test_setup(test_refused, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
