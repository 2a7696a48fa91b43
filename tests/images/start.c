// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A firmware that is a program: loads a PE image by its header, as UEFI 2.10 §2.1.1 and §7.4.1 have it, each section with the
 * rights that it asks for and no others, starts it, and shows what it says. Exit status 0: it returned an error, as an
 * application that is not to be booted does.
 *
 *	start IMAGE
 */
#include <efi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static EFI_STATUS EFIAPI output(struct _SIMPLE_TEXT_OUTPUT_INTERFACE *this, CHAR16 *text)
{
	(void)this;
	while (*text)
		putchar(*text++);
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI stall(UINTN us)
{
	printf("stall %lu\n", (unsigned long)us);
	return EFI_SUCCESS;
}

static uint32_t get32(const unsigned char *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static unsigned char file[1 << 20];

int main(int argc, char **argv)
{
	EFI_STATUS EFIAPI (*start)(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);
	SIMPLE_TEXT_OUTPUT_INTERFACE out = { .OutputString = output };
	EFI_BOOT_SERVICES services = { .Stall = stall };
	EFI_SYSTEM_TABLE system = { .BootServices = &services, .ConOut = &out };
	FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
	size_t size = f ? fread(file, 1, sizeof(file), f) : 0, bytes;
	unsigned char *pe = file + get32(file + 0x3c), *opt = pe + 24, *table = opt + (pe[20] | pe[21] << 8), *at;

	if (size < 4096 || memcmp(pe, "PE\0", 4))
		return 2;
	bytes = get32(opt + 56);
	at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return 2;
	memcpy(at, file, get32(opt + 60));
	for (unsigned char *s = table; s < table + 40 * pe[6]; s += 40)
		memcpy(at + get32(s + 12), file + get32(s + 20), get32(s + 16));
	mprotect(at, bytes, PROT_READ);
	for (unsigned char *s = table; s < table + 40 * pe[6]; s += 40) {
		uint32_t flags = get32(s + 36), len = (get32(s + 8) + 4095) & ~4095u;

		if (mprotect(at + get32(s + 12), len, (flags >> 29 & 1 ? PROT_EXEC : 0) | (flags >> 30 & 1 ? PROT_READ : 0) |
			     (flags >> 31 ? PROT_WRITE : 0)))
			return 2;
	}
	__builtin___clear_cache((char *)at, (char *)at + bytes);
	start = (void *)(at + get32(opt + 16));
	return EFI_ERROR(start(NULL, &system)) ? 0 : 1;
}
