/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dead machine under gdb: its memory and the registers of its CPUs, over a UART, read only.
 */
#ifndef STUB_GDB_H
#define STUB_GDB_H

#include "stub/dead/capture.h"
#include "stub/uart.h"

/*
 * Speak gdb's remote serial protocol on @u, which is open and nobody else's meanwhile: not the
 * log's either. Ends when gdb asks for it (detach, kill, monitor reset), @timeout_s seconds after
 * its last packet, or at the overall deadline. True: the machine is to be halted and not reset.
 */
bool gdb_serve(struct capture *c, struct uart *u, uint32_t timeout_s);

#endif
