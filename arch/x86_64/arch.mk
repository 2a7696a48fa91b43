# SPDX-License-Identifier: GPL-2.0-or-later
# Everything the Makefile needs to know about x86_64.
CROSS_COMPILE ?= x86_64-linux-gnu-
IMAGE         := capstub.bzImage
IMAGE_MAX     := 131072	# bytes, 128 KiB
RELOC_TYPE    := R_X86_64_RELATIVE
EFI_ARCH      := x86_64

# -mno-red-zone: exceptions are taken on the stack in use and would overwrite the red zone
# -mcmodel=small: the image is less than 2 GiB, so RIP-relative addressing reaches all of it
# -fcf-protection=none: no CET in a program that takes no indirect calls from outside
ARCH_CFLAGS   := -mno-red-zone -mcmodel=small -fcf-protection=none
ARCH_LDFLAGS  :=
