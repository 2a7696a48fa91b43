/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The elfcorehdr: the ELF core header by which the stub learns where CPUs left their registers, where VMCOREINFO is and
 * what is RAM (stub/dead/vmcore.c opens with its layout). Pure.
 */
#ifndef TOOLS_LOAD_ELFCORE_H
#define TOOLS_LOAD_ELFCORE_H

#include "tools/load/machine.h"

/* For free(); *ret_size is its length. NULL: more program headers than ELF counts, with a message. */
void *elfcore_build(const struct machine *m, size_t *ret_size);

#endif
