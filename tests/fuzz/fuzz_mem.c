// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/mem.c tests/unit/fake/log.c */
/*
 * The arena under any map and any sequence of demands, beside a list of pages that says what is allowed: nothing is
 * handed out that was not added, was removed, is page 0, cannot be mapped, or belongs to somebody.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "stub/arch.h"
#include "stub/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAGE	4096u
#define PAGES	32u

static uint8_t ram[PAGES * PAGE] __attribute__((aligned(4096)));
#define RAM	((phys_addr_t)(uintptr_t)ram)

enum { FREE = 1, KEPT = 2, TAKEN = 4 };
static uint8_t state[PAGES];		/* of each page of @ram */
static uint8_t bytes[PAGES * PAGE];	/* TAKEN or KEPT: who has this byte */
static uint64_t bad_pages;		/* one bit for a page: cannot be mapped */

/* Only @ram exists */
bool arch_map_ram(phys_addr_t pa, void *(*new_table)(void))
{
	assert(pa % PAGE == 0 && pa);
	if (!range_inside(pa, PAGE, RAM, RAM + sizeof(ram)) || bad_pages >> (pa - RAM) / PAGE & 1)
		return false;
	return (pa / PAGE) % 16 || new_table();
}

struct op {
	uint8_t what;
	uint8_t align;		/* log2 */
	uint16_t from, len;	/* in 64 bytes */
	uint64_t far;		/* added to the address when what says so */
};

static void take(const struct op *op)
{
	size_t least = op->from % 512 * 64, good = least + op->len * 64, got = 0;
	size_t align = 1u << op->align % 13;
	phys_addr_t limit = op->what & 0x80 ? RAM + op->far % sizeof(ram) : MEM_ANY;
	uint8_t *p = mem_take_most("fuzz", least, good, align, limit, &got);

	if (!p)
		return;
	assert(got >= least && got <= good && (uintptr_t)p % align == 0);
	assert(range_inside((uintptr_t)p, got, RAM, RAM + sizeof(ram)) && (uintptr_t)p + got - 1 <= limit);
	for (size_t i = 0; i < got; i++) {
		size_t at = (size_t)(p - ram) + i;

		assert(state[at / PAGE] == FREE && !bytes[at] && !p[i]);
		bytes[at] = TAKEN;
	}
	memset(p, 0xff, got);
}

static void set(phys_addr_t start, phys_addr_t end, bool add)
{
	for (unsigned i = 0; i < PAGES; i++) {
		phys_addr_t page = RAM + i * PAGE;

		if (add && start <= page && end >= page + PAGE)
			state[i] = FREE;
		else if (!add && start < end && start < page + PAGE && end > page)
			state[i] = 0;
	}
	(add ? mem_add : mem_remove)(start, end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct op op;
	bool is_open = false;

	mem_close();
	mem_remove(0, UINT64_MAX);
	memset(state, 0, sizeof(state));
	memset(bytes, 0, sizeof(bytes));
	memset(ram, 0xff, sizeof(ram));
	if (size < sizeof(bad_pages))
		return 0;
	memcpy(&bad_pages, data, sizeof(bad_pages));
	for (size_t at = sizeof(bad_pages); at + sizeof(op) <= size; at += sizeof(op)) {
		phys_addr_t start, end;

		memcpy(&op, data + at, sizeof(op));
		start = RAM + op.from * 64u;
		if (op.what & 0x40)
			start = op.far;
		end = start + op.len * 64u;
		if (op.what & 0x20)
			end = op.far;
		switch (op.what % 8) {
		case 0:
		case 1:
		case 2:
			if (!is_open)
				set(start, end, op.what % 8 < 2);
			else
				take(&op);
			break;
		case 3:
			if (!is_open) {
				mem_open();
				is_open = true;
			}
			break;
		case 4:
			if (is_open)
				mem_mark();
			for (size_t i = 0; is_open && i < sizeof(bytes); i++)
				bytes[i] = bytes[i] ? KEPT : 0;
			break;
		case 5:
			if (is_open)
				mem_rewind();
			for (size_t i = 0; is_open && i < sizeof(bytes); i++)
				bytes[i] = bytes[i] == KEPT ? KEPT : 0;
			break;
		case 6:
			mem_close();
			assert(!mem_take("closed", 1, 1, MEM_ANY));
			if (is_open)
				mem_rewind();
			for (size_t i = 0; is_open && i < sizeof(bytes); i++)
				bytes[i] = bytes[i] == KEPT ? KEPT : 0;
			break;
		default:
			take(&op);
		}
	}
	return 0;
}
