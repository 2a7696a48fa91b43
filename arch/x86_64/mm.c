/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page tables inside the image's BSS (SDM 3A §4.5), five tables in all with 4 levels and six with
 * 5, whatever the size of the machine:
 *
 * - the image at its physical address, in 4-KiB pages: code executable, constants read-only, the
 *   rest not executable. One table a level suffices even when the image crosses a boundary of 2
 *   MiB, 1 GiB or more: it is smaller than 2 MiB, so it never needs the same index twice, and both
 *   upper entries point to the one lower table. The aliases this makes lead to the image again
 *   (page 0 among them, but only for an image that lies across the first GiB's end).
 * - a window of 2 MiB: 256 pages for reading any physical memory, each frame in the slot of its
 *   number's low bits, page by page so that the CPU cannot look ahead into a poisoned neighbour or
 *   a device; 255 pages for device registers, given out once; and one page for looking at
 *   configuration space.
 *
 * - the arena (stub/mem.h), also in 4-KiB pages at its physical address. What lies in the image's own
 *   2 MiB, all of a small reservation, needs no tables; the rest takes them from the arena itself.
 *
 * The window hangs in the image's own page directory, beside it, and is used by its alias in the
 * upper half: a pointer into it can then not be mistaken for a physical address.
 */
#include <errno.h>
#include <string.h>

#include "arch/x86_64/x86.h"
#include "stub/arch.h"

#define PTE_P		BIT(0)
#define PTE_RW		BIT(1)
#define PTE_PWT		BIT(3)
#define PTE_PCD		BIT(4)	/* with PWT: PAT entry 3, uncached at power-on and in Linux */
#define PTE_A		BIT(5)
#define PTE_D		BIT(6)
#define PTE_NX		BIT(63)
#define PTE_ADDR	GENMASK(51, 12)
#define PTE_RAM_RO	(PTE_P | PTE_A)
#define PTE_RAM_RW	(PTE_P | PTE_A | PTE_D | PTE_RW)
#define PTE_DEVICE	(PTE_P | PTE_A | PTE_D | PTE_RW | PTE_PCD | PTE_PWT)

#define PAGE_SHIFT	12
#define PAGE_SIZE	4096u
#define TABLE_ENTRIES	512u
#define INDEX(va, level) (((va) >> (PAGE_SHIFT + 9 * ((level) - 1))) & (TABLE_ENTRIES - 1))

/*
 * The upper half of a 4-level address space; in 5 levels it is index 511 of the top table and 256
 * of the next.
 */
#define UPPER_HALF	0xffff800000000000ULL
#define READ_SLOTS	256u			/* slots 0 .. 255 */
#define CONFIG_SLOT	(TABLE_ENTRIES - 1)	/* registers lie between the two */

#define EFER_NXE	BIT(11)
#define CPUID_NX	BIT(20)	/* 0x80000001 EDX */
#define CPUID_SME	BIT(0)	/* 0x8000001f EAX, AMD APM 3 §E.4.17 */
#define CPUID_SEV	BIT(1)
#define SYSCFG_MEM_ENCRYPT BIT(23)
#define SEV_STATUS_SEV	BIT(0)

struct table {
	uint64_t entry[TABLE_ENTRIES];
} __attribute__((aligned(4096)));

/*
 * tables[n - 1] is the identity map's table of level n (SDM: 5 PML5, 4 PML4, 3 PDPT, 2 PD, 1 PT).
 */
static struct table tables[5];
static struct table window_table;

static unsigned levels;
static char *window;
static unsigned device_end = READ_SLOTS;	/* one past the last slot given out for registers */
static phys_addr_t phys_end;		/* first address the CPU cannot put on its bus */
static uint64_t nx;			/* PTE_NX where the CPU knows it */
static uint64_t encrypted;		/* C-bit of a SEV guest: on all but device registers */
static const char *encryption;
static phys_addr_t page_read;

phys_addr_t mm_page_read(void)
{
	return page_read;
}

const char *mm_encryption(void)
{
	return encryption;
}

/*
 * AMD APM 2 §7.10 and §15.34. A SEV guest's memory is private only with the C-bit in the page
 * tables, ours too. With SME on the host, kexec keeps the reservation unencrypted, so our own map
 * needs no bit; the dead kernel's memory would.
 */
static void detect_encryption(void)
{
	struct cpuid_regs r;
	uint64_t msr;

	if (cpuid(0x80000000).eax < 0x8000001f)
		return;
	r = cpuid(0x8000001f);
	if ((r.eax & CPUID_SEV) && !rdmsr_safe(MSR_AMD_SEV_STATUS, &msr) &&
	    (msr & SEV_STATUS_SEV)) {
		encryption = "SEV";
		encrypted = BIT(r.ebx & 63);
	} else if ((r.eax & CPUID_SME) && !rdmsr_safe(MSR_AMD_SYSCFG, &msr) &&
		   (msr & SYSCFG_MEM_ENCRYPT)) {
		encryption = "SME";
	}
}

static void detect_cpu(void)
{
	uint32_t max = cpuid(0x80000000).eax;
	unsigned bits = max >= 0x80000008 ? cpuid(0x80000008).eax & 0xff : 36;

	phys_end = BIT(bits >= 32 && bits <= 52 ? bits : 36);
	if (max >= 0x80000001 && (cpuid(0x80000001).edx & CPUID_NX)) {
		wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
		nx = PTE_NX;
	}
	detect_encryption();
}

static uint64_t table_entry(const struct table *t)
{
	return virt_to_phys(t) | PTE_P | PTE_RW | PTE_A | encrypted;
}

/* Rights of the image's page at @va: the order of linker/x86_64.ld */
static uint64_t image_flags(const char *va)
{
	if (va < __text_end)
		return PTE_RAM_RO;
	if (va >= __rodata_start && va < __rodata_end)
		return PTE_RAM_RO | nx;
	return PTE_RAM_RW | nx;
}

static void map_image(void)
{
	uint64_t va;
	unsigned level;

	for (va = (uintptr_t)__image_start; va < (uintptr_t)__image_end; va += PAGE_SIZE) {
		tables[0].entry[INDEX(va, 1)] = va | image_flags((const char *)va) | encrypted;
		for (level = 2; level <= levels; level++)
			tables[level - 1].entry[INDEX(va, level)] = table_entry(&tables[level - 2]);
	}
}

static void map_window(void)
{
	uint64_t image = (uintptr_t)__image_start;
	uint64_t slot = INDEX(image, 2);
	/*
	 * The image takes this entry of the page directory and perhaps the next: one that is free,
	 * and never that of NULL.
	 */
	uint64_t free_slot = slot < TABLE_ENTRIES / 2 ? slot + 2 : slot - 2;

	tables[1].entry[free_slot] = table_entry(&window_table);
	tables[3].entry[INDEX(UPPER_HALF, 4)] = table_entry(&tables[2]);
	if (levels == 5)
		tables[4].entry[INDEX(UPPER_HALF, 5)] = table_entry(&tables[3]);
	window = (char *)(UPPER_HALF | INDEX(image, 3) << 30 | free_slot << 21);
}

void mm_init(void)
{
	levels = read_cr4() & CR4_LA57 ? 5 : 4;
	detect_cpu();
	map_image();
	map_window();
	write_cr3(virt_to_phys(&tables[levels - 1]) | encrypted);
}

/*
 * Where the image crosses a boundary its tables stand for two regions: an entry that is taken is
 * then another page's. The window's table is nobody's, though its alias has a place in the lower
 * half. An entry that was not present is in no TLB.
 */
bool arch_map_ram(phys_addr_t pa, void *(*new_table)(void))
{
	uint64_t pte = pa | PTE_RAM_RW | nx | encrypted;
	uint64_t lower_half = BIT(PAGE_SHIFT + 9 * levels - 1);
	struct table *t = &tables[levels - 1];
	uint64_t *entry;

	if (!range_inside(pa, PAGE_SIZE, PAGE_SIZE, min_u64(phys_end, lower_half)))
		return false;
	for (unsigned level = levels; level > 1; level--) {
		entry = &t->entry[INDEX(pa, level)];
		if (!*entry) {
			t = new_table();
			if (!t)
				return false;
			*entry = table_entry(t);
		}
		t = (struct table *)(uintptr_t)(*entry & PTE_ADDR & ~encrypted);
	}
	entry = &t->entry[INDEX(pa, 1)];
	if (t == &window_table || (*entry && *entry != pte))
		return false;
	*entry = pte;
	return true;
}

static char *map_page(unsigned slot, uint64_t pte)
{
	char *va = window + slot * PAGE_SIZE;

	if (window_table.entry[slot] != pte) {
		window_table.entry[slot] = pte;
		invlpg(va);
	}
	return va;
}

/*
 * An entry that is not present is in no TLB, so filling it needs no invalidation (SDM 3A §4.10.4.3).
 * When the slot is taken by another frame all are emptied at once: one load of CR3 for 256 frames
 * costs far less than 256 times INVLPG, above all in virtual machines.
 */
static const char *map_for_read(phys_addr_t pa)
{
	uint64_t pte = ALIGN_DOWN(pa, PAGE_SIZE) | PTE_RAM_RO | nx | encrypted;
	unsigned slot = (pa >> PAGE_SHIFT) % READ_SLOTS;
	uint64_t *entry = &window_table.entry[slot];

	if (*entry && *entry != pte) {
		memset(window_table.entry, 0, READ_SLOTS * sizeof(*entry));
		write_cr3(read_cr3());
	}
	*entry = pte;
	page_read = pa;
	return window + slot * PAGE_SIZE + pa % PAGE_SIZE;
}

int arch_read_mem(void *dst, phys_addr_t pa, size_t len)
{
	char *out = dst;
	size_t n;

	if (!range_inside(pa, len, 0, phys_end))
		return -EFAULT;
	exception_report();
	for (; len; len -= n, pa += n, out += n) {
		n = min_u64(len, PAGE_SIZE - pa % PAGE_SIZE);
		if (mem_copy_safe(out, map_for_read(pa), n))
			return -EFAULT;
	}
	return 0;
}

/* The configuration page serves as the window: nothing else is mapped writable that is not ours */
int arch_write_mem(phys_addr_t pa, const void *src, size_t len)
{
	const char *in = src;
	size_t n;

	if (!range_inside(pa, len, 0, phys_end))
		return -EFAULT;
	for (; len; len -= n, pa += n, in += n) {
		uint64_t pte = ALIGN_DOWN(pa, PAGE_SIZE) | PTE_RAM_RW | nx | encrypted;

		n = min_u64(len, PAGE_SIZE - pa % PAGE_SIZE);
		if (mem_copy_safe(map_page(CONFIG_SLOT, pte) + pa % PAGE_SIZE, in, n))
			return -EFAULT;
	}
	return 0;
}

int arch_mem_is_zero(phys_addr_t pa, size_t len)
{
	uint32_t nonzero;
	size_t n;

	if (!range_inside(pa, len, 0, phys_end) || pa % 8 || len % 8)
		return -EFAULT;
	exception_report();
	for (; len; len -= n, pa += n) {
		n = min_u64(len, PAGE_SIZE - pa % PAGE_SIZE);
		if (mem_scan_safe(map_for_read(pa), n, &nonzero))
			return -EFAULT;
		if (nonzero)
			return 0;
	}
	return 1;
}

static uint64_t device_pte(phys_addr_t pa)
{
	return ALIGN_DOWN(pa, PAGE_SIZE) | PTE_DEVICE | nx;
}

/*
 * Slot from which @pages pages at @pa are mapped already: a controller that is opened again.
 * device_end: nowhere.
 */
static unsigned find_mapping(phys_addr_t pa, size_t pages)
{
	for (unsigned first = READ_SLOTS; pages <= device_end - first; first++) {
		size_t i = 0;

		while (i < pages && window_table.entry[first + i] == device_pte(pa + i * PAGE_SIZE))
			i++;
		if (i == pages)
			return first;
	}
	return device_end;
}

void *arch_map_mmio(phys_addr_t pa, size_t len)
{
	size_t pages, i;
	unsigned first;

	if (!len || !range_inside(pa, len, 0, phys_end))
		return NULL;
	pages = DIV_ROUND_UP(pa % PAGE_SIZE + (uint64_t)len, PAGE_SIZE);
	first = find_mapping(pa, pages);
	if (first == device_end) {
		if (pages > CONFIG_SLOT - device_end)
			return NULL;
		for (i = 0; i < pages; i++)
			map_page(first + i, device_pte(pa + i * PAGE_SIZE));
		device_end += pages;
	}
	return window + first * PAGE_SIZE + pa % PAGE_SIZE;
}

void *arch_map_config(phys_addr_t pa)
{
	if (!range_inside(pa, 1, 0, phys_end))
		return NULL;
	return map_page(CONFIG_SLOT, device_pte(pa)) + pa % PAGE_SIZE;
}
