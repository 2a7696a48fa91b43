/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes where in the reservation: the segments of kexec_load(2). Pure. */
#ifndef TOOLS_LOAD_PLAN_H
#define TOOLS_LOAD_PLAN_H

#include "tools/load/image.h"
#include "tools/load/machine.h"
#include "tools/load/params.h"

enum { SEG_IMAGE, SEG_ELFCORE, SEG_PARAMS, NR_SEGS };

struct segment {
	const char *what;
	const void *data;
	size_t data_size;
	struct range at;	/* whole pages */
};

struct plan {
	struct segment seg[NR_SEGS];
	uint64_t entry;
	uint64_t left;		/* of the reservation: the kernel's own pages, later the stub's arena */
	bool hotplug;		/* the kernel is to rewrite the elfcorehdr when memory or CPUs come and go */
	uint32_t elfcore_crc;	/* CRC-32C of the elfcorehdr; 0 with hotplug */
	/* Owned: what the segments' data points at */
	void *elfcore;
	struct params params;
};

/*
 * 0, or -errno with a message: -ENOMEM when the reservation is too small, which says how large it has to be; errors of
 * elfcore_build() and params_build(). @m and @img must outlive it. plan_free() either way.
 */
int plan_make(struct plan *p, const struct machine *m, const struct stub_image *img, const char *words);
void plan_free(struct plan *p);

/* The reservation that all of it would need, as crashkernel= has it: a multiple of 64 KiB */
uint64_t plan_needs(const struct plan *p, const struct machine *m);

/*
 * The same when kexec_file_load(2) loads it, on x86_64: newer kernels make an elfcorehdr with room for all CPUs and memory
 * that they were built for, 900 KiB.
 */
uint64_t plan_file_needs(const struct machine *m, const struct stub_image *img);

#endif
