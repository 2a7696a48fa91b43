// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The arena. See stub/mem.h for whose memory this is and when it is what.
 *
 * What the loader says is not trusted to make sense: pieces may overlap, be unsorted, absurd or more than there is
 * room for. The table of pieces is short, because the honest answer is (a reservation in three or four pieces and
 * the memory below 640 KiB), and when it is full the smallest piece is forgotten: less memory, nothing worse.
 */
#include "stub/mem.h"

#include <string.h>

#include "stub/arch.h"
#include "stub/log.h"

#define PAGE		4096u
#define ADDR_LIMIT	BIT(52)		/* x86_64 and arm64 have at most 52 physical address bits */
#define MAX_PIECES	20
/* Of a large reservation more than this is of no use, and would only take time and page tables to map */
#define MAX_MAPPED	MIB(8)

/* [start, end) is ours. Handed out up to next, mapped up to mapped. Empty: start == end */
struct piece {
	phys_addr_t start, end;
	phys_addr_t next, mapped;
	phys_addr_t mark;
};

static struct piece pieces[MAX_PIECES];		/* disjoint; from mem_open() on highest first */
static bool is_open;
bool mem_show;

static void show(phys_addr_t start, phys_addr_t end, const char *what)
{
	if (mem_show && start < end)
		log_info("memory: %#lx-%#lx %s", start, end, what);
}

static uint64_t piece_size(const struct piece *p)
{
	return p->end - p->start;
}

static void insert(phys_addr_t start, phys_addr_t end)
{
	struct piece *smallest = pieces;

	for (struct piece *p = pieces; p < pieces + MAX_PIECES; p++)
		if (piece_size(p) < piece_size(smallest))
			smallest = p;
	if (start < end && piece_size(smallest) < end - start)
		*smallest = (struct piece){ .start = start, .end = end };
}

void mem_remove(phys_addr_t start, phys_addr_t end)
{
	start = ALIGN_DOWN(start, PAGE);
	end = end < ADDR_LIMIT ? ALIGN_UP(end, PAGE) : ADDR_LIMIT;
	for (struct piece *p = pieces; p < pieces + MAX_PIECES; p++) {
		phys_addr_t above = p->end;

		if (start >= end || p->end <= start || p->start >= end)
			continue;
		p->end = max_u64(p->start, start);
		insert(end, above);
	}
}

void mem_add(phys_addr_t start, phys_addr_t end)
{
	end = ALIGN_DOWN(min_u64(end, ADDR_LIMIT), PAGE);
	if (start >= end)
		return;
	start = ALIGN_UP(start, PAGE);
	mem_remove(start, end);		/* what overlaps would be handed out twice */
	insert(start, end);
}

static void *page_table(void)
{
	return mem_take("page tables", PAGE, PAGE, MEM_ANY);
}

/*
 * Highest first, so that memory which 32-bit devices can reach, and the first MiB that other CPUs start in, is used
 * last. Mapping a piece may take page tables, which have to come from one that is mapped: that in which the
 * image's own tables reach needs none, and whatever was above it gets a second try.
 */
static void map_pieces(void)
{
	uint64_t left = MAX_MAPPED;

	for (int round = 0; round < 2; round++) {
		for (struct piece *p = pieces; p < pieces + MAX_PIECES; p++) {
			while (left && p->mapped < p->end && arch_map_ram(p->mapped, page_table)) {
				p->mapped += PAGE;
				left -= PAGE;
			}
		}
	}
}

void mem_open(void)
{
	mem_remove(0, PAGE);		/* a null pointer has to fault */
	for (unsigned i = 1; i < MAX_PIECES; i++) {
		for (unsigned k = i; k && pieces[k].start > pieces[k - 1].start; k--) {
			struct piece p = pieces[k];

			pieces[k] = pieces[k - 1];
			pieces[k - 1] = p;
		}
	}
	for (struct piece *p = pieces; p < pieces + MAX_PIECES; p++) {
		p->next = p->mapped = p->start;
		show(p->start, p->end, "arena:");
	}
	is_open = true;
	map_pieces();
	mem_mark();
	log_info("%lu KiB of memory beside the image", mem_left() >> 10);
}

/* Bytes that @p has from *ret_at on, which is aligned */
static uint64_t room(const struct piece *p, size_t align, phys_addr_t limit, phys_addr_t *ret_at)
{
	phys_addr_t end = limit < p->mapped ? limit + 1 : p->mapped;

	*ret_at = ALIGN_UP(p->next, align);
	return *ret_at < end ? end - *ret_at : 0;
}

uint64_t mem_left(void)
{
	uint64_t bytes = 0;

	for (const struct piece *p = pieces; p < pieces + MAX_PIECES; p++)
		bytes += p->mapped - p->next;
	return bytes;
}

void *mem_take_most(const char *user, size_t least, size_t good, size_t align, phys_addr_t limit,
		    size_t *ret_size)
{
	struct piece *best = NULL;
	uint64_t size = 0;
	phys_addr_t at;

	/* The first that has all, or else the one that has most */
	for (struct piece *p = pieces; p < pieces + MAX_PIECES && size < good; p++) {
		uint64_t has = room(p, align, limit, &at);

		if (has < good)
			has = max_u64(ALIGN_DOWN(has, align), has < least ? 0 : least);
		if (has > size) {
			size = min_u64(has, good);
			best = p;
		}
	}
	if (!is_open)
		return log_err(NULL, "memory: %s asks after the plan was made", user);
	if (!best || size < least)
		return NULL;
	room(best, align, limit, &at);
	best->next = at + size;
	show(at, best->next, user);
	*ret_size = size;
	return memset((void *)(uintptr_t)at, 0, size);
}

void *mem_take(const char *user, size_t size, size_t align, phys_addr_t limit)
{
	size_t got;

	return mem_take_most(user, size, size, align, limit, &got);
}

void mem_close(void)
{
	is_open = false;
}

void mem_mark(void)
{
	for (struct piece *p = pieces; p < pieces + MAX_PIECES; p++)
		p->mark = p->next;
}

void mem_rewind(void)
{
	for (struct piece *p = pieces; p < pieces + MAX_PIECES; p++)
		p->next = p->mark;
	is_open = true;
}
