// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What newlib's printf asks of its library and its system. There is none: no heap, no files, no
 * signals. Present only because the linker wants the names; none of these is reached by the
 * functions that the stub calls.
 */
#include <stddef.h>
#include <stdlib.h>

#include "stub/arch.h"

struct _reent;

/*
 * newlib's own holds 2 KiB of what a C library may need for each thread; what the stub calls of it
 * writes errno, the first field, and looks at no other.
 */
static int reent_errno;
extern struct _reent *_impure_ptr;
struct _reent *_impure_ptr = (struct _reent *)&reent_errno;

void *_malloc_r(struct _reent *r, size_t size);
void *_realloc_r(struct _reent *r, void *p, size_t size);
void _free_r(struct _reent *r, void *p);
noreturn void abort(void);

void *_malloc_r(struct _reent *r, size_t size)
{
	(void)r;
	(void)size;
	return NULL;
}

void *_realloc_r(struct _reent *r, void *p, size_t size)
{
	(void)p;
	return _malloc_r(r, size);
}

void _free_r(struct _reent *r, void *p)
{
	(void)r;
	(void)p;
}

noreturn void abort(void)
{
	stub_exception(false, "abort() called by the C library");
}
