/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Physical memory of a dead machine, made of a few pieces. Reading is possible inside a piece only
 * and each byte that is asked for beyond is an -EFAULT, as in the stub.
 */
#ifndef FAKE_MEM_H
#define FAKE_MEM_H

#include "stub/bits.h"

void fake_mem_reset(void);
void fake_mem_add(phys_addr_t pa, const void *bytes, size_t len);	/* by reference */
void fake_mem_fail(phys_addr_t pa, size_t len);		/* reads that touch it fail */
int fake_mem_read(void *dst, phys_addr_t pa, size_t len);
extern unsigned fake_mem_reads;

#endif
