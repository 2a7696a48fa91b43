/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the stub was told: by the loader (command line, own place) and by the firmware tables
 * (buses, UARTs, reset). Filled by arch/, read by everybody. Everything in it was range-checked
 * where it was parsed.
 */
#ifndef STUB_BOOT_INFO_H
#define STUB_BOOT_INFO_H

#include "stub/bits.h"

#define BOOT_CMDLINE_MAX	2048
#define BOOT_MAX_PCI_HOSTS	512
#define BOOT_MAX_VIRTIO_MMIO	32
#define BOOT_MAX_UARTS		8
#define BOOT_MAX_IOMMU_MAPS	32
#define BOOT_MAX_WATCHDOGS	4

enum uart_type {
	UART_NONE,
	UART_16550_IO,		/* 16550, x86 I/O ports */
	UART_16550_MMIO,	/* 16550, 8-bit registers in memory */
	UART_16550_MMIO32,	/* 16550, 32-bit registers, 4 bytes apart */
	UART_PL011,
};

struct uart_spec {
	enum uart_type type;
	uint8_t  reg_shift;	/* 16550: register n is at addr + (n << reg_shift) */
	uint32_t baud;		/* 0: leave the line as the dead kernel set it */
	uint32_t clock_hz;	/* 0: unknown, 1843200 (16550) or 24000000 (PL011) is assumed */
	/* wait for CTS before sending: "r" after the baud rate, 115200n8r */
	bool rts_cts;
	phys_addr_t addr;
};

/* A UART under the name the dead kernel's users know it by */
struct uart_entry {
	char name[16];		/* "ttyS0", "ttyAMA0" */
	struct uart_spec spec;
};

struct pci_host {
	phys_addr_t ecam;	/* of bus 0 (MCFG convention); 0: use I/O ports 0xcf8/0xcfc */
	uint16_t segment;
	uint8_t  bus_start;
	uint8_t  bus_end;	/* inclusive */
	bool     dma_coherent;
	uint32_t io_ports;	/* I/O ports that are memory: 0 to io_ports - 1, at io; 0: none */
	phys_addr_t io;
};

/* Device tree: requesters [rid, rid + len) of the PCI host are streams from sid on */
struct iommu_map {
	const struct pci_host *host;
	phys_addr_t unit;	/* registers of an SMMUv3; 0: an IOMMU of another kind */
	bool virtio;		/* or a virtio-iommu: segment << 16 | bus << 8 | devfn */
	uint32_t mask;		/* of the requester ID that counts */
	uint32_t rid;
	uint32_t sid;
	uint32_t len;
};

struct virtio_mmio_spec {
	phys_addr_t addr;
	uint32_t size;		/* at most; a page is looked at */
	bool dma_coherent;
};

enum watchdog_type {
	WATCHDOG_GWDT,		/* generic watchdog of Arm servers */
	WATCHDOG_SP805,
};

/* Named by the device tree */
struct watchdog_spec {
	enum watchdog_type type;
	uint32_t hz;		/* SP805: its clock; 0: not known */
	phys_addr_t control;
	phys_addr_t refresh;	/* GWDT: its other frame */
};

enum reset_method {
	RESET_UNKNOWN,
	RESET_IO,
	RESET_MMIO,
	RESET_PCI_CONFIG,
	RESET_PSCI_HVC,
	RESET_PSCI_SMC
};

struct reset_spec {
	enum reset_method method;
	/*
	 * Port, address, or on PCI bus 0 device << 32 | function << 16 | offset (ACPI 6.4 §5.2.3.2)
	 */
	phys_addr_t addr;
	uint8_t value;
};

/* Tables that only some drivers read: where they are, checksum checked. ACPI 6.4 §5.2.6 */
enum acpi_kind {
	ACPI_DMAR,		/* VT-d units */
	ACPI_IVRS,		/* AMD-Vi units */
	ACPI_IORT,		/* SMMUs */
	ACPI_VIOT,		/* virtio-iommu */
	ACPI_WDAT,		/* a watchdog */
	ACPI_SPMI,		/* a management controller */
	ACPI_GTDT,		/* watchdogs of Arm servers */
	ACPI_NR_KINDS
};

struct acpi_table {
	phys_addr_t pa;		/* 0: the machine has none */
	uint32_t len;		/* of the whole table, its header included */
};

struct boot_info {
	char cmdline[BOOT_CMDLINE_MAX];	/* NUL-terminated; cut if it was longer */
	phys_addr_t image_start;	/* the stub's own memory, [start, end) */
	phys_addr_t image_end;
	phys_addr_t rsdp;		/* 0: none known */
	phys_addr_t fdt;		/* 0: none */
	phys_addr_t elfcorehdr;		/* from the device tree; 0: look at the command line */
	uint64_t elfcorehdr_size;	/* 0: unknown */
	const char *machine;		/* utsname machine: "x86_64", "aarch64" */
	bool image_damaged;		/* the loader does not check and our own checksum failed */

	/* filled by arch_discover() */
	unsigned nr_pci_hosts;
	unsigned max_pci_hosts;		/* of BOOT_MAX_PCI_HOSTS, what there was room for */
	struct pci_host *pci_hosts;
	bool pci_hosts_lost;		/* there were more, and that was said */
	unsigned nr_virtio_mmio;
	struct virtio_mmio_spec virtio_mmio[BOOT_MAX_VIRTIO_MMIO];
	unsigned nr_uarts;
	struct uart_entry uarts[BOOT_MAX_UARTS];
	struct uart_spec firmware_console;	/* SPCR or stdout-path; type UART_NONE: none */
	struct reset_spec reset;
	const char *reset_first;	/* reset=: name of a way (stub/reset.h), or "" */
	struct acpi_table acpi[ACPI_NR_KINDS];
	unsigned nr_iommu_maps;
	struct iommu_map iommu_maps[BOOT_MAX_IOMMU_MAPS];
	unsigned nr_watchdogs;
	struct watchdog_spec watchdogs[BOOT_MAX_WATCHDOGS];
	uint32_t counter_hz;		/* of the generic timer; 0: none */
	phys_addr_t smbios;		/* entry point that EFI names; 0: not known */
};

/*
 * Memory for bi->pci_hosts, from the arena. Machines with a PCI segment for each slot have a hundred hosts and
 * more, most have one.
 */
void boot_take_pci_hosts(struct boot_info *bi);

/* A copy of @host in the table, or NULL: there is no room, which is said once. */
struct pci_host *boot_add_pci_host(struct boot_info *bi, const struct pci_host *host);

#endif
