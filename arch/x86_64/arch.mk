# SPDX-License-Identifier: GPL-2.0-or-later
# Everything the Makefile needs to know about x86_64.
CROSS_COMPILE ?= x86_64-linux-gnu-
IMAGE         := capstub.bzImage
IMAGE_MAX     := 98304	# bytes, 96 KiB
# Disks and lines in one image, for kexec -s, or a reservation of 2 MiB: 144 KiB of file, init_size 384 KiB
ALL_IMAGE_MAX := 147456
ALL_MAX       := 0x60000
RELOC_TYPE    := R_X86_64_RELATIVE
EFI_ARCH      := x86_64

# -mno-red-zone: exceptions are taken on the stack in use and would overwrite the red zone
# -mcmodel=small: the image is less than 2 GiB, so RIP-relative addressing reaches all of it
# -fcf-protection=none: no CET in a program that takes no indirect calls from outside
# -fplt: the linker makes direct calls of them, a byte shorter than what -fno-plt leaves
# -z pack-relative-relocs: 8 bytes and less for what is 24 in .rela.dyn
ARCH_CFLAGS   := -mno-red-zone -mcmodel=small -fcf-protection=none -fplt
ARCH_LDFLAGS  := -Wl,-z,pack-relative-relocs
