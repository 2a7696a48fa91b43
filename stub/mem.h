/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arena: memory beyond the image that is ours as well, handed out once and never taken back. The image and its
 * BSS must fit whatever room the loader leaves at crashkernel=1M; what is large, or better when it is larger, comes
 * from here.
 *
 * Whose memory is it? What the loader itself says the stub may use (e820 of boot_params,
 * linux,usable-memory-range), less everything that the dump is going to be read from. The second half is what makes the
 * first one safe: a page below 640 KiB is in the arena only when the elfcorehdr has its bytes elsewhere (kexec_load
 * backs them up) or does not list it (kexec_file_load). Whatever is said, nothing the dump needs is overwritten.
 *
 * The order: arch/ calls mem_add() and mem_remove() as it reads what the loader left; stub/dead/capture.c removes
 * what the elfcorehdr points at and calls mem_open(); then everybody takes, the least important last, and mem_close() ends it.
 */
#ifndef STUB_MEM_H
#define STUB_MEM_H

#include "stub/bits.h"

#define MEM_ANY		UINT64_MAX	/* limits: the highest physical address that will do */
#define MEM_32BIT	UINT32_MAX

/* Say of each piece of the arena where it is, and whose as it is taken. Before mem_open(). */
extern bool mem_show;

/* [start, end) may be used. Whole pages of it count; it may overlap what was added before. */
void mem_add(phys_addr_t start, phys_addr_t end);

/* [start, end) may not: each page that it touches is out. Before mem_open(). */
void mem_remove(phys_addr_t start, phys_addr_t end);

/* That was all: map it. From here on mem_take() works. */
void mem_open(void);

/* Bytes that nobody has taken, in all pieces: for who likes to have a share of it. */
uint64_t mem_left(void);

/*
 * @size bytes of zeros, for good, aligned to @align (a power of two), none of them above @limit. A pointer into the
 * arena is a physical address, as one into the image (virt_to_phys()). @user says on the console whose it is: a
 * literal. NULL: there is no such piece, or mem_close() was called.
 */
void *mem_take(const char *user, size_t size, size_t align, phys_addr_t limit);

/*
 * The same for who can do with @least bytes but likes to have up to @good: *ret_size is what it got, a multiple of
 * @align unless it is @least or @good.
 */
void *mem_take_most(const char *user, size_t least, size_t good, size_t align, phys_addr_t limit,
		    size_t *ret_size);

/* Everybody has what they need: whoever asks now has been forgotten in the plan. */
void mem_close(void);

/*
 * What was taken up to here stays; mem_rewind() gives back, all at once, what was taken after it, and opens again. For
 * the ways out, which are tried one after the other: each may have all that is left.
 */
void mem_mark(void);
void mem_rewind(void);

#endif
