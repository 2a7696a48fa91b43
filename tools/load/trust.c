// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/load/trust.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/load/pe.h"
#include "tools/util.h"

/* linux include/linux/errno.h: never meant for programs, but this call returns it */
#define ENOTSUPP	524

#define SECURE_BOOT	"/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

static const struct keyring {
	const char *name, *from;
} keyrings[] = {
	{ ".platform", "the firmware's db" },
	{ ".machine", "MOK" },
	{ ".secondary_trusted_keys", "trusted by the kernel" },
	{ ".builtin_trusted_keys", "built into the kernel" },
};

/* What the kernel calls an X.509 key: its subject, ": " and the identifier in hex (crypto/asymmetric_keys/x509_public_key.c) */
static bool is_named(const char *description, const char *end, const struct key_id *id)
{
	char hex[2 + 2 * PE_KEY_ID_MAX + 1] = ": ";
	size_t len = 2 + 2 * id->len;

	for (unsigned i = 0; i < id->len; i++)
		sprintf(hex + 2 + 2 * i, "%02x", id->bytes[i]);
	return (size_t)(end - description) >= len && !memcmp(end - len, hex, len);
}

static bool key_is(int32_t key, const struct key_id *ids, unsigned nr)
{
	char text[512];
	long len = syscall(SYS_keyctl, KEYCTL_DESCRIBE, key, text, sizeof(text));

	if (len < 1 || len > (long)sizeof(text))
		return false;
	for (unsigned i = 0; i < nr; i++)
		if (is_named(text, text + len - 1, &ids[i]))
			return true;
	return false;
}

/* A line of /proc/keys: serial, flags, usage, expiry, permissions, uid, gid, type, description */
static bool parse_line(const char *line, uint32_t *ret_serial, char type[16], const char **ret_description)
{
	int at = 0;

	if (sscanf(line, "%x %*s %*s %*s %*s %*s %*s %15s %n", ret_serial, type, &at) < 2 || !at)
		return false;
	*ret_description = line + at;
	return true;
}

static bool keyring_has(int32_t ring, const struct key_id *ids, unsigned nr)
{
	int32_t keys[256];
	long len = syscall(SYS_keyctl, KEYCTL_READ, ring, keys, sizeof(keys));

	if (len > (long)sizeof(keys))
		len = sizeof(keys);
	for (long i = 0; i < len / 4; i++)
		if (key_is(keys[i], ids, nr))
			return true;
	return false;
}

/* The keyring that @line of /proc/keys is about has one of the keys, and the kernel looks there */
static const struct keyring *ring_with(const char *line, const struct key_id *ids, unsigned nr)
{
	const char *description;
	uint32_t serial;
	char type[16];

	if (!parse_line(line, &serial, type, &description) || strcmp(type, "keyring"))
		return NULL;
	for (unsigned i = 0; i < sizeof(keyrings) / sizeof(keyrings[0]); i++) {
		size_t len = strlen(keyrings[i].name);

		if (!strncmp(description, keyrings[i].name, len) && description[len] == ':' &&
		    keyring_has((int32_t)serial, ids, nr))
			return &keyrings[i];
	}
	return NULL;
}

/* Somewhere in the kernel: "... asymmetri Some Name: 0123...: X509.rsa 89abcdef []" */
static bool line_names(const char *line, const struct key_id *ids, unsigned nr)
{
	const char *description, *end;
	uint32_t serial;
	char type[16];

	if (!parse_line(line, &serial, type, &description) || strncmp(type, "asymmetri", 9))
		return false;
	end = strstr(description, ": X509");
	for (unsigned i = 0; end && i < nr; i++)
		if (is_named(description, end, &ids[i]))
			return true;
	return false;
}

/* Where the key is goes to @text; another machine's keyrings cannot be read, nor ours by everybody. */
static bool find_key(const char *root, const struct key_id *ids, unsigned nr, char *text, size_t size)
{
	char *keys = read_file(root, "/proc/keys", NULL), *save;
	const struct keyring *ring = NULL;
	bool known = false;

	for (char *l = keys ? strtok_r(keys, "\n", &save) : NULL; l && !ring; l = strtok_r(NULL, "\n", &save)) {
		known |= line_names(l, ids, nr);
		if (!*root)
			ring = ring_with(l, ids, nr);
	}
	free(keys);
	if (ring)
		snprintf(text, size, "in %s (%s)", ring->name, ring->from);
	else
		snprintf(text, size, "among its keys");
	return ring || known;
}

enum trust trust_look(const struct stub_image *img, const char *root, char *text, size_t size)
{
	struct key_id ids[PE_KEY_IDS];
	const uint8_t *sig;
	unsigned nr;
	size_t len;
	struct pe pe;
	char where[80];

	if (pe_read(&pe, img->file, img->file_size)) {
		snprintf(text, size, "the PE header of %s, or its table of signatures, is damaged", img->path);
		return TRUST_CHANGED;
	}
	sig = pe_signature(&pe, &len);
	if (!sig) {
		snprintf(text, size, "%s is not signed", img->path);
		return TRUST_UNSIGNED;
	}
	if (!pe_signature_fits(&pe, sig, len)) {
		snprintf(text, size, "%s was changed after it was signed, or signed with another digest than SHA-256", img->path);
		return TRUST_CHANGED;
	}
	nr = pe_key_ids(sig, len, ids);
	if (nr && find_key(root, ids, nr, where, sizeof(where))) {
		snprintf(text, size, "%s is signed, and the kernel has the key %s", img->path, where);
		return TRUST_KNOWN;
	}
	snprintf(text, size, "%s is signed, and the kernel does not seem to have the key", img->path);
	return TRUST_UNKNOWN;
}

/* As far as it is known: efivarfs need not be there, or mounted */
static bool secure_boot_is(const char *root, bool on)
{
	size_t size;
	char *var = read_file(root, SECURE_BOOT, &size);	/* attributes, then the byte */
	bool answer = var && size == 5 && var[4] == on;

	free(var);
	return answer;
}

bool secure_boot(const char *root)
{
	return secure_boot_is(root, true);
}

/* Nor without such firmware */
static bool secure_boot_off(const char *root)
{
	char *efi = read_file(root, "/sys/firmware/efi/fw_platform_size", NULL);
	bool off = !efi || secure_boot_is(root, false);

	free(efi);
	return off;
}

bool kernel_locked(const char *root)
{
	char *text = read_file(root, "/sys/kernel/security/lockdown", NULL);
	bool locked = text && (strstr(text, "[integrity]") || strstr(text, "[confidentiality]"));

	free(text);
	return locked;
}

const char *trust_enrol(const char *root)
{
	if (kernel_locked(root) && secure_boot_off(root))
		return "without Secure Boot the kernel reads no keys from MOK and db: sign with a key that is built into the "
		       "kernel, or boot without lockdown=";
	return "enrol the certificate: 'mokutil --import CERT.der' (DER, as 'openssl x509 -outform DER' writes it), reboot, "
	       "and confirm in the menu that comes up";
}

const char *signature_error(int error)
{
	switch (error) {
	case ENODATA:
		return "it is not signed, and this kernel takes signed images only; see 'capstub sign --help'";
	case ENOKEY:
		return "it is signed with a key that the kernel does not know";
	case EKEYREJECTED:
		return "its signature does not fit: it was changed after it was signed, or the firmware's dbx revokes it; sign it "
		       "again";
	case EBADMSG:
		return "its signature cannot be read: sign it again";
	case ELIBBAD:
	case ENOTSUPP:
		return "its PE header or the table of signatures in it is damaged: the file was cut, or signed by a program that "
		       "breaks it";
	case ENOPKG:
		return "the kernel does not have the algorithms of its signature: sign it with RSA and SHA-256";
	case EACCES:
		return "an integrity policy (IMA) refuses it: it takes signed images only";
	default:
		return NULL;
	}
}
