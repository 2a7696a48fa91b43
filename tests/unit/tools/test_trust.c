// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: tools/load/trust.c tools/load/pe.c tools/load/sha256.c tools/load/machine.c tools/util.c */
/* What errnos of kexec_file_load(2) are said to mean, and which machines are locked down. Signatures: tests/tools/sign.t */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "tools/load/trust.h"

static void test_errors(void **state)
{
	static const int known[] = { ENODATA, ENOKEY, EKEYREJECTED, EBADMSG, ELIBBAD, 524, ENOPKG, EACCES };

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_non_null(signature_error(known[i]));
	/* said by others: they are not about the signature alone */
	assert_null(signature_error(EPERM));
	assert_null(signature_error(ENOMEM));
	assert_null(signature_error(0));
}

static void put(const char *root, const char *path, const char *text, size_t len)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		mkdir(full, 0755);
	}
	f = fopen(full, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
}

static void test_machine(void **state)
{
	static const char var[] = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
	char root[] = "/tmp/test-trust-XXXXXX", cmd[64];

	(void)state;
	assert_non_null(mkdtemp(root));
	assert_false(kernel_locked(root));
	assert_false(secure_boot(root));
	put(root, "/sys/kernel/security/lockdown", "[none] integrity confidentiality\n", 33);
	assert_false(kernel_locked(root));
	put(root, "/sys/kernel/security/lockdown", "none integrity [confidentiality]\n", 33);
	assert_true(kernel_locked(root));
	assert_non_null(strstr(trust_enrol(root), "without Secure Boot"));
	put(root, "/sys/firmware/efi/fw_platform_size", "64\n", 3);	/* but no efivarfs */
	assert_non_null(strstr(trust_enrol(root), "mokutil"));
	put(root, var, "\6\0\0\0\1", 5);
	assert_true(secure_boot(root));
	assert_non_null(strstr(trust_enrol(root), "mokutil"));
	put(root, var, "\6\0\0\0\0", 5);
	assert_false(secure_boot(root));
	assert_non_null(strstr(trust_enrol(root), "without Secure Boot"));
	put(root, var, "\6\0\0\0\1\1", 6);
	assert_false(secure_boot(root));
	snprintf(cmd, sizeof(cmd), "rm -r %s", root);
	assert_int_equal(system(cmd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_errors), cmocka_unit_test(test_machine) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
