/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Constants of the architecture that generic code may use. */
#ifndef ARCH_CPU_H
#define ARCH_CPU_H

#define ARCH_MACHINE		"x86_64"
#define ARCH_ELF_MACHINE	62	/* EM_X86_64 */
#define ARCH_HAS_PIO		1	/* I/O ports */
#define ARCH_VTOP		vtop_x86_64	/* decoder for a dead kernel's page tables (stub/format/vtop.h) */
#define ARCH_GDB		gdb_x86_64	/* registers as gdb knows them (stub/serve/regs.h) */
#define ARCH_PAGE_SIZE		4096u	/* the stub's own pages */
#define ARCH_PAGE_SIZE_MAX	4096u	/* largest page of a dead kernel */

#endif
