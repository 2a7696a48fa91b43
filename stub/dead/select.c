// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See stub/dead/select.h. What a debugger cannot start without was found out by running crash over
 * dumps with pages taken away, then expressed without debug information: from VMCOREINFO, from the kernel's own symbol
 * table where it has told of it, and by following words that look like pointers. Nothing depends on
 * being right: a page too many costs 100 ms of a 115200 line, a page too few comes later.
 *
 * The table is sorted, disjoint and of fixed size, and so is the work, for each word of a damaged
 * kernel may be the root of a tree of itself: every list, tree and table is cut at a number of
 * steps, and all the addresses that are followed together at MAX_LOOKS. A look is a walk of at most
 * five tables and one read. Beside them there are the image's pages, read once for the banner and,
 * as far as they are variables, twice for pointers, and the page tables (vtop_tables()): some 16 M
 * short reads in all, seconds.
 */
#include "stub/dead/select.h"

#include <string.h>

#include "stub/dead/dmesg.h"
#include "stub/dead/kallsyms.h"
#include "stub/idle.h"
#include "stub/log.h"
#include "stub/mem.h"

#define TASK_BYTES		KIB(10)	/* struct task_struct: at most 9.6 KiB in 5.10 to 6.12 */
#define STACK_BYTES		KIB(16)	/* THREAD_SIZE on both architectures with 4-KiB pages */
#define MAX_CPUS		64u	/* the first ones: a debugger wants all, a slow line few */
#define VITAL_STACKS		16u
#define MAX_STACKS		256u
#define TEXT_AROUND		2u	/* pages before and after one that a stack points into */
#define LIST_STEPS		256u
#define NODE_SLOTS		72u	/* words of a radix tree node (struct xa_node) */
#define NODE_DEPTH		3u
#define MAX_SYMBOLS		8192u	/* that one module exports */
#define MAX_LOOKS		BIT(20)	/* at addresses of the dead kernel; a sound one takes some 70000 */
#define IMAGE_MAX		MIB(256)	/* looked through for the banner */
/* Ranges that may be in use: of what comes first, with modules, with text and lists */
#define ROOTS_SHARE		640u
#define MODULES_SHARE		824u
#define VITAL_SHARE		1024u
#define BANNER			"Linux version "

/* Kernel variables and functions, when the dead kernel's symbol table can be read */
enum {
	SDATA, EDATA, BSS_START, BSS_END, RO_INIT_START, RO_INIT_END, BRK_START, END,
	PER_CPU_OFFSET, MODULES, FIRST_TEXT, LAST_TEXT = FIRST_TEXT + 7,
	FIRST_CURRENT, LAST_CURRENT = FIRST_CURRENT + 2,
	FIRST_PER_CPU, LAST_PER_CPU = FIRST_PER_CPU + 6, NR_SYMS
};

static const char *const names[NR_SYMS] = {
	[SDATA] = "_sdata", [EDATA] = "_edata",
	[BSS_START] = "__bss_start", [BSS_END] = "__bss_stop",
	[RO_INIT_START] = "__start_ro_after_init", [RO_INIT_END] = "__end_ro_after_init",
	[BRK_START] = "__brk_base", [END] = "_end",
	[PER_CPU_OFFSET] = "__per_cpu_offset", [MODULES] = "modules",
	/* crash disassembles these when it starts (x86_64.c, arm64.c) */
	[FIRST_TEXT] = "__schedule", "schedule", "common_interrupt", "asm_common_interrupt",
	"do_syscall_64", "entry_SYSCALL_64", "panic", [LAST_TEXT] = "__crash_kexec",
	/* and reads these of each CPU; the first ones begin with a pointer to the running task */
	[FIRST_CURRENT] = "current_task", "pcpu_hot", [LAST_CURRENT] = "__entry_task",
	[FIRST_PER_CPU] = "runqueues", "cpu_number", "hardirq_stack_ptr", "cpu_tss_rw", "cpu_info",
	"irq_stack_ptr",
	[LAST_PER_CPU] = "crash_notes",
};

/*---------------------------------------------------------------- table */

/* Index of the first range that ends behind @pfn */
static unsigned find(const struct select *s, uint64_t pfn)
{
	unsigned low = 0, high = s->nr;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if ((uint64_t)s->ranges[mid].start + s->ranges[mid].nr > pfn)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* Put [start, start + nr), which nothing overlaps, before range @at, or join it to a neighbour. */
static bool place(struct select *s, unsigned at, uint64_t start, uint64_t nr)
{
	struct select_range *next = &s->ranges[at], *prev = next - 1;

	if (at && prev->start + prev->nr == start && prev->pass == s->pass &&
	    nr <= (uint64_t)UINT16_MAX - prev->nr) {
		prev->nr += nr;
	} else if (at < s->nr && start + nr == next->start && next->pass == s->pass &&
		   nr <= (uint64_t)UINT16_MAX - next->nr) {
		next->start = (uint32_t)start;
		next->nr += nr;
	} else if (s->nr < s->limit) {
		memmove(next + 1, next, (s->nr - at) * sizeof(*next));
		*next = (struct select_range){ (uint32_t)start, (uint16_t)nr, (uint16_t)s->pass };
		s->nr++;
	} else {
		return false;
	}
	if (s->pass < SELECT_NR_VITAL)
		s->vital += nr;
	return true;
}

/* Add frames [start, end) to the pass at work; what is in one already stays there. */
static void add_frames(struct select *s, uint64_t start, uint64_t end)
{
	end = min_u64(end, UINT32_MAX);
	while (start < end) {
		unsigned at = find(s, start);
		const struct select_range *r = &s->ranges[at];
		uint64_t stop = min_u64(end, start + UINT16_MAX);

		if (at < s->nr && r->start <= start) {
			start = (uint64_t)r->start + r->nr;
			continue;
		}
		if (at < s->nr)
			stop = min_u64(stop, r->start);
		if (!place(s, at, start, stop - start))
			return;
		start = stop;
	}
}

static void add_frame(struct select *s, uint64_t pfn)
{
	add_frames(s, pfn, pfn + 1);
}

static void add_physical(struct select *s, phys_addr_t pa, uint64_t len)
{
	unsigned shift = s->vt->page_shift;
	uint64_t pfn = pa >> shift, last = (pa + len - 1) >> shift, start, end;

	for (; vmcore_next_run(s->vc, pfn, &start, &end) && start <= last; pfn = end)
		add_frames(s, start, min_u64(end, last + 1));
}

enum select_pass select_pass(const struct select *s, uint64_t pfn, enum page_class class)
{
	const struct vmcore *vc = s->vc;
	unsigned at = find(s, pfn);

	if (at < s->nr && s->ranges[at].start <= pfn)
		return s->ranges[at].pass;
	switch (class) {
	case PAGE_KERNEL:
		return range_inside(pfn * vc->page_size, 1, vc->image.start, vc->image.end) ? SELECT_IMAGE
											   : SELECT_KERNEL;
	case PAGE_USER:
		return SELECT_USER;
	case PAGE_CACHE:
	case PAGE_CACHE_PRIVATE:
		return SELECT_CACHE;
	default:
		return SELECT_REST;
	}
}

bool select_next(const struct select *s, unsigned pass, uint64_t pfn, uint64_t *ret_pfn,
		 uint64_t *ret_end)
{
	if (pass >= SELECT_NR_VITAL)
		return vmcore_next_run(s->vc, pfn, ret_pfn, ret_end);
	for (unsigned at = find(s, pfn); at < s->nr; at++) {
		const struct select_range *r = &s->ranges[at];

		if (r->pass != pass)
			continue;
		*ret_pfn = max_u64(r->start, pfn);
		*ret_end = (uint64_t)r->start + r->nr;
		return true;
	}
	return false;
}

/*---------------------------------------------------------------- addresses */

/* May one more address be followed? Kernel addresses are in the upper half on both architectures. */
static bool look(struct select *s, uint64_t va)
{
	if (!(va >> 63) || !s->looks)
		return false;
	s->looks--;
	idle_busy();
	return true;
}

static bool to_pfn(struct select *s, uint64_t va, uint64_t *ret)
{
	phys_addr_t pa;

	if (!look(s, va) || vtop(s->vt, va, &pa, NULL) || !vmcore_is_ram(s->vc, pa, 1))
		return false;
	*ret = pa >> s->vt->page_shift;
	return true;
}

/* What is not mapped, or no RAM, is left out. @ctx: struct select */
static void add_virtual(void *ctx, uint64_t va, uint64_t len)
{
	struct select *s = ctx;
	uint64_t page = BIT(s->vt->page_shift), run;
	phys_addr_t pa;

	/* After the last address of all comes 0, where look() ends it */
	while (len && look(s, va)) {
		if (vtop(s->vt, va, &pa, &run)) {
			run = min_u64(page - va % page, len);
		} else {
			run = min_u64(run, len);
			add_physical(s, pa, run);
		}
		va += run;
		len -= run;
	}
}

static bool read_virtual(struct select *s, uint64_t va, void *buf, size_t len)
{
	return look(s, va) && !vtop_read(s->vt, buf, va, len);
}

static bool read_word(struct select *s, uint64_t va, uint64_t *ret)
{
	return va % 8 == 0 && read_virtual(s, va, ret, sizeof(*ret));
}

static bool in_image(const struct select *s, uint64_t va)
{
	const struct memory_range *image = &s->vc->image;

	return image->virt && va >= image->virt && va - image->virt < image->end - image->start;
}

/*---------------------------------------------------------------- variables */

/* Without what was freed after boot */
static void add_image(struct select *s, uint64_t from, uint64_t to)
{
	unsigned shift = s->vt->page_shift;
	uint64_t pfn;

	if (!from || from >= to || to - from > MIB(64))
		return;
	for (uint64_t page = from >> shift; page <= (to - 1) >> shift; page++)
		if (to_pfn(s, page << shift, &pfn) && !pages_freed(pfn))
			add_frame(s, pfn);
}

/*
 * Without symbols: from the lowest variable that VMCOREINFO names, and what may stand before it, to
 * the end of the image
 */
static void guess_data(struct select *s)
{
	static const char *const vars[] = {
		"init_uts_ns", "node_online_map", "prb", "log_buf", "swapper_pg_dir",
		"vmap_area_list",
	};
	uint64_t low = ~0ULL, va, end = s->vc->image.virt + (s->vc->image.end - s->vc->image.start);

	for (unsigned i = 0; i < ARRAY_SIZE(vars); i++)
		if (!vmcoreinfo_symbol(s->vi, vars[i], &va) && in_image(s, va))
			low = min_u64(low, va);
	if (low != ~0ULL)
		add_image(s, max_u64(ALIGN_DOWN(low, MIB(2)) - MIB(2), s->vc->image.virt), end);
}

/*
 * linux_banner, by which crash checks that dump and vmlinux belong together, is read-only data:
 * looked for by its beginning
 */
static void add_banner(struct select *s)
{
	const struct memory_range *image = &s->vc->image;
	uint64_t end = min_u64(image->end, image->start + IMAGE_MAX);
	uint64_t page = BIT(s->vt->page_shift), stext;
	uint8_t buf[512 + sizeof(BANNER)];

	if (!image->virt || vmcoreinfo_symbol(s->vi, "_stext", &stext) || !in_image(s, stext))
		return;
	/* An eighth of the image holds the text at least; its pages hold no such string. */
	for (uint64_t pa = image->start; pa + sizeof(buf) < end; pa += 512) {
		const uint8_t *at = buf;

		idle_busy();
		if (vmcore_read(s->vc, buf, pa, sizeof(buf)))
			continue;
		while ((at = memchr(at, BANNER[0], (size_t)(buf + 512 - at)))) {
			if (!memcmp(at, BANNER, sizeof(BANNER) - 1)) {
				add_frame(s, (pa + (uint64_t)(at - buf)) / page);
				add_frame(s, (pa + (uint64_t)(at - buf) + 256) / page);
			}
			at++;
		}
	}
}

static void add_data(struct select *s, const struct kallsym *syms)
{
	add_banner(s);
	if (!syms[SDATA].va) {
		guess_data(s);
		return;
	}
	add_image(s, syms[RO_INIT_START].va, syms[RO_INIT_END].va);
	add_image(s, syms[SDATA].va, syms[EDATA].va);
	add_image(s, syms[BSS_START].va, syms[BSS_END].va);
	add_image(s, syms[BRK_START].va, syms[END].va);
}

/*---------------------------------------------------------------- roots */

static int add_table(void *ctx, phys_addr_t pa, uint64_t size)
{
	struct select *s = ctx;

	idle_busy();
	add_physical(s, pa, size);
	return s->nr >= s->limit;
}

static void add_sections(struct select *s)
{
	uint64_t va, nr, root, size;

	if (vmcoreinfo_symbol(s->vi, "mem_section", &va) ||
	    vmcoreinfo_length(s->vi, "mem_section", &nr) || nr > 65536)
		return;
	/* SYMBOL(mem_section) is the array of roots since 4.16 */
	add_virtual(s, va, nr * 8);
	for (uint64_t i = 0; i < nr && s->nr < s->limit; i++)
		if (read_word(s, va + i * 8, &root) && root)
			add_virtual(s, root, 1);
	if (vmcoreinfo_size(s->vi, "pglist_data", &size) ||
	    vmcoreinfo_symbol(s->vi, "node_data", &va) || size > MIB(1) ||
	    vmcoreinfo_length(s->vi, "node_data", &nr))
		return;
	for (uint64_t i = 0; i < nr && i < MAX_CPUS; i++)
		if (read_word(s, va + i * 8, &root) && root)
			add_virtual(s, root, size);
}

static void add_per_cpu(struct select *s, const struct kallsym *syms)
{
	uint64_t offset, task;

	if (!syms[PER_CPU_OFFSET].va)
		return;
	for (unsigned cpu = 0; cpu < s->vc->nr_cpus && cpu < MAX_CPUS; cpu++) {
		if (!read_word(s, syms[PER_CPU_OFFSET].va + 8 * cpu, &offset))
			return;
		for (unsigned i = FIRST_CURRENT; i <= LAST_CURRENT; i++) {
			if (!syms[i].va || !read_word(s, offset + syms[i].va, &task))
				continue;
			add_virtual(s, offset + syms[i].va, 64);
			/* All of it: the debugger passes over a task of which a page is missing */
			add_virtual(s, task, TASK_BYTES);
		}
		/* crash wants the whole of struct rq; the others are small */
		for (unsigned i = FIRST_PER_CPU; i <= LAST_PER_CPU; i++)
			if (syms[i].va)
				add_virtual(s, offset + syms[i].va,
					    i == FIRST_PER_CPU ? KIB(4) : 64);
	}
}

/* Call @each for the words of the stacks that CPUs [from, to) were on; NULL: add the stacks. */
static void each_stack(struct select *s, unsigned from, unsigned to,
		       void (*each)(struct select *s, uint64_t word))
{
	uint64_t size = max_u64(STACK_BYTES, BIT(s->vt->page_shift)), sp, words[64];
	uint8_t prstatus[512];

	for (unsigned cpu = from; cpu < s->vc->nr_cpus && cpu < to; cpu++) {
		int len = vmcore_prstatus(s->vc, cpu, prstatus, sizeof(prstatus));

		if (len < (int)(s->vt->prstatus_sp + sizeof(sp)))
			continue;
		memcpy(&sp, prstatus + s->vt->prstatus_sp, sizeof(sp));
		/* Stacks are aligned to their size. One in user space is refused by vtop(). */
		for (uint64_t at = ALIGN_DOWN(sp, size), end = at + size; at < end;
		     at += sizeof(words)) {
			if (!read_virtual(s, at, words, sizeof(words)))
				continue;
			if (!each)
				add_virtual(s, at, 1);
			for (unsigned i = 0; each && i < ARRAY_SIZE(words); i++)
				if (words[i] >> 63)
					each(s, words[i]);
		}
	}
}

static void add_pointee(struct select *s, uint64_t word)
{
	uint64_t pfn;

	if (!in_image(s, word) && to_pfn(s, word, &pfn))
		add_frame(s, pfn);
}

static void add_text_around(struct select *s, uint64_t word)
{
	uint64_t page = BIT(s->vt->page_shift);

	/* Only image pages: module code is reached by the list of modules. */
	if (in_image(s, word) && in_image(s, word - TEXT_AROUND * page))
		add_virtual(s, word - TEXT_AROUND * page, 2 * TEXT_AROUND * page + 1);
}

/*---------------------------------------------------------------- modules */

static bool identifier(struct select *s, uint64_t va)
{
	char c[8];

	/* The first name of a string section has no NUL before it: only the name itself tells. */
	if (!read_virtual(s, va, c, sizeof(c)))
		return false;
	for (unsigned i = 0; i < sizeof(c) && (c[i] || i < 2); i++)
		if ((c[i] < '0' || c[i] > '9') && (c[i] < 'A' || c[i] > 'Z') &&
		    (c[i] < 'a' || c[i] > 'z') && c[i] != '_')
			return false;
	return true;
}

/*
 * struct kernel_symbol with CONFIG_HAVE_ARCH_PREL32_RELOCATIONS: value, name and namespace, each as
 * an offset from its own place. A debugger reads the exported symbols of each module with their
 * names. Whether @va is such a table shows in its entries.
 */
static void add_symbols(struct select *s, uint64_t va)
{
	int32_t entry[3];

	for (unsigned i = 0; i < MAX_SYMBOLS; i++, va += sizeof(entry)) {
		uint64_t name;

		if (!read_virtual(s, va, entry, sizeof(entry)) || !entry[1] ||
		    entry[1] > (1 << 22) || entry[1] < -(1 << 22))
			return;
		name = va + 4 + (uint64_t)(int64_t)entry[1];
		if (!identifier(s, name))
			return;
		add_virtual(s, va, sizeof(entry));
		add_virtual(s, name, 64);
	}
}

/*
 * struct module: the list links it at offset 8. What it points at within the module area are its
 * tables.
 */
static void add_module(struct select *s, uint64_t module)
{
	uint64_t words[128];

	add_virtual(s, module, sizeof(words));
	if (!read_virtual(s, module, words, sizeof(words)))
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i] >> 63 && words[i] != module && words[i] - module + MIB(8) < MIB(16))
			add_symbols(s, words[i]);
}

static void add_modules(struct select *s, uint64_t head)
{
	uint64_t node;

	if (!read_word(s, head, &node))
		return;
	for (unsigned i = 0; i < LIST_STEPS && node != head; i++) {
		add_module(s, node - 8);
		if (!read_word(s, node, &node))
			return;
	}
}

/*---------------------------------------------------------------- what variables point at */

/*
 * A pointer with tag 2 in a variable is the root of a radix tree or xarray: process ids,
 * interrupts. Follow its nodes.
 */
static void add_tree(struct select *s, uint64_t entry, unsigned depth)
{
	uint64_t slots[NODE_SLOTS];

	if ((entry & 3) != 2) {
		if (!(entry & 7))
			add_pointee(s, entry);
		return;
	}
	entry &= ~3ULL;
	if (!depth || in_image(s, entry) || !read_virtual(s, entry, slots, sizeof(slots)))
		return;
	add_virtual(s, entry, sizeof(slots));
	for (unsigned i = 0; i < NODE_SLOTS; i++)
		if (slots[i] >> 63)
			add_tree(s, slots[i], depth - 1);
}

/* A list head is a word whose target points back at it in its second word. */
static void add_list(struct select *s, uint64_t head, uint64_t node)
{
	uint64_t back, prev = head;

	for (unsigned i = 0; i < LIST_STEPS && node != head; i++) {
		if (!read_word(s, node + 8, &back) || back != prev)
			return;
		add_pointee(s, node);
		prev = node;
		if (!read_word(s, node, &node))
			return;
	}
}

/*
 * Words of a page of variables. @lists: follow lists and trees; otherwise only what is pointed at
 * directly
 */
static void scan_page(struct select *s, uint64_t pfn, bool lists)
{
	uint64_t page = BIT(s->vt->page_shift), words[64], pa, va;

	for (pa = pfn * page; pa < (pfn + 1) * page; pa += sizeof(words)) {
		idle_busy();
		if (vmcore_read(s->vc, words, pa, sizeof(words)))
			continue;
		va = pa - s->vc->image.start + s->vc->image.virt;
		for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
			if (!(words[i] >> 63) || in_image(s, words[i]))
				continue;
			if (!lists)
				add_pointee(s, words[i]);
			else if ((words[i] & 3) == 2)
				add_tree(s, words[i], NODE_DEPTH);
			else
				add_list(s, va + i * 8, words[i]);
		}
	}
}

static void scan_data(struct select *s, bool lists)
{
	uint64_t pfn = 0, end;
	const struct memory_range *image = &s->vc->image;
	unsigned shift = s->vt->page_shift;

	for (; select_next(s, SELECT_DATA, pfn, &pfn, &end) && s->nr < s->limit && s->looks; pfn = end)
		for (uint64_t p = pfn; p < end; p++)
			if (p << shift >= image->start && p << shift < image->end)
				scan_page(s, p, lists);
}

/* The pages that hold the struct pages of RAM */
static void add_struct_pages(struct select *s)
{
	uint64_t pfn = 0, end, va, len;
	unsigned size;

	while (vmcore_next_run(s->vc, pfn, &pfn, &end)) {
		while (pfn < end && s->nr < s->limit && s->looks) {
			if (pages_struct_page(pfn, &va, &len, &size) < 0)
				return;
			len = min_u64(len, (end - pfn) * size);
			add_virtual(s, va, len);
			pfn += len / size;
		}
		pfn = end;
	}
}

struct select *select_take(struct vmcore *vc, const struct vmcoreinfo *vi, struct vtop *vt)
{
	struct select *s = mem_take("essential ranges", sizeof(*s), 8, MEM_ANY);

	if (!s)
		return NULL;
	s->vc = vc;
	s->vi = vi;
	s->vt = vt;
	return s;
}

void select_build(struct select *s)
{
	struct kallsym syms[NR_SYMS];

	s->limit = ROOTS_SHARE;
	s->looks = MAX_LOOKS;
	if (!s->vi->len)
		return;
	for (unsigned i = 0; i < NR_SYMS; i++)
		syms[i] = (struct kallsym){ names[i], 0 };
	if (kallsyms_find(s->vt, s->vi, syms, NR_SYMS) < 0)
		for (unsigned i = 0; i < NR_SYMS; i++)
			syms[i].va = 0;

	s->pass = SELECT_DATA;
	add_data(s, syms);
	s->pass = SELECT_ROOTS;
	each_stack(s, 0, VITAL_STACKS, NULL);
	vtop_tables(s->vt, add_table, s);
	add_sections(s);
	add_per_cpu(s, syms);
	each_stack(s, 0, VITAL_STACKS, add_pointee);
	s->limit = MODULES_SHARE;
	if (syms[MODULES].va)
		add_modules(s, syms[MODULES].va);
	s->pass = SELECT_TEXT;
	s->limit = VITAL_SHARE;
	each_stack(s, 0, VITAL_STACKS, add_text_around);
	for (unsigned i = FIRST_TEXT; i <= LAST_TEXT; i++)
		if (syms[i].va)
			add_virtual(s, syms[i].va, KIB(8));
	s->pass = SELECT_LISTS;
	scan_data(s, true);
	scan_data(s, false);
	s->pass = SELECT_IMAGE;
	s->limit = SELECT_MAX_RANGES;
	dmesg_ranges(s->vt, s->vi, add_virtual, s);
	each_stack(s, VITAL_STACKS, MAX_STACKS, NULL);
	add_struct_pages(s);
	log_debug("essential: %lu pages first, %u ranges", s->vital, s->nr);
}
