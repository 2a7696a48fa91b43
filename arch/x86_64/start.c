/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From head.S to stub_main(): exceptions, page tables, clock, then what the loader says in
 * boot_params. Later, from stub_main(), what the firmware says. boot_params, command line and
 * setup_data lie in memory the loader chose and are checked like everything else.
 */
#include <efi.h>
#include <string.h>

#include <cpu.h>

#include "arch/x86_64/x86.h"
#include "capstub/boot_params.h"
#include "stub/boot/acpi.h"
#include "stub/arch.h"
#include "stub/boot/boot_info.h"
#include "stub/boot/seal.h"
#include "stub/log.h"
#include "stub/mem.h"

#define EFI_TABLES_MAX	64	/* configuration table entries looked at */

extern const struct seal __seal;

static struct boot_info boot_info;

/* Candidates for the RSDP besides the command line's and the BIOS area's */
static phys_addr_t rsdp_from_efi;

/* Physical memory outside our own: what is inside was overwritten by our BSS and stack. */
static int read_outside(const struct boot_info *bi, void *dst, phys_addr_t pa, size_t len)
{
	if (pa < bi->image_end && pa + len > bi->image_start)
		return -1;
	return arch_read_mem(dst, pa, len);
}

/*
 * Copy the NUL-terminated command line, page by page so that nothing behind its end is touched; cut
 * what is too long.
 */
static void read_cmdline(struct boot_info *bi, const struct boot_params *bp)
{
	phys_addr_t pa = (uint64_t)bp->ext_cmd_line_ptr << 32 | bp->hdr.cmd_line_ptr;
	size_t max = min_u64(bp->hdr.cmdline_size, sizeof(bi->cmdline) - 1);
	size_t len = 0, n;

	if (!pa)
		return;
	while (len < max) {
		n = min_u64(max - len, 4096 - (pa + len) % 4096);
		if (read_outside(bi, bi->cmdline + len, pa + len, n))
			break;
		if (memchr(bi->cmdline + len, 0, n))
			return;
		len += n;
	}
	bi->cmdline[len] = 0;
}

/*
 * What the EFI configuration table names @guid; 0: nothing. The table's address comes from setup_data SETUP_EFI: the
 * pointer in the EFI system table itself has become a virtual one of the dead kernel (UEFI 2.9
 * §8.4).
 */
static phys_addr_t find_in_efi(const struct boot_info *bi, phys_addr_t tables, const EFI_GUID *guid)
{
	EFI_CONFIGURATION_TABLE entry;
	unsigned i;

	for (i = 0; i < EFI_TABLES_MAX; i++) {
		if (read_outside(bi, &entry, tables + i * sizeof(entry), sizeof(entry)))
			break;
		if (!memcmp(&entry.VendorGuid, guid, sizeof(*guid)))
			return (uintptr_t)entry.VendorTable;
	}
	return 0;
}

static void walk_setup_data(struct boot_info *bi, phys_addr_t pa)
{
	static const EFI_GUID acpi20 = ACPI_20_TABLE_GUID, smbios = SMBIOS_TABLE_GUID,
			      smbios3 = SMBIOS3_TABLE_GUID;
	struct efi_setup_data efi;
	struct setup_data data;
	unsigned i;

	for (i = 0; pa && i < SETUP_DATA_MAX; i++, pa = data.next) {
		if (read_outside(bi, &data, pa, sizeof(data)))
			return;
		if (data.type == SETUP_EFI && data.len >= sizeof(efi) &&
		    !read_outside(bi, &efi, pa + sizeof(data), sizeof(efi))) {
			rsdp_from_efi = find_in_efi(bi, efi.tables, &acpi20);
			bi->smbios = find_in_efi(bi, efi.tables, &smbios3);
			if (!bi->smbios)
				bi->smbios = find_in_efi(bi, efi.tables, &smbios);
		}
	}
}

/*
 * What the loader's memory map calls RAM is for the kernel it starts: the reservation, and the
 * memory below 640 KiB, which it backs up or leaves out of the dump. The dead kernel's RAM is not
 * in it. First what is RAM, then without whatever else claims the same place, and without us.
 */
static void read_e820(const struct boot_info *bi, phys_addr_t table, unsigned nr)
{
	for (unsigned i = 0; i < 2 * nr; i++) {
		phys_addr_t at = table + i % nr * sizeof(struct e820_entry);
		struct e820_entry e;

		if (read_outside(bi, &e, at, sizeof(e)) || e.addr > UINT64_MAX - e.size)
			continue;
		if (i < nr && e.type == E820_RAM)
			mem_add(e.addr, e.addr + e.size);
		else if (i >= nr && e.type != E820_RAM)
			mem_remove(e.addr, e.addr + e.size);
	}
	mem_remove(bi->image_start, bi->image_end);
}

static void read_boot_params(struct boot_info *bi, phys_addr_t pa)
{
	struct boot_params bp;

	/* Without the magic that the loader copied from our own header it is not boot_params. */
	if (read_outside(bi, &bp, pa, sizeof(bp)) || bp.hdr.header != BOOT_HEADER_MAGIC)
		return;
	bi->rsdp = bp.acpi_rsdp_addr;
	read_cmdline(bi, &bp);
	read_e820(bi, pa + OFFSET_E820_TABLE, (unsigned)min_u64(bp.e820_entries, E820_MAX));
	walk_setup_data(bi, bp.hdr.setup_data);
}

/* The PC's four serial ports, under Linux' names */
static void add_pc_uarts(struct boot_info *bi)
{
	static const uint16_t ports[] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(ports) && bi->nr_uarts < BOOT_MAX_UARTS; i++) {
		struct uart_entry *u = &bi->uarts[bi->nr_uarts++];

		*u = (struct uart_entry) {
			.name = "ttyS0",
			.spec = { .type = UART_16550_IO, .addr = ports[i] },
		};
		u->name[4] += i;
	}
}

/* Called by head.S when .data was copied, which is the last of the file, and before relocation */
bool image_intact(void)
{
	uint32_t crc = seal_crc(&__seal, __image_start, (const char *)(&__seal + 1), __data_load);

	return crc32c(crc, __data_start, (size_t)(__data_end - __data_start)) == __seal.crc;
}

noreturn void x86_start(phys_addr_t boot_params, bool intact)
{
	struct boot_info *bi = &boot_info;

	exception_init();
	mm_init();
	time_init();

	bi->machine = ARCH_MACHINE;
	bi->image_damaged = !intact;
	bi->image_start = virt_to_phys(__image_start);
	bi->image_end = virt_to_phys(__image_end);
	reset_init(bi);
	add_pc_uarts(bi);
	read_boot_params(bi, boot_params);
	stub_main(bi);
}

/* Take the first RSDP that leads to usable tables. bi->rsdp: acpi_rsdp=, else of boot_params. */
static void discover_acpi(struct boot_info *bi)
{
	phys_addr_t candidates[] = {
		bi->rsdp,
		rsdp_from_efi,
		acpi_find_rsdp(arch_read_mem),
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(candidates); i++) {
		if (!candidates[i])
			continue;
		bi->rsdp = candidates[i];
		if (!acpi_discover(bi, arch_read_mem))
			return;
	}
	bi->rsdp = 0;
	log_warn("x86: no usable ACPI tables");
}

/* Does an ECAM area of segment 0 hold @bus? */
static bool bus_has_ecam(const struct boot_info *bi, unsigned nr_ecam, unsigned bus)
{
	const struct pci_host *h;

	for (h = bi->pci_hosts; h < bi->pci_hosts + nr_ecam; h++)
		if (h->segment == 0 && bus >= h->bus_start && bus <= h->bus_end)
			return true;
	return false;
}

/*
 * Buses of segment 0 that MCFG does not cover, all of them without MCFG, are reached through
 * 0xcf8/0xcfc.
 */
static void add_port_pci_hosts(struct boot_info *bi)
{
	unsigned nr_ecam = bi->nr_pci_hosts;
	unsigned bus, first = 0;

	for (bus = 0; bus <= 256; bus++) {
		if (bus < 256 && !bus_has_ecam(bi, nr_ecam, bus))
			continue;
		if (bus > first)
			boot_add_pci_host(bi, &(struct pci_host){
				.bus_start = (uint8_t)first,
				.bus_end = (uint8_t)(bus - 1),
			});
		first = bus + 1;
	}
}

void arch_discover(struct boot_info *bi)
{
	unsigned i;

	log_info("x86: TSC %u kHz (%s)", (unsigned)time_tsc_khz(), time_source());
	if (mm_encryption())
		log_warn("x86: %s memory encryption is not supported: expect unreadable pages",
			 mm_encryption());
	discover_acpi(bi);
	add_port_pci_hosts(bi);
	for (i = 0; i < bi->nr_pci_hosts; i++)
		bi->pci_hosts[i].dma_coherent = true;
}
