# SPDX-License-Identifier: GPL-2.0-or-later
# Everything the Makefile needs to know about arm64.
CROSS_COMPILE ?= aarch64-linux-gnu-
IMAGE         := capstub.Image
IMAGE_MAX     := 98304	# bytes, 96 KiB
RELOC_TYPE    := R_AARCH64_RELATIV
EFI_ARCH      := aarch64

# -mstrict-align: with the MMU off all memory is Device memory, where an unaligned access faults
# -mno-outline-atomics: the helpers would ask a C library's start-up code for the CPU's features
# -mbranch-protection=none: Debian's default may change; the stub needs neither PAC nor BTI
ARCH_CFLAGS   := -mstrict-align -mno-outline-atomics -mbranch-protection=none
ARCH_LDFLAGS  :=
