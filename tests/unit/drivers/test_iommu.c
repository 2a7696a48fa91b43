// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * drivers/iommu: tables that name units, and the three kinds of units, simulated: each walks the tables it
 * was pointed at, so that what counts is what a device would be able to reach.
 */
/* needs: drivers/iommu/iommu.c drivers/iommu/dmar.c drivers/iommu/ivrs.c drivers/iommu/iort.c drivers/iommu/vtd.c */
/* needs: drivers/iommu/amdvi.c drivers/iommu/smmu_v3.c drivers/iommu/viot.c tests/unit/fake/viommu.c drivers/pci.c stub/overlay.c stub/idle.c */
/* needs: tests/unit/fake/bus.c tests/unit/fake/clock.c tests/unit/fake/log.c tests/unit/fake/pci_bus.c */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "drivers/iommu/dmar.h"
#include "drivers/iommu/iommu.h"
#include "drivers/iommu/iort.h"
#include "drivers/iommu/ivrs.h"
#include "stub/arch.h"
#include "stub/overlay.h"
#include "tests/unit/fake/bus.h"
#include "tests/unit/fake/pci_bus.h"

/* Old memory: one piece of RAM, and firmware tables in another that is none */
#define RAM		0x40000000ULL
#define TABLES		0x70000000ULL
#define UNIT		0xfed90000ULL
#define NR_PAGES	6

static uint8_t ram[0x10000];
static uint8_t table[4096];
static uint8_t pool[NR_PAGES * IOMMU_PAGE] __attribute__((aligned(4096)));
static struct boot_info bi;

static void *memory(phys_addr_t pa, size_t len)
{
	if (range_inside(pa, len, RAM, RAM + sizeof(ram)))
		return ram + (pa - RAM);
	if (range_inside(pa, len, TABLES, TABLES + sizeof(table)))
		return table + (pa - TABLES);
	return NULL;
}

int arch_read_mem(void *dst, phys_addr_t pa, size_t len)
{
	void *p = memory(pa, len);

	return p ? (memcpy(dst, p, len), 0) : -EFAULT;
}

int arch_write_mem(phys_addr_t pa, const void *src, size_t len)
{
	void *p = memory(pa, len);

	return p ? (memcpy(p, src, len), 0) : -EFAULT;
}

int arch_mem_is_zero(phys_addr_t pa, size_t len)
{
	const uint8_t *p = memory(pa, len);

	if (!p)
		return -EFAULT;
	while (len && !p[len - 1])
		len--;
	return !len;
}

static int read_ram(void *dst, phys_addr_t pa, size_t len)
{
	return range_inside(pa, len, RAM, RAM + sizeof(ram)) ? overlay_read(dst, pa, len) : -ENOENT;
}

/* As a unit reads: old memory, or memory of the stub's own. Anything else is a wild pointer. */
static uint64_t word(phys_addr_t pa)
{
	uint64_t v;
	const void *p = memory(pa, 8);

	if (!p) {
		assert_true(range_inside(pa, 8, (uintptr_t)pool, (uintptr_t)pool + sizeof(pool)));
		p = (const void *)(uintptr_t)pa;
	}
	memcpy(&v, p, sizeof(v));
	return v;
}

static void set_word(phys_addr_t pa, uint64_t v)
{
	memcpy(memory(pa, 8), &v, sizeof(v));
}

static void put(unsigned at, uint64_t v, unsigned size)
{
	memcpy(table + at, &v, size);
}

static struct pci_host host;

static void set_up(void)
{
	fake_bus_reset();
	fake_log_reset();
	memset(ram, 0, sizeof(ram));
	memset(table, 0, sizeof(table));
	memset(&bi, 0, sizeof(bi));
	host = fake_pci_host(true, 255);
	bi.pci_hosts = &host;
	bi.nr_pci_hosts = 1;
	iommu_init(&bi, read_ram, pool, NR_PAGES);
}

static struct iommu_requester requester(uint8_t bus, uint8_t dev, uint8_t fn)
{
	return (struct iommu_requester){ .host = &host, .bus = bus, .devfn = (uint8_t)(dev << 3 | fn) };
}

/*---------------------------------------------------------------- tables */

/* Bridges of the DMAR tests: bus and devfn -> secondary, subordinate */
static uint8_t bridges(void *ctx, uint16_t segment, uint8_t bus, uint8_t devfn, unsigned off)
{
	(void)ctx;
	(void)segment;
	if (bus == 0 && devfn == 0x10)
		return off == 0x19 ? 1 : 3;
	if (bus == 1 && devfn == 0)
		return off == 0x19 ? 2 : 3;
	if (bus == 5 && devfn == 0)	/* a loop */
		return 5;
	return 0xff;
}

static const struct dmar_ops dmar = { arch_read_mem, bridges, NULL };
static unsigned dmar_len;

/* Append a unit with one scope of @hops (device, function) pairs; type 0: no scope */
static void drhd(uint8_t flags, uint16_t segment, uint64_t regs, uint8_t type, uint8_t bus, unsigned hops,
		 const uint8_t *path)
{
	unsigned at = dmar_len, len = 16 + (type ? 6 + 2 * hops : 0);

	put(at, 0, 2);
	put(at + 2, len, 2);
	put(at + 4, flags, 1);
	put(at + 6, segment, 2);
	put(at + 8, regs, 8);
	if (type) {
		put(at + 16, type, 1);
		put(at + 17, 6 + 2 * hops, 1);
		put(at + 21, bus, 1);
		memcpy(table + at + 22, path, 2 * hops);
	}
	dmar_len += len;
}

static int find_dmar(uint16_t segment, uint8_t bus, uint8_t devfn, phys_addr_t *ret)
{
	return dmar_find_unit(&dmar, TABLES, dmar_len, segment, bus, devfn, ret);
}

static void test_dmar(void **state)
{
	static const uint8_t endpoint[] = { 2, 0, 0, 0, 7, 1 }, bridge[] = { 2, 0, 0, 0 }, loop[] = { 0, 0, 1, 0 };
	phys_addr_t regs;

	(void)state;
	set_up();
	dmar_len = 48;
	drhd(0, 0, 0x1000, 1, 0, 3, endpoint);		/* 00:02.0 -> 01:00.0 -> 02:07.1 */
	drhd(0, 0, 0x2000, 2, 0, 2, bridge);		/* what is behind 01:00.0 */
	drhd(0, 0, 0x4000, 1, 5, 2, loop);
	drhd(1, 0, 0x3000, 0, 0, 0, NULL);		/* the rest */
	drhd(1, 1, 0x5000, 0, 0, 0, NULL);

	assert_int_equal(find_dmar(0, 2, 7 << 3 | 1, &regs), 0);
	assert_int_equal(regs, 0x1000);
	assert_int_equal(find_dmar(0, 2, 7 << 3, &regs), 0);
	assert_int_equal(regs, 0x2000);
	assert_int_equal(find_dmar(0, 3, 0, &regs), 0);
	assert_int_equal(regs, 0x2000);
	assert_int_equal(find_dmar(0, 1, 0, &regs), 0);
	assert_int_equal(regs, 0x2000);
	assert_int_equal(find_dmar(0, 5, 1 << 3, &regs), 0);
	assert_int_equal(regs, 0x3000);
	assert_int_equal(find_dmar(1, 2, 7 << 3 | 1, &regs), 0);
	assert_int_equal(regs, 0x5000);
	assert_int_equal(find_dmar(2, 0, 0, &regs), -ENOENT);

	/* Lengths that lie */
	put(48 + 2, 3, 2);
	assert_int_equal(find_dmar(0, 0, 0, &regs), -EINVAL);
	put(48 + 2, 0xffff, 2);
	assert_int_equal(find_dmar(0, 0, 0, &regs), -EINVAL);
	put(48 + 2, 28, 2);
	put(48 + 17, 200, 1);	/* a scope longer than its unit ends the list of scopes */
	assert_int_equal(find_dmar(0, 2, 7 << 3 | 1, &regs), 0);
	assert_int_equal(regs, 0x2000);
	put(48 + 17, 0, 1);
	assert_int_equal(find_dmar(0, 2, 7 << 3 | 1, &regs), 0);
	assert_int_equal(dmar_find_unit(&dmar, TABLES, 20, 0, 0, 0, &regs), -ENOENT);
	assert_int_equal(dmar_find_unit(&dmar, 0x1000, 100, 0, 0, 0, &regs), -EFAULT);
}

/* Append a block of @type whose entries of 4 or 8 bytes are @bytes */
static unsigned ivhd(unsigned at, uint8_t type, uint64_t base, const uint8_t *bytes, unsigned len)
{
	unsigned head = type == 0x10 ? 24 : 40;

	put(at, type, 1);
	put(at + 2, head + len, 2);
	put(at + 8, base, 8);
	memcpy(table + at + head, bytes, len);
	return at + head + len;
}

static void test_ivrs(void **state)
{
	static const uint8_t all[] = { 1, 0, 0, 0 };
	static const uint8_t some[] = {
		0, 0, 0, 0,
		2, 0x08, 0x00, 0,			/* 00:01.0 */
		66, 0x10, 0x02, 0, 0, 0x00, 0x02, 0,	/* 02:02.0 is looked up as 02:00.0 */
		3, 0x00, 0x03, 0, 4, 0xff, 0x03, 0,	/* 03:00.0 to 03:1f.7 */
		72, 0, 0, 0, 0, 0xa0, 0, 1,		/* special: the IOAPIC */
		240, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 'x', 'y',
		67, 0x00, 0x04, 0, 0, 0x01, 0x04, 0, 4, 0x0f, 0x04, 0,
		70, 0x20, 0x00, 0, 0, 0, 0, 0,		/* 00:04.0 */
	};
	phys_addr_t regs;
	uint16_t alias;
	unsigned len;

	(void)state;
	set_up();
	/* The older type knows everything; the higher one counts */
	len = ivhd(48, 0x10, 0x1000, all, sizeof(all));
	len = ivhd(len, 0x11, 0x2000, some, sizeof(some));

#define FIND(id)	ivrs_find_unit(arch_read_mem, TABLES, len, 0, id, &regs, &alias)
	assert_int_equal(FIND(0x0008), 0);
	assert_int_equal(regs, 0x2000);
	assert_int_equal(alias, 0x0008);
	assert_int_equal(FIND(0x0210), 0);
	assert_int_equal(alias, 0x0200);
	assert_int_equal(FIND(0x0380), 0);
	assert_int_equal(alias, 0x0380);
	assert_int_equal(FIND(0x0405), 0);
	assert_int_equal(alias, 0x0401);
	assert_int_equal(FIND(0x0020), 0);
	assert_int_equal(FIND(0x0009), -ENOENT);
	assert_int_equal(ivrs_find_unit(arch_read_mem, TABLES, len, 1, 8, &regs, &alias), -ENOENT);
	put(48 + 2, 2, 2);
	assert_int_equal(FIND(0x0008), -EINVAL);
	put(48 + 2, 0xfff0, 2);
	assert_int_equal(FIND(0x0008), -EINVAL);
	assert_int_equal(ivrs_find_unit(arch_read_mem, 0x1000, 100, 0, 8, &regs, &alias), -EFAULT);
#undef FIND
}

static void iort_node(unsigned at, uint8_t type, unsigned len, unsigned mappings, unsigned mappings_at)
{
	put(at, type, 1);
	put(at + 1, len, 2);
	put(at + 8, mappings, 4);
	put(at + 12, mappings_at, 4);
}

static void iort_mapping(unsigned at, uint32_t in, uint32_t count, uint32_t out, uint32_t to)
{
	put(at, in, 4);
	put(at + 4, count - 1, 4);
	put(at + 8, out, 4);
	put(at + 12, to, 4);
}

static void make_iort(void)
{
	put(36, 3, 4);
	put(40, 48, 4);
	iort_node(48, 0, 24, 0, 0);				/* ITS */
	iort_node(72, 4, 68, 0, 0);				/* SMMUv3 */
	put(72 + 16, UNIT, 8);
	iort_node(140, 2, 36 + 40, 2, 36);			/* root complex, segment 0 */
	iort_mapping(140 + 36, 0x0000, 0x100, 0x0000, 48);	/* bus 0: no SMMU */
	iort_mapping(140 + 56, 0x0100, 0x100, 0x5000, 72);
}

static void test_iort(void **state)
{
	phys_addr_t regs;
	uint32_t sid;

	(void)state;
	set_up();
	make_iort();
#define FIND(seg, rid)	iort_find_unit(arch_read_mem, TABLES, 216, seg, rid, &regs, &sid)
	assert_int_equal(FIND(0, 0x0110), 0);
	assert_int_equal(regs, UNIT);
	assert_int_equal(sid, 0x5010);
	assert_int_equal(FIND(0, 0x0010), -ENOENT);
	assert_int_equal(FIND(0, 0x0200), -ENOENT);
	assert_int_equal(FIND(1, 0x0110), -ENOENT);
	put(140 + 56 + 12, 0xfffffff0, 4);	/* a mapping to nowhere */
	assert_int_equal(FIND(0, 0x0110), -EINVAL);
	put(140 + 12, 60000, 4);		/* mappings outside their node */
	assert_int_equal(FIND(0, 0x0110), -EINVAL);
	put(72 + 1, 4, 2);			/* a node shorter than its head */
	assert_int_equal(FIND(0, 0x0110), -EINVAL);
	assert_int_equal(iort_find_unit(arch_read_mem, TABLES, 40, 0, 0, &regs, &sid), -EINVAL);
	assert_int_equal(iort_find_unit(arch_read_mem, 0x1000, 400, 0, 0, &regs, &sid), -EFAULT);
#undef FIND
}

/*---------------------------------------------------------------- a VT-d unit */

static struct vtd_model {
	uint64_t cap, ecap, rtaddr, root, iqa, iqt, iqh;
	uint32_t gsts;
	bool dead;		/* follows no command */
	bool off_seen;		/* translation was off at some moment */
	unsigned invalidations;
	unsigned by_register;
	uint64_t ccmd, iotlb;
} vtd;

static void vtd_queue(void)
{
	unsigned size = vtd.iqa & BIT(11) ? 32 : 16;

	while (vtd.iqh != vtd.iqt && vtd.gsts & BIT(26)) {
		phys_addr_t d = (vtd.iqa & ~0xfffULL) + vtd.iqh;
		uint64_t lo = word(d);

		if ((lo & 0xf) == 5)
			*(uint32_t *)(uintptr_t)word(d + 8) = (uint32_t)(lo >> 32);
		else
			vtd.invalidations++;
		vtd.iqh = (vtd.iqh + size) % 4096;
	}
}

static uint64_t vtd_read(void *ctx, uint64_t off, unsigned size)
{
	uint64_t v = 0;

	(void)ctx;
	switch (off & ~7ULL) {
	case 0x08: v = vtd.cap; break;
	case 0x10: v = vtd.ecap; break;
	case 0x18: v = (uint64_t)vtd.gsts << 32; break;
	case 0x20: v = vtd.rtaddr; break;
	case 0x28: v = vtd.ccmd; break;
	case 0x80: v = vtd.iqh; break;
	case 0x88: v = vtd.iqt; break;
	case 0x90: v = vtd.iqa; break;
	case 0x108: v = vtd.iotlb; break;
	}
	return size == 4 && off & 4 ? v >> 32 : v;
}

static void half(uint64_t *reg, uint64_t off, uint64_t v)
{
	*reg = off & 4 ? (*reg & UINT32_MAX) | v << 32 : (*reg & ~(uint64_t)UINT32_MAX) | v;
}

static void vtd_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	(void)ctx;
	(void)size;
	if (vtd.dead)
		return;
	switch (off) {
	case 0x18:
		if (v & BIT(30)) {
			vtd.root = vtd.rtaddr;
			vtd.gsts |= BIT(30);
		}
		vtd.gsts = (vtd.gsts & (uint32_t)~(BIT(31) | BIT(26))) | (uint32_t)(v & (BIT(31) | BIT(26)));
		vtd.off_seen |= !(vtd.gsts & BIT(31));
		break;
	case 0x20: case 0x24: half(&vtd.rtaddr, off, v); break;
	case 0x2c: vtd.by_register += !!(v & BIT(31)); break;
	case 0x10c: vtd.by_register += !!(v & BIT(31)); break;
	case 0x88: case 0x8c:
		half(&vtd.iqt, off, v);
		if (off == 0x8c)
			vtd_queue();
		break;
	case 0x90: case 0x94: half(&vtd.iqa, off, v); vtd.iqh = 0; break;
	}
}

enum way { BLOCKED, OLD, PASSES, IDENTITY };

/* What happens to the DMA of a function, by the tables that the unit uses */
static enum way vtd_way(uint8_t bus, uint8_t devfn)
{
	bool scalable = (vtd.root >> 10 & 3) == 1;
	uint64_t ctx = word((vtd.root & ~0xfffULL) + 16 * bus + (scalable && devfn >= 0x80 ? 8 : 0)), e;

	if (!(ctx & 1))
		return BLOCKED;
	e = (ctx & ~0xfffULL) + (scalable ? 32 * (devfn & 0x7f) : 16 * devfn);
	if (!(word(e) & 1))
		return BLOCKED;
	if (scalable) {
		uint64_t dir = word(word(e) & ~0xfffULL), pasid = word(dir & ~0xfffULL);

		assert_true(dir & 1);
		if ((pasid >> 6 & 7) == 4)
			return PASSES;
		return (pasid & ~0xfffULL) == RAM + 0x7000 ? OLD : IDENTITY;
	}
	if ((word(e) >> 2 & 3) == 2)
		return PASSES;
	return (word(e) & ~0xfffULL) == RAM + 0x7000 ? OLD : IDENTITY;
}

/* The dead kernel's tables: 00:01.0 and 00:1f.0 on bus 0, 02:00.0 on bus 2, translated by RAM + 0x7000 */
static void make_vtd(bool scalable, uint64_t ecap)
{
	static const struct fake_window w = { .base = UNIT, .len = 4096, .read = vtd_read, .write = vtd_write };
	static const uint8_t functions[][2] = { { 0, 1 << 3 }, { 0, 0x1f << 3 }, { 2, 0 } };

	set_up();
	fake_bus_add(&w);
	vtd = (struct vtd_model){ .cap = 2 | 6 << 8, .ecap = ecap, .gsts = (uint32_t)(BIT(31) | BIT(26)) };
	vtd.rtaddr = vtd.root = RAM + 0x1000 + (scalable ? BIT(10) : 0);
	vtd.iqa = RAM + 0x6000;
	for (unsigned i = 0; i < ARRAY_SIZE(functions); i++) {
		uint8_t bus = functions[i][0], devfn = functions[i][1];
		unsigned upper = scalable && devfn >= 0x80;
		phys_addr_t ctx = RAM + 0x2000 + 0x1000 * bus + 0x1000 * upper;

		set_word(RAM + 0x1000 + 16 * bus + 8 * upper, ctx | 1);
		if (scalable) {
			set_word(ctx + 32 * (devfn & 0x7f), (RAM + 0x8000) | 1);
			set_word(RAM + 0x8000, (RAM + 0x9000) | 1);
			set_word(RAM + 0x9000, (RAM + 0x7000) | 2 << 6 | 1);
		} else {
			set_word(ctx + 16 * devfn, (RAM + 0x7000) | 1);
			set_word(ctx + 16 * devfn + 8, 2 | 5 << 8);
		}
	}
	dmar_len = 48;
	drhd(1, 0, UNIT, 0, 0, 0, NULL);
	bi.acpi[ACPI_DMAR] = (struct acpi_table){ TABLES, dmar_len };
}

#define ECAP_ALL	(BIT(0) | BIT(1) | BIT(6) | BIT(43))

static void test_vtd_attach(void **state)
{
	(void)state;
	for (int scalable = 0; scalable < 2; scalable++) {
		struct iommu_requester r = requester(0, 1, 0), other = requester(2, 0, 0);
		uint8_t before[sizeof(ram)];
		phys_addr_t limit;

		make_vtd(scalable, ECAP_ALL);
		memcpy(before, ram, sizeof(ram));
		assert_int_equal(vtd_way(0, 8), OLD);
		for (int again = 0; again < 3; again++) {
			assert_int_equal(iommu_attach(&r, &limit), 0);
			assert_int_equal(limit, UINT64_MAX);
			assert_int_equal(vtd_way(0, 8), PASSES);
			assert_int_equal(vtd_way(0, 0x1f << 3), OLD);
			assert_int_equal(vtd_way(2, 0), OLD);
			assert_int_equal(vtd_way(0, 9), BLOCKED);
			/* A second one beside it, on another bus, and back in any order */
			if (!scalable) {
				assert_int_equal(iommu_attach(&other, &limit), 0);
				assert_int_equal(vtd_way(2, 0), PASSES);
				assert_int_equal(vtd_way(0, 8), PASSES);
				iommu_detach(again ? &other : &r);
				assert_int_equal(vtd_way(again ? 2 : 0, again ? 0 : 8), OLD);
				iommu_detach(again ? &r : &other);
			} else {
				iommu_detach(&r);
			}
			assert_int_equal(vtd.root, RAM + 0x1000 + (scalable ? BIT(10) : 0));
			assert_int_equal(vtd_way(0, 8), OLD);
		}
		assert_false(vtd.off_seen);
		assert_true(vtd.invalidations >= 4);
		/* Not a byte of old memory has changed */
		assert_memory_equal(before, ram, sizeof(ram));
	}
}

static void test_vtd_variants(void **state)
{
	struct iommu_requester r = requester(0, 1, 0), other = requester(2, 0, 0);
	phys_addr_t limit;

	(void)state;
	/* No pass-through in the unit: tables of ours, and how far they reach */
	make_vtd(false, ECAP_ALL & ~BIT(6));
	assert_int_equal(iommu_attach(&r, &limit), -EXDEV);	/* nor pages of 1 GiB */
	make_vtd(false, ECAP_ALL & ~BIT(6));
	vtd.cap |= BIT(35);
	assert_int_equal(iommu_attach(&r, &limit), 0);
	assert_int_equal(vtd_way(0, 8), IDENTITY);
	assert_true(limit >= BIT(39) && limit < UINT64_MAX);
	iommu_detach(&r);
	assert_int_equal(vtd_way(0, 8), OLD);

	/* No queue: registers */
	make_vtd(false, ECAP_ALL & ~BIT(1));
	vtd.ecap |= 0x10 << 8;
	vtd.gsts &= (uint32_t)~BIT(26);
	assert_int_equal(iommu_attach(&r, &limit), 0);
	assert_int_equal(vtd_way(0, 8), PASSES);
	assert_int_equal(vtd.by_register, 2);

	/* Translation is off, or the function passes already: nothing is touched */
	make_vtd(false, ECAP_ALL);
	vtd.gsts = 0;
	assert_int_equal(iommu_attach(&r, &limit), 0);
	assert_int_equal(vtd.root, RAM + 0x1000);
	make_vtd(false, ECAP_ALL);
	set_word(RAM + 0x2000 + 16 * 8, 2 << 2 | 1);
	assert_int_equal(iommu_attach(&r, &limit), 0);
	assert_int_equal(vtd.root, RAM + 0x1000);
	/* Others do not: the first of them to be let through finds a unit that was not touched */
	assert_int_equal(iommu_attach(&other, &limit), 0);
	assert_int_equal(vtd_way(0, 8), PASSES);
	assert_int_equal(vtd_way(2, 0), PASSES);
	iommu_detach(&r);
	assert_int_equal(vtd_way(2, 0), PASSES);
	iommu_detach(&other);
	assert_int_equal(vtd_way(2, 0), OLD);
	assert_int_equal(vtd.root, RAM + 0x1000);
}

static void test_vtd_bad(void **state)
{
	struct iommu_requester r = requester(0, 1, 0);
	phys_addr_t limit;

	(void)state;
	make_vtd(false, ECAP_ALL);
	vtd.dead = true;
	assert_int_equal(iommu_attach(&r, &limit), -EXDEV);
	assert_true(fake_now_us < 5000000);

	/* Tables that lead outside of RAM */
	make_vtd(false, ECAP_ALL);
	vtd.rtaddr = vtd.root = TABLES;
	assert_int_equal(iommu_attach(&r, &limit), -EXDEV);
	make_vtd(false, ECAP_ALL);
	set_word(RAM + 0x1000, TABLES | 1);
	assert_int_equal(iommu_attach(&r, &limit), -EXDEV);
	assert_int_equal(vtd.root, RAM + 0x1000);

	/* Registers that read all ones */
	make_vtd(false, ECAP_ALL);
	vtd.gsts = UINT32_MAX;
	assert_int_equal(iommu_attach(&r, &limit), -EXDEV);

	/* No memory */
	make_vtd(false, ECAP_ALL);
	iommu_init(&bi, read_ram, pool, 2);
	assert_int_equal(iommu_attach(&r, &limit), -EXDEV);
	assert_int_equal(vtd.root, RAM + 0x1000);

	/* A machine without units */
	set_up();
	assert_int_equal(iommu_attach(&r, &limit), 0);
}

/*---------------------------------------------------------------- an AMD unit */

static struct amd_model {
	uint64_t devtab, cmdbuf, control, head, tail;
	bool dead;
	unsigned invalidations;
	uint64_t cached[2];	/* of the entry under test, until it is invalidated */
} amd;

#define AMD_ENTRY	(RAM + 0x4000 + 32 * 8)

static void amd_run(void)
{
	while (amd.head != amd.tail && amd.control & BIT(12)) {
		phys_addr_t c = (amd.cmdbuf & GENMASK(51, 12)) + amd.head;

		switch (word(c) >> 60) {
		case 1:
			*(uint64_t *)(uintptr_t)(word(c) & GENMASK(51, 3)) = word(c + 8);
			break;
		case 2:
			amd.cached[0] = word(AMD_ENTRY);
			amd.cached[1] = word(AMD_ENTRY + 8);
			/* fall through */
		default:
			amd.invalidations++;
		}
		amd.head = (amd.head + 16) % 4096;
	}
}

static uint64_t amd_read(void *ctx, uint64_t off, unsigned size)
{
	uint64_t v = 0;

	(void)ctx;
	(void)size;
	switch (off & ~7ULL) {
	case 0x0000: v = amd.devtab; break;
	case 0x0008: v = amd.cmdbuf; break;
	case 0x0018: v = amd.control; break;
	case 0x2020: v = amd.control & BIT(12) ? BIT(4) : 0; break;
	}
	return off & 4 ? v >> 32 : v;
}

static void amd_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	(void)ctx;
	(void)size;
	if (amd.dead)
		return;
	switch (off & ~7ULL) {
	case 0x0008: half(&amd.cmdbuf, off, v); break;
	case 0x0018: half(&amd.control, off, v); break;
	case 0x2000: half(&amd.head, off, v); break;
	case 0x2008:
		half(&amd.tail, off, v);
		if (off & 4)
			amd_run();
		break;
	}
}

static void make_amd(void)
{
	static const struct fake_window w = { .base = UNIT, .len = 0x4000, .read = amd_read, .write = amd_write };
	static const uint8_t all[] = { 1, 0, 0, 0 };

	set_up();
	fake_bus_add(&w);
	amd = (struct amd_model){ .devtab = RAM + 0x4000, .control = BIT(0) | BIT(12), .cmdbuf = RAM + 0x6000 };
	for (unsigned i = 0; i < 0x1000; i += 8)
		set_word(RAM + 0x4000 + i, 0x1122334455667788);
	set_word(AMD_ENTRY, (RAM + 0x7000) | 3 << 9 | 3 | BIT(61) | BIT(62));
	amd.cached[0] = word(AMD_ENTRY);
	bi.acpi[ACPI_IVRS] = (struct acpi_table){ TABLES, ivhd(48, 0x11, UNIT, all, sizeof(all)) };
}

static void test_amdvi(void **state)
{
	struct iommu_requester r = requester(0, 1, 0);
	uint8_t before[sizeof(ram)], seen[32];
	phys_addr_t limit;

	(void)state;
	make_amd();
	memcpy(before, ram, sizeof(ram));
	for (int again = 0; again < 2; again++) {
		assert_int_equal(iommu_attach(&r, &limit), 0);
		/* The unit has it: valid, mode 0, may read and write; interrupts as before */
		assert_int_equal(amd.cached[0], 3 | BIT(61) | BIT(62));
		assert_int_equal(word(AMD_ENTRY + 16), 0x1122334455667788);
		assert_true(amd.control & 1);
		/* What stood there is what every reader of old memory sees */
		assert_int_equal(overlay_read(seen, AMD_ENTRY, 32), 0);
		assert_memory_equal(seen, before + 0x4000 + 32 * 8, 32);
		assert_true(overlay_touches(RAM + 0x4000, 4096));
		assert_false(overlay_touches(RAM + 0x5000, 4096));
		iommu_detach(&r);
		assert_memory_equal(before, ram, sizeof(ram));
		assert_int_equal(amd.cached[0], (RAM + 0x7000) | 3 << 9 | 3 | BIT(61) | BIT(62));
		assert_false(overlay_touches(RAM + 0x4000, 4096));
	}
	/* Off, and entries that let through already */
	make_amd();
	amd.control = 0;
	assert_int_equal(iommu_attach(&r, &limit), 0);
	make_amd();
	set_word(AMD_ENTRY, 0);
	assert_int_equal(iommu_attach(&r, &limit), 0);
	iommu_detach(&r);
	assert_int_equal(amd.invalidations, 0);
	/* Too short a table, a table elsewhere, a unit that does not follow */
	r = requester(1, 0, 0);
	make_amd();
	assert_int_equal(iommu_attach(&r, &limit), -EXDEV);
	r = requester(0, 1, 0);
	make_amd();
	amd.devtab = TABLES;
	assert_int_equal(iommu_attach(&r, &limit), -EXDEV);
	make_amd();
	memcpy(before, ram, sizeof(ram));
	amd.dead = true;
	assert_int_equal(iommu_attach(&r, &limit), -EXDEV);
	assert_memory_equal(before, ram, sizeof(ram));
	assert_true(fake_now_us < 5000000);
}

/*---------------------------------------------------------------- an SMMUv3 */

static struct smmu_model {
	uint32_t cr0, idr0, idr1, gbpa, strtab_cfg, prod, cons;
	uint64_t strtab, cmdq;
	bool dead;
	unsigned syncs;
	uint64_t ste0;		/* what it last read of the stream's entry */
	bool torn;		/* an entry changed while it was valid */
} smmu;

static phys_addr_t ste;

static void smmu_run(void)
{
	unsigned log2 = smmu.cmdq & 0x1f;

	while (smmu.cons != smmu.prod && smmu.cr0 & BIT(3)) {
		phys_addr_t c = (smmu.cmdq & GENMASK(51, 5)) + 16 * (smmu.cons & (BIT(log2) - 1));

		if ((word(c) & 0xff) == 0x03) {
			smmu.torn |= smmu.ste0 & 1 && word(ste) & 1 && word(ste) != smmu.ste0;
			smmu.ste0 = word(ste);
		}
		smmu.syncs += (word(c) & 0xff) == 0x46;
		smmu.cons = (smmu.cons + 1) & (uint32_t)(BIT(log2 + 1) - 1);
	}
}

static uint64_t smmu_read(void *ctx, uint64_t off, unsigned size)
{
	(void)ctx;
	(void)size;
	switch (off) {
	case 0x00: return smmu.idr0;
	case 0x04: return smmu.idr1;
	case 0x20: case 0x24: return smmu.cr0;
	case 0x44: return smmu.gbpa;
	case 0x80: return (uint32_t)smmu.strtab;
	case 0x84: return smmu.strtab >> 32;
	case 0x88: return smmu.strtab_cfg;
	case 0x9c: return smmu.cons;
	}
	return 0;
}

static void smmu_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	(void)ctx;
	(void)size;
	if (smmu.dead)
		return;
	switch (off) {
	case 0x20: smmu.cr0 = (uint32_t)v; break;
	case 0x90: case 0x94: half(&smmu.cmdq, off, v); break;
	case 0x98:
		smmu.prod = (uint32_t)v;
		smmu_run();
		break;
	case 0x9c: smmu.cons = (uint32_t)v; break;
	}
}

static void make_smmu(bool two_levels, bool dt)
{
	static const struct fake_window w = { .base = UNIT, .len = 4096, .read = smmu_read, .write = smmu_write };

	set_up();
	fake_bus_add(&w);
	smmu = (struct smmu_model){ .cr0 = 0xd, .idr0 = BIT(4), .idr1 = 19 << 21, .strtab = RAM + 0x1000 };
	smmu.strtab_cfg = two_levels ? 16 | 8 << 6 | 1 << 16 : 8;
	/* Stream 0x11 on bus 1, or with two levels 0x5008 */
	if (two_levels) {
		set_word(RAM + 0x1000 + 8 * 0x50, (RAM + 0x4000) | 9);
		ste = RAM + 0x4000 + 64 * 8;
	} else {
		ste = RAM + 0x1000 + 64 * 8;
	}
	for (unsigned i = 0; i < 64; i += 8)
		set_word(ste + i, 0xa5a5000000000000 + i);
	set_word(ste, (RAM + 0x7000) | 5 << 1 | 1);
	smmu.ste0 = word(ste);
	if (dt) {
		bi.nr_iommu_maps = 1;
		bi.iommu_maps[0] = (struct iommu_map){ .host = &host, .unit = UNIT, .mask = UINT32_MAX,
						       .rid = 0x100, .sid = two_levels ? 0x5000 : 0, .len = 0x100 };
	} else {
		make_iort();
		if (!two_levels)
			put(140 + 56 + 8, 0, 4);
		bi.acpi[ACPI_IORT] = (struct acpi_table){ TABLES, 216 };
	}
}

static void test_smmu_v3(void **state)
{
	struct iommu_requester r = requester(1, 1, 0);
	phys_addr_t limit;

	(void)state;
	for (int i = 0; i < 4; i++) {
		uint8_t before[sizeof(ram)], seen[64];

		make_smmu(i & 1, i & 2);
		memcpy(before, ram, sizeof(ram));
		assert_int_equal(iommu_attach(&r, &limit), 0);
		assert_int_equal(smmu.ste0 & 0xf, 4 << 1 | 1);
		assert_false(smmu.torn);
		assert_true(smmu.cr0 & 1);
		assert_int_equal(overlay_read(seen, ste, 64), 0);
		assert_memory_equal(seen, before + (ste - RAM), 64);
		iommu_detach(&r);
		assert_memory_equal(before, ram, sizeof(ram));
		assert_int_equal(smmu.ste0, (RAM + 0x7000) | 5 << 1 | 1);
	}
	/* Already let through, or off */
	make_smmu(false, false);
	set_word(ste, 4 << 1 | 1);
	assert_int_equal(iommu_attach(&r, &limit), 0);
	iommu_detach(&r);
	assert_int_equal(smmu.syncs, 0);
	make_smmu(false, false);
	smmu.cr0 = 0;
	assert_int_equal(iommu_attach(&r, &limit), 0);
	smmu.gbpa = (uint32_t)BIT(20);
	assert_int_equal(iommu_attach(&r, &limit), -EXDEV);
	/* Hostile tables, dead hardware */
	make_smmu(true, false);
	set_word(RAM + 0x1000 + 8 * 0x50, TABLES | 9);
	assert_int_equal(iommu_attach(&r, &limit), -EXDEV);
	make_smmu(true, false);
	set_word(RAM + 0x1000 + 8 * 0x50, 0);
	assert_int_equal(iommu_attach(&r, &limit), -EXDEV);
	make_smmu(true, false);
	smmu.strtab_cfg = 16 | 31 << 6 | 1 << 16;
	assert_int_equal(iommu_attach(&r, &limit), -EXDEV);
	make_smmu(false, false);
	smmu.strtab_cfg = 2;
	assert_int_equal(iommu_attach(&r, &limit), -EXDEV);
	make_smmu(false, false);
	smmu.dead = true;
	assert_int_equal(iommu_attach(&r, &limit), -EXDEV);
	assert_true(fake_now_us < 5000000);
	/* An IOMMU of another kind in the device tree: as it was */
	make_smmu(false, true);
	bi.iommu_maps[0].unit = 0;
	assert_int_equal(iommu_attach(&r, &limit), 0);
}

/*---------------------------------------------------------------- behind bridges */

static struct fake_pci_fn functions[8];
static unsigned nr_functions;

/* @type: of the PCI Express capability, -1: there is none. @secondary 0: no bridge */
static struct fake_pci_fn *function(uint8_t bus, uint8_t devfn, int type, uint8_t secondary, uint8_t last)
{
	struct fake_pci_fn *fn = &functions[nr_functions++];

	*fn = (struct fake_pci_fn){ .bus = bus, .devfn = devfn };
	fake_pci_add(fn, 0x1b36, 1, secondary ? 0x060400 : 0x010802);
	if (secondary)
		fn->cfg[0x0e] = 1;
	fn->cfg[0x18] = bus;
	fn->cfg[0x19] = secondary;
	fn->cfg[0x1a] = last;
	if (type >= 0)
		fake_pci_set16(fn, fake_pci_cap(fn, 0x10, 60) + 2, (uint16_t)(2 | type << 4));
	return fn;
}

/* Root port 00:1c.0, PCIe-to-PCI bridge 01:00.0, disk 02:02.0, another 02:05.0, PCI-PCI bridge 02:06.0, disk 03:01.0 */
static struct fake_pci_fn *make_bridges(void)
{
	struct fake_pci_fn *other;

	nr_functions = 0;
	function(0, 0x1c << 3, 4, 1, 3);
	function(1, 0, 7, 2, 3);
	function(2, 2 << 3, -1, 0, 0);
	other = function(2, 5 << 3, -1, 0, 0);
	function(2, 6 << 3, -1, 3, 3);
	function(3, 1 << 3, -1, 0, 0);
	return other;
}

static void test_bridge_vtd(void **state)
{
	struct iommu_requester r = requester(2, 2, 0), deep = requester(3, 1, 0);
	struct fake_pci_fn *other;
	phys_addr_t limit;

	(void)state;
	make_vtd(false, ECAP_ALL);
	other = make_bridges();
	assert_int_equal(vtd_way(2, 0), OLD);
	for (int again = 0; again < 3; again++) {
		fake_pci_set16(other, 4, 7);
		assert_int_equal(iommu_attach(&r, &limit), 0);
		/* Its own number and the bridge's; not the port's, nor the bridge's own; and nobody else uses them */
		assert_int_equal(vtd_way(2, 2 << 3), PASSES);
		assert_int_equal(vtd_way(2, 0), PASSES);
		assert_int_equal(vtd_way(1, 0), BLOCKED);
		assert_int_equal(vtd_way(0, 0x1c << 3), BLOCKED);
		assert_int_equal(vtd_way(2, 5 << 3), BLOCKED);
		assert_false(fake_pci_is_master(other));
		assert_true(fake_pci_is_master(&functions[2]));
		assert_true(fake_pci_is_master(&functions[4]));
		/* A second one shares the number and adds that of the bridge between; whoever is left keeps it */
		if (again) {
			assert_int_equal(iommu_attach(&deep, &limit), 0);
			assert_int_equal(vtd_way(3, 1 << 3), PASSES);
			assert_int_equal(vtd_way(2, 6 << 3), PASSES);
			assert_true(fake_pci_is_master(&functions[2]));
			iommu_detach(again == 1 ? &r : &deep);
			assert_int_equal(vtd_way(2, 0), PASSES);
			assert_int_equal(vtd_way(2, 2 << 3), again == 1 ? BLOCKED : PASSES);
			assert_int_equal(vtd_way(3, 1 << 3), again == 1 ? PASSES : BLOCKED);
			assert_int_equal(vtd_way(2, 6 << 3), again == 1 ? PASSES : BLOCKED);
			iommu_detach(again == 1 ? &deep : &r);
		} else {
			iommu_detach(&r);
		}
		assert_int_equal(vtd.root, RAM + 0x1000);
		assert_int_equal(vtd_way(2, 0), OLD);
	}
	/* No memory for the third number: none is let through */
	make_vtd(false, ECAP_ALL);
	make_bridges();
	iommu_init(&bi, read_ram, pool, 3);
	assert_int_equal(iommu_attach(&deep, &limit), -EXDEV);
	assert_int_equal(vtd.root, RAM + 0x1000);
	/* A unit that is off: nobody is silenced */
	make_vtd(false, ECAP_ALL);
	other = make_bridges();
	vtd.gsts = 0;
	assert_int_equal(iommu_attach(&r, &limit), 0);
	assert_true(fake_pci_is_master(other));
}

/* The table has the number of the bridge, or tells it of the function: it is one and the same entry */
static void test_bridge_amdvi(void **state)
{
	static const uint8_t alias[] = { 1, 0, 0, 0, 66, 0x10, 0x02, 0, 0, 0x00, 0x02, 0 };
	const phys_addr_t own = RAM + 0x4000 + 32 * 0x210, bridge = RAM + 0x4000 + 32 * 0x200;
	const uint64_t old = (RAM + 0x7000) | 3 << 9 | 3 | BIT(61) | BIT(62), pass = 3 | BIT(61) | BIT(62);
	struct iommu_requester r = requester(2, 2, 0);
	phys_addr_t limit;

	(void)state;
	for (int named = 0; named < 2; named++) {
		make_amd();
		make_bridges();
		amd.devtab |= 4;
		set_word(own, old);
		set_word(bridge, old);
		if (named)
			bi.acpi[ACPI_IVRS].len = ivhd(48, 0x11, UNIT, alias, sizeof(alias));
		for (int again = 0; again < 2; again++) {
			assert_int_equal(iommu_attach(&r, &limit), 0);
			assert_int_equal(word(own), named ? old : pass);
			assert_int_equal(word(bridge), pass);
			iommu_detach(&r);
			assert_int_equal(word(own), old);
			assert_int_equal(word(bridge), old);
			assert_false(amd.control & BIT(12));
		}
	}
}

static void test_bridge_smmu_v3(void **state)
{
	struct iommu_requester r = requester(1, 1, 0);
	phys_addr_t limit;
	uint64_t old;

	(void)state;
	make_smmu(true, false);
	old = word(ste);
	set_word(RAM + 0x4000, old);		/* stream 0x5000 */
	nr_functions = 0;
	function(0, 0x1c << 3, 7, 1, 1);
	function(1, 1 << 3, -1, 0, 0);
	assert_int_equal(iommu_attach(&r, &limit), 0);
	assert_int_equal(word(ste), 4 << 1 | 1);
	assert_int_equal(word(RAM + 0x4000), 4 << 1 | 1);
	iommu_detach(&r);
	assert_int_equal(word(ste), old);
	assert_int_equal(word(RAM + 0x4000), old);
	/* A number that the table does not know for the bridge is none of the unit's */
	make_smmu(true, false);
	put(140 + 56, 0x0108, 4);
	put(140 + 56 + 8, 0x5008, 4);
	set_word(RAM + 0x4000, old);
	assert_int_equal(iommu_attach(&r, &limit), 0);
	assert_int_equal(word(ste), 4 << 1 | 1);
	assert_int_equal(word(RAM + 0x4000), old);
	iommu_detach(&r);
}

/*---------------------------------------------------------------- overlays */

static void test_overlay(void **state)
{
	uint8_t seen[16], data[16] = { 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9 };

	(void)state;
	set_up();
	for (unsigned i = 0; i < sizeof(ram); i++)
		ram[i] = (uint8_t)i;
	assert_int_equal(overlay_write(RAM + 0x100, data, 8), 0);
	assert_int_equal(ram[0x100], 9);
	/* Reads that begin before, in the middle of, and behind it */
	for (int at = 0xf8; at <= 0x108; at++) {
		assert_int_equal(overlay_read(seen, RAM + at, 16), 0);
		for (unsigned i = 0; i < 16; i++)
			assert_int_equal(seen[i], (uint8_t)(at + i));
	}
	assert_int_equal(overlay_write(RAM + 0x104, data, 8), -ENOSPC);	/* over another one */
	assert_int_equal(overlay_write(RAM + 0x100, data, 65), -ENOSPC);
	assert_int_equal(overlay_write(0x1000, data, 8), -EFAULT);
	assert_int_equal(overlay_is_zero(RAM + 0x100, 8), 0);
	overlay_undo(RAM + 0x100);
	assert_int_equal(ram[0x100], 0);
	/* As many as there may be, and no more */
	for (unsigned i = 0; i < OVERLAY_MAX; i++)
		assert_int_equal(overlay_write(RAM + 0x1000 * i, data, 8), 0);
	assert_int_equal(overlay_write(RAM + 0x200, data, 8), -ENOSPC);
	for (unsigned i = 0; i < OVERLAY_MAX; i++)
		overlay_undo(RAM + 0x1000 * i);
	assert_int_equal(ram[0x3000], 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dmar),
		cmocka_unit_test(test_ivrs),
		cmocka_unit_test(test_iort),
		cmocka_unit_test(test_vtd_attach),
		cmocka_unit_test(test_vtd_variants),
		cmocka_unit_test(test_vtd_bad),
		cmocka_unit_test(test_amdvi),
		cmocka_unit_test(test_smmu_v3),
		cmocka_unit_test(test_bridge_vtd),
		cmocka_unit_test(test_bridge_amdvi),
		cmocka_unit_test(test_bridge_smmu_v3),
		cmocka_unit_test(test_overlay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
