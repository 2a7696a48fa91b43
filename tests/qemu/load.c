/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory of every kind, held until the machine dies: hugetlb pages of 2 MiB and 1 GiB, transparent
 * huge pages whole and split, anonymous pages with holes, shared ones, and free memory in pieces.
 * Runs in the guest; prints one line when all is there. What the kernel has not, it goes without.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	4096UL
#define MIB	(1UL << 20)
#define HUGE(shift)	(MAP_HUGETLB | (shift) << 26)	/* mmap(2), MAP_HUGE_SHIFT */

static uint64_t state = 1;

/* xorshift64: some pages compress, some do not */
static uint64_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static void fill(unsigned char *p, size_t len)
{
	for (size_t at = 0; at < len; at += 8) {
		uint64_t v = at & 2048 ? rnd() : at * 3 + 1;

		memcpy(p + at, &v, 8);
	}
}

static unsigned char *map(size_t len, int flags, const char *what)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (p != MAP_FAILED)
		return p;
	printf("load: no %s: %m\n", what);
	return NULL;
}

static void huge(void)
{
	unsigned char *p = map(16 * MIB, HUGE(21), "hugetlb pages of 2 MiB");

	if (p)
		fill(p, 12 * MIB);
	p = map(1024 * MIB, HUGE(30), "hugetlb page of 1 GiB");
	if (p)
		fill(p, 16 * MIB);

	p = map(64 * MIB, 0, "memory");
	if (!p)
		return;
	p += -(uintptr_t)p % (2 * MIB);
	madvise(p, 48 * MIB, MADV_HUGEPAGE);
	fill(p, 48 * MIB);
	for (unsigned i = 0; i < 8; i++)	/* split some of them */
		madvise(p + i * 4 * MIB + 17 * PAGE, 100 * PAGE, MADV_DONTNEED);
}

static void pieces(size_t len)
{
	unsigned char *p = map(len, 0, "memory");

	if (!p)
		return;
	madvise(p, len, MADV_NOHUGEPAGE);
	for (size_t at = 0; at < len; at += PAGE)
		if (rnd() % 8)
			fill(p + at, PAGE);
	for (size_t at = 0; at < len; at += PAGE)
		if (rnd() % 3 == 0)
			madvise(p + at, PAGE, MADV_DONTNEED);
}

int main(void)
{
	unsigned char *shared;

	huge();
	pieces(300 * MIB);
	shared = map(8 * MIB, 0, "memory");
	if (shared)
		fill(shared, 8 * MIB);
	for (unsigned i = 0; i < 5; i++)
		if (!fork()) {
			if (shared)
				fill(shared + i * MIB, MIB);	/* copied on write, the rest shared */
			pause();
		}
	puts("@@ memory is filled");
	fflush(stdout);
	for (;;)
		pause();
}
