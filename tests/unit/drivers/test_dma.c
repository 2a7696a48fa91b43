// SPDX-License-Identifier: GPL-2.0-or-later
/* drivers/dma.c: when a device may reach memory, and when memory is ours again. */
/* needs: tests/unit/fake/iommu.c drivers/dma.c tests/unit/fake/arena.c drivers/pci.c stub/idle.c tests/unit/fake/bus.c tests/unit/fake/clock.c */
/* needs: tests/unit/fake/log.c tests/unit/fake/pci_bus.c */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>

#include "drivers/dma.h"
#include "tests/unit/fake/bus.h"
#include "tests/unit/fake/iommu.h"
#include "tests/unit/fake/pci_bus.h"

static struct pci_host host;
static struct fake_pci_fn fn;
static struct pci_dev pci;
static struct dma_dev dev, platform;
static unsigned resets;

static void reset(struct dma_dev *d)
{
	assert_ptr_equal(d, &platform);
	resets++;
}

static int set_up(void **state)
{
	(void)state;
	dma_abort();
	assert_true(dma_init());
	dma_lost = false;
	resets = 0;
	fake_bus_reset();
	fake_log_reset();
	host = fake_pci_host(true, 0);
	fn = (struct fake_pci_fn){ .devfn = 3 << 3 };
	fake_pci_add(&fn, 0x1b36, 0x0010, 0x010802);
	assert_int_equal(pci_find(&host, 0, &pci), 0);
	fake_pci_set16(&fn, 4, 0x0003);
	dev = (struct dma_dev){ .name = "pci", .pci = &pci, .coherent = true, .last = UINT64_MAX };
	platform = (struct dma_dev){ .name = "platform", .coherent = true, .last = UINT64_MAX,
				     .reset = reset };
	return 0;
}

static void test_attach_and_detach(void **state)
{
	(void)state;
	assert_int_equal(dma_attach(&dev), 0);
	assert_int_equal(fake_pci_get16(&fn, 4), 0x0007);
	dma_detach(&dev, false);
	assert_int_equal(fake_pci_get16(&fn, 4), 0x0003);
	/* without its right to do DMA it does not matter what it thinks of its reset */
	assert_false(dma_lost);
	dma_detach(&dev, false);
	assert_int_equal(dma_attach(&platform), 0);
	dma_detach(&platform, true);
	assert_false(dma_lost);
}

static void test_several(void **state)
{
	(void)state;
	assert_int_equal(dma_attach(&platform), 0);
	assert_int_equal(dma_attach(&dev), 0);
	assert_int_equal(dma_attach(&dev), -EBUSY);	/* it is already */
	assert_true(fake_pci_is_master(&fn));
	dma_detach(&platform, true);
	assert_true(fake_pci_is_master(&fn));
	assert_int_equal(dma_attach(&platform), 0);
	dma_abort();
	assert_false(fake_pci_is_master(&fn));
	assert_int_equal(resets, 1);

	/* What is lost stays lost, whatever becomes of the others */
	assert_int_equal(dma_attach(&platform), 0);
	assert_int_equal(dma_attach(&dev), 0);
	dma_detach(&platform, false);
	assert_true(dma_lost);
	assert_true(fake_pci_is_master(&fn));
	dma_detach(&dev, false);
	assert_true(dma_lost);
}

/* Cut off, it still is attached, and its driver may wait for it */
static void test_cut(void **state)
{
	(void)state;
	assert_int_equal(dma_attach(&dev), 0);
	assert_int_equal(dma_attach(&platform), 0);
	assert_true(dma_cut(&dev));
	assert_false(fake_pci_is_master(&fn));
	assert_false(dma_cut(&platform));
	assert_int_equal(dma_attach(&dev), -EBUSY);
	dma_detach(&dev, false);
	assert_int_equal(dma_attach(&dev), 0);
	fn.stuck_master = true;
	assert_false(dma_cut(&dev));
	fn.gone = true;
	assert_true(dma_cut(&dev));
}

/* As the dead kernel left it: it loses its right, and knows nothing of ours */
static void test_detach_of_a_stranger(void **state)
{
	(void)state;
	fake_pci_set16(&fn, 4, 0x0007);
	dma_detach(&dev, false);
	assert_false(fake_pci_is_master(&fn));
	dma_detach(&platform, false);
	fn.stuck_master = true;
	fake_pci_set16(&fn, 4, 0x0007);
	dma_detach(&dev, false);
	assert_false(dma_lost);
}

/* The write is posted: nothing is ours, and nothing may be told to the device, before it arrived */
static void test_late_write(void **state)
{
	(void)state;
	fn.command_us = 700;
	assert_int_equal(dma_attach(&dev), 0);
	assert_true(fake_pci_is_master(&fn));
	assert_in_range(fake_now_us, 700, 2000);
	dma_detach(&dev, false);
	assert_false(fake_pci_is_master(&fn));
	assert_false(dma_lost);
}

static void test_write_has_no_effect(void **state)
{
	(void)state;
	fn.stuck_master = true;
	assert_int_equal(dma_attach(&dev), -ETIMEDOUT);
	assert_int_equal(dma_attach(&platform), 0);	/* the other is not attached */
	dma_detach(&platform, true);

	fake_pci_set16(&fn, 4, 0x0007);
	assert_int_equal(dma_attach(&dev), 0);
	dma_detach(&dev, true);				/* it says itself that it has stopped */
	assert_false(dma_lost);
	assert_int_equal(dma_attach(&dev), 0);
	dma_detach(&dev, false);
	assert_true(dma_lost);
	assert_int_equal(dma_attach(&platform), -EBUSY);
	assert_int_equal(dma_attach(&dev), -EBUSY);
}

static void test_no_switch_and_no_reset(void **state)
{
	(void)state;
	assert_int_equal(dma_attach(&platform), 0);
	dma_detach(&platform, false);
	assert_true(dma_lost);
	assert_int_equal(dma_attach(&dev), -EBUSY);
	assert_false(fake_pci_is_master(&fn));
}

static void test_gone(void **state)
{
	(void)state;
	assert_int_equal(dma_attach(&dev), 0);
	fn.gone = true;
	dma_detach(&dev, false);
	assert_false(dma_lost);
	assert_int_equal(dma_attach(&dev), -ENODEV);
	assert_true(fake_now_us < 1000);
}

static void test_reach(void **state)
{
	uint64_t bus = 1;

	(void)state;
	dev.last = BIT(32) - 1;
	assert_int_equal(dma_map(&dev, 0x1234, 4096, &bus), 0);
	assert_int_equal(bus, 0x1234);
	assert_int_equal(dma_map(&dev, 0xfffff000, 4096, &bus), 0);
	assert_int_equal(dma_map(&dev, 0xfffff000, 4097, &bus), -ERANGE);
	assert_int_equal(dma_map(&dev, 0x100000000, 512, &bus), -ERANGE);
	assert_int_equal(bus, 0xfffff000);	/* written on success only */
	dev.last = UINT64_MAX;
	assert_int_equal(dma_map(&dev, 0x100000000, 512, &bus), 0);
	assert_int_equal(dma_map(&dev, UINT64_MAX - 4095, 4096, &bus), 0);
	assert_int_equal(dma_map(&dev, UINT64_MAX - 4095, 4097, &bus), -ERANGE);

	/* nor can a device be used that does not reach the queues' memory */
	dev.last = virt_to_phys(dma_area) + DMA_AREA_SIZE - 2;
	assert_int_equal(dma_attach(&dev), -ERANGE);
	assert_false(fake_pci_is_master(&fn));
	dev.last++;
	assert_int_equal(dma_attach(&dev), 0);
	dma_detach(&dev, false);
	/* nor one that does not reach its own */
	dev.own = dma_area + DMA_AREA_SIZE;
	dev.own_len = 1;
	assert_int_equal(dma_attach(&dev), -ERANGE);
}

/* The IOMMU is passed before bus mastering is on, and closed again when it is off */
static void test_iommu(void **state)
{
	uint64_t bus;

	(void)state;
	assert_true(dma_init());
	fake_iommu_attached = 0;
	assert_int_equal(dma_attach(&dev), 0);
	assert_int_equal(fake_iommu_attached, 1);
	dma_detach(&dev, true);
	assert_int_equal(fake_iommu_attached, 0);

	fake_iommu_rc = -EXDEV;
	assert_int_equal(dma_attach(&dev), -EXDEV);
	assert_false(fake_pci_is_master(&fn));
	fake_iommu_rc = 0;

	/* It may let through less than all */
	fake_iommu_limit = BIT(39);
	assert_int_equal(dma_attach(&dev), 0);
	assert_int_equal(dma_map(&dev, BIT(39) - 4096, 4096, &bus), 0);
	assert_int_equal(dma_map(&dev, BIT(39) - 4096, 4097, &bus), -ERANGE);
	dma_detach(&dev, true);
	/* and nothing is left attached by a device that does not reach its queues */
	fake_iommu_limit = 4096;
	assert_int_equal(dma_attach(&dev), -ERANGE);
	assert_int_equal(fake_iommu_attached, 0);
	fake_iommu_limit = UINT64_MAX;
}

/* Where the arena had no room there is no disk; memory that others are given later is not taken */
static void test_no_memory(void **state)
{
	uint8_t *area = dma_area;

	(void)state;
	dma_area = NULL;
	assert_int_equal(dma_attach(&dev), -ENOMEM);
	assert_null(dma_area);
	assert_false(fake_pci_is_master(&fn));
	dma_area = area;
}

static void test_caches(void **state)
{
	uint64_t bus;

	(void)state;
	assert_int_equal(dma_map(&dev, 4096, 8192, &bus), 0);
	dma_unmap(&dev, 4096, 8192, true);
	dma_give(&dev, dma_area, 64);
	dma_take(&dev, dma_area, 64);
	assert_int_equal(fake_cleaned + fake_invalidated, 0);
	dev.coherent = false;
	/* whichever way the data goes: a dirty line must not be evicted over it */
	assert_int_equal(dma_map(&dev, 4096, 8192, &bus), 0);
	assert_int_equal(fake_cleaned, 8192);
	dma_unmap(&dev, 4096, 8192, false);
	assert_int_equal(fake_invalidated, 0);
	dma_unmap(&dev, 4096, 8192, true);
	assert_int_equal(fake_invalidated, 8192);
	dma_give(&dev, dma_area, 64);
	assert_int_equal(fake_cleaned, 8192 + 64);
	dma_take(&dev, dma_area, 64);
	assert_int_equal(fake_invalidated, 8192 + 64);
}

static void test_abort(void **state)
{
	(void)state;
	dma_abort();			/* nothing is attached */
	assert_int_equal(dma_attach(&dev), 0);
	dma_abort();
	assert_false(fake_pci_is_master(&fn));
	assert_int_equal(resets, 0);
	assert_int_equal(dma_attach(&platform), 0);
	dma_abort();
	assert_int_equal(resets, 1);
	dma_abort();			/* the second time nothing is left to stop */
	assert_int_equal(resets, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_attach_and_detach, set_up),
		cmocka_unit_test_setup(test_several, set_up),
		cmocka_unit_test_setup(test_cut, set_up),
		cmocka_unit_test_setup(test_detach_of_a_stranger, set_up),
		cmocka_unit_test_setup(test_late_write, set_up),
		cmocka_unit_test_setup(test_write_has_no_effect, set_up),
		cmocka_unit_test_setup(test_no_switch_and_no_reset, set_up),
		cmocka_unit_test_setup(test_gone, set_up),
		cmocka_unit_test_setup(test_reach, set_up),
		cmocka_unit_test_setup(test_iommu, set_up),
		cmocka_unit_test_setup(test_no_memory, set_up),
		cmocka_unit_test_setup(test_caches, set_up),
		cmocka_unit_test_setup(test_abort, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
