/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * <cpu.h> for host tests: an architecture with I/O ports and 4-KiB pages. A test that is built for
 * another one says so with -D.
 */
#ifndef FAKE_CPU_H
#define FAKE_CPU_H

#ifndef ARCH_MACHINE
#define ARCH_MACHINE		"x86_64"
#define ARCH_ELF_MACHINE	62	/* EM_X86_64 */
#define ARCH_HAS_PIO		1
#define ARCH_PAGE_SIZE		4096u
#define ARCH_PAGE_SIZE_MAX	65536u	/* the larger of the two real ones, so that tests meet it */
#endif
#ifndef ARCH_VTOP
#define ARCH_VTOP		vtop_x86_64
#endif
#ifndef ARCH_GDB
#define ARCH_GDB		gdb_x86_64
#endif

#endif
