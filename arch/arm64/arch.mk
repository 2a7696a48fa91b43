# SPDX-License-Identifier: GPL-2.0-or-later
# Everything the Makefile needs to know about arm64.
CROSS_COMPILE ?= aarch64-linux-gnu-
IMAGE         := capstub.Image
IMAGE_MAX     := 237568	# bytes, 232 KiB; a signature adds up to 2
# kexec_file_load has no purgatory on arm64: the image carries its own checksum
IMAGE_SEAL    := tools/build/seal-image.py
RELOC_TYPE    := R_AARCH64_RELATIV
EFI_ARCH      := aarch64

# -mcmodel=tiny: the image is less than 1 MiB, so one instruction reaches every address in it
# -mno-outline-atomics: the helpers would ask a C library's start-up code for the CPU's features
# -mbranch-protection=none: Debian's default may change; the stub needs neither PAC nor BTI
# -include hidden.h: addresses relative to PC instead of from the GOT
ARCH_CFLAGS   := -include arch/arm64/hidden.h -mcmodel=tiny -mno-outline-atomics -mbranch-protection=none
ARCH_LDFLAGS  :=
