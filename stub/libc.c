// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What newlib asks of its system. There is none: no heap, no files, no signals. Present only
 * because the linker wants the names; none of these is reached by the functions that the stub
 * calls.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "stub/arch.h"

void *_sbrk(ptrdiff_t increment);
void *sbrk(ptrdiff_t increment);
noreturn void abort(void);

/* Always fails, so malloc always fails */
void *_sbrk(ptrdiff_t increment)
{
	(void)increment;
	return (void *)-1;
}

void *sbrk(ptrdiff_t increment)
{
	return _sbrk(increment);
}

noreturn void abort(void)
{
	stub_exception("abort() called by the C library");
}
