/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two system calls that load a capture kernel, and what their errors mean. The kernel frees what is loaded before it
 * copies what replaces it, so whatever can be found out before is found out before.
 */
#ifndef TOOLS_LOAD_KEXEC_H
#define TOOLS_LOAD_KEXEC_H

#include "tools/load/plan.h"

/* 0 or -errno with a message; -EPERM and -ENOSYS: the other call may work, and @quiet leaves the message out. */
int kexec_load_plan(const struct plan *p, bool quiet);
/* The kernel reads the file by itself, so it can check a signature. It makes its own elfcorehdr. */
int kexec_load_file(const char *image, const char *words);
/* Nothing loaded is no error. */
int kexec_unload(void);

/* -EPERM, with why as a message */
int kexec_not_permitted(void);

/* Nothing can be loaded or unloaded, whoever asks */
bool kexec_disabled(const char *root);
#define KEXEC_DISABLED	"kernel.kexec_load_disabled is 1: nothing can be loaded or unloaded until the next boot; load before it is set"

#endif
