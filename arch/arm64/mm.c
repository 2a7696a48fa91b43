// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Page tables: 4-KiB pages, two address ranges.
 *
 * TTBR0, 48 bits, maps the image at its physical address and, beside it, the arena (stub/mem.h), whose
 * pages outside the image's 2 MiB bring their own tables. TTBR1, the top 1 GiB,
 * holds windows, 2 MiB each: old memory (512 pages, each in the slot of its page number), device
 * registers (pages), the device tree (pages), and PCI configuration space (one block, so that a
 * scan of all functions of two buses needs no new mapping). So no pointer into a window is ever a
 * pointer into memory of ours, and a null or wild pointer faults.
 *
 * Old memory is Normal write-back like the dead kernel's own mapping: what was still in its caches
 * is read from there, and two mappings of one page never differ in their attributes (Arm ARM B2.8,
 * mismatched memory attributes).
 */
/*
 * mm_build() runs with the MMU off: all memory is Device memory then, where an unaligned access
 * faults.
 */
#pragma GCC target("strict-align")

#include <errno.h>
#include <io.h>
#include <string.h>

#include "arch/arm64/arm64.h"
#include "stub/arch.h"

#define PAGE_SIZE	4096u
#define ENTRIES		512u

/* Descriptors: Arm ARM D8.3, VMSAv8-64 with 4-KiB granule */
#define PTE_VALID	BIT(0)
#define PTE_TABLE	BIT(1)		/* levels 0-2: next table, else block; level 3: page */
#define PTE_ATTR(i)	((uint64_t)(i) << 2)
#define PTE_RO		BIT(7)
#define PTE_SH_INNER	(3ULL << 8)	/* with TCR.DS: address bits 51:50 instead */
#define PTE_AF		BIT(10)
#define PTE_XN		(BIT(54) | BIT(53))
#define PTE_ADDR	GENMASK(47, 12)
#define PTE_ADDR_DS	GENMASK(49, 12)

#define PAGE_BITS(attr)	(PTE_VALID | PTE_TABLE | PTE_AF | PTE_ATTR(attr))
#define PAGE_RX		(PAGE_BITS(MAIR_NORMAL) | PTE_RO)
#define PAGE_RO		(PAGE_BITS(MAIR_NORMAL) | PTE_RO | PTE_XN)
#define PAGE_RW		(PAGE_BITS(MAIR_NORMAL) | PTE_XN)
#define PAGE_DEVICE	(PAGE_BITS(MAIR_DEVICE) | PTE_XN)
/*
 * PCI configuration space: with early acknowledgement a write could still be on its way to the host
 * bridge when the CPU goes on, while configuration requests are not posted (PCIe 4.0 §7.2.2).
 */
#define BLOCK_CONFIG	((PAGE_BITS(MAIR_CONFIG) | PTE_XN) & ~PTE_TABLE)

/* Arm ARM D17.2, MAIR_EL1 */
#define MAIR_ATTR(i)	(MAIR_VALUE >> 8 * (i) & 0xff)
_Static_assert(MAIR_ATTR(MAIR_NORMAL) == 0xff, "Normal, write-back");
_Static_assert(MAIR_ATTR(MAIR_DEVICE) == 0x04, "Device-nGnRE");
_Static_assert(MAIR_ATTR(MAIR_CONFIG) == 0x00, "Device-nGnRnE");

/* TCR_EL1, Arm ARM D17.2 */
#define TCR_T0SZ_48	16ULL
#define TCR_T1SZ_30	(34ULL << 16)
#define TCR_WB0		(BIT(8) | BIT(10) | 3ULL << 12)	/* table walks: write-back */
#define TCR_WB1		(BIT(24) | BIT(26) | 3ULL << 28)
#define TCR_TG1_4K	(2ULL << 30)
#define TCR_IPS(n)	((uint64_t)(n) << 32)
#define TCR_DS		BIT(59)

/* ID_AA64MMFR0_EL1 */
#define MMFR0_PARANGE	GENMASK(3, 0)
#define MMFR0_TGRAN4	GENMASK(31, 28)
#define TGRAN4_LPA2	1
#define TGRAN4_NONE	0xf
#define PARANGE_48	5
#define PARANGE_52	6

/* The windows of TTBR1, 2 MiB each */
#define WINDOW_BASE	0xffffffffc0000000ULL
#define WINDOW_VA(w)	(WINDOW_BASE + (uint64_t)(w) * ENTRIES * PAGE_SIZE)
enum { WINDOW_MEMORY, WINDOW_MMIO, WINDOW_FDT, NR_WINDOWS, WINDOW_CONFIG = NR_WINDOWS };
#define BLOCK_SIZE	MIB(2)		/* what one entry of the table of windows maps by itself */

/* In linker/arm64.ld: eight tables; TTBR0 and TTBR1 point at the first two */
struct page_table {
	uint64_t e[ENTRIES];
};

enum { TABLE_L0, TABLE_WINDOWS, TABLE_L1, TABLE_L2, TABLE_L3, TABLE_FIRST_WINDOW, NR_TABLES = 8 };
_Static_assert(TABLE_FIRST_WINDOW + NR_WINDOWS == NR_TABLES, "one table per window");

extern struct page_table __page_tables[NR_TABLES];	/* linker/arm64.ld; see arm64.h */

static unsigned mmio_used;

static EARLY uint64_t tcr_value(void)
{
	uint64_t mmfr0, tcr;
	unsigned parange;

	__asm__("mrs %0, id_aa64mmfr0_el1" : "=r"(mmfr0));
	if (FIELD_GET(MMFR0_TGRAN4, mmfr0) == TGRAN4_NONE)
		return 0;
	tcr = TCR_T0SZ_48 | TCR_T1SZ_30 | TCR_WB0 | TCR_WB1 | TCR_TG1_4K;
	parange = (unsigned)FIELD_GET(MMFR0_PARANGE, mmfr0);
	if (FIELD_GET(MMFR0_TGRAN4, mmfr0) == TGRAN4_LPA2)
		tcr |= TCR_DS;
	else if (parange > PARANGE_48)
		parange = PARANGE_48;	/* 52 bits by larger granules only */
	if (parange > PARANGE_52)
		parange = PARANGE_52;
	return tcr | TCR_IPS(parange);
}

static inline uint64_t read_tcr(void)
{
	uint64_t tcr;

	__asm__("mrs %0, tcr_el1" : "=r"(tcr));
	return tcr;
}

/* Width of physical addresses for each value of TCR_EL1.IPS */
unsigned mm_pa_bits(void)
{
	static const uint8_t bits[8] = { 32, 36, 40, 42, 44, 48, 52, 52 };

	return bits[FIELD_GET(GENMASK(34, 32), read_tcr())];
}

static bool pa_valid(phys_addr_t pa, size_t len)
{
	return range_inside(pa, len, 0, BIT(mm_pa_bits()));
}

/* The address and shareability bits of a descriptor. With DS the shareability is TCR's. */
static EARLY uint64_t pte_address(uint64_t tcr, phys_addr_t pa)
{
	if (tcr & TCR_DS)
		return (pa & PTE_ADDR_DS) | (pa >> 50 & 3) << 8;
	return (pa & PTE_ADDR) | PTE_SH_INNER;
}

static EARLY void set_entry(uint64_t *e, uint64_t value)
{
	*(volatile uint64_t *)e = value;
}

static EARLY unsigned index_of(uint64_t va, unsigned level)
{
	return (unsigned)(va >> (39 - 9 * level)) % ENTRIES;
}

static EARLY uint64_t table_entry(const struct page_table *t)
{
	return (uintptr_t)t | PTE_VALID | PTE_TABLE;
}

EARLY uint64_t mm_build(uint64_t base)
{
	struct page_table *t = __page_tables;
	uint64_t tcr = tcr_value();
	uint64_t end = (uintptr_t)__image_end;

	if (!tcr || ALIGN_DOWN(base, MIB(2)) != ALIGN_DOWN(end - 1, MIB(2)))
		return 0;
	set_entry(&t[TABLE_L0].e[index_of(base, 0)], table_entry(&t[TABLE_L1]));
	set_entry(&t[TABLE_L1].e[index_of(base, 1)], table_entry(&t[TABLE_L2]));
	set_entry(&t[TABLE_L2].e[index_of(base, 2)], table_entry(&t[TABLE_L3]));
	for (uint64_t pa = base; pa < end; pa += PAGE_SIZE) {
		uint64_t bits = pa < (uintptr_t)__text_end ? PAGE_RX : PAGE_RW;

		if (pa == (uintptr_t)__exception_guard || pa == (uintptr_t)__stack_guard)
			continue;
		set_entry(&t[TABLE_L3].e[index_of(pa, 3)], bits | pte_address(tcr, pa));
	}
	for (unsigned w = 0; w < NR_WINDOWS; w++)
		set_entry(&t[TABLE_WINDOWS].e[w], table_entry(&t[TABLE_FIRST_WINDOW + w]));
	return tcr;
}

static uint64_t *window_entry(unsigned window, unsigned slot)
{
	return &__page_tables[TABLE_FIRST_WINDOW + window].e[slot];
}

static uint64_t window_va(unsigned window, unsigned slot)
{
	return WINDOW_VA(window) + (uint64_t)slot * PAGE_SIZE;
}

/* An invalid entry is never cached in a TLB, so a new mapping needs no invalidation. */
static void install(uint64_t *e, uint64_t value)
{
	set_entry(e, value);
	__asm__ volatile("dsb ishst\n\tisb" : : : "memory");
}

/* Only this CPU uses these tables: local invalidation is enough. */
static void tlb_drop_all(void)
{
	__asm__ volatile("dsb nshst\n\ttlbi vmalle1\n\tdsb nsh\n\tisb" : : : "memory");
}

static void tlb_drop(uint64_t va)
{
	__asm__ volatile("dsb nshst\n\ttlbi vaae1, %0\n\tdsb nsh\n\tisb"
			 : : "r"(va >> 12 & GENMASK(43, 0)) : "memory");
}

/* Change the mapping of @va by way of an invalid one ("break before make", Arm ARM D8.14.1) */
static void replace(uint64_t *e, uint64_t va, uint64_t value)
{
	if (*e == value)
		return;
	if (*e) {
		set_entry(e, 0);
		tlb_drop(va);
	}
	install(e, value);
}

void mm_seal(void)
{
	uint64_t tcr = read_tcr();

	for (uint64_t pa = (uintptr_t)__text_end; pa < (uintptr_t)__rodata_end; pa += PAGE_SIZE)
		set_entry(&__page_tables[TABLE_L3].e[index_of(pa, 3)],
			  PAGE_RO | pte_address(tcr, pa));
	tlb_drop_all();
}

/*
 * The page of old memory that holds @pa, in its slot; the bytes from @pa on. When the slot is taken
 * by another page all are emptied at once: one invalidation for 512 pages costs far less than 512,
 * above all in virtual machines.
 */
static const char *map_memory(phys_addr_t pa)
{
	unsigned slot = (unsigned)(pa / PAGE_SIZE) % ENTRIES;
	uint64_t *entry = window_entry(WINDOW_MEMORY, slot);
	uint64_t pte = PAGE_RO | pte_address(read_tcr(), ALIGN_DOWN(pa, PAGE_SIZE));

	if (*entry && *entry != pte) {
		memset(window_entry(WINDOW_MEMORY, 0), 0, sizeof(struct page_table));
		tlb_drop_all();
	}
	if (*entry != pte)
		install(entry, pte);
	return (const char *)(uintptr_t)(window_va(WINDOW_MEMORY, slot) + pa % PAGE_SIZE);
}

/*
 * SError is unmasked for guarded reads only, see exception.S. An SError that was pending is taken
 * at the barrier here, before the guarded range begins.
 */
static inline void serror_unmask(void)
{
	__asm__ volatile("msr daifclr, #4\n\tisb" : : : "memory");
}

static inline void serror_mask(void)
{
	__asm__ volatile("msr daifset, #4" : : : "memory");
}

int arch_read_mem(void *dst, phys_addr_t pa, size_t len)
{
	char *to = dst;

	if (!pa_valid(pa, len))
		return -EFAULT;
	exception_report();
	while (len) {
		size_t n = min_u64(len, PAGE_SIZE - pa % PAGE_SIZE);
		const char *from = map_memory(pa);
		int rc;

		serror_unmask();
		rc = guarded_copy(to, from, n);
		serror_mask();
		if (rc)
			return rc;
		to += n;
		pa += n;
		len -= n;
	}
	return 0;
}

/*
 * Data cache maintenance by lines: DC needs a mapping, image and arena have their own, old memory goes
 * through the window.
 */
static size_t line_size(void)
{
	uint64_t ctr;

	__asm__("mrs %0, ctr_el0" : "=r"(ctr));
	return 4u << FIELD_GET(GENMASK(19, 16), ctr);
}

static void clean_lines(uint64_t va, size_t len)
{
	size_t line = line_size();

	for (uint64_t p = ALIGN_DOWN(va, line); p < va + len; p += line)
		__asm__ volatile("dc cvac, %0" : : "r"(p) : "memory");
}

/*
 * Through a page of the window that is writable for this moment only. Written back, because a table
 * walker need not look into our caches.
 */
int arch_write_mem(phys_addr_t pa, const void *src, size_t len)
{
	const char *from = src;

	if (!pa_valid(pa, len))
		return -EFAULT;
	while (len) {
		size_t n = min_u64(len, PAGE_SIZE - pa % PAGE_SIZE);
		unsigned slot = (unsigned)(pa / PAGE_SIZE) % ENTRIES;
		uint64_t *entry = window_entry(WINDOW_MEMORY, slot);
		char *to = (char *)(uintptr_t)(window_va(WINDOW_MEMORY, slot) + pa % PAGE_SIZE);

		*entry = 0;
		tlb_drop_all();
		install(entry, PAGE_RW | pte_address(read_tcr(), ALIGN_DOWN(pa, PAGE_SIZE)));
		memcpy(to, from, n);
		clean_lines((uintptr_t)to, n);
		__asm__ volatile("dsb sy" : : : "memory");
		*entry = 0;
		tlb_drop_all();
		from += n;
		pa += n;
		len -= n;
	}
	return 0;
}

int arch_mem_is_zero(phys_addr_t pa, size_t len)
{
	if (!pa_valid(pa, len))
		return -EFAULT;
	exception_report();
	while (len) {
		size_t n = min_u64(len, PAGE_SIZE - pa % PAGE_SIZE);
		const char *from = map_memory(pa);
		int rc;

		serror_unmask();
		rc = guarded_is_zero(from, n);
		serror_mask();
		if (rc != 1)
			return rc;
		pa += n;
		len -= n;
	}
	return 1;
}

/*
 * First slot of @n mapped pages that start at @first, from an earlier call; mmio_used when there is
 * none
 */
static unsigned find_mmio(uint64_t first, unsigned n)
{
	for (unsigned slot = 0; slot + n <= mmio_used; slot++) {
		unsigned i = 0;

		while (i < n && *window_entry(WINDOW_MMIO, slot + i) ==
		       (PAGE_DEVICE | pte_address(read_tcr(), first + (uint64_t)i * PAGE_SIZE)))
			i++;
		if (i == n)
			return slot;
	}
	return mmio_used;
}

void *arch_map_mmio(phys_addr_t pa, size_t len)
{
	uint64_t first = ALIGN_DOWN(pa, PAGE_SIZE);
	unsigned slot;
	uint64_t n;

	if (!len || !pa_valid(pa, len))
		return NULL;
	n = DIV_ROUND_UP(pa - first + len, PAGE_SIZE);
	if (n > ENTRIES)
		return NULL;
	slot = find_mmio(first, (unsigned)n);
	if (slot == mmio_used) {
		if (n > ENTRIES - mmio_used)
			return NULL;
		for (unsigned i = 0; i < n; i++)
			install(window_entry(WINDOW_MMIO, slot + i),
				PAGE_DEVICE |
				pte_address(read_tcr(), first + (uint64_t)i * PAGE_SIZE));
		mmio_used += (unsigned)n;
	}
	return (void *)(uintptr_t)(window_va(WINDOW_MMIO, slot) + (pa - first));
}

void *arch_map_config(phys_addr_t pa)
{
	uint64_t va = WINDOW_VA(WINDOW_CONFIG);

	if (!pa_valid(pa, PAGE_SIZE))
		return NULL;
	replace(&__page_tables[TABLE_WINDOWS].e[WINDOW_CONFIG], va,
		BLOCK_CONFIG | pte_address(read_tcr(), ALIGN_DOWN(pa, BLOCK_SIZE)));
	return (void *)(uintptr_t)(va + pa % BLOCK_SIZE);
}

bool mm_is_mmio(uint64_t va)
{
	return range_inside(va, 1, WINDOW_VA(WINDOW_MMIO), WINDOW_VA(WINDOW_MMIO + 1)) ||
	       range_inside(va, 1, WINDOW_VA(WINDOW_CONFIG), WINDOW_VA(WINDOW_CONFIG + 1));
}

const void *mm_map_fdt(phys_addr_t pa, size_t len)
{
	uint64_t first = ALIGN_DOWN(pa, PAGE_SIZE);

	if (!len || !pa_valid(pa, len) || len > (uint64_t)ENTRIES * PAGE_SIZE - (pa - first))
		return NULL;
	for (uint64_t off = 0; off < pa - first + len; off += PAGE_SIZE)
		install(window_entry(WINDOW_FDT, (unsigned)(off / PAGE_SIZE)),
			PAGE_RO | pte_address(read_tcr(), first + off));
	return (const void *)(uintptr_t)(WINDOW_VA(WINDOW_FDT) + (pa - first));
}

/*
 * Dropping a line that reaches over the end of the range would drop a neighbour's bytes too: such a
 * line is written back first. A read-only mapping allows DC CIVAC alone, which for a line nobody
 * wrote is the same.
 */
static void drop_lines(uint64_t va, size_t len)
{
	size_t line = line_size();

	for (uint64_t p = ALIGN_DOWN(va, line); p < va + len; p += line) {
		if (p < va || va + len - p < line || va >= WINDOW_BASE)
			__asm__ volatile("dc civac, %0" : : "r"(p) : "memory");
		else
			__asm__ volatile("dc ivac, %0" : : "r"(p) : "memory");
	}
}

/* The entry that maps @va in TTBR0; NULL: a table is missing on the way, and @new_table gave none */
static uint64_t *own_entry(uint64_t va, void *(*new_table)(void))
{
	struct page_table *t = &__page_tables[TABLE_L0];

	for (unsigned level = 0; level < 3; level++) {
		uint64_t *e = &t->e[index_of(va, level)];

		if (!*e) {
			t = new_table ? new_table() : NULL;
			if (!t)
				return NULL;
			install(e, table_entry(t));
		}
		t = (struct page_table *)(uintptr_t)(*e & PTE_ADDR);
	}
	return &t->e[index_of(va, 3)];
}

bool arch_map_ram(phys_addr_t pa, void *(*new_table)(void))
{
	uint64_t pte = PAGE_RW | pte_address(read_tcr(), pa);
	uint64_t *e;

	if (!pa_valid(pa, PAGE_SIZE) || !range_inside(pa, PAGE_SIZE, PAGE_SIZE, BIT(48)))
		return false;
	e = own_entry(pa, new_table);
	if (!e || (*e && *e != pte))
		return false;
	install(e, pte);
	return true;
}

/* Is the page at @pa mapped at its own address: part of the image or the arena? */
static bool is_own(phys_addr_t pa)
{
	uint64_t *e = pa < BIT(48) ? own_entry(pa, NULL) : NULL;

	return e && *e;
}

static void for_each_piece(uint64_t pa, size_t len, void (*op)(uint64_t va, size_t len))
{
	if (!pa_valid(pa, len))
		return;
	__asm__ volatile("dsb ish" : : : "memory");
	while (len) {
		size_t n = min_u64(len, PAGE_SIZE - pa % PAGE_SIZE);

		op(is_own(pa) ? pa : (uintptr_t)map_memory(pa), n);
		pa += n;
		len -= n;
	}
	__asm__ volatile("dsb sy" : : : "memory");
}

void dma_clean(uint64_t pa, size_t len)
{
	for_each_piece(pa, len, clean_lines);
}

void dma_invalidate(uint64_t pa, size_t len)
{
	for_each_piece(pa, len, drop_lines);
}
