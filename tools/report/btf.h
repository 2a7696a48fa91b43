/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's own description of its types (Documentation/bpf/btf.rst), which it keeps in its memory
 * (CONFIG_DEBUG_INFO_BTF): where in a structure a member is.
 */
#ifndef TOOLS_REPORT_BTF_H
#define TOOLS_REPORT_BTF_H

#include "tools/report/dead.h"

#define BTF_MAGIC	0xeb9fu
#define BTF_HEADER	24u

/* Bytes of the BTF that begins at @data, of which there are @len; 0: there is none, or not all of it */
size_t btf_size(const uint8_t *data, size_t len);

/* Takes @data, malloc()ed. 0, or -EINVAL: no BTF, or damaged; then @b is empty. */
int btf_open(struct btf *b, uint8_t *data, size_t len);
void btf_close(struct btf *b);

struct btf_member {
	uint32_t offset;		/* in bytes */
	uint32_t size;			/* of its type; of an array all of it; 0: not known */
	uint32_t type;
};

/*
 * A member of structure @type by "name" or "name.name"; those of unnamed structures inside count as its
 * own. False: there is none, or it is a bit field.
 */
bool btf_member(const struct btf *b, const char *type, const char *path, struct btf_member *ret);

/* Bytes of structure @type; 0: there is none */
uint32_t btf_struct_size(const struct btf *b, const char *type);

/* Offset of a per-CPU variable, which are all in one section; false: it is not there */
bool btf_percpu(const struct btf *b, const char *name, uint64_t *ret);

#endif
