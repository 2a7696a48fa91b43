// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/boot/acpi.c stub/boot/boot_info.c tests/unit/fake/arena.c tests/unit/fake/mem.c tests/unit/fake/log.c */
/* ACPI tables as firmware writes them, then each field and each checksum spoiled. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "stub/boot/acpi.h"
#include "tests/unit/fake/arena.h"
#include "tests/unit/fake/bus.h"
#include "tests/unit/fake/mem.h"

#define BASE 0x7f000000ULL /* where firmware keeps its tables */
#define RSDP BASE
#define RSDT (BASE + 0x1000)
#define XSDT (BASE + 0x2000)

static uint8_t mem[0x20000];
static struct boot_info bi;
static struct pci_host hosts[96];
static unsigned nr_tables;
static size_t next; /* offset of the next table */

static void put(size_t at, uint64_t v, unsigned bytes)
{
	memcpy(mem + at, &v, bytes);
}

static void seal(size_t at, size_t len, size_t sum_at)
{
	uint8_t sum = 0;

	mem[at + sum_at] = 0;
	for (size_t i = 0; i < len; i++)
		sum += mem[at + i];
	mem[at + sum_at] = -sum;
}

static uint32_t length(size_t at)
{
	uint32_t len;

	memcpy(&len, mem + at + 4, 4);
	return len;
}

static void seal_table(size_t at)
{
	seal(at, length(at), 9);
}

static void seal_rsdp(void)
{
	seal(0, 20, 8);
	seal(0, 36, 32);
}

static void header(size_t at, const char *signature, uint32_t len, uint8_t revision)
{
	memcpy(mem + at, signature, 4);
	put(at + 4, len, 4);
	mem[at + 8] = revision;
}

static void begin(const char *machine)
{
	memset(mem, 0, sizeof(mem));
	fake_mem_reset();
	fake_mem_add(BASE, mem, sizeof(mem));
	fake_log_reset();
	memset(&bi, 0, sizeof(bi));
	bi.rsdp = RSDP;
	bi.machine = machine;
	memcpy(mem, "RSD PTR ", 8);
	mem[15] = 2;
	put(16, RSDT, 4);
	put(20, 36, 4);
	put(24, XSDT, 8);
	header(RSDT - BASE, "RSDT", 36, 1);
	header(XSDT - BASE, "XSDT", 36, 1);
	nr_tables = 0;
	next = 0x3000;
	seal_rsdp();
	seal_table(RSDT - BASE);
	seal_table(XSDT - BASE);
}

/* A new, zeroed table that both roots name; the caller fills and seals it */
static size_t table(const char *signature, uint32_t len, uint8_t revision)
{
	size_t at = next;

	next += (len + 63) & ~63;
	header(at, signature, len, revision);
	put(RSDT - BASE + 36 + 4 * nr_tables, BASE + at, 4);
	put(XSDT - BASE + 36 + 8 * nr_tables, BASE + at, 8);
	nr_tables++;
	put(RSDT - BASE + 4, 36 + 4 * nr_tables, 4);
	put(XSDT - BASE + 4, 36 + 8 * nr_tables, 4);
	seal_table(RSDT - BASE);
	seal_table(XSDT - BASE);
	return at;
}

static void gas(size_t at, uint8_t space, uint8_t width, uint8_t access, uint64_t address)
{
	mem[at] = space;
	mem[at + 1] = width;
	mem[at + 3] = access;
	put(at + 4, address, 8);
}

static size_t spcr(uint8_t interface, uint8_t space, uint8_t width, uint8_t access,
		   uint64_t address)
{
	size_t at = table("SPCR", 80, 2);

	mem[at + 36] = interface;
	gas(at + 40, space, width, access, address);
	mem[at + 58] = 7;
	seal_table(at);
	return at;
}

static size_t mcfg(unsigned entries)
{
	return table("MCFG", 44 + 16 * entries, 1);
}

static void mcfg_entry(size_t at, unsigned i, uint64_t base, uint16_t segment, uint8_t start,
		       uint8_t end)
{
	put(at + 44 + 16 * i, base, 8);
	put(at + 52 + 16 * i, segment, 2);
	mem[at + 54 + 16 * i] = start;
	mem[at + 55 + 16 * i] = end;
	seal_table(at);
}

static size_t fadt(uint32_t flags, uint8_t space, uint64_t address, uint8_t value, uint16_t arm)
{
	size_t at = table("FACP", 276, 6);

	put(at + 112, flags, 4);
	gas(at + 116, space, 8, 1, address);
	mem[at + 128] = value;
	put(at + 129, arm, 2);
	seal_table(at);
	return at;
}

static int discover(void)
{
	bi.nr_pci_hosts = 0;
	bi.pci_hosts_lost = false;
	bi.max_pci_hosts = ARRAY_SIZE(hosts);
	bi.pci_hosts = hosts;
	memset(&bi.firmware_console, 0, sizeof(bi.firmware_console));
	memset(&bi.reset, 0, sizeof(bi.reset));
	return acpi_discover(&bi, fake_mem_read);
}

/*---------------------------------------------------------------- the way there */

static void test_pc(void **state)
{
	(void)state;
	begin("x86_64");
	table("APIC", 120, 3);
	mcfg_entry(mcfg(1), 0, 0xb0000000, 0, 0, 255);
	spcr(0, 1, 8, 1, 0x3f8);
	fadt(1 << 10, 1, 0xcf9, 0xf, 0);
	assert_int_equal(discover(), 0);
	assert_int_equal(bi.nr_pci_hosts, 1);
	assert_true(bi.pci_hosts[0].ecam == 0xb0000000 && bi.pci_hosts[0].bus_end == 255);
	assert_true(bi.pci_hosts[0].dma_coherent);
	assert_int_equal(bi.firmware_console.type, UART_16550_IO);
	assert_true(bi.firmware_console.addr == 0x3f8);
	assert_int_equal(bi.firmware_console.baud, 0);
	assert_int_equal(bi.reset.method, RESET_IO);
	assert_true(bi.reset.addr == 0xcf9 && bi.reset.value == 0xf);
	assert_int_equal(fake_log_lines[0] + fake_log_lines[1], 0);
}

/* ACPI 1.0, or a damaged second half, or a damaged XSDT: the RSDT leads to the same tables */
static void test_rsdt(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		begin("x86_64");
		spcr(0, 1, 8, 1, 0x3f8);
		switch (i) {
		case 0:
			mem[15] = 0;
			put(20, 0, 8);
			put(28, 0, 8);
			seal(0, 20, 8);
			break;
		case 1:
			mem[32]++;
			break;
		case 2:
			put(20, 0xffffffff, 4);
			break;
		case 3:
			put(24, 0, 8);
			seal_rsdp();
			break;
		case 4:
			mem[XSDT - BASE + 9]++;
			break;
		case 5:
			put(24, UINT64_MAX - 8, 8);
			seal_rsdp();
			break;
		case 6:
			fake_mem_fail(XSDT, 36);
			break;
		case 7:
			put(20, 40, 4); /* sums right */
			seal_rsdp();
			break;
		}
		assert_int_equal(discover(), 0);
		assert_int_equal(bi.firmware_console.type, UART_16550_IO);
	}
}

static void test_unusable(void **state)
{
	(void)state;
	begin("x86_64");
	spcr(0, 1, 8, 1, 0x3f8);
	bi.rsdp = 0;
	assert_int_equal(discover(), -EFAULT);
	bi.rsdp = UINT64_MAX - 4;
	assert_int_equal(discover(), -EFAULT);
	bi.rsdp = RSDP + 16;
	assert_int_equal(discover(), -EINVAL);
	bi.rsdp = RSDP;
	mem[8]++;
	assert_int_equal(discover(), -EINVAL);
	mem[8]--;
	assert_int_equal(discover(), 0);
	mem[RSDT - BASE + 9]++;
	assert_int_equal(discover(), 0); /* XSDT still good */
	mem[XSDT - BASE + 9]++;
	assert_int_equal(discover(), -EINVAL);
	/* lengths of the root tables */
	for (int i = 0; i < 3; i++) {
		static const uint32_t bad[] = {35, 0, (1 << 20) + 1};

		put(XSDT - BASE + 4, bad[i], 4);
		put(RSDT - BASE + 4, bad[i], 4);
		assert_int_equal(discover(), -EINVAL);
	}
	/* a root with the other's signature, sum right */
	begin("x86_64");
	memcpy(mem + (XSDT - BASE), "RSDT", 4);
	memcpy(mem + (RSDT - BASE), "XSDT", 4);
	seal_table(RSDT - BASE);
	seal_table(XSDT - BASE);
	assert_int_equal(discover(), -EINVAL);
}

static void test_bad_tables(void **state)
{
	size_t at;

	(void)state;
	/* a bad table does not hide the others */
	begin("x86_64");
	at = mcfg(1);
	mcfg_entry(at, 0, 0xb0000000, 0, 0, 255);
	mem[at + 9]++;
	put(XSDT - BASE + 36 + 8 * nr_tables++, UINT64_MAX, 8);
	put(XSDT - BASE + 36 + 8 * nr_tables++, 0, 8);
	put(XSDT - BASE + 36 + 8 * nr_tables++, 0x1000, 8);
	spcr(0, 1, 8, 1, 0x2f8);
	assert_int_equal(discover(), 0);
	assert_int_equal(bi.nr_pci_hosts, 0);
	assert_true(fake_log_has("MCFG: bad checksum"));
	assert_true(bi.firmware_console.addr == 0x2f8);
	/* absurd lengths */
	for (int i = 0; i < 4; i++) {
		static const uint32_t bad[] = {0, 35, 0x20000, UINT32_MAX};

		begin("x86_64");
		at = mcfg(1);
		mcfg_entry(at, 0, 0xb0000000, 0, 0, 255);
		put(at + 4, bad[i], 4);
		assert_int_equal(discover(), 0);
		assert_int_equal(bi.nr_pci_hosts, 0);
	}
	/* the first good one of a kind counts */
	begin("x86_64");
	at = spcr(0, 1, 8, 1, 0x3f8);
	spcr(0, 1, 8, 1, 0x2f8);
	spcr(0, 1, 8, 1, 0x3e8);
	mem[at + 9]++;
	assert_int_equal(discover(), 0);
	assert_true(bi.firmware_console.addr == 0x2f8);
}

/* Thousands of entries that lead nowhere: a bounded number is looked at */
static void test_many_entries(void **state)
{
	(void)state;
	begin("x86_64");
	put(XSDT - BASE + 4, 36 + 8 * 10000, 4);
	for (unsigned i = 0; i < 10000; i++)
		put(XSDT - BASE + 36 + 8 * i, BASE + sizeof(mem) - 16, 8);
	seal_table(XSDT - BASE);
	assert_int_equal(discover(), 0);
	assert_true(fake_mem_reads < 3000);
}

static void test_find_rsdp(void **state)
{
	static uint8_t low[0x1000], bios[0x20000];

	(void)state;
	memset(low, 0, sizeof(low));
	memset(bios, 0, sizeof(bios));
	begin("x86_64");
	assert_true(acpi_find_rsdp(fake_mem_read) == 0); /* nothing can be read */
	fake_mem_add(0, low, sizeof(low));
	fake_mem_add(0xe0000, bios, sizeof(bios));
	assert_true(acpi_find_rsdp(fake_mem_read) == 0);
	memcpy(bios + 0x14fe0, mem, 36);
	assert_true(acpi_find_rsdp(fake_mem_read) == 0xf4fe0);
	memcpy(bios + 0x1ffd0, mem, 36);
	memcpy(bios + 0x100, "RSD PTR ", 8); /* bad sum */
	memcpy(bios + 0x208, mem, 36);	     /* not on a paragraph */
	assert_true(acpi_find_rsdp(fake_mem_read) == 0xf4fe0);
	memset(bios, 0, 0x1ffd0);
	assert_true(acpi_find_rsdp(fake_mem_read) == 0xfffd0);
	/* the extended BIOS data area comes first, if its segment makes sense */
	low[0x40e] = 0xc0;
	low[0x40f] = 0x9f;
	fake_mem_add(0x9fc00, mem, 1024);
	assert_true(acpi_find_rsdp(fake_mem_read) == 0x9fc00);
	low[0x40f] = 0xff;
	assert_true(acpi_find_rsdp(fake_mem_read) == 0xfffd0);
	low[0x40e] = 0;
	low[0x40f] = 0xa0;
	fake_mem_add(0xa0000, mem, 1024);
	assert_true(acpi_find_rsdp(fake_mem_read) == 0xfffd0);
	/* what cannot be read is stepped over */
	fake_mem_fail(0xe0000, 4096);
	assert_true(acpi_find_rsdp(fake_mem_read) == 0xfffd0);
}

/*---------------------------------------------------------------- tables */

static void test_mcfg(void **state)
{
	size_t at;

	(void)state;
	begin("x86_64");
	at = mcfg(9);
	mcfg_entry(at, 0, 0xe0000000, 0, 0, 255);
	mcfg_entry(at, 1, 0x4010000000, 1, 16, 31); /* base is that of bus 0 all the same */
	mcfg_entry(at, 2, 0, 2, 0, 255);
	mcfg_entry(at, 3, 0x80000, 3, 0, 255); /* not a multiple of a bus */
	mcfg_entry(at, 4, 0xd0000000, 4, 5, 4);
	mcfg_entry(at, 5, 0xfffffff000000, 5, 0, 255); /* beyond 2^52 */
	mcfg_entry(at, 6, 0xfffffff000000, 6, 0, 15);
	mcfg_entry(at, 7, UINT64_MAX - 0xfffff, 7, 0, 0);
	mcfg_entry(at, 8, 0xd0000000, 8, 0, 0);
	assert_int_equal(discover(), 0);
	assert_int_equal(bi.nr_pci_hosts, 4);
	assert_true(bi.pci_hosts[1].ecam == 0x4010000000 && bi.pci_hosts[1].segment == 1);
	assert_true(bi.pci_hosts[1].bus_start == 16 && bi.pci_hosts[1].bus_end == 31);
	assert_int_equal(bi.pci_hosts[2].segment, 6);
	assert_int_equal(bi.pci_hosts[3].segment, 8);
	assert_int_equal(fake_log_lines[1], 5);

	/* hosts that arch knew already stay; too many are cut */
	begin("x86_64");
	for (int nr = 12; nr <= 97; nr += 85 - (nr == 96)) {
		begin("x86_64");
		at = mcfg(nr);
		for (int i = 0; i < nr; i++)
			mcfg_entry(at, i, 0xe0000000 + i * 0x10000000ULL, i, 0, 255);
		assert_int_equal(discover(), 0);
		assert_int_equal(bi.nr_pci_hosts, min_u64(nr, 96));
		assert_int_equal(bi.pci_hosts[11].segment, 11);
		assert_int_equal(fake_log_lines[1], nr > 96);
	}

	/* no entry, or a part of one */
	for (uint32_t len = 36; len < 60; len++) {
		begin("x86_64");
		at = mcfg(1);
		mcfg_entry(at, 0, 0xe0000000, 0, 0, 255);
		put(at + 4, len, 4);
		seal_table(at);
		assert_int_equal(discover(), 0);
		assert_int_equal(bi.nr_pci_hosts, 0);
	}
}

/* A machine with a segment for each slot, with the memory beside the image at crashkernel=1M and at 512K */
static void test_many_segments(void **state)
{
	static const size_t arena[] = { KIB(640), KIB(128) };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(arena); i++) {
		size_t at;

		begin("x86_64");
		at = mcfg(256);
		for (unsigned nr = 0; nr < 256; nr++)
			mcfg_entry(at, nr, 0xe0000000 + nr * 0x10000000ULL, (uint16_t)nr, 0, 255);
		bi.nr_pci_hosts = 0;
		fake_arena_most = arena[i];
		boot_take_pci_hosts(&bi);
		fake_arena_most = SIZE_MAX;
		assert_int_equal(acpi_discover(&bi, fake_mem_read), 0);
		assert_int_equal(bi.nr_pci_hosts, 256);
		assert_int_equal(bi.pci_hosts[255].segment, 255);
		assert_int_equal(fake_log_lines[1], 0);
		/* Of little memory it is a small part */
		assert_true(bi.max_pci_hosts * sizeof(*bi.pci_hosts) <= arena[i] / 16);
	}
	/* Not even for eight: none, and said once */
	bi.nr_pci_hosts = 0;
	bi.pci_hosts_lost = false;
	fake_arena_most = 0;
	boot_take_pci_hosts(&bi);
	fake_arena_most = SIZE_MAX;
	assert_int_equal(bi.max_pci_hosts, 0);
	assert_int_equal(acpi_discover(&bi, fake_mem_read), 0);
	assert_null(boot_add_pci_host(&bi, &(struct pci_host){ .bus_end = 255 }));
	assert_int_equal(bi.nr_pci_hosts, 0);
	assert_int_equal(fake_log_lines[1], 1);
}

static void test_spcr(void **state)
{
	static const struct {
		uint8_t interface, space, width, access;
		uint64_t address;
		enum uart_type type;
		int shift;
	} cases[] = {
		{0x00, 1, 8, 1, 0x3f8, UART_16550_IO, 0},
		{0x01, 1, 8, 0, 0x2f8, UART_16550_IO, 0},
		{0x00, 1, 8, 1, 0xfff8, UART_16550_IO, 0},
		{0x00, 1, 8, 1, 0xfff9, UART_NONE, 0},
		{0x00, 0, 8, 1, 0xfe001000, UART_16550_MMIO, 0},
		{0x00, 0, 8, 0, 0xfe001001, UART_16550_MMIO, 0},
		{0x00, 0, 0, 0, 0xfe001000, UART_16550_MMIO, 0},
		{0x00, 0, 32, 0, 0xfe001000, UART_16550_MMIO32, 2},
		{0x00, 0, 8, 3, 0xfe001000, UART_16550_MMIO32, 2},
		{0x00, 0, 32, 3, 0xfe001000, UART_16550_MMIO32, 2},
		{0x00, 0, 32, 3, 0xfe001002, UART_NONE, 0},
		{0x00, 0, 32, 1, 0xfe001000, UART_16550_MMIO, 2},
		{0x12, 0, 32, 1, 0xfe001000, UART_16550_MMIO, 2},
		{0x12, 0, 16, 1, 0xfe001000, UART_16550_MMIO, 1},
		{0x12, 0, 32, 3, 0xfe001000, UART_16550_MMIO32, 2},
		{0x12, 1, 8, 1, 0x3f8, UART_16550_IO, 0},
		{0x00, 0, 16, 2, 0xfe001000, UART_NONE, 0},
		{0x00, 0, 64, 4, 0xfe001000, UART_NONE, 0},
		{0x00, 0, 8, 5, 0xfe001000, UART_NONE, 0},
		{0x00, 0, 8, 255, 0xfe001000, UART_NONE, 0},
		{0x03, 0, 32, 3, 0x9000000, UART_PL011, 0},
		{0x0d, 0, 32, 3, 0x9000000, UART_PL011, 0},
		{0x0e, 0, 32, 0, 0x9000000, UART_PL011, 0},
		{0x03, 0, 32, 3, 0x9000001, UART_NONE, 0},
		{0x03, 1, 32, 3, 0x3f8, UART_NONE, 0},
		{0x02, 0, 32, 3, 0x9000000, UART_NONE, 0}, /* a MAX311xE over SPI */
		{0x0f, 0, 32, 3, 0x9000000, UART_NONE, 0}, /* the ARM debug channel */
		{0x00, 2, 8, 1, 0x3f8, UART_NONE, 0},
		{0x00, 0, 8, 1, 0x10000000000000, UART_NONE, 0},
		{0x00, 0, 8, 1, 0, UART_NONE, 0}, /* no console */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct uart_spec *u = &bi.firmware_console;

		begin("x86_64");
		spcr(cases[i].interface, cases[i].space, cases[i].width, cases[i].access,
		     cases[i].address);
		assert_int_equal(discover(), 0);
		if (u->type != cases[i].type || u->reg_shift != cases[i].shift ||
		    u->addr != (u->type == UART_NONE ? 0 : cases[i].address))
			fail_msg("case %zu: type %d, shift %d, %#lx", i, u->type, u->reg_shift,
				 u->addr);
		/* something that is there and cannot be used is worth a line */
		assert_int_equal(fake_log_lines[1], u->type == UART_NONE && cases[i].address);
	}
}

static void test_spcr_clock(void **state)
{
	size_t at;

	(void)state;
	begin("aarch64");
	at = spcr(3, 0, 32, 3, 0x9000000);
	put(at + 76, 24000000, 4);
	seal_table(at);
	assert_int_equal(discover(), 0);
	assert_int_equal(bi.firmware_console.clock_hz, 0); /* revision 2 has no such field */
	mem[at + 8] = 3;
	seal_table(at);
	assert_int_equal(discover(), 0);
	assert_int_equal(bi.firmware_console.clock_hz, 24000000);
	/* cut short */
	put(at + 4, 60, 4);
	seal_table(at);
	assert_int_equal(discover(), 0);
	assert_int_equal(bi.firmware_console.type, UART_PL011);
	assert_int_equal(bi.firmware_console.clock_hz, 0);
	put(at + 4, 36, 4);
	seal_table(at);
	assert_int_equal(discover(), 0);
	assert_int_equal(bi.firmware_console.type, UART_NONE);
}

static void test_reset_register(void **state)
{
	static const struct {
		uint32_t flags;
		uint8_t space;
		uint64_t address;
		enum reset_method method;
	} cases[] = {
		{1 << 10, 1, 0xcf9, RESET_IO},
		{1 << 10, 1, 0x10000, RESET_UNKNOWN},
		{1 << 10, 1, 0xffff, RESET_IO},
		{1 << 10, 0, 0xfed0000000, RESET_MMIO},
		{1 << 10, 0, 0x10000000000000, RESET_UNKNOWN},
		{1 << 10, 0, 0, RESET_UNKNOWN},
		{1 << 10, 2, 0x1f00000044, RESET_PCI_CONFIG},
		{1 << 10, 2, 0x1f000700ff, RESET_PCI_CONFIG},
		{1 << 10, 2, 0x1f00000100, RESET_UNKNOWN},
		{1 << 10, 2, 0x1f00080044, RESET_UNKNOWN},
		{1 << 10, 2, 0x2000000044, RESET_UNKNOWN},
		{1 << 10, 3, 0x64, RESET_UNKNOWN},
		{~(1u << 10), 1, 0xcf9, RESET_UNKNOWN}, /* RESET_REG_SUP is not set */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		begin("x86_64");
		fadt(cases[i].flags, cases[i].space, cases[i].address, 6, 3);
		assert_int_equal(discover(), 0);
		if (bi.reset.method != cases[i].method)
			fail_msg("case %zu: %d", i, bi.reset.method);
		if (bi.reset.method != RESET_UNKNOWN)
			assert_true(bi.reset.addr == cases[i].address && bi.reset.value == 6);
	}
	/* ACPI 1.0: the table ends before the reset register */
	begin("x86_64");
	put(fadt(1 << 10, 1, 0xcf9, 6, 0) + 4, 116, 4);
	seal_table(0x3000);
	assert_int_equal(discover(), 0);
	assert_int_equal(bi.reset.method, RESET_UNKNOWN);
}

static void test_psci(void **state)
{
	size_t at;

	(void)state;
	begin("aarch64");
	at = fadt(0, 0, 0, 0, 3);
	assert_int_equal(discover(), 0);
	assert_int_equal(bi.reset.method, RESET_PSCI_HVC);
	put(at + 129, 1, 2);
	seal_table(at);
	assert_int_equal(discover(), 0);
	assert_int_equal(bi.reset.method, RESET_PSCI_SMC);
	put(at + 129, 2, 2); /* not compliant: the conduit bit means nothing */
	seal_table(at);
	assert_int_equal(discover(), 0);
	assert_int_equal(bi.reset.method, RESET_UNKNOWN);
	put(at + 129, 3, 2);
	mem[at + 8] = 4; /* before ACPI 5 these bytes were reserved */
	seal_table(at);
	assert_int_equal(discover(), 0);
	assert_int_equal(bi.reset.method, RESET_UNKNOWN);
	mem[at + 8] = 6;
	seal_table(at);
	bi.machine = "x86_64";
	assert_int_equal(discover(), 0);
	assert_int_equal(bi.reset.method, RESET_UNKNOWN);
	bi.machine = NULL;
	assert_int_equal(discover(), 0);
	assert_int_equal(bi.reset.method, RESET_UNKNOWN);
}

/* Tables that drivers read later: where they are */
static void test_kept(void **state)
{
	static const struct {
		const char *signature;
		enum acpi_kind kind;
	} kinds[] = {
		{ "DMAR", ACPI_DMAR }, { "WDAT", ACPI_WDAT }, { "SPMI", ACPI_SPMI }, { "GTDT", ACPI_GTDT },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t at;

		begin("x86_64");
		at = table(kinds[i].signature, 68, 1);
		seal_table(at);
		assert_int_equal(acpi_discover(&bi, fake_mem_read), 0);
		assert_true(bi.acpi[kinds[i].kind].pa == BASE + at && bi.acpi[kinds[i].kind].len == 68);
		mem[at + 40]++;
		memset(&bi.acpi, 0, sizeof(bi.acpi));
		assert_int_equal(acpi_discover(&bi, fake_mem_read), 0);
		assert_true(bi.acpi[kinds[i].kind].pa == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pc),	     cmocka_unit_test(test_rsdt),
		cmocka_unit_test(test_unusable),     cmocka_unit_test(test_bad_tables),
		cmocka_unit_test(test_many_entries), cmocka_unit_test(test_find_rsdp),
		cmocka_unit_test(test_many_segments),
		cmocka_unit_test(test_mcfg),	     cmocka_unit_test(test_spcr),
		cmocka_unit_test(test_spcr_clock),   cmocka_unit_test(test_reset_register),
		cmocka_unit_test(test_psci),
		cmocka_unit_test(test_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
