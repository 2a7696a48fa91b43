/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kdump-compressed to ELF core, for gdb. */
#ifndef TOOLS_ELF_H
#define TOOLS_ELF_H

#include "tools/media/kdump.h"
#include "tools/media/outfile.h"

struct elf_job {
	const char *path;		/* of the dump, for messages */
	const struct kdump *dump;
	const char *dmesg;		/* to tell the CPU that panicked; may be NULL */
	size_t dmesg_len;
	bool identity;			/* ret: virtual addresses could not be found out */
	uint64_t kernel_offset;		/* ret: KASLR offset for gdb's symbol-file -o */
	uint64_t segments, pages;	/* ret: PT_LOADs, pages stored */
	uint64_t lost;			/* ret: pages that could not be decompressed */
};

/* Write the ELF file to @out from its start. 0 or -errno with a message. */
int elf_write(struct elf_job *job, struct outfile *out);

#endif
