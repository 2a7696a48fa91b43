# SPDX-License-Identifier: GPL-2.0-or-later
# Everything the Makefile needs to know about x86_64.
CROSS_COMPILE ?= x86_64-linux-gnu-
IMAGE         := capstub.bzImage
IMAGE_MAX     := 200704	# bytes, 196 KiB; a signature adds up to 2
# capstub load leaves no purgatory that would look: the image carries its own checksum
IMAGE_SEAL    := tools/build/seal-image.py
RELOC_TYPE    := R_X86_64_RELATIVE
EFI_ARCH      := x86_64

# -DGNU_EFI_USE_MS_ABI: the firmware's calling convention, in gnu-efi's prototypes
# -mno-red-zone: exceptions are taken on the stack in use and would overwrite the red zone
# -mcmodel=small: the image is less than 2 GiB, so RIP-relative addressing reaches all of it
# -fcf-protection=none: no CET in a program that takes no indirect calls from outside
# -fplt: the linker makes direct calls of them, a byte shorter than what -fno-plt leaves
# -z pack-relative-relocs: 8 bytes and less for what is 24 in .rela.dyn
ARCH_CFLAGS   := -DGNU_EFI_USE_MS_ABI -mno-red-zone -mcmodel=small -fcf-protection=none -fplt
ARCH_LDFLAGS  := -Wl,-z,pack-relative-relocs
