// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The arena for tests of who takes from it: each piece is one of the host's, so that the sanitizers see a byte that is
 * written behind it. What a user took before is freed when it takes again, as by mem_rewind(). Below 4 GiB, for those
 * who ask for that.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "stub/mem.h"
#include "tests/unit/fake/arena.h"

#define MAX_USERS 32

size_t fake_arena_most = SIZE_MAX;

static struct user {
	const char *name;
	void *mem;
	size_t mapped;		/* 0: from malloc() */
} users[MAX_USERS];

static struct user *find(const char *name)
{
	for (struct user *u = users; u < users + MAX_USERS; u++) {
		if (u->name && !strcmp(u->name, name))
			return u;
		if (u->name)
			continue;
		u->name = name;
		return u;
	}
	abort();
}

static void drop(struct user *u)
{
	if (u->mapped)
		munmap(u->mem, u->mapped);
	else
		free(u->mem);
	*u = (struct user){ .name = u->name };
}

void *mem_take_most(const char *name, size_t least, size_t good, size_t align, phys_addr_t limit, size_t *ret_size)
{
	struct user *u = find(name);
	size_t size = good <= fake_arena_most ? good : least;

	drop(u);
	if (size > fake_arena_most)
		return NULL;
	if (limit == MEM_ANY) {
		if (posix_memalign(&u->mem, align < 16 ? 16 : align, size))
			abort();
		memset(u->mem, 0, size);
	} else {
		u->mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
		if (u->mem == MAP_FAILED)
			abort();
		u->mapped = size;
	}
	*ret_size = size;
	return u->mem;
}

void *mem_take(const char *user, size_t size, size_t align, phys_addr_t limit)
{
	size_t got;

	return mem_take_most(user, size, size, align, limit, &got);
}

uint64_t mem_left(void)
{
	return fake_arena_most;
}

void mem_remove(phys_addr_t start, phys_addr_t end)
{
	(void)start;
	(void)end;
}

void mem_open(void)
{
}

void mem_close(void)
{
}
