/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Included before every source (arch.mk). Nothing in the image can be replaced at run time: with
 * that said of every declaration, also the libraries', the compiler reaches all of them relative to
 * PC. Without, it would load addresses from the GOT, which is larger, slower, and wrong before
 * relocation.
 */
#ifndef __ASSEMBLY__
#pragma GCC visibility push(hidden)
#endif
