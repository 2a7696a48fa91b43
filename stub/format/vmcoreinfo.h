/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMCOREINFO: KEY=VALUE lines of the dead kernel. Pure. Look-ups scan the text: it is 4 KiB and
 * looked at some dozens of times. Each returns 0 and writes *ret, or -ENOENT (absent), -EINVAL (not
 * a number). Absence is information, as entries come and go with kernel versions: test for
 * presence, never for OSRELEASE.
 */
#ifndef STUB_VMCOREINFO_H
#define STUB_VMCOREINFO_H

#include "stub/bits.h"

/* of the text that is looked at; the whole note goes to the dump */
#define VMCOREINFO_MAX		6144

struct vmcoreinfo {
	size_t len;
	char text[VMCOREINFO_MAX];	/* NUL-terminated */
};

/*
 * NUL-terminate a text of which @len bytes were read. @cut: there was more, and half a line would be a
 * wrong number. Its length.
 */
size_t vmcoreinfo_end(char *text, size_t len, bool cut);

/* SYMBOL(name)=hex */
int vmcoreinfo_symbol(const struct vmcoreinfo *vi, const char *name, uint64_t *ret);
/* SIZE(name)=decimal */
int vmcoreinfo_size(const struct vmcoreinfo *vi, const char *name, uint64_t *ret);
/* OFFSET(name)=decimal */
int vmcoreinfo_offset(const struct vmcoreinfo *vi, const char *name, uint64_t *ret);
/* LENGTH(name)=decimal */
int vmcoreinfo_length(const struct vmcoreinfo *vi, const char *name, uint64_t *ret);
/* NUMBER(name)=dec or 0xhex, signed */
int vmcoreinfo_number(const struct vmcoreinfo *vi, const char *name, int64_t *ret);
/*
 * Any other key: PAGESIZE, OSRELEASE, CRASHTIME, KERNELOFFSET, BUILD-ID. At most size - 1
 * characters.
 */
int vmcoreinfo_string(const struct vmcoreinfo *vi, const char *key, char *ret, size_t size);

#endif
