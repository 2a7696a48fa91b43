/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Will a kernel that takes signed images only take this one? It knows keys by the keyrings .builtin_trusted_keys,
 * .secondary_trusted_keys, .machine (enrolled with shim's MOK list) and .platform (the firmware's db); the latter two are
 * empty without Secure Boot (Linux Documentation/security/keys/trusted-encrypted.rst, security/integrity/platform_certs).
 */
#ifndef TOOLS_TRUST_H
#define TOOLS_TRUST_H

#include "tools/load/image.h"

enum trust {
	TRUST_UNSIGNED,
	TRUST_CHANGED,		/* it is not what was signed */
	TRUST_UNKNOWN,		/* the kernel has none of the keys, as far as can be seen */
	TRUST_KNOWN,
};

/* Of the kernel that runs, or whose /proc is below @root. A sentence about @img goes to @text. */
enum trust trust_look(const struct stub_image *img, const char *root, char *text, size_t size);

/* What to do when the kernel does not have the key */
const char *trust_enrol(const char *root);

/* Secure Boot is on, as the firmware says */
bool secure_boot(const char *root);
/* The kernel is locked down: kexec_load(2) is refused, and what kexec_file_load(2) reads has to be signed */
bool kernel_locked(const char *root);

/* What an errno of kexec_file_load(2) says about the signature, beginning in the middle of a sentence; NULL: nothing */
const char *signature_error(int error);

#endif
