// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See pci_bus.h. Behaviour that drivers rely on: identity read-only, reset and D3 exit lose BARs
 * and command.
 */
#include <assert.h>
#include <string.h>

#include "tests/unit/fake/bus.h"
#include "tests/unit/fake/pci_bus.h"

#define MAX_FNS 32

static struct fake_pci_fn *fns[MAX_FNS];
static unsigned nr_fns;
static uint32_t config_address;

uint16_t fake_pci_get16(const struct fake_pci_fn *fn, unsigned off)
{
	uint16_t v;

	memcpy(&v, fn->cfg + off, sizeof(v));
	return v;
}

uint32_t fake_pci_get32(const struct fake_pci_fn *fn, unsigned off)
{
	uint32_t v;

	memcpy(&v, fn->cfg + off, sizeof(v));
	return v;
}

void fake_pci_set16(struct fake_pci_fn *fn, unsigned off, uint16_t v)
{
	memcpy(fn->cfg + off, &v, sizeof(v));
}

void fake_pci_set32(struct fake_pci_fn *fn, unsigned off, uint32_t v)
{
	memcpy(fn->cfg + off, &v, sizeof(v));
}

static unsigned find_cap(const struct fake_pci_fn *fn, uint8_t id)
{
	unsigned off = fn->cfg[0x34] & 0xfc;

	for (unsigned n = 0; off && n < 48; n++, off = fn->cfg[off + 1] & 0xfc)
		if (fn->cfg[off] == id)
			return off;
	return 0;
}

static void lose_config(struct fake_pci_fn *fn)
{
	fake_pci_set16(fn, 4, 0);
	memset(fn->cfg + 0x10, 0, 24);
}

static void after_write(struct fake_pci_fn *fn, const uint8_t *before)
{
	unsigned pcie = find_cap(fn, 0x10), pm = find_cap(fn, 0x01);

	/* identity, class, header type and capability pointer are read-only */
	memcpy(fn->cfg, before, 4);
	memcpy(fn->cfg + 6, before + 6, 2);
	memcpy(fn->cfg + 8, before + 8, 4);
	memcpy(fn->cfg + 0x0e, before + 0x0e, 1);
	if (pm && before[pm + 4] & 3 && !(fn->cfg[pm + 4] & 3)) {
		fn->d3_exits++;
		lose_config(fn);
	}
	if (pcie && fake_pci_get16(fn, pcie + 8) & 0x8000 &&
	    fake_pci_get32(fn, pcie + 4) & BIT(28)) {
		fn->flrs++;
		fake_pci_set16(fn, pcie + 8, 0);
		lose_config(fn);
		fn->gone = fn->no_return;
		if (fn->reset)
			fn->reset(fn->ctx);
	}
}

static struct fake_pci_fn *select_fn(unsigned bus, unsigned devfn)
{
	for (unsigned i = 0; i < nr_fns; i++) {
		struct fake_pci_fn *fn = fns[i];

		if (fn->bus != bus || fn->devfn != devfn || fn->gone)
			continue;
		if (fn->command_at_us && fake_now_us >= fn->command_at_us) {
			fn->command_at_us = 0;
			fake_pci_set16(fn, 4, fn->command);
		}
		return fn;
	}
	return NULL;
}

static uint64_t cfg_read(unsigned bus, unsigned devfn, unsigned off, unsigned size)
{
	struct fake_pci_fn *fn = select_fn(bus, devfn);
	uint64_t v = 0;

	if (!fn)
		return ~0ULL;
	if (off + size <= FAKE_CFG_SIZE)
		memcpy(&v, fn->cfg + off, size);
	return v;
}

static void cfg_write(unsigned bus, unsigned devfn, unsigned off, unsigned size, uint64_t v)
{
	struct fake_pci_fn *fn = select_fn(bus, devfn);
	uint8_t before[sizeof(fn->cfg)];

	if (!fn || off + size > FAKE_CFG_SIZE)
		return;
	if (off == 4 && fn->stuck_master)
		v = (v & ~4ULL) | (fake_pci_get16(fn, 4) & 4);
	if (off == 4 && fn->command_us) {
		fn->command = (uint16_t)v;
		fn->command_at_us = fake_now_us + fn->command_us;
		return;
	}
	memcpy(before, fn->cfg, sizeof(before));
	memcpy(fn->cfg + off, &v, size);
	after_write(fn, before);
}

static uint64_t ecam_read(void *ctx, uint64_t off, unsigned size)
{
	(void)ctx;
	return cfg_read(off >> 20, (off >> 12) & 0xff, off & 0xfff, size);
}

static void ecam_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	(void)ctx;
	cfg_write(off >> 20, (off >> 12) & 0xff, off & 0xfff, size, v);
}

static uint64_t port_read(void *ctx, uint64_t off, unsigned size)
{
	(void)ctx;
	if (off < 4)
		return config_address;
	assert(config_address & BIT(31));
	return cfg_read((config_address >> 16) & 0xff, (config_address >> 8) & 0xff,
			(config_address & 0xfc) + (off & 3), size);
}

static void port_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	(void)ctx;
	if (off < 4) {
		/* only a 32-bit write to 0xcf8 is the address, anything else is another device's */
		assert(off == 0 && size == 4);
		config_address = (uint32_t)v;
		return;
	}
	assert(config_address & BIT(31));
	cfg_write((config_address >> 16) & 0xff, (config_address >> 8) & 0xff,
		  (config_address & 0xfc) + (off & 3), size, v);
}

struct pci_host fake_pci_host(bool ecam, uint8_t bus_end)
{
	struct fake_window w = {
		.base = ecam ? FAKE_ECAM : 0xcf8,
		.len = ecam ? (bus_end + 1ULL) << 20 : 8,
		.port = !ecam,
		.read = ecam ? ecam_read : port_read,
		.write = ecam ? ecam_write : port_write,
	};

	nr_fns = 0;
	config_address = 0;
	fake_bus_add(&w);
	return (struct pci_host){
		.ecam = ecam ? FAKE_ECAM : 0, .bus_end = bus_end, .dma_coherent = true};
}

void fake_pci_add(struct fake_pci_fn *fn, uint16_t vendor, uint16_t device, uint32_t class_code)
{
	assert(nr_fns < MAX_FNS);
	fns[nr_fns++] = fn;
	fn->cap_end = 0x40;
	fake_pci_set16(fn, 0, vendor);
	fake_pci_set16(fn, 2, device);
	fake_pci_set32(fn, 8, class_code << 8);
	/* as the dead kernel left it: decoding on, bus master on, interrupts on */
	fake_pci_set16(fn, 4, 0x0007);
}

void fake_pci_bar32(struct fake_pci_fn *fn, unsigned n, uint32_t addr, bool io)
{
	fake_pci_set32(fn, 0x10 + 4 * n, addr | io);
}

void fake_pci_bar64(struct fake_pci_fn *fn, unsigned n, uint64_t addr)
{
	fake_pci_set32(fn, 0x10 + 4 * n, (uint32_t)addr | 4);
	fake_pci_set32(fn, 0x14 + 4 * n, (uint32_t)(addr >> 32));
}

unsigned fake_pci_cap(struct fake_pci_fn *fn, uint8_t id, unsigned len)
{
	unsigned off = fn->cap_end;

	assert(off + len <= FAKE_CFG_SIZE);
	fn->cfg[off] = id;
	fn->cfg[off + 1] = 0;
	if (fn->cap_last)
		fn->cfg[fn->cap_last + 1] = (uint8_t)off;
	else
		fn->cfg[0x34] = (uint8_t)off;
	fn->cfg[6] |= 0x10;
	fn->cap_last = off;
	fn->cap_end = (off + len + 3) & ~3u;
	return off;
}
