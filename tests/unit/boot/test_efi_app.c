// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/boot/efi_app.c */
/* What firmware gets that starts the image: text in pieces, an error, and the machine back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <efi.h>

EFI_STATUS EFIAPI efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

static char shown[1024];
static EFI_STATUS says;
static unsigned long stalled;
static SIMPLE_TEXT_OUTPUT_INTERFACE out;

static EFI_STATUS EFIAPI output(struct _SIMPLE_TEXT_OUTPUT_INTERFACE *this, CHAR16 *text)
{
	size_t len = strlen(shown);

	assert_ptr_equal(this, &out);
	while (*text && len < sizeof(shown) - 1)
		shown[len++] = (char)*text++;
	shown[len] = 0;
	return says;
}

static EFI_STATUS EFIAPI stall(UINTN us)
{
	stalled += us;
	return EFI_SUCCESS;
}

static EFI_STATUS start(bool console)
{
	EFI_BOOT_SERVICES services = { .Stall = stall };
	EFI_SYSTEM_TABLE system = { .BootServices = &services, .ConOut = console ? &out : NULL };

	out.OutputString = output;
	shown[0] = 0;
	stalled = 0;
	return efi_main(NULL, &system);
}

static void test_says(void **state)
{
	(void)state;
	for (says = EFI_SUCCESS;; says = EFI_DEVICE_ERROR) {
		assert_true(EFI_ERROR(start(true)));
		assert_non_null(strstr(shown, "capstub " CAPSTUB_VERSION " "));
		assert_non_null(strstr(shown, "kexec -s -p"));
		assert_string_equal(shown + strlen(shown) - 2, "\r\n");
		assert_in_range(stalled, 1, 5000000);
		if (says)
			break;
	}
}

static void test_no_console(void **state)
{
	(void)state;
	assert_true(EFI_ERROR(start(false)));
	assert_string_equal(shown, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_says), cmocka_unit_test(test_no_console) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
