// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: arch/arm64/devtree.c arch/arm64/uefi.c stub/boot/boot_info.c tests/unit/fake/arena.c tests/unit/fake/log.c */
/* Device trees of real machines' shapes, and broken ones; the walk from EFI to the RSDP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <libfdt.h>

#include "arch/arm64/devtree.h"
#include "arch/arm64/uefi.h"
#include "tests/unit/fake/bus.h"

#define TREE_MAX 65536

static char tree[TREE_MAX];
static struct pci_host hosts[8];
static struct boot_info bi;
static uint64_t from, to;		/* what devtree_usable_memory() says */
static struct devtree_efi efi;

static void must(int rc)
{
	if (rc)
		fail_msg("libfdt: %s", fdt_strerror(rc));
}

/* ---- Writing trees ---- */

static void begin_tree(unsigned address_cells, unsigned size_cells)
{
	memset(&bi, 0, sizeof(bi));
	bi.max_pci_hosts = ARRAY_SIZE(hosts);
	bi.pci_hosts = hosts;
	memset(&efi, 0xff, sizeof(efi));
	must(fdt_create(tree, sizeof(tree)));
	must(fdt_finish_reservemap(tree));
	must(fdt_begin_node(tree, ""));
	must(fdt_property_u32(tree, "#address-cells", address_cells));
	must(fdt_property_u32(tree, "#size-cells", size_cells));
	must(fdt_property_string(tree, "compatible", "linux,dummy-virt"));
}

static void node(const char *name)
{
	must(fdt_begin_node(tree, name));
}

static void end(void)
{
	must(fdt_end_node(tree));
}

static void str(const char *name, const char *value)
{
	must(fdt_property_string(tree, name, value));
}

static void u32(const char *name, uint32_t value)
{
	must(fdt_property_u32(tree, name, value));
}

static void flag(const char *name)
{
	must(fdt_property(tree, name, NULL, 0));
}

/* Several strings in one literal, "a\0b" */
#define strings(name, literal) must(fdt_property(tree, name, literal, sizeof(literal)))

/* 32-bit cells, as in <1 2 3> */
#define cells(name, ...) do {							\
	static const uint32_t __c[] = { __VA_ARGS__ };				\
	fdt32_t __be[sizeof(__c) / 4];						\
	for (size_t __i = 0; __i < sizeof(__c) / 4; __i++)			\
		__be[__i] = cpu_to_fdt32(__c[__i]);				\
	must(fdt_property(tree, name, __be, sizeof(__be)));			\
} while (0)

static void finish_tree(void)
{
	end();
	must(fdt_finish(tree));
}

static void parse(void)
{
	finish_tree();
	assert_int_equal(devtree_check(tree, sizeof(tree)), 0);
	devtree_early(tree, &bi, &efi);
	devtree_buses(tree, &bi);
}

/* ---- A machine like QEMU's virt, loaded by kexec ---- */

static void test_virt(void **state)
{
	(void)state;
	begin_tree(2, 2);
	flag("dma-coherent");
	node("psci");
	strings("compatible", "arm,psci-1.0\0arm,psci-0.2\0arm,psci");
	str("method", "hvc");
	end();
	node("pl011@9000000");
	strings("compatible", "arm,pl011\0arm,primecell");
	cells("reg", 0, 0x9000000, 0, 0x1000);
	cells("clocks", 0x8000, 0x8000);
	end();
	node("apb-pclk");
	str("compatible", "fixed-clock");
	u32("phandle", 0x8000);
	u32("clock-frequency", 24000000);
	end();
	node("pcie@10000000");
	str("compatible", "pci-host-ecam-generic");
	cells("reg", 0x40, 0x10000000, 0, 0x10000000);
	cells("bus-range", 0, 255);
	u32("linux,pci-domain", 3);
	u32("#address-cells", 3);
	u32("#size-cells", 2);
	cells("ranges", 0x2000000, 0, 0x10000000, 0, 0x10000000, 0, 0x2eff0000,
	      0x1000000, 0, 0, 0, 0x3eff0000, 0, 0x10000,
	      0x3000000, 0x80, 0, 0x80, 0, 0x80, 0);
	end();
	for (int i = 0; i < 40; i++) {
		fdt32_t reg[4] = { 0, cpu_to_fdt32(0xa000000 + i * 0x200), 0, cpu_to_fdt32(0x200) };

		node("virtio_mmio");
		str("compatible", "virtio,mmio");
		must(fdt_property(tree, "reg", reg, sizeof(reg)));
		end();
	}
	node("chosen");
	str("bootargs", "console=ttyAMA0 dump=SERIAL=x");
	str("stdout-path", "/pl011@9000000:115200n8");
	cells("linux,elfcorehdr", 0, 0x5b4ff000, 0, 0x400);
	cells("linux,usable-memory-range", 0, 0x5b400000, 0, 0x100000);
	end();
	parse();

	assert_string_equal(bi.cmdline, "console=ttyAMA0 dump=SERIAL=x");
	assert_true(bi.elfcorehdr == 0x5b4ff000 && bi.elfcorehdr_size == 0x400);
	assert_int_equal(bi.reset.method, RESET_PSCI_HVC);
	assert_int_equal(bi.nr_uarts, 1);
	assert_string_equal(bi.uarts[0].name, "ttyAMA0");
	assert_int_equal(bi.uarts[0].spec.type, UART_PL011);
	assert_true(bi.uarts[0].spec.addr == 0x9000000 && bi.uarts[0].spec.clock_hz == 24000000);
	assert_int_equal(bi.firmware_console.type, UART_PL011);
	assert_int_equal(bi.firmware_console.baud, 115200);
	assert_int_equal(bi.nr_pci_hosts, 1);
	assert_true(bi.pci_hosts[0].ecam == 0x4010000000 && bi.pci_hosts[0].dma_coherent);
	assert_true(bi.pci_hosts[0].segment == 3 && bi.pci_hosts[0].bus_start == 0 &&
		    bi.pci_hosts[0].bus_end == 255);
	assert_true(bi.pci_hosts[0].io == 0x3eff0000 && bi.pci_hosts[0].io_ports == 0x10000);
	assert_int_equal(bi.nr_virtio_mmio, BOOT_MAX_VIRTIO_MMIO);
	assert_true(bi.virtio_mmio[31].addr == 0xa003e00 && bi.virtio_mmio[31].size == 0x200);
	assert_true(bi.virtio_mmio[0].dma_coherent);
	assert_true(devtree_has_hardware(tree));
	assert_true(efi.systab == 0 && efi.mmap == 0 && efi.mmap_size == 0);

	assert_true(devtree_usable_memory(tree, 0, &from, &to));
	assert_true(from == 0x5b400000 && to == 0x5b500000);
	assert_false(devtree_usable_memory(tree, 1, &from, &to));
}

/* ---- A board: buses with ranges, aliases, 8250s ---- */

static void begin_soc(void)
{
	node("soc");
	str("compatible", "simple-bus");
	u32("#address-cells", 1);
	u32("#size-cells", 1);
	/* two windows: 0x0.. at 0xfe000000, 0x7c000000.. at 0x4_7c000000 */
	cells("ranges", 0, 0, 0xfe000000, 0x1000000, 0x7c000000, 4, 0x7c000000, 0x2000000);
}

static void uart(const char *name, const char *compat, uint32_t addr)
{
	fdt32_t reg[2] = { cpu_to_fdt32(addr), cpu_to_fdt32(0x100) };

	node(name);
	str("compatible", compat);
	must(fdt_property(tree, "reg", reg, sizeof(reg)));
}

static const struct uart_entry *find_uart(const char *name)
{
	for (unsigned i = 0; i < bi.nr_uarts; i++)
		if (!strcmp(bi.uarts[i].name, name))
			return &bi.uarts[i];
	fail_msg("no UART %s", name);
	return NULL;
}

static void test_board(void **state)
{
	const struct uart_entry *u;

	(void)state;
	begin_tree(2, 1);
	node("aliases");
	str("serial1", "/soc/serial@1000");
	str("serial0", "/soc/serial@2000");
	str("serial2", "/soc/nowhere");
	end();
	begin_soc();
	uart("serial@1000", "ns16550a", 0x1000);
	u32("reg-shift", 2);
	u32("reg-io-width", 4);
	u32("clock-frequency", 48000000);
	u32("current-speed", 115200);
	end();
	uart("serial@2000", "arm,pl011", 0x7c002000);
	end();
	uart("serial@3000", "snps,dw-apb-uart", 0x3000);
	u32("reg-shift", 2);
	u32("reg-offset", 0x40);
	end();
	uart("serial@4000", "arm,sbsa-uart", 0x4000);
	end();
	uart("serial@5000", "ns16550a", 0x5000);
	str("status", "disabled");
	end();
	uart("serial@6000", "ns16550a", 0x6000);
	u32("reg-io-width", 2);		/* not supported */
	end();
	uart("serial@7000", "ns16550a", 0x5000000);	/* in no window of the bus */
	end();
	uart("serial@8000", "ns16550a", 0xffff80);	/* ends behind its window */
	end();
	node("off");
	str("compatible", "simple-bus");
	str("status", "fail");
	flag("ranges");
	uart("serial@9000", "ns16550a", 0x9000);
	end();
	end();
	end();
	node("psci");
	str("compatible", "arm,psci-0.2");
	str("method", "smc");
	end();
	node("timer");
	str("compatible", "arm,armv8-timer");
	u32("clock-frequency", 19200000);
	end();
	node("chosen");
	str("stdout-path", "serial1:115200");
	end();
	parse();

	assert_int_equal(bi.nr_uarts, 4);
	u = find_uart("ttyS1");
	assert_int_equal(u->spec.type, UART_16550_MMIO32);
	assert_true(u->spec.addr == 0xfe001000 && u->spec.reg_shift == 2 &&
		    u->spec.clock_hz == 48000000);
	u = find_uart("ttyAMA0");
	assert_true(u->spec.type == UART_PL011 && u->spec.addr == 0x47c002000);
	/* no alias: numbers behind the aliases' */
	u = find_uart("ttyS2");
	assert_int_equal(u->spec.type, UART_16550_MMIO);
	assert_true(u->spec.addr == 0xfe003040 && u->spec.reg_shift == 2);
	assert_true(find_uart("ttyAMA2")->spec.addr == 0xfe004000);
	assert_true(bi.firmware_console.addr == 0xfe001000 && bi.firmware_console.baud == 115200);
	assert_int_equal(bi.reset.method, RESET_PSCI_SMC);
	assert_int_equal(devtree_timer_hz(tree), 19200000);
	assert_int_equal(bi.nr_pci_hosts, 0);
}

/* libfdt would follow these for ever */
static void test_alias_of_itself(void **state)
{
	(void)state;
	begin_tree(2, 2);
	node("aliases");
	str("serial0", "serial0");
	str("serial1", "serial2");
	str("serial2", "serial1");
	must(fdt_property(tree, "serial3", "/unterminated", 13));
	end();
	node("chosen");
	str("stdout-path", "serial1:115200");
	end();
	end();
	must(fdt_finish(tree));
	devtree_early(tree, &bi, &efi);
	assert_int_equal(bi.nr_uarts, 0);
}

/* Without a known clock the line stays as it is, whatever stdout-path says */
static void test_unknown_clock(void **state)
{
	(void)state;
	begin_tree(1, 1);
	uart("serial@1000", "arm,pl011", 0x1000);
	end();
	node("chosen");
	str("stdout-path", "/serial@1000:9600n8");
	end();
	parse();
	assert_int_equal(bi.firmware_console.type, UART_PL011);
	assert_int_equal(bi.firmware_console.baud, 0);
	assert_int_equal(bi.reset.method, RESET_UNKNOWN);
}

/* ---- PCI hosts ---- */

static void pci(uint32_t hi, uint32_t lo, uint32_t size, int first, int last)
{
	fdt32_t reg[4] = { cpu_to_fdt32(hi), cpu_to_fdt32(lo), 0, cpu_to_fdt32(size) };
	fdt32_t range[2] = { cpu_to_fdt32(first), cpu_to_fdt32(last) };

	node("pcie");
	str("compatible", "pci-host-ecam-generic");
	must(fdt_property(tree, "reg", reg, sizeof(reg)));
	if (last >= 0)
		must(fdt_property(tree, "bus-range", range, sizeof(range)));
	end();
}

static void test_pci(void **state)
{
	(void)state;
	begin_tree(2, 2);
	pci(0, 0x80000000, 0x1000000, 0, 255);	/* 16 MiB: 16 buses */
	pci(1, 0x00000000, 0x400000, 0x10, 0x13);	/* "reg" is bus 0x10's place */
	pci(0, 0x90000000, 0x10000000, 0, -1);	/* no bus-range: all */
	pci(0, 0xa0000000, 0x80000, 0, 255);	/* less than a bus: none */
	pci(0, 0xb0000000, 0x100000, 5, 4);	/* absurd */
	pci(0, 0xb0000000, 0x100000, 256, 300);
	pci(0, 0x00100000, 0x1000000, 2, 17);	/* bus 0 would be below 0 */
	parse();
	assert_int_equal(bi.nr_pci_hosts, 3);
	assert_true(bi.pci_hosts[0].ecam == 0x80000000 && bi.pci_hosts[0].bus_end == 15);
	assert_true(bi.pci_hosts[1].ecam == 0xff000000 && bi.pci_hosts[1].bus_start == 0x10 &&
		    bi.pci_hosts[1].bus_end == 0x13);
	assert_true(bi.pci_hosts[2].bus_end == 255);
	assert_false(bi.pci_hosts[0].dma_coherent);
}

/* Hosts beyond the table are lost, which is said once */
static void test_pci_too_many(void **state)
{
	(void)state;
	fake_log_reset();
	begin_tree(2, 2);
	for (uint32_t i = 0; i < 4; i++)
		pci(0, 0x80000000 + i * 0x1000000, 0x1000000, 0, 255);
	bi.max_pci_hosts = 2;
	parse();
	assert_int_equal(bi.nr_pci_hosts, 2);
	assert_true(fake_log_has("no room for more than 2 PCI hosts"));
	assert_int_equal(fake_log_lines[1], 1);
}

static void mapped(uint32_t addr, int bus, uint32_t phandle)
{
	fdt32_t map[4] = { 0, cpu_to_fdt32(phandle), 0, cpu_to_fdt32(0x10000) };
	fdt32_t reg[4] = { 0, cpu_to_fdt32(addr), 0, cpu_to_fdt32(0x100000) };
	fdt32_t range[2] = { cpu_to_fdt32(bus), cpu_to_fdt32(bus) };

	node("pcie");
	str("compatible", "pci-host-ecam-generic");
	must(fdt_property(tree, "reg", reg, sizeof(reg)));
	must(fdt_property(tree, "bus-range", range, sizeof(range)));
	must(fdt_property(tree, "iommu-map", map, sizeof(map)));
	end();
}

/* Two hosts of one bus each in one area, without linux,pci-domain: each keeps its own IOMMU */
static void test_pci_one_base(void **state)
{
	(void)state;
	begin_tree(2, 2);
	for (uint32_t i = 1; i < 3; i++) {
		node("iommu");
		str("compatible", "arm,smmu-v3");
		fdt32_t reg[4] = { 0, cpu_to_fdt32(0x1000000 * i), 0, cpu_to_fdt32(0x20000) };
		must(fdt_property(tree, "reg", reg, sizeof(reg)));
		u32("phandle", i);
		end();
	}
	mapped(0x80000000, 0, 1);
	mapped(0x80100000, 1, 2);
	parse();
	assert_int_equal(bi.nr_pci_hosts, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(bi.pci_hosts[i].ecam == 0x80000000);
		assert_true(bi.pci_hosts[i].bus_start == i && bi.pci_hosts[i].bus_end == i);
		assert_ptr_equal(bi.iommu_maps[i].host, &bi.pci_hosts[i]);
		assert_true(bi.iommu_maps[i].unit == 0x1000000 * (i + 1));
	}
	assert_int_equal(bi.nr_iommu_maps, 2);
}

/* A virtio-iommu is a function of the host that it serves */
static void test_virtio_iommu(void **state)
{
	fdt32_t map[8] = { 0, cpu_to_fdt32(9), 0, cpu_to_fdt32(8), cpu_to_fdt32(9), cpu_to_fdt32(9), cpu_to_fdt32(9),
			   cpu_to_fdt32(0xfff7) };
	fdt32_t reg[5] = { cpu_to_fdt32(0x000800) };

	(void)state;
	begin_tree(2, 2);
	node("pcie");
	str("compatible", "pci-host-ecam-generic");
	cells("reg", 0, 0x80000000, 0, 0x1000000);
	u32("#address-cells", 3);
	u32("#size-cells", 2);
	u32("linux,pci-domain", 3);
	must(fdt_property(tree, "iommu-map", map, sizeof(map)));
	node("virtio_iommu@1,0");
	str("compatible", "virtio,pci-iommu");
	must(fdt_property(tree, "reg", reg, sizeof(reg)));
	u32("phandle", 9);
	end();
	end();
	parse();
	assert_int_equal(bi.nr_iommu_maps, 2);
	for (unsigned i = 0; i < 2; i++)
		assert_true(bi.iommu_maps[i].virtio && bi.iommu_maps[i].unit == 0x30008);
	assert_int_equal(bi.iommu_maps[1].sid, 9);
}

/* A host bridge with one I/O window: phys.hi, port, CPU address, number of ports */
static void io_window(uint32_t hi, uint32_t port, uint32_t addr_hi, uint32_t addr,
		      uint32_t count_hi, uint32_t count)
{
	fdt32_t range[7] = { cpu_to_fdt32(hi), 0, cpu_to_fdt32(port), cpu_to_fdt32(addr_hi),
			     cpu_to_fdt32(addr), cpu_to_fdt32(count_hi), cpu_to_fdt32(count) };

	node("pcie");
	str("compatible", "pci-host-ecam-generic");
	cells("reg", 0, 0x80000000, 0, 0x100000);
	u32("#address-cells", 3);
	u32("#size-cells", 2);
	must(fdt_property(tree, "ranges", range, sizeof(range)));
	end();
}

static void test_pci_ports(void **state)
{
	(void)state;
	begin_tree(2, 2);
	io_window(0x81000000, 0, 0x40, 0x1000, 0, 0x2000);	/* "relocatable" says nothing here */
	io_window(0x01000000, 0, 0, 0x3eff0000, 1, 0);		/* more than there are ports */
	io_window(0x02000000, 0, 0, 0x3eff0000, 0, 0x10000);	/* memory */
	io_window(0x01000000, 0x1000, 0, 0x3eff0000, 0, 0x10000);	/* begins elsewhere */
	io_window(0x01000000, 0, ~0u, 0xffff8000, 0, 0x10000);	/* wraps */
	parse();
	assert_int_equal(bi.nr_pci_hosts, 5);
	assert_true(bi.pci_hosts[0].io == 0x4000001000 && bi.pci_hosts[0].io_ports == 0x2000);
	assert_true(bi.pci_hosts[1].io == 0x3eff0000 && bi.pci_hosts[1].io_ports == 0x10000);
	for (int i = 2; i < 5; i++)
		assert_int_equal(bi.pci_hosts[i].io_ports, 0);

	/* Behind a bus with "ranges" of its own, and with cells that are not PCI's */
	begin_tree(1, 1);
	node("soc");
	str("compatible", "simple-bus");
	u32("#address-cells", 2);
	u32("#size-cells", 2);
	cells("ranges", 0, 0, 0x10000000, 0, 0x90000000);
	io_window(0x01000000, 0, 0, 0x100000, 0, 0x10000);
	end();
	node("pcie");
	str("compatible", "pci-host-ecam-generic");
	cells("reg", 0x80000000, 0x100000);
	u32("#address-cells", 2);
	u32("#size-cells", 2);
	cells("ranges", 0x1000000, 0, 0, 0x3eff0000, 0, 0x10000);
	end();
	parse();
	assert_int_equal(bi.nr_pci_hosts, 2);
	assert_true(bi.pci_hosts[0].io == 0x10100000 && bi.pci_hosts[0].io_ports == 0x10000);
	assert_int_equal(bi.pci_hosts[1].io_ports, 0);
}

static void test_coherency(void **state)
{
	(void)state;
	begin_tree(1, 1);
	node("bus");
	str("compatible", "simple-bus");
	u32("#address-cells", 1);
	u32("#size-cells", 1);
	flag("ranges");
	flag("dma-coherent");
	uart("v1", "virtio,mmio", 0x1000);
	end();
	uart("v2", "virtio,mmio", 0x2000);
	flag("dma-noncoherent");
	end();
	end();
	uart("v3", "virtio,mmio", 0x3000);
	end();
	parse();
	assert_int_equal(bi.nr_virtio_mmio, 3);
	assert_true(bi.virtio_mmio[0].dma_coherent);
	assert_false(bi.virtio_mmio[1].dma_coherent);
	assert_false(bi.virtio_mmio[2].dma_coherent);
}

/* ---- /chosen ---- */

static void test_long_bootargs(void **state)
{
	static char args[BOOT_CMDLINE_MAX + 100];

	(void)state;
	memset(args, 'a', sizeof(args) - 1);
	begin_tree(2, 2);
	node("chosen");
	str("bootargs", args);
	end();
	parse();
	assert_int_equal(strlen(bi.cmdline), BOOT_CMDLINE_MAX - 1);
}

/* Properties of the wrong size, strings without an end */
static void test_malformed_chosen(void **state)
{
	(void)state;
	begin_tree(2, 2);
	node("chosen");
	must(fdt_property(tree, "bootargs", "abc", 3));
	must(fdt_property(tree, "stdout-path", "/pl011", 6));
	cells("linux,elfcorehdr", 0, 0x5b4ff000, 0);
	cells("linux,usable-memory-range", 0, 0x5b400000);
	cells("linux,uefi-system-table", 1, 2, 3);
	cells("linux,uefi-mmap-size", 1, 2);
	end();
	parse();
	assert_string_equal(bi.cmdline, "abc");
	assert_true(bi.elfcorehdr == 0 && bi.elfcorehdr_size == 0);
	assert_true(efi.systab == 0 && efi.mmap_size == 0);
	assert_false(devtree_usable_memory(tree, 0, &from, &to));
}

/* Two ranges, as with crashkernel=...,high, then one that wraps around and half of one */
static void test_usable_memory(void **state)
{
	(void)state;
	begin_tree(2, 2);
	node("chosen");
	cells("linux,usable-memory-range", 0x8, 0, 0, 0x10000000, 0, 0x40000000, 0, 0x8000000,
	      0xffffffff, 0xfffff000, 0, 0x2000, 0, 0x1000);
	end();
	parse();
	assert_true(devtree_usable_memory(tree, 0, &from, &to));
	assert_true(from == 0x800000000 && to == 0x810000000);
	assert_true(devtree_usable_memory(tree, 1, &from, &to));
	assert_true(from == 0x40000000 && to == 0x48000000);
	assert_true(devtree_usable_memory(tree, 2, &from, &to));
	assert_true(from == to);
	assert_false(devtree_usable_memory(tree, 3, &from, &to));
}

static void test_wrapping_elfcorehdr(void **state)
{
	(void)state;
	begin_tree(2, 2);
	node("chosen");
	cells("linux,elfcorehdr", 0xffffffff, 0xfffff000, 0, 0x2000);
	end();
	parse();
	assert_true(bi.elfcorehdr == 0 && bi.elfcorehdr_size == 0);
}

static void test_checked_cmdline(void **state)
{
	(void)state;
	/*
	 * CRC-32C of "123456789" is 0xe3069283 (RFC 3720 B.4 gives the polynomial; the value is the
	 * usual check)
	 */
	assert_true(devtree_cmdline_intact("123456789 check=e3069283"));
	assert_true(devtree_cmdline_intact("123456789  check=E3069283 added=later"));
	assert_true(devtree_cmdline_intact(""));
	assert_true(devtree_cmdline_intact("dump=a level=1"));
	assert_true(devtree_cmdline_intact("nocheck=12 xcheck=1"));
	assert_false(devtree_cmdline_intact("123456788 check=e3069283"));
	assert_false(devtree_cmdline_intact("123456789 check=e3069284"));
	assert_false(devtree_cmdline_intact("123456789 check=e306928"));
	assert_false(devtree_cmdline_intact("123456789 check=e30692830"));
	assert_false(devtree_cmdline_intact("123456789 check="));
	assert_false(devtree_cmdline_intact("123456789 check=0xe30692"));
	assert_false(devtree_cmdline_intact("123456789 check=e3069283 check=00000000"));
	assert_true(devtree_cmdline_intact("check=00000000"));
}

/* The tree of an ACPI machine, as the EFI stub and kexec leave it */
static void test_chosen_only(void **state)
{
	(void)state;
	memset(&bi, 0, sizeof(bi));
	must(fdt_create(tree, sizeof(tree)));
	must(fdt_finish_reservemap(tree));
	node("");
	u32("#address-cells", 2);
	u32("#size-cells", 2);
	node("chosen");
	str("bootargs", "after=halt");
	cells("linux,uefi-system-table", 0, 0x5f5e0018);
	cells("linux,uefi-mmap-start", 0, 0x5c4a1018);
	u32("linux,uefi-mmap-size", 0x9c0);
	u32("linux,uefi-mmap-desc-size", 48);
	end();
	parse();
	assert_false(devtree_has_hardware(tree));
	assert_true(efi.systab == 0x5f5e0018 && efi.mmap == 0x5c4a1018 && efi.mmap_size == 0x9c0 &&
		    efi.desc_size == 48);
	assert_int_equal(bi.nr_uarts + bi.nr_pci_hosts + bi.nr_virtio_mmio, 0);
	assert_false(devtree_usable_memory(tree, 0, &from, &to));
}

/* ---- Trees that are none ---- */

static void test_rejected(void **state)
{
	struct fdt_header *h = (void *)tree;
	uint32_t size;

	(void)state;
	begin_tree(2, 2);
	finish_tree();
	size = fdt_totalsize(tree);
	assert_int_equal(devtree_check(tree, size), 0);
	assert_int_not_equal(devtree_check(tree, size - 1), 0);
	assert_int_not_equal(devtree_check(tree, 3), 0);
	for (uint32_t at = 0; at < sizeof(*h); at += 4) {
		fdt32_t *word = (fdt32_t *)(tree + at), saved = *word;

		*word = cpu_to_fdt32(0x7fffffff);
		/*
		 * boot_cpuid_phys means nothing to us, and a newer version may call itself
		 * compatible
		 */
		if (at != offsetof(struct fdt_header, boot_cpuid_phys) &&
		    at != offsetof(struct fdt_header, version))
			assert_int_not_equal(devtree_check(tree, size), 0);
		*word = saved;
	}
	assert_int_equal(devtree_check(tree, size), 0);
}

/* A tree as deep and as wide as its size allows is walked in time, and gives what fits */
static void test_slow_tree(void **state)
{
	(void)state;
	begin_tree(1, 1);
	for (int i = 0; i < 600; i++) {
		uart("s", "ns16550a", 0x1000);
		end();
	}
	for (int i = 0; i < 100; i++)
		node("d");
	for (int i = 0; i < 100; i++)
		end();
	parse();
	assert_int_equal(bi.nr_uarts, BOOT_MAX_UARTS);
}

/* ---- EFI ---- */

/* Physical memory: what lies at PHYS in "mem"; the firmware's tables have moved to VIRT */
#define PHYS 0x80000000ULL
#define VIRT 0x2000000000ULL
static uint8_t mem[4096];

static int read_mem(void *dst, phys_addr_t pa, size_t len)
{
	if (!range_inside(pa, len, PHYS, PHYS + sizeof(mem)))
		return -14;
	memcpy(dst, mem + (pa - PHYS), len);
	return 0;
}

static void put64(size_t at, uint64_t v)
{
	memcpy(mem + at, &v, 8);
}

/*
 * UEFI 2.9 §4.3, §4.6, §7.2: system table at 0, configuration table at 0x400, memory map at 0x800
 */
static void make_efi(uint64_t tables)
{
	static const uint8_t acpi20[16] = { 0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11,
					    0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81 };

	memset(mem, 0, sizeof(mem));
	memcpy(mem, "IBI SYST", 8);
	put64(104, 3);
	put64(112, tables);
	memcpy(mem + 0x400 + 2 * 24, acpi20, 16);
	put64(0x400 + 2 * 24 + 16, 0x7fff0014);
	for (unsigned i = 0; i < 3; i++) {
		put64(0x800 + i * 48 + 8, PHYS - 0x1000 * i);	/* physical start */
		put64(0x800 + i * 48 + 16, i == 2 ? 0 : VIRT - 0x1000 * i);
		put64(0x800 + i * 48 + 24, 1);			/* pages */
		put64(0x800 + i * 48 + 32, 1ULL << 63);		/* EFI_MEMORY_RUNTIME */
	}
	efi = (struct devtree_efi){ .systab = PHYS, .mmap = PHYS + 0x800, .mmap_size = 3 * 48,
				    .desc_size = 48 };
}

static void test_efi(void **state)
{
	(void)state;
	make_efi(VIRT + 0x400);
	assert_true(efi_find_rsdp(&efi, read_mem) == 0x7fff0014);
	make_efi(PHYS + 0x400);	/* never moved */
	assert_true(efi_find_rsdp(&efi, read_mem) == 0x7fff0014);
	efi.mmap = 0;		/* no memory map to read: physical is all there is to try */
	assert_true(efi_find_rsdp(&efi, read_mem) == 0x7fff0014);
	make_efi(VIRT + 0x400);
	efi.desc_size = 39;
	assert_true(efi_find_rsdp(&efi, read_mem) == 0);
	make_efi(VIRT + 0x400);
	put64(104, 2);		/* the table ends before ACPI's entry */
	assert_true(efi_find_rsdp(&efi, read_mem) == 0);
	make_efi(VIRT + 0x400);
	mem[0] ^= 1;
	assert_true(efi_find_rsdp(&efi, read_mem) == 0);
	efi.systab = 0;
	assert_true(efi_find_rsdp(&efi, read_mem) == 0);
}

static void test_watchdogs(void **state)
{
	(void)state;
	begin_tree(2, 2);
	node("clk");
	str("compatible", "fixed-clock");
	u32("clock-frequency", 32768);
	u32("phandle", 7);
	end();
	node("watchdog@1c0f0000");
	strings("compatible", "arm,sp805\0arm,primecell");
	cells("reg", 0, 0x1c0f0000, 0, 0x1000);
	cells("clocks", 7, 8);
	end();
	node("watchdog@2a440000");
	str("compatible", "arm,sbsa-gwdt");
	cells("reg", 0, 0x2a440000, 0, 0x1000, 0, 0x2a450000, 0, 0x1000);
	end();
	/* half of one, and one that is off */
	node("watchdog@2a460000");
	str("compatible", "arm,sbsa-gwdt");
	cells("reg", 0, 0x2a460000, 0, 0x1000, 0, 0x2a470000);
	end();
	node("watchdog@1c100000");
	str("compatible", "arm,sp805");
	str("status", "disabled");
	cells("reg", 0, 0x1c100000, 0, 0x1000);
	end();
	parse();
	assert_int_equal(bi.nr_watchdogs, 2);
	assert_int_equal(bi.watchdogs[0].type, WATCHDOG_SP805);
	assert_true(bi.watchdogs[0].control == 0x1c0f0000 && bi.watchdogs[0].hz == 32768);
	assert_int_equal(bi.watchdogs[1].type, WATCHDOG_GWDT);
	assert_true(bi.watchdogs[1].control == 0x2a440000 && bi.watchdogs[1].refresh == 0x2a450000);

	begin_tree(2, 2);
	for (int i = 0; i < 10; i++) {
		node("watchdog");
		str("compatible", "arm,sp805");
		cells("reg", 0, 0x1c0f0000, 0, 0x1000);
		end();
	}
	parse();
	assert_int_equal(bi.nr_watchdogs, BOOT_MAX_WATCHDOGS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_virt),
		cmocka_unit_test(test_board),
		cmocka_unit_test(test_alias_of_itself), cmocka_unit_test(test_unknown_clock),
		cmocka_unit_test(test_pci),
		cmocka_unit_test(test_pci_too_many),
		cmocka_unit_test(test_pci_one_base),
		cmocka_unit_test(test_virtio_iommu),
		cmocka_unit_test(test_pci_ports),
		cmocka_unit_test(test_coherency),
		cmocka_unit_test(test_long_bootargs),
		cmocka_unit_test(test_malformed_chosen),
		cmocka_unit_test(test_usable_memory),
		cmocka_unit_test(test_wrapping_elfcorehdr),
		cmocka_unit_test(test_checked_cmdline),
		cmocka_unit_test(test_chosen_only),
		cmocka_unit_test(test_rejected),
		cmocka_unit_test(test_slow_tree),
		cmocka_unit_test(test_efi),
		cmocka_unit_test(test_watchdogs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
