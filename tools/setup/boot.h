/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's command line as boot loaders keep it: GRUB by update-grub, grubby, and kernel-install's. */
#ifndef TOOLS_SETUP_BOOT_H
#define TOOLS_SETUP_BOOT_H

#include "tools/setup/steps.h"

/*
 * Where the next boot already gets a crashkernel= from that is not ours, and which: "FILE has crashkernel=256M". NULL: from
 * nowhere.
 */
const char *boot_reserves(const struct steps *s);

/* Put crashkernel=@size on the command line of the next boots. 0, or -errno with a message that says what to do by hand. */
int boot_reserve(struct steps *s, const char *size);

/* Have boot loaders take what was changed. */
int boot_refresh(const struct steps *s);

#endif
