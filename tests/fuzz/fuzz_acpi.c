// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/boot/acpi.c stub/boot/boot_info.c tests/unit/fake/arena.c tests/unit/fake/log.c */
/*
 * Hostile ACPI tables. Input: a control byte, then 8 KiB of memory at most, which begins with the
 * RSDP. Checksums of the RSDP and of every table that a pointer of the RSDT or XSDT names can be
 * put right.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stub/boot/acpi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BASE 0xe0000ULL

enum { FIX_RSDP = 1, FIX_TABLES = 2, ARM = 4, SPARSE = 8, FIND = 16 };

static uint8_t *mem;
static size_t mem_len;
static uint8_t flags;
static unsigned reads;
static struct boot_info bi;
static struct pci_host hosts[8];

static int read_mem(void *dst, phys_addr_t pa, size_t len)
{
	assert(len > 0 && len <= 4096);
	/* 512 tables: header, and 4096 pieces of one that is 1 MiB long, each */
	assert(reads++ < 513 * 4200 + 10000);
	if (!range_inside(pa, len, BASE, BASE + mem_len)) {
		/* SPARSE: there is memory everywhere, all zero */
		memset(dst, 0, len);
		return flags & SPARSE ? 0 : -EFAULT;
	}
	memcpy(dst, mem + (pa - BASE), len);
	return 0;
}

static void fix_sum(size_t at, size_t len, size_t sum_at)
{
	uint8_t sum = 0;

	if (!range_inside(at, len, 0, mem_len) || sum_at >= len)
		return;
	mem[at + sum_at] = 0;
	for (size_t i = 0; i < len; i++)
		sum += mem[at + i];
	mem[at + sum_at] = -sum;
}

static void fix_table(uint64_t pa)
{
	uint32_t len;

	if (!range_inside(pa, 36, BASE, BASE + mem_len))
		return;
	memcpy(&len, mem + (pa - BASE) + 4, 4);
	fix_sum(pa - BASE, len, 9);
}

/* Tables first, then the root table over the pointers, then the RSDP */
static void fix_root(uint64_t pa, size_t entry_size, const char *signature)
{
	uint32_t len;

	if (!range_inside(pa, 36, BASE, BASE + mem_len))
		return;
	memcpy(mem + (pa - BASE), signature, 4);
	memcpy(&len, mem + (pa - BASE) + 4, 4);
	for (uint64_t at = 36; at + entry_size <= len && at < 36 + 64 * entry_size;
	     at += entry_size) {
		uint64_t entry = 0;

		if (!range_inside(pa + at, entry_size, BASE, BASE + mem_len))
			break;
		memcpy(&entry, mem + (pa - BASE) + at, entry_size);
		fix_table(entry);
	}
	fix_table(pa);
}

static void fix(void)
{
	uint32_t rsdt;
	uint64_t xsdt;

	if (mem_len < 36)
		return;
	memcpy(&rsdt, mem + 16, 4);
	memcpy(&xsdt, mem + 24, 8);
	if (flags & FIX_TABLES) {
		fix_root(rsdt, 4, "RSDT");
		fix_root(xsdt, 8, "XSDT");
	}
	if (flags & FIX_RSDP) {
		static const uint32_t size = 36;

		memcpy(mem, "RSD PTR ", 8);
		memcpy(mem + 20, &size, 4);
		fix_sum(0, 20, 8);
		fix_sum(0, 36, 32);
	}
}

static void check(void)
{
	const struct uart_spec *u = &bi.firmware_console;

	assert(bi.nr_pci_hosts <= bi.max_pci_hosts);
	for (unsigned i = 0; i < bi.nr_pci_hosts; i++) {
		const struct pci_host *h = &bi.pci_hosts[i];

		assert(h->bus_start <= h->bus_end && IS_ALIGNED(h->ecam, MIB(1)) && h->ecam);
		assert(range_inside(h->ecam, MIB(h->bus_end + 1ULL), 0, BIT(52)));
	}
	assert(u->type <= UART_PL011);
	if (u->type == UART_16550_IO)
		assert(u->addr > 0 && u->addr <= 0x10000 - 8);
	if (u->type == UART_16550_MMIO32 || u->type == UART_PL011)
		assert(IS_ALIGNED(u->addr, 4));
	if (u->type != UART_NONE)
		assert(u->addr && u->addr < BIT(52) && u->reg_shift <= 2 && u->baud == 0);
	switch (bi.reset.method) {
	case RESET_UNKNOWN:
		break;
	case RESET_IO:
		assert(bi.reset.addr <= 0xffff);
		break;
	case RESET_MMIO:
		assert(bi.reset.addr < BIT(52));
		break;
	case RESET_PCI_CONFIG:
		assert(bi.reset.addr >> 32 < 32 && (bi.reset.addr & 0xffff) < 256);
		break;
	default:
		assert(flags & ARM);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	phys_addr_t rsdp;

	if (size < 1)
		return 0;
	flags = data[0];
	mem_len = min_u64(size - 1, 8192);
	mem = malloc(mem_len ? mem_len : 1);
	memcpy(mem, data + 1, mem_len);
	fix();
	memset(&bi, 0, sizeof(bi));
	bi.max_pci_hosts = ARRAY_SIZE(hosts);
	bi.pci_hosts = hosts;
	bi.rsdp = BASE;
	bi.machine = flags & ARM ? "aarch64" : "x86_64";
	reads = 0;
	if (acpi_discover(&bi, read_mem) == 0)
		check();
	if (!(flags & FIND))
		goto out; /* slow: it looks at 128 KiB */
	rsdp = acpi_find_rsdp(read_mem);
	assert(rsdp == 0 || (range_inside(rsdp, 20, BASE, BASE + mem_len) && IS_ALIGNED(rsdp, 16)));
out:
	free(mem);
	return 0;
}
