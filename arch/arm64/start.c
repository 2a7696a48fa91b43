// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From head.S to stub_main(): own checksum, relocation, BSS, exceptions, clock, then what the
 * loader says in the device tree. Later, from stub_main(), what the firmware says about buses.
 */
#include <libfdt.h>
#include <string.h>

#include <cpu.h>

#include "arch/arm64/arm64.h"
#include "arch/arm64/devtree.h"
#include "arch/arm64/uefi.h"
#include "stub/boot/acpi.h"
#include "stub/arch.h"
#include "stub/boot/boot_info.h"
#include "stub/boot/seal.h"
#include "stub/log.h"
#include "stub/mem.h"

/*
 * ELF64 gABI, relocation with addend. The only kind is R_AARCH64_RELATIVE
 * (tools/build/check-image.sh).
 */
struct rela {
	uint64_t offset;
	uint64_t info;
	int64_t addend;
};

#define R_AARCH64_RELATIVE	1027

#define MAX_USABLE	16	/* ranges of linux,usable-memory-range looked at; kexec writes two */

extern const struct seal __seal;
extern const char __seal_resume[];	/* behind the PE header */
extern const struct rela __rela_start[], __rela_end[];
extern uintptr_t __stack_chk_guard;

static struct boot_info boot_info;
static struct devtree_efi efi;
static const void *fdt;
static unsigned entry_el;
static bool in_usable_memory;

/*
 * kexec_file_load has no purgatory on arm64, so nobody has compared the image with what was loaded.
 * Must run before relocation changes it.
 */
static EARLY bool image_intact(void)
{
	return __seal.size == (uint64_t)(__file_end - __image_start) &&
	       __seal.crc == seal_crc(&__seal, __image_start, __seal_resume, __file_end);
}

/* The image is linked at 0 and lies at __image_start. */
static EARLY void relocate(void)
{
	uint64_t base = (uintptr_t)__image_start;
	uint64_t size = (uint64_t)(__file_end - __image_start);

	for (const struct rela *r = __rela_start; r < __rela_end; r++)
		if ((uint32_t)r->info == R_AARCH64_RELATIVE && range_inside(r->offset, 8, 0, size))
			*(uint64_t *)(base + r->offset) = base + (uint64_t)r->addend;
}

static EARLY void zero_bss(void)
{
	for (volatile uint64_t *p = (uint64_t *)__bss_start; p < (uint64_t *)__bss_end; p++)
		*p = 0;
}

/* Not a secret from anyone who reads the dead kernel's memory, but not a constant either */
static EARLY uint64_t guard_value(void)
{
	uint64_t isar0, count, random = 0;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
	__asm__("mrs %0, id_aa64isar0_el1" : "=r"(isar0));
	if (isar0 >> 60)	/* FEAT_RNG */
		__asm__ volatile("mrs %0, S3_3_C2_C4_0" : "=r"(random));
	/* the lowest byte is 0: a string that runs over ends here */
	return (random ^ count * 0x9e3779b97f4a7c15ULL ^ (uintptr_t)__image_start) << 8;
}

/*
 * Map the tree: its header first, which says how long it is. Every page is read once through the
 * guarded reader, so that a tree in unreadable memory is no tree, rather than an exception inside
 * libfdt.
 */
static const void *map_fdt(phys_addr_t pa)
{
	struct fdt_header h;
	const void *tree;
	uint32_t total;
	char byte;

	if (!pa || pa % 8 || arch_read_mem(&h, pa, sizeof(h)) || fdt_magic(&h) != FDT_MAGIC)
		return NULL;
	total = fdt_totalsize(&h);
	for (uint64_t off = 0; off < total; off += ARCH_PAGE_SIZE)
		if (arch_read_mem(&byte, pa + off, 1))
			return NULL;
	tree = mm_map_fdt(pa, total);
	return tree && !devtree_check(tree, total) ? tree : NULL;
}

/* The tree is left alone, although nobody is going to need it when memory is taken: it is small. */
static void find_memory(const struct boot_info *bi)
{
	uint64_t start, end;

	for (unsigned i = 0; i < MAX_USABLE && devtree_usable_memory(fdt, i, &start, &end); i++) {
		mem_add(start, end);
		in_usable_memory |= bi->image_start >= start && bi->image_end <= end;
	}
	mem_remove(bi->image_start, bi->image_end);
	mem_remove(bi->fdt, bi->fdt + fdt_totalsize(fdt));
}

static noreturn __attribute__((noinline)) void start(phys_addr_t fdt_pa, bool damaged)
{
	struct boot_info *bi = &boot_info;

	exception_init();
	time_init();
	bi->machine = ARCH_MACHINE;
	bi->image_start = virt_to_phys(__image_start);
	bi->image_end = virt_to_phys(__image_end);
	bi->image_damaged = damaged;
	bi->fdt = fdt_pa;
	reset_init(bi);
	fdt = map_fdt(fdt_pa);
	if (fdt) {
		time_set_rate(devtree_timer_hz(fdt));
		devtree_early(fdt, bi, &efi);
		find_memory(bi);
		bi->image_damaged |= !devtree_cmdline_intact(bi->cmdline);
	}
	stub_main(bi);
}

EARLY noreturn void arm64_start(phys_addr_t fdt_pa, unsigned el)
{
	bool damaged = !image_intact();

	relocate();
	zero_bss();
	mm_seal();
	entry_el = el;
	__stack_chk_guard = guard_value();
	start(fdt_pa, damaged);
}

/* ACPI names no UART but the console's, which Linux numbers first. */
static void add_spcr_uart(struct boot_info *bi)
{
	bool pl011 = bi->firmware_console.type == UART_PL011;

	if (bi->firmware_console.type == UART_NONE || bi->nr_uarts)
		return;
	bi->uarts[bi->nr_uarts++] = (struct uart_entry){ .spec = bi->firmware_console };
	strcpy(bi->uarts[0].name, pl011 ? "ttyAMA0" : "ttyS0");
}

/* Machines whose tree holds only /chosen describe themselves in ACPI, which UEFI leads to. */
static void discover_acpi(struct boot_info *bi)
{
	bi->rsdp = efi_find_rsdp(&efi, arch_read_mem);
	if (!bi->rsdp || (fdt && devtree_has_hardware(fdt)))
		return;
	if (acpi_discover(bi, arch_read_mem))
		log_warn("arm64: no usable ACPI tables at %#lx", bi->rsdp);
	add_spcr_uart(bi);
	for (unsigned i = 0; i < bi->nr_pci_hosts; i++)
		bi->pci_hosts[i].dma_coherent = true;	/* Arm BSA: PCIe is I/O coherent */
}

void arch_discover(struct boot_info *bi)
{
	bi->counter_hz = (uint32_t)time_set_rate(fdt ? devtree_timer_hz(fdt) : 0);
	log_info("arm64: entered at EL%u, %u-bit physical addresses, timer %u Hz", entry_el,
		 mm_pa_bits(), bi->counter_hz);
	if (!fdt)
		log_warn("arm64: no usable device tree at %#lx", bi->fdt);
	else if (!in_usable_memory)
		log_warn("arm64: the stub is outside linux,usable-memory-range");
	if (fdt)
		devtree_buses(fdt, bi);
	discover_acpi(bi);
}
