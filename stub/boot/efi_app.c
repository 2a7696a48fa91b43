// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the firmware finds when it is told to start the image: an application that says what it is and returns. The PE
 * header names this function as its entry (linker/pe.ld).
 *
 * It runs where the firmware put it, on the firmware's stack, with nothing of the stub set up: not relocated, on x86_64
 * without .data and the stack protector's guard. So no pointer that is kept in memory, and nothing static but constants.
 *
 * It is also where the image says of itself which generation it is, for shim to revoke (shim's SBAT.md): the number goes
 * up when a mistake is mended that let somebody get round Secure Boot, and never otherwise.
 */
#include <efi.h>

#include "stub/bits.h"

#define SHOW_US	3000000	/* a boot menu may clear the screen when we return */

EFI_STATUS EFIAPI efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

__attribute__((section(".sbat"), used)) static const char sbat[] =
	"sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n"
	"capstub,1,capstub,capstub," CAPSTUB_VERSION ",capstub(8)\n";

/* UEFI 2.10 §12.4 OutputString(). An error goes on to the next boot option, where there is one (§3.1.1). */
__attribute__((no_stack_protector)) EFI_STATUS EFIAPI efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
	static const char text[] =
		"capstub " CAPSTUB_VERSION " saves the memory of a Linux kernel that has crashed. It cannot be booted.\r\n"
		"Linux loads this file while it runs: capstub load, or kexec -s -p, see capstub(8).\r\n"
		"Nothing was changed. Back to the firmware.\r\n";
	const char *p = text;
	CHAR16 line[32];

	(void)image;
	while (system->ConOut && *p) {
		unsigned n = 0;

		while (*p && n < ARRAY_SIZE(line) - 1)
			line[n++] = (CHAR16)*p++;
		line[n] = 0;
		system->ConOut->OutputString(system->ConOut, line);
	}
	system->BootServices->Stall(SHOW_US);
	return EFI_UNSUPPORTED;
}
