// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a debugger cannot start without. Found out by running crash over dumps with pages taken
 * away, then expressed without debug information: from VMCOREINFO, from the kernel's own symbol
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
#include "stub/dead/vital.h"

#include <string.h>

#include "stub/dead/kallsyms.h"
#include "stub/log.h"
#include "stub/dead/pages.h"

#define TASK_BYTES		KIB(10)	/* struct task_struct: at most 9.6 KiB in 5.10 to 6.12 */
#define STACK_BYTES		KIB(16)	/* THREAD_SIZE on both architectures with 4-KiB pages */
#define MAX_CPUS		64u	/* the first ones: a debugger wants all, a slow line few */
#define MAX_STACKS		16u
#define TEXT_AROUND		2u	/* pages before and after one that a stack points into */
#define LIST_STEPS		256u
#define NODE_SLOTS		72u	/* words of a radix tree node (struct xa_node) */
#define NODE_DEPTH		3u
#define MAX_SYMBOLS		8192u	/* that one module exports */
#define MAX_LOOKS		BIT(20)	/* at addresses of the dead kernel; a sound one takes some 70000 */
#define IMAGE_MAX		MIB(256)	/* looked through for the banner */
#define DATA_SHARE		640u	/* ranges that may be used before the lists */
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

static unsigned find(const struct vital *v, uint64_t pfn)
{
	unsigned low = 0, high = v->nr;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if ((uint64_t)v->ranges[mid].start + v->ranges[mid].nr > pfn)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static void add_pfn(struct vital *v, uint64_t pfn)
{
	unsigned at = find(v, pfn);
	struct vital_range *next = &v->ranges[at], *prev = next - 1;

	if (pfn > UINT32_MAX - 1 || (at < v->nr && next->start <= pfn))
		return;
	if (at && prev->start + prev->nr == pfn && prev->stage == v->stage &&
	    prev->nr < UINT16_MAX) {
		prev->nr++;
	} else if (at < v->nr && next->start == pfn + 1 && next->stage == v->stage &&
		   next->nr < UINT16_MAX) {
		next->start--;
		next->nr++;
	} else if (v->nr < v->limit) {
		memmove(next + 1, next, (v->nr - at) * sizeof(*next));
		*next = (struct vital_range){ (uint32_t)pfn, 1, (uint16_t)v->stage };
		v->nr++;
	} else {
		return;
	}
	v->pages++;
}

int vital_stage(const struct vital *v, uint64_t pfn)
{
	unsigned at = find(v, pfn);

	return at < v->nr && v->ranges[at].start <= pfn ? v->ranges[at].stage : -1;
}

bool vital_next(const struct vital *v, unsigned stage, uint64_t pfn, uint64_t *ret_pfn,
		uint64_t *ret_end)
{
	for (unsigned at = find(v, pfn); at < v->nr; at++) {
		const struct vital_range *r = &v->ranges[at];

		if (r->stage != stage)
			continue;
		*ret_pfn = max_u64(r->start, pfn);
		*ret_end = (uint64_t)r->start + r->nr;
		return true;
	}
	return false;
}

/*---------------------------------------------------------------- addresses */

/* May one more address be followed? Kernel addresses are in the upper half on both architectures. */
static bool look(struct vital *v, uint64_t va)
{
	if (!(va >> 63) || !v->looks)
		return false;
	v->looks--;
	return true;
}

static bool to_pfn(struct vital *v, uint64_t va, uint64_t *ret)
{
	phys_addr_t pa;

	if (!look(v, va) || vtop(v->vt, va, &pa, NULL) || !vmcore_is_ram(v->vc, pa, 1))
		return false;
	*ret = pa >> v->vt->page_shift;
	return true;
}

/* Counted in pages, not addresses: after the last one of all comes 0 */
static void add_virtual(struct vital *v, uint64_t va, uint64_t len)
{
	uint64_t last = va + (len - 1), pfn;
	unsigned shift = v->vt->page_shift;

	if (!len || last < va)
		return;
	for (uint64_t page = va >> shift; page <= last >> shift; page++)
		if (to_pfn(v, page << shift, &pfn))
			add_pfn(v, pfn);
}

static bool read_virtual(struct vital *v, uint64_t va, void *buf, size_t len)
{
	return look(v, va) && !vtop_read(v->vt, buf, va, len);
}

static bool read_word(struct vital *v, uint64_t va, uint64_t *ret)
{
	return va % 8 == 0 && read_virtual(v, va, ret, sizeof(*ret));
}

static bool in_image(const struct vital *v, uint64_t va)
{
	const struct memory_range *image = &v->vc->image;

	return image->virt && va >= image->virt && va - image->virt < image->end - image->start;
}

/*---------------------------------------------------------------- variables */

/* Without what was freed after boot */
static void add_image(struct vital *v, uint64_t from, uint64_t to)
{
	unsigned shift = v->vt->page_shift;
	uint64_t pfn;

	if (!from || from >= to || to - from > MIB(64))
		return;
	for (uint64_t page = from >> shift; page <= (to - 1) >> shift; page++)
		if (to_pfn(v, page << shift, &pfn) && !pages_freed(pfn))
			add_pfn(v, pfn);
}

/*
 * Without symbols: from the lowest variable that VMCOREINFO names, and what may stand before it, to
 * the end of the image
 */
static void guess_data(struct vital *v)
{
	static const char *const vars[] = {
		"init_uts_ns", "node_online_map", "prb", "log_buf", "swapper_pg_dir",
		"vmap_area_list",
	};
	uint64_t low = ~0ULL, va, end = v->vc->image.virt + (v->vc->image.end - v->vc->image.start);

	for (unsigned i = 0; i < ARRAY_SIZE(vars); i++)
		if (!vmcoreinfo_symbol(v->vi, vars[i], &va) && in_image(v, va))
			low = min_u64(low, va);
	if (low != ~0ULL)
		add_image(v, max_u64(ALIGN_DOWN(low, MIB(2)) - MIB(2), v->vc->image.virt), end);
}

/*
 * linux_banner, by which crash checks that dump and vmlinux belong together, is read-only data:
 * looked for by its beginning
 */
static void add_banner(struct vital *v)
{
	const struct memory_range *image = &v->vc->image;
	uint64_t end = min_u64(image->end, image->start + IMAGE_MAX);
	uint64_t page = BIT(v->vt->page_shift), stext;
	uint8_t buf[512 + sizeof(BANNER)];

	if (!image->virt || vmcoreinfo_symbol(v->vi, "_stext", &stext) || !in_image(v, stext))
		return;
	/* An eighth of the image holds the text at least; its pages hold no such string. */
	for (uint64_t pa = image->start; pa + sizeof(buf) < end; pa += 512) {
		const uint8_t *at = buf;

		if (vmcore_read(v->vc, buf, pa, sizeof(buf)))
			continue;
		while ((at = memchr(at, BANNER[0], (size_t)(buf + 512 - at)))) {
			if (!memcmp(at, BANNER, sizeof(BANNER) - 1)) {
				add_pfn(v, (pa + (uint64_t)(at - buf)) / page);
				add_pfn(v, (pa + (uint64_t)(at - buf) + 256) / page);
			}
			at++;
		}
	}
}

static void add_data(struct vital *v, const struct kallsym *syms)
{
	add_banner(v);
	if (!syms[SDATA].va) {
		guess_data(v);
		return;
	}
	add_image(v, syms[RO_INIT_START].va, syms[RO_INIT_END].va);
	add_image(v, syms[SDATA].va, syms[EDATA].va);
	add_image(v, syms[BSS_START].va, syms[BSS_END].va);
	add_image(v, syms[BRK_START].va, syms[END].va);
}

/*---------------------------------------------------------------- roots */

static int add_table(void *ctx, phys_addr_t pa, uint64_t size)
{
	struct vital *v = ctx;

	for (; size; size -= min_u64(size, BIT(v->vt->page_shift)), pa += BIT(v->vt->page_shift))
		add_pfn(v, pa >> v->vt->page_shift);
	return v->nr >= v->limit;
}

static void add_sections(struct vital *v)
{
	uint64_t va, nr, root, size;

	if (vmcoreinfo_symbol(v->vi, "mem_section", &va) ||
	    vmcoreinfo_length(v->vi, "mem_section", &nr) || nr > 65536)
		return;
	/* SYMBOL(mem_section) is the array of roots since 4.16 */
	add_virtual(v, va, nr * 8);
	for (uint64_t i = 0; i < nr && v->nr < v->limit; i++)
		if (read_word(v, va + i * 8, &root) && root)
			add_virtual(v, root, 1);
	if (vmcoreinfo_size(v->vi, "pglist_data", &size) ||
	    vmcoreinfo_symbol(v->vi, "node_data", &va) || size > MIB(1) ||
	    vmcoreinfo_length(v->vi, "node_data", &nr))
		return;
	for (uint64_t i = 0; i < nr && i < MAX_CPUS; i++)
		if (read_word(v, va + i * 8, &root) && root)
			add_virtual(v, root, size);
}

static void add_per_cpu(struct vital *v, const struct kallsym *syms)
{
	uint64_t offset, task;

	if (!syms[PER_CPU_OFFSET].va)
		return;
	for (unsigned cpu = 0; cpu < v->vc->nr_cpus && cpu < MAX_CPUS; cpu++) {
		if (!read_word(v, syms[PER_CPU_OFFSET].va + 8 * cpu, &offset))
			return;
		for (unsigned i = FIRST_CURRENT; i <= LAST_CURRENT; i++) {
			if (!syms[i].va || !read_word(v, offset + syms[i].va, &task))
				continue;
			add_virtual(v, offset + syms[i].va, 64);
			/* All of it: the debugger passes over a task of which a page is missing */
			add_virtual(v, task, TASK_BYTES);
		}
		/* crash wants the whole of struct rq; the others are small */
		for (unsigned i = FIRST_PER_CPU; i <= LAST_PER_CPU; i++)
			if (syms[i].va)
				add_virtual(v, offset + syms[i].va,
					    i == FIRST_PER_CPU ? KIB(4) : 64);
	}
}

/* Call @each for the words of the stacks that CPUs were on. */
static void each_stack(struct vital *v, void (*each)(struct vital *v, uint64_t word))
{
	uint64_t size = max_u64(STACK_BYTES, BIT(v->vt->page_shift)), sp, words[64];
	uint8_t prstatus[512];

	for (unsigned cpu = 0; cpu < v->vc->nr_cpus && cpu < MAX_STACKS; cpu++) {
		int len = vmcore_prstatus(v->vc, cpu, prstatus, sizeof(prstatus));

		if (len < (int)(v->vt->prstatus_sp + sizeof(sp)))
			continue;
		memcpy(&sp, prstatus + v->vt->prstatus_sp, sizeof(sp));
		/* Stacks are aligned to their size. One in user space is refused by vtop(). */
		for (uint64_t at = ALIGN_DOWN(sp, size), end = at + size; at < end;
		     at += sizeof(words)) {
			if (!read_virtual(v, at, words, sizeof(words)))
				continue;
			if (!each)
				add_virtual(v, at, 1);
			for (unsigned i = 0; each && i < ARRAY_SIZE(words); i++)
				if (words[i] >> 63)
					each(v, words[i]);
		}
	}
}

static void add_pointee(struct vital *v, uint64_t word)
{
	uint64_t pfn;

	if (!in_image(v, word) && to_pfn(v, word, &pfn))
		add_pfn(v, pfn);
}

static void add_text_around(struct vital *v, uint64_t word)
{
	uint64_t page = BIT(v->vt->page_shift);

	/* Only image pages: module code is reached by the list of modules. */
	if (in_image(v, word) && in_image(v, word - TEXT_AROUND * page))
		add_virtual(v, word - TEXT_AROUND * page, 2 * TEXT_AROUND * page + 1);
}

/*---------------------------------------------------------------- modules */

static bool identifier(struct vital *v, uint64_t va)
{
	char c[8];

	/* The first name of a string section has no NUL before it: only the name itself tells. */
	if (!read_virtual(v, va, c, sizeof(c)))
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
static void add_symbols(struct vital *v, uint64_t va)
{
	int32_t entry[3];

	for (unsigned i = 0; i < MAX_SYMBOLS; i++, va += sizeof(entry)) {
		uint64_t name;

		if (!read_virtual(v, va, entry, sizeof(entry)) || !entry[1] ||
		    entry[1] > (1 << 22) || entry[1] < -(1 << 22))
			return;
		name = va + 4 + (uint64_t)(int64_t)entry[1];
		if (!identifier(v, name))
			return;
		add_virtual(v, va, sizeof(entry));
		add_virtual(v, name, 64);
	}
}

/*
 * struct module: the list links it at offset 8. What it points at within the module area are its
 * tables.
 */
static void add_module(struct vital *v, uint64_t module)
{
	uint64_t words[128];

	add_virtual(v, module, sizeof(words));
	if (!read_virtual(v, module, words, sizeof(words)))
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i] >> 63 && words[i] != module && words[i] - module + MIB(8) < MIB(16))
			add_symbols(v, words[i]);
}

static void add_modules(struct vital *v, uint64_t head)
{
	uint64_t node;

	if (!read_word(v, head, &node))
		return;
	for (unsigned i = 0; i < LIST_STEPS && node != head; i++) {
		add_module(v, node - 8);
		if (!read_word(v, node, &node))
			return;
	}
}

/*---------------------------------------------------------------- what variables point at */

/*
 * A pointer with tag 2 in a variable is the root of a radix tree or xarray: process ids,
 * interrupts. Follow its nodes.
 */
static void add_tree(struct vital *v, uint64_t entry, unsigned depth)
{
	uint64_t slots[NODE_SLOTS];

	if ((entry & 3) != 2) {
		if (!(entry & 7))
			add_pointee(v, entry);
		return;
	}
	entry &= ~3ULL;
	if (!depth || in_image(v, entry) || !read_virtual(v, entry, slots, sizeof(slots)))
		return;
	add_virtual(v, entry, sizeof(slots));
	for (unsigned i = 0; i < NODE_SLOTS; i++)
		if (slots[i] >> 63)
			add_tree(v, slots[i], depth - 1);
}

/* A list head is a word whose target points back at it in its second word. */
static void add_list(struct vital *v, uint64_t head, uint64_t node)
{
	uint64_t back, prev = head;

	for (unsigned i = 0; i < LIST_STEPS && node != head; i++) {
		if (!read_word(v, node + 8, &back) || back != prev)
			return;
		add_pointee(v, node);
		prev = node;
		if (!read_word(v, node, &node))
			return;
	}
}

/*
 * Words of a page of variables. @lists: follow lists and trees; otherwise only what is pointed at
 * directly
 */
static void scan_page(struct vital *v, uint64_t pfn, bool lists)
{
	uint64_t page = BIT(v->vt->page_shift), words[64], pa, va;

	for (pa = pfn * page; pa < (pfn + 1) * page; pa += sizeof(words)) {
		if (vmcore_read(v->vc, words, pa, sizeof(words)))
			continue;
		va = pa - v->vc->image.start + v->vc->image.virt;
		for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
			if (!(words[i] >> 63) || in_image(v, words[i]))
				continue;
			if (!lists)
				add_pointee(v, words[i]);
			else if ((words[i] & 3) == 2)
				add_tree(v, words[i], NODE_DEPTH);
			else
				add_list(v, va + i * 8, words[i]);
		}
	}
}

static void scan_data(struct vital *v, bool lists)
{
	uint64_t pfn = 0, end;
	const struct memory_range *image = &v->vc->image;
	unsigned shift = v->vt->page_shift;

	for (; vital_next(v, VITAL_DATA, pfn, &pfn, &end) && v->nr < v->limit && v->looks; pfn = end)
		for (uint64_t p = pfn; p < end; p++)
			if (p << shift >= image->start && p << shift < image->end)
				scan_page(v, p, lists);
}

void vital_init(struct vital *v, struct vmcore *vc, const struct vmcoreinfo *vi, struct vtop *vt)
{
	struct kallsym syms[NR_SYMS];

	memset(v, 0, sizeof(*v));
	v->vc = vc;
	v->vi = vi;
	v->vt = vt;
	v->limit = DATA_SHARE;
	v->looks = MAX_LOOKS;
	if (!vi->len)
		return;
	for (unsigned i = 0; i < NR_SYMS; i++)
		syms[i] = (struct kallsym){ names[i], 0 };
	if (kallsyms_find(vt, vi, syms, NR_SYMS) < 0)
		for (unsigned i = 0; i < NR_SYMS; i++)
			syms[i].va = 0;

	v->stage = VITAL_DATA;
	add_data(v, syms);
	v->stage = VITAL_ROOTS;
	each_stack(v, NULL);
	vtop_tables(vt, add_table, v);
	add_sections(v);
	add_per_cpu(v, syms);
	each_stack(v, add_pointee);
	v->limit = VITAL_MAX_RANGES - 200;
	if (syms[MODULES].va)
		add_modules(v, syms[MODULES].va);
	v->stage = VITAL_TEXT;
	v->limit = VITAL_MAX_RANGES;
	each_stack(v, add_text_around);
	for (unsigned i = FIRST_TEXT; i <= LAST_TEXT; i++)
		if (syms[i].va)
			add_virtual(v, syms[i].va, KIB(8));
	v->stage = VITAL_LISTS;
	scan_data(v, true);
	scan_data(v, false);
	log_debug("vital: %u pages in %u ranges", (unsigned)v->pages, v->nr);
}
