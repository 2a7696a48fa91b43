/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Constants of the architecture that generic code may use. */
#ifndef ARCH_CPU_H
#define ARCH_CPU_H

#define ARCH_MACHINE		"aarch64"
#define ARCH_ELF_MACHINE	183	/* EM_AARCH64 */
#define ARCH_HAS_PIO		0	/* no I/O ports: pio_*() read as all ones */
#define ARCH_VTOP		vtop_arm64	/* decoder for a dead kernel's page tables (stub/format/vtop.h) */
#define ARCH_GDB		gdb_arm64	/* registers as gdb knows them (stub/serve/regs.h) */
#define ARCH_PAGE_SIZE		4096u	/* the stub's own pages */
#define ARCH_PAGE_SIZE_MAX	65536u	/* largest page of a dead kernel */

#endif
