/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The image as those who verify signatures see it: Microsoft "PE Format", 64-bit, and "Windows Authenticode Portable
 * Executable Signature Format" 1.0. Pure: files in memory, which may hold anything.
 */
#ifndef TOOLS_PE_H
#define TOOLS_PE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/load/sha256.h"

#define PE_SECTIONS_MAX	16u

struct pe {
	const uint8_t *data;
	size_t size;
	size_t checksum;		/* where the optional header's lies, 4 bytes */
	size_t cert_entry;		/* where the directory says where certificates are, 8 bytes */
	size_t header_size;
	size_t certs, certs_size;	/* at the end of the file; 0: not signed */
	unsigned nr_sections;
	struct pe_section {
		uint32_t at, size;	/* in the file, in its order */
	} sections[PE_SECTIONS_MAX];
};

/* 0, or -EINVAL without a message: no PE file, or one that the kernel and the signing programs could read in two ways */
int pe_read(struct pe *pe, const void *data, size_t size);

/* What a signature covers: all but the checksum, the directory's entry and the certificates themselves */
void pe_digest(const struct pe *pe, uint8_t ret[SHA256_SIZE]);

/* The first signature, which is the only one that the kernel looks at: PKCS #7 in DER. NULL: there is none. */
const uint8_t *pe_signature(const struct pe *pe, size_t *ret_len);

/* Does it cover the file as it is? By its digest alone: who made it, and whether that is true, is the kernel's business. */
bool pe_signature_fits(const struct pe *pe, const uint8_t *sig, size_t len);

/*
 * The same file without signatures, or, with @sig of @len bytes, with that one instead. For free(); *ret_size is its length.
 * Signatures of others were counted in the checksum, so that is zero in what has none.
 */
uint8_t *pe_with_signature(const struct pe *pe, const uint8_t *sig, size_t len, size_t *ret_size);

/*
 * Key identifiers (RFC 5280 §4.2.1.1 and 2) of the certificates in a signature, of their own keys and of those that
 * signed them. The kernel takes a signature when it knows one of them. Certificates without any are not seen.
 */
#define PE_KEY_IDS	8u
#define PE_KEY_ID_MAX	32u

struct key_id {
	uint8_t len, bytes[PE_KEY_ID_MAX];
};

unsigned pe_key_ids(const uint8_t *sig, size_t len, struct key_id ret[PE_KEY_IDS]);

#endif
