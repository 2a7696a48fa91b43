/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is worth most: a table of frame ranges that crash cannot do without, built once before pages
 * are written. The table is sorted, disjoint and of fixed size; when it is full the rest ranks by
 * its class, which costs order, not contents.
 */
#include "stub/dead/priority.h"

#include <errno.h>
#include <string.h>

#include "stub/dead/dmesg.h"
#include "stub/log.h"
#include "stub/mem.h"

#define MAX_RANGES	512u
#define STACK_SIZE	KIB(16)		/* THREAD_SIZE on both architectures with 4-KiB pages */
#define MAX_STACKS	256u		/* of a machine with more CPUs, the first ones */
/* so that stacks scattered over memory leave room for the page tables */
#define STACK_RANGES	(MAX_RANGES / 2)

enum { RANK_VITAL, RANK_TABLES, RANK_KERNEL, RANK_USER, RANK_CACHE, RANK_REST };

struct range {
	uint64_t start;			/* first frame */
	uint32_t nr;			/* frames */
	uint32_t rank;
};

struct priority {
	struct vtop *vt;
	unsigned rank;			/* of what is being added */
	unsigned limit;			/* ranges that may be in use */
	bool full;
	unsigned nr;
	struct range *ranges;		/* MAX_RANGES; NULL: no memory, all goes by class */
};

static struct priority priority;

/* Index of the first range that ends behind @pfn */
static unsigned find(const struct priority *p, uint64_t pfn)
{
	unsigned low = 0, high = p->nr;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if (p->ranges[mid].start + p->ranges[mid].nr > pfn)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/*
 * Put [start, start + nr), which nothing overlaps, before range @at: join it to a neighbour or make
 * room.
 */
static void place(struct priority *p, unsigned at, uint64_t start, uint32_t nr)
{
	struct range *next = &p->ranges[at], *prev = next - 1;

	if (at && prev->start + prev->nr == start && prev->rank == p->rank &&
	    nr <= UINT32_MAX - prev->nr) {
		prev->nr += nr;
	} else if (at < p->nr && start + nr == next->start && next->rank == p->rank &&
		   nr <= UINT32_MAX - next->nr) {
		next->start = start;
		next->nr += nr;
	} else if (p->nr < p->limit) {
		memmove(next + 1, next, (p->nr - at) * sizeof(*next));
		*next = (struct range){ start, nr, p->rank };
		p->nr++;
	} else {
		p->full = true;
	}
}

/* Add frames [start, end) at p->rank; what is there already keeps its rank. */
static void add_frames(struct priority *p, uint64_t start, uint64_t end)
{
	while (start < end && !p->full) {
		unsigned at = find(p, start);
		uint64_t stop = end;

		if (at < p->nr && p->ranges[at].start <= start) {
			start = p->ranges[at].start + p->ranges[at].nr;
			continue;
		}
		if (at < p->nr)
			stop = min_u64(stop, p->ranges[at].start);
		stop = min_u64(stop, start + UINT32_MAX);
		place(p, at, start, stop - start);
		start = stop;
	}
}

static void add_physical(struct priority *p, phys_addr_t pa, uint64_t len)
{
	unsigned shift = p->vt->page_shift;

	if (len && pa <= ~0ULL - len)
		add_frames(p, pa >> shift, ((pa + len - 1) >> shift) + 1);
}

/*
 * The frames behind virtual [va, va + len); what is not mapped is left out. @ctx: struct priority.
 */
static void add_virtual(void *ctx, uint64_t va, uint64_t len)
{
	struct priority *p = ctx;
	uint64_t page = BIT(p->vt->page_shift), run;
	phys_addr_t pa;

	while (len && !p->full) {
		if (vtop(p->vt, va, &pa, &run) < 0) {
			run = page - va % page;
		} else {
			run = min_u64(run, len);
			if (vmcore_is_ram(p->vt->ctx, pa, 1))
				add_physical(p, pa, run);
		}
		va += min_u64(run, len);
		len -= min_u64(run, len);
	}
}

static int add_table(void *ctx, phys_addr_t pa, uint64_t size)
{
	struct priority *p = ctx;

	add_physical(p, pa, size);
	return p->full;
}

/*
 * Stacks are aligned to their size (THREAD_ALIGN), so the stack pointer tells where the whole of it
 * is.
 */
static void add_stacks(struct priority *p, struct vmcore *vc)
{
	uint64_t size = max_u64(STACK_SIZE, BIT(p->vt->page_shift)), sp;
	unsigned char prstatus[512];

	for (unsigned cpu = 0; cpu < vc->nr_cpus && cpu < MAX_STACKS; cpu++) {
		int len = vmcore_prstatus(vc, cpu, prstatus, sizeof(prstatus));

		if (len < (int)(p->vt->prstatus_sp + sizeof(sp)))
			continue;
		memcpy(&sp, prstatus + p->vt->prstatus_sp, sizeof(sp));
		/* In user space there is nothing to see: vtop() refuses such an address. */
		add_virtual(p, ALIGN_DOWN(sp, size), size);
	}
}

/* The pages that hold the struct pages of RAM */
static void add_vmemmap(struct priority *p, const struct vmcore *vc)
{
	uint64_t pfn = 0, end, va, len;
	unsigned size;

	while (!p->full && vmcore_next_run(vc, pfn, &pfn, &end)) {
		while (pfn < end && !p->full) {
			if (pages_struct_page(pfn, &va, &len, &size) < 0)
				return;
			len = min_u64(len, (end - pfn) * size);
			add_virtual(p, va, len);
			pfn += len / size;
		}
	}
}

void priority_init(struct vmcore *vc, const struct vmcoreinfo *vi, struct vtop *vt)
{
	struct priority *p = &priority;

	memset(p, 0, sizeof(*p));
	p->ranges = mem_take("essential ranges", MAX_RANGES * sizeof(*p->ranges), 8, MEM_ANY);
	if (!p->ranges)
		return;
	p->vt = vt;
	p->rank = RANK_VITAL;
	p->limit = STACK_RANGES;
	if (vc->image.end > vc->image.start)
		add_physical(p, vc->image.start, vc->image.end - vc->image.start);
	dmesg_ranges(vt, vi, add_virtual, p);
	add_stacks(p, vc);

	p->rank = RANK_TABLES;
	p->limit = MAX_RANGES;
	p->full = false;
	vtop_tables(vt, add_table, p);
	add_vmemmap(p, vc);
	if (p->full)
		log_info("priority: more than %u essential ranges: the rest goes by class",
			 MAX_RANGES);
}

int pages_rank(uint64_t pfn, enum page_class class)
{
	const struct priority *p = &priority;
	unsigned at = find(p, pfn);

	if (at < p->nr && p->ranges[at].start <= pfn)
		return p->ranges[at].rank;
	switch (class) {
	case PAGE_KERNEL:
		return RANK_KERNEL;
	case PAGE_USER:
		return RANK_USER;
	case PAGE_CACHE:
	case PAGE_CACHE_PRIVATE:
		return RANK_CACHE;
	default:
		return RANK_REST;
	}
}
