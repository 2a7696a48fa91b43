/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of a kernel whose symbols do not name them: those before 6.1, whose VMCOREINFO does not tell of
 * kallsyms, and those whose kallsyms has code alone (CONFIG_KALLSYMS_ALL is not set). They are found in
 * a copy of the kernel's image by what they look like.
 */
#ifndef TOOLS_REPORT_SCAN_H
#define TOOLS_REPORT_SCAN_H

#include "stub/dead/kallsyms.h"
#include "tools/report/dead.h"

/* 0, or -ENOENT: there is none, or not the layout of 4.19 to 6.1 (scripts/kallsyms.c) */
int scan_kallsyms(struct dead *d, struct kallsyms_tables *ret);

/* A variable or function that is exported to modules; 0: it is not */
uint64_t scan_export(struct dead *d, const char *name);

/* The types (Documentation/bpf/btf.rst): where, and how many bytes. False: there are none. */
bool scan_btf(struct dead *d, uint64_t *ret_va, size_t *ret_len);

/* The two arrays of the ORC unwinder (arch/x86/kernel/unwind_orc.c). False: there are none. */
bool scan_orc(struct dead *d, uint64_t *ret_ip, uint64_t *ret_orc, size_t *ret_nr);

#endif
